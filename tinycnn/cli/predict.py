"""``tinycnn predict``: what a trained network sees in a picture."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.data.picture import has_bright_border
from tinycnn.fit import load_classifier
from tinycnn.fit.folder import newest_run
from tinycnn.fit.saved import load_picture
from tinycnn.schema import plain

from .common import Say, add_backend

HELP = "classify pictures with a trained network"
EXAMPLE = "tinycnn predict seven.png --run runs/cnn28-digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("images", type=Path, nargs="+", metavar="IMAGE", help="picture files")
    add(
        "--run", type=Path, dest="run_folder", metavar="RUN", help="run folder (default: the newest in runs/)"
    )
    add("--invert", action="store_true", help="invert the pictures: dark on bright becomes bright on dark")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the likeliest classes of every picture."""
    folder = args.run_folder or newest_run()
    saved = load_classifier(folder)
    pictures = np.stack([load_picture(path, saved.input_shape, args.invert) for path in args.images])
    probabilities = saved.probabilities(pictures)
    names = [plain(name, 40) for name in saved.classes]
    predictions = []
    for path, picture, p in zip(args.images, pictures, probabilities, strict=True):
        best = np.argsort(-p)[:3]
        say(f"{path}: {names[best[0]]}  " + "  ".join(f"{names[k]} {p[k]:.1%}" for k in best))
        if saved.data == "digits" and not args.invert and has_bright_border(picture):
            say("  its border is bright, the digits it learned are bright on dark: try --invert")
        predictions.append(
            {
                "image": str(path),
                "prediction": saved.classes[best[0]],
                "probabilities": {name: float(p[k]) for k, name in enumerate(saved.classes)},
            }
        )
    return {"run": str(folder), "predictions": predictions}
