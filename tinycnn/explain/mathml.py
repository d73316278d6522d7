"""Equations of steps as MathML, which browsers draw and screen readers speak without a library.

Steps write equations as text: ``y[n,k] = b[k] + Σ_{c} x[n,c]·w[k,c]``. Here they become trees of MathML
elements.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

# [tag, children] or [tag, text]: as JSON holds it.
Node = list[object]

TOKEN = re.compile(
    r"""(?P<derivative>dL(?:_n)?/d(?=\w))
    | (?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)
    | (?P<name>(?![ΣΠ])[^\W\d_]\u0302?(?:[^\W_²]|\u0302|_(?=\d))*)
    | (?P<eq>\((?:from\ )?Eq\.\ \d+\))
    | (?P<space>\s+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
GREEK = {"theta": "θ", "beta": "β", "sigma": "σ", "eps": "ε"}
# Words that are no letters of an equation; "a" is a word only behind another one.
WORDS = (
    "above all alone along and as at batch below beside cell cells channel computed dimension else elements "
    "from image images in is its losses normal number of one over place probability stands sum that the "
    "their there this to use uses where which whole whose windows with won"
)
PROSE = frozenset(WORDS.split())
BREAKS = ("=", "+", "-")


class Token(NamedTuple):
    """A piece of an equation's text, and what it is."""

    kind: str
    text: str


def pieces(equation: str) -> list[Node]:
    """Return an equation as ``math`` elements, ``[tag, children or text]``; lines may break between them.

    A condition on indices, which stands behind "with", is read as one: it breaks at its commas only.

    >>> pieces("y = a[n]²")
    [['math', [['mi', 'y']]], ['math', [['mo', '='], ['msubsup', [['mi', 'a'], ['mi', 'n'], ['mn', '2']]]]]]
    """
    rows: list[list[Node]] = [[]]
    condition = False
    for node in Reader(equation).row():
        tag, content = node
        if tag == "mtext":
            condition = "with" in str(content).split()
        starts = tag == "mo" and content in BREAKS and not condition
        if rows[-1] and (starts or tag == "mtext") and rows[-1] != [["mo", "="]]:
            rows.append([])
        rows[-1].append(node)
        ends = tag == "mo" and (content == "," or (content == "·" and not condition))
        if ends or tag == "mtext":
            rows.append([])
    return [["math", row] for row in rows if row]


def to_html(node: Node) -> str:
    """Return an element as HTML."""
    tag, content = node
    text = "".join(map(to_html, content)) if isinstance(content, list) else escape(str(content))
    return f"<{tag}>{text}</{tag}>"


class Reader:
    """Reads an equation from left to right.

    Parameters
    ----------
    equation
        As a step has it.
    """

    def __init__(self, equation: str) -> None:
        found = [Token(str(m.lastgroup), m[0]) for m in TOKEN.finditer(equation)]
        self.tokens, self.at = [token for token in found if token.kind != "space"], 0

    def peek(self) -> Token:
        """Return the next token; an empty one at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "")

    def take(self) -> Token:
        """Return the next token, and go on."""
        token = self.peek()
        self.at += 1
        return token

    def row(self, end: str = "") -> list[Node]:
        """Return the nodes up to the bracket `end`, and go past it; without it, up to the end of the text."""
        nodes: list[Node] = []
        while self.peek().kind != "end":
            if self.skipped(end):
                break
            if self.skipped("/"):
                start = _operand(nodes)
                over, nodes[start:] = nodes[start:], []
                nodes.append(["mfrac", [_one(_bare(over)), _one(_bare(self.operand()))]])
            else:
                nodes += self.operand()
        return nodes

    def operand(self) -> list[Node]:
        """Return the next letter, number, root, bracket, operator or text, with its indices and powers."""
        token = self.take()
        if token.kind == "derivative":
            below = _one([["mo", "∂"], *self.operand()])
            return [["mfrac", [["mrow", [["mo", "∂"], ["mi", "L"]]], below]]]
        if token.kind == "eq":
            return [["mtext", token.text]]
        if token.kind == "number":
            return self.scripted([["mn", token.text]])
        if token.kind == "name":
            return [self.prose(token.text)] if token.text in PROSE else self.scripted([_letter(token.text)])
        if token.text == "√":
            inside = self.row(")") if self.skipped("(") else self.operand()
            return [["msqrt", inside]]
        if token.text == "Σ":
            if self.peek().text == "_":
                return [["munder", [["mo", "Σ"], _one(self.script())]]]
            return [["mo", "Σ"]]
        if token.text in "([":
            end = ")" if token.text == "(" else "]"
            return self.scripted([["mrow", [["mo", token.text], *self.row(end), ["mo", end]]]])
        return [["mo", token.text]]

    def scripted(self, base: list[Node]) -> list[Node]:
        """Return a letter with its indices, its power and its primes."""
        (node,) = base
        below: list[Node] = []
        above: list[Node] = []
        while True:
            text = self.peek().text
            if node[0] in ("mi", "mover") and not below and self.skipped("["):
                below = self.row("]")
            elif text == "_" and not below:
                below = self.script()
            elif text == "^":
                above += self.script()
            elif text in ("²", "'"):
                self.at += 1
                above.append(["mn", "2"] if text == "²" else ["mo", "′"])
            else:
                break
        if node == ["mi", "max"] and below and not above:
            return [["munder", [["mo", "max"], _one(below)]]]
        if below and above:
            return [["msubsup", [node, _one(below), _one(above)]]]
        if below:
            return [["msub", [node, _one(below)]]]
        return [["msup", [node, _one(above)]]] if above else [node]

    def script(self) -> list[Node]:
        """Return the nodes behind ``_`` or ``^``: one letter, or the contents of brackets."""
        self.at += 1
        for begin, end in (("{", "}"), ("(", ")")):
            if self.skipped(begin):
                return self.row(end)
        token = self.take()
        return [_letter(token.text) if token.kind == "name" else ["mn", token.text]]

    def skipped(self, text: str) -> bool:
        """Go past a token if it is this one, and return whether it was."""
        here = self.peek().text == text
        self.at += here
        return here

    def prose(self, first: str) -> Node:
        """Return words in a row as one text."""
        words = [first]
        while self.peek().text in PROSE or self.peek().text == "a":
            words.append(self.take().text)
        return ["mtext", " ".join(words)]


def _letter(name: str) -> Node:
    """Return a letter: Greek ones by name, with a hat, and with its number below."""
    if "\u0302" in name:
        return ["mover", [["mi", name.replace("\u0302", "")], ["mo", "^"]]]
    found = re.fullmatch(r"([^\W\d_]+)(\d+)", name)
    if found and found[1] in (*GREEK, "x", "a"):
        return ["msub", [["mi", GREEK.get(found[1], found[1])], ["mn", found[2]]]]
    return ["mi", GREEK.get(name, name)]


def _operand(nodes: list[Node]) -> int:
    """Return where the numerator begins: behind the last operator that binds less than a fraction."""
    at = len(nodes)
    while at and not (nodes[at - 1][0] == "mtext" or nodes[at - 1] in [["mo", s] for s in "=+-,;><"]):
        at -= 1
    return at


def _bare(nodes: list[Node]) -> list[Node]:
    """Return the nodes without a bracket around all of them: a fraction needs none."""
    if len(nodes) == 1 and nodes[0][0] == "mrow":
        inside = nodes[0][1]
        if isinstance(inside, list) and len(inside) > 1 and inside[0] == ["mo", "("]:
            return inside[1:-1]
    return nodes


def _one(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else ["mrow", nodes]
