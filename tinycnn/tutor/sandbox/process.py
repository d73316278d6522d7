"""Run a learner's function in a process of its own, with limits, and collect what happened."""

import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinycnn.tutor.exercise import Arguments, Exercise

from .child import ORDER, OUTCOMES, STUCK
from .packing import pack

SECONDS = 5.0  # for all cases of one exercise together
START = 60.0  # seconds that the process may take to start, on a busy machine
GRACE = 2.0  # seconds that the watchdog in the process has, before the process is ended from here
LONGEST = 1 << 26  # bytes that are read of its outcomes
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TINYCNN_THREADS")


@dataclass
class Execution:
    """The result of running a learner's function in a process of its own.

    Attributes
    ----------
    outcomes
        One for each case that was run; see `calls.call`.
    ended
        None, or why it ended before all cases were run: "time" or "crash".
    stuck
        The line of the learner's code that ran when the time was up, as (file, line).
    said
        Its other messages by name: ``unsendable``, ``names``, ``no_import``, ``signature``, ``no_function``,
        ``refused``.
    """

    outcomes: list[dict[str, Any]] = field(default_factory=list)
    ended: str | None = None
    stuck: tuple[str, int] | None = None
    said: dict[str, Any] = field(default_factory=dict)


def run(
    exercise: Exercise,
    cases: Sequence[Arguments],
    function: bytes | None = None,
    file: Path | None = None,
    seconds: float = SECONDS,
) -> Execution:
    """Run `function` (packed), or that of the exercise's name in `file`, on `cases` in a new process."""
    return _order(
        name=exercise.name,
        parameters=exercise.parameters,
        cases=pack(cases, home=exercise.model.__module__),
        function=function,
        file=file,
        seconds=seconds,
    )


def survey(file: Path) -> Execution:
    """Find out which functions a file defines, in a new process: even parsing a file can end a process."""
    return _order(name=None, cases=pickle.dumps([]), function=None, file=file, seconds=SECONDS)


def _order(file: Path | None, seconds: float, **order: Any) -> Execution:
    """Run a new process for an order; see `child.main`."""
    # "" is the current folder. An answer file must not import the other files there.
    entries = [Path(entry).absolute() for entry in sys.path if entry or file is None]
    order |= {"path": list(map(str, entries)), "seconds": seconds, "file": None, "readable": None}
    if file is not None:
        libraries = [*entries, sys.prefix, sys.base_prefix, Path(__file__).parents[3]]
        order["file"] = str(file.resolve())
        order["readable"] = list(map(str, [*libraries, file.resolve().parent]))
    folder = Path(tempfile.mkdtemp(prefix="tinycnn-tutor-"))
    try:
        (folder / ORDER).write_bytes(pickle.dumps(order))
        return _read(folder, _run(folder, seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, seconds: float) -> str | None:
    """Run the process to its end; return "time" if it had to be ended, "crash" if it ended badly."""
    package = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"}
    environment |= dict.fromkeys(ONE_THREAD, "1")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.child", str(folder)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return _wait(process, folder, seconds)
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], folder: Path, seconds: float) -> str | None:
    deadline, ready = time.monotonic() + START, False
    while time.monotonic() < deadline:
        try:
            status = process.wait(0.02)
        except subprocess.TimeoutExpired:
            if not ready and _size(folder / OUTCOMES):
                ready, deadline = True, time.monotonic() + seconds + GRACE
            continue
        return None if status == 0 else "time" if _size(folder / STUCK) else "crash"
    return "time"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, and what it may have started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _read(folder: Path, ended: str | None) -> Execution:
    result = Execution(ended=ended)
    with (folder / OUTCOMES).open() as file:
        for line in file.read(LONGEST).splitlines():
            try:
                said = json.loads(line)
            except ValueError:  # it was ended in the middle of a line
                break
            if "case" in said:
                result.outcomes.append(said.pop("outcome"))
            result.said |= said
    if ended is None and not {"done", "unsendable", "no_import", "no_function", "signature"} & set(
        result.said
    ):
        result.ended = "crash"  # os._exit(0) looks like a good end
    if ended == "time":
        result.stuck = _stuck(folder / STUCK)
    return result


def _stuck(file: Path) -> tuple[str, int] | None:
    """Return the innermost line that the watchdog saw in no library."""
    package = str(Path(__file__).parents[2])
    for path, line in re.findall(r'File "(.*)", line (\d+) in', file.read_text()[:10000]):
        if not path.startswith(package) and "site-packages" not in path and f"lib{os.sep}python" not in path:
            return path, int(line)
    return None


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
