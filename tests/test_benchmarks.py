"""The benchmarks measure what they say: the same work for everybody, each contestant in its own process."""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ladder, shares, tables
from benchmarks.measuring import inputs, on_tinycnn, peak, rounds, startup, works
from benchmarks.measuring.contestants import (
    AVX2,
    CONTESTANTS,
    PYTORCH,
    TINYCNN,
    Contestant,
    checkout,
    variant,
)
from benchmarks.measuring.process import NotInstalled, Worker, WorkerError
from benchmarks.measuring.report import Report, amount
from benchmarks.measuring.summary import Measurement, Quartiles, Tolerance, agree, difference, ratio
from tinycnn import dispatch, models, optim
from tinycnn.data import DataLoader, digits
from tinycnn.fit import EpochReport, Training
from tinycnn.kernels import table
from tinycnn.kernels.geometry import conv2d_geometry

ROOT = Path(__file__).parents[1]
PLAN = rounds.Plan(threads=1, rounds=2, turn=0)
NOBODY = Contestant("nobody", "benchmarks.measuring.on_nobody", "on_nobody")
WORKS = works.WORKS


@pytest.fixture
def chain_input(tmp_path):
    path = tmp_path / "chain.npz"
    inputs.save(path, inputs.make(WORKS["chain"]))
    return path


@pytest.fixture
def worker():
    with Worker(TINYCNN, threads=1) as worker:
        yield worker


def test_a_worker_runs_a_work(worker, chain_input):
    worker.prepare("chain", chain_input)
    gradient = worker.numbers(1)
    assert len(gradient) == works.CHAIN_SIZE
    assert worker.numbers(2) == gradient * 2  # nothing is trained here: each run gives the same
    seconds = worker.time(3)
    assert len(seconds) == 3
    assert all(s > 0 for s in seconds)
    assert worker.peak_memory() > 2**20


def test_the_chain_computes_what_it_says():
    work, arrays = WORKS["chain"], inputs.make(WORKS["chain"])
    engine = on_tinycnn.Engine(1)
    gradient = engine.numbers(engine.prepare(work, arrays)())
    x, a, b = (arrays[name].astype(float) for name in "xab")
    y, dy = x, 0
    for _ in range(work.N // 2):
        y, dy = y * a + b, y + a * dy  # d(y*a + b)/da = y + a * dy/da
    np.testing.assert_allclose(gradient, dy, rtol=1e-4)


def test_the_environment_is_set_before_the_library_is_imported():
    environment = CONTESTANTS[2].environ(3)
    assert environment["OPENBLAS_NUM_THREADS"] == environment["TINYCNN_THREADS"] == "3"
    assert "mmap_max=0" in environment["GLIBC_TUNABLES"]
    assert "GLIBC_TUNABLES" not in PYTORCH.environ(3)
    assert PYTORCH.environ(1, AVX2)["ATEN_CPU_CAPABILITY"] == "avx2"
    assert variant("TINYCNN_THREADS=7").environ(1)["TINYCNN_THREADS"] == "7"
    with pytest.raises(ValueError, match="NAME=VALUE"):
        variant("threads")


def test_everybody_is_kept_to_avx2():
    if "avx2" not in peak.instruction_sets():
        pytest.skip("this processor has no AVX2")
    code = "from numba import njit; import numpy as np; f = njit(lambda x: (x * x).sum());"
    code += "f(np.ones(100, 'f')); print('zmm' in ''.join(f.inspect_asm().values()));"
    code += "from threadpoolctl import threadpool_info as t; print(t()[0]['architecture'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=TINYCNN.environ(1, AVX2), capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "Haswell"], done.stderr


def test_the_loop_of_the_peak_adds_up_in_every_number_of_every_vector():
    loop, sums, lanes = peak._fma_loop()
    row = np.zeros((sums + 1) * lanes, np.float32)
    row[-lanes:] = 0.5
    loop(row, 1000)
    np.testing.assert_array_equal(row[:-lanes], 250)


@pytest.mark.parametrize("rung", dict.fromkeys(rung.environment[ladder.KERNELS] for rung in ladder.RUNGS))
def test_every_rung_of_the_ladder_computes_the_same(rung):
    rng = np.random.default_rng(0)
    geometry = conv2d_geometry((3, 4, 9, 8), (5, 4, 3, 2))
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape, (geometry.K,), (geometry.C,)
    x, w, g, bias, input_bias = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    for kernels, results in ((table.PLAIN, expected := []), (ladder.kernels_of(rung), found := [])):
        results += [
            kernels.conv2d(x, w, geometry, bias),
            kernels.conv2d_input(g, w, geometry, input_bias),
            kernels.conv2d_weight(x, g, geometry),
        ]
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


def test_the_rung_below_the_epilogues_has_none():
    names = [name for name in vars(table.cpu()) if "epilogue" in name]
    assert len(names) == 3
    assert all(getattr(ladder.kernels_of("one pass"), name) is None for name in names)
    assert all(getattr(ladder.kernels_of("epilogues"), name) is not None for name in names)


def test_shares_add_up_to_the_time():
    found = {"conv2d 1x1": (2.0, 1), "relu 1": (1.0, 2), "conv2d_weight 1x1": (3.0, 1)}
    sums = shares.together(found, 10.0)
    assert list(sums.values()) == [5.0, 1.0, 4.0]


def test_shares_of_the_time_name_every_kernel_and_leave_no_trace():
    usual = dispatch._fastest
    found, total = shares.shares(works.WORKS["inference-b1"], seconds=0.01)
    calls = {name: calls for name, (_, calls) in found.items()}
    assert calls["conv2d_epilogue 1x32x13x13 64x32x3x3"] == 1
    assert calls["matmul 1x1600 1600x128"] == 1
    assert 0 < sum(spent for spent, _ in found.values()) <= total
    assert dispatch._fastest is usual


def test_a_worker_that_is_killed(worker, chain_input):
    worker.prepare("chain", chain_input)
    os.kill(worker.process.pid, signal.SIGKILL)
    says = r"tinycnn died at chain \(killed by SIGKILL\); its last words: none"
    with pytest.raises(WorkerError, match=says):
        worker.time(1)
    assert not worker.alive


def test_a_worker_that_fails_goes_on(worker, chain_input, tmp_path):
    with pytest.raises(WorkerError, match="tinycnn failed at starting: RuntimeError: no work is prepared"):
        worker.time(1)
    with pytest.raises(WorkerError, match="FileNotFoundError"):
        worker.prepare("chain", tmp_path / "missing.npz")
    worker.prepare("chain", chain_input)


def test_workers_that_cannot_start(tmp_path):
    with pytest.raises(WorkerError, match="tinycnn: cannot start python-nowhere"):
        Worker(TINYCNN, 1, str(tmp_path / "python-nowhere"))
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\necho no time today >&2\nexit 7\n")
    silent.chmod(0o755)
    with pytest.raises(WorkerError, match=r"\(exit status 7\); its last words: no time today"):
        Worker(TINYCNN, 1, str(silent))


def test_a_peer_that_is_not_installed_is_no_error():
    versions, missing = rounds.look([TINYCNN, NOBODY], PLAN)
    assert list(versions) == ["tinycnn"]
    assert missing == {"nobody": "not installed"}
    with pytest.raises(NotInstalled, match="cannot be imported: No module named"):
        Worker(Contestant("broken", "package", "on_nobody"), 1)


def test_rounds(tmp_path):
    plain, other = variant("TINYCNN_THREADS=1"), checkout(ROOT)
    (m,) = rounds.measure([WORKS["chain"]], [TINYCNN, plain, other, NOBODY], PLAN, tmp_path)
    assert [len(values) for values in m.rounds["tinycnn"]] == [1, 1]  # a run a turn, two rounds
    assert m.rounds.keys() == {"tinycnn", plain.name, f"tinycnn in {ROOT.name}"}
    assert m.failures == {"nobody": "not installed"}
    assert m.numbers[plain.name] == m.numbers["tinycnn"]
    assert not list(tmp_path.iterdir())


def test_memory(tmp_path):
    m = rounds.peak_memory(WORKS["cnn28-b32"], [TINYCNN], PLAN, tmp_path)
    assert m.unit == "B"
    assert 10 * 2**20 < m.rounds["tinycnn"][0][0] < 2**32


def losses(weights):
    """Of a few steps with four images, which are enough to tell weights apart."""
    work = WORKS["cnn28-b32"]
    arrays = inputs.make(work)
    few = {"x": arrays["x"][:, :4], "y": arrays["y"][:, :4]}
    engine = on_tinycnn.Engine(1)
    run = engine.prepare(work, arrays | few | weights)
    return [float(engine.numbers(run())) for _ in range(5)]


def test_losses_from_other_weights_do_not_agree():
    m = Measurement("cnn28-b32", "cnn28")
    other = inputs.weights_of(inputs.make(WORKS["cnn28-b32"], seed=1))
    nearly = {"3.weight": inputs.make(WORKS["cnn28-b32"])["3.weight"] * np.float32(1.01)}
    for name, weights in {"PyTorch": {}, "same": {}, "nearly": nearly, "other": other}.items():
        m.numbers[name], m.tolerances[name] = losses(weights), rounds.TOLERANCES["step"]
    for name, problem in zip(("nearly", "other"), m.problems("PyTorch"), strict=True):
        assert problem.startswith(f"cnn28: the results of {name} differ from those of PyTorch, by up to ")


SMALL = [name for name in WORKS if name not in ("cnn224-b8", "cnn28-b128")]


@pytest.mark.parametrize("name", SMALL)
def test_pytorch_computes_the_same(name, torch):
    from benchmarks.measuring import on_pytorch

    work = WORKS[name]
    arrays = inputs.make(work)
    results = []
    for engine in (on_tinycnn.Engine(1), on_pytorch.Engine(1), on_pytorch.Engine(1, tuned=True)):
        run = engine.prepare(work, {key: array.copy() for key, array in arrays.items()})
        results.append(
            np.concatenate([engine.numbers(run()).ravel() for _ in range(3 if work.trains else 1)])
        )
    for result in results[1:]:
        assert agree(result, results[0], Tolerance(1e-4, 1e-4))


@pytest.mark.parametrize("name", ["cnn28-b32", "inference-b1"])
@pytest.mark.parametrize("peer", ["tensorflow", "jax", "dezero"])
def test_the_other_peers_compute_the_same(name, peer):
    pytest.importorskip(peer)
    module = importlib.import_module(f"benchmarks.measuring.on_{peer}")
    arrays = inputs.make(WORKS[name])
    ours, theirs = on_tinycnn.Engine(1), module.Engine(1)
    a = ours.numbers(ours.prepare(WORKS[name], arrays)())
    b = theirs.numbers(theirs.prepare(WORKS[name], arrays)())
    assert difference(b.ravel(), a.ravel()) < 1e-5


def test_flop():
    assert inputs.flop(WORKS["chain"]) is None
    for name, expected in {"cnn28-b32": 0.49e9, "cnn224-b8": 23.6e9, "dcgan-b64": 9.4e9}.items():
        assert inputs.flop(WORKS[name]) == pytest.approx(expected, rel=0.01)
    assert inputs.flop(WORKS["conv-13x13-input"]) == 2 * 32 * 64 * 11 * 11 * 32 * 9
    assert works.CONVOLUTIONS[3].output_size == (7, 7)


def test_choose():
    assert works.choose([]) == list(works.NAMES)
    assert works.choose(["conv-13x13"]) == [f"conv-13x13-{d}" for d in ("forward", "input", "weight")]
    assert works.choose(["memory", "chain"]) == ["chain", "memory"]
    for unknown in ("cnn", "chains", ""):
        with pytest.raises(ValueError, match="there is no work"):
            works.choose([unknown])


def test_ratios_are_taken_round_by_round():
    ours, theirs = [[1.0, 3.0], [4.0], [30.0]], [[4.0], [4.0, 4.0], [20.0]]
    assert ratio(ours, theirs) == Quartiles(0.75, 1.0, 1.25)  # of 2/4, 4/4, 30/20


def test_differences():
    assert difference([1.0, 2.5], [1.0, 2.0]) == 0.25
    assert difference([], [1.0]) == difference([math.nan], [1.0]) == math.inf
    assert difference([0.0, 0.0], [0.0, 0.0]) == 0
    assert not agree([math.nan], [math.nan], Tolerance(1, 1))
    assert agree([2.0, 1.01], [2.0, 1.0], Tolerance(1e-5, 1e-2))  # the second may differ more than the first
    assert not agree([2.01, 1.0], [2.0, 1.0], Tolerance(1e-5, 1e-2))


@pytest.fixture
def report():
    numbers = {"numbers": {"PyTorch": [1.0], "tinycnn": [1.0]}}
    tolerances = {"tolerances": dict.fromkeys(("PyTorch", "tinycnn"), Tolerance(1e-3, 1e-3))}
    measurements = [
        Measurement("cnn28-b32", "cnn28 step", aim=0.5, flop=10**9, **numbers, **tolerances),
        Measurement("conv-a", "a", flop=10**9),
        Measurement("conv-b", "b", flop=10**9),
        Measurement("memory", "memory", unit="B"),
    ]
    for m, ours in zip(measurements, (0.01, 0.04, 0.01, 2**20), strict=True):
        theirs = 0.02 if m.unit == "s" else 2**21
        m.rounds = {"PyTorch": [[theirs, theirs]] * 3, "tinycnn": [[ours]] * 3}
    machine = {"processor": "abacus", "cores": 2, "python": "3.11", "numpy": "2", "busy": 0.0}
    machine["instructions"] = "avx2"
    versions = {"PyTorch": "2.13.0", "tinycnn": "0.1.0"}
    plan = {"threads": 2, "rounds": 3, "turn": 0.5}
    peaks = [{"sgemm": 300.0, "fma": 200.0}]  # percent are of the FMA loop, whatever a library reaches
    return Report(list(versions), versions, {"DeZero": "not installed"}, machine, plan, peaks, measurements)


def test_the_table(report):
    heading = "\n".join(report.heading())
    assert "DeZero not installed" in heading
    assert "abacus, 2 cores" in heading
    assert "instructions: avx2; threads: 2, rounds: 3" in heading
    assert "WARNING" not in heading
    assert "sgemm 300 GFLOP/s, fma 200 GFLOP/s" in heading
    row = report.row(report.measurements[0]).split()
    assert row == ["cnn28", "step", "20", "ms", "0.50", "0.50-0.50", "0.50", "100", "50%"]
    assert report.row(report.measurements[3]).split()[:4] == ["memory", "2", "MiB", "0.50"]
    ending = "convolutions, tinycnn: 12 % of the FMA peak at least, geometric mean 25 %; "
    assert report.ending()[-1] == f"{ending}ratio 2.00 at most, geometric mean 1.00"
    assert not report.problems


def test_the_file_and_the_tables_made_of_it(report, tmp_path):
    report.write(tmp_path / "cpu-x.json")
    said = json.loads((tmp_path / "cpu-x.json").read_text())
    ours = said["works"]["cnn28-b32"]["contestants"]["tinycnn"]
    assert ours["ratio_quartiles"] == [0.5, 0.5, 0.5]
    assert ours["percent_of_fma_peak"] == 50
    said["machine"]["instructions"] = "avx512"
    (tmp_path / "cpu-y.json").write_text(json.dumps(said))
    page = tables.filled("before\n<!-- cpu short -->\nold\n<!-- end -->\nafter", tmp_path)
    assert page.splitlines() == [
        "before",
        "<!-- cpu short -->",
        "AVX2 / AVX-512, on abacus, 2 threads:",
        "",
        "| ratio to PyTorch | tinycnn |",
        "| --- | --- |",
        "| cnn28 step | 0.50 / 0.50 |",
        "| memory | 0.50 / 0.50 |",
        "| the convolutions, geometric mean | 1.00 / 1.00 |",
        "<!-- end -->",
        "after",
    ]
    page = tables.filled("<!-- cpu-x long -->\n<!-- end -->", tmp_path).splitlines()
    assert page[1] == "AVX2, abacus, 2 threads, FMA peak 200 GFLOP/s:"
    assert page[3] == "|  | PyTorch | tinycnn | of the FMA peak |"
    assert page[6] == "| a | 20 ms | 2.00 | 12 % |"
    assert page[-2] == "| the convolutions, geometric mean |  | 1.00 | 25 % |"


def test_the_pages_show_the_files():
    for page in tables.PAGES:
        text = (ROOT / page).read_text()
        assert tables.MARKED.search(text)
        assert tables.filled(text) == text, f"{page}: run `python -m benchmarks.tables`"


def test_the_table_warns_on_a_busy_machine(report):
    report.machine["busy"] = 0.48
    assert "WARNING other work keeps 48% of this machine busy" in "\n".join(report.heading())


def test_the_table_says_what_is_wrong(report):
    m = report.measurements[0]
    m.numbers["tinycnn"] = [1.1]
    m.rounds.pop("PyTorch")
    m.failures["PyTorch"] = "PyTorch died"
    assert "failed" in report.row(m)
    assert [line.startswith("PROBLEM cnn28 step: ") for line in report.ending()[-2:]] == [True, True]


def test_the_table_without_pytorch(report):
    report.contestants = ["tinycnn"]
    assert report.row(report.measurements[0]).split()[2:] == ["10", "ms", "0.50", "100", "50%"]
    assert report.ending()[-1].endswith("geometric mean 25 %")
    assert not report.problems


def test_amounts():
    texts = [amount(seconds, "s") for seconds in (12.34, 0.5, 3e-5, 2e-7)]
    assert texts == ["12.3 s", "500 ms", "30 us", "0.20 us"]


def test_the_lines_of_a_training_are_understood():
    lines = []
    record = {"loss": 0.1, "accuracy": 0.97, "val_loss": 0.0612, "val_accuracy": 0.9815, "seconds": 3.0}
    model = models.cnn28()
    loader = DataLoader(digits()[1], 32)
    run = Training(model, loader, optim.SGD(model.parameters(), 0.1), 5, epoch=1, history=[record])
    EpochReport(lines.append).on_epoch_end(run)
    assert startup.LINE.search(lines[0])[1] == "98.15"


def test_when_98_percent_are_reached():
    course = [(10.0, 0.97), (20.0, 0.98), (30.0, 0.975)]
    assert startup.seconds_to(0.98, course) == 20
    with pytest.raises(WorkerError, match=r"reached 98.00% in 3 epochs, not 99%"):
        startup.seconds_to(0.99, course)


def test_peaks():
    assert peak.sgemm_gflops(64) > 0
    assert peak.fma_gflops(1, turns=10) > 0
    assert peak.machine()["cores"] >= 1
    share = peak.busy(0.05)
    assert share is None or 0 <= share <= 1


def script(*options):
    command = [sys.executable, "-m", "benchmarks.cpu", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_benchmark_writes_its_tables(tmp_path):
    quick = ("--only", "chain", "--rounds", "1", "--turn", "0", "--variant", "TINYCNN_THREADS=1")
    done = script(*quick, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    sets = peak.instruction_sets()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"cpu-{name}.json" for name in sets}
    for name in sets:
        said = json.loads((tmp_path / "out" / f"cpu-{name}.json").read_text())
        assert said["machine"]["instructions"] == name
        assert said["plan"] == {"threads": peak.cores(), "rounds": 1, "turn": 0}
        assert said["works"]["chain"]["contestants"]["tinycnn"]["quartiles"][1] > 0
        assert str(ROOT) not in json.dumps(said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--only", "cnn29"], "there is no work 'cnn29'; there are cnn28-b32,"),
        (["--rounds", "0"], "at least 1"),
        (["--peer-python", "mxnet=python"], "there is no peer 'mxnet'; there are torch, tinycnn,"),
        (["--peer-python", "torch=nowhere"], "there is no interpreter nowhere"),
        (["--variant", "fast"], "NAME=VALUE"),
        (["--against", "tests"], "tests is no checkout of tinycnn"),
    ],
)
def test_wrong_use_of_the_benchmark(options, says):
    done = script(*options)
    assert done.returncode == 2
    assert says in done.stderr
