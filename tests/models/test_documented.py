import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn import functional as F
from tinycnn import optim
from tinycnn.models import INPUT_SHAPES, MODELS, build, cnn28
from tinycnn.nn import Conv2d, ConvTranspose2d, Linear, MaxPool2d, ReLU
from tinycnn.tensor import Tensor


def conv(K, C, side, kernel):
    """Multiply-adds of a convolution with a square output."""
    return K * side**2 * C * kernel**2


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("cnn28", 225_034, conv(32, 1, 26, 3) + conv(64, 32, 11, 3) + 1600 * 128 + 128 * 10),
        (
            "cnn224",
            44_401_226,
            conv(32, 3, 222, 3) + conv(64, 32, 109, 3) + conv(128, 64, 52, 3) + 86528 * 512 + 512 * 10,
        ),
        (
            "lenet5",
            61_706,
            conv(6, 1, 28, 5) + conv(16, 6, 10, 5) + 400 * 120 + 120 * 84 + 84 * 10,
        ),
    ],
)
def test_documented_sizes(name, parameters, multiply_adds):
    summary = build(name).summary(INPUT_SHAPES[name])
    assert summary.parameters == parameters
    assert summary.multiply_adds == multiply_adds
    assert summary.layers[-1].output_shape == (10,)


def test_cnn28_is_the_documented_network():
    kinds = "Conv2d ReLU MaxPool2d Conv2d ReLU MaxPool2d Flatten Linear ReLU Linear"
    assert " ".join(type(layer).__name__ for layer in cnn28()) == kinds
    assert [layer.weight.shape for layer in cnn28() if isinstance(layer, Conv2d | Linear)] == [
        (32, 1, 3, 3),
        (64, 32, 3, 3),
        (128, 1600),
        (10, 128),
    ]


@pytest.mark.parametrize(
    ("layer", "x", "multiply_adds"),
    [
        # K * OH * OW * C/G * KH * KW; of a transposed convolution K and OH, OW are the input's.
        (Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2), (4, 7, 8), 6 * 4 * 5 * 2 * 3 * 2),
        (ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2), (4, 5, 6), 4 * 5 * 6 * 3 * 3 * 2),
        (Linear(5, 3), (5,), 15),
        (Linear(5, 3), (7, 5), 7 * 15),
        (MaxPool2d(2), (1, 4, 4), 0),
        (ReLU(), (3,), 0),
    ],
)
def test_multiply_adds_of_one_layer(layer, x, multiply_adds):
    assert layer.summary(x).multiply_adds == multiply_adds


@pytest.mark.parametrize("name", ["cnn28", "lenet5"])
def test_build_takes_the_number_of_classes(name):
    images = Tensor(np.zeros((2, *INPUT_SHAPES[name]), "float32"))
    assert build(name, 3)(images).shape == (2, 3)


def test_build_refuses_what_is_not_there():
    with pytest.raises(ValueError, match=f"unknown model 'resnet'; there are {', '.join(MODELS)}"):
        build("resnet")
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        build("cnn28", 1)


def test_training_gives_the_same_bits_for_every_number_of_threads(set_threads, rng):
    images = rng.random((16, 1, 28, 28), dtype=np.float32)
    labels = rng.integers(0, 10, 16)
    weights = []
    for threads in (1, 2, 3):
        set_threads(threads)
        tinycnn.manual_seed(0)
        model = cnn28()
        optimizer = optim.Adam(model.parameters())
        for _ in range(3):
            loss = F.cross_entropy(model(Tensor(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights.append([p.numpy() for p in model.parameters()])
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            assert_array_equal(a, b)
