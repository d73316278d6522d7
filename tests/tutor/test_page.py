"""The code on the tutor's page does what the page says."""

import re
from pathlib import Path

import pytest

from tinycnn.cli import main
from tinycnn.tutor import catalogue, check, read_mistakes

PAGE = (Path(__file__).parents[2] / "docs" / "tutor.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)


def run(code, folder, name):
    """Run a block of the page as a file: the text of a right implementation is read from there."""
    path = folder / name
    path.write_text(code)
    names = {"__name__": "__main__"}
    exec(compile(code, str(path), "exec"), names)
    return names


def test_the_first_example_prints_what_the_page_shows(tmp_path, capsys):
    names = run(BLOCKS[0], tmp_path, "first.py")
    (shown,) = re.findall(r"^It prints\n\n```text\n(.*?)^```$", PAGE, re.S | re.M)
    assert shown.replace("\n", " ").strip() in capsys.readouterr().out
    assert names["verdict"].mistake == "overwritten"


def test_the_mistake_on_the_page_is_the_catalogues():
    (shown,) = eval(BLOCKS[1], {"read_mistakes": read_mistakes})
    (known,) = (m for m in catalogue()["conv2d_input"].mistakes if m.name == "overwritten")
    assert (shown.sentence, shown.ways) == (known.sentence, known.ways)


def test_the_exercise_of_your_own(tmp_path, monkeypatch, capsys):
    length = run(BLOCKS[2], tmp_path, "mine.py")["LENGTH"]
    assert check(length, lambda x: (x @ x) ** 0.5, quiet=True)
    assert check(length, lambda x: x @ x, quiet=True).mistake == "no_root"
    assert len(re.findall(r"^\w|^    \w", BLOCKS[2].partition("LENGTH")[2], re.M)) <= 15
    monkeypatch.chdir(tmp_path)
    assert main(["tutor", "start", "length", "--exercises", "mine.py"]) == 0
    assert "def length(x):" in (tmp_path / "length.py").read_text()


@pytest.mark.parametrize("action", ["start", "check", "hint", "grade"])
def test_the_commands_on_the_page_exist(action):
    assert f"tinycnn tutor {action}" in PAGE
