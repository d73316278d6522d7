"""The performance ladder: the same training step and convolution, one switch faster from rung to rung.

    python -m benchmarks.ladder

Each rung runs in a process of its own, with its switch in the environment, in turns with the others. Prints a
table and writes ladder.json beside the other results; the lesson on speed shows it.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

import tinycnn
from benchmarks import ladder_loops
from benchmarks.measuring import peak
from benchmarks.measuring.contestants import ROOT
from benchmarks.measuring.works import Convolution
from tinycnn import Tensor, models, optim
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.kernels import table
from tinycnn.kernels.cpu import convolution as direct
from tinycnn.kernels.geometry import conv2d_geometry

CONVOLUTION = Convolution(32, 32, 13, 13, 64, 3, 3)  # the second of cnn28, batch 32
SMALL = Convolution(1, 4, 13, 13, 4, 3, 3)  # for loops in Python: the large one would take minutes
KERNELS = "TINYCNN_LADDER"  # read below: the name of a rung, whose kernels serve everything
ONE = {"TINYCNN_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ALL = {"TINYCNN_THREADS": str(peak.cores())}


@dataclass(frozen=True)
class Rung:
    """What is switched, and what that changes."""

    name: str
    change: str
    environment: dict[str, str]


RUNGS = (
    Rung("loops", "Eq. 1 as Python loops", {KERNELS: "loops", **ONE}),
    Rung(
        "im2col", "one matrix product; the columns of the whole batch in memory", {KERNELS: "im2col", **ONE}
    ),
    Rung("compiled loops", "the loops, compiled: one cell after another", {KERNELS: "compiled loops", **ONE}),
    Rung("along rows", "a vector holds cells of one row", {KERNELS: "along rows", **ONE}),
    Rung(
        "along filters",
        "a vector holds filters, the sums of a tile stay in registers",
        {KERNELS: "along filters", **ONE},
    ),
    Rung("one pass", "pooling, activations, products and Adam compiled, too", {KERNELS: "one pass", **ONE}),
    Rung("epilogues", "activation and pooling on the sums of a convolution", {KERNELS: "epilogues", **ONE}),
    Rung(
        "fewer multiplications",
        "Winograd's tiles for 3x3 filters and many channels",
        {KERNELS: "fewer multiplications", **ONE},
    ),
    Rung("threads", "all cores", {KERNELS: "fewer multiplications", **ALL}),
)


def kernels_of(name):
    """Return the set of kernels of a rung: each differs from the one before in what the rung is called."""
    if name in ("loops", "im2col"):
        return table.SETS[name]()
    if name in ("compiled loops", "along rows"):
        loop = ladder_loops.cell_by_cell if name == "compiled loops" else ladder_loops.along_rows
        return replace(table.IM2COL, name=name, **ladder_loops.directions(loop))
    cpu = table.cpu()
    if name == "fewer multiplications":
        return cpu
    names = ("conv2d", "conv2d_input", "conv2d_weight", "conv2d_epilogue")
    cpu = replace(cpu, **{each: getattr(direct, each) for each in names})
    if name == "along filters":
        return replace(table.IM2COL, name=name, **{each: getattr(cpu, each) for each in names[:3]})
    without = dict.fromkeys(("conv2d_epilogue", "normalise_epilogue", "normalise_epilogue_input"))
    return replace(cpu, **without) if name == "one pass" else cpu


def measure(work: str, seconds: float) -> float:
    """Return the median seconds of a run, in this process."""
    tinycnn.use(kernels=kernels_of(os.environ[KERNELS]))
    run = step() if work == "step" else convolution(SMALL if work == "small" else CONVOLUTION)
    run()
    run()
    times, began = [], time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def convolution(c):
    """Return a forward convolution as a function."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((c.N, c.C, c.H, c.W), dtype=np.float32)
    w = rng.standard_normal((c.K, c.C, c.KH, c.KW), dtype=np.float32)
    geometry = conv2d_geometry(x.shape, w.shape)
    return lambda: kernels_for(x).conv2d(x, w, geometry)


def step():
    """Return a training step of cnn28, batch 32, as a function."""
    rng = np.random.default_rng(0)
    model = models.cnn28()
    optimizer = optim.Adam(model.parameters())
    x = Tensor(rng.random((32, 1, 28, 28), dtype=np.float32))
    labels = Tensor(rng.integers(0, 10, 32))

    def run():
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def in_a_process(rung, work, seconds):
    """Measure in a new process with the rung's environment."""
    command = [sys.executable, "-m", "benchmarks.ladder", "--measure", work, "--seconds", str(seconds)]
    environment = {**os.environ, **rung.environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout)


def works_of(rung):
    """Return what a rung is measured on: loops are too slow for the real work."""
    return ("small",) if rung.name == "loops" else ("convolution", "step")


def row(rung, times):
    """Return a line of the table."""
    small = rung.name == "loops"
    seconds = median(times[rung.name, "small" if small else "convolution"])
    flop = (SMALL if small else CONVOLUTION).flop
    return {
        "rung": rung.name,
        "change": rung.change,
        "switch": rung.environment,
        "gflops": flop / seconds / 1e9,
        "step_ms": None if small else median(times[rung.name, "step"]) * 1e3,
    }


def main():
    """Climb."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each rung (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, about (default: 0.5)")
    parser.add_argument("--measure", choices=["step", "convolution", "small"], help="in this process only")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ladder.json")
    args = parser.parse_args()
    if args.measure:
        print(measure(args.measure, args.seconds))
        return
    times = {(rung.name, work): [] for rung in RUNGS for work in works_of(rung)}
    for _ in range(args.rounds):
        for rung in RUNGS:
            for work in works_of(rung):
                times[rung.name, work].append(in_a_process(rung, work, args.seconds))
    rows = [row(rung, times) for rung in RUNGS]
    print(f"{'rung':<18}{'conv GFLOP/s':>13}{'cnn28 step ms':>15}  what changes")
    for r in rows:
        ms = f"{r['step_ms']:.1f}" if r["step_ms"] else "-"
        print(f"{r['rung']:<18}{r['gflops']:>13.3g}{ms:>15}  {r['change']}")
    content = {
        "convolution": str(CONVOLUTION),
        "loops_on": str(SMALL),
        "machine": peak.machine(),
        "rungs": rows,
    }
    args.out.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
