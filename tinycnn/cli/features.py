"""``tinycnn features``: what a layer of a trained network has learned to see."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.features import layer_names
from tinycnn.features.extract import POOLS
from tinycnn.features.neighbours import METRICS
from tinycnn.features.report import kind_of, report
from tinycnn.fit import load_classifier

from .common import Say, WrongUse, add_backend, integer

HELP = "features of a trained network: nearest images, projections, and what its answers depend on"
EXAMPLE = "tinycnn features runs/cnn28-digits --layer 8 --metric cosine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder, or a weights file in it")
    add("--layer", help="name of the layer (default: the one that the last layer with weights reads)")
    add("--layers", action="store_true", help="list the layers, and do nothing else")
    add("--pool", choices=POOLS, help="what to keep of each map (default: all of it)")
    add(
        "--metric",
        choices=METRICS,
        default=METRICS[0],
        help=f"distance for the nearest images (default: {METRICS[0]})",
    )
    add(
        "--images",
        type=integer(2),
        default=1000,
        help="the most test images, with four times as many training images (default: 1000)",
    )
    add("--tsne", action="store_true", help="draw t-SNE too; needs scikit-learn")
    add("--umap", action="store_true", help="draw UMAP too; needs umap-learn")
    add("--data", help="other data than it was trained on")
    add("--out", type=Path, help="folder for pictures (default: features/ in the run folder)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the numbers and save the pictures."""
    saved = load_classifier(args.run_folder)
    if args.layers:
        layers = {name: kind_of(saved.model, name) for name in layer_names(saved.model)}
        for name, kind in layers.items():
            say(f"{name:6} {kind}")
        return {"run": str(args.run_folder), "layers": layers}
    train, test, note = saved.data_sets(args.data)
    if note:
        say(f"note: {note}")
    known = train.subset(np.arange(min(4 * args.images, len(train))))
    new = test.subset(np.arange(min(args.images, len(test))))
    try:
        what = report(saved.model, known, new, args.layer, args.pool)
    except ValueError as error:
        raise WrongUse(f"--layer: {error}") from error
    folder = args.out or saved.path.parent / "features"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        said = what.save(folder, say, args.metric, args.tsne, args.umap)
    except ImportError as error:
        raise WrongUse(str(error)) from error
    return {"run": str(args.run_folder), **said}
