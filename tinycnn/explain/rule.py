"""What is said of an operation that treats every number by itself."""

from collections.abc import Callable
from typing import NamedTuple


class Rule(NamedTuple):
    """An operation's equations, and texts with this step's numbers put in.

    Which numbers `forward` and `backward` are given, the table of rules says.
    """

    equation: str
    forward: Callable[[float, float], str]
    derivative: str
    backward: Callable[[float, float, float, float], str]
    sentence: str
