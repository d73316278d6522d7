import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor, nn
from tinycnn.data import Dataset
from tinycnn.features import colour_statistics, features, find_layer, gram_matrix, last_hidden, layer_names
from tinycnn.features.extract import last_maps, pooled
from tinycnn.models import cnn28


class Net(nn.Module):
    """Named layers, some functions between them, and one layer that forward forgets."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.unused = nn.ReLU()
        self.head = nn.Sequential(nn.Linear(3 * 36, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return self.head(tinycnn.functional.flatten(x, 1))


@pytest.fixture
def net():
    tinycnn.manual_seed(0)
    return Net()


@pytest.fixture
def images(rng):
    return rng.random((7, 1, 8, 8), np.float32)


@pytest.mark.parametrize("layer", range(10))
def test_every_layer_of_cnn28_is_the_network_up_to_it(layer, rng):
    tinycnn.manual_seed(0)
    model, x = cnn28(), rng.random((5, 1, 28, 28), np.float32)
    expected = model[: layer + 1](Tensor(x)).numpy().reshape(5, -1)
    np.testing.assert_allclose(features(model, x, str(layer), chunk=2), expected, atol=1e-5)
    np.testing.assert_allclose(features(model, x, layer - 10), expected, atol=1e-5)


def test_a_module_with_names(net, images):
    assert layer_names(net) == ["conv", "norm", "unused", "head", "head.0", "head.1", "head.2"]
    expected = net.eval()(Tensor(images)).numpy()
    np.testing.assert_allclose(features(net, images, "head.2"), expected, rtol=1e-6)
    assert features(net, images, "conv").shape == (7, 3 * 36)
    assert last_hidden(net, (1, 8, 8)) == "head.1"
    assert last_maps(net, (1, 8, 8)) == "norm"
    assert last_maps(net.head, (108,)) is None


def test_the_model_is_as_before(net, images):
    net.norm.eval()
    before = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    features(net, images, "conv")
    assert net.training
    assert not net.norm.training
    assert not net.conv.hooks
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])


def test_pooling(net, images):
    maps = net.eval().conv(Tensor(images)).numpy()  # (7, 3, 6, 6)
    np.testing.assert_allclose(features(net, images, "conv", "mean"), maps.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(features(net, images, "conv", "max"), maps.max((2, 3)), atol=1e-6)
    windows = maps.reshape(7, 3, 2, 3, 2, 3).max((3, 5)).reshape(7, -1)
    np.testing.assert_allclose(features(net, images, "conv", 2), windows, atol=1e-6)
    gram = np.einsum("nihw,njhw->nij", maps, maps) / 36
    np.testing.assert_allclose(gram_matrix(Tensor(maps)).numpy(), gram, atol=1e-5)
    rows, columns = np.triu_indices(3)
    np.testing.assert_allclose(features(net, images, "conv", "gram"), gram[:, rows, columns], atol=1e-5)
    assert features(net, images, "head", "mean").shape == (7, 2)  # vectors stay as they are
    assert pooled(Tensor(maps), 9).shape == (7, 108)


def test_the_gram_matrix_forgets_where_and_gradients_flow_through_it(rng):
    maps = rng.random((1, 3, 4, 4))
    moved = np.roll(maps, (1, 2), axis=(2, 3))
    np.testing.assert_allclose(gram_matrix(Tensor(maps)).numpy(), gram_matrix(Tensor(moved)).numpy())
    assert tinycnn.gradcheck(gram_matrix, maps, order=1).errors


def test_colour_statistics(rng):
    images = rng.random((4, 3, 5, 5))
    assert colour_statistics(images).shape == (4, 6)
    np.testing.assert_allclose(colour_statistics(images)[:, 1], images[:, 1].mean((1, 2)))
    np.testing.assert_allclose(colour_statistics(np.ones((1, 3, 2, 2)))[0], [1, 1, 1, 0, 0, 0])


def test_a_data_set_is_scaled(net):
    images = np.full((3, 1, 8, 8), 255, np.uint8)
    data = Dataset(images, np.array([0, 1, 0]), ("a", "b"), "white")
    white = np.ones((3, 1, 8, 8), np.float32)
    np.testing.assert_array_equal(features(net, data, "conv"), features(net, white, "conv"))


@pytest.mark.usefixtures("backend")
def test_images_go_to_where_the_weights_are(images):
    tinycnn.manual_seed(0)
    model = Net().to("cpu")
    assert features(model, images, "conv", "mean").shape == (7, 3)


@pytest.mark.parametrize(
    ("layer", "pool", "says"),
    [
        ("fc", None, r"no layer 'fc'; there are conv \(Conv2d\), norm \(BatchNorm2d\), unused \(ReLU\)"),
        (3, None, "no layer '3'; there are conv"),
        ("unused", None, "layer unused exists, but the model's forward does not call it"),
        ("conv", "min", "pool must be None, 'mean', 'max', 'gram' or a whole number, got 'min'"),
        ("conv", 0, "pool must be"),
    ],
)
def test_bad_layers(net, images, layer, pool, says):
    with pytest.raises(ValueError, match=says):
        features(net, images, layer, pool)


def test_bad_images_and_models(net, images):
    with pytest.raises(ValueError, match="there are no images"):
        features(net, images[:0], "conv")
    with pytest.raises(ValueError, match=r"layer conv: .*x\[None\]"):
        features(net, images[0], "conv")
    with pytest.raises(ValueError, match="there are none"):
        find_layer(nn.ReLU(), "0")
    with pytest.raises(ValueError, match="no layer before the last one with weights"):
        last_hidden(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (3,))
