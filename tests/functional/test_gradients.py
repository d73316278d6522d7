import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn.operations import EXAMPLES
from tinycnn.tensor import Tensor


def test_every_operation_has_an_example():
    assert sorted(EXAMPLES) == sorted(F.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_first_and_second_derivative(name):
    for seed in range(50):
        tinycnn.gradcheck(*EXAMPLES[name](np.random.default_rng(seed)), seed=seed)


@pytest.mark.parametrize("kernels", ["im2col", "loops"])
@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d", "max_pool2d", "min_pool2d", "avg_pool2d"])
def test_the_environment_chooses_the_kernels(name, kernels, monkeypatch):
    f, inputs = EXAMPLES[name](np.random.default_rng(0))
    expected = f(*map(Tensor, inputs)).numpy()
    monkeypatch.setenv("TINYCNN_CONV", kernels)
    np.testing.assert_allclose(f(*map(Tensor, inputs)).numpy(), expected, atol=1e-12)
    tinycnn.gradcheck(f, inputs)


def test_unknown_kernels_are_refused(monkeypatch, rng):
    monkeypatch.setenv("TINYCNN_CONV", "fast")
    f, inputs = EXAMPLES["conv2d"](rng)
    with pytest.raises(ValueError, match="unknown kernels TINYCNN_CONV='fast'; there are cpu, im2col, loops"):
        f(*map(Tensor, inputs))


@pytest.mark.parametrize(
    "f", [F.exp, F.log, F.sqrt, F.tanh, F.sigmoid, F.softplus, lambda x: x**3, lambda x: 1 / x]
)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_without_dimensions_has_the_derivatives_of_one_with(f, shape):
    tinycnn.gradcheck(f, np.full(shape, 0.5))
