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
                      picture, ndim}]
        values        rows of numbers
        padding       [PH, PW]: rows and columns of zeros to draw around
        marks         [{cell: [i, j], role}], role one of "asked", "read", "weight", "winner", "result"
        tags          [{cell: [i, j], tag}]: the same letter stands on cells that are multiplied
        frames        [{tag, first: [i, j], last: [i, j]}]: windows to outline
        pending       [[i, j]]: computed in a later step
        picture       whether to draw grey values rather than numbers
        ndim          how many indices of a cell stand behind `index`: 2 in a matrix, 1 (the column) in a
                      vector, 0 for a number

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
    known = {"schema": SCHEMA, "version": VERSION}
    if not isinstance(document, dict) or {name: document.get(name) for name in known} != known:
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
        "terms": [{**_plain(vars(term)), "value": _plain(term.value)} for term in step.terms],
        "panels": [_panel(panel, values) for panel in step.panels],
    }


def _panel(panel: Panel, values: bool) -> dict[str, Any]:
    frames = [{"tag": tag, "first": first, "last": last} for tag, (first, last) in panel.frames.items()]
    return _plain(
        vars(panel)
        | {
            "values": panel.values if values else None,
            "marks": [{"cell": cell, "role": role} for cell, role in panel.marks.items()],
            "tags": [{"cell": cell, "tag": letter} for cell, letter in panel.tags.items()],
            "frames": frames,
            "pending": sorted(panel.pending),
        }
    )


def _plain(value: Any) -> Any:
    """Return arrays and NumPy numbers as lists and Python numbers, NaN and infinities as strings."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Quantity):
        value = vars(value)
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
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
    texts = {name: step[name] for name in ("phase", "title", "equation", "numbers", "sentence")}
    panels, terms = map(_read_panel, step["panels"]), map(_read_term, step["terms"])
    return Step(**texts, panels=tuple(panels), terms=tuple(terms))


def _read_term(term: dict[str, Any]) -> Term:
    divisor = term["divisor"] and _read_quantity(term["divisor"])
    return Term(tuple(map(_read_quantity, term["factors"])), divisor, term["tag"])


def _read_quantity(q: dict[str, Any]) -> Quantity:
    return Quantity(q["array"], tuple(q["index"]), float(_numbers(q["value"])))


def _read_panel(panel: dict[str, Any]) -> Panel:
    values = panel["values"]
    read = {
        "index": tuple(panel["index"]),
        "values": np.zeros((0, 0)) if values is None else np.array(_numbers(values), float),
        "padding": tuple(panel["padding"]),
        "marks": {tuple(m["cell"]): m["role"] for m in panel["marks"]},
        "tags": {tuple(t["cell"]): t["tag"] for t in panel["tags"]},
        "frames": {f["tag"]: (tuple(f["first"]), tuple(f["last"])) for f in panel["frames"]},
        "pending": frozenset(map(tuple, panel["pending"])),
    }
    return Panel(**panel | read)
