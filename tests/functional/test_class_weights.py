"""Weights of classes, labels left out, probabilities as the truth: beside the comparison with PyTorch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tinycnn import functional as F
from tinycnn.tensor import Tensor

Z = np.random.default_rng(0).standard_normal((4, 3))
LABELS, W = np.array([0, 2, 1, 2]), np.array([0.5, 1.0, 2.0])


def log_p(z=Z):
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def gradient(loss, z=Z):
    x = Tensor(z, requires_grad=True)
    y = loss(x)
    y.sum().backward()
    return y.numpy(), x.grad.numpy()


@pytest.mark.parametrize("kind", [list, np.array, Tensor, lambda w: np.float32(w)])
@pytest.mark.usefixtures("backend")
def test_weights_of_all_kinds_and_backends(kind):
    each = -W[LABELS] * log_p()[np.arange(4), LABELS]
    y = F.cross_entropy(Tensor(Z), Tensor(LABELS), kind(W), reduction="none")
    assert y.dtype == np.float64
    assert_allclose(y.numpy(), each)
    assert F.nll_loss(Tensor(log_p()), Tensor(LABELS), kind(W)).item() == pytest.approx(
        each.sum() / W[LABELS].sum()
    )
    some = F.cross_entropy(Tensor(Z), Tensor(LABELS), kind(W), ignore_index=2)
    assert some.item() == pytest.approx(each[[0, 2]].sum() / 1.5)


@pytest.mark.parametrize("options", [{}, {"weight": W}, {"label_smoothing": 0.2}, {"weight": [0, 0, 1]}])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_labels_left_out_count_nothing_whatever_their_logits(options, reduction):
    z = Z.copy()
    z[1] = [1e300, -1e300, 0]
    labels = np.array([0, -1, 1, 0])
    others = [0, 2, 3]
    with np.errstate(all="ignore"):
        y, dz = gradient(
            lambda x: F.cross_entropy(x, labels, ignore_index=-1, reduction=reduction, **options), z
        )
        expected, dz_others = gradient(
            lambda x: F.cross_entropy(x, labels[others], reduction=reduction, **options), z[others]
        )
    assert_allclose(y, expected, rtol=1e-12)
    assert_allclose(dz[others], dz_others, rtol=1e-12)
    assert_array_equal(dz[1], 0)


def test_if_all_are_left_out_the_mean_is_nan_and_the_gradient_0(torch):
    labels = np.full(4, 7)
    for loss, theirs in (
        (F.cross_entropy, torch.nn.functional.cross_entropy),
        (F.nll_loss, torch.nn.functional.nll_loss),
    ):
        y, dz = gradient(lambda x, loss=loss: loss(x, labels, ignore_index=7))
        x = torch.tensor(Z, requires_grad=True)
        expected = theirs(x, torch.tensor(labels), ignore_index=7)
        expected.backward()
        assert np.isnan(y)
        assert expected.isnan()
        assert_array_equal(dz, x.grad.numpy())
        assert_array_equal(dz, 0)


@pytest.mark.usefixtures("on_numpy")
def test_what_changes_before_backward_does_not_matter():
    weight, truth, pos = W.copy(), np.full((4, 3), 1 / 3), W.copy()
    for loss in (
        lambda x: F.cross_entropy(x, LABELS, weight, label_smoothing=0.1),
        lambda x: F.cross_entropy(x, truth, weight),
        lambda x: F.binary_cross_entropy_with_logits(x, truth, weight, pos_weight=pos),
        lambda x: F.mse_loss(x, truth),
        lambda x: F.l1_loss(x, truth),
    ):
        expected = gradient(loss)[1]
        x = Tensor(Z, requires_grad=True)
        y = loss(x)
        for array in (weight, truth, pos):
            array *= 5
        y.backward()
        for array in (weight, truth, pos):
            array /= 5
        assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


def test_lists_as_the_truth_have_the_dtype_of_the_logits():
    z = Tensor(Z.astype("float32"))
    for loss in (F.cross_entropy, F.binary_cross_entropy_with_logits, F.mse_loss):
        assert loss(z, np.full((4, 3), 1 / 3).tolist()).dtype == np.float32


def test_gradients_flow_to_the_truth(torch):
    truth = np.random.default_rng(1).dirichlet(np.ones(3), 4)
    t, twin = Tensor(truth, requires_grad=True), torch.tensor(truth, requires_grad=True)
    F.cross_entropy(Tensor(Z), t, W, label_smoothing=0.1).backward()
    torch.nn.functional.cross_entropy(torch.tensor(Z), twin, torch.tensor(W), label_smoothing=0.1).backward()
    assert_allclose(t.grad.numpy(), twin.grad.numpy())


def test_labels_out_of_range_on_a_gpu_are_nan_with_weights_too(stand_in):
    with tinycnn.using("cupy"):
        y = F.cross_entropy(Tensor(Z), Tensor(np.array([0, 9, 1, 2])), W, reduction="none")
        assert np.isnan(y.numpy()).tolist() == [False, True, False, False]


def test_arrays_in_arrays_out():
    for y in (
        F.cross_entropy(Z, LABELS, W, ignore_index=1, label_smoothing=0.1),
        F.cross_entropy(Z, np.full((4, 3), 1 / 3)),
        F.nll_loss(Z, LABELS, W),
        F.binary_cross_entropy_with_logits(Z, np.full((4, 3), 0.5), W, pos_weight=W),
    ):
        assert isinstance(y, np.ndarray | np.floating)


@pytest.mark.parametrize(
    "options", [{"weight": W}, {"weight": W, "label_smoothing": 0.3}, {"ignore_index": 2}]
)
def test_second_derivatives(options):
    tinycnn.gradcheck(lambda x: F.cross_entropy(x, LABELS, **options), Z)
    tinycnn.gradcheck(lambda x: F.cross_entropy(x, np.full((4, 3), 1 / 3), options.get("weight")), Z)
