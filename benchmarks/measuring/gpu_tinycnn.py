"""tinycnn on CuPy as a contestant, timed by the GPU's own clock."""

import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tinycnn import backend
from tinycnn.kernels import table

from . import on_tinycnn
from .inputs import Arrays
from .works import Work

CUBLAS = "im2col"


def rungs() -> dict[str, Any]:
    """Return what has the contract of convolution, by name: im2col with cuBLAS, and the CUDA kernels.

    Each has ``conv2d``, ``conv2d_input`` and ``conv2d_weight``, or some of them, as `tinycnn.kernels.im2col`.
    Where the CUDA kernels cannot run, im2col is alone.
    """
    found = {CUBLAS: importlib.import_module("tinycnn.kernels.im2col")}
    if table.why_no_cuda() is None:
        found |= importlib.import_module("tinycnn.kernels.cuda").RUNGS
    return found


class Engine(on_tinycnn.Engine):
    """tinycnn on the GPU.

    Parameters
    ----------
    threads
        Of the CPU.
    kernels
        A name in `rungs`: what computes single convolutions; by default what tinycnn itself chooses.
    """

    def __init__(self, threads: int, kernels: str | None = None) -> None:
        super().__init__(threads)
        self.cupy = backend.library("cupy")
        self.kernels = rungs()[kernels] if kernels else None
        self.kinds["conv"] = self._conv

    def _conv(self, work: Work, arrays: Arrays) -> on_tinycnn.Run:
        return on_tinycnn.convolution(work, arrays, self.kernels)

    def seconds(self, run: Callable[[], Any], runs: int) -> list[float]:
        """Return the seconds of each run, from event to event in the GPU's queue."""
        events = [self.cupy.cuda.Event() for _ in range(runs + 1)]
        events[0].record()
        for event in events[1:]:
            run()
            event.record()
        events[-1].synchronize()
        between = self.cupy.cuda.get_elapsed_time  # milliseconds
        return [between(a, b) / 1e3 for a, b in pairwise(events)]
