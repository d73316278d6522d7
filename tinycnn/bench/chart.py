"""The bar chart: ratios to plain PyTorch, with their quartiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .contestants import TINYCNN
from .report import Report
from .summary import Measurement, Quartiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS = "#c8102e"
OTHERS = ("#9a9a9a", "#e0a030", "#4c78a8", "#72b7b2", "#8a63a6", "#54803c")
INCHES = 0.15  # a bar's height
PANEL = 6.5  # a panel's width in inches


def draw(report: Report) -> Figure:
    """Return one group of bars a work: single convolutions on the right, all else on the left.

    Raises
    ------
    ValueError
        Where there are no ratios to draw.
    """
    from matplotlib.figure import Figure

    reference = report.reference
    names = [name for name in report.contestants if name != reference]
    ratios = {
        m.title: {name: found for name in names if (found := m.ratio(name, reference or ""))}
        for m in report.measurements
    }
    drawn = [m for m in report.measurements if ratios[m.title]]
    if not drawn:
        raise ValueError("there is nothing to draw: no work has both PyTorch's readings and another's")
    convolutions = [m for m in drawn if m.name.startswith("conv-")]
    rest = [m for m in drawn if m not in convolutions]
    panels = [ms for ms in (rest, convolutions) if ms]
    others = iter(OTHERS)
    colours = {name: OURS if name == TINYCNN.name else next(others, "#404040") for name in names}

    rows = max(sum(len(ratios[m.title]) + 1 for m in ms) for ms in panels)
    figure = Figure(figsize=(PANEL * len(panels), INCHES * rows + 1.6), layout="constrained")
    for axes, ms in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_panel(axes, ms, ratios, colours)
        axes.set_ylim(rows - 0.5, -1)  # as many rows in each panel: bars of the same height, from the top
    legend: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    order = [name for name in (*names, "aim") if name in legend]
    figure.legend(
        [legend[name] for name in order], order, loc="outside upper center", ncols=4 * len(panels), fontsize=8
    )
    figure.supxlabel(
        f"ratio to {reference} {report.versions[reference or '']}, median and quartiles: left of 1 is better",
        fontsize=9,
    )
    return figure


def _draw_panel(
    axes: Axes,
    measurements: Sequence[Measurement],
    ratios: Mapping[str, Mapping[str, Quartiles]],
    colours: Mapping[str, str],
) -> None:
    """Draw the groups from top to bottom. On a logarithmic scale twice as fast is as far from 1 as half."""
    row = 0
    ticks = []
    for m in measurements:
        top = row
        for name, found in ratios[m.title].items():
            reach = [[found.median - found.low], [found.high - found.median]]
            style = {"ecolor": "#303030", "elinewidth": 0.8}
            width = found.median - 1
            axes.barh(row, width, 0.9, left=1, color=colours[name], xerr=reach, error_kw=style, label=name)
            faster = width < 0
            axes.annotate(
                f"{found.median:.2f}",
                (found.low if faster else found.high, row),
                (-3 if faster else 3, 0),
                textcoords="offset points",
                ha="right" if faster else "left",
                va="center",
                fontsize=6.5,
                bbox={"boxstyle": "square,pad=0.05", "fc": "white", "ec": "none"},
            )
            row += 1
        if m.aim is not None:
            ends = [top - 0.7, row - 0.3]
            axes.plot([m.aim, m.aim], ends, color="black", linestyle=":", linewidth=1.2, label="aim")
        ticks.append((top + row - 1) / 2)
        row += 1
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(ticks, [m.title for m in measurements], fontsize=8)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.3, high * 1.3)  # room for the numbers
    shown = [x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if low / 1.3 < x < high * 1.3]
    axes.set_xticks(shown, [f"{x:g}" for x in shown])
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
