"""The tutor: it checks your own derivation, and names the mistake.

``check("conv2d_input", your_function)`` runs your function in a process of its own on small arguments, and
compares it with the engine. If it is wrong, the tutor looks for the mistake that gives the same numbers.
`compare` is for answers that are a number or an array.
"""

from .catalogue import AnswerError, catalogue, find_exercise
from .check import check, check_file
from .compare import compare
from .exercise import Exercise
from .mistake import Mistake, read_mistakes
from .verdict import Case, Verdict

__all__ = [
    "AnswerError",
    "Case",
    "Exercise",
    "Mistake",
    "Verdict",
    "catalogue",
    "check",
    "check_file",
    "compare",
    "find_exercise",
    "read_mistakes",
]
