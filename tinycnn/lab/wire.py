"""Messages between the page and the server.

A request is one JSON object: ``{"id": 7, "do": "why", "array": "a3", "cell": [0, 2, 4, 4]}``. Its answer has
the same id, and the fields asked for, or ``error``, a sentence. What the server sends by itself has ``event``
instead of an id. Answers with arrays are binary::

    4 bytes     length n of the head, little-endian
    n bytes     the head, JSON, padded with spaces to a multiple of 4; its `arrays` say what follows:
                [{name, shape, offset, ...}], offset in numbers from the end of the head
    the rest    float32, little-endian

JSON has no NaN: it stands as the string "NaN", infinities as "Infinity" and "-Infinity".
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.schema import Fields, Integer, Text, parse_json

MOST_BYTES = 8_000_000  # of a message
MOST_CELLS = 1 << 18  # numbers of one array that are sent; of larger ones the first channels
REQUEST = Fields({"id": Integer(0, 1 << 53), "do": Text(40)})


@dataclass(frozen=True)
class Array:
    """An array that is sent: its name, what is said of it, and its values."""

    name: str
    values: np.ndarray
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What is sent: fields for the head, and arrays."""

    fields: dict[str, Any] = field(default_factory=dict)
    arrays: Sequence[Array] = ()


def one_picture(name: str, values: np.ndarray) -> Array:
    """Return an array of one picture without N; of a large one, as many channels as may be sent."""
    values = values[0]
    about = {"channels": len(values)}
    if values.ndim == 3:
        values = values[: max(1, MOST_CELLS // (values.shape[1] * values.shape[2]))]
    return Array(name, values, about)


# What a request must have, and the function that answers it, given the session and these fields.
Command = tuple[Fields, Callable[[Any, dict[str, Any]], Reply]]


class RequestError(ValueError):
    """A request that is none: it has no id to answer to."""


def read_request(message: str | bytes | None) -> dict[str, Any]:
    """Return a request as a dict with an id and what to do.

    Raises
    ------
    RequestError
        If it is too long, no JSON, or has no id or nothing to do.
    """
    if not isinstance(message, str):
        raise RequestError("a request is a text with JSON in it")
    try:
        request = parse_json(message, MOST_BYTES)
        REQUEST.check(request)
    except ValueError as error:
        raise RequestError(f"this is no request: {error}") from None
    return request


def pack(reply: Reply, **fields: Any) -> str | bytes:
    """Return a message: a text, or bytes if it has arrays."""
    head = {**fields, **reply.fields}
    if not reply.arrays:
        return _json(head)
    parts, listed, offset = [], [], 0
    for array in reply.arrays:
        values = np.ascontiguousarray(array.values, "<f4")
        listed.append(
            {**array.about, "name": array.name, "shape": list(array.values.shape), "offset": offset}
        )
        parts.append(values.tobytes())
        offset += values.size
    text = _json({**head, "arrays": listed}).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(message: str | bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the head and the arrays of a message, as the page does."""
    if isinstance(message, str):
        return json.loads(message), {}
    n = int.from_bytes(message[:4], "little")
    head = json.loads(message[4 : 4 + n])
    numbers = np.frombuffer(message[4 + n :], "<f4")
    arrays = {}
    for a in head["arrays"]:
        size = math.prod(a["shape"])
        arrays[a["name"]] = numbers[a["offset"] : a["offset"] + size].reshape(a["shape"])
    return head, arrays


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # there is a NaN or an infinity somewhere
        return json.dumps(_named(value), ensure_ascii=False, allow_nan=False)


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_named(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
