"""The other end of a worker's pipe: start it, ask it, and say clearly how it died."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from .contestants import Contestant

LAST_WORDS = 5  # lines of a dead worker's standard error


class WorkerError(RuntimeError):
    """A contestant that could not do its work."""


class NotInstalled(WorkerError):  # noqa: N818 (it is what is said of the contestant)
    """A contestant whose package cannot be imported."""


def command(module: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a module of this package. Its environment says where the package lies."""
    return [python, "-P", "-m", f"{__package__}.{module}", *arguments]


class Worker:
    """A contestant in a process of its own.

    Parameters
    ----------
    contestant
        Who.
    threads
        How many it may use.
    python
        The interpreter.
    instructions
        `contestants.AVX2`, to keep it to these.

    Raises
    ------
    NotInstalled
        If its package is missing.
    WorkerError
        If it cannot be started.
    """

    def __init__(
        self,
        contestant: Contestant,
        threads: int,
        python: str = sys.executable,
        instructions: Mapping[str, str] | None = None,
    ) -> None:
        self.contestant = contestant
        self.work = "starting"
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        try:
            self.process = subprocess.Popen(
                command("worker", python=python),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env=contestant.environ(threads, instructions),
            )
        except OSError as error:
            self.errors.close()
            raise WorkerError(
                f"{contestant.name}: cannot start {Path(python).name}: {error.strerror}"
            ) from error
        try:
            options = dict(contestant.options)
            hello = self._exchange({"engine": contestant.engine, "threads": threads, "options": options})
            if "missing" in hello:
                absent = hello["name"] == contestant.peer
                raise NotInstalled("not installed" if absent else f"cannot be imported: {hello['missing']}")
            self.version: str = hello["version"]
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self.process.poll() is None

    def prepare(self, work: str, input: Path) -> None:
        """Make a work ready, from the file with its input."""
        self.work = work
        self._ask("prepare", work=work, input=str(input))

    def numbers(self, runs: int) -> list[float]:
        """Run the work so many times and return a sample of the results."""
        return self._ask("numbers", runs=runs)["numbers"]

    def time(self, runs: int) -> list[float]:
        """Run the work so many times and return the seconds of each."""
        return self._ask("time", runs=runs)["seconds"]

    def peak_memory(self) -> int:
        """Return the most bytes it has held."""
        return self._ask("peak_memory")["bytes"]

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):  # a dead worker did not read all of it
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        answer = self._exchange({"do": do, **arguments})
        if "error" in answer:
            raise WorkerError(f"{self.contestant.name} failed at {self.work}: {answer['error']}")
        return answer

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(self._obituary())
        return json.loads(line)

    def _obituary(self) -> str:
        status = self.process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self.errors.seek(0)
        words = " | ".join(self.errors.read().strip().splitlines()[-LAST_WORDS:])
        return f"{self.contestant.name} died at {self.work} ({how}); its last words: {words or 'none'}"
