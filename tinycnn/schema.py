"""Descriptions of values that come from a user or a file; one serves Python, JSON and options.

A `Kind` checks a value and returns it, or says in a ValueError what would fit. Messages show the value
shortened and escaped, as it may be anything.
"""

from __future__ import annotations

import json
import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_COUNT = 10**9  # of anything that is counted
NUMBER = int | float | np.integer | np.floating
_cut = reprlib.Repr()
_cut.maxstring = _cut.maxother = _cut.maxlong = 60
_cut.maxlist = _cut.maxdict = _cut.maxtuple = 3
_cut.maxlevel = 2


def plain(text: object, most: int = 60) -> str:
    """Return a text for one line: control characters escaped, and not more than `most` characters.

    Examples
    --------
    >>> plain("a name of many words", 10)
    'a name of…'
    """
    start = str(text)[: most + 1]
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in start)
    return line if len(line) <= most else line[: most - 1] + "…"


def shown(value: object) -> str:
    """Return a value for a message, as ``repr`` does, but short whatever it is."""
    return plain(_cut.repr(value), 80)


def parse_json(text: str, most: int) -> Any:
    """Return the value of a JSON text of at most `most` characters; raise ValueError if it is no JSON."""
    if len(text) > most:
        raise ValueError(f"it has {len(text):,} characters, at most {most:,} fit")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:  # the error holds the whole text: only its message is used
        raise ValueError(f"it is no JSON: {plain(error)}") from None


class Kind(ABC):
    """A kind of value."""

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value; raise ValueError if it is not of this kind."""

    def parse(self, text: str) -> Any:
        """Return the value that an option's text stands for; it is checked as by `check`."""
        return self.check(text)


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number, `least` to `most`."""

    least: int = 0
    most: int = MOST_COUNT

    def check(self, value: Any) -> int:
        """Return the number."""
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is no integer")  # noqa: TRY004 (as for files)
        if value < self.least:
            raise ValueError(f"{shown(value)} is below {self.least}")
        if value > self.most:
            raise ValueError(f"{shown(value)} is above {self.most:,}")
        return int(value)

    def parse(self, text: str) -> int:
        """Return the number that the text stands for."""
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{shown(text)} is no integer") from None
        return self.check(value)


@dataclass(frozen=True)
class Number(Kind):
    """A finite number of at least `least`, or above it; and below `below`."""

    least: float = -math.inf
    included: bool = True
    below: float = math.inf

    def check(self, value: Any) -> float:
        """Return the number."""
        if not isinstance(value, NUMBER) or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is no number")  # noqa: TRY004
        if not (self.least <= value if self.included else self.least < value) or abs(value) == math.inf:
            least = "" if self.least == -math.inf else f" {'of at least' if self.included else 'above'}"
            least += f" {self.least:g}" if least else ""
            raise ValueError(f"{shown(value)} is not a finite number{least}")
        if value >= self.below:
            raise ValueError(f"{shown(value)} is not below {self.below:g}")
        return float(value)

    def parse(self, text: str) -> float:
        """Return the number that the text stands for."""
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{shown(text)} is no number") from None
        return self.check(value)


@dataclass(frozen=True)
class AnyNumber(Kind):
    """A number, also NaN or infinity: a measured value."""

    def check(self, value: Any) -> float:
        """Return the number."""
        if not isinstance(value, NUMBER) or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is no number")  # noqa: TRY004
        return value  # type: ignore[return-value]


@dataclass(frozen=True)
class Text(Kind):
    """A text of 1 to `most` characters."""

    most: int = 4096

    def check(self, value: Any) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is no text")  # noqa: TRY004
        if not 1 <= len(value) <= self.most:
            raise ValueError(f"{shown(value)} has {len(value):,} characters, 1 to {self.most:,} fit")
        return value


@dataclass(frozen=True)
class Choice(Kind):
    """One of some texts."""

    names: Sequence[str]

    def check(self, value: Any) -> str:
        """Return the text."""
        if not isinstance(value, str) or value not in self.names:
            raise ValueError(f"unknown: {shown(value)}; there are {', '.join(self.names)}")
        return value


@dataclass(frozen=True)
class Flag(Kind):
    """True or False."""

    def check(self, value: Any) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is neither true nor false")  # noqa: TRY004
        return value


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of `least` to `most` values of one kind."""

    kind: Kind
    least: int = 0
    most: int = MOST_COUNT

    def check(self, value: Any) -> list[Any]:
        """Return the values."""
        if not isinstance(value, list | tuple):
            raise ValueError(f"{shown(value)} is no list")  # noqa: TRY004
        if not self.least <= len(value) <= self.most:
            raise ValueError(f"it is a list of {len(value):,}, {self.least:,} to {self.most:,} fit")
        return [_named(f"[{i}]", self.kind, entry) for i, entry in enumerate(value)]


@dataclass(frozen=True)
class OneOrSeveral(Kind):
    """A value of one kind, or a list of them."""

    kind: Kind

    def check(self, value: Any) -> Any:
        """Return the value."""
        return (ListOf(self.kind, 1) if isinstance(value, list) else self.kind).check(value)


@dataclass(frozen=True)
class OrNothing(Kind):
    """A value of one kind, or None."""

    kind: Kind

    def check(self, value: Any) -> Any:
        """Return the value."""
        return None if value is None else self.kind.check(value)


@dataclass(frozen=True)
class Fields(Kind):
    """Values by name: all of `required`, any of `optional`. Others are left out, or of the kind `others`."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    others: Kind | None = None

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of the value of each name."""
        return {**self.required, **self.optional}

    def check(self, value: Any) -> dict[str, Any]:
        """Return the values that are known."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{shown(value)} has no fields")  # noqa: TRY004
        missing = [name for name in self.required if name not in value]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
        kinds = self.kinds
        if self.others is not None:
            kinds |= {name: self.others for name in value if name not in kinds}
        return {name: _named(name, kind, value[name]) for name, kind in kinds.items() if name in value}


def _named(name: str, kind: Kind, value: Any) -> Any:
    """Return a checked value; the message of an error begins with its name."""
    try:
        return kind.check(value)
    except ValueError as error:
        raise ValueError(f"{plain(name)}: {error}") from None
