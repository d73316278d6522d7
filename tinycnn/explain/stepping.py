"""Going through the steps on a terminal: which key leads where, and what fits on the screen."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .steps import Explanation, Index

HELP = "n: next   p: back   arrows: next cell   d: dL/dx   g G: ends   q: quit"
HELP_BELOW = "n: next  p: back  arrows: next cell  d: dL/dx  space: {below} more lines  q: quit"
NEXT, BACK, FIRST, LAST, QUIT, MORE, GRADIENT = "next", "back", "first", "last", "quit", "more", "gradient"
MOVES = {"\x1b[A": (-1, 0), "\x1b[B": (1, 0), "\x1b[C": (0, 1), "\x1b[D": (0, -1)}  # rows and columns
KEYS = {
    **dict.fromkeys(("\r", "\n", "n", "j"), NEXT),
    **dict.fromkeys(("p", "k", "b", "\x7f"), BACK),
    **dict.fromkeys(("g", "\x1b[H"), FIRST),
    **dict.fromkeys(("G", "\x1b[F"), LAST),
    **dict.fromkeys(("q", "\x1b", "\x03", "\x04", ""), QUIT),
    **dict.fromkeys((" ", "\x1b[6"), MORE),
    "d": GRADIENT,
}


class Place:
    """Where in an explanation somebody is: the step, and how far down its text."""

    def __init__(self, explanation: Explanation) -> None:
        self.steps = explanation.steps
        self.at = self.top = 0
        self.over = False  # whether to stop
        self._step_of: dict[tuple[str, Index], int] = {}
        for at, step in enumerate(self.steps):
            for result in step.results:
                self._step_of.setdefault(result, at)

    def press(self, key: str, below: int) -> bool:
        """Go where a key leads, with `below` lines that did not fit; return False if it means nothing."""
        before = self.at, self.top
        action, last = KEYS.get(key), len(self.steps) - 1
        if key in MOVES:
            self._go(self._neighbour(*MOVES[key]))
        elif action in (NEXT, MORE):
            self.over = self.at == last and not (action == MORE and below > 0)
            if action == MORE and below > 0:
                self.top += max(below, 1)
            else:
                self._go(min(self.at + 1, last))
        elif action == GRADIENT:
            self._go(self._next_gradient())
        elif action is None:
            return False
        else:
            self.over = action == QUIT
            self._go({BACK: max(self.at - 1, 0), FIRST: 0, LAST: last, QUIT: self.at}[action])
        return self.over or before != (self.at, self.top) or key not in MOVES

    def _go(self, at: int) -> None:
        if at != self.at:
            self.at, self.top = at, 0

    def _neighbour(self, rows: int, columns: int) -> int:
        """Return the step of the next cell in a direction; without one, the step before (left) or after."""
        for array, index in self.steps[self.at].results:
            by = (rows, columns) if len(index) > 1 else (columns,) * len(index)
            moved = (*index[:-2], *(i + d for i, d in zip(index[-2:], by, strict=True)))
            if moved != index and (array, moved) in self._step_of:
                return self._step_of[array, moved]
        return min(max(self.at + columns, 0), len(self.steps) - 1)

    def _next_gradient(self) -> int:
        """Return the first step of the next gradient; after the last gradient, that of the first one."""
        firsts: dict[str, int] = {}
        for at, step in enumerate(self.steps):
            for array, _ in step.results:
                if array.startswith("dL/d"):
                    firsts.setdefault(array, at)
        here = dict(self.steps[self.at].results)
        order = sorted(firsts.values())
        if current := [firsts[array] for array in here if array in firsts]:
            return next((at for at in order if at > max(current)), order[0])
        return order[0] if order else self.at


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Give a function that waits for a key and returns its characters; an arrow key has three."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield _read_windows_key
        return
    descriptor = sys.stdin.fileno()

    def read_key() -> str:
        key = os.read(descriptor, 1)
        while key[:1] == b"\x1b" and len(key) < 3 and select.select([descriptor], [], [], 0.05)[0]:
            key += os.read(descriptor, 1)
        return key.decode(errors="replace")

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSANOW)  # what was typed ahead counts
    try:
        yield read_key
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _read_windows_key() -> str:
    import msvcrt

    read: Any = msvcrt
    key = read.getwch()
    if key in ("\x00", "\xe0"):
        return {"M": "\x1b[C", "P": "\x1b[B", "K": "\x1b[D", "H": "\x1b[A"}.get(read.getwch(), "?")
    return str(key)
