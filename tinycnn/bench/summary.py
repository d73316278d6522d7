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


def quartiles(values: Iterable[float]) -> Quartiles:
    """Return the quartiles, interpolated between readings.

    Examples
    --------
    >>> quartiles([4, 1, 2, 3, 5])
    Quartiles(low=2.0, median=3.0, high=4.0)
    """
    return Quartiles(*map(float, np.percentile(list(values), (25, 50, 75))))


def ratio(rounds: Rounds, reference: Rounds) -> Quartiles:
    """Return the quartiles, over the rounds, of median / the reference's median in the same round.

    What slows the machine down for a while slows both down, and drops out.

    Examples
    --------
    >>> ratio([[1, 1], [3, 3]], [[2, 2], [6, 6]])
    Quartiles(low=0.5, median=0.5, high=0.5)
    """
    pairs = zip(rounds, reference, strict=True)
    return quartiles(float(np.median(ours) / np.median(theirs)) for ours, theirs in pairs)


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return exp(mean(log ratio)): 2 and 1/2 make 1.

    Examples
    --------
    >>> geometric_mean([2.0, 0.5])
    1.0
    """
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def difference(numbers: Sequence[float], reference: Sequence[float]) -> float:
    """Return max |a - b| / max |b|; infinity where the lengths differ or something is no number.

    Examples
    --------
    >>> difference([1.0, 2.5], [1.0, 2.0])
    0.25
    """
    a, b = np.asarray(numbers), np.asarray(reference)
    if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
        return math.inf
    scale = float(np.abs(b).max())
    return float(np.abs(a - b).max()) / (scale or 1.0)


def agree(numbers: Sequence[float], reference: Sequence[float], tolerance: Tolerance) -> bool:
    """Return whether |a - b| / max |b| stays within the tolerance, from the first number to the last.

    Examples
    --------
    >>> agree([2.0, 1.01], [2.0, 1.0], Tolerance(1e-5, 1e-2))  # the second may differ more than
    True
    >>> agree([2.01, 1.0], [2.0, 1.0], Tolerance(1e-5, 1e-2))  # the first
    False
    """
    if math.isinf(difference(numbers, reference)):
        return False
    a, b = np.asarray(numbers), np.asarray(reference)
    allowed = np.geomspace(tolerance.first, tolerance.last, len(b)) * (np.abs(b).max() or 1.0)
    return bool((np.abs(a - b) <= allowed).all())


@dataclass
class Measurement:
    """What was read of one work.

    Attributes
    ----------
    unit
        "s" or "B" (bytes).
    aim
        The ratio to PyTorch eager that tinycnn is built to reach.
    flop
        Additions and multiplications of one run.
    rounds, numbers, tolerances, failures
        By contestant: its readings, what it computed, how far that may be from what the reference did, and
        why it has none of these.
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

    def ratio(self, contestant: str, reference: str) -> Quartiles | None:
        """Return the quartiles of its ratio to the reference; None where one of the two has no readings."""
        ours, theirs = self.rounds.get(contestant), self.rounds.get(reference)
        return ratio(ours, theirs) if ours and theirs else None

    def gflops(self, contestant: str) -> float | None:
        """Return 10^9 additions and multiplications a second."""
        seconds = self.quartiles(contestant)
        return self.flop / seconds.median / 1e9 if self.flop and seconds else None

    def difference(self, contestant: str, reference: str) -> float | None:
        """Return how far its results are from the reference's; None where one of the two has none."""
        numbers, truth = self.numbers.get(contestant), self.numbers.get(reference)
        return difference(numbers, truth) if numbers and truth else None

    def problems(self, reference: str) -> list[str]:
        """Return what is wrong: contestants that failed, and those that computed something else."""
        problems = [f"{self.title}: {why}" for why in self.failures.values()]
        truth = self.numbers.get(reference)
        for name, numbers in self.numbers.items() if truth else ():
            if not agree(numbers, truth or [], self.tolerances[name]):
                problems.append(
                    f"{self.title}: the results of {name} differ from those of {reference}, by up to "
                    f"{self.difference(name, reference):.1e} of the largest: more than rounding does"
                )
        return problems
