"""Evaluation (Eq. 15): how good predictions are, and how sure one can be of that; computed by NumPy."""

from .calibration import Reliability, expected_calibration_error, reliability
from .classification import (
    AVERAGES,
    Scores,
    UndefinedMetricWarning,
    accuracy,
    confusion_matrix,
    mean_iou,
    per_class_iou,
    precision_recall_f1,
    top_k_accuracy,
)
from .detection import MeanAveragePrecision, box_iou, mean_average_precision
from .intervals import Interval, McNemar, bootstrap_interval, mcnemar
from .ranking import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

__all__ = [
    "AVERAGES",
    "Interval",
    "McNemar",
    "MeanAveragePrecision",
    "PrecisionRecallCurve",
    "Reliability",
    "RocCurve",
    "Scores",
    "UndefinedMetricWarning",
    "accuracy",
    "average_precision",
    "bootstrap_interval",
    "box_iou",
    "confusion_matrix",
    "expected_calibration_error",
    "mcnemar",
    "mean_average_precision",
    "mean_iou",
    "per_class_iou",
    "precision_recall_curve",
    "precision_recall_f1",
    "reliability",
    "roc_auc",
    "roc_curve",
    "top_k_accuracy",
]
