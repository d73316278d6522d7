"""gradcheck accepts right gradients, and every way to be wrong that we could think of it rejects."""

import itertools
import re

import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn import nn
from tinycnn.autograd import Function
from tinycnn.functional.convolution import Conv2d
from tinycnn.functional.indexing import Index
from tinycnn.gradcheck import GradcheckError, GradcheckWarning, gradcheck
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.tensor import Tensor


def operation(forward, backward):
    """Return a function of one tensor, x -> forward(array), whose derivative is backward(g, x)."""

    class Custom(Function):
        keeps = "x"

        def forward(self, x):
            return forward(x)

        def backward(self, g, x):
            return backward(g, x)

    return lambda x: Custom()(x)


def square(backward):
    return operation(lambda x: x * x, backward)


def detached(t):
    return Tensor(t.data.copy())


def without(entry):
    """Return a backward of x * x that forgets one entry."""

    def backward(g, x):
        mask = np.ones(x.shape)
        mask[entry] = 0
        return g * 2 * x * Tensor(mask)

    return backward


class FlippedWeightGradient(Conv2d):
    """Convolution whose weight's gradient is that of a kernel turned around."""

    def backward(self, g, x, w):
        by_x, by_w = super().backward(g, x, w)
        return by_x, by_w[:, :, ::-1, ::-1]


class AssigningIndex(Index):
    """x[key] whose adjoint assigns where it must add."""

    def backward(self, g):
        result = np.zeros(self.from_shape)
        result[self.key] = g.numpy()
        return Tensor(result)


class WrongAxis(Function):
    """a + b for a matrix and a row, that sums the row's gradient over the columns."""

    def forward(self, a, b):
        return a + b

    def backward(self, g):
        return g, g.sum(1)


def point(*shape):
    return np.random.default_rng(0).standard_normal(shape)


# 2 * x, which is the derivative of x * x, with a wrong derivative of its own.
DOUBLED = operation(lambda x: 2 * x, lambda g, x: 3 * g)

# A function, where, and what the message must say.
WRONG = {
    "sign": (square(lambda g, x: -2 * g * x), [point(4)], "order 1, input 0"),
    "factor": (square(lambda g, x: g * x), [point(4)], "order 1, input 0"),
    "a hundredth": (square(lambda g, x: 2.02 * g * x), [point(4)], "order 1, input 0"),
    "zero": (square(lambda g, x: g * 0), [point(4)], "order 1, input 0"),
    "none": (square(lambda g, x: None), [point(4)], "order 1, input 0"),
    "not a number": (square(lambda g, x: g * np.nan), [point(4)], "order 1, input 0"),
    "one entry": (square(without((7, 5))), [point(20, 30)], r"order 1, .* entry \(7, 5\) is worst"),
    "one of many": (square(without(77_777)), [point(100_000)], r"entry \(77777,\) is worst"),
    "kernel flipped": (
        lambda x, w: FlippedWeightGradient(conv2d_geometry(x.shape, w.shape))(x, w),
        [point(1, 1, 4, 4), point(1, 1, 2, 3)],
        r"order 1, input 1 of shape \(1, 1, 2, 3\)",
    ),
    "= for +=": (lambda x: AssigningIndex([0, 2, 0])(x), [point(3)], r"order 1, input 0 .* entry \(0,\)"),
    "axis": (lambda a, b: WrongAxis()(a, b), [point(3, 3), point(3)], r"order 1, input 1 of shape \(3,\)"),
    "swapped": (operation(lambda x: x * [1, 2], lambda g, x: g * np.array([2, 1])), [point(2)], "order 1"),
    "second: x": (square(lambda g, x: g * 2 * detached(x)), [point(4)], "order 2, input 0"),
    "second: g": (square(lambda g, x: detached(g) * 2 * x), [point(4)], "order 2, incoming gradient 0"),
    "second: both": (square(lambda g, x: detached(g * 2 * x)), [point(4)], "order 2, input 0"),
    "second: wrong": (square(lambda g, x: g * DOUBLED(x)), [point(4)], "order 2, input 0"),
}


@pytest.mark.parametrize(("f", "inputs", "says"), WRONG.values(), ids=WRONG)
@pytest.mark.usefixtures("on_numpy")
def test_a_wrong_gradient_is_rejected(f, inputs, says):
    for seed in range(10):
        with pytest.raises(GradcheckError, match=says):
            gradcheck(f, inputs, seed=seed)


@pytest.mark.usefixtures("on_numpy")
def test_one_output_of_two_detached_is_found_at_second_order():
    def f(x):
        return x * 3, square(lambda g, x: g * 2 * detached(x))(x)

    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(f, [point(3)])


@pytest.mark.usefixtures("on_numpy")
def test_the_message_has_the_input_the_entry_and_both_values():
    says = r"^order 1, input 1 of shape \(3,\): entry \(1,\) is worst: backward gives 0, finite .* (.*)$"
    with pytest.raises(GradcheckError, match=says) as caught:
        gradcheck(lambda a, b: (a * square(without(1))(b)).sum() * 1, [np.ones(3), np.array([1.0, 2.0, 3.0])])
    # The derivative of v * (1 + 4 + 9) by the second is 4 * v, with a random v between 0.5 and 1.5 in size.
    assert 2 <= abs(float(re.match(says, str(caught.value))[1])) <= 6


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x: x * x, [point(2000, 20)]),
        (lambda x: x * x + 1e6, [point(4)]),  # rounding of 1e6 over the step
        (lambda x: x * 1e8, [point(4)]),
        (lambda x: F.exp(x), [np.array([20.0, -20.0])]),
        (lambda x: (x.sum(), F.exp(x)), [point(3)]),
        (lambda x, n: x * n, [point(3), np.array([1, 2, 3])]),
        (lambda x, unused: x * 2, [point(3), point(2)]),
        (lambda x: (x * 2, x.detach()), [point(3)]),
        (lambda x, empty: (x * 2, empty * 2), [point(3), np.ones((0, 3))]),
        (lambda x: x[None], point(3)),
        (lambda x: x * 1, Tensor([1.0])),
    ],
)  # fmt: skip
def test_right_gradients_pass(f, inputs):
    for seed in range(10):
        result = gradcheck(f, inputs, seed=seed)
        assert len(result.errors) == 2
        assert max(result.errors) < 1e-3
        assert not result.kinks


def test_inputs_are_left_as_they_are():
    x = Tensor(point(3), requires_grad=True)
    before = x.numpy().copy()
    gradcheck(lambda x: x * x, x)
    assert x.grad is None
    assert (x.numpy() == before).all()


@pytest.mark.usefixtures("on_numpy")  # the points are NumPy arrays
def test_a_random_function_is_rejected():
    wrong = square(lambda g, x: 7 * g * x)
    calls = itertools.count()
    for f in (
        lambda x: F.dropout(wrong(x), 0.5).sum(),  # not one entry could be compared
        lambda x: F.dropout(x * x, 0.5),
        lambda x: x * x + 1e-3 * tinycnn.randn(64),
        lambda x: x * (1 + 1e-9 * next(calls)),
        lambda x: nn.Linear(64, 2)(x.to("float32")),
    ):
        with pytest.raises(GradcheckError, match=r"order 1: the function gave two results"):
            gradcheck(f, point(64))  # of fewer entries, dropout would now and then drop the same twice


@pytest.mark.usefixtures("on_numpy")
def test_a_random_derivative_is_rejected():
    f = square(lambda g, x: g * 2 * x * (1 + 1e-9 * tinycnn.rand(4, dtype="float64")))
    with pytest.raises(GradcheckError, match=r"order 2: the function gave two results"):
        gradcheck(f, point(4))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (F.relu, np.zeros(3)),
        (F.relu, np.zeros(3000)),
        (lambda x: F.relu(x.sum()), [1.0, 2.0, -3.0]),
        (lambda x: F.max(x, 0), [1.0, 1.0, 1.0]),
    ],
)
def test_a_result_in_which_nothing_was_compared_is_a_failure(f, x):
    for seed in range(5):
        with pytest.raises(GradcheckError, match=r"order 1: nothing could be compared, .* tie is closer"):
            gradcheck(f, np.array(x), seed=seed)


KINKS = {
    "relu": (F.relu, [0.0, 1.0, -1.0]),
    "relu just beside": (F.relu, [3e-7, 1.0, -4e-7]),
    "abs": (F.abs, [0.0, 1.0]),
    "leaky relu": (lambda x: F.leaky_relu(x, 0.1), [0.0, 1.0]),
    "clip": (lambda x: F.clip(x, -1, 1), [1.0, -1.0, 0.3]),
    "max": (lambda x: F.max(x, 0), [1.0, 1.0, 0.5]),
    "max, a tie of three": (lambda x: F.max(x, 0), [1.0, 1.0, 1.0, 0.5]),
    "max, nearly": (lambda x: F.max(x, 0), [1.0, 1.0 + 1e-7, 0.5]),
    "pooling": (lambda x: F.max_pool2d(x.reshape(1, 1, 2, 3), 2, 1), [1.0, 2, 2, 0, 1, 2]),
    "of a sum": (lambda x: F.relu(x[:3].sum()) + x[3], [1.0, 2.0, -3.0, 1.0]),
    "nearly everywhere": (F.relu, np.append(np.zeros(3000), 1.0)),
}  # fmt: skip


@pytest.mark.parametrize(("f", "x"), KINKS.values(), ids=KINKS)
def test_a_kink_warns_and_is_no_fault(f, x):
    for seed in range(10):
        with pytest.warns(GradcheckWarning) as caught:
            gradcheck(f, np.array(x), seed=seed)
        for warning in caught:
            assert "input 0 of shape" in str(warning.message)
            assert "a kink or a tie is closer than the step 1e-06 at" in str(warning.message)


@pytest.mark.parametrize("slope", [-0.5, 1.5, np.nan])
def test_outside_of_both_one_sided_derivatives_no_kink_excuses(slope):
    f = operation(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x.data == 0, slope, x.data > 0))
    with pytest.raises(GradcheckError, match=r"entry \(1,\) is worst"):
        gradcheck(f, np.array([1.0, 0.0, -1.0]), order=1)


@pytest.mark.usefixtures("on_numpy")
def test_a_kink_does_not_hide_a_wrong_gradient_elsewhere():
    x = np.abs(point(5000)) + 0.1
    x[100] = 0
    f = square(without(4000))
    with pytest.raises(GradcheckError, match=r"entry \(4000,\)"):
        gradcheck(lambda x: f(F.relu(x) + 1), x)


def test_float32_is_checked_to_two_digits_and_says_so():
    def f(x):
        return F.exp(x.to("float32"))

    with pytest.warns(GradcheckWarning, match="computes in float32"):
        result = gradcheck(f, point(5))
    assert len(result.errors) == 2
    wrong = square(lambda g, x: g * 3 * x)
    with pytest.raises(GradcheckError, match="order 1"):
        gradcheck(lambda x: wrong(x.to("float32")), point(5))


@pytest.mark.parametrize(
    ("f", "inputs", "options", "says"),
    [
        (lambda x: x, np.array([1, 2]), {}, "at least one floating point input"),
        (lambda x: x, [], {}, "at least one floating point input"),
        (lambda x: x * 2, np.ones((0, 3)), {}, r"nothing to compare: the inputs \[\(0, 3\)\] have no el"),
        (lambda x, n: x * n, [np.ones((0, 3)), np.array(2)], {}, r"nothing to compare: .*\(0, 3\), \(\)"),
        (lambda x: x * 2, np.ones(2), {"order": 3}, "order must be 1 or 2, got 3"),
        (lambda x: Tensor([1.0]), np.ones(2), {}, "does not depend on the inputs"),
        (lambda x: x.detach() * 2, np.ones(2), {}, "does not depend on the inputs"),
        (lambda x: x * np.inf, np.ones(2), {}, r"values that are not finite, in shape \(2,\)"),
    ],
)
def test_what_cannot_be_checked_is_refused(f, inputs, options, says):
    with pytest.raises(ValueError, match=says):
        gradcheck(f, inputs, **options)
