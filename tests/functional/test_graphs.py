"""Random graphs, in which results are used several times, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given

from tests.helpers.geometries import SEEDS
from tinycnn.autograd import grad
from tinycnn.tensor import Tensor

pytestmark = pytest.mark.usefixtures("both_roads")

STEPS = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a @ b,
    lambda a, b: a - b.sum(0),
    lambda a, b: a / (b.abs() + 1),
    lambda a, b: a.T * 0.5,
    lambda a, b: a.tanh(),
    lambda a, b: b[1] + a,
    lambda a, b: a.reshape(9)[1:7].reshape(2, 3).sum(0) * b,
    lambda a, b: a.detach() * b,
    lambda a, b: a.softmax(1) * b.mean(),
]


def build(leaves, rng):
    """Make results of what there is, starting from the leaves."""
    tensors = list(leaves)
    for _ in range(12):
        step, i, j = rng.integers(len(STEPS)), *rng.integers(len(tensors), size=2)
        tensors.append(STEPS[step](tensors[i], tensors[j]).tanh())
    return tensors


@given(SEEDS)
def test_gradients_of_leaves_and_results_and_their_gradients(torch, rng):
    seed = rng.integers(2**32)
    arrays = rng.standard_normal((3, 3, 3))

    def gradients(make, grad, **allow):
        leaves = [make(a, requires_grad=True) for a in arrays]
        tensors = build(leaves, np.random.default_rng(seed))
        wanted = [t for t in tensors if t.requires_grad]
        first = grad(sum(t.sum() for t in wanted), wanted, create_graph=True)
        second = grad(sum((g * g).sum() for g in first), leaves, allow_unused=True)
        return [np.zeros((3, 3)) if g is None else g.detach().numpy() for g in (*first, *second)]

    ours, theirs = gradients(Tensor, grad), gradients(torch.tensor, torch.autograd.grad)
    for g, expected in zip(ours, theirs, strict=True):
        assert g == pytest.approx(expected, rel=1e-8, abs=1e-8)
