import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn.tensor import Tensor
from tinycnn.wrong import BackendError

pytestmark = pytest.mark.usefixtures("on_numpy")
NUMPY = {**os.environ, "TINYCNN_BACKEND": "numpy"}
DTYPES = ["float16", "float32", "float64", "uint8", "int16", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_pytorch(torch, dtype):
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    ours = tinycnn.from_dlpack(theirs)
    assert (ours.backend, str(ours.dtype), ours.shape) == ("numpy", dtype, (2, 3))
    assert not ours.requires_grad
    assert_array_equal(ours.numpy(), theirs.numpy())
    theirs[0, 0] = 1
    theirs[1, 2] = 0
    assert (ours[0, 0].item(), ours[1, 2].item()) == (1, 0)  # one memory
    assert ours.numpy().__array_interface__["data"][0] == theirs.data_ptr()


@pytest.mark.parametrize("dtype", DTYPES)
def test_to_pytorch(torch, dtype):
    ours = Tensor(np.arange(6).reshape(3, 2).T, dtype)  # its rows are not contiguous
    theirs = torch.from_dlpack(ours)
    assert theirs.dtype == getattr(torch, dtype)
    assert_array_equal(theirs.numpy(), ours.numpy())
    assert theirs.data_ptr() == ours.numpy().__array_interface__["data"][0]
    theirs[0, 0] = 1
    assert ours.numpy()[0, 0] == 1
    with tinycnn.no_grad():
        ours[1, 2] = 0
    assert theirs[1, 2] == 0


def test_there_and_back(torch):
    ours = Tensor([1.0, 2.0])
    again = Tensor.from_dlpack(torch.from_dlpack(ours))
    again.numpy()[1] = 5
    assert ours.numpy().tolist() == [1, 5]
    assert np.from_dlpack(ours) is not ours
    assert np.shares_memory(np.from_dlpack(ours), ours.numpy())
    assert np.shares_memory(tinycnn.from_dlpack(ours).numpy(), ours.numpy())


def test_a_network_learns_from_another_librarys_memory(torch):
    theirs = torch.tensor([1.0, 2.0])
    x = tinycnn.from_dlpack(theirs)
    x.requires_grad = True
    (x * x).sum().backward()
    assert torch.from_dlpack(x.grad).tolist() == [2, 4]


def test_a_gradient_does_not_follow(torch):
    x = Tensor([1.0, 2.0], requires_grad=True)
    for tensor in (x, x * 2):
        with pytest.raises(
            BufferError, match=r"of shape \(2,\) that requires a gradient.* share tensor.detach"
        ):
            torch.from_dlpack(tensor)
    assert torch.from_dlpack(x.detach()).tolist() == [1, 2]
    with pytest.raises((BufferError, RuntimeError), match="require"):  # PyTorch says the same of its own
        tinycnn.from_dlpack(torch.ones(2, requires_grad=True))


def test_memory_that_may_not_be_written(torch):
    fixed = np.arange(3.0)
    fixed.flags.writeable = False
    ours = Tensor(fixed)
    other = np.from_dlpack(ours)
    assert np.shares_memory(other, fixed)
    assert not other.flags.writeable
    imported = tinycnn.from_dlpack(fixed)
    with pytest.raises(ValueError, match="read-only"):
        imported[0] = 1


@pytest.mark.parametrize("thing", [[1, 2], 3.0, "array"])
def test_what_does_not_speak_the_protocol(thing):
    with pytest.raises(TypeError, match=rf"__dlpack_device__, not builtins\.{type(thing).__name__}"):
        tinycnn.from_dlpack(thing)


def test_numbers_that_are_not_real(torch):
    with pytest.raises(TypeError, match="real numbers or booleans, not complex64"):
        tinycnn.from_dlpack(torch.ones(2, dtype=torch.complex64))


class Elsewhere:
    """An array on some device."""

    def __init__(self, kind):
        self.kind = kind

    def __dlpack_device__(self):
        return (self.kind, 0)

    def __dlpack__(self, **_):
        raise AssertionError("nobody may ask for the memory")


def test_a_gpu_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="Elsewhere lives on a GPU, where tinycnn needs CuPy: the backend"):
        tinycnn.from_dlpack(Elsewhere(2))


def test_another_kind_of_device():
    with pytest.raises(BufferError, match="device of DLPack's kind 8; arrays of the CPU"):
        tinycnn.from_dlpack(Elsewhere(8))


def test_on_a_gpu(stand_in, monkeypatch):
    import cupy

    there = cupy.asarray([1.0, 2.0])
    there.__class__.__dlpack__ = lambda self, **options: ("capsule", options)
    there.__class__.__dlpack_device__ = lambda self: (2, 1)
    try:
        monkeypatch.setattr(cupy, "from_dlpack", lambda source: source, raising=False)
        ours = tinycnn.from_dlpack(there)  # where the current backend is NumPy's
        assert ours.data is there
        assert ours.__dlpack_device__() == (2, 1)
        assert ours.__dlpack__(stream=7, max_version=(1, 0), copy=None) == (
            "capsule",
            {"stream": 7, "max_version": (1, 0)},
        )
    finally:
        del there.__class__.__dlpack__, there.__class__.__dlpack_device__


def test_nothing_is_imported_for_it():
    code = "import sys, tinycnn; tinycnn.from_dlpack(tinycnn.ones(2)); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=NUMPY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
