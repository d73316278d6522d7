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
from benchmarks.measuring import peak
from benchmarks.measuring.contestants import ROOT
from benchmarks.measuring.works import Convolution
from tinycnn import Tensor, models, optim
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.kernels import table
from tinycnn.kernels.geometry import conv2d_geometry

CONVOLUTION = Convolution(32, 32, 13, 13, 64, 3, 3)  # the second of cnn28, batch 32
SMALL = Convolution(1, 4, 13, 13, 4, 3, 3)  # for loops in Python: the large one would take minutes
ONE = {"TINYCNN_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PLAIN_PASSES = "TINYCNN_LADDER_PLAIN_PASSES"  # read below: compiled convolution and pooling, no other passes
ALL = {"TINYCNN_THREADS": str(peak.cores())}


@dataclass(frozen=True)
class Rung:
    """What is switched, and what that changes."""

    name: str
    change: str
    environment: dict[str, str]


RUNGS = (
    Rung(
        "loops", "Eq. 1 as Python loops; one thread up to the rung of that name", {"TINYCNN_KERNELS": "loops"}
    ),
    Rung(
        "im2col",
        "one matrix product; the columns of the whole batch in memory",
        {"TINYCNN_KERNELS": "im2col", **ONE},
    ),
    Rung(
        "compiled",
        "filters along the vector, sums of a tile in registers",
        {PLAIN_PASSES: "1", **ONE},
    ),
    Rung("threads", "all cores", {PLAIN_PASSES: "1", **ALL}),
    Rung("fused", "one pass over memory for activations, normalisation, Adam", ALL),
)


def measure(work: str, seconds: float) -> float:
    """Return the median seconds of a run, in this process."""
    if PLAIN_PASSES in os.environ:
        tinycnn.use(kernels=convolution_only())
    run = step() if work == "step" else convolution(SMALL if work == "small" else CONVOLUTION)
    run()
    run()
    times, began = [], time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def convolution_only():
    """Return the compiled kernels without the compiled passes over elements and channels."""
    passes = ("relu", "gate", "leaky_relu", "leaky_gate", "adam")
    passes += ("channel_sum", "channel_dot", "channel_affine", "normalise", "normalise_input")
    plain = {name: getattr(table.PLAIN, name) for name in passes}
    return replace(table.cpu(), conv2d_epilogue=None, **plain)


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
