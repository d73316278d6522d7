"""The tables of a GPU: training steps as on a CPU, convolutions as TFLOP/s of every rung."""

from __future__ import annotations

from collections.abc import Sequence

from tinycnn.gpu import GIB

from .contestants import Contestant
from .gpu_peak import measure_peak
from .peak import machine
from .report import TITLE_WIDTH, Report
from .rounds import Plan, look
from .summary import Measurement


class GpuReport(Report):
    """Measurements on a GPU; `machine` has a "gpu", see `tinycnn.gpu.describe`."""

    def heading(self) -> list[str]:
        """Return the lines above the table."""
        gpu = self.machine["gpu"]
        lines = super().heading()
        lines.insert(
            1,
            f"{gpu['name']}, compute capability {gpu['compute_capability']}, "
            f"{gpu['memory_total'] / GIB:.0f} GiB; driver for CUDA {gpu['driver']}, "
            f"CUDA runtime {gpu['runtime']}; TF32 off where it is not named",
        )
        return lines

    def speeds(self) -> list[str]:
        """Return the table of convolutions: TFLOP/s and percent of the ceiling."""
        measurements = [m for m in self.measurements if m.name.startswith("conv-")]
        names = [name for name in self.contestants if any(name in m.rounds for m in measurements)]
        if not names:
            return []
        width = max(13, *(len(name) + 2 for name in names))
        lines = [
            "",
            f"convolutions: TFLOP/s, percent of the FMA loop's {self.peak / 1e3:.1f}",
            f"{'':<{TITLE_WIDTH}}{''.join(name.rjust(width) for name in names)}",
        ]
        for m in measurements:
            cells = [self._speed(m, name).rjust(width) for name in names]
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
        If tinycnn itself does not start.
    """
    versions, missing = look(candidates, plan)
    facts = measure_peak()
    about = {**machine(), "gpu": facts["gpu"]}
    report = GpuReport(list(versions), versions, missing, about, plan.as_dict(), [facts["peaks"]])
    return report, [contestant for contestant in candidates if contestant.name in versions]
