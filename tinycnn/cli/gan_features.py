"""``tinycnn gan-features``: what a discriminator's features are worth to somebody with few labels."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinycnn.features import few_of_each
from tinycnn.gan import load_discriminator
from tinycnn.gan.features import compare
from tinycnn.gan.run import load_gan_data

from .common import Say, WrongUse, add_backend, integer

HELP = "classify with few labels on a discriminator's features, beside a CNN and raw pixels"
EXAMPLE = "tinycnn gan-features runs/gan-digits --labels 1000 100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder of tinycnn gan, not conditional")
    add(
        "--labels",
        type=integer(2),
        nargs="+",
        default=[1000, 100],
        help="how many labelled images, one row each (default: 1000 100)",
    )
    add("--seed", type=integer(0), default=0, help="seed of the choice of labelled images (default: 0)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print a table, one row per number of labels."""
    D, config = load_discriminator(args.run_folder)
    if D.num_classes:
        raise WrongUse(
            f"{args.run_folder} is conditional: its discriminator asks for the label; train one without"
        )
    if D.outputs > 1:
        raise WrongUse(
            f"{args.run_folder}: its discriminator was taught the classes with all labels, so few would "
            "tell nothing; train one with: tinycnn gan --class-weight 0"
        )
    if "data" not in config:
        raise WrongUse(f"{args.run_folder} does not say which data its discriminator was trained on")
    train, test = load_gan_data(config["data"], conditional=True)
    for count in args.labels:  # all of them before any work
        try:
            few_of_each(train, count, args.seed)
        except ValueError as error:
            raise WrongUse(f"--labels: {error}") from error
    say(f"test error on {len(test):,} images of {test.name}")
    say(f"{'labels':>6}  linear on D's features  the same CNN supervised  linear on raw pixels")
    rows = []
    for count in args.labels:
        row = compare(D, train, test, count, args.seed)
        say(f"{row.labels:>6,}  {row.features:22.2%}  {row.supervised:23.2%}  {row.pixels:20.2%}")
        rows.append(asdict(row))
    return {"run": str(args.run_folder), "errors": rows}
