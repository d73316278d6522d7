"""The tables and pictures of a GPU: training steps as on a CPU, convolutions as TFLOP/s of every rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tinycnn.gpu import GIB

from .contestants import Contestant
from .gpu_peak import measure_peak
from .measure import Plan, look
from .peak import machine
from .report import TITLE_WIDTH, Report
from .summary import Measurement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"forward": "#c8102e", "input": "#1f5fa8", "weight": "#2a7f3f"}


class GpuReport(Report):
    """Measurements on a GPU; `machine` has a "gpu", see `tinycnn.gpu.describe`."""

    @property
    def peak(self) -> float:
        """GFLOP/s of the FMA loop, the ceiling that is measured in the same run."""
        return max(value for peak in self.peaks if (value := peak["fma"]))

    @property
    def steps(self) -> GpuReport:
        """The report without its convolutions."""
        rest = [m for m in self.measurements if not m.name.startswith("conv-")]
        names = [name for name in self.contestants if any(name in m.rounds for m in rest)]
        return replace(self, contestants=names, measurements=rest)

    @property
    def ladder(self) -> GpuReport:
        """The report of the convolutions alone."""
        convolutions = [m for m in self.measurements if m.name.startswith("conv-")]
        names = [name for name in self.contestants if any(name in m.rounds for m in convolutions)]
        return replace(self, contestants=names, measurements=convolutions)

    def heading(self) -> list[str]:
        """Return the lines above the table."""
        gpu = self.machine["gpu"]
        lines = [line.replace("peak on these threads", "peak of the GPU") for line in super().heading()]
        lines.insert(
            1,
            f"{gpu['name']}, compute capability {gpu['compute_capability']}, "
            f"{gpu['memory_total'] / GIB:.0f} GiB; driver for CUDA {gpu['driver']}, "
            f"CUDA runtime {gpu['runtime']}; TF32 off where it is not named",
        )
        return lines

    def speeds(self) -> list[str]:
        """Return the table of convolutions: TFLOP/s and percent of the ceiling."""
        ladder = self.ladder
        if not ladder.measurements:
            return []
        width = max(13, *(len(name) + 2 for name in ladder.contestants))
        lines = [
            "",
            f"convolutions: TFLOP/s, percent of the FMA loop's {self.peak / 1e3:.1f}",
            f"{'':<{TITLE_WIDTH}}{''.join(name.rjust(width) for name in ladder.contestants)}",
        ]
        for m in ladder.measurements:
            cells = [self._speed(m, name).rjust(width) for name in ladder.contestants]
            lines.append(f"{m.title:<{TITLE_WIDTH}}{''.join(cells)}")
        return lines

    def _speed(self, m: Measurement, name: str) -> str:
        if name in m.failures:
            return "failed"
        gflops = m.gflops(name)
        return "-" if gflops is None else f"{gflops / 1e3:.2f} {gflops / self.peak:4.0%}"


def begin(candidates: Sequence[Contestant], plan: Plan) -> tuple[GpuReport, list[Contestant]]:
    """Return a report without measurements yet, and those of the candidates that can run here.

    Raises
    ------
    WorkerError
        Where tinycnn itself does not start.
    """
    versions, missing = look(candidates, plan)
    facts = measure_peak()
    about = {**machine(), "gpu": facts["gpu"]}
    report = GpuReport(list(versions), versions, missing, about, plan.as_dict(), [facts["peaks"]])
    return report, [contestant for contestant in candidates if contestant.name in versions]


def draw_ladder(report: GpuReport) -> Figure:
    """Draw every convolution's TFLOP/s, a panel a shape and a bar a contestant and direction.

    Raises
    ------
    ValueError
        Where no convolution was measured.
    """
    from matplotlib.figure import Figure

    ladder = report.ladder
    if not ladder.measurements:
        raise ValueError("there is nothing to draw: no convolution was measured")
    shapes = list(dict.fromkeys(m.title.rpartition(", ")[0] for m in ladder.measurements))
    names = list(ladder.contestants)
    rows = -(-len(shapes) // 2)
    figure = Figure(figsize=(13, rows * (1.0 + 0.42 * len(names))), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes in panels[len(shapes) :]:
        axes.axis("off")
    for axes, shape in zip(panels, shapes, strict=False):
        for m in ladder.measurements:
            title, _, direction = m.title.rpartition(", ")
            if title != shape:
                continue
            offset = 0.27 * (list(COLOURS).index(direction) - 1)
            speeds = [(m.gflops(name) or 0) / 1e3 for name in names]
            places = [n + offset for n in range(len(names))]
            axes.barh(places, speeds, 0.25, color=COLOURS[direction], label=direction)
        axes.axvline(report.peak / 1e3, color="black", linestyle=":", label="ceiling: a loop of FMAs")
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_title(shape, fontsize=9)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    figure.supxlabel(f"TFLOP/s on {report.machine['gpu']['name']}, median of all runs", fontsize=9)
    return figure
