import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

import tinycnn
from tinycnn.data import digits
from tinycnn.gan.score import (
    Opinion,
    frechet_distance,
    log_density,
    measure,
    nearest_neighbour_error,
    opinion,
    parzen,
)
from tinycnn.gan.score.density import WIDTHS
from tinycnn.models import cnn28


@pytest.mark.parametrize(("N", "M", "features"), [(200, 150, 6), (5, 4, 8), (50, 60, 1)])
def test_frechet_distance_equals_the_formula_with_a_matrix_root(N, M, features, rng):
    mixing = rng.standard_normal((2, features, features))
    x = rng.standard_normal((N, features)) @ mixing[0]
    y = rng.standard_normal((M, features)) @ mixing[1] + 1
    C1, C2 = (np.atleast_2d(np.cov(rows.T)) for rows in (x, y))
    root = sqrtm(C1 @ C2).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(C1 + C2 - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_a_shift_is_its_square(rng):
    x = rng.standard_normal((100, 3)).astype(np.float32)
    assert frechet_distance(x, x + np.float32([3, 4, 0])) == pytest.approx(25, rel=1e-5)


def test_frechet_distance_refuses():
    good = np.ones((3, 2))
    for x, y, says in [
        (good, np.ones((3, 4)), r"\(3, 2\) and \(3, 4\)"),
        (good[:1], good, "N > 1"),
        (good * np.nan, good, "x of shape"),
    ]:
        with pytest.raises(ValueError, match=says):
            frechet_distance(x, y)


def test_log_density_is_that_of_the_mixture(rng):
    x, samples, sigma = rng.random((7, 3)), rng.random((4, 3)), 0.3
    mixture = np.mean([multivariate_normal(s, sigma**2 * np.eye(3)).pdf(x) for s in samples], axis=0)
    np.testing.assert_allclose(log_density(x, samples, sigma), np.log(mixture), rtol=1e-9)


def test_log_density_far_away_is_no_infinity():
    assert np.isfinite(log_density(np.full((1, 784), 100.0), np.zeros((2, 784)), 0.1)).all()
    with pytest.raises(ValueError, match="sigma must be above 0"):
        log_density(np.ones((1, 2)), np.ones((1, 2)), 0)
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3\)"):
        log_density(np.ones((1, 2)), np.ones((1, 3)), 1)


def test_parzen_takes_the_width_that_suits_the_validation_images(rng):
    samples, validation, test = (0.5 + 0.2 * rng.standard_normal((60, 1, 2, 2)) for _ in range(3))
    result = parzen(samples, validation, test)
    rows = [images.reshape(60, 4) for images in (samples, validation, test)]
    means = [log_density(rows[1], rows[0], width).mean() for width in WIDTHS]
    assert result.sigma == WIDTHS[int(np.argmax(means))]
    values = log_density(rows[2], rows[0], result.sigma)
    assert result.mean == pytest.approx(values.mean())
    assert result.error == pytest.approx(values.std(ddof=1) / 60**0.5)


def test_classifier_score_by_its_formula(rng):
    p = rng.dirichlet(np.ones(4), 30)
    kl = (p * np.log(p / p.mean(0))).sum(1)
    assert Opinion(p, p).score == pytest.approx(np.exp(kl.mean()))
    sure = np.eye(4)[np.arange(40) % 4]
    assert Opinion(sure, sure).score == pytest.approx(4)
    assert Opinion(sure, np.tile(sure[:1], (40, 1))).score == pytest.approx(1)  # sure, and always the same
    assert Opinion(sure, np.full((9, 4), 0.25)).score == pytest.approx(1)  # no idea


def test_confidence_and_coverage():
    p = np.array([[0.95, 0.05, 0], [0.85, 0.1, 0.05], [0.05, 0.94, 0.01], [0.2, 0.7, 0.1]])
    judged = Opinion(p, p)
    assert judged.confident == 0.5
    np.testing.assert_array_equal(judged.coverage, [0.5, 0.5, 0])


def test_the_1_nn_error_counts_wrong_neighbours(rng):
    images, test = rng.random((40, 1, 3, 3)), rng.random((25, 1, 3, 3))
    labels, test_labels = rng.integers(0, 3, 40), rng.integers(0, 3, 25)
    closest = cdist(test.reshape(25, -1), images.reshape(40, -1)).argmin(1)
    expected = (labels[closest] != test_labels).mean()
    assert nearest_neighbour_error(images, labels, test, test_labels) == pytest.approx(expected)
    assert nearest_neighbour_error(test, test_labels, test, test_labels) == 0


def test_features_are_the_last_layers_input():
    tinycnn.manual_seed(0)
    classifier = cnn28()
    x = digits()[1].scaled(slice(0, 7))
    judged = opinion(classifier, x, chunk=3)
    assert judged.features.shape == (7, 128)
    logits = judged.features @ classifier[-1].weight.numpy().T + classifier[-1].bias.numpy()
    np.testing.assert_array_equal(judged.predictions, logits.argmax(1))
    np.testing.assert_allclose(judged.probabilities.sum(1), 1, rtol=1e-5)


def test_real_images_are_measured_like_the_floor_and_noise_is_not():
    tinycnn.manual_seed(0)
    train, test = (d.subset(np.arange(0, len(d), 10)) for d in digits())
    classifier = cnn28()
    real = train.subset(np.arange(0, 1000, 2))
    images = real.scaled(slice(None))
    report = measure(images, real.labels, classifier, train, test)
    assert report.labelled_by == "the condition"
    assert report.generated.neighbour_error == pytest.approx(report.real.neighbour_error, abs=0.05)
    noise = np.random.default_rng(0).random(images.shape, np.float32)
    by_noise = measure(noise, None, classifier, train, test)
    assert by_noise.labelled_by == "cnn28"
    assert by_noise.generated.neighbour_error > 0.6
    assert by_noise.generated.frechet > 3 * by_noise.real.frechet
    assert by_noise.generated.parzen.mean < by_noise.real.parzen.mean
    with pytest.raises(ValueError, match="1000 training images leave none to validate with"):
        measure(np.zeros((999, 1, 28, 28), np.float32), None, classifier, train, test)
