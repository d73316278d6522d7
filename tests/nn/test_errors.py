"""Shapes that do not fit, in a network: the message names the layer and what to write."""

import re

import numpy as np
import pytest

from tinycnn import models, nn
from tinycnn.tensor import Tensor


def zeros(*shape):
    return Tensor(np.zeros(shape, np.float32))


FIXED = [  # a network, an input that does not fit, which layer, and what the message says to write
    (nn.Conv2d(3, 4, 3), (3, 8, 9), "x[None]", (1, 4, 6, 7)),
    (nn.Conv2d(3, 4, 3), (8, 9, 3), "x.permute(2, 0, 1)[None]", (1, 4, 6, 7)),
    (nn.Conv2d(3, 4, 3), (2, 8, 9, 3), "x.permute(0, 3, 1, 2)", (2, 4, 6, 7)),
    (nn.Conv2d(1, 4, 3), (5, 8, 9), "x[:, None]", (5, 4, 6, 7)),
    (nn.Conv2d(1, 4, 3), (1, 8, 9), "x[None]", (1, 4, 6, 7)),
    (nn.Conv2d(1, 4, 3), (8, 9), "x[None, None]", (1, 4, 6, 7)),
    (nn.ConvTranspose2d(3, 4, 3), (3, 8, 9), "x[None]", (1, 4, 10, 11)),
    (nn.ConvTranspose2d(3, 4, 3), (2, 8, 9, 3), "x.permute(0, 3, 1, 2)", (2, 4, 10, 11)),
    (nn.BatchNorm2d(3), (3, 8, 9), "x[None]", (1, 3, 8, 9)),
    (nn.InstanceNorm2d(3), (2, 8, 9, 3), "x.permute(0, 3, 1, 2)", (2, 3, 8, 9)),
]


@pytest.mark.parametrize(("layer", "shape", "fix", "fixed"), FIXED)
def test_images_of_another_layout_and_what_to_write(layer, shape, fix, fixed):
    x = zeros(*shape)
    with pytest.raises(ValueError, match=re.escape(f"got shape {shape}") + ".*" + re.escape(fix)):
        layer(x)
    assert layer(eval(fix, {"x": x})).shape == fixed


def test_images_with_other_channels():
    with pytest.raises(ValueError, match=r"the input \(2, 3, 8, 8\) has C=3 channels, .* needs C=1"):
        nn.Conv2d(1, 4, 3)(zeros(2, 3, 8, 8))


def test_the_layer_in_a_network_is_named():
    net = models.cnn28()
    with pytest.raises(ValueError, match=r"^layer 0: conv2d: .* with C=1, .* these are grey images"):
        net(zeros(5, 28, 28))
    with pytest.raises(ValueError, match=r"^layer 7: linear: the input \(2, 2304\) must end in in=1600"):
        net(zeros(2, 1, 32, 32))
    with pytest.raises(ValueError, match=r"^layer 0: convolution: .* has C=3 channels"):
        net(zeros(2, 3, 28, 28))


def test_a_dense_layer_behind_images():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2 * 6 * 6, 5))
    with pytest.raises(ValueError, match=r"layer 1: .*\(4, 2, 6, 6\) .* in=72 .*; put Flatten\(\) in front"):
        net(zeros(4, 1, 8, 8))
    with pytest.raises(ValueError, match=r"put Flatten\(\) in front of this layer, and make it in=128$"):
        net(zeros(4, 1, 10, 10))
    assert nn.Sequential(net[0], nn.Flatten(), net[1])(zeros(4, 1, 8, 8)).shape == (4, 5)
    with pytest.raises(ValueError, match=r"the input \(3, 4\) must end in in=5 .* in=4 would fit"):
        nn.Linear(5, 2)(zeros(3, 4))
    with pytest.raises(ValueError, match=r"must end in in=5"):
        nn.Linear(5, 2)(zeros(3, 6, 4))


class Outer(nn.Module):
    def __init__(self, inner):
        self.stem, self.body = nn.ReLU(), nn.Sequential(nn.ReLU(), inner)

    def forward(self, x):
        return self.body(self.stem(x))


def test_the_name_is_the_one_in_the_outermost_network():
    net = Outer(Outer(nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"^layer body\.1\.body\.1: linear: the input"):
        net(zeros(1, 4))
    with pytest.raises(ValueError, match=r"^layer body\.1: linear: the input"):
        net.body[1](zeros(1, 4))
    with pytest.raises(ValueError, match=r"^linear: the input"):
        net.body[1].body[1](zeros(1, 4))


def test_errors_of_operations_name_the_layer_too():
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(5))
    with pytest.raises(ValueError, match=r"^layer 1: .*\(KH, KW\)=\(5, 5\)"):
        net(zeros(1, 1, 4, 4))


def test_an_error_in_a_networks_own_forward_stays_as_it_is():
    class Net(nn.Module):
        def forward(self, x):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Net()(1)
    with pytest.raises(ValueError, match=r"^layer 0: mine$"):
        nn.Sequential(Net())(1)

    class Odd(nn.Module):
        def forward(self, x):
            raise ValueError(1, 2)

    with pytest.raises(ValueError, match=r"^\(1, 2\)$"):
        nn.Sequential(Odd())(1)


LAYERS = [
    *(getattr(nn, f"{kind}Pool2d")(2) for kind in ("Max", "Min", "Avg", "Sum")),
    *(nn.Conv2d(1, 1, 1), nn.ConvTranspose2d(1, 1, 1), nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm2d(2)),
    *(nn.InstanceNorm2d(2), nn.GlobalAvgPool2d(), nn.GlobalMaxPool2d(), nn.Upsample(2), nn.Dropout()),
    *(
        nn.Flatten(),
        nn.Unflatten(1, (2, 1)),
        nn.Softmax(1),
        nn.ReLU(),
        nn.LeakyReLU(),
        nn.Sigmoid(),
        nn.Tanh(),
    ),
    *(nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.GELU()),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_list_is_refused_by_the_layer_that_gets_it(layer):
    with pytest.raises(TypeError, match=r"^layer 0: .* takes tensors or arrays, got list"):
        nn.Sequential(layer)([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("layer", [nn.MaxPool2d, nn.MinPool2d, nn.AvgPool2d, nn.SumPool2d])
@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": True}, TypeError, "kernel_size must be an integer or a pair of integers, got True"),
        ({"kernel_size": 2.5}, TypeError, "kernel_size must be an integer or a pair of integers, got 2.5"),
        ({"kernel_size": 2, "stride": (1, 0)}, ValueError, r"stride must be at least 1, got \(1, 0\)"),
        ({"kernel_size": 2, "padding": -1}, ValueError, "padding must be at least 0, got -1"),
    ],
)
def test_a_pooling_layer_checks_its_sizes_when_it_is_made(layer, options, error, says):
    with pytest.raises(error, match=says):
        layer(**options)
