"""``tinycnn evaluate``: how good a trained network is on its test data."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn import plot
from tinycnn.fit import load_classifier
from tinycnn.schema import plain
from tinycnn.select import Report, report_figure

from .common import Say, add_backend

HELP = "evaluate a trained network on test data: accuracy with its interval, precision, recall, F1, curves"
EXAMPLE = "tinycnn evaluate runs/cnn28-digits --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder, or a weights file in it")
    parser.add_argument("--data", help="other data than it was trained on; their test part is used")
    parser.add_argument("--out", type=Path, help="picture (default: report.png in the run folder)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Evaluate, print a table with one row per class, and draw it."""
    saved = load_classifier(args.run_folder)
    test, note = saved.test_data(args.data)
    report = Report.of(saved.evaluate(test), saved.classes)
    if note:
        say(f"note: {note}")
    say(f"{saved.name} on {plain(test.name)}: {len(test):,} test images")
    for line in report.lines():
        say(line)
    picture = args.out or saved.path.parent / "report.png"
    plot.save(report_figure(report), picture)
    say(f"drawn in {picture}")
    return {
        "run": str(args.run_folder),
        "data": test.name,
        "note": note,
        "picture": str(picture),
        **report.as_dict(),
    }
