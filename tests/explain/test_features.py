"""Steps of feature vectors: equal to the library's, add up, and refuse what has none."""

import math
import re

import numpy as np
import pytest

import tinycnn
from tests.helpers.explained import check_panels, evaluate, printed
from tinycnn import Tensor, models, nn
from tinycnn import functional as F
from tinycnn.explain import explain, features
from tinycnn.features import Index
from tinycnn.features import features as vectors_of

pytestmark = pytest.mark.usefixtures("on_numpy")


@pytest.fixture
def model():
    tinycnn.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.LeakyReLU(0.1), nn.Linear(4, 3))


def test_features_are_the_librarys(model, rng):
    images = rng.random((4, 2, 2, 2)).astype("f")
    before = [p.numpy().copy() for p in model.parameters()]
    steps = explain(features, model, images)
    check_panels(steps)
    expected = vectors_of(model, images, 2)
    np.testing.assert_array_equal(steps.result, expected)
    found = Index(expected[1:], "cosine").search(expected[:1], k=3)
    np.testing.assert_allclose(steps.arrays["cos"][1 + found.index[0]], 1 - found.distance[0], rtol=1e-6)
    assert steps[-1].title == f"the nearest image: {1 + found.index[0, 0]}"
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)
    assert model.training


def test_every_feature_is_f_of_its_weighted_sum(model, rng):
    steps = features(model, rng.standard_normal((2, 2, 2, 2)).astype("f"))
    units = [step for step in steps if step.title.startswith("feature")]
    assert len(units) == 4
    for j, step in enumerate(units):
        assert step.equation == "F(x) = f(W_F·x + b_F),  x = a1   (Eq. 14)"
        weighted, f = step.numbers.split(";  ")
        total, shown = evaluate(weighted.replace(" smaller terms ", "*0 + "))
        assert total == pytest.approx(shown, rel=1e-2, abs=2e-3)
        assert shown == pytest.approx(steps.arrays["a2"][0, j], rel=1e-3)
        assert f.endswith(f" = {printed(steps.result[0, j])}")
        z = float(f.partition("(")[2].partition(",")[0].partition(" ")[0]) if "(" in f else shown
        assert (z if z > 0 else 0.1 * z) == pytest.approx(steps.result[0, j], rel=1e-2, abs=1e-3)
        hidden = step.panels[-1].pending  # what comes later is not shown yet
        assert hidden == {(0, k) for k in range(j + 1, 4)}


def test_cosines_are_what_their_numbers_say(model, rng):
    steps = features(model, rng.random((3, 2, 2, 2)).astype("f"))
    similar = [step for step in steps if step.title.startswith("how similar")]
    assert len(similar) == 2
    a = steps.result.astype(float)
    for m, step in enumerate(similar, 1):
        computed, shown = evaluate(step.numbers)
        assert computed == pytest.approx(shown, abs=2e-3)
        cosine = a[0] @ a[m] / (np.linalg.norm(a[0]) * np.linalg.norm(a[m]))
        assert shown == pytest.approx(cosine, abs=1e-3)
    length = next(step for step in steps if step.title.startswith("the feature vector"))
    squares = re.search(r"√\((.*)\) = (.*)", length.numbers)
    assert math.sqrt(eval(squares[1].replace("·", "*"))) == pytest.approx(float(squares[2]), rel=1e-2)


def test_a_vector_of_zeros_has_no_direction():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2))
    model[1].weight.data = np.array([[1.0], [2.0]], "f")
    steps = features(model, np.array([1, -1, 2], "f").reshape(3, 1, 1, 1))
    assert "a vector of zeros has no direction" in steps.steps_of("cos")[0].numbers
    assert steps.arrays["cos"].tolist() == [1, 0, pytest.approx(1)]
    assert steps[-1].title == "the nearest image: 2"


def test_the_gradient_of_the_strongest_feature(model, rng):
    images = rng.random((2, 2, 2, 2)).astype("f")
    steps = features(model, images, backward=True)
    check_panels(steps)
    x = Tensor(images, requires_grad=True)
    z = F.leaky_relu(F.linear(F.flatten(x, 1), model[1].weight, model[1].bias), 0.1)
    j = int(np.abs(z.numpy()[0]).argmax())
    z[0, j].backward()
    np.testing.assert_array_equal(steps.arrays["dL/da0"], x.grad.numpy())
    back = [step for step in steps if step.phase == "backward"]
    assert back[0].numbers == f"L = {printed(z.numpy()[0, j])}"
    assert len(back) == 5  # L, f, the weighted sum, the layer before, the pixel
    assert back[-1].numbers.endswith(f"= {printed(max(x.grad.numpy()[0].ravel(), key=abs))}")


@pytest.mark.parametrize("layer", [None, "0", "1", "2", "6", "7", "8"])
def test_any_layer_of_a_documented_network(layer, rng):
    """A convolution, an activation behind one, a pool, the flattened maps, a dense layer, its activation."""
    model, images = models.cnn28(), rng.random((2, 1, 28, 28)).astype("f")
    steps = features(model, images, layer, backward=True)
    check_panels(steps)
    np.testing.assert_array_equal(steps.result, vectors_of(model, images, layer or "8"))
    assert sum(step.title.startswith("feature ") for step in steps) == 2


@pytest.mark.parametrize(
    ("images", "layer", "says"),
    [
        ((1, 2, 2, 2), None, "N at least 2, got"),
        ((2, 2, 2), None, r"images \(N, C, H, W\)"),
        ((2, 2, 2, 2), "conv1", "there is no layer 'conv1'; there are 0"),
        ((2, 2, 2, 2), "block", "is made of layers: choose one of block.0, block.1, last"),
    ],
)
def test_what_has_no_features(model, images, layer, says):
    class Named(nn.Module):
        def __init__(self):
            self.block = nn.Sequential(nn.Flatten(), nn.Linear(8, 4))
            self.last = nn.Linear(4, 2)

        def forward(self, x):
            return self.last(self.block(x))

    with pytest.raises(ValueError, match=says):
        features(Named() if layer == "block" else model, np.zeros(images, "f"), layer)
