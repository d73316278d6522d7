"""The process of a contestant: one JSON object a line in, one out.

The first line in is ``{"engine": "on_tinycnn", "threads": 2, "options": {}}``; its answer is the library's
version, or why it is missing. Then:

======================================== =============================================================
``{"do": "prepare", "work", "input"}``   make the work ready, from the file with its input
``{"do": "numbers", "runs"}``            run it so many times; a sample of the results
``{"do": "time", "runs"}``               run it once, then so many times; the seconds of each of these
``{"do": "peak_memory"}``                the most bytes this process has held
======================================== =============================================================
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import inputs
from .works import WORKS

SAMPLE = 64  # numbers that stand for an array when results are compared


class Session:
    """One contestant and the work it has at hand."""

    def __init__(self, engine: str, threads: int, options: dict[str, Any]) -> None:
        module = importlib.import_module(f"{__spec__.parent}.{engine}")
        self.engine = module.Engine(threads, **options)
        self.run: Callable[[], Any] | None = None

    def prepare(self, work: str, input: str) -> dict[str, Any]:
        """Make a work ready."""
        self.run = None  # what the last work held is free before the next one's input is read
        self.run = self.engine.prepare(WORKS[work], inputs.load(Path(input)))
        return {}

    def numbers(self, runs: int) -> dict[str, Any]:
        """Run, and return a sample of each result, one after the other."""
        samples = [sample(self.engine.numbers(self._prepared()())) for _ in range(runs)]
        return {"numbers": np.concatenate(samples).tolist()}

    def time(self, runs: int) -> dict[str, Any]:
        """Run, and return the seconds each run took."""
        run = self._prepared()
        run()  # brings data and threads back after another contestant's turn
        seconds = []
        for _ in range(runs):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}

    def peak_memory(self) -> dict[str, Any]:
        """Return the most memory this process has held at once."""
        return {"bytes": peak_memory()}

    def _prepared(self) -> Callable[[], Any]:
        if self.run is None:
            raise RuntimeError("no work is prepared")
        return self.run


def sample(result: np.ndarray) -> np.ndarray:
    """Return up to `SAMPLE` numbers, evenly spread over the array."""
    flat = result.ravel()
    return flat[:: -(-flat.size // SAMPLE)].astype(np.float64)


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held at once."""
    # Linux carries ru_maxrss over from the process that started this one, which may have been larger.
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Answer line by line until the input ends."""
    # Whatever a library prints goes to standard error: standard output is for answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        session = Session(**json.loads(sys.stdin.readline()))
    except ImportError as error:
        answer({"missing": str(error), "name": error.name})
        return
    answer({"version": session.engine.version})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(getattr(session, request.pop("do"))(**request))
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
