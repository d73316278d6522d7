import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tinycnn.metrics import expected_calibration_error, reliability


def some(rng, N=200, K=4):
    p = rng.dirichlet(np.ones(K) / 2, N)
    return rng.integers(0, K, N), p


@pytest.mark.parametrize("bins", [1, 5, 10])
def test_scikit_learn_says_the_same(rng, bins):
    labels, p = some(rng)
    right = p.argmax(axis=1) == labels
    accuracy, confidence = calibration_curve(right, p.max(axis=1), n_bins=bins)
    ours = reliability(labels, p, bins)
    filled = ours.images > 0
    np.testing.assert_allclose(ours.accuracy[filled], accuracy)
    np.testing.assert_allclose(ours.confidence[filled], confidence)
    assert np.isnan(ours.accuracy[~filled]).all()
    assert ours.images.sum() == len(labels)


def test_the_error_by_hand():
    # Two answers of 0.6, one right; two of 0.9, both right: 2/4 * |0.5 - 0.6| + 2/4 * |1 - 0.9|.
    p = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9]])
    assert expected_calibration_error([0, 1, 0, 1], p) == pytest.approx(0.1)


def test_a_calibrated_classifier_has_a_small_error_and_one_that_is_too_sure_a_large_one(rng):
    _, p = some(rng, 20_000)
    labels = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)  # drawn with these probabilities
    assert expected_calibration_error(labels, p) < 0.02
    sharp = p**4 / (p**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(labels, sharp) > 0.1


@pytest.mark.parametrize(
    ("p", "bins", "says"),
    [
        ([[2.0, -1.0]], 10, "must add up to 1; logits become so by F.softmax"),
        ([[0.6, 0.6]], 10, "must add up to 1"),
        ([[0.5, 0.5]], 0, "bins must be at least 1, got 0"),
    ],
)
def test_bad_input(p, bins, says):
    with pytest.raises(ValueError, match=says):
        reliability([0], p, bins)
