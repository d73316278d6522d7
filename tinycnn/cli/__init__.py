"""The command line: ``tinycnn COMMAND``; one module per command. It parses and prints, nothing else."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from tinycnn import BackendError, GradcheckError, __version__, gpu, memory
from tinycnn import backend as _backend
from tinycnn.fit import RunError, StoppedRun
from tinycnn.fit.settings import DifferentSettings

from .common import FailedRun, WrongUse, as_json, one_line, prepare_process, printable

COMMANDS = (
    "train",
    "tune",
    "evaluate",
    "compare",
    "predict",
    "features",
    "explain",
    "generate",
    "gan",
    "gan-score",
    "gan-features",
    "gan-explain",
    "gan-toy",
    "compress",
    "gradcheck",
    "tutor",
    "lab",
    "info",
)
EXPECTED = (
    FailedRun,
    StoppedRun,
    BackendError,
    GradcheckError,
    ArithmeticError,
    MemoryError,
    OSError,
    ValueError,
    TypeError,
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors, too, are one JSON object if --json asks for it."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        if sys.stderr is not None:
            self.print_usage(sys.stderr)
        sys.exit(_fail(message, 2, _Parser.as_json))


def module_of(command: str) -> ModuleType:
    """Return the module of a command. No other command is imported, so ``tinycnn train`` starts sooner."""
    module: ModuleType
    match command:
        case "train":
            from . import train as module
        case "tune":
            from . import tune as module
        case "evaluate":
            from . import evaluate as module
        case "compare":
            from . import compare as module
        case "predict":
            from . import predict as module
        case "features":
            from . import features as module
        case "explain":
            from . import explain as module
        case "generate":
            from . import generate as module
        case "gan":
            from . import gan as module
        case "gan-score":
            from . import gan_score as module
        case "gan-features":
            from . import gan_features as module
        case "gan-explain":
            from . import gan_explain as module
        case "gan-toy":
            from . import gan_toy as module
        case "compress":
            from . import compress as module
        case "gradcheck":
            from . import gradcheck as module
        case "tutor":
            from . import tutor as module
        case "lab":
            from . import lab as module
        case "info":
            from . import info as module
        case _:
            raise ValueError(f"there is no command {command}; there are {', '.join(COMMANDS)}")
    return module


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for these words: of the command that they begin with, or of all commands."""
    root = _Parser(
        prog="tinycnn",
        description="Train, look into and check small convolutional networks.",
        epilog="example: tinycnn train --epochs 5",
    )
    root.add_argument("--version", action="version", version=f"tinycnn {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in argv[:1] if argv and argv[0] in COMMANDS else COMMANDS:
        module = module_of(name)
        sub = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"example: {module.EXAMPLE}"
        )
        sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a failed run, 2 for wrong use."""
    prepare_process()
    argv = sys.argv[1:] if argv is None else argv
    _Parser.as_json = any(len(word) > 2 and "--json".startswith(word) for word in argv)  # also shortened
    args = parser(argv).parse_args(argv)

    def say(text: str = "") -> None:
        if not args.json:
            print(printable(text), flush=True)

    try:
        with gpu.saying(f"tinycnn {args.command}"), _place(args):
            result: dict[str, Any] = args.run(args, say)
        if args.json:
            print(as_json(result), flush=True)
        return 0
    except DifferentSettings as error:
        listed = [
            f"--{name.replace('_', '-')} {given} (the run has {has})"
            for name, (given, has) in error.differing.items()
        ]
        message = f"--resume {error.where}: other settings than the run began with: {', '.join(listed)}"
        return _fail(message, 2, args.json)
    except (WrongUse, RunError) as error:
        return _fail(error, 2, args.json)
    except BrokenPipeError:
        # Whoever read standard output has gone (`| head`): leave without a second error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EXPECTED as error:
        return _fail(error, 1, args.json)
    except KeyboardInterrupt:
        return _fail("interrupted", 1, args.json)
    except Exception as error:  # a mistake of this program: Python says where
        if args.json:
            print(as_json({"error": one_line(f"{type(error).__name__}: {error}")}), flush=True)
        raise


@contextmanager
def _place(args: argparse.Namespace) -> Iterator[None]:
    """Let a command that has --backend compute there, and keep the memory of one step for the next."""
    if "backend" not in args:
        yield
        return
    memory.keep_freed()
    with _backend.using(args.backend or _backend.current()):
        yield


def _fail(error: object, status: int, json: bool) -> int:
    message = one_line(error)
    if sys.stderr is not None:
        print(f"tinycnn: error: {message}", file=sys.stderr)
    if json:
        print(as_json({"error": message}), flush=True)
    return status
