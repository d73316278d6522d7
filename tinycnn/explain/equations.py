"""Equations as the engine's Functions state them, and the same with numbers put in."""

import inspect
import re

from .steps import number


def stated(of: type | None) -> tuple[str, str]:
    """Return the equation that a docstring begins with, and the derivative that follows in a Function's."""
    said = re.sub(r"\s*\(Eq\. \d+\)|``", "", (inspect.getdoc(of) if of else None) or "")
    equation = said.partition("\n\n")[0].replace("\n", " ").partition(". ")[0]
    derivative = re.search(r"dL(?:_n)?/d.*?(?=\.\s|\.$|: |\n\n|$)", said, re.DOTALL)
    return _typeset(equation), _typeset(derivative[0]) if derivative else ""


def right_side(equation: str) -> str:
    """Return the right side of an equation, without remarks: "x" for "y = x, and so on"."""
    text = equation.partition(" = ")[2]
    depth = 0
    for at, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0 and not text.startswith(", else", at):
            return text[:at]
    return f"({text})" if ", else" in text else text


def put_in(expression: str, values: dict[str, float]) -> str:
    """Return an expression with its letters replaced by their numbers.

    >>> put_in("g·y·(1 - y)", {"g": -2.0, "y": 0.25})
    '-2·0.25·(1 - 0.25)'
    >>> put_in("lr·(x - t)", {"lr": 0.1, "x": -1.0, "t": -3.0})
    '0.1·(-1 - (-3))'
    """
    names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))

    def replaced(match: re.Match[str]) -> str:
        text = number(values[match[0]])
        first = not expression[: match.start()] or expression[match.start() - 1] == "("
        alone = first and not expression.startswith(("²", "^"), match.end())
        return text if alone or not text.startswith("-") else f"({text})"

    return re.sub(rf"(?<![\w'])(?:{names})(?![a-zA-Z0-9_('\u0302])", replaced, expression)


def _typeset(text: str) -> str:
    """Write a docstring's equation as steps do: ``g * x^2`` as g·x²."""
    text = " ".join(text.split()).rstrip(".").replace(" * ", "·").replace("{", "(").replace("}", ")")
    return re.sub(r"\^2(?!\d)", "²", text)
