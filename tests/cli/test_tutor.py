"""``tinycnn tutor``: from the list to a solved exercise, and a course's answers in one go."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn.cli import main
from tinycnn.tutor import catalogue

ROOT = Path(__file__).parents[2]
RIGHT = "import numpy as np\n\ndef relu_input(g, x):\n    return np.where(x > 0, g, 0)\n"
WRONG = "def relu_input(g, x):\n    return g * (x >= 0)\n"
BOTH = WRONG + "\ndef linear(x, w, b):\n    return x @ w.T + b\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *command):
    assert main(["tutor", *map(str, command)]) == 0
    return capsys.readouterr().out


def refused(capsys, *command):
    assert main(["tutor", *map(str, command)]) == 2
    return capsys.readouterr().err


def test_from_the_list_to_a_solved_exercise(here, capsys):
    out, in_all = said(capsys), len(catalogue())
    assert all(exercise.signature in out for exercise in catalogue().values())
    assert f"0 of {in_all} solved, as kept in tinycnn-tutor.json" in out
    assert "wrote relu_input.py" in said(capsys, "start", "relu_input")
    assert "Not answered yet" in said(capsys, "check", "relu_input.py")
    (here / "relu_input.py").write_text(WRONG)
    out = said(capsys, "check", "relu_input.py")
    assert "At x = 0 you let g through." in out
    assert f"0 of {in_all} solved" in out
    (here / "relu_input.py").write_text(RIGHT)
    out = said(capsys, "check", "relu_input.py")
    assert "relu_input: Right." in out
    assert f"1 of {in_all} solved" in out
    assert "[x] relu_input(g, x)" in said(capsys)
    assert json.loads((here / "tinycnn-tutor.json").read_text())["solved"] == ["relu_input"]


def test_every_stub_is_a_file_that_runs(here, capsys):
    for name, exercise in catalogue().items():
        said(capsys, "start", name)
        module = {}
        exec((here / f"{name}.py").read_text(), module)
        assert module[name](*exercise.parameters) is None


def test_hints_come_one_after_the_other(here, capsys):
    outs = [said(capsys, "hint", "conv2d") for _ in range(4)]
    assert [out[:11] for out in outs] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"]
    assert len(set(outs)) == 3


def test_check_as_json(here, tinycnn_json):
    (here / "answers.py").write_text(BOTH)
    status, document = tinycnn_json("tutor", "check", "answers.py")
    assert status == 0
    verdicts = {verdict["exercise"]: verdict for verdict in document["verdicts"]}
    assert verdicts["linear"]["right"]
    assert verdicts["relu_input"]["mistake"] == "open_at_zero"
    assert document["progress"] == "tinycnn-tutor.json"
    _, document = tinycnn_json("tutor")
    assert [row["name"] for row in document["exercises"] if row["solved"]] == ["linear"]


def test_an_exam(here, capsys):
    (here / "answers.py").write_text(BOTH)
    out = said(capsys, "check", "answers.py", "--no-hints")
    assert "relu_input: Not right.\n" in out
    assert "linear: Right.\n" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "def relu_input(g):\n    return g\n",
            "relu_input takes 2 arguments, relu_input(g, x); yours is (g)",
        ),
        ("import nothing_like_this\n" + RIGHT, "cannot be imported: ModuleNotFoundError"),
        (RIGHT + "\n1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero, line 6"),
        ("def relu_input(g, x):\n  return g\n return x\n", "is no Python, line 3"),
        (RIGHT + WRONG, "two answers with the same name: relu_input"),
        (
            "def relu(g, x):\n    return g\n",
            "answers no exercise: a function must have the exercise's name; it has relu",
        ),
        ("relu_input = 3\n", "relu_input is no function, but int"),
        ("", "it has no functions"),
        ("(" * 500 + "\n", "is no Python"),
        ("import sys\nsys.exit()\n" + RIGHT, "cannot be imported: SystemExit"),
    ],
)
def test_a_file_that_cannot_be_checked(here, capsys, content, says):
    (here / "answers.py").write_text(content)
    assert says in refused(capsys, "check", "answers.py")


def test_wrong_use(here, capsys):
    assert "there is no file missing.py" in refused(capsys, "check", "missing.py")
    assert "did you mean conv2d_input" in refused(capsys, "start", "conv2d_inputs")
    assert "did you mean softmax" in refused(capsys, "hint", "softmaxx")
    assert "tutor check needs a file with answers" in refused(capsys, "check")
    assert "tutor grade needs a folder" in refused(capsys, "grade")
    assert "there is no folder missing" in refused(capsys, "grade", "missing")
    assert "--csv is for tutor grade" in refused(capsys, "--csv")
    (here / "empty").mkdir()
    assert "empty holds no answers" in refused(capsys, "grade", "empty")
    said(capsys, "start", "linear")
    assert "linear.py is there already" in refused(capsys, "start", "linear")


def test_progress_that_is_none(here, capsys):
    for text in ("{", "[]", '{"solved": "all", "hints": {}}', '{"solved": [], "hints": {"conv2d": -1}}'):
        (here / "tinycnn-tutor.json").write_text(text)
        assert main(["tutor"]) == 1
        assert "is no file of the tutor" in capsys.readouterr().err


HOSTILE = """
import os, sys, shutil, subprocess, pathlib
victim = pathlib.Path({victim!r})
def attempt(f):
    try:
        f()
    except BaseException:
        pass
attempt(lambda: victim.unlink())
attempt(lambda: shutil.rmtree(victim.parent))
attempt(lambda: victim.write_text("hacked"))
attempt(lambda: os.system(f"rm {{victim}}"))
attempt(lambda: subprocess.run(["rm", str(victim)]))
attempt(lambda: os.kill({pid}, 9))
def relu_input(g, x):
    while True:
        attempt(lambda: print("x" * 10000))
"""


@pytest.fixture
def course(here):
    folder = here / "course"
    (folder / "dora").mkdir(parents=True)
    (folder / "anna.py").write_text(RIGHT)
    (folder / "ben.py").write_text(BOTH)
    (folder / "carl.py").write_text("this is no Python\n")
    (folder / "dora" / "first.py").write_text(RIGHT)
    (folder / "dora" / "second.py").write_text(BOTH)
    (folder / "eve.py").write_text(HOSTILE.format(victim=str(folder / "anna.py"), pid=os.getpid()))
    (folder / "fred.py").write_text("import os\nos._exit(0)\n" + RIGHT)
    (folder / "=gina.py").write_text(RIGHT + "raise SystemExit\n")
    (folder / "hugo.py").write_text(
        f"text = open({str(folder / 'anna.py')!r}).read()\nexec(text)\n"
        + RIGHT.replace("relu_input", "other")
        + "relu_input = relu_input\n"
    )
    (folder / "notes.txt").write_text("nothing to grade")
    (folder / "__pycache__").mkdir()
    return folder


def test_grade_a_course(course, tinycnn_json, capsys):
    before = (course / "anna.py").read_text()
    status, document = tinycnn_json("tutor", "grade", course)
    assert status == 0
    rows = {(row["student"], row["exercise"]): row for row in document["answers"]}
    assert rows["anna", "relu_input"]["right"]
    assert rows["ben", "linear"]["right"]
    assert rows["ben", "relu_input"]["mistake"] == "open_at_zero"
    assert "is no Python" in rows["carl", ""]["message"]
    assert {row["right"] for row in document["answers"] if row["student"] == "dora"} == {True, False}
    assert any("there is another answer in first.py" in row["message"] for row in document["answers"])
    assert "Your code tries to delete a file" in rows["eve", "relu_input"]["message"]
    assert "ended in the middle of a call" in rows["fred", "relu_input"]["message"]
    assert "cannot be imported: SystemExit" in rows["=gina", "relu_input"]["message"]
    assert "Your code tries to read a file" in rows["hugo", "relu_input"]["message"]
    assert (course / "anna.py").read_text() == before
    assert len(list(course.iterdir())) == 10


def test_grade_for_a_spreadsheet(course, capsys):
    for name in ("carl.py", "eve.py", "fred.py", "hugo.py"):
        (course / name).unlink()
    table = list(csv.DictReader(io.StringIO(said(capsys, "grade", course, "--csv"))))
    assert list(table[0]) == ["student", "exercise", "right", "mistake", "message", "file"]
    assert {row["student"] for row in table} == {"anna", "ben", "dora", "'=gina"}
    assert {row["right"] for row in table} == {"True", "False"}
    out = said(capsys, "grade", course, "--no-hints")
    assert "Not right." in out
    assert "open_at_zero" not in out


def test_two_students_of_one_name(course, capsys):
    (course / "anna").mkdir()
    (course / "anna" / "a.py").write_text(RIGHT)
    assert "two answers with the same name" in refused(capsys, "grade", course)


TEACHER = '''
import numpy as np
from tinycnn.tutor import Exercise, Mistake

def length(x):
    """Return the Euclidean length of x (D,)."""
    total = (x**2).sum()
    return np.sqrt(total)

LENGTH = Exercise(
    length,
    cases=lambda rng: [{"x": rng.standard_normal(D)} for D in (1, 2, 5)],
    mistakes=(Mistake("no_root", "One step is missing at the end.", ("np.sqrt(total)", "total")),),
    hints=("Pythagoras!",),
)
'''


def test_exercises_of_a_teacher(here, capsys):
    (here / "mine.py").write_text(TEACHER)
    (here / "answers.py").write_text("def length(x):\n    return x @ x\n")
    assert "length(x)" in said(capsys, "--exercises", "mine.py")
    assert "wrote length.py" in said(capsys, "start", "length", "--exercises", "mine.py")
    assert "One step is missing" in said(capsys, "check", "answers.py", "--exercises", "mine.py")
    assert "hint 1 of 1: Pythagoras!" in said(capsys, "hint", "length", "--exercises", "mine.py")
    (here / "course").mkdir()
    (here / "answers.py").rename(here / "course" / "anna.py")
    assert "no_root" in said(capsys, "grade", "course", "--exercises", "mine.py")
    (here / "none.py").write_text("x = 1\n")
    assert "none.py defines no Exercise" in refused(capsys, "--exercises", "none.py")
    (here / "none.py").write_text("x = \n")
    assert "none.py cannot be imported: SyntaxError" in refused(capsys, "--exercises", "none.py")
    assert "there is no file other.py" in refused(capsys, "--exercises", "other.py")


def test_on_a_terminal_there_are_colours_and_the_step(here):
    pty = pytest.importorskip("pty")
    (here / "answers.py").write_text(WRONG)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tinycnn", "tutor", "check", "answers.py"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=child, stderr=child, stdin=child, env=environment)
    os.close(child)
    out = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
    assert process.wait() == 0
    os.close(parent)
    text = out.decode()
    assert "At x = 0 you let g through." in text
    assert "\x1b[" in text
    assert "your result" in text  # the panel beside the engine's
