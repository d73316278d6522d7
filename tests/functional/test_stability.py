"""Where a formula as it is written overflows, the operation does not; a warning is an error here."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinycnn import functional as F
from tinycnn.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")
nn = torch.nn.functional

LARGE = np.array([[1000, -1000, 0], [-1000, -999, -1000], [88, 89, 90], [1e30, -1e30, 3e30]])


def compare(ours, theirs, x):
    t, twin = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(t), theirs(twin)
    y.sum().backward()
    expected.sum().backward()
    assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-6)
    assert_allclose(t.grad.numpy(), twin.grad.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda z: F.softmax(z, 1) ** 2, lambda z: torch.softmax(z, 1) ** 2),
        (lambda z: F.log_softmax(z, 1), lambda z: torch.log_softmax(z, 1)),
        (lambda z: F.logsumexp(z, 1), lambda z: torch.logsumexp(z, 1)),
        (F.sigmoid, torch.sigmoid),
        (F.tanh, torch.tanh),
        (F.softplus, nn.softplus),
        (
            lambda z: F.cross_entropy(z, [1, 0, 2, 0]),
            lambda z: nn.cross_entropy(z, torch.tensor([1, 0, 2, 0])),
        ),
        (
            lambda z: F.cross_entropy(z, [1, 0, 2, 0], label_smoothing=0.1),
            lambda z: nn.cross_entropy(z, torch.tensor([1, 0, 2, 0]), label_smoothing=0.1),
        ),
        (
            lambda z: F.binary_cross_entropy_with_logits(z, Tensor(np.full((4, 3), 0.25, z.dtype))),
            lambda z: nn.binary_cross_entropy_with_logits(z, torch.full((4, 3), 0.25, dtype=z.dtype)),
        ),
    ],
    ids=["softmax", "log_softmax", "logsumexp", "sigmoid", "tanh", "softplus", "loss", "smoothed", "binary"],
)
def test_large_logits(ours, theirs, dtype):
    compare(ours, theirs, LARGE.astype(dtype))


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax, F.logsumexp])
def test_some_logits_minus_infinity(f):
    name = f.__name__
    compare(lambda z: f(z, 1), lambda z: getattr(torch, name)(z, 1), np.array([[0.0, -np.inf, 1.0]]))


def test_logsumexp_of_nothing_but_minus_infinity():
    assert F.logsumexp(Tensor([-np.inf, -np.inf]), 0).item() == -np.inf


def test_the_loss_of_a_sure_and_wrong_answer_is_finite_and_its_gradient_is_not_lost():
    z = Tensor([[1000.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(z, [1])
    loss.backward()
    assert loss.item() == 1000
    assert_allclose(z.grad.numpy(), [[1, -1]])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    ("z", "t", "loss", "slope"),
    [
        (-np.inf, 1.0, np.inf, -1.0),
        (np.inf, 0.0, np.inf, 1.0),
        (-np.inf, 0.5, np.inf, -0.5),
        (-np.inf, 0.0, np.nan, 0.0),
        (np.inf, 1.0, np.nan, 0.0),
    ],
)
def test_an_infinite_logit(z, t, loss, slope):
    logit = Tensor([z], requires_grad=True)
    found = F.binary_cross_entropy_with_logits(logit, Tensor([t]))
    found.backward()
    assert_allclose(found.item(), loss)
    assert logit.grad.numpy() == [slope]


def test_variance_far_from_zero():
    x = np.float32(10000) + np.array([0, 1, 2, 3], "float32")
    assert F.var(Tensor(x)).item() == pytest.approx(5 / 3)
    y = F.batch_norm(Tensor(x.reshape(4, 1)), None, None, training=True)
    assert_allclose(y.numpy()[:, 0], (np.arange(4) - 1.5) / np.sqrt(1.25 + 1e-5), rtol=1e-5)


@pytest.mark.parametrize(("exponent", "slope"), [(2, 0), (1, 1), (0, 0), (3.0, 0)])
def test_a_power_at_zero(exponent, slope):
    x = Tensor([0.0], requires_grad=True)
    (x**exponent).sum().backward()
    assert x.grad.item() == slope


def test_the_exponents_gradient_at_base_zero():
    b = Tensor([2.0], requires_grad=True)
    (Tensor([0.0]) ** b).sum().backward()
    assert b.grad.item() == 0


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (F.relu, nn.relu),
        (F.abs, torch.abs),
        (lambda x: F.leaky_relu(x, 0.1), lambda x: nn.leaky_relu(x, 0.1)),
        (lambda x: F.clip(x, 0, 1), lambda x: torch.clip(x, 0, 1)),
    ],
    ids=["relu", "abs", "leaky_relu", "clip"],
)
def test_kinks_at_zero(ours, theirs):
    compare(ours, theirs, np.array([0.0, -0.0, 1.0]))


def test_of_equal_extremes_the_first_takes_the_gradient():
    for f in F.max, F.min:
        x = Tensor([[2.0, 2.0, 2.0]], requires_grad=True)
        f(x, 1).backward()
        assert x.grad.numpy().tolist() == [[1, 0, 0]]
        y = Tensor([[2.0, 2.0], [2.0, 2.0]], requires_grad=True)
        f(y).backward()
        assert y.grad.numpy().tolist() == [[1, 0], [0, 0]]


def test_not_a_number_wins_the_extremes():
    x = Tensor([1.0, np.nan, 3.0])
    assert np.isnan(F.max(x, 0).item())
    assert np.isnan(F.min(x, 0).item())
    assert np.isnan(F.max_pool2d(x.reshape(1, 1, 1, 3), (1, 3)).item())
