"""Everything that can stand between a user and the GPU, injected: what is said, and that the rest goes on."""

import json
import sys
from dataclasses import replace
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

import tinycnn
from tests.helpers import strict_cupy
from tinycnn import backend, choice, gpu, nn, optim
from tinycnn import functional as F
from tinycnn.cli import main
from tinycnn.kernels import table
from tinycnn.tensor import Tensor
from tinycnn.wrong import BackendError

pytestmark = pytest.mark.usefixtures("on_numpy")


class CUDARuntimeError(RuntimeError):
    pass


def fails(error):
    def call(*_):
        raise error

    return call


@pytest.fixture
def cupy(monkeypatch, stand_in):
    """The stand-in with other parts; nothing remembers that it has worked before."""
    monkeypatch.setattr(gpu, "_usable", None)

    def with_parts(runtime=None, **parts):
        cuda = SimpleNamespace(**vars(strict_cupy.cuda))
        cuda.runtime = SimpleNamespace(**vars(strict_cupy.cuda.runtime) | (runtime or {}))
        vars(cuda).update(parts)
        for name, part in parts.items():
            if part is None:
                delattr(cuda, name)
        other = SimpleNamespace(__version__="14.2.0", cuda=cuda)
        monkeypatch.setitem(sys.modules, "cupy", other)

    return with_parts


@pytest.fixture
def installed(monkeypatch):
    """Let these packages be installed, and no other."""

    def install(**versions):
        def version(name):
            if name.replace("-", "_") in versions:
                return versions[name.replace("-", "_")]
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "version", version)

    return install


def refused(match):
    assert backend.why_not("numpy") is None
    with pytest.raises(BackendError, match=match) as caught:
        tinycnn.use("cupy")
    assert backend.current() == "numpy"
    assert backend.why_not("cupy") == str(caught.value)


def test_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails
    refused(r"needs the CuPy package .*'tinycnn\[cuda12\]', for CUDA 13 'tinycnn\[cuda13\]' \(never both\)")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ImportError('\\nno libcuda_x\\n\\nand so on')", "no libcuda_x$"),
        ("import a_package_it_needs", "No module named 'a_package_it_needs'$"),
    ],
)
def test_a_package_that_is_broken(monkeypatch, tmp_path, code, says):
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    refused(f"CuPy is installed, but it cannot be imported: {says}")


def test_two_packages(cupy, installed):
    installed(cupy_cuda12x="14.2.0", cupy_cuda13x="14.1.0")
    refused(
        "cupy-cuda12x 14.2.0 and cupy-cuda13x 14.1.0 are installed.*`pip uninstall cupy-cuda12x cupy-cuda13x`"
    )


def test_no_driver(cupy):
    error = CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    cupy(runtime={"getDeviceCount": fails(error), "driverGetVersion": lambda: 0})
    refused(r"CuPy 14\.2\.0 is installed, but there is no NVIDIA driver: `nvidia-smi` must list")


@pytest.mark.parametrize(
    ("driver", "needed", "says"),
    [
        (11040, 12090, "it is for CUDA 11.4, CuPy for CUDA 12.9; update the driver; tinycnn"),
        (
            12020,
            13000,
            r"it is for CUDA 12.2, CuPy for CUDA 13.0; update the driver, or install 'tinycnn\[cuda12\]'",
        ),
    ],
)
def test_a_driver_that_is_too_old(cupy, driver, needed, says):
    error = CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    versions = {"driverGetVersion": lambda: driver, "runtimeGetVersion": lambda: needed}
    cupy(runtime={"getDeviceCount": fails(error), **versions})
    refused(f"the NVIDIA driver is too old: {says}")


@pytest.mark.parametrize("count", [lambda: 0, fails(CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable"))])
@pytest.mark.parametrize("hidden", [None, "-1"])
def test_no_gpu(cupy, count, hidden, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    cupy(runtime={"getDeviceCount": count})
    rest = ", and CUDA_VISIBLE_DEVICES='-1' may hide some" if hidden else ""
    refused(f"it finds no NVIDIA GPU: `nvidia-smi` must list one{rest}; tinycnn.use")


def test_a_gpu_that_does_not_answer(cupy):
    error = CUDARuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error encountered")
    cupy(runtime={"getDeviceCount": fails(error)})
    refused("the GPU does not answer: cudaErrorECCUncorrectable")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy",
            "is busy, another process has it",
        ),
        ("cudaErrorMemoryAllocation: out of memory", "memory is full, not even a context fits: `nvidia-smi`"),
        ("cudaErrorUnknown: unknown error", "the GPU does not answer: cudaErrorUnknown"),
    ],
)
def test_a_gpu_that_is_busy_or_full_when_it_is_first_used(cupy, error, says):
    cupy(runtime={"memGetInfo": fails(CUDARuntimeError(error))})
    refused(says)


def test_a_package_without_its_libraries(cupy, installed):
    installed(cupy_cuda13x="14.2.0")
    missing = SimpleNamespace(getVersion=fails(RuntimeError('Failure finding "libnvrtc.so.13"')))

    class Cuda(SimpleNamespace):
        def __getattr__(self, name):
            raise ImportError(f"Failure finding {name}")

    cupy(nvrtc=missing, cublas=None)
    whole = sys.modules["cupy"].cuda
    sys.modules["cupy"].cuda = Cuda(**vars(whole))
    refused(r"without CUDA's libraries, NVRTC, cuBLAS cannot be loaded: `pip install 'cupy-cuda13x\[ctk\]'`")
    sys.modules["cupy"].cuda.nvrtc = SimpleNamespace(getVersion=lambda: (13, 0))
    refused("libraries, cuBLAS cannot be loaded")


def test_what_works_is_asked_once(cupy, monkeypatch):
    asked = []
    cupy(runtime={"getDeviceCount": lambda: asked.append(1) or 1})
    for _ in range(3):
        assert backend.library("cupy").__version__ == "14.2.0"
    assert asked == [1]


def step(model, rule, batch):
    x = Tensor(np.ones((batch, 1, 12, 12), np.float32), backend="cupy")
    loss = F.cross_entropy(model(x), np.arange(batch) % 3)
    rule.zero_grad()
    loss.backward()
    rule.step()
    return loss.item()


@pytest.fixture
def model(stand_in):
    tinycnn.manual_seed(0)
    with tinycnn.using("cupy"):
        yield nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))


def test_out_of_memory(model):
    rule = optim.Adam(model.parameters())
    before = step(model, rule, 2)
    strict_cupy.memory["largest"] = 40_000
    with pytest.raises(tinycnn.OutOfMemoryError) as caught:
        step(model, rule, 64)
    assert str(caught.value).startswith(
        "Conv2d of (64, 1, 12, 12), (4, 1, 3, 3), (4,): the GPU has no 230,400 bytes for it, "
        "2.00 GiB of 8.00 GiB are free, and 3.00 GiB are in use by arrays of this process. A smaller batch"
    )
    assert isinstance(caught.value, MemoryError)
    assert step(model, rule, 2) < before  # with what it had


def test_out_of_memory_in_layers_that_are_joined(model):
    """On a GPU a convolution and the ReLU behind it are one kernel: so they are here."""
    from tinycnn.kernels import cuda

    joined = replace(table.fused(), conv2d_epilogue=cuda.conv2d_epilogue)
    strict_cupy.memory["largest"] = 40_000
    says = r"Conv2d of \(64, 1, 12, 12\), \(4, 1, 3, 3\), \(4,\): the GPU has no 230,400 bytes for it"
    with choice.using(kernels=joined), pytest.raises(tinycnn.OutOfMemoryError, match=says):
        step(model, optim.Adam(model.parameters()), 64)


def test_out_of_memory_in_backward(model):
    rule = optim.Adam(model.parameters())
    step(model, rule, 2)
    weights = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    x = Tensor(np.ones((8, 1, 12, 12), np.float32), backend="cupy")
    loss = model(x).sum()
    strict_cupy.memory["largest"] = 3_000
    with pytest.raises(tinycnn.OutOfMemoryError, match=r"of \(.*: the GPU has no [\d,]+ bytes for it"):
        loss.backward()
    strict_cupy.memory["largest"] = np.inf
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name])
    assert np.isfinite(step(model, rule, 2))


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: tinycnn.zeros(1000), r"a new tensor \(1000,\): the GPU has no 4,000 bytes"),
        (lambda: tinycnn.randn(10, 100), r"a new tensor \(10, 100\): the GPU has no 4,000 bytes"),
        (lambda: Tensor(np.ones((500, 1))), r"a copy of \(500, 1\): the GPU has no 4,000 bytes"),
        (lambda: Tensor(np.ones(9)) + np.ones((99, 1)).tolist(), r"of \(9,\), \(99, 1\): the GPU has no"),
    ],
)
def test_out_of_memory_elsewhere(stand_in, call, what):
    with tinycnn.using("cupy"):
        strict_cupy.memory["largest"] = 800
        with pytest.raises(tinycnn.OutOfMemoryError, match=what):
            call()


def test_out_of_memory_in_a_step(stand_in):
    theta = Tensor(np.ones(100), requires_grad=True, backend="cupy")
    rule = optim.Adam([theta], amsgrad=True)  # no kernel makes its step without arrays in between
    theta.sum().backward()
    strict_cupy.memory["largest"] = 100
    with pytest.raises(tinycnn.OutOfMemoryError, match=r"a step of Adam: the GPU has no 800 bytes"):
        rule.step()
    assert rule.steps == [0]  # what was not done does not count


def test_out_of_memory_on_the_cpu_is_numpys_own():
    with pytest.raises(MemoryError, match="Unable to allocate") as caught:
        tinycnn.zeros(1 << 50)
    assert not isinstance(caught.value, tinycnn.OutOfMemoryError)


def test_the_command_line_says_it_in_a_line(stand_in, tmp_path, capsys):
    strict_cupy.memory["largest"] = 100_000
    assert main(["train", "--backend", "cupy", "--epochs", "1", "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tinycnn: error: a new parameter (128, 1600): the GPU has no 819,200 bytes")
    assert error.count("\n") == 1
    assert backend.current() == "numpy"


def test_info_says_which_gpu(stand_in, capsys, monkeypatch):
    monkeypatch.setattr(table, "why_no_cuda", lambda: "no GPU, as it happens")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "backend cupy: available" in out
    assert (
        "  Stand-in, compute capability 9.0; driver for CUDA 13.0, CUDA runtime 12.9; 1.0 of 8.0 GiB free\n"
        "  kernels for CuPy arrays: fused (TINYCNN_KERNELS chooses others)\n"
        "  none of our own: no GPU, as it happens\n"
    ) in out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gpu"] == {
        "name": "Stand-in",
        "compute_capability": "9.0",
        "driver": "13.0",
        "runtime": "12.9",
        "memory_free": 1 << 30,
        "memory_total": 8 << 30,
        "kernels": "fused",
        "why_no_cuda": "no GPU, as it happens",
    }


def test_info_says_what_is_missing(cupy, capsys):
    cupy(runtime={"getDeviceCount": lambda: 0})
    assert main(["info", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["gpu"] is None
    assert "it finds no NVIDIA GPU" in said["backends"]["cupy"]["reason"]
    assert main(["info"]) == 0
    assert "backend cupy: CuPy 14.2.0 is installed, but it finds no" in capsys.readouterr().out
