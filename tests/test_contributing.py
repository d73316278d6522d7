"""The recipes of CONTRIBUTING.md work when they are followed word by word, in a copy of the checkout."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import HANGS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^## (Add .*?)\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M))
BLOCK = r"\s*?\n\n(?P<indent> +)(?P<fence>`{3,4})\w+\n(?P<block>.*?)\n *(?P=fence)\n"
STEPS = {
    "create": r"Create\s+`(?P<path>[^`]+)`:",
    "append": r"At the end of\s+`(?P<path>[^`]+)`,\s+below\s+two\s+empty\s+lines,\s+add:",
    "table": r"At the end of the table in\s+`(?P<path>[^`]+)`,\s+add:",
    "replace": r"In\s+`(?P<path>[^`]+)`,\s+replace\s+the\s+line\s+`(?P<line>[^`]+)`\s+with:",
    "run": r"(?P<run>(?=\n\n +```console))",
}


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(  # what mypy knows of the unchanged files is kept: .mypy_cache
        *(".git", ".venv", "runs", "build", "*.egg-info", "_build", "lessons", "__pycache__"),
        *(".pytest_cache", ".ruff_cache", ".nox", "jupyter_execute"),
    )
    shutil.copytree(ROOT, folder, symlinks=True, ignore=ignored)
    return folder


def steps(recipe):
    """Return (place, kind, path, line, block) of every step, in order."""
    found = []
    for kind, pattern in STEPS.items():
        for match in re.finditer(pattern + BLOCK, recipe, re.S):
            block = re.sub(f"^{match['indent']}", "", match["block"], flags=re.M)
            groups = {"path": None, "line": None} | match.groupdict()
            found.append((match.start(), kind, groups["path"], groups["line"], block))
    return sorted(found)


def follow(kind, file, line, block):
    """Edit a file as a step says."""
    text = file.read_text() if kind != "create" else ""
    lines = text.split("\n")
    if kind == "replace":
        assert lines.count(line) == 1, (file, line)
        lines[lines.index(line)] = block
    elif kind == "table":
        last = max(i for i, row in enumerate(lines) if row.startswith("| ["))
        lines.insert(last + 1, block)
    elif kind == "append":
        lines[-1:] = ["", "", block, ""]
    else:
        assert not file.exists()
        lines = [block, ""]
    file.write_text("\n".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe(name, checkout):
    pytest.importorskip("nox", reason="extra 'dev'")
    pytest.importorskip("ruff", reason="extra 'dev'")
    pytest.importorskip("mypy", reason="extra 'dev'")
    environment = {**os.environ, "PYTHONPATH": str(checkout), "MPLBACKEND": "agg", "PYTEST_ADDOPTS": "-n0"}
    ran = []
    for _, kind, path, line, block in steps(RECIPES[name]):
        if kind != "run":
            follow(kind, checkout / path, line, block)
            continue
        for command in block.splitlines():
            if command == ".venv/bin/nox -s docs":  # takes minutes: tests/site builds the site
                continue
            program, *arguments = shlex.split(command)
            module = [] if program.endswith("python") else ["-m", Path(program).name]
            done = subprocess.run(
                [sys.executable, *module, *arguments],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,  # who touches a terminal from the background is stopped
                start_new_session=True,
                capture_output=True,
                text=True,
                timeout=HANGS,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            ran.append(command)
    assert len(ran) >= 3


def test_there_are_three_recipes_and_every_block_in_them_is_a_step():
    assert list(RECIPES) == ["Add an operation", "Add a kernel", "Add a lesson"]
    for recipe in RECIPES.values():
        fences = len(re.findall(r"^   `{3,4}\w+$", recipe, re.M))
        assert len(steps(recipe)) == fences


def test_every_task_is_listed():
    names = re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M)
    listed = re.findall(r"^\| `(\w+)` \|", TEXT, re.M)
    assert listed == [name for name in names if name not in ("python", "pytest")]
