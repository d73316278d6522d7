"""What a learner has solved, and which hints they took: a small JSON file in the working folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinycnn.storage import read_json, write_atomically

FILE = Path("tinycnn-tutor.json")
MOST = 100_000  # bytes


@dataclass
class Progress:
    """What a learner has solved, and the hints that were taken.

    Attributes
    ----------
    solved
        The names of exercises that were answered right, in that order.
    hints
        How many hints were taken, by exercise.
    """

    solved: list[str] = field(default_factory=list)
    hints: dict[str, int] = field(default_factory=dict)

    def solve(self, name: str) -> None:
        """Note that an exercise is solved."""
        if name not in self.solved:
            self.solved.append(name)

    def next_hint(self, name: str, most: int) -> int:
        """Return the number of the next hint, from 1, and note it; after the last hint it stays the same."""
        self.hints[name] = min(self.hints.get(name, 0) + 1, most)
        return self.hints[name]

    def save(self, path: Path = FILE) -> None:
        """Write it."""
        text = json.dumps({"solved": self.solved, "hints": self.hints}, indent=1)
        write_atomically(path, f"{text}\n".encode())


def read_progress(path: Path = FILE) -> Progress:
    """Return the progress in a file; that of a beginner if there is no file.

    Raises
    ------
    ValueError
        If the file is something else.
    """
    if not path.exists():
        return Progress()
    try:
        document = read_json(path, MOST)
        return Progress(_names(document["solved"]), _counts(document["hints"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no file of the tutor ({error}): delete it, and begin without solved exercises"
        ) from None


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("solved must be a list of names")
    return value


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(count) is int and count > 0 for count in value.values()):
        raise ValueError("hints must be counts by name")
    return value
