"""``tinycnn bench``: seconds that tell how fast this machine is, beside PyTorch where it is installed."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from .common import FailedRun, Say, integer

HELP = "measure a training step, a convolution and the overhead of small operations, beside PyTorch"
EXAMPLE = "tinycnn bench --threads 2"

SHORT = ("cnn28-b32", "conv-28x28-forward", "conv-28x28-input", "conv-28x28-weight", "chain")
TURN = 0.2  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--threads", type=integer(1), help="of each library (default: all cores)")
    parser.add_argument("--rounds", type=integer(1), default=5, help="turns of each library (default: 5)")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Measure and print a table, one row a work."""
    from tinycnn.bench import contestants, measure, peak, process, report, works

    plan = measure.Plan(threads=args.threads or peak.cores(), rounds=args.rounds, turn=TURN)
    try:
        table, taking_part = report.begin((contestants.PYTORCH, contestants.TINYCNN), plan)
    except process.WorkerError as error:
        raise FailedRun(str(error)) from error
    for line in table.heading():
        say(line)
    with tempfile.TemporaryDirectory() as folder:
        for m in measure.measure([works.WORKS[name] for name in SHORT], taking_part, plan, Path(folder)):
            table.measurements.append(m)
            say(table.row(m))
    for line in table.ending():
        say(line)
    if table.problems:
        raise FailedRun("; ".join(table.problems))
    return table.as_dict()
