"""Show a verdict as text: on a terminal with colours and the step, in a notebook with the step's figure."""

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np

from tinycnn.schema import plain

from .sandbox.encoding import text_of
from .verdict import Verdict

LONGEST = 600  # characters of one argument


def show(verdict: Verdict) -> None:
    """Print the verdict; draw the step if there is a screen for it."""
    on_terminal = sys.stdout.isatty() and find_spec("rich") is not None
    if on_terminal:
        _show_in_colour(verdict)
    else:
        print("\n".join(lines_of(verdict)), flush=True)
    if verdict.steps and not on_terminal and _in_a_notebook() and find_spec("matplotlib") is not None:
        from IPython.display import display

        from tinycnn.explain import draw

        display(draw(verdict.steps[0]))


def lines_of(verdict: Verdict) -> list[str]:
    """Return the verdict as lines of plain text."""
    lines = [f"{verdict.exercise}: {verdict.message}", *verdict.notes]
    if verdict.traceback:
        lines += ["", verdict.traceback]
    if verdict.case is not None:
        lines += ["", "The smallest call that goes wrong:"]
        lines += [_named(name, value) for name, value in verdict.case.arguments.items()]
        lines += [_named("yours", verdict.case.yours), _named("right", verdict.case.right)]
    if verdict.steps:
        lines += ["", f"The first number that differs: {verdict.steps[0].numbers}"]
    # The text of a learner's function may contain commands to the terminal.
    return [plain(line, 10 * len(line) + 1) for text in lines for line in text.split("\n")]


def _show_in_colour(verdict: Verdict) -> None:
    from rich.console import Console
    from rich.text import Text

    from tinycnn.explain.terminal import render

    console = Console(highlight=False, soft_wrap=True)
    first, *others = lines_of(verdict)
    console.print(Text(first, "bold green" if verdict.right else "bold yellow"))
    console.print(Text("\n".join(others)))
    for step in verdict.steps:
        for line in render(step, console.width):
            console.print(line)


def _named(name: str, value: Any) -> str:
    text = _text(value)
    return (
        f"  {name} = {text}"
        if "\n" not in text
        else f"  {name} =\n" + "\n".join(f"    {line}" for line in text.split("\n"))
    )


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        text = np.array2string(value, precision=4, separator=", ", suppress_small=True, threshold=100)
        return f"{text}  {value.shape}"
    if isinstance(value, np.generic | float):
        return f"{float(value):.6g}"
    if isinstance(value, list | tuple):
        text = ", ".join(map(_text, value))
        return f"[{text}]" if isinstance(value, list) else f"({text})"
    text = text_of(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _in_a_notebook() -> bool:
    """Return whether this runs in a notebook, which can show figures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
