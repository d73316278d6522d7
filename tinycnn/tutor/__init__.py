"""The tutor: it checks your own derivation, and names the mistake.

``check("conv2d_input", your_function)`` runs your function in a process of its own on small arguments, and
compares it with the engine. If it is wrong, the tutor looks for the mistake that gives the same numbers.
"""

from .catalogue import AnswerError, catalogue, find_exercise
from .check import check, check_file
from .exercise import Exercise, Mistake
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
    "find_exercise",
]
