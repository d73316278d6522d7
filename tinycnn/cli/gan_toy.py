"""``tinycnn gan-toy``: train a GAN on points of the plane, and draw what D says and how it pulls."""

import argparse
from pathlib import Path
from typing import Any

from tinycnn.fit.folder import new_folder
from tinycnn.gan import LOSSES
from tinycnn.gan.toy import DENSITIES, ToyGan, animate
from tinycnn.pictures import save_gif, save_png

from .common import Say, add_backend, integer

HELP = "train a GAN on points of the plane and animate what D believes and how it pulls"
EXAMPLE = "tinycnn gan-toy --density two-moons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    fits = [name for name, rule in LOSSES.items() if not rule.matches_features]
    add(
        "--density",
        choices=DENSITIES,
        default="ring",
        help="the distribution of the real points (default: ring)",
    )
    add(
        "--loss",
        choices=fits,
        default="non-saturating",
        help="what G and D minimise (default: non-saturating)",
    )
    add("--steps", type=integer(1), default=1500, help="steps of G (default: 1500)")
    add("--frames", type=integer(1), default=40, help="pictures of the animation (default: 40)")
    add("--seed", type=integer(0), default=0, help="seed of all random numbers (default: 0)")
    add_backend(parser)
    add("--out", type=Path, help="folder (default: a new one in runs/)")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Train, and write toy.gif and its last frame, toy.png."""
    folder = args.out or new_folder(f"toy-{args.density}")
    folder.mkdir(parents=True, exist_ok=True)
    gan = ToyGan.of(args.density, args.loss, args.seed)
    frames = animate(gan, args.steps, args.frames, say)
    save_gif(frames, folder / "toy.gif")
    save_png(frames[-1], folder / "toy.png")
    say(f"the animation is {folder / 'toy.gif'}, its last frame {folder / 'toy.png'}")
    return {"run": str(folder), "steps": gan.steps, "frames": len(frames)}
