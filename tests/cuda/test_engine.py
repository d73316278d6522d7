import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tinycnn import Tensor, nn
from tinycnn import functional as F
from tinycnn.kernels import cuda, table
from tinycnn.kernels.cuda import ladder
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry


def step(gpu, rng):
    """Return the loss and all gradients of a small network with every kind of convolution."""
    tinycnn.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.ConvTranspose2d(4, 3, 2, stride=2),
    )
    x = Tensor(gpu.to(rng.standard_normal((1, 2, 4, 4)).astype("f")), requires_grad=True)
    loss = F.mean(network(x) ** 2)
    loss.backward()
    return [gpu.back(t.data) for t in (loss, x.grad, *(p.grad for p in network.parameters()))]


@pytest.mark.parametrize("name", ["direct", "shared", "gemm"])
def test_a_step_is_that_of_im2col(gpu, monkeypatch, name):
    used = []
    monkeypatch.setattr(ladder, "RUNGS", {k: Watched(rung, used) for k, rung in cuda.RUNGS.items()})
    monkeypatch.setitem(table.SETS, name, lambda: table.rung.__wrapped__(name))
    with tinycnn.using("numpy" if gpu.simulated else "cupy", kernels=name):
        ours = step(gpu, np.random.default_rng(0))
        with tinycnn.using(kernels="im2col"):
            expected = step(gpu, np.random.default_rng(0))
    assert set(used) == {"conv2d", "conv2d_input", "conv2d_weight"}
    for a, b in zip(ours, expected, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class Watched:
    def __init__(self, rung, used):
        self.rung, self.used = rung, used

    def __getattr__(self, name):
        self.used.append(name)
        return getattr(self.rung, name)


def test_every_rung_has_a_name_to_choose_it_by():
    assert set(cuda.RUNGS) == {*table.RUNGS, "epilogue"}  # this one is called `cuda` there
    assert set(table.RUNGS) < set(table.SETS)


def test_an_unknown_rung_is_refused_with_those_there_are():
    with pytest.raises(KeyError, match="unknown rung 'seventh'; there are 'direct', 'coalesced'"):
        cuda.RUNGS["seventh"]
    with pytest.raises(KeyError, match="was called 'fused' and is called 'epilogue' now"):
        cuda.RUNGS["fused"]


@pytest.mark.parametrize("name", ["registers", "capturable"])
def test_a_dense_layer_by_our_own_products(gpu, rng, monkeypatch, name):
    from tinycnn.kernels.cuda import products

    shapes, biases = [], []
    launch = products.linear

    def watched(x, w, bias=None, *rest, **options):
        shapes.append((x.shape, w.shape))
        biases.append(bias is not None)
        return launch(x, w, bias, *rest, **options)

    monkeypatch.setattr(products, "linear", watched)
    arrays = [rng.standard_normal(s).astype("f") for s in ((4, 6), (3, 6), (3,))]

    def gradients(kernels):
        with tinycnn.using("numpy" if gpu.simulated else "cupy", kernels=kernels):
            leaves = [Tensor(gpu.to(a), requires_grad=True) for a in arrays]
            y = F.linear(*leaves)
            (y * y).sum().backward()
            return [gpu.back(t.data) for t in (y, *(leaf.grad for leaf in leaves))]

    ours, expected = gradients(name), gradients("im2col")
    assert shapes == [((4, 6), (3, 6)), ((4, 3), (6, 3)), ((3, 4), (6, 4))]  # y, dx, dW
    assert biases == [True, False, False]  # the bias of y in the same launch
    for a, b in zip(ours, expected, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(("slope", "pooled"), [(0.0, True), (0.0, False), (0.2, False), (1.0, True)], ids=str)
def test_activation_and_pooling_behind_a_convolution(gpu, rng, monkeypatch, slope, pooled, dtype):
    """float64 takes another way; odd sizes; a window that is negative everywhere, and one with a NaN."""
    monkeypatch.setattr(cuda, "TOP", gpu.rungs["epilogue"])
    x, w, bias = (rng.standard_normal(s).astype(dtype) for s in ((2, 2, 7, 6), (3, 2, 2, 2), (3,)))
    x[1] = -1
    w[0] = 1  # filter 0 of image 1: negative everywhere
    bias[0] = 0
    x[0, 0, 0, 0] = np.nan
    geometry = conv2d_geometry(x.shape, w.shape)
    y, index = table.cuda().conv2d_epilogue(*map(gpu.to, (x, w)), geometry, gpu.to(bias), slope, pooled)

    expected = table.IM2COL.conv2d(x, w, geometry, bias)
    if pooled:
        expected, winners = table.PLAIN.max_pool2d(expected, pool2d_geometry(expected.shape, 2))
        assert_array_equal(gpu.back(index)[expected > 0], winners[expected > 0])
    assert (index is None) == (not pooled)
    expected = np.where(expected < 0, expected.dtype.type(slope) * expected, expected)
    assert_allclose(gpu.back(y), expected, rtol=1e-5, atol=1e-5)
    assert np.isnan(expected).any()


def test_a_large_dense_layer_is_left_to_the_library(gpu, rng, monkeypatch):
    from tinycnn.kernels.cuda import products

    calls = []
    monkeypatch.setattr(products, "linear", lambda *arrays, **_: calls.append(arrays) or arrays[0])
    x, w = (gpu.to(rng.standard_normal(s).astype("f")) for s in ((4, 6), (3, 6)))
    assert_allclose(gpu.back(products.dense(x, w, most=71)), gpu.back(x) @ gpu.back(w).T, rtol=1e-5)
    assert not calls  # 4 * 6 * 3 = 72 multiplications
    products.dense(x, w, most=72)
    assert len(calls) == 1
