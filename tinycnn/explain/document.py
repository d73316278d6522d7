"""Explanations as JSON, for a page or a program that draws the steps in its own way.

One object, schema ``tinycnn.explain`` version 1::

    schema, version   "tinycnn.explain", 1
    operation         its name
    options           name -> value, as the caller gave them
    output            which array is the result
    arrays            name -> {shape, dtype, values}: nested lists; null for an array above 4,096 elements
    steps             in order, each
      phase           "forward", "backward" or "update"
      title, equation, numbers, sentence
      mathml          the equation as `math` elements, between which lines may break: [tag, children or text]
      terms           of a sum: [{factors: [{array, index, value}], divisor, tag, value}]; divisor: a factor
                      or null; value: the product of the factors, divided by it
      panels          [{title, array, index, values, padding, marks, tags, frames, pending,
                      picture}]
        values        rows of numbers
        padding       [PH, PW]: rows and columns of zeros to draw around
        marks         [{cell: [i, j], role}], role one of "asked", "read", "weight", "winner", "result"
        tags          [{cell: [i, j], tag}]: the same letter stands on cells that are multiplied
        frames        [{tag, first: [i, j], last: [i, j]}]: windows to outline
        pending       [[i, j]]: computed in a later step
        picture       whether to draw grey values rather than numbers

Cells count from the array's first element; those in the padding are negative or beyond it. JSON has no NaN:
it stands as the string "NaN", infinities as "Infinity" and "-Infinity". A page that has the arrays already
asks for a document without them: then all ``values`` of arrays and panels are null.
"""

import json
import math
from typing import Any

import numpy as np

from .mathml import pieces
from .steps import Explanation, Panel, Quantity, Step, Term

SCHEMA, VERSION = "tinycnn.explain", 1
LARGEST = 4096  # elements of an array that is written out

_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(explanation: Explanation, values: bool = True) -> str:
    """Return the explanation as JSON; without `values`, those of its arrays and panels are left out."""
    return json.dumps(to_dict(explanation, values), ensure_ascii=False, allow_nan=False)


def to_dict(explanation: Explanation, values: bool = True) -> dict[str, Any]:
    """Return what `to_json` writes, as dicts, lists, texts and numbers."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "operation": explanation.operation,
        "options": {name: _plain(value) for name, value in explanation.options.items()},
        "output": explanation.output,
        "arrays": {
            name: {
                "shape": list(a.shape),
                "dtype": a.dtype.name,
                "values": _plain(a) if values and a.size <= LARGEST else None,
            }
            for name, a in explanation.arrays.items()
        },
        "steps": [_step(step, values) for step in explanation],
    }


def read_json(text: str) -> Explanation:
    """Return the explanation that `to_json` wrote; arrays whose values it left out are missing.

    Raises
    ------
    ValueError
        If it is no such document, or one of another version.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or (document.get("schema"), document.get("version")) != (
        SCHEMA,
        VERSION,
    ):
        raise ValueError(f"no explanation: the schema must be {SCHEMA!r}, version {VERSION}")
    arrays = {
        name: np.array(_numbers(a["values"]), a["dtype"]).reshape(a["shape"])
        for name, a in document["arrays"].items()
        if a["values"] is not None
    }
    steps = tuple(_read_step(step) for step in document["steps"])
    return Explanation(document["operation"], document["options"], arrays, steps, document["output"])


def _step(step: Step, values: bool) -> dict[str, Any]:
    return {
        "phase": step.phase,
        "title": step.title,
        "equation": step.equation,
        "mathml": pieces(step.equation),
        "numbers": step.numbers,
        "sentence": step.sentence,
        "terms": [
            {
                "factors": [_quantity(q) for q in term.factors],
                "divisor": None if term.divisor is None else _quantity(term.divisor),
                "tag": term.tag,
                "value": _plain(term.value),
            }
            for term in step.terms
        ],
        "panels": [_panel(panel, values) for panel in step.panels],
    }


def _quantity(q: Quantity) -> dict[str, Any]:
    return {"array": q.array, "index": list(q.index), "value": _plain(q.value)}


def _panel(panel: Panel, values: bool) -> dict[str, Any]:
    return {
        "title": panel.title,
        "array": panel.array,
        "index": list(panel.index),
        "values": _plain(panel.values) if values else None,
        "padding": list(panel.padding),
        "marks": [{"cell": list(cell), "role": role} for cell, role in panel.marks.items()],
        "tags": [{"cell": list(cell), "tag": letter} for cell, letter in panel.tags.items()],
        "frames": [
            {"tag": letter, "first": list(first), "last": list(last)}
            for letter, (first, last) in panel.frames.items()
        ],
        "pending": sorted(list(cell) for cell in panel.pending),
        "picture": panel.picture,
    }


def _plain(value: Any) -> Any:
    """Return arrays and NumPy numbers as lists and Python numbers, NaN and infinities as strings."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return repr(value)


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return _NAMED.get(value, value) if isinstance(value, str) else value


def _read_step(step: dict[str, Any]) -> Step:
    terms = [
        Term(
            tuple(_read_quantity(q) for q in term["factors"]),
            None if term["divisor"] is None else _read_quantity(term["divisor"]),
            term["tag"],
        )
        for term in step["terms"]
    ]
    panels = tuple(_read_panel(panel) for panel in step["panels"])
    texts = {name: step[name] for name in ("phase", "title", "equation", "numbers", "sentence")}
    return Step(**texts, panels=panels, terms=tuple(terms))


def _read_quantity(q: dict[str, Any]) -> Quantity:
    return Quantity(q["array"], tuple(q["index"]), float(_numbers(q["value"])))


def _read_panel(panel: dict[str, Any]) -> Panel:
    return Panel(
        panel["title"],
        panel["array"],
        tuple(panel["index"]),
        _read_values(panel["values"]),
        _pair(panel["padding"]),
        {_pair(m["cell"]): m["role"] for m in panel["marks"]},
        {_pair(t["cell"]): t["tag"] for t in panel["tags"]},
        {f["tag"]: (_pair(f["first"]), _pair(f["last"])) for f in panel["frames"]},
        frozenset(_pair(cell) for cell in panel["pending"]),
        panel["picture"],
    )


def _read_values(values: Any) -> np.ndarray:
    """Return the values of a panel; of one that was written without them, an array without cells."""
    return np.zeros((0, 0)) if values is None else np.array(_numbers(values), float)


def _pair(values: list[int]) -> tuple[int, int]:
    return values[0], values[1]
