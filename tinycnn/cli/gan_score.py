"""``tinycnn gan-score``: how good a generator is, in numbers, each beside what real images get."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn.gan.score.report import LEAST_SHARE, GanReport
from tinycnn.gan.score.run import score
from tinycnn.schema import plain

from .common import Say, add_backend, integer

HELP = "measure a trained generator: 1-NN test, Frechet distance, coverage, Parzen window"
EXAMPLE = "tinycnn gan-score runs/gan-digits --samples 2000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder of tinycnn gan")
    add("--samples", type=integer(2), help="images to generate (default: 10,000, or what the data allow)")
    add(
        "--classifier",
        type=Path,
        metavar="RUN",
        help="trained cnn28 to judge with, from tinycnn train (default: one is trained, and kept in RUN)",
    )
    add("--seed", type=integer(0), default=0, help="seed of the samples (default: 0)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Measure, and print the table."""
    report = score(args.run_folder, args.samples, args.classifier, args.seed, say)
    for line in report.lines():
        say(line)
    say(_verdict(report))
    return {"run": str(args.run_folder), **report.as_dict()}


def _verdict(report: GanReport) -> str:
    """Return in a sentence whether the generator covers its classes."""
    missing = [
        f"{plain(name)} ({share:.1%})"
        for name, share in zip(report.classes, report.generated.coverage, strict=True)
        if share < LEAST_SHARE
    ]
    if missing:
        return f"classes with less than {LEAST_SHARE:.0%} of the samples: {', '.join(missing)}"
    return f"every class has at least {LEAST_SHARE:.0%} of the samples"
