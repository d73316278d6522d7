"""Measure tinycnn on a GPU: training steps beside PyTorch, and every rung of the CUDA convolutions.

    python -m benchmarks.gpu                                  everything (some 8 minutes)
    python -m benchmarks.gpu --only cnn28 conv-13x13 --rounds 3

Contestants: PyTorch, torch.compile, tinycnn on CuPy; for convolutions also im2col + cuBLAS, every rung
of kernels/cuda, and PyTorch with TF32, which is off everywhere else. Each has a process of its own; they take
turns, on the same random weights and batches, and it is checked that they compute the same. Times are from
event to event in the GPU's queue. Writes gpu.json. Exit status 1 if something failed or differs,
2 if there is no GPU.
"""

import argparse
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from benchmarks.measuring import contestants, gpu_report, gpu_tinycnn, rounds, works
from benchmarks.measuring.contestants import ROOT
from tinycnn import backend
from tinycnn.kernels.table import why_no_cuda

PACKAGES = ("numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "triton")


def main(arguments=None) -> int:
    """Run it all and print the tables."""
    names = list(works.GPU_WORKS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    parser.add_argument("--turn", type=float, default=0.15, help="seconds of a turn (default: 0.15)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder to write to"
    )
    args = parser.parse_args(arguments)
    if args.rounds < 1 or not args.turn >= 0:
        parser.error("--rounds is at least 1, --turn at least 0")
    try:
        chosen = [works.GPU_WORKS[name] for name in works.choose(args.only, names)]
    except ValueError as error:
        parser.error(str(error))
    if reason := backend.why_not("cupy"):
        print(f"no GPU to measure: {reason}", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)  # before the work, not after it

    print(*versions(), sep="\n", flush=True)
    if reason := why_no_cuda():
        print(f"no rungs of kernels/cuda: {reason}", flush=True)
    candidates = [*contestants.GPU_CONTESTANTS, *map(contestants.rung, gpu_tinycnn.rungs())]
    plan = rounds.Plan(threads=1, rounds=args.rounds, turn=args.turn, one_process=True)
    table, taking_part = gpu_report.begin(candidates, plan)
    print(*table.heading(), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for m in rounds.measure(chosen, taking_part, plan, Path(folder)):
            table.measurements.append(m)
            print(table.row(m), flush=True)
            table.write(args.out / "gpu.json")  # a run that is stopped leaves what it had
    print(*table.speeds(), *table.ending(), sep="\n")
    return 1 if table.problems else 0


def versions():
    """Return a line for each package that what is measured depends on."""
    yield f"Python {platform.python_version()}"
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} is not installed"


if __name__ == "__main__":
    sys.exit(main())
