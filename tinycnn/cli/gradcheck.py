"""``tinycnn gradcheck``: every operation's derivatives against finite differences."""

import argparse
import time
import warnings
from typing import Any

import numpy as np

from tinycnn.functional.cards import CARDS
from tinycnn.gradcheck import GradcheckError, GradcheckWarning, gradcheck
from tinycnn.tensor import Tensor

from .common import FailedRun, Say, WrongUse, add_backend, integer

HELP = "check every operation's first and second derivative against finite differences"
EXAMPLE = "tinycnn gradcheck conv2d max_pool2d --trials 20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("operations", nargs="*", metavar="OPERATION", help="names of operations (default: all)")
    add("--trials", type=integer(1), default=5, help="random inputs for each operation (default: 5)")
    add("--seed", type=integer(0), default=0, help="seed of the inputs (default: 0)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print a table, one row an operation: the largest relative error of each order."""
    unknown = [name for name in args.operations if name not in CARDS]
    if unknown:
        raise WrongUse(f"unknown operation {', '.join(unknown)}; there are {', '.join(CARDS)}")
    names = args.operations or list(CARDS)
    say(f"{'operation':<34} {'order 1':>8}  {'order 2':>8}  {'seconds':>7}  shapes tried")
    rows, failed = {}, []
    for name in names:
        rows[name] = row = _check(name, args.trials, args.seed)
        errors = [f"{error:8.1e}" for error in row["errors"]]
        say(f"{name:<34} {errors[0]}  {errors[1]}  {row['seconds']:7.2f}  {'; '.join(row['shapes'])}")
        for note in row["notes"]:
            say(f"  {note}")
        if row["failed"]:
            failed.append(name)
    if failed:
        raise FailedRun(f"wrong: {', '.join(failed)}: {rows[failed[0]]['notes'][0]}")
    say(f"{len(names)} operations, all right to second order")
    return {"operations": rows}


def _check(name: str, trials: int, seed: int) -> dict[str, Any]:
    started = time.perf_counter()
    worst, shapes, notes, failed = [0.0, 0.0], [], [], False
    for trial in range(trials):
        f, arrays = CARDS[name].example(np.random.default_rng([seed, trial]))
        shapes.append(" ".join("x".join(map(str, array.shape)) for array in arrays))
        inputs = [Tensor(array) for array in arrays]
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", GradcheckWarning)
                result = gradcheck(f, inputs, seed=trial)
            worst = [max(a, b) for a, b in zip(worst, result.errors, strict=True)]
            notes += [str(w.message) for w in caught]
        except GradcheckError as error:
            notes, failed, worst = [str(error), *notes], True, [float("nan")] * 2
            break
    seconds = time.perf_counter() - started
    return {"errors": worst, "seconds": seconds, "shapes": shapes, "notes": notes, "failed": failed}
