"""``tinycnn lab``: your network on your picture, forward and backward, on a page in the browser."""

import argparse
import os
import sys
import webbrowser
from pathlib import Path
from typing import Any

from tinycnn import backend as _backend

from .common import FailedRun, Say, WrongUse, integer

HELP = "show a network on a page in the browser: every map, every sum, every gradient"
EXAMPLE = "tinycnn lab runs/cnn28-digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "run_folder",
        type=Path,
        nargs="?",
        metavar="RUN",
        help="run folder (default: a small network that is trained in a few seconds)",
    )
    add("--port", type=integer(1), help="on this machine (default: 8765, or another one if it is taken)")
    add(
        "--token",
        help="a secret of at least 16 letters and digits for the address (default: a random one). With the "
        "same port and token, open pages connect again after a restart",
    )
    add("--no-browser", action="store_true", help="print the address, and open no browser")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Serve until Ctrl-C."""
    from tinycnn.lab import load_network, serve
    from tinycnn.lab.guard import check_token

    if args.port is not None and args.port > 65535:
        raise WrongUse(f"--port {args.port}: a port is a number up to 65535")
    if args.token is not None:
        try:
            check_token(args.token)
        except ValueError as error:
            raise WrongUse(f"--token: {error}") from None
    addresses = []

    def ready(address: str) -> None:
        addresses.append(address)
        say(f"the lab is at {address}")
        say("Ctrl-C ends it")
        if not args.no_browser and not _opened(address):
            say("no browser could be opened: open the address yourself")

    with _backend.using("numpy"):  # one picture is too little work for a GPU
        network = None if args.run_folder is None else load_network(args.run_folder)
        try:
            serve(network, args.port, args.token, ready)
        except ImportError as error:
            raise FailedRun(str(error)) from None
    say("the lab has ended")
    return {"address": addresses[0] if addresses else None}


def _opened(address: str) -> bool:
    """Open a browser, and keep quiet what it prints."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
