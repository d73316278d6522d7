"""What the processor can do: float32 additions and multiplications a second, at most.

A multiplication and an addition in one instruction (FMA), on numbers that stay in registers, is the most
there is. A large matrix product is the most that ordinary code reaches.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from .contestants import AVX2, TINYCNN
from .process import WorkerError, command

REPEATS = 20
LANES = 1024  # numbers a thread works on: they stay in its first-level cache
CHAIN = 8  # FMAs on each of them between load and store, see `_fma_loop`


def instruction_sets() -> dict[str, dict[str, str]]:
    """Return the environment for each instruction set to measure on this machine, the best one first."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return {"avx512": {}, "avx2": AVX2}
    return {"avx2": {}} if features.get("avx2") else {platform.machine().lower(): {}}


def measure_peak(threads: int, instructions: Mapping[str, str]) -> dict[str, float]:
    """Return GFLOP/s of "sgemm" and "fma", measured in a process of its own.

    Raises
    ------
    WorkerError
        If that process fails.
    """
    done = subprocess.run(
        command("peak", str(threads)),
        env=TINYCNN.environ(threads, instructions),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise WorkerError(f"the machine's peak could not be measured: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def machine() -> dict[str, Any]:
    """Return what this machine is, and which share of it other work keeps busy at this moment."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        # Virtual machines often hide the model; the compiler's name for the kind is then all that is known.
        "processor": f"{model} ({binding.get_host_cpu_name()})",
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "busy": busy(),
    }


def busy(seconds: float = 1.0) -> float | None:
    """Return the share of all cores' time that is used, 0 to 1; None if the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return None
    before = _cpu_times(stat)
    time.sleep(seconds)
    passed = _cpu_times(stat) - before
    idle = passed[3] + passed[4]  # 4th and 5th column: nothing to do, and waiting for a disk
    return round(1 - float(idle / passed.sum()), 2)


def _cpu_times(stat: Path) -> np.ndarray:
    """Return the columns of the first line, "cpu user nice system idle iowait ...", in 1/100 s."""
    return np.array(stat.read_text().split("\n", 1)[0].split()[1:], dtype=float)


def cores() -> int:
    """Return the number of cores this process may use, which can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sgemm_gflops(n: int = 1024) -> float:
    """Return GFLOP/s of NumPy's matrix product (n, n) @ (n, n)."""
    a = np.random.default_rng(0).random((n, n), "float32")
    out = np.empty_like(a)
    return 2 * n**3 / _shortest(lambda: np.matmul(a, a, out=out)) / 1e9


def fma_gflops(threads: int, sweeps: int = 20_000) -> float:
    """Return GFLOP/s of FMAs on all threads."""
    if "NUMBA_CPU_NAME" not in os.environ:
        # On many processors with AVX-512, compilers prefer vectors of 256 bits unless told otherwise.
        features = binding.get_host_cpu_features().flatten()
        os.environ["NUMBA_CPU_NAME"] = binding.get_host_cpu_name()
        os.environ["NUMBA_CPU_FEATURES"] = f"{features},-prefer-256-bit"
    from numba import njit

    # "contract" makes v * a + b one instruction; nogil lets the threads run at the same time.
    loop = njit(fastmath={"contract"}, nogil=True)(_fma_loop)
    half = np.float32(0.5)  # v * 0.5 + 0.5 tends to 1: no overflow, nothing subnormal
    rows = np.zeros((threads, LANES), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        seconds = _shortest(lambda: list(pool.map(lambda row: loop(row, half, half, sweeps), rows)))
    return 2 * CHAIN * LANES * threads * sweeps / seconds / 1e9


def _fma_loop(row: np.ndarray, a: np.float32, b: np.float32, sweeps: int) -> None:
    for _ in range(sweeps):
        for j in range(row.size):
            # Eight in a row, so that load and store are hidden; the compiler takes many j at a time.
            v = row[j]
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            row[j] = v


def _shortest(work: Callable[[], Any]) -> float:
    """Return the seconds of the fastest run: the peak is what runs undisturbed."""
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    threads = parser.parse_args().threads
    print(json.dumps({"sgemm": max(sgemm_gflops(512), sgemm_gflops(1024)), "fma": fma_gflops(threads)}))
