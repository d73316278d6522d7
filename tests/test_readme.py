"""What the README says is what is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_is_the_one_that_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert example == (ROOT / "tutorials" / "digits_in_40_lines.py").read_text()
    code_lines = [line for line in example.splitlines() if line.strip()]
    assert len(code_lines) <= 40


@pytest.mark.slow
def test_the_example_reaches_its_accuracy(monkeypatch, capsys):
    code = (ROOT / "tutorials" / "digits_in_40_lines.py").read_text()
    stated = float(re.search(r"reaches ([\d.]+) %", README).group(1))
    exec(compile(code, "digits_in_40_lines.py", "exec"), {"__name__": "__main__"})
    reached = re.findall(r"test accuracy ([\d.]+)%", capsys.readouterr().out)
    assert float(reached[-1]) >= stated


def test_every_link_and_picture_is_there():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "using.md"):
        text = re.sub(r"^ *(`{3,4})\w+\n.*?^ *\1$", "", page.read_text(), flags=re.S | re.M)  # no code
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)


def test_every_folder_it_lays_out_is_there():
    (layout,) = re.findall(r"```text\n(.*?)```", README, re.S)
    for line in layout.splitlines():
        for path in line.split("  ")[0].split():
            assert (ROOT / path).exists(), path


def test_public_names_have_docstrings():
    for path in ROOT.glob("tinycnn/**/*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
