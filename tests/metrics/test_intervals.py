import numpy as np
import pytest
from scipy import stats

from tinycnn.metrics import bootstrap_interval, mcnemar


def test_scipy_draws_about_the_same_interval(rng):
    right = rng.random(500) < 0.9
    ours = bootstrap_interval(right, resamples=4000)
    theirs = stats.bootstrap((right,), np.mean, method="percentile", n_resamples=4000, rng=rng)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.004)
    assert bootstrap_interval(right) == bootstrap_interval(right)
    assert bootstrap_interval(right, seed=1) != bootstrap_interval(right, seed=2)


def test_a_95_percent_interval_holds_the_truth_about_so_often(rng):
    intervals = [bootstrap_interval(rng.random(200) < 0.7, resamples=200) for _ in range(200)]
    assert 0.89 < np.mean([low <= 0.7 <= high for low, high in intervals]) <= 0.99


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 0), (5, 9), (40, 12), (700, 640)])
def test_mcnemar_is_the_binomial_test(only_a, only_b):
    a = np.repeat([True, False, True, False], [only_a, only_b, 20, 5])
    b = np.repeat([False, True, True, False], [only_a, only_b, 20, 5])
    result = mcnemar(a, b)
    n = only_a + only_b
    assert (result.only_a, result.only_b) == (only_a, only_b)
    assert result.p == pytest.approx(stats.binomtest(only_a, n).pvalue if n else 1)
    assert mcnemar(b, a).p == result.p


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        ([True], {}, "N at least 2"),
        (np.ones((2, 2)), {}, r"got \(2, 2\)"),
        ([1.0, np.nan], {}, "NaN"),
        ([1.0, 2.0], {"level": 1}, "level must be in"),
        ([1.0, 2.0], {"resamples": 10}, "at least 100"),
    ],
)
def test_bad_values(values, options, says):
    with pytest.raises(ValueError, match=says):
        bootstrap_interval(values, **options)


def test_other_than_booleans_of_the_same_images():
    with pytest.raises(ValueError, match=r"got \(2,\) bool and \(3,\) bool"):
        mcnemar(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(ValueError, match="booleans"):
        mcnemar([1, 0], [0, 1])
