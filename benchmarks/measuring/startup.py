"""What a person waits for: seconds from process start to 98 % on the embedded digits."""

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import tinycnn
from tinycnn import models

from . import inputs
from .contestants import Contestant
from .process import WorkerError, command
from .rounds import Plan, failures_in
from .summary import Measurement
from .works import TO_98, TO_98_AIM

ENOUGH = 0.98  # of the test digits
EPOCHS = 5  # what `tinycnn train` does by default
MOST_TRAININGS = 3
LINE = re.compile(r"held out: loss [\d.]+ +accuracy ([\d.]+)%")


def to_98(contestants: Sequence[Contestant], plan: Plan, folder: Path) -> Measurement:
    """Measure the seconds from ``tinycnn train`` to 98 %, and of a PyTorch script that does the same."""
    result = Measurement(TO_98, "process start to 98 % on the digits", aim=TO_98_AIM)
    tinycnn.manual_seed(0)  # as `tinycnn train` begins
    weights = folder / "cnn28.npz"
    inputs.save(weights, {name: t.numpy() for name, t in models.cnn28().state_dict().items()})
    taking_part = [c for c in contestants if c.peer in ("tinycnn", "torch")]
    for contestant in taking_part:  # brings files into memory, and compiled kernels into the cache
        with failures_in(result, contestant):
            train(contestant, plan, weights, 1)
    for _ in range(min(plan.rounds, MOST_TRAININGS)):
        for contestant in taking_part:
            if contestant.name not in result.failures:
                with failures_in(result, contestant):
                    seconds = seconds_to(ENOUGH, train(contestant, plan, weights, EPOCHS))
                    result.rounds.setdefault(contestant.name, []).append([seconds])
    return result


def seconds_to(accuracy: float, course: Sequence[tuple[float, float]]) -> float:
    """Return when a training, (seconds, accuracy) after every epoch, first reached `accuracy`.

    Raises
    ------
    WorkerError
        If it never did.
    """
    for seconds, reached in course:
        if reached >= accuracy:
            return seconds
    best = max((reached for _, reached in course), default=0.0)
    raise WorkerError(f"the training reached {best:.2%} in {len(course)} epochs, not {accuracy:.0%}")


def train(contestant: Contestant, plan: Plan, weights: Path, epochs: int) -> list[tuple[float, float]]:
    """Train once in a process of its own; the seconds count from its start."""
    python = plan.python(contestant)
    with tempfile.TemporaryDirectory() as run, tempfile.TemporaryFile("w+") as errors:
        if contestant.peer == "tinycnn":
            arguments = [python, "-P", "-m", "tinycnn", "train", "--out", f"{run}/run"]
        else:
            options = ["--threads", str(plan.threads)] + ["--tuned"] * bool(contestant.options.get("tuned"))
            arguments = command("train_pytorch", str(weights), *options, python=python)
        course = []
        started = time.perf_counter()
        with subprocess.Popen(
            [*arguments, "--epochs", str(epochs)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=contestant.environ(plan.threads, plan.instructions),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if found := LINE.search(line):
                    course.append((time.perf_counter() - started, float(found[1]) / 100))
        if process.returncode != 0:
            errors.seek(0)
            words = " | ".join(errors.read().strip().splitlines()[-5:])
            raise WorkerError(f"{contestant.name}: training ended with status {process.returncode}: {words}")
    return course
