"""The benchmark of a GPU, driven without one: on the stand-in, and with measurements that nobody made."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.measuring import gpu_peak, gpu_pytorch, gpu_report, gpu_tinycnn, inputs, on_tinycnn, works
from benchmarks.measuring.contestants import GPU_CONTESTANTS, GPU_TINYCNN, TINYCNN, rung
from benchmarks.measuring.summary import Measurement, Tolerance, agree
from benchmarks.measuring.worker import Session
from benchmarks.measuring.works import GPU_WORKS, Convolution, Work
from tests.helpers import strict_cupy
from tinycnn import backend
from tinycnn.kernels import im2col, table

ROOT = Path(__file__).parents[2]
GPU = {
    "name": "TEST DATA, no GPU",
    "compute_capability": "0.0",
    "driver": "0.0",
    "runtime": "0.0",
    "memory_free": 0,
    "memory_total": 1 << 30,
}
SMALL = Convolution(2, 4, 7, 7, 8, 3, 3, stride=2, padding=1)


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


@pytest.mark.skipif(backend.why_not("cupy") is None, reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_ends_with_2(tmp_path):
    for script in ("gpu", "gpu_check"):
        command = [sys.executable, "-m", f"benchmarks.{script}", "--out", str(tmp_path / "out")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("no GPU to ")
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--only", "cnn29"], "there is no work 'cnn29'"), (["--rounds", "0"], "at least 1")],
)
def test_wrong_use(options, says):
    command = [sys.executable, "-m", "benchmarks.gpu", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert says in done.stderr


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


def test_who_may_see_the_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert GPU_TINYCNN.environ(1)["TINYCNN_BACKEND"] == "cupy"
    assert GPU_TINYCNN.environ(1)["CUDA_VISIBLE_DEVICES"] == "0"
    assert TINYCNN.environ(1)["CUDA_VISIBLE_DEVICES"] == "-1"


@pytest.mark.parametrize("name", ["cnn28-b32", "dcgan-b64"])
def test_steps_run_and_compute_what_they_do_on_the_cpu(clock, name, monkeypatch):
    work = GPU_WORKS[name]
    arrays = inputs.make(work)
    for key in "xyz":
        if key in arrays:
            arrays[key] = arrays[key][:, :4]
    results = []
    for place, kind in (("numpy", on_tinycnn), ("cupy", gpu_tinycnn)):
        monkeypatch.setenv("TINYCNN_BACKEND", place)
        monkeypatch.setattr("tinycnn.backend._current", None)
        engine = kind.Engine(1)
        run = engine.prepare(work, {key: array.copy() for key, array in arrays.items()})
        results.append([float(engine.numbers(run())) for _ in range(3)])
    assert agree(results[1], results[0], Tolerance(1e-4, 1e-3))
    strict_cupy.waits.clear()
    assert engine.seconds(run, 3) == [1e-3] * 3
    assert strict_cupy.waits == []  # nothing waits between two steps


@pytest.mark.parametrize("direction", ["forward", "input", "weight"])
def test_every_rung_computes_the_convolution(clock, direction, monkeypatch):
    lacks_some = SimpleNamespace(conv2d=im2col.conv2d)
    monkeypatch.setattr(gpu_tinycnn, "rungs", lambda: {"im2col": im2col, "lacks": lacks_some})
    work = Work("small", "small", "conv", convolution=SMALL, direction=direction)
    arrays = inputs.make(work)
    expected = on_tinycnn.convolution(work, arrays, None)()
    ours = gpu_tinycnn.Engine(1, kernels="im2col")
    np.testing.assert_allclose(ours.numbers(ours.prepare(work, arrays)()), expected.get(), rtol=1e-5)
    lacking = gpu_tinycnn.Engine(1, kernels="lacks")
    if direction == "forward":
        assert lacking.numbers(lacking.prepare(work, arrays)()).shape == expected.shape
    else:
        with pytest.raises(NotImplementedError, match="there is no conv2d_"):
            lacking.prepare(work, arrays)


def test_a_rung_that_lacks_a_direction_is_left_out(tmp_path, monkeypatch):
    session = Session("on_tinycnn", 1, {})
    monkeypatch.setattr(session.engine, "prepare", lambda *_: (_ for _ in ()).throw(NotImplementedError))
    inputs.save(tmp_path / "x.npz", inputs.make(works.WORKS["chain"]))
    assert session.prepare("chain", str(tmp_path / "x.npz")) == {"able": False}


def test_the_rungs_are_im2col_and_what_numba_cuda_has(monkeypatch):
    assert next(iter(gpu_tinycnn.rungs())) == "im2col"
    monkeypatch.setitem(sys.modules, "tinycnn.kernels.cuda", SimpleNamespace(RUNGS={"direct": "module"}))
    monkeypatch.setattr(table, "why_no_cuda", lambda: None)
    assert list(gpu_tinycnn.rungs()) == ["im2col", "direct"]
    assert rung("direct").options == {"kernels": "direct"}
    monkeypatch.setattr(table, "why_no_cuda", lambda: "no driver")
    assert list(gpu_tinycnn.rungs()) == ["im2col"]


def test_pytorch_without_cuda_is_not_there(torch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ImportError, match="cannot use a GPU"):
        gpu_pytorch.Engine(1)


def test_pytorchs_settings(torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(gpu_pytorch.Engine, "device", "cpu")
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        for options, tf32 in (({}, False), ({"compiled": True}, False), ({"tf32": True}, True)):
            engine = gpu_pytorch.Engine(1, **options)
            assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == tf32
            assert (engine.compiled is torch.compile) == ("compiled" in options)
            work = GPU_WORKS["cnn28-b32"]
            run = engine.prepare(work, inputs.make(work))
            assert engine.numbers(run()).shape == ()
            assert engine.seconds(run, 2) == [1e-3] * 2
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


@pytest.fixture
def report():
    """Made up: it is marked as TEST DATA and goes to no folder of results."""
    names = ["PyTorch", "tinycnn", "im2col", "direct"]
    measurements = [
        Measurement("cnn28-b32", "cnn28 step, batch 32", aim=1.0, flop=10**9),
        *(
            Measurement(w.name, w.title, flop=inputs.flop(w))
            for w in GPU_WORKS.values()
            if "56x56" in w.name or "13x13" in w.name
        ),
    ]
    for m in measurements:
        conv = m.name.startswith("conv")
        for n, name in enumerate(names if conv else names[:2], start=1):
            m.rounds[name] = [[n * 1e-3] * 2] * 2
            m.numbers[name], m.tolerances[name] = [1.0], Tolerance(1e-3, 1e-3)
    del measurements[1].rounds["direct"]
    measurements[2].failures["direct"] = "direct died"
    machine = {"processor": "abacus", "cores": 2, "python": "3", "numpy": "2", "busy": 0.0, "gpu": GPU}
    versions = dict.fromkeys(names, "0")
    plan = {"threads": 1, "rounds": 2, "turn": 0.1}
    peaks = [{"fma": 50_000.0, "sgemm": 60_000.0}]
    missing = {"torch.compile": "not installed"}
    return gpu_report.GpuReport(names, versions, missing, machine, plan, peaks, measurements)


def test_the_tables(report):
    heading = "\n".join(report.heading())
    assert "TEST DATA, no GPU, compute capability 0.0, 1 GiB; driver for CUDA 0.0" in heading
    assert "TF32 off where it is not named" in heading
    assert report.row(report.measurements[0]).split()[4:8] == ["1", "ms", "2.00", "-"]
    assert report.peak == 50_000  # the loop of FMAs is the ceiling, whatever a library claims
    lines = report.speeds()
    assert "percent of the FMA loop's 50.0" in lines[1]
    assert lines[2].split() == ["PyTorch", "tinycnn", "im2col", "direct"]
    flop = 2 * 32 * 64 * 11 * 11 * 32 * 9
    assert lines[3].split()[-7:] == [f"{flop / 1e-3 / 1e12:.2f}", "0%", "0.07", "0%", "0.05", "0%", "-"]
    assert lines[4].endswith("failed")
    said = json.loads(json.dumps(report.as_dict()))
    assert said["machine"]["gpu"]["name"] == "TEST DATA, no GPU"
    assert said["works"]["conv-56x56-forward"]["contestants"]["tinycnn"]["percent_of_fma_peak"] > 0


STAND_IN = """
import sys, time
from tests.helpers import strict_cupy

class Event:
    def record(self):
        self.at = time.perf_counter()
    def synchronize(self):
        pass

product = strict_cupy.matmul
strict_cupy.cuda.Event = Event
strict_cupy.cuda.get_elapsed_time = lambda a, b: 1e3 * (b.at - a.at)
strict_cupy.cuda.runtime.getDeviceProperties = lambda _: {"multiProcessorCount": 1, "name": b"TEST DATA"}
strict_cupy.RawKernel = lambda source, name: lambda *_: None
strict_cupy.matmul = lambda a, b, out=None: out if len(a) > 4096 else product(a, b, out=out)  # not the peak's
sys.modules["cupy"] = strict_cupy
"""


def test_the_whole_of_it_on_the_stand_in(tmp_path):
    (tmp_path / "cupy.py").write_text(STAND_IN)
    out = tmp_path / "out"
    only = ["--only", "cnn28-b32", "conv-13x13-input", "--rounds", "1", "--turn", "0", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *only],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Python 3.")  # versions come first
    assert "\nno rungs of kernels/cuda: " in done.stdout
    assert "TEST DATA, compute capability 9.0, 8 GiB" in done.stdout
    said = json.loads((out / "gpu.json").read_text())
    assert set(said["works"]) == {"cnn28-b32", "conv-13x13-input"}
    assert {"tinycnn", "im2col"} <= said["works"]["conv-13x13-input"]["contestants"].keys()
    assert str(ROOT) not in json.dumps(said)


def test_the_check_runs_its_parts_and_says_what_failed(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "benchmarks" / "gpu_check.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    monkeypatch.setattr(check.backend, "why_not", lambda _: None)
    assert list(check.parts(tmp_path)) == list(check.SECONDS)
    monkeypatch.setattr(check.shutil, "which", lambda tool: f"/bin/{tool}")
    parts = check.parts(tmp_path)
    assert parts["racecheck"][:3] == ("/bin/compute-sanitizer", "--tool", "racecheck")
    for test in check.SANITIZED:
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text() if name else (ROOT / path).is_dir()
    where = "import os; print(os.environ['TINYCNN_BACKEND'])"
    fake = {
        "info": (sys.executable, "-c", where),
        "tests": (sys.executable, "-c", "raise SystemExit(3)"),
        "memcheck": None,
        "racecheck": (sys.executable, "-c", "import time; time.sleep(60)"),
    }
    monkeypatch.setattr(check, "parts", lambda out: fake)
    monkeypatch.setitem(check.SECONDS, "racecheck", 0.5)
    assert check.main(["--out", str(tmp_path / "logs")]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("info: passed (")
    assert said[1].startswith("tests: FAILED with status 3")
    assert said[2] == "memcheck: skipped: compute-sanitizer is not installed"
    assert said[3].startswith("racecheck: FAILED: not done after 0.5 s")
    assert (tmp_path / "logs" / "info.log").read_text() == "cupy\n"
    assert check.main(["--out", str(tmp_path / "logs"), "--skip", "tests", "racecheck"]) == 0


def test_all_contestants_are_of_the_gpu():
    assert all(contestant.gpu for contestant in (*GPU_CONTESTANTS, rung("im2col")))
    assert [c.name for c in GPU_CONTESTANTS if "tf32" in c.options] == ["PyTorch TF32"]
