"""What several commands need: options made from settings, lines that are said, errors with an exit status."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from tinycnn.backend import BACKENDS
from tinycnn.fit.settings import Settings
from tinycnn.schema import Choice, Flag, Integer, Kind, Number, plain
from tinycnn.storage import FileError

Say = Callable[..., None]  # prints a line, except under --json

MOST_LINE, MOST_OF_A_FILE = 1000, 300  # characters of an error; of one that may quote a file


class WrongUse(Exception):  # noqa: N818 (it is what the exit status 2 is called)
    """The command was called in a way it cannot be: exit status 2."""


class FailedRun(Exception):  # noqa: N818
    """The command did not reach its end: exit status 1."""


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add --backend."""
    parser.add_argument(
        "--backend", choices=BACKENDS, help="where to compute (default: TINYCNN_BACKEND, else numpy)"
    )


def add_settings(
    parser: argparse.ArgumentParser, kind: type[Settings], leave_out: Collection[str] = ()
) -> None:
    """Add an option for every field of the settings, but for some. None stands for "not given"."""
    for field in fields(kind):
        if field.name in leave_out:
            continue
        check, about = field.metadata["kind"], field.metadata["about"]
        name = f"--{field.name.replace('_', '-')}"
        if isinstance(check, Flag):
            parser.add_argument(name, action="store_true", default=None, help=about)
            continue
        default = f"{field.default:g}" if isinstance(field.default, float) else field.default
        about = f"{about} (default: {default})"
        if isinstance(check, Choice):
            parser.add_argument(name, choices=check.names, help=about)
        else:
            parser.add_argument(name, type=option(check), help=about)


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add --resume and --out."""
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with a run that was stopped, from its checkpoint"
    )
    parser.add_argument("--out", type=Path, help="run folder (default: a new one in runs/)")


def given(args: argparse.Namespace, kind: type[Settings]) -> dict[str, Any]:
    """Return the settings that were given as options."""
    values = {field.name: getattr(args, field.name, None) for field in fields(kind)}
    return {name: value for name, value in values.items() if value is not None}


def option(kind: Kind) -> Callable[[str], Any]:
    """Return a type for argparse: what a text stands for, if it is of this kind."""

    def parse(text: str) -> Any:
        try:
            return kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def integer(least: int) -> Callable[[str], int]:
    """Return a type for argparse: an integer not below `least`."""
    return option(Integer(least))


def number(least: float, included: bool = True) -> Callable[[str], float]:
    """Return a type for argparse: a finite number not below `least`, or above it."""
    return option(Number(least, included))


def one_line(error: object) -> str:
    """Return an error for the terminal: one line, nothing that the terminal would obey, and not too long."""
    most = MOST_OF_A_FILE if isinstance(error, FileError) else MOST_LINE
    line = plain(str(error).replace("\n", " "), 10_000)
    return line if len(line) <= most else f"{line[: most - 81]} … {line[-78:]}"


def printable(text: str) -> str:
    """Return lines for the terminal with control characters escaped: names in files may have any."""
    return "\n".join(plain(line, len(line) * 10 + 1) for line in text.split("\n"))


def as_json(result: dict[str, Any]) -> str:
    """Return a result as one line of JSON, which has no NaN and no infinity: those become null."""
    return json.dumps(_finite(result), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def prepare_process() -> None:
    """Make this process one that draws without a display, and prints whatever the terminal's encoding is.

    A notebook gives its programs a Matplotlib backend that only it has. A closed standard stream would leave
    its number to the next file that is opened, and what other libraries print would go into that file.
    """
    if "matplotlib" not in sys.modules:
        os.environ["MPLBACKEND"] = "agg"
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
