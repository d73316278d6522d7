"""Mistakes: small changes of a right implementation's text, and how a list of them is written."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

Change = tuple[str, str]  # what stands in the right implementation, and what stands there instead
Way = Change | tuple[Change, ...] | Callable[..., Any]


class Mistake:
    """A mistake that learners make in one exercise.

    Parameters
    ----------
    name
        Its identifier.
    sentence
        What the learner did, and what to do. It does not say the line of code.
    ways
        How one can make it; each way is one change ``(old, new)`` of a right implementation's text, several
        changes ``((old, new), (old, new))``, or a whole function that is wrong. A change replaces every
        occurrence of `old`. Learners write the same mistake in different ways, and get different numbers.
    """

    def __init__(self, name: str, sentence: str, *ways: Way) -> None:
        self.name, self.sentence = name, sentence
        self.ways = tuple(_changes(way) if isinstance(way, tuple) else way for way in ways)

    def __repr__(self) -> str:
        return f"Mistake({self.name})"


def read_mistakes(text: str, **ways: Sequence[Way]) -> tuple[Mistake, ...]:
    """Return the mistakes that a text lists.

    Parameters
    ----------
    text
        For each mistake its name, ``:`` and its sentence; below them, indented, the ways in which one can
        make it: ``old -> new``. A line that is indented deeper belongs to the one above it. ``;`` stands
        between changes that are made at once. If nothing follows the arrow, `old` is taken out.
        Lines of code that follow the arrow stand in the function's body.
    ways
        For mistakes of the text, by name: further ways that cannot be written like this.

    Examples
    --------
    >>> read_mistakes('''
    ... no_root: You return the square of the length. One step is missing.
    ...     np.sqrt(total) -> total
    ... sizes: You add up absolute values. A length comes from squares.
    ...     x**2 -> np.abs(x)
    ... ''')
    (Mistake(no_root), Mistake(sizes))

    Raises
    ------
    ValueError
        If a mistake has no way, a way is no change, or a name of `ways` stands for none of the mistakes.
    """
    found = []
    for part in re.split(r"\n(?=\S)", textwrap.dedent(text).strip()):
        name, _, rest = part.partition(":")
        lines = rest.split("\n")
        end = next((i for i, line in enumerate(lines) if "->" in line), len(lines))
        sentence = " ".join(line.strip() for line in lines[:end]).strip()
        found.append(Mistake(name, sentence, *_read_ways("\n".join(lines[end:])), *ways.pop(name, ())))
        if not found[-1].ways:
            raise ValueError(f"the mistake {name!r} has no way to make it, such as: old -> new")
    if ways:
        raise ValueError(f"there are ways of making {', '.join(ways)}, which is no mistake of the text")
    return tuple(found)


def _read_ways(text: str) -> Iterator[tuple[Change, ...]]:
    for way in re.split(r"(?<!;)\n(?=\S)", textwrap.dedent(text)) if text else ():
        changes = [tuple(change.split("->", 1)) for change in way.split(";")]
        if not all(len(change) == 2 and change[0].strip() for change in changes):
            raise ValueError(f"{way!r} is no change, such as: old -> new")
        yield tuple((old.strip(), _in_a_body(new)) for old, new in changes)


def _in_a_body(code: str) -> str:
    """Return code with the indentation of a function's body, from its second line on."""
    return textwrap.indent(textwrap.dedent(code.lstrip(" ").lstrip("\n")), "    ").strip()


def changed(model: Callable[..., Any], changes: Sequence[Change]) -> Callable[..., Any] | None:
    """Return `model` with its text changed; None if an `old` does not stand in it."""
    source = _source(model)
    for old, new in changes:
        if old not in source:
            return None
        source = source.replace(old, new)
    try:
        code = compile(source, f"<{model.__name__}, with a mistake>", "exec")
    except SyntaxError:
        return None  # two changes that do not go together
    namespace = dict(model.__globals__)
    exec(code, namespace)
    function: Callable[..., Any] = namespace[model.__name__]
    return function


@lru_cache
def _source(model: Callable[..., Any]) -> str:
    """Return the text of a function without its docstring."""
    source = textwrap.dedent(inspect.getsource(model))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    lines = source.splitlines(keepends=True)
    if ast.get_docstring(definition) is not None:
        doc = definition.body[0]
        del lines[doc.lineno - 1 : doc.end_lineno]
    return "".join(lines)


def _changes(way: Any) -> tuple[Change, ...]:
    """Return one change, or several, as several."""
    return way if isinstance(way[0], tuple) else (way,)
