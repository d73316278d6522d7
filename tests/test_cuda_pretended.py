"""Where CUDA kernels work, CuPy's stand-in must not get them: it only calls itself CuPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import Tensor, models, optim
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.functional.cards import CARDS
from tinycnn.kernels import table

pytest.importorskip("numba", reason="the CUDA kernels are compiled by Numba")


@pytest.fixture
def pretended(stand_in, monkeypatch):
    """A machine whose question for CUDA kernels says that all is well, and whose CuPy is the stand-in."""
    monkeypatch.setattr(table, "why_no_cuda", lambda: None)
    for made in (table.cuda, table.rung):
        made.cache_clear()
    with tinycnn.using("cupy", kernels="auto"):
        yield
    for made in (table.cuda, table.rung):
        made.cache_clear()


def test_the_set_is_that_of_cuda(pretended):
    assert kernels_for(Tensor(np.ones((2, 3, 4, 4), "float32")).data).name == "cuda"


@pytest.mark.parametrize("name", CARDS)
def test_every_operation(pretended, name):
    f, arrays = CARDS[name].example(np.random.default_rng(0))
    arrays = [a.astype("float32") for a in arrays]
    y = f(*(Tensor(a, requires_grad=True) for a in arrays))
    (y * y).sum().backward()
    with tinycnn.using("numpy", kernels="plain"):
        expected = CARDS[name].example(np.random.default_rng(0)).f(*map(Tensor, arrays))
    assert_allclose(y.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_trains(pretended, rng):
    model = models.cnn28()
    optimizer = optim.Adam(model.parameters())
    x, labels = Tensor(rng.random((4, 1, 28, 28), "float32")), rng.integers(0, 10, 4)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
