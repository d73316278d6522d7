import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinycnn import nn
from tinycnn.tensor import Tensor


def network():
    return nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(2, 3, 1), nn.MaxPool2d(2))


@pytest.mark.parametrize("negative", [False, True])
def test_pooling_before_relu_gives_the_same_output_and_gradient(negative, rng):
    net = network()
    array = rng.standard_normal((2, 2, 9, 8)).astype("float32")
    if negative:  # every window is a tie after ReLU
        array = -np.abs(array)
    array[0, 0, 0, 0] = np.nan
    x, twin = (Tensor(array, requires_grad=True) for _ in range(2))
    y = net(x)
    expected = twin
    for layer in net:
        expected = layer(expected)
    assert_array_equal(y.numpy(), expected.numpy())
    for output in (y, expected):
        output.sum().backward()
    assert_array_equal(x.grad.numpy(), twin.grad.numpy())


def test_a_hook_sees_every_layer_in_the_order_they_were_given(rng):
    net, seen = network(), []
    for i, layer in enumerate(net):
        layer.register_forward_hook(lambda module, inputs, y, i=i: seen.append((i, y.shape)))
    net(Tensor(rng.standard_normal((1, 2, 8, 8))))
    assert [i for i, _ in seen] == [0, 1, 2, 3, 4]
    assert seen[0][1] == (1, 2, 8, 8)
