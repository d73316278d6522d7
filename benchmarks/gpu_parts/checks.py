"""Whether a result is right, and the same twice."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .machine import on_cpu, say, telling

BOUND = 1e-5  # of the relative error of a float32 result
TF32_BOUND = 1e-3  # if every factor is rounded to 1 part in 2048


def bound(name: str) -> float:
    """Return what relative error is allowed."""
    return TF32_BOUND if name.split()[0] == "tf32" else BOUND


def check(
    rung: str, name: str, direction: str, work: Callable[[], Any], exact: np.ndarray, **row: Any
) -> None:
    """Say whether two runs of a work give the exact result, but for rounding, and the same bits."""
    row = {"part": "smoke", "rung": rung, "variant": name, "direction": direction, **row}
    began = time.perf_counter()
    with telling(row):
        first, second = on_cpu(work()).copy(), on_cpu(work())
        error = float(np.linalg.norm(first - exact) / np.linalg.norm(exact))
        same, seconds = bool((first == second).all()), round(time.perf_counter() - began, 2)
        say(**row, ok=error < bound(name) and same, error=error, same_twice=same, seconds=seconds)
