"""Gradients of gradients of whole networks, as WGAN-GP (Gulrajani et al. 2017) takes them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import functional as F
from tinycnn.autograd import grad
from tinycnn.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")
nn = torch.nn.functional

pytestmark = pytest.mark.usefixtures("both_roads")

SHAPES = [(4, 2, 3, 3), (4,), (4,), (4,), (6, 4, 4, 4), (6,), (1, 6 * 2 * 2), (1,)]


def critic(f, x, parameters):
    """A strided, normalised and pooled network; `f` is our library or PyTorch's."""
    w1, b1, scale, shift, w2, b2, w3, b3 = parameters
    h = f.leaky_relu(f.conv2d(x, w1, b1, stride=1, padding=1), 0.2)
    h = f.instance_norm(h, weight=scale, bias=shift)
    h = f.avg_pool2d(h, 2)
    h = f.softplus(f.conv2d(h, w2, b2, stride=2, padding=1))
    return f.linear(h.reshape(len(x), -1), w3, b3)


def penalty(f, x, parameters, gradient):
    """Return E[(|d critic/dx| - 1)^2] and the parameters' gradients of it."""
    (g,) = gradient(critic(f, x, parameters).sum(), x, create_graph=True)
    loss = (((g * g).reshape(len(x), -1).sum(1) ** 0.5 - 1) ** 2).mean()
    loss.backward()
    return loss


def test_the_gradient_penalty_equals_pytorchs(rng):
    x, *arrays = (rng.standard_normal(shape) for shape in [(3, 2, 8, 8), *SHAPES])
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss = penalty(F, Tensor(x, requires_grad=True), ours, grad)
    expected = penalty(nn, torch.tensor(x, requires_grad=True), theirs, torch.autograd.grad)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    for p, twin in zip(ours, theirs, strict=True):
        if twin.grad is None:  # the last bias: the gradient by x does not depend on it
            assert p.grad is None
        else:
            assert_allclose(p.grad.numpy(), twin.grad.numpy(), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("f", [F.exp, F.sigmoid, F.tanh, lambda x: x**5, lambda x: F.softmax(x, 0)])
def test_fourth_derivatives(f, rng):
    def third(x):
        y = f(x)
        for _ in range(3):
            (y,) = grad((y * y).sum(), x, create_graph=True)
        return y

    tinycnn.gradcheck(third, rng.uniform(0.2, 0.9, 3), order=1)


@pytest.mark.parametrize("soft", [True, False])
def test_binary_cross_entropy_by_logits_and_target(soft, rng):
    """Both orders, also by the target, which a network may have computed."""
    z, t = rng.standard_normal((2, 3)), rng.uniform(0.1, 0.9, (2, 3)) if soft else np.eye(2, 3)
    tinycnn.gradcheck(lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="sum"), [z, t])
    ours = [Tensor(a, requires_grad=True) for a in (z, t)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (z, t)]
    for bce, pair, gradient in (
        (F.binary_cross_entropy_with_logits, ours, grad),
        (nn.binary_cross_entropy_with_logits, theirs, torch.autograd.grad),
    ):
        first = gradient(bce(*pair), pair, create_graph=True)
        sum((g * g).sum() for g in first).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9)


def test_a_hessian_by_rows(rng):
    A = rng.standard_normal((4, 4))
    x = Tensor(rng.standard_normal(4), requires_grad=True)
    (g,) = grad(x @ Tensor(A) @ x, x, create_graph=True)
    rows = [grad(g[i], x, retain_graph=True)[0].numpy() for i in range(4)]
    assert_allclose(np.array(rows), A + A.T)
