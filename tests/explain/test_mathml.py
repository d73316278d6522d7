"""Equations as MathML: every element has as many parts as it needs, and no letter of the text is lost."""

import re

import pytest

from tinycnn.explain import to_json
from tinycnn.explain.examples import EXAMPLES, example
from tinycnn.explain.mathml import pieces, to_html

PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3}
EQUATIONS = sorted(
    {
        step.equation
        for name, entry in EXAMPLES.items()
        for step in example(name, backward=entry.backward).steps
    }
)


def nodes(node):
    yield node
    if isinstance(node[1], list):
        for child in node[1]:
            yield from nodes(child)


def text(node):
    return "".join(map(text, node[1])) if isinstance(node[1], list) else node[1]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_every_equation_there_is(equation):
    found = [node for piece in pieces(equation) for node in nodes(piece)]
    for tag, content in found:
        assert re.fullmatch("math|m(i|n|o|text|row|sqrt|frac|sub|sup|under|over|subsup)", tag)
        if tag in PARTS:
            assert len(content) == PARTS[tag]
        if tag in ("mi", "mn", "mo", "mtext"):
            assert isinstance(content, str)
            assert content.strip()
    letters = re.sub(r"dL(?:_n)?/d|[^\w]|_|\u0302", "", equation)
    for name, sign in (("theta", "θ"), ("beta", "β"), ("eps", "ε"), ("²", "2")):
        letters = letters.replace(name, sign)
    whole = "".join(map(text, pieces(equation)))
    shown = re.sub(r"∂L∂|[^\w]|_|\u0302", "", whole)
    assert sorted(shown) == sorted(letters)
    pairs = [(whole.count(a), whole.count(b)) for a, b in ("()", "[]")]
    assert all(a == b for a, b in pairs)
    assert "{" not in whole


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("y = x²", "<math><mi>y</mi></math><math><mo>=</mo><msup><mi>x</mi><mn>2</mn></msup></math>"),
        (
            "dL/dx[n] = Σ_{c} g[n] / M",
            "<math><mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><msub><mi>x</mi><mi>n</mi></msub>"
            "</mrow></mfrac></math><math><mo>=</mo><mfrac><mrow><munder><mo>Σ</mo><mi>c</mi></munder>"
            "<msub><mi>g</mi><mi>n</mi></msub></mrow><mi>M</mi></mfrac></math>",
        ),
        (
            "1 / √(v + eps)",
            "<math><mfrac><mn>1</mn><msqrt><mi>v</mi><mo>+</mo><mi>ε</mi></msqrt></mfrac></math>",
        ),
        ("<b>", "<math><mo>&lt;</mo><mi>b</mi><mo>&gt;</mo></math>"),
        ("", ""),
    ],
)
def test_how_it_is_set(equation, expected):
    assert "".join(map(to_html, pieces(equation))) == expected


def test_a_condition_on_indices_breaks_at_its_commas_only():
    (equation,) = (e for e in EQUATIONS if e.startswith("dL/dx[n,c,i,j]") and "w[k,c,r,s]" in e)
    condition = equation.partition(" with ")[2].replace(" ", "")
    first, second = condition.partition("(from")[0].split(",")
    shown = ["".join(text(piece)) for piece in pieces(equation)]
    assert shown[-3:] == [f"{first},", second, "(from Eq. 1)"]
    assert len(shown) > 6  # before the condition it breaks at signs


@pytest.mark.parametrize(
    "equation", ["(", "]", "x[", "/", "√", "Σ_", "x^", "dL/d", "x_{", "a/", "²", "\u0302"]
)
def test_what_is_no_equation_is_no_trouble(equation):
    for piece in pieces(equation):
        for tag, content in nodes(piece):
            assert tag not in PARTS or len(content) == PARTS[tag]


def test_it_is_part_of_the_document():
    assert '"mathml": [["math", [["mi", "y"]]]' in to_json(example("relu"))
