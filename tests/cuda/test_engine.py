import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import Tensor, nn
from tinycnn import functional as F
from tinycnn.kernels import cuda, table
from tinycnn.kernels.cuda import ladder


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
    assert tuple(cuda.RUNGS) == (*table.RUNGS, "epilogue")  # the top rung is called `cuda` there
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
