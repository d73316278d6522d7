"""Update rules for many parameters in one launch: their C++ on the CPU, and taken by NVIDIA's compiler."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tests.helpers import cxx_kernels, strict_cupy
from tinycnn import Tensor, models, optim
from tinycnn import functional as F
from tinycnn.kernels import together

SIZES = [(3,), (1, 5), (2000,), (), (0,), *[(2, 2)] * 30]  # more than one launch takes
RULES = {
    "Adam": lambda p: optim.Adam(p, 1e-2, (0.8, 0.99), 1e-6),
    "Adam with penalties": lambda p: optim.Adam(p, 1e-2, weight_decay=0.1, l1=0.2),
    "AdamW": lambda p: optim.AdamW(p, 1e-2, weight_decay=0.3, l1=0.1),
    "SGD": lambda p: optim.SGD(p, 1e-2, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, 1e-2, momentum=0.9, l1=0.1),
    "Nesterov": lambda p: optim.SGD(p, 1e-2, momentum=0.9, nesterov=True),
    "groups": lambda p: optim.Adam([{"params": p[:7], "lr": 0.1}, {"params": p[7:], "betas": (0.5, 0.9)}]),
}
KERNELS = {"Adam": "tinycnn_adam", "SGD": "tinycnn_sgd"}
needs_compiler = pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler")


def trained(make, backend, kernels, dtype, steps=3):
    """Return the parameters and all states after some steps, and the optimizer."""
    rng = np.random.default_rng(0)
    with tinycnn.using(backend, kernels=kernels):
        params = [Tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in SIZES]
        optimizer = make(params)
        for step in range(steps):
            for i, p in enumerate(params):
                p.grad = Tensor(rng.standard_normal(p.shape).astype(dtype))
                if i == 2 and step == 1:
                    p.grad = None  # this one makes a step less: its t is another one
            optimizer.step()
        state = [np.asarray(Tensor(a).numpy()) for slots in optimizer.state for a in slots.values()]
        return [p.numpy() for p in params] + state, optimizer


@needs_compiler
@pytest.mark.usefixtures("stand_in")
class TestOnTheStandIn:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("rule", RULES)
    def test_all_at_once_is_one_by_one(self, rule, dtype):
        strict_cupy.launches.clear()
        ours, optimizer = trained(RULES[rule], "cupy", "fused", dtype)
        expected, other = trained(RULES[rule], "numpy", "plain", dtype)
        assert optimizer.steps == other.steps
        for a, b in zip(ours, expected, strict=True):
            assert a.dtype == dtype
            assert_allclose(
                a, b, **{"float32": {"rtol": 2e-5, "atol": 2e-6}, "float64": {"rtol": 1e-12}}[dtype]
            )
        starts = [name for name in strict_cupy.launches if name.startswith("tinycnn_")]
        # Three steps of 35 parameters, in parts of 24; of the groups the second has 28.
        assert len(starts) == (9 if rule == "groups" else 6)
        assert set(starts) <= set(KERNELS.values())

    def test_a_step_of_cnn28_starts_one_kernel_for_the_update(self):
        with tinycnn.using("cupy", kernels="fused"):
            model = models.cnn28()
            optimizer = optim.Adam(model.parameters())
            x = Tensor(np.random.default_rng(0).random((2, 1, 28, 28), "f"))
            F.cross_entropy(model(x), Tensor(np.array([1, 2]))).backward()
            strict_cupy.launches.clear()
            optimizer.step()
        assert strict_cupy.launches == ["tinycnn_adam"]
        assert len(optimizer.params) == 8

    def test_what_is_not_contiguous_goes_one_by_one(self):
        with tinycnn.using("cupy", kernels="fused"):
            p = Tensor(np.ones((3, 4), "f"), requires_grad=True)
            p.data = Tensor(np.ones((4, 3), "f")).data.T
            p.grad = Tensor(np.ones((3, 4), "f"))
            strict_cupy.launches.clear()
            optim.SGD([p], 0.5).step()
        assert_allclose(p.numpy(), 0.5)
        assert "tinycnn_sgd" not in strict_cupy.launches

    def test_a_rule_of_ones_own_is_not_passed_over(self):
        class Half(optim.Adam):
            def update(self, theta, g, state, t, group):
                theta *= 0.5

        with tinycnn.using("cupy", kernels="fused"):
            p = Tensor(np.ones(3, "f"), requires_grad=True)
            p.grad = Tensor(np.ones(3, "f"))
            Half([p]).step()
        assert_allclose(p.numpy(), 0.5)

    def test_numbers_on_the_gpu_serve_as_those_of_the_table(self, rng):
        import cupy

        rows = [tuple(rng.random(10)) for _ in range(30)]
        array = cupy.zeros((30, together.COUNT), np.float64)
        together.write_numbers(rows, array)
        assert_allclose(array.get(), rows)
        start = [[rng.random(4) for _ in range(4)] for _ in range(30)]
        results = []
        for numbers in (rows, array):
            arrays = [[cupy.asarray(a) for a in one] for one in start]
            assert together.adam(arrays, numbers)
            results.append([a.get() for one in arrays for a in one])
        for a, b in zip(*results, strict=True):
            assert_allclose(a, b, rtol=1e-15)
        assert not np.allclose(results[0][0], start[0][0])


@pytest.mark.parametrize("character", "fd")
def test_the_table_is_laid_out_as_the_compilers_struct(character):
    if cxx_kernels.COMPILER is None:
        pytest.skip("there is no C++ compiler")
    layout = together.table_of(np.dtype(character))
    assert layout.itemsize <= 4096 - 8  # of a kernel's arguments, with one address behind it
    T = together.TYPES[character]
    text = together.TABLE.format(T=T, MOST=together.MOST, COUNT=together.COUNT)
    fields = ", ".join(f"offsetof(Table, {name})" for name in layout.names)
    code = f"""{text}
    __global__ void offsets(long long* to) {{
        const long long all[] = {{{fields}, sizeof(Table)}};
        for (int k = 0; k < {len(layout.names) + 1}; ++k) to[k] = all[k];
    }}"""
    found = np.zeros(len(layout.names) + 1, np.int64)
    cxx_kernels.RawKernel(code.replace("__global__", "\n__global__"), "offsets")((1,), (1,), [found])
    assert found.tolist() == [*(layout.fields[name][1] for name in layout.names), layout.itemsize]


@pytest.mark.parametrize("name", ["adam", "sgd", "write"])
def test_nvidias_compiler_takes_the_rules(nvrtc, name):
    ptx = nvrtc(together.source(name, "float"))
    assert f".entry tinycnn_{name}" in ptx
    assert ".f64" not in ptx  # nothing falls back to double precision
    assert ".local" not in ptx  # the table is read where the arguments lie: no thread copies it
    nvrtc(together.source(name, "double"))
