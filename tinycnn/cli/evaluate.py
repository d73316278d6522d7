"""``tinycnn evaluate``: how good a trained network is on its test data."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn import backend as _backend
from tinycnn import metrics
from tinycnn.fit import load_classifier
from tinycnn.schema import plain

from .common import Say, add_backend

HELP = "evaluate a trained network on test data: accuracy, precision, recall, F1"
EXAMPLE = "tinycnn evaluate runs/cnn28-digits --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder, or a weights file in it")
    parser.add_argument("--data", help="other data than it was trained on; their test part is used")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Evaluate and print a table, one row per class."""
    with _backend.using(args.backend or _backend.current()):
        saved = load_classifier(args.run_folder)
        test, note = saved.test_data(args.data)
        result = saved.evaluate(test)
    if note:
        say(f"note: {note}")
    K = len(saved.classes)
    each = metrics.precision_recall_f1(result.labels, result.predictions, average=None, K=K)
    macro = metrics.precision_recall_f1(result.labels, result.predictions, K=K)
    matrix = metrics.confusion_matrix(result.labels, result.predictions, K)
    names = [plain(name, 40) for name in saved.classes]
    width = max(5, *map(len, names))
    say(f"{saved.name} on {plain(test.name)}: {len(test):,} test images")
    say(f"{'class':<{width}}  precision  recall     F1  images")
    for k, name in enumerate(names):
        scores = f"{each.precision[k]:9.2%}  {each.recall[k]:6.2%} {each.f1[k]:6.2%}"
        say(f"{name:<{width}}  {scores}  {matrix[k].sum():6,}")
    say(f"{'macro':<{width}}  {macro.precision:9.2%}  {macro.recall:6.2%} {macro.f1:6.2%}  {len(test):6,}")
    say(f"accuracy {result.accuracy:.2%}, cross-entropy {result.loss:.4f}")
    return {
        "run": str(args.run_folder),
        "data": test.name,
        "note": note,
        "images": len(test),
        "accuracy": result.accuracy,
        "loss": result.loss,
        "macro": macro._asdict(),
        "classes": {
            name: {"precision": each.precision[k], "recall": each.recall[k], "f1": each.f1[k]}
            for k, name in enumerate(saved.classes)
        },
        "confusion_matrix": matrix.tolist(),
    }
