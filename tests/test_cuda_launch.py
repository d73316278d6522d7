"""How kernels get onto a GPU, with a CuPy in place of the real one that notes what it is asked to start."""

import sys
import timeit
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda comes with the extra 'cuda-check'")

from tests.helpers.strict_launches import forget
from tinycnn.kernels.cuda import (
    RUNGS,
    launch,
    operands,
    pace,
    toolchain,
)
from tinycnn.kernels.cuda.launch import Kernel, kernel
from tinycnn.kernels.geometry import conv2d_geometry


class Array:
    """An array on a GPU: it has no numbers, only an address."""

    __module__ = "cupy"
    __cuda_array_interface__ = property(lambda self: {"data": (self.data.ptr, False)})
    flags = SimpleNamespace(c_contiguous=True)

    def __init__(self, shape, dtype="float32", gpu=0):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.size = int(np.prod(self.shape, dtype=object))
        self.data = SimpleNamespace(ptr=id(self), device_id=gpu)


class Driver:
    """What CuPy was asked for."""

    def __init__(self):
        self.device, self.loaded, self.started = 0, [], []
        self.refuses = None

    def load(self, module, cubin):
        if self.refuses:
            raise self.refuses
        assert cubin.startswith(b"\x7fELF")
        self.loaded.append((self.device, cubin))

    def function(self, name):
        def start(grid, block, arguments, shared=0):
            self.started.append(SimpleNamespace(name=name, grid=grid, block=block, shared=shared))
            self.started[-1].arguments = arguments
            self.started[-1].device = self.device

        return start


@pytest.fixture
def driver(monkeypatch):
    driver = Driver()
    cupy, cuda, function = (ModuleType(name) for name in ("cupy", "cupy.cuda", "cupy.cuda.function"))

    class Module:
        def load(self, cubin):
            driver.load(self, cubin)

        def get_function(self, name):
            return driver.function(name)

    function.Module = Module
    function.CNumpyArray = lambda array: ("by value", array)
    cuda.function, cupy.cuda = function, cuda
    cuda.runtime = SimpleNamespace(getDevice=lambda: driver.device)
    cuda.Device = lambda gpu=None: SimpleNamespace(
        id=driver.device, compute_capability="90", attributes={"MultiProcessorCount": 132}
    )
    cupy.empty = lambda shape, dtype: Array(shape, dtype)
    cupy.ascontiguousarray = lambda array: array
    for module in (cupy, cuda, function):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    forget()
    yield driver
    forget()


@kernel(32)
def copy(a, b, sizes, n):
    b[0] = a[0] + sizes[1] + n


@pytest.fixture
def copying():
    return Kernel(copy.function, 32)


def values(start):
    """Return the numbers of a launch, which CuPy passes by value."""
    numbers = [a[1] for a in start.arguments if isinstance(a, tuple)]
    assert all(a.dtype == np.int32 and a.shape == () for a in numbers)
    return [int(a) for a in numbers]


def test_arrays_first_then_every_number_by_value(driver, copying):
    a, b = Array((4,)), Array((4,))
    copying.launch((3, 2), (32,), a, b, (7, -8), 9, shared=64)
    (start,) = driver.started
    assert (start.grid, start.block, start.shared) == ((3, 2), (32,), 64)
    assert start.arguments[:2] == (a, b)
    assert values(start) == [7, -8, 9]
    assert "copy" in start.name


def test_compiled_once_and_once_more_for_other_arrays(driver, copying):
    for _ in range(3):
        for sizes in ((1, 2), (3, 4)):
            copying.launch((1,), (32,), Array((4,)), Array((4,)), sizes, 5)
    assert len(driver.started) == 6
    assert len(driver.loaded) == 1
    copying.launch((1,), (32,), Array((4,)), Array((4,), "int64"), (1, 2), 5)
    assert len(driver.loaded) == 2


def test_a_second_gpu_gets_a_kernel_of_its_own(driver, copying):
    for driver.device in (0, 1, 0, 1):
        a, b = (Array((4,), gpu=driver.device) for _ in range(2))
        copying.launch((1,), (32,), a, b, (1, 2), 5)
    assert [device for device, _ in driver.loaded] == [0, 1]
    assert [start.device for start in driver.started] == [0, 1, 0, 1]


@pytest.mark.parametrize(("gpus", "current", "other"), [((1, 1), 0, 1), ((0, 1), 0, 1), ((0, 0), 1, 0)])
def test_arrays_of_another_gpu_are_refused_before_the_launch(driver, copying, gpus, current, other):
    driver.device = current
    message = (
        rf"starts on the current GPU, {current}, .* got \(4,\) on GPU {gpus[0]}, \(2, 2\) on GPU {gpus[1]}. "
        rf"Compute inside `with cupy.cuda.Device\({other}\):`"
    )
    arrays = Array((4,), gpu=gpus[0]), Array((2, 2), gpu=gpus[1])
    with pytest.raises(ValueError, match=message):
        copying.launch((1,), (32,), *arrays, (1, 2), 5)
    assert driver.started == driver.loaded == []


def test_each_gpu_is_asked_for_its_own_capability(driver, monkeypatch):
    pace._capability.cache_clear()
    digits = {0: "75", 1: "90"}
    monkeypatch.setattr(
        sys.modules["cupy.cuda"], "Device", lambda gpu: SimpleNamespace(compute_capability=digits[gpu])
    )
    found = []
    for driver.device in (0, 1, 0):
        found.append(pace.capability())
    pace._capability.cache_clear()
    assert found == [(7, 5), (9, 0), (7, 5)]


def test_an_empty_result_starts_nothing(driver, copying):
    copying.launch((0,), (32,), Array((0,)), Array((0,)), (1, 2), 5)
    assert driver.started == driver.loaded == []


def test_a_kernel_that_cannot_be_loaded_says_why_and_is_tried_again(driver, copying):
    """Nothing else is tried: while a stream captures CUDA would refuse any other loader, too."""
    driver.refuses = RuntimeError("cudaErrorStreamCaptureUnsupported\nand more")
    arrays = Array((4,)), Array((4,))
    sentence = (
        r"the kernel copy cannot be loaded: RuntimeError: cudaErrorStreamCaptureUnsupported. If a stream "
        r"captures, none can be: start it once before, as tinycnn.graphed does"
    )
    with pytest.raises(RuntimeError, match=sentence):
        copying.launch((1,), (32,), *arrays, (1, 2), 5)
    assert driver.started == []
    driver.refuses = None
    copying.launch((1,), (32,), *arrays, (1, 2), 5)
    assert len(driver.started) == 1


GEOMETRY = conv2d_geometry((32, 32, 13, 13), (64, 32, 3, 3), (1, 1), (0, 0), (1, 1), 1)
X, W, G = Array((32, 32, 13, 13)), Array((64, 32, 3, 3)), Array((32, 64, 11, 11))


def convolutions():
    top = RUNGS["epilogue"]
    return [
        lambda: top.conv2d(X, W, GEOMETRY),
        lambda: top.conv2d_input(G, W, GEOMETRY),
        lambda: top.conv2d_weight(X, G, GEOMETRY),
    ]


def python_calls(work):
    """Return how many functions a piece of work calls, those in C included: what Python's time goes with."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("direction", range(3))
def test_from_the_second_call_on_a_convolution_costs_little_python(driver, direction):
    convolve = convolutions()[direction]
    convolve()
    loaded, launches = len(driver.loaded), len(driver.started)
    assert 2 <= launches <= 3
    calls = python_calls(convolve)
    assert len(driver.loaded) == loaded
    assert len(driver.started) == 2 * launches
    assert calls <= 45 * launches  # some 0.15 us each; Numba's own launch takes 600 and more
    us = min(timeit.repeat(convolve, number=100, repeat=20)) / 100 / launches * 1e6
    print(f"{calls / launches:.0f} calls and {us:.1f} us of Python a launch")


def test_why_there_are_no_kernels(monkeypatch):
    """The driver, the compiler and the combination of versions: each has a sentence of its own."""
    from numba.cuda.cudadrv import driver, nvvm

    def reason():
        toolchain.why_not.cache_clear()
        return toolchain.why_not()

    class There:
        is_available = True

    try:
        monkeypatch.setattr(driver, "driver", There())
        monkeypatch.setattr(nvvm, "is_available", lambda: False)
        assert "finds no libnvvm, NVIDIA's compiler" in reason()
        monkeypatch.setattr(nvvm, "is_available", lambda: True)
        monkeypatch.setattr(launch.probe, "load", lambda kinds: 1 / 0)
        assert "cannot compile a kernel for this GPU: ZeroDivisionError: division by zero" in reason()
        monkeypatch.setattr(launch.probe, "load", lambda kinds: None)
        assert reason() is None

        class Missing:
            @property
            def is_available(self):
                raise RuntimeError("\nno driver\nat all")

        monkeypatch.setattr(driver, "driver", Missing())
        assert reason() == "numba-cuda finds no GPU: no driver"
    finally:
        toolchain.why_not.cache_clear()


def test_the_smallest_kernel_compiles(driver):
    name, cubin = launch.probe.cubin(("f",), (9, 0))
    assert "probe" in name
    assert cubin.startswith(b"\x7fELF")


def test_numpy_is_left_as_it_was():
    assert hasattr(np, "row_stack") == (tuple(map(int, np.__version__.split(".")[:2])) < (2, 5))


def test_what_only_calls_itself_cupys_is_no_array_for_a_kernel():
    class Pretender(Array):
        pass

    from tests.helpers import strict_cupy

    assert operands.fits(Array((2, 2)))
    assert not operands.fits(strict_cupy.ones((2, 2)).astype("float32"))
    assert not operands.fits(np.ones((2, 2), "float32"))
    assert not operands.fits(Array((2, 2), "float64"))
    assert not operands.fits(Array((2**16, 2**15)))


def test_a_result_that_int32_cannot_count_is_refused(driver):
    with pytest.raises(ValueError, match=r"fewer than 2\*\*31 elements, not one of \(65536, 32768\)"):
        operands.result(X, (2**16, 2**15))
