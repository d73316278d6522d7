"""Judging classifiers and choosing between them: the report of one, and its picture."""

from .pictures import report_figure
from .report import Report, judge

__all__ = ["Report", "judge", "report_figure"]
