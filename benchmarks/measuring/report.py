"""The table, line by line as it is measured, and all of it as JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinycnn.storage import write_atomically

from .contestants import PYTORCH, TINYCNN, Contestant
from .peak import machine, measure_peak
from .rounds import Plan, look
from .summary import Measurement, Quartiles, difference, geometric_mean

TITLE_WIDTH = 42
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
        See `peak.machine`; for a CPU with the "instructions" that everybody used.
    plan
        Threads, rounds and seconds a turn.
    peaks
        GFLOP/s, see `peak.measure_peak`; two if it was measured again at the end.
    """

    contestants: Sequence[str]
    versions: dict[str, str]
    missing: dict[str, str]
    machine: dict[str, Any]
    plan: dict[str, Any]
    peaks: list[dict[str, float]]
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def reference(self) -> str | None:
        """Whom ratios are to: plain PyTorch, if it is installed."""
        return PYTORCH.name if PYTORCH.name in self.contestants else None

    @property
    def peak(self) -> float:
        """GFLOP/s of the FMA loop."""
        return max(peak["fma"] for peak in self.peaks)

    @property
    def convolutions(self) -> dict[str, dict[str, float]]:
        """Over all single convolutions, by contestant: ratios, and percent of the FMA peak."""
        found = {}
        for name in self.contestants:
            measured = [m for m in self.measurements if m.name.startswith("conv-") and m.rounds.get(name)]
            ratios = [r.median for m in measured if (r := m.ratio(name, self.reference))]
            percents = [100 * (m.gflops(name) or 0) / self.peak for m in measured]
            if len(percents) > 1:
                found[name] = {"least": min(percents), "geometric_mean": geometric_mean(percents)}
            if len(ratios) > 1:
                found[name] |= {"worst_ratio": max(ratios), "geometric_mean_ratio": geometric_mean(ratios)}
        return found

    @property
    def problems(self) -> list[str]:
        """Contestants that failed at a work, or computed something else than the reference."""
        return [text for m in self.measurements for text in m.problems(self.reference)]

    def heading(self) -> list[str]:
        """Return the lines above the table."""
        machine, plan = self.machine, self.plan
        who = [f"{name} {self.versions[name]}" for name in self.contestants]
        who += [f"{name} {why}" for name, why in self.missing.items()]
        instructions = f"instructions: {machine['instructions']}; " if "instructions" in machine else ""
        lines = [
            f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, "
            f"NumPy {machine['numpy']}",
            f"{instructions}threads: {plan['threads']}, rounds: {plan['rounds']}",
            "; ".join(who),
            f"peak: {_peaks(self.peaks[0])}",
        ]
        if (busy := machine["busy"] or 0) > QUIET:
            lines.append(
                f"WARNING other work keeps {busy:.0%} of this machine busy: libraries whose threads wait for "
                "each other suffer most from that, and the ratios are worth little"
            )
        lines.append("")
        if self.reference:
            lines.append(
                f"{self.reference}: medians. The others: ratios to it; less than 1 is faster, or less."
            )
        columns = [name.rjust(self._width(name)) for name in self.contestants]
        extra = f"  {'quartiles':>11}  {'aim':>4}  {'GFLOP/s':>7}  {'of peak':>7}"
        return [*lines, f"{'':<{TITLE_WIDTH}}{''.join(columns)}{extra}"]

    def row(self, m: Measurement) -> str:
        """Return one line of the table; quartiles, aim, GFLOP/s and percent of the FMA peak are tinycnn's."""
        cells = [self._cell(m, name).rjust(self._width(name)) for name in self.contestants]
        ours = m.ratio(TINYCNN.name, self.reference)
        spread = f"{number(ours.low)}-{number(ours.high)}" if ours else ""
        aim = f"{m.aim:.2f}" if m.aim is not None else ""
        gflops = m.gflops(TINYCNN.name)
        speed = f"{gflops:7.0f}  {gflops / self.peak:7.0%}" if gflops else ""
        return f"{m.title:<{TITLE_WIDTH}}{''.join(cells)}  {spread:>11}  {aim:>4}  {speed}".rstrip()

    def ending(self) -> list[str]:
        """Return the lines below the table."""
        lines = []
        if len(self.peaks) > 1:
            lines.append(f"peak in the end: {_peaks(self.peaks[-1])}")
        for name, c in self.convolutions.items():
            text = f"convolutions, {name}: {c['least']:.0f} % of the FMA peak at least, geometric mean "
            text += f"{c['geometric_mean']:.0f} %"
            if "worst_ratio" in c and name != self.reference:
                text += f"; ratio {number(c['worst_ratio'])} at most, geometric mean "
                text += number(c["geometric_mean_ratio"])
            lines.append(text)
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
            "convolutions": self.convolutions,
            "problems": self.problems,
        }

    def write(self, path: Path) -> None:
        """Write the JSON.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        text = json.dumps(_rounded(self.as_dict()), indent=1)
        on_one_line = re.sub(r"\[[^][{}]*\]", lambda numbers: " ".join(numbers[0].split()), text)
        write_atomically(path, f"{on_one_line}\n".encode())

    def _as_dict(self, m: Measurement) -> dict[str, Any]:
        contestants = {}
        truth = m.numbers.get(self.reference or "")
        for name in m.rounds:
            gflops, numbers = m.gflops(name), m.numbers.get(name)
            apart = difference(numbers, truth) if numbers and truth else float("inf")
            contestants[name] = {
                "quartiles": m.quartiles(name),
                "ratio_quartiles": m.ratio(name, self.reference),
                "gflops": gflops,
                "percent_of_fma_peak": 100 * gflops / self.peak if gflops else None,
                "difference_of_results": apart if apart < float("inf") else None,
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
        return max(WIDTH, len(name) + 2)

    def _cell(self, m: Measurement, name: str) -> str:
        if name in m.failures:
            return "failed"
        found = m.quartiles(name)
        if found is None:
            return "-"
        relative = m.ratio(name, self.reference) if name != self.reference else None
        return number(relative.median) if relative else amount(found.median, m.unit)


def begin(candidates: Sequence[Contestant], plan: Plan, instructions: str) -> Report:
    """Return a report without measurements yet; its contestants are those candidates that are installed.

    Raises
    ------
    WorkerError
        If tinycnn itself does not start.
    """
    versions, missing = look(candidates, plan)
    peaks = [measure_peak(plan.threads, plan.instructions)]
    about = {**machine(), "instructions": instructions}
    return Report(list(versions), versions, missing, about, plan.as_dict(), peaks)


def amount(value: float, unit: str) -> str:
    """Return seconds ("s") or bytes ("B") with a unit that suits their size: 0.0123 s is "12.3 ms"."""
    if unit == "B":
        return f"{value / 2**20:.0f} MiB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e6:.2f} us"


def number(value: float) -> str:
    """Return a ratio as text."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.0f}"


def _peaks(peak: dict[str, float]) -> str:
    return ", ".join(f"{kind} {value:.0f} GFLOP/s" for kind, value in peak.items())


def _rounded(content: Any) -> Any:
    """Return the content with four digits of every measured number: more say nothing."""
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    if isinstance(content, list | tuple | Quartiles):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content
