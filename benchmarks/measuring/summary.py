"""Medians, quartiles, ratios; and whether two contestants computed the same."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Rounds = list[list[float]]  # the readings of every round


class Quartiles(NamedTuple):
    """A quarter of the readings lies below `low`, half below `median`, three quarters below `high`."""

    low: float
    median: float
    high: float


class Tolerance(NamedTuple):
    """How far results may differ, relative to the largest: training amplifies rounding step by step."""

    first: float
    last: float

    def times(self, slack: float) -> "Tolerance":
        """Return it so many times as wide."""
        return Tolerance(self.first * slack, self.last * slack)


def quartiles(values: Iterable[float]) -> Quartiles:
    """Return the quartiles, interpolated between readings."""
    return Quartiles(*map(float, np.percentile(list(values), (25, 50, 75))))


def ratio(rounds: Rounds, reference: Rounds) -> Quartiles:
    """Return the quartiles, over the rounds, of median / the reference's median in the same round.

    If other work slows the machine down for a while, it slows both down, and the ratio stays.
    """
    pairs = zip(rounds, reference, strict=True)
    return quartiles(float(np.median(ours) / np.median(theirs)) for ours, theirs in pairs)


def geometric_mean(values: Sequence[float]) -> float:
    """Return exp(mean(log value)): of 2 and 1/2 it is 1."""
    return math.exp(sum(map(math.log, values)) / len(values))


def difference(numbers: Sequence[float], reference: Sequence[float]) -> float:
    """Return max |a - b| / max |b|; infinity if the lengths differ or a number is not finite."""
    a, b = np.asarray(numbers), np.asarray(reference)
    if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
        return math.inf
    return float(np.abs(a - b).max()) / (float(np.abs(b).max()) or 1.0)


def agree(numbers: Sequence[float], reference: Sequence[float], tolerance: Tolerance) -> bool:
    """Return whether |a - b| / max |b| stays within the tolerance, from the first number to the last."""
    if math.isinf(difference(numbers, reference)):
        return False
    a, b = np.asarray(numbers), np.asarray(reference)
    allowed = np.geomspace(*tolerance, len(b)) * (np.abs(b).max() or 1.0)
    return bool((np.abs(a - b) <= allowed).all())


@dataclass
class Measurement:
    """What was read of one work.

    Attributes
    ----------
    unit
        "s" or "B" (bytes).
    aim
        The ratio to plain PyTorch that tinycnn is built to reach.
    flop
        Additions and multiplications of one run.
    rounds, numbers, tolerances, failures
        By contestant: its readings, what it computed, how far that may be from what the reference computed,
        and why it has none of these.
    """

    name: str
    title: str
    unit: str = "s"
    aim: float | None = None
    flop: int | None = None
    rounds: dict[str, Rounds] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    tolerances: dict[str, Tolerance] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def quartiles(self, contestant: str) -> Quartiles | None:
        """Return those of all its readings; None without any."""
        rounds = self.rounds.get(contestant)
        return quartiles(value for values in rounds for value in values) if rounds else None

    def ratio(self, contestant: str, reference: str | None) -> Quartiles | None:
        """Return the quartiles of its ratio to the reference; None if one of the two has no readings."""
        ours, theirs = self.rounds.get(contestant), self.rounds.get(reference or "")
        return ratio(ours, theirs) if ours and theirs else None

    def gflops(self, contestant: str) -> float | None:
        """Return 10^9 additions and multiplications a second."""
        seconds = self.quartiles(contestant)
        return self.flop / seconds.median / 1e9 if self.flop and seconds else None

    def problems(self, reference: str | None) -> list[str]:
        """Return what is wrong: contestants that failed, and those that computed something else."""
        problems = [f"{self.title}: {why}" for why in self.failures.values()]
        truth = self.numbers.get(reference or "")
        for name, numbers in self.numbers.items() if truth else ():
            if not agree(numbers, truth or [], self.tolerances[name]):
                problems.append(
                    f"{self.title}: the results of {name} differ from those of {reference}, by up to "
                    f"{difference(numbers, truth or []):.1e} of the largest: more than rounding does"
                )
        return problems
