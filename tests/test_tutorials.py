"""Every lesson runs, its solutions are right, its figures are described. (`site` has the notebooks.)"""

import ast
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import HANGS
from tests.helpers.wrong_answers import WRONG, exercises, wants_code, with_answer

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tutorials"
LESSONS = sorted(path for path in FOLDER.glob("[0-9][0-9]_*.py"))
NAMES = [path.stem for path in LESSONS]


def figures(text):
    """Return every figure of a lesson in order, as its cell and the cell below."""
    cells = re.split(r"^# %%", text, flags=re.M)
    found = []
    for cell, below in itertools.pairwise([*cells, ""]):
        if not cell.startswith("\n"):  # a cell of text, or what stands before the first cell
            continue
        last = ast.parse(cell).body[-1]
        call = last.value if isinstance(last, ast.Expr) else None
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
            found += [(cell, below)] * (name in ("draw", "described"))
    return found


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_it_runs_and_knows_right_from_wrong_and_its_figures_are_described(path, tmp_path):
    """In one process: the solutions need what the lesson computed."""
    text = path.read_text()
    (solutions,) = re.findall(r"^# ## Solutions\n(.*)", text, re.S | re.M)
    blocks = re.findall(r"^# ```python\n(.*?)^# ```", solutions, re.S | re.M)
    count = len(re.findall(r"^# \*\*\d\.\*\*", text, re.M))
    assert 2 <= count <= 4
    assert len(blocks) == count == solutions.count("<details><summary>") == solutions.count("</details>")
    code = "\n".join(re.sub(r"^# ?", "", block, flags=re.M) for block in blocks)
    assert len(re.findall(r"assert (?:check|compare)\(", code)) >= count
    tasks = exercises(text)
    lesson_number = int(path.stem[:2])
    wrong = [with_answer(tasks[n], answer) for n in tasks for answer in WRONG.get((lesson_number, n), [])]
    lesson = tmp_path / path.name
    lesson.write_text("\n\n# %%\n".join([text, code, *wrong]))
    script = f"from run import *; print(json.dumps([*run(Path({str(lesson)!r}), Path('figures')).values()]))"
    command = [sys.executable, "-c", "import json; " + script]
    places = os.pathsep.join([str(ROOT), str(FOLDER)])
    environment = {**os.environ, "PYTHONPATH": places, "MPLBACKEND": "agg", "TINYCNN_BACKEND": "numpy"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Not answered yet") >= count
    descriptions = json.loads(done.stdout.splitlines()[-1])
    assert len(descriptions) == len(figures(text)) > 0
    for number, description in enumerate(descriptions, 1):
        assert len(description) >= 40, f"figure {number} needs a text for those who cannot see it"
    assert len(set(descriptions)) == len(descriptions)


def test_each_exercise_whose_answer_is_code_is_tried_with_wrong_answers():
    """What `check` judges is tried with the tutor's own mistakes."""
    asked = set()
    for path in LESSONS:
        tasks = exercises(path.read_text())
        asked |= {(int(path.stem[:2]), number) for number, code in tasks.items() if wants_code(code)}
    assert asked <= WRONG.keys()


def compared(code):
    """Return what each call of `compare` compares with."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "compare"]


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_no_check_contains_the_answer(path):
    """No formula of plain numbers, and nothing that the solution writes as its own answer."""
    text, _, solutions = path.read_text().partition("# ## Solutions\n")
    code = "\n".join(re.findall(r"^# ```python\n(.*?)^# ```", solutions, re.S | re.M))
    code = re.sub(r"^# ?", "", code, flags=re.M)
    answers = [ast.unparse(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Return)]
    for expected in compared(text):
        names = [node.id for node in ast.walk(expected) if isinstance(node, ast.Name)]
        formula = any(isinstance(node, ast.BinOp) for node in ast.walk(expected))
        assert names or not formula, ast.unparse(expected)
        assert f"return {ast.unparse(expected)}" not in answers
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "compare":
            assert ast.unparse(call.args[0]) != ast.unparse(call.args[1])


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_below_each_figure_stands_what_to_see(path):
    """At once: a reader who has to look for it has forgotten the figure."""
    shown = figures(path.read_text())
    assert shown
    silent = [cell for cell, below in shown if not below.startswith(" [markdown]\n# **What to see")]
    assert not silent, silent[0]


def test_the_map_lists_every_lesson():
    readme = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"\]\((\d\d_\w+)\.py\)", readme)) == set(NAMES)
    for path in LESSONS:
        number, title = re.search(r"^# # (\d+)\. (.*)", path.read_text(), re.M).groups()
        assert int(number) == int(path.stem[:2])
        assert title in readme


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_it_has_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


TEACHING = (ROOT / "docs" / "teaching.md").read_text()


def rows(cells):
    """Return the rows of docs/teaching.md that have so many cells behind the lesson's, by its number."""
    found = re.findall(r"^\| (\d+)[^|]*" + r"\| ([^|]+) " * cells + r"\|$", TEACHING, re.M)
    return {int(number): row for number, *row in found}


ROWS, ANSWERS = rows(5), rows(2)


def counted_minutes(text):
    """Return the time that docs/teaching.md counts for a lesson, its solutions aside."""
    text = text.partition("# ## Solutions")[0]
    lines = [line for line in text.splitlines() if line.strip()]
    words = sum(len(line.split()) - 1 for line in lines if line.startswith("# "))
    code = sum(not line.startswith("#") for line in lines)
    exercises = len(re.findall(r"^# \*\*\d\.\*\*", text, re.M))
    formulas = text.count("$$") / 2
    return words / 120 + code / 15 + formulas + 0.75 * len(figures(text)) + 7 * exercises


def test_teachers_get_a_row_for_each_lesson():
    assert sorted(ROWS) == sorted(ANSWERS) == [int(path.stem[:2]) for path in LESSONS]
    for number, (_, aims, misconceptions, questions, _) in ROWS.items():
        assert questions.count("?") == 2, number
        assert all(len(cell) > 10 for cell in (aims, misconceptions)), number


def test_teachers_and_learners_are_told_the_same_time_and_it_is_enough():
    names = {"About 45 minutes": 45, "About an hour": 60, "An hour and a quarter": 75}
    for path in LESSONS:
        text, minutes = path.read_text(), int(ROWS[int(path.stem[:2])][0])
        (said,) = re.findall(r"^# (\w[^.]+)\. You need", text, re.M)
        assert counted_minutes(text) <= minutes == names[said], path.stem


def test_the_figures_to_project_are_there():
    """By their numbers; and a word of the name that is given stands in the figure's cell or below it."""
    for path in LESSONS:
        numbers, _, name = ROWS[int(path.stem[:2])][-1].partition(", ")
        assert re.fullmatch(r"figure \d|figures \d and \d", numbers)
        words = re.findall(r"\w{4,}|D\*", name)
        shown = figures(path.read_text())
        for number in map(int, re.findall(r"\d", numbers)):
            assert 1 <= number <= len(shown), path.stem
            around = "".join(shown[number - 1]).lower()
            assert any(word.lower() in around for word in words), (path.stem, number, name)


def test_the_glossary_is_in_order_and_its_lessons_use_the_words():
    text = (ROOT / "docs" / "glossary.md").read_text()
    entries = dict(re.findall(r"^(\w[^\n]+)\n((?:  [^\n]+\n)+)", text.partition("{glossary}\n")[2], re.M))
    assert len(entries) > 50 and list(entries) == sorted(entries, key=str.lower)
    named = [(word, int(number)) for word in entries for number in re.findall(r"lesson (\d+)", entries[word])]
    assert len(named) >= 30
    for word, number in named:
        (path,) = FOLDER.glob(f"{number:02}_*.py")
        assert word.lower()[:8] in path.read_text().lower(), (word, number)


def test_the_engine_of_lesson_2_has_fewer_than_30_lines():
    """As the lesson says: the class and the order of the walk, without empty lines."""
    text = (FOLDER / "02_autograd_from_nothing.py").read_text()
    assert "in fewer than 30 lines" in text
    (engine,) = re.findall(r"^(class Value:.*?^    return order\n)", text, re.M | re.S)
    assert 15 < len([line for line in engine.splitlines() if line.strip()]) < 30


def test_run_saves_the_figures_that_a_notebook_would_show(tmp_path):
    command = [sys.executable, str(FOLDER / "run.py"), "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "TINYCNN_BACKEND": "numpy"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr
    figures = sorted(tmp_path.glob("figures/01_images_are_arrays/*.png"))
    assert figures and all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert [f"[figure: {path.relative_to(tmp_path)}]" for path in figures] == [
        line for line in done.stdout.splitlines() if line.startswith("[figure:")
    ]


def test_notebooks_to_hand_out_have_no_solutions(tmp_path):
    pytest.importorskip("jupytext", reason="extra 'tutorials'")
    notebooks = {}
    for name, options in {"handout": [], "mine": ["--solutions"]}.items():
        command = [sys.executable, str(FOLDER / "notebooks.py"), str(tmp_path / name), *options]
        subprocess.run(command, check=True, capture_output=True, timeout=HANGS)
        notebooks[name] = {path.stem: path.read_text() for path in (tmp_path / name).glob("*.ipynb")}
    for name, made in notebooks.items():
        assert sorted(made) == NAMES, name
    for lesson in NAMES:
        handout, mine = notebooks["handout"][lesson], notebooks["mine"][lesson]
        assert "<summary>" in mine and "## Solutions" in mine
        assert "<summary>" not in handout and "## Solutions" not in handout
        assert "## Exercises" in handout


def test_a_lesson_that_is_not_there_is_refused(tmp_path):
    pytest.importorskip("jupytext", reason="extra 'tutorials'")
    command = [sys.executable, str(FOLDER / "notebooks.py"), str(tmp_path), "99"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 2
    assert "there is no lesson 99" in done.stderr
