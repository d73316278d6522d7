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


def fma_gflops(threads: int, turns: int = 200_000) -> float:
    """Return GFLOP/s of FMAs on all threads, on vectors as long as the ones in tinycnn's kernels."""
    loop, sums, lanes = _fma_loop()
    rows = np.zeros((threads, (sums + 1) * lanes), np.float32)
    rows[:, -lanes:] = 0.5  # every turn adds 0.25: no overflow, nothing subnormal
    with ThreadPoolExecutor(threads) as pool:
        seconds = _shortest(lambda: list(pool.map(lambda row: loop(row, turns), rows)))
    return 2 * sums * lanes * threads * turns / seconds / 1e9


def _fma_loop() -> tuple[Any, int, int]:
    """Return a loop that only adds to sums in registers, the number of these vectors, and their length.

    It is the loop of tinycnn's micro-kernel without its loads. A loop that a compiler makes of Python is no
    measure: on many processors with AVX-512, compilers choose vectors of half the length.
    """
    from numba import njit, types
    from numba.core import cgutils
    from numba.extending import intrinsic

    from tinycnn.kernels.cpu import vectors
    from tinycnn.kernels.cpu.vectors import INDEX, REGISTERS, VECTOR_BYTES, load

    count = REGISTERS.rows * REGISTERS.vectors

    @intrinsic
    def add(typing, row, turns):  # type: ignore[no-untyped-def]
        def build(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kind = signature.args[0]
            vector = vectors.vector_of(context, kind)
            places = [INDEX(i * vector.count) for i in range(count + 1)]
            at = [vectors.pointer(context, builder, kind, args[0], place) for place in places]
            *before, half = [load(builder, address, vector) for address in at]
            totals = [cgutils.alloca_once_value(builder, total) for total in before]
            with cgutils.for_range(builder, args[1]):
                for total in totals:
                    vectors.add_product(builder, total, half, half)
            for address, total in zip(at, totals, strict=False):
                vectors.store(builder, builder.load(total), address)
            return context.get_dummy_value()

        return types.void(row, types.int64), build

    @njit(nogil=True)
    def loop(row, turns):  # type: ignore[no-untyped-def]
        add(row, turns)

    return loop, count, VECTOR_BYTES // 4


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
