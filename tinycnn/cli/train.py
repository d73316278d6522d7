"""``tinycnn train``: train a network and leave weights, history and pictures in a run folder."""

import argparse
import os
from typing import Any

from tinycnn.fit import ClassifierRun, ClassifierSettings

from .common import Say, WrongUse, add_backend, add_folders, add_settings, given

HELP = "train a network; by default the documented cnn28 on the embedded digits"
EXAMPLE = "tinycnn train --data mnist --epochs 5 --out runs/mnist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_settings(parser, ClassifierSettings)
    add_backend(parser)
    add_folders(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Train, evaluate, and fill the run folder."""
    settings = given(args, ClassifierSettings)
    run = begin(ClassifierRun, args, settings)
    result = run.train(say, progress=not args.json)
    training = run.training
    return {
        "run": str(run.folder),
        "accuracy": result.accuracy,
        "loss": result.loss,
        "epochs": training.epoch,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "seconds": sum(record["seconds"] for record in training.history),
        "history": training.history,
    }


def begin(kind: Any, args: argparse.Namespace, settings: dict[str, Any]) -> Any:
    """Return a new run, or the one that --resume names."""
    if args.resume is None:
        return kind.new(args.out, **settings)
    if args.out is not None and os.path.realpath(args.out) != os.path.realpath(args.resume):
        raise WrongUse(f"--resume goes on in {args.resume}: use it without --out {args.out}")
    return kind.resume(args.resume, **settings)
