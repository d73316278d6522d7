"""``tinycnn compare``: trained networks side by side, and which differences are more than chance."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn import plot
from tinycnn.select import compare_runs, comparison_figure

from .common import Say, add_backend

HELP = "rank trained networks by accuracy on the same test images, with intervals and McNemar's test"
EXAMPLE = "tinycnn compare runs/cnn28-digits runs/lenet5-digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="run folders, trained on the same data")
    add("--out", type=Path, default=Path("compare.png"), help="picture (default: compare.png)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print a table, the best run first, and draw accuracy against size."""
    comparison = compare_runs(args.runs)
    for line in comparison.lines():
        say(line)
    plot.save(comparison_figure(comparison), args.out)
    say(f"drawn in {args.out}")
    return {**comparison.as_dict(), "picture": str(args.out)}
