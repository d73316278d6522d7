"""What several commands need."""

import argparse
from collections.abc import Callable
from pathlib import Path

from tinycnn.backend import BACKENDS

Say = Callable[..., None]  # prints a line, except under --json

RUNS = Path("runs")
CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"


class WrongUse(Exception):  # noqa: N818 (it is what the exit status 2 is called)
    """The command was called in a way it cannot be: exit status 2."""


class FailedRun(Exception):  # noqa: N818
    """The command did not reach its end: exit status 1."""


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add --backend."""
    parser.add_argument(
        "--backend", choices=BACKENDS, help="where to compute (default: TINYCNN_BACKEND, else numpy)"
    )


def integer(least: int) -> Callable[[str], int]:
    """Return a type for argparse: an integer not below `least`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no integer") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return parse


def number(least: float, included: bool = True) -> Callable[[str], float]:
    """Return a type for argparse: a finite number not below `least`, or above it."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not (least <= value if included else least < value) or value == float("inf"):
            raise argparse.ArgumentTypeError(
                f"{text} is not a finite number {'of at least' if included else 'above'} {least:g}"
            )
        return value

    return parse
