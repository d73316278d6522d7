import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn.functional.cards import CARDS
from tinycnn.tensor import Tensor


@pytest.mark.parametrize("name", CARDS)
def test_first_and_second_derivative(name):
    for seed in range(25):
        tinycnn.gradcheck(*CARDS[name].example(np.random.default_rng(seed)), seed=seed)


@pytest.mark.usefixtures("both_roads", "on_numpy")
@pytest.mark.parametrize("name", CARDS)
def test_arrays_in_array_out(name):
    for seed in range(20):
        f, arrays = CARDS[name].example(np.random.default_rng(seed))
        y, expected = f(*arrays), f(*map(Tensor, arrays)).numpy()
        assert type(y) is np.ndarray
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("name", CARDS)
def test_the_derivative_is_the_same_recorded_or_not(name):
    """The plain walk passes tensors, the fast one arrays: through one `backward`."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        f, arrays = CARDS[name].example(rng)
        gradients = []
        for create_graph in (False, True):
            x = [Tensor(a.copy(), requires_grad=True) for a in arrays]
            y = f(*x)
            gradients.append(tinycnn.grad(y, x, np.ones(y.shape), create_graph, allow_unused=True))
        for a, b in zip(*gradients, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize("kernels", ["plain", "loops", "cpu"])
@pytest.mark.parametrize("name", CARDS)
def test_every_set_of_kernels_has_the_same_derivatives(name, kernels):
    f, inputs = CARDS[name].example(np.random.default_rng(0))
    expected = f(*map(Tensor, inputs)).numpy()
    with tinycnn.using(kernels=kernels):
        np.testing.assert_allclose(f(*map(Tensor, inputs)).numpy(), expected, atol=1e-12)
        tinycnn.gradcheck(f, inputs)


@pytest.mark.parametrize(
    "f", [F.exp, F.log, F.sqrt, F.tanh, F.sigmoid, F.softplus, lambda x: x**3, lambda x: 1 / x]
)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_without_dimensions_has_the_derivatives_of_one_with(f, shape):
    tinycnn.gradcheck(f, np.full(shape, 0.5))
