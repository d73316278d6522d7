"""``tinycnn gan-explain``: what the coordinates of z change, and the training images nearest to samples."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn.gan.explained import explain_run

from .common import Say, add_backend, integer

HELP = "explain generated images: what z changes, and the nearest training images in feature space"
EXAMPLE = "tinycnn gan-explain runs/gan-digits --classifier runs/cnn28-digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder of tinycnn gan")
    add(
        "--samples",
        type=integer(1),
        default=8,
        help="how many samples to draw with their neighbours (default: 8)",
    )
    add("--coordinates", type=integer(1), default=8, help="how many coordinates of z to draw (default: 8)")
    add("--classifier", type=Path, metavar="RUN", help="use the features of this run of tinycnn train")
    add("--seed", type=integer(0), default=0, help="seed of z (default: 0)")
    add("--out", type=Path, help="folder for the pictures (default: the run folder)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the coordinates, and save both pictures."""
    said = explain_run(
        args.run_folder, args.samples, args.coordinates, args.classifier, args.seed, say, args.out
    )
    return {"run": str(args.run_folder), **said}
