"""What the session on a GPU measures, driven without one, on the stand-in."""

from types import SimpleNamespace

import pytest

from benchmarks.measuring import gpu_peak, gpu_pytorch, inputs, on_tinycnn, works
from benchmarks.measuring.summary import Tolerance, agree
from benchmarks.measuring.works import GPU_WORKS
from tests.helpers import strict_cupy


class Event:
    """A GPU's clock that ticks once a record, a millisecond at a time."""

    now = 0

    def __init__(self, enable_timing=True):
        self.at = None

    def record(self):
        Event.now += 1
        self.at = Event.now

    def synchronize(self):
        assert self.at is not None

    def elapsed_time(self, later):
        return later.at - self.at


@pytest.fixture
def clock(stand_in, monkeypatch):
    monkeypatch.setenv("TINYCNN_BACKEND", "cupy")
    monkeypatch.setattr("tinycnn.backend._current", None)
    cuda = SimpleNamespace(**vars(strict_cupy.cuda), Event=Event, get_elapsed_time=Event.elapsed_time)
    monkeypatch.setattr(strict_cupy, "cuda", cuda)


def test_its_works_are_those_that_were_asked_for():
    titles = {w.title.rpartition(", ")[0] for w in GPU_WORKS.values() if w.kind == "conv"}
    assert titles == {
        "N32 C32 13x13 K64 3x3",
        "N8 C64 54x54 K128 3x3",
        "N8 C3 224x224 K32 3x3",
        "N64 C64 14x14 K128 4x4 s2 p1",
        "N32 C128 28x28 K128 3x3 p1",
        "N64 C256 56x56 K256 3x3 p1",
    }
    assert [w for w in GPU_WORKS if not w.startswith("conv")] == [
        *("cnn28-b32", "cnn28-b128", "cnn28-b1024", "cnn224-b8", "cnn224-b64", "dcgan-b64")
    ]
    for name in GPU_WORKS.keys() & works.WORKS.keys():
        assert GPU_WORKS[name].N == works.WORKS[name].N


@pytest.mark.parametrize("name", ["cnn28-b32", "dcgan-b64"])
def test_steps_run_and_compute_what_they_do_on_the_cpu(clock, name, monkeypatch):
    work = GPU_WORKS[name]
    arrays = inputs.make(work)
    for key in "xyz":
        if key in arrays:
            arrays[key] = arrays[key][:, :4]
    results = []
    for place in ("numpy", "cupy"):
        monkeypatch.setenv("TINYCNN_BACKEND", place)
        monkeypatch.setattr("tinycnn.backend._current", None)
        engine = on_tinycnn.Engine(1)
        run = engine.prepare(work, {key: array.copy() for key, array in arrays.items()})
        results.append([float(engine.numbers(run())) for _ in range(3)])
    assert agree(results[1], results[0], Tolerance(1e-4, 1e-3))
    strict_cupy.waits.clear()
    for _ in range(3):
        run()
    assert strict_cupy.waits == []  # nothing waits between two steps


def test_pytorch_without_cuda_is_not_there(torch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ImportError, match="cannot use a GPU"):
        gpu_pytorch.Engine(1)


def test_pytorchs_settings(torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(gpu_pytorch.Engine, "device", "cpu")
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        for compiled in (False, True):
            engine = gpu_pytorch.Engine(1, compiled)
            assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is False
            assert (engine.compiled is torch.compile) == compiled
            work = GPU_WORKS["cnn28-b32"]
            run = engine.prepare(work, inputs.make(work))
            assert engine.numbers(run()).shape == ()
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before
        torch.backends.cuda.matmul.allow_tf32 = False


def test_the_peaks_flop(clock, monkeypatch):
    launches = []

    def raw_kernel(source, name):
        assert f"void {name}(" in source
        return lambda grid, block, arguments: launches.append((grid, block, arguments))

    properties = {"multiProcessorCount": 2, "name": b"x"}
    monkeypatch.setattr(strict_cupy, "RawKernel", raw_kernel, raising=False)
    monkeypatch.setattr(strict_cupy.cuda.runtime, "getDeviceProperties", lambda _: properties)
    threads = 2 * gpu_peak.BLOCKS_A_PROCESSOR * gpu_peak.THREADS
    assert gpu_peak.fma_gflops(strict_cupy) == pytest.approx(
        2 * 8 * gpu_peak.UNROLLED * gpu_peak.SWEEPS * threads / 1e-3 / 1e9
    )
    assert launches[0][:2] == ((2 * gpu_peak.BLOCKS_A_PROCESSOR,), (gpu_peak.THREADS,))
    assert launches[0][2][0].size == threads
    monkeypatch.setattr(gpu_peak, "SIZE", 16)
    assert gpu_peak.sgemm_gflops(strict_cupy) == pytest.approx(2 * 16**3 / 1e-3 / 1e9)


def test_nvidias_compiler_takes_the_loop(nvrtc):
    assert nvrtc(gpu_peak.LOOP).count("fma.rn.f32") == 8 * gpu_peak.UNROLLED  # all of one sweep, unrolled
