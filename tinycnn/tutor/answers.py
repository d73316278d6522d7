"""Answer files: which exercises they answer, and a whole course of them."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tinycnn.schema import plain

from .catalogue import AnswerError, catalogue
from .check import check_file, judged_file, without_hints
from .exercise import Exercise
from .sandbox.process import Execution, run, survey
from .search import trial
from .verdict import Verdict

Exercises = Mapping[str, Exercise]


@dataclass(frozen=True)
class Grade:
    """One answer of one student.

    Attributes
    ----------
    student
        The name of the file or folder.
    exercise
        Its name; empty if a file could not be read.
    right, mistake, message
        As in `Verdict`.
    file
        The name of the file with the answer.
    """

    student: str
    exercise: str
    right: bool
    mistake: str
    message: str
    file: str

    def to_dict(self) -> dict[str, str | bool]:
        """Return it as a row of a table."""
        return asdict(self)


def names_in(file: Path) -> list[str]:
    """Return the names that an answer file defines, in its order.

    Raises
    ------
    AnswerError
        If there is no such file, or it is no Python.
    """
    if not file.is_file():
        raise AnswerError(f"there is no file {file}")
    said = survey(file).said
    if "names" in said:
        return list(said["names"])
    if "no_import" in said:
        line = f", line {said['line']}" if said.get("line") else ""
        raise AnswerError(f"{file.name} is no Python{line}: {said['no_import']['text']}")
    raise AnswerError(f"{file.name} cannot be read")


def answers_in(file: Path, exercises: Exercises | None = None) -> list[str]:
    """Return the exercises that a file answers, in its order.

    Raises
    ------
    AnswerError
        If it answers none, or one of them twice.
    """
    known = exercises or catalogue()
    names = names_in(file)
    found = [name for name in names if name in known]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise AnswerError(f"{file.name} has two answers with the same name: {', '.join(twice)}. Keep one")
    if not found:
        has = f"it has {', '.join(names[:10])}" if names else "it has no functions"
        raise AnswerError(f"{file.name} answers no exercise: a function must have the exercise's name; {has}")
    return found


def check_answers(
    file: Path, exercises: Exercises | None = None, hints: bool = True, seed: int = 0
) -> list[Verdict]:
    """Return the verdicts on all answers in a file; raises as `answers_in` and `check_file`."""
    known = exercises or catalogue()
    return [check_file(known[name], file, hints, seed, quiet=True) for name in answers_in(file, known)]


def students_of(folder: Path) -> dict[str, list[Path]]:
    """Return the answer files of each student, whose name is that of the file or of the folder with files.

    Raises
    ------
    AnswerError
        If there is no such folder, it holds no answers, or two students have one name.
    """
    if not folder.is_dir():
        raise AnswerError(f"there is no folder {folder}")
    students: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        files = [path] if path.suffix == ".py" and path.is_file() else sorted(path.glob("*.py"))
        if files and path.stem in students:
            raise AnswerError(f"two answers with the same name: {students[path.stem][0]} and {path}")
        if files:
            students[path.stem] = files
    if not students:
        raise AnswerError(
            f"{folder} holds no answers: put a .py file for each student there, or a folder with .py files"
        )
    return students


def grade(folder: Path, exercises: Exercises | None = None, hints: bool = True, seed: int = 0) -> list[Grade]:
    """Return the grades of all students in a folder, each answer run in a process of its own, with limits.

    A file that cannot be read, or an answer that is given twice, has a row that says so; the other answers
    are graded all the same. First, the files of each student are copied to a folder of their own, so that no
    answer can read another student's.

    Raises
    ------
    AnswerError
        As `students_of`.
    """
    known, rows = exercises or catalogue(), []
    for student, files in students_of(folder).items():
        with tempfile.TemporaryDirectory(prefix="tinycnn-grade-") as own:
            copies = [Path(shutil.copyfile(file, Path(own) / file.name)) for file in files]
            rows += _graded(student, copies, known, hints, seed)
    return rows


def _graded(student: str, files: Sequence[Path], known: Exercises, hints: bool, seed: int) -> list[Grade]:
    rows: list[Grade] = []
    answers: dict[str, Path] = {}
    for file in files:
        try:
            found = answers_in(file, known)
        except AnswerError as error:
            rows.append(_no_grade(student, "", str(error), file))
            continue
        for name in found:
            if name in answers:
                rows.append(
                    _no_grade(student, name, f"there is another answer in {answers[name].name}", file)
                )
            else:
                answers[name] = file
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(_run, known[name], file, seed) for name, file in answers.items()]
    for (name, file), result in zip(answers.items(), runs, strict=True):
        try:
            verdict = judged_file(known[name], file, result.result(), seed)
        except AnswerError as error:
            rows.append(_no_grade(student, name, str(error), file))
            continue
        verdict = verdict if hints else without_hints(verdict)
        message = plain(verdict.message, 1000)
        rows.append(Grade(student, name, verdict.right, verdict.mistake or "", message, file.name))
    return rows


def _run(exercise: Exercise, file: Path, seed: int) -> Execution:
    return run(exercise, trial(exercise, seed).cases, file=file)


def _no_grade(student: str, exercise: str, message: str, file: Path) -> Grade:
    return Grade(student, exercise, False, "", plain(message, 1000), file.name)
