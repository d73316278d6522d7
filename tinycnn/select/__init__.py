"""Judging classifiers and choosing between them: reports, comparisons, cross-validation, a small search."""

from .compare import Comparison, Entry, compare, compare_runs
from .folds import cross_validate, folds_of, stratified_folds
from .pictures import comparison_figure, report_figure, search_figure
from .report import Report, judge
from .tune import Search, Trial, TuneSettings

__all__ = [
    "Comparison",
    "Entry",
    "Report",
    "Search",
    "Trial",
    "TuneSettings",
    "compare",
    "compare_runs",
    "comparison_figure",
    "cross_validate",
    "folds_of",
    "judge",
    "report_figure",
    "search_figure",
    "stratified_folds",
]
