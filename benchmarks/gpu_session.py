"""Everything that only a GPU can say, in one call of a few minutes, the most valuable facts first.

    python benchmarks/gpu_session.py --out FOLDER --seconds 390

Runs the parts of `gpu_parts` one after the other, each in a process of its own with a time limit: a part that
fails, or hits an error of CUDA's (which stays in its process), hides no other. Every line of JSON that a part
prints goes to results.jsonl at once, and what else it says to log.txt. Needs no network, and tinycnn need not
be installed. Exit status 1 if a part failed or was left out, 2 if there is no GPU.

With NUMBA_ENABLE_CUDASIM=1 the same plan runs without a GPU, in Numba's simulator, on tiny sizes: that shows
that the session works, and its figures mean nothing.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
PARTS = (sys.executable, "-W", "ignore", "-m", "benchmarks.gpu_parts")
RUNGS = ("direct", "coalesced", "shared", "gemm", "registers", "epilogue", "async", "tf32x3", "tf32")
SHAPES = ("13x13", "56x56", "28x28", "54x54", "14x14", "224x224")  # of `works.GPU_CONVOLUTIONS`
STEPS = ("cnn28-b32", "cnn28-b128", "dcgan-b64", "cnn224-b64")
TESTS = ("tests/cuda", "tests/test_backend.py")
SECONDS = 390  # what all parts need, one after the other
LEAST = 5  # seconds: with less no part is begun
METRICS = (  # of one kernel: what it is bound by
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "gpu__time_duration.sum",
    "sm__inst_executed_pipe_fma.avg.pct_of_peak_sustained_active",
    "sm__warps_active.avg.pct_of_peak_sustained_active",
    "l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed",
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum",
    "l1tex__t_sector_hit_rate.pct",
    "lts__t_sector_hit_rate.pct",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio",
    "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio",
    "smsp__average_warps_issue_stalled_short_scoreboard_per_issue_active.ratio",
    "smsp__average_warps_issue_stalled_mio_throttle_per_issue_active.ratio",
    "smsp__issue_active.avg.pct_of_peak_sustained_active",
)


class Part(NamedTuple):
    """One process: its name, its command, the seconds that it needs, and the file that its words go to."""

    name: str
    command: Sequence[str]
    needs: float
    file: str = "log.txt"

    @property
    def limit(self) -> float:
        """Seconds after which it is stopped: a part that hangs leaves time for the others."""
        return 1.5 * self.needs + 5


def plan(out: Path) -> list[list[Part]]:
    """Return the steps, in order; the parts of a step run side by side, those that measure time alone.

    What decides comes first: whether it is right, then whole steps and graphs beside PyTorch, then what no
    GPU has run, then what was measured before. `needs` is what a part took on an H200, if it was recorded.
    """
    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark")
    workers = ("-n", "2", "-m", "not slow") if SIMULATED else ("-n", "6")
    checks = [Part("tests", (*pytest, *workers, *TESTS), 45, "tests.txt")]
    if sanitizer := shutil.which("compute-sanitizer"):
        for tool in ("memcheck", "racecheck"):
            command = (sanitizer, "--tool", tool, "--error-exitcode", "9", *PARTS, "smoke", "epilogue")
            checks.append(Part(tool, command, 30))
    steps = [
        [Part("facts", (*PARTS, "facts"), 8)],
        [
            *(Part(f"smoke {rung}", (*PARTS, "smoke", rung), 35) for rung in (*RUNGS, "variants")),
            Part("smoke products", (*PARTS, "smoke_products"), 35),
        ],
        [Part("graphs", (*PARTS, "graphs", *STEPS), 48)],
        [Part("steps tinycnn", (*PARTS, "steps", "tinycnn", *STEPS), 16)],
        [Part("steps PyTorch", (*PARTS, "steps", "torch", *STEPS), 27)],
        checks,
        [Part("tensor cores", (*PARTS, "tensor_cores", *SHAPES), 30)],
        [Part("products", (*PARTS, "products"), 20)],
        [Part("chosen", (*PARTS, "chosen", *SHAPES), 12)],
        [Part("cuDNN", (*PARTS, "cudnn", *SHAPES), 23)],
        [Part("profile", (*PARTS, "profile", "cnn28-b32", "dcgan-b64"), 8)],
    ]
    if ncu := shutil.which("ncu"):
        for kernel in ("sums_kernel", "kernel_of_parts"):
            select = ("-k", f"regex:{kernel}", "-s", "1", "-c", "1", "--metrics", ",".join(METRICS))
            command = (ncu, "--clock-control", "none", *select, "--csv", *PARTS, "one", "28x28")
            steps.append([Part(f"ncu {kernel}", command, 8, "ncu.csv")])
    steps.append([Part("steps torch.compile", (*PARTS, "steps", "compile", "cnn28-b32", "cnn28-b128"), 55)])
    steps.append([Part("tiles", (*PARTS, "tiles", *SHAPES), 45)])
    return steps


class Session:
    """Runs parts and writes down what they say."""

    def __init__(self, out: Path, seconds: float) -> None:
        self.out, self.deadline = out, time.monotonic() + seconds
        self.lock = threading.Lock()
        self.failed: list[str] = []

    def run(self, steps: list[list[Part]]) -> None:
        """Run all steps until the time is over."""
        for step in steps:
            with ThreadPoolExecutor(len(step) or 1) as threads:
                list(threads.map(self.part, step))

    def part(self, part: Part) -> None:
        """Run one part; whatever happens in it, the next one can begin."""
        began = time.monotonic()
        left = self.deadline - began
        if left < LEAST:
            self.end(part, "left out: no time", began)
            return
        try:
            child = subprocess.Popen(
                part.command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=ROOT,
                env=environment(part),
                start_new_session=True,
            )
        except OSError as error:
            self.end(part, f"cannot be started: {error}", began)
            return
        over = threading.Event()

        def stop() -> None:
            over.set()
            os.killpg(child.pid, signal.SIGKILL)  # and what it has started, which holds the pipe open

        timer = threading.Timer(min(part.limit * (10 if SIMULATED else 1), left), stop)
        timer.start()
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self.line(part, line)
        timer.cancel()
        status = child.wait()
        self.end(part, "out of time" if over.is_set() else f"status {status}", began)

    def line(self, part: Part, line: str) -> None:
        """Keep a line that a part printed: a row of results, or words."""
        is_row = line.startswith("{")
        name = "results.jsonl" if is_row else part.file
        with self.lock, (self.out / name).open("a") as file:
            file.write(line if is_row or part.file != "log.txt" else f"[{part.name}] {line}")
        if is_row and '"ok": false' in line:
            self.failed.append(part.name)
            print(f"  {line.strip()[:300]}", flush=True)

    def end(self, part: Part, status: str, began: float) -> None:
        """Write down how a part ended."""
        if status != "status 0":
            self.failed.append(part.name)
        row = {"part": "end", "name": part.name, "status": status}
        row["seconds"] = round(time.monotonic() - began, 1)
        self.line(Part("session", (), 0), json.dumps(row) + "\n")
        print(f"{part.name}: {status}, {row['seconds']} s", flush=True)


def environment(part: Part) -> dict[str, str]:
    """Return the variables of a part's process."""
    given = dict(os.environ)
    given["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), given.get("PYTHONPATH")]))
    given["PYTHONUNBUFFERED"] = "1"
    given["TINYCNN_BACKEND"] = "numpy" if SIMULATED else "cupy"
    if part.name == "tests":
        given["TINYCNN_BACKEND"] = "numpy"
        given["PYTEST_ADDOPTS"] = ""
        if not SIMULATED:
            given["TINYCNN_REQUIRE_CUDA"] = "1"
    if part.name.endswith("check"):
        given["TINYCNN_CUPY_POOL"] = "0"  # the pool's slack would hide a write behind an array
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the session."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-session"), help="folder for the results")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="in all (default: %(default)s)")
    parser.add_argument("--only", nargs="+", help="parts whose names begin so")
    args = parser.parse_args(arguments)
    out = args.out.resolve()
    sys.path.insert(0, str(ROOT))
    if not SIMULATED:
        from tinycnn import backend

        if reason := backend.why_not("cupy"):
            print(f"no GPU for a session: {reason}", file=sys.stderr)
            return 2
    out.mkdir(parents=True, exist_ok=True)
    session = Session(out, args.seconds)
    steps = plan(out)
    if args.only:
        steps = [[p for p in step if p.name.startswith(tuple(args.only))] for step in steps]
    session.run(steps)
    if session.failed:
        print("failed or left out:", ", ".join(dict.fromkeys(session.failed)))
    return 1 if session.failed else 0


if __name__ == "__main__":
    sys.exit(main())
