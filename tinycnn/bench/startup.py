"""What a person waits: from process start to the first loss, and to 98 % on the embedded digits."""

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tinycnn
from tinycnn import models

from . import inputs
from .contestants import Contestant
from .measure import Plan
from .process import WorkerError, command
from .summary import Measurement
from .works import FIRST_LOSS, TO_98, TO_98_AIM, WORKS

ENOUGH = 0.98  # of the test digits
EPOCHS = 5  # what `tinycnn train` does by default
MOST_TRAININGS = 3  # each takes as long as a person's
LINE = re.compile(r"held out: loss [\d.]+ +accuracy ([\d.]+)%")


def first_loss(contestants: Sequence[Contestant], plan: Plan, folder: Path) -> Measurement:
    """Measure the seconds to start Python, import, build cnn28 and do one training step of batch 32."""
    work = WORKS["cnn28-b32"]
    result = Measurement(FIRST_LOSS, "process start to the first loss")
    path = folder / "first-loss.npz"
    inputs.save(path, inputs.make(work))
    # The round before the first brings files into memory, and compiled kernels into the cache.
    for number in range(-1, plan.rounds):
        for contestant in contestants:
            if work.kind not in contestant.kinds or contestant.name in result.failures:
                continue
            started = time.perf_counter()
            try:
                with plan.start(contestant) as worker:
                    worker.prepare(work.name, path)
                    worker.numbers(1)
                    seconds = time.perf_counter() - started
            except WorkerError as error:
                result.failures[contestant.name] = str(error)
                continue
            if number >= 0:
                result.rounds.setdefault(contestant.name, []).append([seconds])
    return result


def to_98(contestants: Sequence[Contestant], plan: Plan, folder: Path, epochs: int = EPOCHS) -> Measurement:
    """Measure the seconds from ``tinycnn train`` to 98 %, and of a PyTorch script that does the same.

    Each trains once, for one epoch, before the clock runs: compiled kernels are in the cache then.
    """
    result = Measurement(TO_98, "process start to 98 % on the digits", aim=TO_98_AIM)
    tinycnn.manual_seed(0)  # as `tinycnn train` begins
    weights = folder / "cnn28.npz"
    inputs.save(weights, {name: t.numpy() for name, t in models.cnn28().state_dict().items()})
    taking_part = [c for c in contestants if c.peer in ("tinycnn", "torch")]
    for number in range(-1, min(plan.rounds, MOST_TRAININGS)):
        for contestant in taking_part:
            if contestant.name in result.failures:
                continue
            try:
                course = _train(contestant, plan, weights, 1 if number < 0 else epochs)
                if number >= 0:
                    result.rounds.setdefault(contestant.name, []).append([course.seconds_to(ENOUGH)])
            except WorkerError as error:
                result.failures[contestant.name] = str(error)
                result.rounds.pop(contestant.name, None)
    return result


@dataclass(frozen=True)
class Course:
    """A training: after so many seconds, what share of the test set was right."""

    name: str
    epochs: list[tuple[float, float]]

    def seconds_to(self, accuracy: float) -> float:
        """Return when it first reached `accuracy`.

        Raises
        ------
        WorkerError
            Where it never did.
        """
        for seconds, reached in self.epochs:
            if reached >= accuracy:
                return seconds
        best = max((reached for _, reached in self.epochs), default=0.0)
        raise WorkerError(f"{self.name} reached {best:.2%} in {len(self.epochs)} epochs, not {accuracy:.0%}")


def _train(contestant: Contestant, plan: Plan, weights: Path, epochs: int) -> Course:
    """Train once in a process of its own; the times count from its start."""
    with tempfile.TemporaryDirectory() as run, tempfile.TemporaryFile("w+") as errors:
        if contestant.peer == "tinycnn":
            arguments = ["tinycnn", "train", "--out", f"{run}/run", "--epochs", str(epochs)]
        else:
            options = ["--epochs", str(epochs), "--threads", str(plan.threads)]
            tuned = ["--tuned"] if contestant.options.get("tuned") else []
            arguments = ["tinycnn.bench.train_pytorch", str(weights), *options, *tuned]
        course = []
        started = time.perf_counter()
        with subprocess.Popen(
            command(plan.python(contestant), *arguments),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=contestant.environ(plan.threads),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if found := LINE.search(line):
                    course.append((time.perf_counter() - started, float(found[1]) / 100))
        if process.returncode != 0:
            errors.seek(0)
            words = " | ".join(errors.read().strip().splitlines()[-5:])
            raise WorkerError(f"{contestant.name}: training ended with status {process.returncode}: {words}")
    return Course(contestant.name, course)
