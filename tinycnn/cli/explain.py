"""``tinycnn explain``: every step of an operation, a network or a training step, forward and backward."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from tinycnn import models
from tinycnn.nn import Module
from tinycnn.storage import write_atomically
from tinycnn.tensor import Tensor

from .common import Say, WrongUse, integer, number
from .explain_operations import OPERATIONS, POOLS, Operation

HELP = "show every step of an operation on small numbers or your own, forward and backward"
EXAMPLE = "tinycnn explain conv2d --size 5 --kernel 3 --stride 2 --backward"

SHORT = {  # other names of operations that are understood
    "conv": "conv2d",
    "conv_transpose": "conv_transpose2d",
    "dense": "linear",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
    "l1": "l1_loss",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "operation", type=_name, choices=OPERATIONS, metavar="OPERATION", help=", ".join(OPERATIONS)
    )
    parser.add_argument("--backward", action="store_true", help="explain the gradients, too")
    parser.add_argument("--size", type=integer(1), help="H and W of the input, or how many numbers")
    parser.add_argument("--batch-size", type=integer(1), help="N")
    parser.add_argument("--channels", type=integer(1), help="C, of the input")
    parser.add_argument("--filters", type=integer(1), help="K; of dense, the outputs")
    parser.add_argument("--kernel", type=integer(1), help="KH and KW")
    parser.add_argument("--stride", type=integer(1), help="SH and SW")
    parser.add_argument("--padding", type=integer(0), help="PH and PW")
    parser.add_argument("--dilation", type=integer(1), help="DH and DW")
    parser.add_argument("--groups", type=integer(1), help="G")
    parser.add_argument("--statistic", choices=POOLS, help="of a pool (default: max)")
    parser.add_argument("--label-smoothing", type=number(0), help="of a cross-entropy (default: 0)")
    parser.add_argument("--lr", type=number(0), help="learning rate of an update (default: 0.1)")
    parser.add_argument(
        "--input", type=Path, metavar="FILE.npy", help="your own input, any dimensions left out"
    )
    parser.add_argument("--weight", type=Path, metavar="FILE.npy", help="your own weight")
    parser.add_argument("--model", choices=models.MODELS, help="an untrained network (default: lenet5)")
    parser.add_argument("--run", type=Path, dest="run_folder", metavar="RUN", help="a trained network")
    parser.add_argument("--image", type=Path, help="your own picture (default: a test digit)")
    parser.add_argument(
        "--invert", action="store_true", default=None, help="dark on bright to bright on dark"
    )
    parser.add_argument(
        "--cells",
        nargs="+",
        metavar="CELL",
        help="step through these only, as 'y[0,0,:2,:2]' 'dL/dx[0,0,1,1]'",
    )
    parser.add_argument(
        "--step", type=integer(1), help="print this step only; a picture is of this one (default: 1)"
    )
    parser.add_argument("--seed", type=integer(0), default=0, help="of the numbers (default: 0)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".gif, .html, .json, .png, .svg, .pdf; of a graph also .dot"
    )


def _name(given: str) -> str:
    """Return the API's name of an operation."""
    name = given.replace("-", "_")
    return SHORT.get(name, name)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the steps, or write them to a file."""
    from tinycnn import explain as ex

    operation = OPERATIONS[args.operation]
    _refuse_what_is_not_taken(args, operation)
    tinycnn.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    call, options = operation.prepare(args, rng)
    if args.operation == "graph":
        return _graph(args, say, *call)
    try:
        explanation = ex.explain(*call, **options)
    except (TypeError, ValueError) as error:
        raise WrongUse(str(error)) from error
    if args.step is not None and args.step > len(explanation):
        raise WrongUse(f"--step {args.step}: there are {len(explanation)} steps")
    if args.out:
        try:
            ex.save(explanation, args.out, (args.step or 1) - 1)
        except ValueError as error:
            raise WrongUse(str(error)) from error
        say(f"{args.out}: {explanation.operation}, {len(explanation)} step{'s' * (len(explanation) != 1)}")
    elif not args.json:
        ex.show(explanation, step=None if args.step is None else args.step - 1)
    return json.loads(ex.to_json(explanation)) if args.json else {}


def _refuse_what_is_not_taken(args: argparse.Namespace, operation: Operation) -> None:
    always = ("operation", "backward", "step", "seed", "out", "json", "command", "run")
    for name, value in vars(args).items():
        if value is not None and name not in (*always, *operation.takes):
            option = "--run" if name == "run_folder" else f"--{name.replace('_', '-')}"
            takes = ", ".join(
                f"--{taken.replace('_', '-').replace('run-folder', 'run')}" for taken in operation.takes
            )
            raise WrongUse(
                f"{args.operation} does not take {option}; it takes {takes or 'no options of its own'}"
            )
    if args.backward and not operation.backward:
        raise WrongUse(f"{args.operation} has no steps for --backward")


def _graph(args: argparse.Namespace, say: Say, loss: Tensor, model: Module) -> dict[str, Any]:
    """Print the computation graph of a loss as Graphviz text, or draw it."""
    from tinycnn.explain import graph

    found = graph(loss, model, gradients=args.backward)
    if args.out is None:
        say(found.dot())
    elif args.out.suffix.lower() == ".dot":
        write_atomically(args.out, found.dot().encode())
    elif args.out.suffix.lower() in (".png", ".svg", ".pdf"):
        found.draw().savefig(args.out)
    else:
        raise WrongUse(f"{args.out}: a graph is written as .dot, .png, .svg or .pdf")
    if args.out:
        say(f"{args.out}: {len(found.nodes)} nodes")
    return {"nodes": [asdict(node) for node in found.nodes], "edges": found.edges}
