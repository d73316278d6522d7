"""``tinycnn tune``: search a learning rate and a weight decay, without a look at the test images."""

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinycnn import plot
from tinycnn.fit import ClassifierSettings
from tinycnn.fit.folder import RUNS
from tinycnn.select import Search, TuneSettings, search_figure

from .common import Say, add_backend, add_settings, given

HELP = "search learning rate and weight decay; the test images stay unseen"
EXAMPLE = "tinycnn tune --trials 12 --epochs 3 --out runs/tune"

SEARCHED = ("lr", "weight_decay", "patience")  # what is not asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_settings(parser, TuneSettings)
    add_settings(parser, ClassifierSettings, leave_out=SEARCHED)
    add_backend(parser)
    parser.add_argument(
        "--out", type=Path, help="folder; a search in it goes on (default: runs/tune-MODEL-DATA)"
    )


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Run the search, or the rest of it, print every trial, and draw them."""
    chosen = given(args, ClassifierSettings)
    settings = ClassifierSettings(**chosen)
    folder = args.out or RUNS / f"tune-{settings.model}-{Path(settings.data).name}"
    search = Search(settings, TuneSettings(**given(args, TuneSettings)), folder)
    best = search.run(say)
    plot.save(search_figure(search), folder / "trials.png")
    options = {"lr": best.lr, "weight_decay": best.weight_decay, **chosen}
    command = " ".join(["tinycnn train", *(as_option(*option) for option in options.items())])
    say(f"best: {search.line(best)}")
    say(f"trials and their picture are in {folder}/; train with it on all training images: {command}")
    return {
        "folder": str(folder),
        "best": asdict(best),
        "trials": [asdict(trial) for trial in search.trials],
        "command": command,
    }


def as_option(name: str, value: Any) -> str:
    """Return a setting as an option of the command line."""
    option = f"--{name.replace('_', '-')}"
    return option if value is True else f"{option} {shlex.quote(str(value))}"
