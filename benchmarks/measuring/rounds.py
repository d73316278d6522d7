"""Turns A B A B: every contestant in its own process, one at a time, on the same input."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import median

from . import inputs
from .contestants import TINYCNN, Contestant
from .process import Worker, WorkerError
from .summary import Measurement, Tolerance
from .works import MEMORY, MEMORY_AIM, STEPS_COMPARED, Work

MOST_RUNS = 1000  # in one turn
PAUSE = 0.05  # seconds between turns: the threads of the one before stop waiting for work, and sleep
RUNS_FOR_MEMORY = 3

# Training amplifies rounding: in float32 cnn224's loss is 4e-4 from that in float64 after a dozen
# steps. Of the GAN, two runs that differ in the last bit alone are 1e-2 apart after twenty steps.
TOLERANCES = {
    "step": Tolerance(3e-5, 1e-2),
    "gan": Tolerance(1e-4, 3e-2),
    "inference": Tolerance(1e-4, 1e-4),
    "chain": Tolerance(1e-4, 1e-4),
    "conv": Tolerance(1e-4, 1e-4),
}


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes
    ----------
    threads
        Of each contestant.
    rounds
        How often each one has a turn.
    turn
        Seconds of a turn, about; at least one run.
    pythons
        Interpreters by peer; the running one by default.
    instructions
        `contestants.AVX2`, to keep everybody to these.
    """

    threads: int
    rounds: int = 9
    turn: float = 0.5
    pythons: Mapping[str, str] = field(default_factory=dict)
    instructions: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float]:
        """Return what belongs into a table; the folders of interpreters do not."""
        return {"threads": self.threads, "rounds": self.rounds, "turn": self.turn}

    def start(self, contestant: Contestant) -> Worker:
        """Start a contestant's process."""
        return Worker(contestant, self.threads, self.python(contestant), self.instructions)

    def python(self, contestant: Contestant) -> str:
        """Return a contestant's interpreter."""
        return self.pythons.get(contestant.peer, sys.executable)


def look(contestants: Sequence[Contestant], plan: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the contestants that are installed, and why the others are missing.

    Raises
    ------
    WorkerError
        If tinycnn itself does not start.
    """
    versions, missing = {}, {}
    for contestant in contestants:
        try:
            with plan.start(contestant) as worker:
                versions[contestant.name] = worker.version
        except WorkerError as reason:
            if contestant.peer == TINYCNN.peer:
                raise
            missing[contestant.name] = str(reason)
    return versions, missing


def measure(
    works: Sequence[Work], contestants: Sequence[Contestant], plan: Plan, folder: Path
) -> Iterator[Measurement]:
    """Yield one measurement for each work as soon as it is there; inputs lie in `folder` meanwhile."""
    for _, group in groupby(works, key=lambda work: work.group):
        workers: dict[str, Worker] = {}
        try:
            for work in group:
                yield _measure(work, contestants, workers, plan, folder)
        finally:
            for worker in workers.values():
                worker.close()


def peak_memory(work: Work, contestants: Sequence[Contestant], plan: Plan, folder: Path) -> Measurement:
    """Return the most memory that a process holds which does nothing but this work."""
    result = Measurement(MEMORY, f"peak memory, {work.title}", unit="B", aim=MEMORY_AIM)
    path = _save_input(work, folder)
    for contestant in contestants:
        if work.kind not in contestant.kinds:
            continue
        with failures_in(result, contestant), plan.start(contestant) as worker:
            worker.prepare(work.name, path)
            worker.time(RUNS_FOR_MEMORY)
            result.rounds[contestant.name] = [[float(worker.peak_memory())]]
    path.unlink()
    return result


def _measure(
    work: Work, contestants: Sequence[Contestant], workers: dict[str, Worker], plan: Plan, folder: Path
) -> Measurement:
    result = Measurement(work.name, work.title, aim=work.aim, flop=inputs.flop(work))
    path = _save_input(work, folder)
    runs: dict[str, int] = {}
    for contestant in contestants:
        if work.kind in contestant.kinds:
            with failures_in(result, contestant):
                worker = _worker(contestant, workers, plan)
                worker.prepare(work.name, path)
                # The first steps after the start are compared, and warm everything up.
                numbers = worker.numbers(STEPS_COMPARED if work.trains else 1)
                seconds = median(worker.time(2))
                result.numbers[contestant.name] = numbers
                result.tolerances[contestant.name] = TOLERANCES[work.kind].times(contestant.slack)
                runs[contestant.name] = min(max(round(plan.turn / seconds), 1), MOST_RUNS)
    path.unlink()
    for _ in range(plan.rounds):
        for contestant in contestants:
            if contestant.name in runs and contestant.name not in result.failures:
                time.sleep(PAUSE)
                with failures_in(result, contestant):
                    seconds_of_runs = workers[contestant.name].time(runs[contestant.name])
                    result.rounds.setdefault(contestant.name, []).append(seconds_of_runs)
    return result


def _worker(contestant: Contestant, workers: dict[str, Worker], plan: Plan) -> Worker:
    """Return the contestant's process; a new one if it died."""
    worker = workers.get(contestant.name)
    if worker is None or not worker.alive:
        if worker is not None:
            worker.close()
        worker = workers[contestant.name] = plan.start(contestant)
    return worker


def _save_input(work: Work, folder: Path) -> Path:
    path = folder / f"{work.name}.npz"
    inputs.save(path, inputs.make(work))
    return path


@contextmanager
def failures_in(result: Measurement, contestant: Contestant) -> Iterator[None]:
    """Write a contestant's failure down, drop its readings so far, and let the others go on."""
    try:
        yield
    except WorkerError as error:
        result.failures[contestant.name] = str(error)
        result.rounds.pop(contestant.name, None)
