"""``tinycnn gan``: train a GAN and leave its networks, samples, an animation and curves in a run folder."""

import argparse
from typing import Any

from tinycnn.gan import GanRun, GanSettings
from tinycnn.gan.run import PLAIN

from .common import Say, add_backend, add_folders, add_settings, given
from .train import begin

HELP = "train a GAN; by default DCGAN on the embedded digits"
EXAMPLE = "tinycnn gan --data mnist --conditional --epochs 10"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_settings(parser, GanSettings)
    added = ", ".join(f"--{name.replace('_', '-')}" for name in PLAIN)
    parser.add_argument("--plain", action="store_true", help=f"a plain DCGAN, without what {added} add to it")
    add_backend(parser)
    add_folders(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Train, and fill the run folder."""
    settings = {**(PLAIN if args.plain else {}), **given(args, GanSettings)}
    run = begin(GanRun, args, settings)
    result = run.train(say, progress=not args.json)
    training = run.training
    return {
        "run": str(run.folder),
        "epochs": training.epoch,
        "steps": training.steps,
        "parameters": {
            name: sum(p.numel() for p in network.parameters())
            for name, network in (("G", training.G), ("D", training.D))
        },
        "seconds": sum(record["seconds"] for record in training.history),
        "findings": [{"name": finding.name, "says": str(finding)} for finding in result.findings],
        "history": training.history,
    }
