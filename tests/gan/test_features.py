import numpy as np
import pytest

import tinycnn
from tinycnn.data import digits
from tinycnn.gan import Discriminator, features
from tinycnn.gan.features import compare, few_of_each, linear_error, pooled_features


@pytest.mark.parametrize(
    ("shape", "convolutions", "numbers"),
    [
        ((1, 28, 28), 2, 3 * 16 + 6 * 16),
        ((1, 28, 28), 3, 3 * 16 + 6 * 16 + 12 * 9),
        ((3, 32, 32), 3, 3 * 16 + 6 * 16 + 12 * 16),
    ],
    ids=str,
)
def test_every_map_is_pooled_to_4x4(shape, convolutions, numbers, rng):
    tinycnn.manual_seed(0)
    D = Discriminator(shape, width=3, convolutions=convolutions)
    x = rng.random((5, *shape), np.float32)
    pooled = pooled_features(D, x, chunk=2)
    assert pooled.shape == (5, numbers)
    first = D.maps(tinycnn.Tensor(2 * x - 1))[0].numpy()
    side = first.shape[2]
    stride, kernel = side // 4, side - side // 4 * 3
    window = first[:, :, 3 * stride : 3 * stride + kernel, :kernel]  # the cell at row 3, column 0
    np.testing.assert_allclose(pooled[:, :48].reshape(5, 3, 4, 4)[:, :, 3, 0], window.max((2, 3)), atol=1e-6)
    assert 3 * stride + kernel == side  # no row is left out


def test_a_linear_classifier_separates_what_a_line_does(rng):
    x = rng.standard_normal((200, 4))
    x[:, 3] = 7  # a constant column divides by no zero
    y = x[:, :3].argmax(1)
    assert linear_error(x[:100], y[:100], x[100:], y[100:], 3) < 0.15


def test_few_of_each():
    train, _ = digits()
    few = few_of_each(train, 43)
    assert sorted(np.bincount(few.labels, minlength=10)) == [4] * 7 + [5] * 3
    assert (few_of_each(train, 43, seed=1).images != few.images).any()
    for count in (9, 10_001):
        with pytest.raises(ValueError, match=f"{count} labels: 'digits train' has K=10 classes and 10000"):
            few_of_each(train, count)


def test_the_comparison_learns_something(monkeypatch):
    monkeypatch.setattr(features, "SUPERVISED_STEPS", 30)
    tinycnn.manual_seed(0)
    train, test = digits()
    row = compare(Discriminator(width=4), train, test.subset(np.arange(0, 2000, 10)), 100)
    assert row.labels == 100
    for error in (row.features, row.supervised, row.pixels):
        assert 0.05 < error < 0.7


def test_a_conditional_discriminator_would_ask_for_the_answer():
    with pytest.raises(ValueError, match="it takes the labels that are to be predicted"):
        pooled_features(Discriminator(width=4, num_classes=10), np.zeros((1, 1, 28, 28), np.float32))
