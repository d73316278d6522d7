import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinycnn import nn
from tinycnn.nn.utils import clip_grad_norm_, clip_grad_value_
from tinycnn.tensor import Tensor

SHAPES = [(3, 4), (5,), (), (2, 3, 1)]


def parameters(rng, scale=1.0):
    """Return parameters with gradients, and one without."""
    result = [nn.Parameter(np.zeros(shape, "float32")) for shape in SHAPES]
    for p in result:
        p.grad = Tensor(np.asarray(scale * rng.standard_normal(p.shape), "float32"))
    return [*result, nn.Parameter([1.0])]


def twins(torch, ours):
    result = [torch.nn.Parameter(torch.tensor(p.numpy())) for p in ours]
    for p, twin in zip(ours, result, strict=True):
        twin.grad = None if p.grad is None else torch.tensor(p.grad.numpy().copy())
    return result


def assert_same_gradients(ours, theirs):
    for p, twin in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (twin.grad is None)
        if p.grad is not None:
            assert p.grad.dtype == np.float32
            assert_allclose(p.grad.numpy(), twin.grad.numpy(), rtol=2e-6)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.01, 1.0, 1e6])
@pytest.mark.usefixtures("backend")
def test_clipping_by_norm_is_pytorchs(norm_type, max_norm, rng, torch):
    ours = parameters(rng)
    theirs = twins(torch, ours)
    norm = clip_grad_norm_(iter(ours), max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert norm.dtype == np.float32
    assert norm.shape == ()
    assert norm.item() == pytest.approx(expected.item(), rel=1e-6)
    assert_same_gradients(ours, theirs)


def test_gradients_whose_squares_overflow_are_scaled(rng):
    ours = parameters(rng, scale=1e25)
    clip_grad_norm_(ours, 1.0)
    assert clip_grad_norm_(ours, 1.0).item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_not_finite(value, rng, torch):
    ours = parameters(rng)
    ours[0].grad.data[0, 0] = value
    theirs, before = twins(torch, ours), [p.grad.numpy().copy() for p in ours[:-1]]
    with pytest.raises(RuntimeError, match=r"norm of the gradients is (nan|inf)"):
        clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    for p, g in zip(ours, before, strict=False):
        np.testing.assert_array_equal(p.grad.numpy(), g)
    with np.errstate(invalid="ignore"):
        clip_grad_norm_(ours, 1.0)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    assert_same_gradients(ours, theirs)


def test_clipping_by_value_is_pytorchs(rng, torch):
    ours = parameters(rng)
    theirs = twins(torch, ours)
    clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    assert_same_gradients(ours, theirs)
    assert max(np.abs(p.grad.numpy()).max() for p in ours[:-1]) == np.float32(0.3)


def test_one_tensor_and_none():
    w = nn.Parameter([3.0, 4.0])
    assert clip_grad_norm_(w, 1.0).item() == 0
    w.grad = Tensor([3.0, 4.0])
    assert clip_grad_norm_(w, 1.0).item() == 5
    assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("options", [{"max_norm": 0}, {"max_norm": np.nan}, {"max_norm": 1, "norm_type": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="must be above 0"):
        clip_grad_norm_([], **options)
    with pytest.raises(ValueError, match="at least 0"):
        clip_grad_value_([], -1)
