"""``tinycnn tutor``: exercises that name the mistake in your own derivation."""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tinycnn.tutor import AnswerError, Exercise, catalogue, find_exercise
from tinycnn.tutor.answers import Grade, check_answers, grade
from tinycnn.tutor.catalogue import exercises_in
from tinycnn.tutor.progress import FILE, read_progress
from tinycnn.tutor.show import show

from .common import Say, WrongUse, integer

HELP = "write the operations yourself: the tutor checks your functions and names the mistake"
EXAMPLE = "tinycnn tutor start conv2d_input, then tinycnn tutor check conv2d_input.py"
COLUMNS = tuple(field.name for field in fields(Grade))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "start", "check", "hint", "grade"),
        help="list the exercises (default); start NAME: write a file to fill in; check FILE: check the "
        "functions in it; hint NAME: the next of three hints; grade FOLDER: check a course's answers",
    )
    parser.add_argument("what", nargs="?", metavar="NAME|FILE|FOLDER", help="what the action is about")
    parser.add_argument("--exercises", type=Path, metavar="FILE", help="a file with exercises of your own")
    parser.add_argument("--no-hints", action="store_true", help="say right or wrong only, as in an exam")
    parser.add_argument("--seed", type=integer(0), default=0, help="seed of the numbers to try (default: 0)")
    parser.add_argument("--csv", action="store_true", help="grade: print a table for a spreadsheet")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Do what is asked."""
    if args.csv and (args.json or args.action != "grade"):
        raise WrongUse("--csv is for tutor grade, and not together with --json")
    if args.action == "list":
        return _list(_exercises(args), say)
    if args.what is None:
        raise WrongUse(f"tutor {args.action} needs {NEEDED[args.action]}")
    action = {"start": _start, "check": _check, "hint": _hint, "grade": _grade}[args.action]
    try:
        return action(args, _exercises(args), say)
    except AnswerError as error:
        raise WrongUse(str(error)) from None


NEEDED = {
    "start": "the name of an exercise",
    "check": "a file with answers",
    "hint": "the name of an exercise",
    "grade": "a folder with the answers of students",
}


def _exercises(args: argparse.Namespace) -> dict[str, Exercise]:
    try:
        return catalogue() | (exercises_in(args.exercises) if args.exercises else {})
    except AnswerError as error:
        raise WrongUse(str(error)) from None


def _named(args: argparse.Namespace, exercises: dict[str, Exercise]) -> Exercise:
    try:
        return find_exercise(args.what, exercises)
    except ValueError as error:
        raise WrongUse(str(error)) from None


def _list(exercises: dict[str, Exercise], say: Say) -> dict[str, Any]:
    solved = read_progress().solved
    for exercise in exercises.values():
        mark = "x" if exercise.name in solved else " "
        where = [f"lesson {exercise.lesson}"] if exercise.lesson else []
        where += [f"Eq. {exercise.equation}"] if exercise.equation else []
        say(f"[{mark}] {exercise.signature:<62} {', '.join(where)}")
    count = sum(name in solved for name in exercises)
    say(f"{count} of {len(exercises)} solved, as kept in {FILE}; begin one with: tinycnn tutor start NAME")
    rows = [
        {
            "name": exercise.name,
            "signature": exercise.signature,
            "lesson": exercise.lesson,
            "equation": exercise.equation,
            "solved": exercise.name in solved,
        }
        for exercise in exercises.values()
    ]
    return {"exercises": rows, "progress": str(FILE)}


def _start(args: argparse.Namespace, exercises: dict[str, Exercise], say: Say) -> dict[str, Any]:
    exercise = _named(args, exercises)
    path = Path(f"{exercise.name}.py")
    if path.exists():
        raise WrongUse(f"{path} is there already: check it, or move it away to begin again")
    about = f'"""An exercise. Check it with: tinycnn tutor check {path}"""'
    path.write_text(f"{about}\n\nimport numpy as np\n\n\n{exercise.stub}")
    say(f"wrote {path}. Fill it in, and check it with: tinycnn tutor check {path}")
    return {"exercise": exercise.name, "file": str(path)}


def _check(args: argparse.Namespace, exercises: dict[str, Exercise], say: Say) -> dict[str, Any]:
    verdicts = check_answers(Path(args.what), exercises, not args.no_hints, args.seed)
    progress = read_progress()
    for verdict in verdicts:
        if not args.json:
            show(verdict)
        if verdict.right:
            progress.solve(verdict.exercise)
    if any(verdicts):
        progress.save()
    count = sum(name in progress.solved for name in exercises)
    say(f"{count} of {len(exercises)} solved, as kept in {FILE}")
    return {"verdicts": [verdict.to_dict() for verdict in verdicts], "progress": str(FILE)}


def _hint(args: argparse.Namespace, exercises: dict[str, Exercise], say: Say) -> dict[str, Any]:
    exercise = _named(args, exercises)
    if not exercise.hints:
        raise WrongUse(f"{exercise.name} has no hints")
    progress = read_progress()
    level = progress.next_hint(exercise.name, len(exercise.hints))
    progress.save()
    say(f"hint {level} of {len(exercise.hints)}: {exercise.hints[level - 1]}")
    return {
        "exercise": exercise.name,
        "level": level,
        "hint": exercise.hints[level - 1],
        "progress": str(FILE),
    }


def _grade(args: argparse.Namespace, exercises: dict[str, Exercise], say: Say) -> dict[str, Any]:
    grades = grade(Path(args.what), exercises, not args.no_hints, args.seed)
    if args.csv:
        say(_csv(grades))
        return {}
    width = max(len(row.student) for row in grades)
    for row in grades:
        said = "right" if row.right else row.mistake or row.message
        say(f"{row.student:<{width}}  {row.exercise:<20}  {said}")
    say(f"{sum(row.right for row in grades)} of {len(grades)} are right")
    return {"answers": [row.to_dict() for row in grades]}


def _csv(grades: Sequence[Grade]) -> str:
    """Return a table for a spreadsheet, in which no cell is taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in grades:
        cells = [str(value) for value in row.to_dict().values()]
        writer.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in cells])
    return text.getvalue().rstrip("\n")
