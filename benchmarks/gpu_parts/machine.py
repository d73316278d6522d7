"""What is here: versions, the GPU, its clock, and what it can do at most."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks.measuring import gpu_peak
from tinycnn import backend, gpu
from tinycnn.kernels.cuda.target import why_not

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
PACKAGES = (
    *("numpy", "numba", "numba-cuda", "llvmlite", "cupy-cuda12x", "cupy-cuda13x", "cuda-core"),
    *("cuda-bindings", "nvidia-nvvm", "nvidia-nvjitlink", "torch", "triton"),
)
SPIN = """
extern "C" __global__ void spin(long long n) { long long t = clock64(); while (clock64() - t < n) {} }
"""


def say(**row: Any) -> None:
    """Print one fact."""
    print(json.dumps(row), flush=True)


def facts() -> None:
    """Say what is here, and what the GPU can do at most."""
    versions = {name: version(name) for name in PACKAGES}
    tools = ("ncu", "compute-sanitizer", "ptxas", "nvdisasm", "c++")
    say(part="facts", date=time.strftime("%Y-%m-%d"), python=platform.python_version(), versions=versions)
    say(part="facts", tools={tool: shutil.which(tool) for tool in tools})
    say(part="facts", why_no_cupy=backend.why_not("cupy"), why_no_cuda=why_not())
    if shutil.which("nvidia-smi"):
        query = "--query-gpu=name,driver_version,clocks.max.sm,power.limit,memory.total"
        asked = subprocess.run(["nvidia-smi", query, "--format=csv,noheader"], capture_output=True, text=True)
        say(part="facts", gpu=asked.stdout.strip())
    if not SIMULATED:
        import cupy

        say(part="facts", device=gpu.describe(cupy))
        say(part="facts", ffma_tflops=round(gpu_peak.fma_gflops(cupy) / 1e3, 2))
        say(part="facts", sgemm_tflops=round(gpu_peak.sgemm_gflops(cupy) / 1e3, 2))


def version(package: str) -> str | None:
    """Return a package's version, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def library() -> Any:
    """Return what arrays are of: CuPy, or NumPy in the simulator."""
    if SIMULATED:
        return np
    import cupy

    if os.environ.get("TINYCNN_CUPY_POOL") == "0":
        cupy.cuda.set_allocator(None)
    return cupy


def on_cpu(array: Any) -> np.ndarray:
    """Return a copy in NumPy."""
    return array if isinstance(array, np.ndarray) else array.get()


def broken() -> bool:
    """Return whether this process can no longer use the GPU."""
    try:
        return float(library().ones(4).sum()) != 4
    except Exception:
        return True


@contextmanager
def telling(row: dict[str, Any]) -> Iterator[None]:
    """Say what went wrong inside the ``with`` block, in `row`; end the process if its GPU is lost."""
    try:
        yield
    except Exception as problem:
        say(**row, ok=False, problem=f"{type(problem).__name__}: {problem}"[:400])
        if broken():
            sys.exit(3)


class Clock:
    """Measures a piece of work: us of the GPU alone (kept busy while work is queued), and us of Python."""

    def __init__(self) -> None:
        self.cupy = library()
        self.spin = None if SIMULATED else self.cupy.RawKernel(SPIN, "spin")

    def __call__(self, work: Callable[[], Any], most: float = 0.02) -> dict[str, float]:
        """Return the shortest and the median time of a run."""
        if SIMULATED:
            began = time.perf_counter()
            work()
            return {"gpu_us": round((time.perf_counter() - began) * 1e6, 1), "python_us": 0.0}
        cuda, wait = self.cupy.cuda, self.cupy.cuda.runtime.deviceSynchronize
        work()
        wait()
        began = time.perf_counter()
        work()
        wait()
        runs = max(3, min(50, int(most / (time.perf_counter() - began))))
        readings, queued = [], []
        for _ in range(6):
            begin, end = cuda.Event(), cuda.Event()
            self.spin((1,), (1,), (int(max(1.3 * max(queued, default=0), 2e-4) * 2e9),))
            begin.record()
            began = time.perf_counter()
            for _ in range(runs):
                work()
            queued.append(time.perf_counter() - began)
            end.record()
            end.synchronize()
            readings.append(cuda.get_elapsed_time(begin, end) * 1e3 / runs)
        readings, queued = sorted(readings[1:]), sorted(queued[1:])
        return {
            "gpu_us": round(readings[0], 2),
            "median_us": round(readings[2], 2),
            "python_us": round(queued[0] / runs * 1e6, 1),
        }
