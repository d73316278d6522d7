"""``tinycnn generate``: images at random, by a rule, or from a trained generator, as PNG files."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.fit.run import names_of
from tinycnn.gan import load_generator, pictures
from tinycnn.generate import RULES, learned, random_image, rule_image
from tinycnn.pictures import save_png

from .common import Say, WrongUse, add_backend, integer

HELP = "make images: at random, by a rule, or with a trained generator"
EXAMPLE = "tinycnn generate rule mandelbrot --height 400 --width 600"

PICTURES = ("images", "interpolation", "classes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each of the three ways."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="random|rule|gan")

    random = ways.add_parser("random", help="every pixel by chance (Eq. 9)", description="x_ij = U(0, 255)")
    random.add_argument("--rgb", action="store_true", help="three channels instead of grey")
    random.add_argument("--seed", type=integer(0), default=0, help="seed of the pixels (default: 0)")
    _add_size(random, 64)

    rule = ways.add_parser("rule", help="by a rule (Eq. 10)", description="x_ij = f(i, j)")
    rule.add_argument("rules", nargs="*", metavar="RULE", help=f"{', '.join(RULES)} (default: all)")
    _add_size(rule, 256)

    gan = ways.add_parser("gan", help="with a trained generator (Eq. 11)", description="x = G(z)")
    gan.add_argument("run_folder", type=Path, metavar="RUN", help="run folder of tinycnn gan")
    gan.add_argument("--picture", choices=PICTURES, default="images", help="single images, strips or a grid")
    gan.add_argument("--count", type=integer(1), default=16, help="how many single images (default: 16)")
    gan.add_argument("--label", help="name of the class of single images; for a conditional GAN")
    gan.add_argument("--seed", type=integer(0), default=0, help="seed of z (default: 0)")
    add_backend(gan)
    for way in (random, rule, gan):
        # Without a default: it would undo a --json before the way.
        way.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="print one JSON object and nothing else",
        )
        way.add_argument("--out", type=Path, default=Path("images"), help="folder (default: images)")


def _add_size(parser: argparse.ArgumentParser, side: int) -> None:
    parser.add_argument("--height", type=integer(1), default=side, help=f"H in pixels (default: {side})")
    parser.add_argument("--width", type=integer(1), default=side, help=f"W in pixels (default: {side})")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Make the images, write them, and say where they are."""
    ways: dict[str, Callable[[argparse.Namespace], dict[str, np.ndarray]]]
    ways = {"random": _random, "rule": _by_rule, "gan": _learned}
    made = ways[args.way](args)
    args.out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, image in made.items():
        path = args.out / f"{name}.png"
        save_png(image, path)
        files.append(str(path))
        say(f"{path}  {image.shape[1]}x{image.shape[0]}, {'grey' if image.ndim == 2 else 'RGB'}")
    return {"files": files}


def _random(args: argparse.Namespace) -> dict[str, np.ndarray]:
    return {
        f"random-{args.seed}": random_image(args.height, args.width, 3 if args.rgb else 1, args.seed),
    }


def _by_rule(args: argparse.Namespace) -> dict[str, np.ndarray]:
    unknown = [name for name in args.rules if name not in RULES]
    if unknown:
        raise WrongUse(f"unknown rule {', '.join(unknown)}; there are {', '.join(RULES)}")
    return {name: rule_image(RULES[name], args.height, args.width) for name in args.rules or RULES}


def _learned(args: argparse.Namespace) -> dict[str, np.ndarray]:
    G, config = load_generator(args.run_folder)
    if not G.num_classes and (args.label is not None or args.picture == "classes"):
        raise WrongUse(f"{args.run_folder} is not conditional: it cannot be asked for a class")
    if args.picture == "interpolation":
        return {f"interpolation-{args.seed}": pictures.interpolations(G, seed=args.seed)}
    if args.picture == "classes":
        return {f"classes-{args.seed}": pictures.classes_by_styles(G, seed=args.seed)}
    labels = None
    if args.label is not None:
        classes = config.get("classes", [])
        if args.label not in classes:
            raise WrongUse(f"--label {args.label}: the classes are {names_of(classes)}")
        labels = np.full(args.count, classes.index(args.label))
    images = learned(args.run_folder, args.count, args.seed, labels)
    prefix = "image" if args.label is None else re.sub(r"[^\w.-]", "_", args.label)
    return {f"{prefix}-{args.seed}-{n:03}": image for n, image in enumerate(images)}
