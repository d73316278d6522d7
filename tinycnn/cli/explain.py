"""``tinycnn explain``: every step of an operation, a network or a training step, forward and backward."""

import argparse
import io
import json
import re
import shutil
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import tinycnn
from tinycnn import explain as ex
from tinycnn import models
from tinycnn.explain import own
from tinycnn.explain.examples import EXAMPLES, POOLS
from tinycnn.explain.setup import Setup
from tinycnn.explain.whole import WHOLE, graph_of_loss
from tinycnn.fit.settings import MissingRun
from tinycnn.storage import FileError, write_atomically

from .common import Say, WrongUse, integer, number

HELP = "show every step of an operation on small numbers or your own, forward and backward"
EXAMPLE = "tinycnn explain conv2d --size 5 --kernel 3 --stride 2 --backward"

SHORT = {  # other names of operations that are understood
    "conv": "conv2d",
    "conv_transpose": "conv_transpose2d",
    "dense": "linear",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
    "l1": "l1_loss",
    "lr_schedule": "schedule",
    "metrics": "scores",
}
GRAPH = ("model", "run_folder", "batch_size")
OPERATIONS = {name: (entry.takes, entry.backward) for name, entry in (EXAMPLES | WHOLE).items()}
OPERATIONS["graph"] = (GRAPH, True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("operation", type=_name, choices=OPERATIONS, metavar="OPERATION", help=", ".join(OPERATIONS))
    add("--backward", action="store_true", help="explain the gradients, too")
    add("--size", type=integer(1), help="H and W of the input; of a row, how many numbers")
    add("--batch-size", type=integer(1), help="N, the images of the batch")
    add("--channels", type=integer(1), help="C, the channels of the input")
    add("--filters", type=integer(1), help="K, the filters; of linear, the outputs")
    add(
        "--kernel",
        metavar="KERNEL",
        help=f"KH and KW; or rows, as '1 0 -1; 2 0 -2; 1 0 -1'; or a name: {', '.join(own.KERNELS)}",
    )
    add("--stride", type=integer(1), help="SH and SW, the stride")
    add("--padding", type=integer(0), help="PH and PW, the padding")
    add("--dilation", type=integer(1), help="DH and DW, the dilation")
    add("--groups", type=integer(1), help="G, the groups")
    add("--statistic", choices=POOLS, help="what a pool computes (default: max; global_pool: avg)")
    add("--label-smoothing", type=number(0), help="label smoothing of cross_entropy (default: 0)")
    add("--p", type=number(0), help="probability that dropout drops a number (default: 0.5)")
    add("--sparsity", type=number(0), help="share of the weights to prune (default: 0.5)")
    add("--lr", type=number(0), help="learning rate (default: 0.1; adam: 0.01, training_step: 0.001)")
    add(
        "--input",
        type=Path,
        metavar="FILE",
        help="your own input: a picture, or a .npy file, which may lack leading dimensions",
    )
    add("--weight", type=Path, metavar="FILE.npy", help="your own weight")
    add(
        "--model",
        metavar="MODEL",
        help=f"{', '.join(models.MODELS)}, or your own, FILE.py:NAME (default: cnn28)",
    )
    add("--run", type=Path, dest="run_folder", metavar="RUN", help="run folder of a trained network")
    add("--layer", help="layer of features, by name (default: the one before the last with weights)")
    add("--image", type=Path, help="your own picture (default: a test digit)")
    add(
        "--invert",
        action="store_true",
        default=None,
        help="invert your picture: dark on bright becomes bright on dark",
    )
    add("--watch", type=integer(2), metavar="TIMES", help="repeat a training step, and show what changes")
    add(
        "--cells",
        nargs="+",
        metavar="CELL",
        help="step through these only, as 'y[0,0,:2,:2]' 'dL/dx[0,0,1,1]'",
    )
    add("--step", type=integer(1), help="print this step only; a picture shows this step (default: 1)")
    add("--seed", type=integer(0), default=0, help="seed of the numbers (default: 0)")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="write a .gif, .html, .json, .png, .svg or .pdf; of a graph also .dot",
    )


def _name(given: str) -> str:
    """Return the API's name of an operation."""
    name = given.replace("-", "_")
    return SHORT.get(name, name)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print the steps, or write them to a file."""
    _refuse_what_is_not_taken(args)
    tinycnn.manual_seed(args.seed)
    options = _setup(args)
    try:
        if args.operation == "graph":
            return _graph(args, say, graph_of_loss(Setup(**options)))
        if args.operation in WHOLE:
            explanation = WHOLE[args.operation].explain(Setup(**options))
        else:
            explanation = ex.example(args.operation, **options)
    except (WrongUse, FileError, MissingRun):
        raise
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


def _setup(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given, as those of `Setup`."""
    if args.run_folder and args.model:
        raise WrongUse("--run is a network already: leave --model out")
    names = {field.name for field in fields(Setup)}
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    return given | ({"cells": _cells(args.cells)} if args.cells else {})


def _refuse_what_is_not_taken(args: argparse.Namespace) -> None:
    always = ("operation", "backward", "step", "seed", "out", "json", "command", "run")
    takes, backward = OPERATIONS[args.operation]
    for name, value in vars(args).items():
        if value is not None and name not in (*always, *takes):
            options = ", ".join(map(_option, takes)) or "no options of its own"
            raise WrongUse(f"{args.operation} does not take {_option(name)}; it takes {options}")
    if args.backward and not backward:
        raise WrongUse(f"{args.operation} has no steps for --backward")


def _option(name: str) -> str:
    return "--run" if name == "run_folder" else f"--{name.replace('_', '-')}"


def _cells(texts: list[str]) -> dict[str, list[Any]]:
    """Return cells= for `explain`, from texts such as ``y[0,0,:2,:2]``."""
    cells: dict[str, list[Any]] = {}
    for text in texts:
        match = re.fullmatch(r"([^\[\]]+)\[([-\d:,\s]+)\]", text)
        if match is None:
            raise WrongUse(
                f"--cells {text!r}: name cells as the steps do, as in 'y[0,0,1,2]' or 'dL/dx[0,0,:2,:2]'"
            )
        try:
            index = tuple(_slice(part) for part in match[2].split(","))
        except ValueError:
            raise WrongUse(f"--cells {text!r}: {match[2]} is no index") from None
        cells.setdefault(match[1], []).append(index)
    return cells


def _slice(text: str) -> int | slice:
    parts = [int(part) if part.strip() else None for part in text.split(":")]
    if len(parts) == 1:
        if parts[0] is None:
            raise ValueError(text)
        return parts[0]
    return slice(*parts)


def _graph(args: argparse.Namespace, say: Say, found: ex.Graph) -> dict[str, Any]:
    """Print the computation graph of a loss as boxes, or write it as a picture or for Graphviz."""
    if args.out is None:
        ascii_only = not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
        say(found.boxes(shutil.get_terminal_size((80, 24)).columns, ascii_only))
    elif args.out.suffix.lower() == ".dot":
        write_atomically(args.out, found.dot().encode())
    elif args.out.suffix.lower() in (".png", ".svg", ".pdf"):
        content = io.BytesIO()
        found.draw().savefig(content, format=args.out.suffix[1:].lower())
        write_atomically(args.out, content.getvalue())
    else:
        raise WrongUse(f"{args.out}: a graph is written as .dot, .png, .svg or .pdf")
    if args.out:
        say(f"{args.out}: {len(found.nodes)} nodes")
    return {"nodes": [asdict(node) for node in found.nodes], "edges": found.edges}
