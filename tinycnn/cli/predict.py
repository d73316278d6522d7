"""``tinycnn predict``: what a trained network sees in a picture."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn import models
from tinycnn.data.picture import read_picture
from tinycnn.modes import no_grad
from tinycnn.tensor import Tensor

from .common import Say, add_backend
from .run_folder import load_model, newest_run

HELP = "classify pictures with a trained network"
EXAMPLE = "tinycnn predict seven.png --run runs/cnn28-digits"

BRIGHT = 0.5  # of a border, 0 to 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="picture files")
    parser.add_argument(
        "--run", type=Path, dest="run_folder", metavar="RUN", help="run folder (default: the newest in runs/)"
    )
    parser.add_argument("--invert", action="store_true", help="dark on bright to bright on dark")
    add_backend(parser)


@no_grad()
def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the likeliest classes of every picture."""
    with _backend.using(args.backend or _backend.current()):
        folder = args.run_folder or newest_run()
        model, config = load_model(folder)
        pictures = [
            load_picture(path, models.INPUT_SHAPES[config["model"]], args.invert) for path in args.images
        ]
        model.eval()
        probabilities = F.softmax(model(Tensor(np.stack(pictures))), 1).numpy()
    classes = config["classes"]
    predictions = []
    for path, picture, p in zip(args.images, pictures, probabilities, strict=True):
        best = np.argsort(-p)[:3]
        say(f"{path}: {classes[best[0]]}  " + "  ".join(f"{classes[k]} {p[k]:.1%}" for k in best))
        if config["data"] == "digits" and not args.invert and _border(picture).mean() > BRIGHT:
            say("  its border is bright, the digits it learned are bright on dark: try --invert")
        predictions.append(
            {
                "image": str(path),
                "prediction": classes[best[0]],
                "probabilities": {name: float(p[k]) for k, name in enumerate(classes)},
            }
        )
    return {"run": str(folder), "predictions": predictions}


def load_picture(path: Path, shape: tuple[int, int, int], invert: bool) -> np.ndarray:
    """Return a picture as (C, H, W) in [0, 1], grey or RGB and resized as the network needs it."""
    C, H, W = shape
    array = read_picture(path, (H, W), C).reshape(H, W, C).astype(np.float32) / 255
    return np.moveaxis(1 - array if invert else array, 2, 0)


def _border(picture: np.ndarray) -> np.ndarray:
    """Return the outermost cells of (C, H, W)."""
    inside = np.zeros(picture.shape, bool)
    inside[:, 1:-1, 1:-1] = True
    return picture[~inside]
