"""Read what a step shows, without the code that wrote it."""

import math
import re

import numpy as np

from tinycnn import backend

NUMBER = r"-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|NaN)"


def assert_equal(shown, computed):
    """Both are the same numbers. If a GPU computed them, its last bits may be others than those of NumPy."""
    if backend.current() == "cupy" and backend.library("cupy").__version__ != "stand-in":
        rtol = 8 * np.finfo(computed.dtype).eps if computed.dtype.kind == "f" else 0
        np.testing.assert_allclose(shown, computed, rtol, rtol)
    else:
        np.testing.assert_array_equal(shown, computed)


def printed(value):
    """A number as the steps print it."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    return "0" if value == 0 else f"{value:.4g}"


def element(name, arrays):
    """The element that a name such as ``dL/dx[0,0,2,1]`` stands for."""
    array, _, index = name.partition("[")
    return arrays[array][tuple(int(i) for i in index.rstrip("]").split(","))] if index else arrays[array][()]


def numbers_of(text):
    """All numbers on the right of the first equals sign."""
    return re.findall(r"(?<![\w.])" + NUMBER, text.partition(" = ")[2].replace("(", " ").replace(")", " "))


def check_panels(explanation):
    """Every panel shows the engine's array, knows which element stands in a cell, and marks cells it has."""
    for step in explanation:
        for panel in step.panels:
            array = explanation.arrays[panel.array]
            np.testing.assert_array_equal(panel.values.ravel(), array[panel.index].ravel())
            elements = [array[panel.element(cell)] for cell in np.ndindex(panel.values.shape)]
            np.testing.assert_array_equal(panel.values.ravel(), elements)
            assert {*panel.marks, *panel.tags} <= {(i, j) for i in panel.rows for j in panel.columns}


def check_sum(step, arrays):
    """Every number of a sum is the engine's to the last printed digit, and the parts add up to the result."""
    result = re.match(r"[^ ]+", step.numbers)[0]
    expected = []
    for term in step.terms:
        for q in [*term.factors, *([term.divisor] if term.divisor else [])]:
            assert q.value == element(q.name, arrays) or math.isnan(q.value)
            expected.append(printed(element(q.name, arrays)))
    shown = numbers_of(step.numbers)
    whole = printed(element(result, arrays))
    assert shown in ([*expected, whole], expected if expected else [whole], [whole])
    assert shown[-1] == whole
    parts = [
        math.prod(float(q.value) for q in term.factors) / (term.divisor.value if term.divisor else 1)
        for term in step.terms
    ]
    np.testing.assert_allclose(math.fsum(parts), element(result, arrays), rtol=1e-4, atol=1e-4)


def evaluate(text):
    """Both sides of ``name = expression = number``, the expression computed from its printed numbers."""
    expression, _, value = text.rpartition(" = ")
    expression = expression.rpartition(" = ")[2]
    expression = re.sub(rf"√({NUMBER})", r"sqrt(\1)", expression)
    expression = expression.replace(" where ", " if ").replace(", else ", " else ")
    for sign, python in (("·", "*"), ("²", "**2"), ("√", "sqrt"), ("^", "**"), ("log ", "log ")):
        expression = expression.replace(sign, python)
    expression = re.sub(rf"log ({NUMBER})", r"log(\1)", expression)
    functions = {
        "sqrt": math.sqrt,
        "log": math.log,
        "sign": np.sign,
        "max": max,
        "min": min,
        "abs": abs,
        "tanh": math.tanh,
        "e": math.e,
    }
    return eval(expression, {"__builtins__": {}}, functions), float(value)


def rounding(text):
    """How far both sides of ``name = expression = number`` may be apart: each number has four digits only."""
    begin, end = text.index(" = ") + 3, text.rindex(" = ")
    computed, shown = evaluate(text)
    total = abs(shown)
    for match in re.compile(r"(?<![\w.])" + NUMBER).finditer(text, begin, end):
        moved = f"{text[: match.start()]}{float(match[0]) * 1.001!r}{text[match.end() :]}"
        total += 1000 * abs(evaluate(moved)[0] - computed)
    return 6e-4 * total + 1e-12
