"""Everything that only a GPU can check, in one call: tests, compute-sanitizer, benchmark.

    python -m benchmarks.gpu_check --out gpu-check           logs go to that folder
    python -m benchmarks.gpu_check --skip benchmark

Each part has a time limit and a log; one that fails does not keep the next from running. Exit status 1 where
one failed, 2 where there is no GPU.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tinycnn import backend

ROOT = Path(__file__).parents[1]

PYTHON = sys.executable
SUITE = (PYTHON, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider")
# What computes on the GPU, small enough for a tool that makes kernels a hundred times slower.
SANITIZED = (
    "tests/test_backend.py::test_every_operation",
    "tests/test_backend.py::test_a_network_trains_alike",
    "tests/cuda",
)
SECONDS = {"info": 60, "tests": 1800, "memcheck": 900, "racecheck": 900, "benchmark": 1200}


def parts(out):
    """Return the command of every part, by name; None where its tool is not installed."""
    sanitizer = shutil.which("compute-sanitizer")
    sanitized = (*SUITE, *SANITIZED)
    checks = {
        tool: (sanitizer, "--tool", tool, "--error-exitcode", "1", *sanitized) if sanitizer else None
        for tool in ("memcheck", "racecheck")
    }
    return {
        "info": (PYTHON, "-m", "tinycnn", "info"),
        "tests": (*SUITE, "-m", "not slow"),
        **checks,
        "benchmark": (PYTHON, "-m", "benchmarks.gpu", "--out", str(out)),
    }


def run(name, command, log, limit):
    """Run one part with its output in a log; return what became of it."""
    if command is None:
        return "skipped: compute-sanitizer is not installed"
    environment = {**os.environ, "TINYCNN_BACKEND": "cupy", "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    with log.open("w") as file:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, timeout=limit
            )
            status = "passed" if done.returncode == 0 else f"FAILED with status {done.returncode}"
        except subprocess.TimeoutExpired:
            status = f"FAILED: not done after {limit} s"
    return f"{status} ({time.monotonic() - started:.0f} s), see {log}"


def main(arguments=None):
    """Run all parts and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="folder for logs and results")
    parser.add_argument("--skip", nargs="+", default=[], choices=SECONDS, help="parts to leave out")
    args = parser.parse_args(arguments)
    if reason := backend.why_not("cupy"):
        print(f"no GPU to check: {reason}", file=sys.stderr)
        return 2
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for name, command in parts(out).items():
        if name not in args.skip:
            outcomes.append(run(name, command, out / f"{name}.log", SECONDS[name]))
            print(f"{name}: {outcomes[-1]}", flush=True)
    return 1 if any(outcome.startswith("FAILED") for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
