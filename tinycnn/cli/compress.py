"""``tinycnn compress``: how small a trained network can be made, and what that costs."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tinycnn
from tinycnn import plot
from tinycnn.compression.pruning import SCOPES
from tinycnn.compression.report import Form, compress, picture
from tinycnn.fit import load_classifier
from tinycnn.fit.classifier import load_data
from tinycnn.fit.saved import in_classes

from .common import Say, WrongUse, add_backend, integer

HELP = "make a trained network small: pruning, int8, fewer filters; accuracy and size of each"
EXAMPLE = "tinycnn compress runs/cnn28-digits --sparsity 0.9"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder, or a weights file in it")
    add("--sparsity", type=float, default=0.9, help="share of the weights to cut (default: 0.9)")
    add(
        "--scope",
        choices=SCOPES,
        default="global",
        help="cut the smallest weights of all layers together, or of each layer (default: global)",
    )
    add("--filters", type=float, default=0.5, help="share of the filters to take out (default: 0.5)")
    add("--epochs", type=integer(1), default=4, help="epochs of training after each pruning (default: 4)")
    add(
        "--seed", type=integer(0), default=0, help="seed of the order and the calibration images (default: 0)"
    )
    add("--out", type=Path, help="folder for the files (default: compressed/ in the run folder)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print a table, one row per form, and write the files and a picture."""
    for name, share in (("--sparsity", args.sparsity), ("--filters", args.filters)):
        if not 0 < share < 1:
            raise WrongUse(f"{name} is a share between 0 and 1, both excluded, got {share:g}")
    saved = load_classifier(args.run_folder)
    if not saved.data:
        raise WrongUse(f"{saved.path} does not say what it was trained on, and pruning trains it further")
    train, test = load_data(saved.data, saved.input_shape)
    train, test = in_classes(train, saved.classes)[0], in_classes(test, saved.classes)[0]
    folder = args.out or saved.path.parent / "compressed"
    folder.mkdir(parents=True, exist_ok=True)
    tinycnn.manual_seed(args.seed)
    say(f"{saved.name} on {len(test):,} test images of {test.name}")
    say(f"{'':28}  accuracy  zeros  parameters  size of the file")

    def row(form: Form) -> None:
        numbers = f"{form.accuracy:9.2%}  {form.sparsity:5.1%}  {form.parameters:10,}"
        say(f"{form.name:<28} {numbers}  {form.bytes / 1024:6,.0f} KiB  {form.file}")

    config = saved.made_from
    options = args.sparsity, args.scope, args.filters, args.epochs, args.seed
    forms = compress(saved.model, train, test, folder, config, *options, done=row)
    plot.save(picture(forms), folder / "compression.png")
    say(f"the files and compression.png are in {folder}/")
    return {"run": str(args.run_folder), "folder": str(folder), "forms": [asdict(form) for form in forms]}
