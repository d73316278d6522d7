"""Formulas that CuPy compiles: their C++ run on the CPU, and taken by NVIDIA's compiler where it is there."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tests.helpers import cxx_kernels
from tests.helpers.geometries import LAYOUTS
from tinycnn.dispatch import kernels_for
from tinycnn.kernels import fused, table
from tinycnn.kernels.table import PLAIN

CLOSE = {"float32": {"rtol": 2e-5, "atol": 2e-5}, "float64": {"rtol": 1e-12, "atol": 1e-12}}
DTYPES = pytest.mark.parametrize("dtype", CLOSE)
needs_compiler = pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler")


def there(value):
    import cupy

    return cupy.asarray(value) if isinstance(value, np.ndarray) else value


def here(value):
    return tuple(map(here, value)) if isinstance(value, tuple) else value.get()


def equal(name, *arguments):
    """Compare a kernel of the fused set with the plain one."""
    ours = here(getattr(table.fused(), name)(*map(there, arguments)))
    expected = getattr(table.PLAIN, name)(*arguments)
    if not isinstance(expected, tuple):
        ours, expected = (ours,), (expected,)
    for a, b in zip(ours, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert_allclose(a, b, **CLOSE[str(b.dtype)])


@needs_compiler
@pytest.mark.usefixtures("stand_in")
class TestFormulas:
    @DTYPES
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("shape", [(2, 3, 4, 5), (0, 2, 3, 3)])
    def test_elements(self, rng, dtype, layout, shape):
        g, x = (LAYOUTS[layout](rng.standard_normal(shape).astype(dtype)) for _ in range(2))
        equal("relu", x)
        equal("gate", g, x)
        equal("leaky_relu", x, 0.2)
        equal("leaky_gate", g, x, 0.2)

    def test_what_is_not_finite_stays(self):
        x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0])
        assert_array_equal(here(fused.leaky_relu(there(x), 0.5)), [np.nan, np.inf, -np.inf, 0, 0, 1, -0.5])
        assert_array_equal(here(fused.gate(there(np.full(7, 3.0)), there(x))), [0, 3, 0, 0, 0, 3, 0])

    @DTYPES
    @pytest.mark.parametrize("t", [1, 4])
    def test_adam(self, rng, dtype, t):
        arrays = [rng.random((3, 7)).astype(dtype) for _ in range(4)]
        ours = [there(a) for a in arrays]
        for module, (theta, g, m, v) in ((PLAIN, arrays), (fused, ours)):
            module.adam(theta, g, m, v, 1e-2, (0.9, 0.999), 1e-8, t)
        for a, b in zip(ours, arrays, strict=True):
            assert_allclose(here(a), b, **CLOSE[dtype])

    @DTYPES
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_channels(self, rng, dtype, layout):
        x, g = (LAYOUTS[layout](rng.standard_normal((3, 4, 5, 2)).astype(dtype)) for _ in range(2))
        weight, bias = (rng.standard_normal(4).astype(dtype) for _ in range(2))
        y, _, variance = PLAIN.normalise(x, 0.1)
        equal("channel_sum", x)
        equal("channel_dot", g, x)
        equal("channel_affine", x, weight)
        equal("channel_affine", x, weight, bias)
        equal("normalise", x, 0.1)
        equal("normalise_input", g, y, variance, 0.1)

    @DTYPES
    def test_running_statistics(self, rng, dtype):
        arrays = [rng.random(5).astype(dtype) for _ in range(4)]
        ours = [there(a) for a in arrays]
        for module, given in ((PLAIN, arrays), (fused, ours)):
            module.update_running(*given, 0.1, 1.25)
        for a, b in zip(ours, arrays, strict=True):
            assert_allclose(here(a), b, **CLOSE[dtype])

    @DTYPES
    def test_binary_cross_entropy(self, rng, dtype):
        z = np.array([-1000, -30, -2, 0, 0.5, 30, 1000], dtype)
        for t in (np.zeros(7, dtype), np.ones(7, dtype), rng.random(7).astype(dtype)):
            equal("binary_cross_entropy", z, t)
            equal("binary_cross_entropy_input", rng.standard_normal(7).astype(dtype), z, t)

    def test_what_is_not_finite_stays_in_binary_cross_entropy(self):
        z, t, g = np.array([np.nan, np.inf, -np.inf]), np.array([0.5, 0.0, 1.0]), np.ones(3)
        equal("binary_cross_entropy", z, t)
        equal("binary_cross_entropy_input", g, z, t)

    @DTYPES
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("K", [1, 10])
    def test_rows(self, rng, dtype, smoothing, K):
        z = 5 * rng.standard_normal((6, K)).astype(dtype)
        z[2] += 1000  # exp() of it would be infinite
        labels, g = rng.integers(0, K, 6), rng.standard_normal(6).astype(dtype)
        equal("cross_entropy", z, labels, smoothing)
        equal("cross_entropy_input", g, z, labels, smoothing)
        equal("cross_entropy", z, labels.astype(np.uint8), smoothing)

    def test_a_row_with_nan_is_nan(self):
        z = np.array([[0.0, np.nan, 1.0], [np.nan, 0.0, 1.0], [0.0, 1.0, 2.0]])
        loss = here(fused.cross_entropy(there(z), there(np.array([0, 1, 2])), 0.0))
        assert np.isnan(loss).tolist() == [True, True, False]

    def test_an_array_of_another_type_is_brought_to_the_first(self, rng):
        x, g = rng.standard_normal((2, 2, 3, 3)), rng.standard_normal((2, 2, 3, 3)).astype("float32")
        assert fused.gate(there(g), there(x)).dtype == np.float32
        assert fused.channel_affine(there(g), there(x[0, :, 0, 0])).dtype == np.float32


def test_which_arrays_are_served(stand_in):
    large, few = np.ones(1 << 12, np.float32), np.ones(3, np.float32)
    with tinycnn.using(kernels="auto"):
        assert kernels_for(there(few)).gate is fused.gate
        assert kernels_for(there(few.astype("float16"))) is table.IM2COL
        assert kernels_for(large) is table.cpu()
    with tinycnn.using(kernels="im2col"):
        assert kernels_for(there(few)) is table.IM2COL


def test_without_them_a_gpu_computes_the_same(stand_in, make_training):
    losses = []
    for kernels in ("auto", "im2col"):
        with tinycnn.using("cupy", kernels=kernels):
            losses.append([record["loss"] for record in tinycnn.fit.fit(make_training())])
    assert_allclose(losses[0], losses[1], rtol=1e-3)


# What CuPy writes around a formula, in short.
CUDA = """
#include <cupy/complex.cuh>
#include <cupy/carray.cuh>
#include <cupy/atomics.cuh>
typedef {T} T;
typedef long long int64;
extern "C" __global__ void kernel({parameters}, CIndexer<1> _ind) {{
    CUPY_FOR(i, _ind.size()) {{
        _ind.set(i);
{elements}
        {formula}
    }}
}}
"""


def cuda_source(into, out, formula, T):
    parameters, elements = [], []
    results = cxx_kernels.parameters(out)
    for p in cxx_kernels.parameters(into) + results:
        kind = T if p.type == "T" else p.type.replace("int64", "long long")
        array = f"CArray<{kind}, {2 if p.raw else 1}, {'true, true' if p.raw else 'false, true'}>"
        if p.raw:
            parameters.append(f"{array} {p.name}")
        else:
            parameters.append(f"{array} _raw_{p.name}")
            constant = "" if p.name in {r.name for r in results} else "const "
            elements.append(f"        {constant}{kind} &{p.name} = _raw_{p.name}[_ind.get()];")
    return CUDA.format(T=T, parameters=", ".join(parameters), elements="\n".join(elements), formula=formula)


FORMULAS = fused.ELEMENTWISE | {
    name: (into, "T out", f"out = {term};") for name, (into, term) in fused.SUMS.items()
}


@pytest.mark.parametrize("name", FORMULAS)
def test_nvidias_compiler_takes_the_formulas(nvrtc, name):
    ptx = nvrtc(cuda_source(*FORMULAS[name], "float"))
    assert ".entry kernel" in ptx
    assert ".f64" not in ptx  # nothing falls back to double precision
    nvrtc(cuda_source(*FORMULAS[name], "double"))


def test_nvidias_compiler_refuses_what_is_wrong(nvrtc):
    with pytest.raises(AssertionError, match="identifier"):
        nvrtc(cuda_source("T x", "T y", "y = nothing * x;", "float"))
