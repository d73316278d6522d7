"""The table, line by line as it is measured, and all of it as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinycnn.storage import write_atomically

from .contestants import PYTORCH, TINYCNN, Contestant
from .measure import Plan, look
from .peak import machine, measure_peak
from .summary import Measurement, Quartiles, geometric_mean

TITLE_WIDTH = 40
WIDTH = 9  # of a column, at least
QUIET = 0.1  # share of the machine that other work may use before its table comes with a warning


@dataclass
class Report:
    """Measurements, and who took part.

    Attributes
    ----------
    contestants
        Names, in the order of the columns.
    versions
        By name.
    missing
        Why others are not there, by name.
    machine
        See `tinycnn.bench.peak.machine`.
    plan
        Threads, rounds and seconds a turn.
    peaks
        GFLOP/s, see `tinycnn.bench.peak.measure_peak`; more than one where it was measured again.
    """

    contestants: Sequence[str]
    versions: dict[str, str]
    missing: dict[str, str]
    machine: dict[str, Any]
    plan: dict[str, Any]
    peaks: list[dict[str, float | None]]
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def reference(self) -> str | None:
        """Whom ratios are to: plain PyTorch, where it is installed."""
        return PYTORCH.name if PYTORCH.name in self.contestants else None

    @property
    def peak(self) -> float:
        """The most GFLOP/s that any loop reached."""
        return max(value for peak in self.peaks for value in peak.values() if value)

    @property
    def convolutions(self) -> dict[str, float]:
        """The geometric mean of the ratios of all single convolutions, by contestant."""
        ratios: dict[str, list[float]] = {}
        for m in self.measurements:
            for name in self.contestants if m.name.startswith("conv-") else ():
                if self.reference and (found := m.ratio(name, self.reference)):
                    ratios.setdefault(name, []).append(found.median)
        return {name: geometric_mean(values) for name, values in ratios.items() if len(values) > 1}

    @property
    def problems(self) -> list[str]:
        """Contestants that failed at a work, or computed something else than the reference."""
        return [text for m in self.measurements for text in m.problems(self.reference or "")]

    def heading(self) -> list[str]:
        """Return the lines above the table."""
        machine, plan = self.machine, self.plan
        who = [f"{name} {self.versions[name]}" for name in self.contestants]
        who += [f"{name} {why}" for name, why in self.missing.items()]
        lines = [
            f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, "
            f"NumPy {machine['numpy']}; threads: {plan['threads']}, rounds: {plan['rounds']}",
            "; ".join(who),
            f"peak on these threads: {_peaks(self.peaks[0])}",
        ]
        if (busy := machine["busy"] or 0) > QUIET:
            lines.append(
                f"WARNING other work keeps {busy:.0%} of this machine busy: libraries whose threads wait for "
                "each other suffer most from that, and the ratios are worth little"
            )
        lines.append("")
        if self.reference:
            lines.append(
                f"{self.reference}: medians. The others: ratios to it, under 1 is faster (or smaller)."
            )
        columns = [_short(name).rjust(self._width(name)) for name in self.contestants]
        extra = f"  {'quartiles':>11}  {'aim':>4}  {'GFLOP/s':>7}  {'of peak':>7}"
        return [*lines, f"{'':<{TITLE_WIDTH}}{''.join(columns)}{extra}"]

    def row(self, m: Measurement) -> str:
        """Return one line of the table; quartiles, aim and GFLOP/s are tinycnn's."""
        cells = [self._cell(m, name).rjust(self._width(name)) for name in self.contestants]
        ours = m.ratio(TINYCNN.name, self.reference) if self.reference else None
        spread = f"{_number(ours.low)}-{_number(ours.high)}" if ours else ""
        aim = f"{m.aim:.2f}" if m.aim is not None else ""
        gflops = m.gflops(TINYCNN.name)
        speed = f"{gflops:7.0f}  {gflops / self.peak:7.0%}" if gflops else ""
        return f"{m.title:<{TITLE_WIDTH}}{''.join(cells)}  {spread:>11}  {aim:>4}  {speed}".rstrip()

    def ending(self) -> list[str]:
        """Return the lines below the table."""
        lines = []
        if means := self.convolutions:
            cells = [
                (_number(means[name]) if name in means else "").rjust(self._width(name))
                for name in self.contestants
            ]
            lines.append(f"{'geometric mean of the convolutions':<{TITLE_WIDTH}}{''.join(cells)}".rstrip())
        if len(self.peaks) > 1:
            lines.append(f"peak in the end: {_peaks(self.peaks[-1])}")
        return [*lines, *(f"PROBLEM {text}" for text in self.problems)]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "machine": self.machine,
            "plan": self.plan,
            "versions": self.versions,
            "missing": self.missing,
            "reference": self.reference,
            "peak_gflops": self.peaks,
            "works": {m.name: self._as_dict(m) for m in self.measurements},
            "geometric_mean_of_convolutions": self.convolutions,
            "problems": self.problems,
        }

    def write(self, path: Path) -> None:
        """Write the JSON.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        write_atomically(path, (json.dumps(self.as_dict(), indent=1) + "\n").encode())

    def _as_dict(self, m: Measurement) -> dict[str, Any]:
        contestants = {}
        for name in m.rounds:
            found = m.ratio(name, self.reference) if self.reference else None
            gflops, difference = m.gflops(name), m.difference(name, self.reference or "")
            if difference == math.inf:  # JSON has no such number; `problems` says it
                difference = None
            contestants[name] = {
                "quartiles": m.quartiles(name),
                "ratio_quartiles": found,
                "gflops": gflops,
                "percent_of_peak": 100 * gflops / self.peak if gflops else None,
                "difference_of_results": difference,
            }
        return {
            "title": m.title,
            "unit": m.unit,
            "aim": m.aim,
            "flop": m.flop,
            "contestants": contestants,
            "failures": m.failures,
        }

    def _width(self, name: str) -> int:
        return max(WIDTH, len(_short(name)) + 2)

    def _cell(self, m: Measurement, name: str) -> str:
        if name in m.failures:
            return "failed"
        found = m.quartiles(name)
        if found is None:
            return "-"
        if self.reference is None or name == self.reference:
            return amount(found, m.unit)
        relative = m.ratio(name, self.reference)
        return _number(relative.median) if relative else amount(found, m.unit)


def begin(candidates: Sequence[Contestant], plan: Plan) -> tuple[Report, list[Contestant]]:
    """Return a report without measurements yet, and those of the candidates that are installed.

    Raises
    ------
    WorkerError
        Where tinycnn itself does not start.
    """
    versions, missing = look(candidates, plan)
    peaks = [measure_peak(plan.threads)]
    report = Report(list(versions), versions, missing, machine(), plan.as_dict(), peaks)
    return report, [contestant for contestant in candidates if contestant.name in versions]


def amount(found: Quartiles, unit: str) -> str:
    """Return a median with a unit that suits its size.

    Examples
    --------
    >>> amount(Quartiles(0.01, 0.0123, 0.02), "s")
    '12.3 ms'
    """
    value = found.median
    if unit == "B":
        return f"{value / 2**20:.0f} MiB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e6:.2f} us"


def _peaks(peak: dict[str, float | None]) -> str:
    return ", ".join(f"{kind} {value:.0f} GFLOP/s" for kind, value in peak.items() if value)


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.0f}"


def _short(name: str) -> str:
    return name.replace("PyTorch eager", "PyTorch").replace("PyTorch tuned", "tuned")
