"""Each of the sixteen equations has a derivation, a step-through and an exercise, or a reason why not."""

import json
import re

import pytest

from tests.helpers.coverage import FOLDER, ROWS, Hole, section, table
from tinycnn.cli import main
from tinycnn.tutor import catalogue

CELLS = [cell for row in ROWS for cell in row]
BACKWARD = [(row.forward if row.backward is None else row.backward, row) for row in ROWS]


def phases(capsys, operation, *options):
    assert main(["explain", operation, "--json", *options]) == 0
    return {step["phase"] for step in json.loads(capsys.readouterr().out)["steps"]}


def test_every_equation_has_a_row():
    assert sorted({row.equation for row in ROWS}) == list(range(1, 17))
    assert len({row.what for row in ROWS}) == len(ROWS)


def test_a_hole_has_a_reason():
    """An empty cell is none: a reason is a sentence."""
    for cell in CELLS:
        assert cell not in ("", ())
        if isinstance(cell, Hole):
            assert re.fullmatch(r"[A-Z].{20,}\.", cell), cell
            assert " yet" not in cell  # what is missing is no reason


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not isinstance(row.heading, Hole)], ids=lambda row: row.what
)
def test_the_lesson_derives_it(row):
    """Below that heading are a formula, and prose."""
    text = section(row.lesson, row.heading)
    assert text is not None, f"lesson {row.lesson} has no heading {row.heading!r}"
    assert re.search(r"^# .*\$", text, re.M)
    assert len(re.findall(r"^# [^-%#|]", text, re.M)) >= 3


@pytest.mark.parametrize(
    "operation", sorted({str(r.forward) for r in ROWS if not isinstance(r.forward, Hole)})
)
def test_there_are_steps_forward(operation, capsys):
    assert phases(capsys, operation) & {"forward", "update"}


@pytest.mark.parametrize("operation", sorted({str(name) for name, row in BACKWARD if row.backward is None}))
def test_there_are_steps_backward(operation, capsys):
    """Some operations show them with --backward, others always."""
    assert "backward" in phases(capsys, operation) or "backward" in phases(capsys, operation, "--backward")


def test_there_are_exercises_and_they_belong_to_the_equation():
    exercises = catalogue()
    named = {
        (name, row.equation) for row in ROWS if not isinstance(row.exercises, Hole) for name in row.exercises
    }
    assert all(exercises[name].equation == equation for name, equation in named)
    of_equations = {name for name, exercise in exercises.items() if exercise.equation is not None}
    assert {name for name, _ in named} == of_equations


def test_the_table_that_is_shown_is_this_one():
    shown = (FOLDER / "README.md").read_text()
    assert f"<!-- coverage -->\n{table()}\n<!-- end of coverage -->" in shown, table()
