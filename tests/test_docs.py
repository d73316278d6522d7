"""The examples in docstrings and in the pages' console blocks run as printed."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tinycnn

ROOT = Path(__file__).parents[1]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(tinycnn.__path__, "tinycnn.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.usefixtures("on_numpy")
def test_docstring_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    examples = [
        example
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        for example in test.examples
    ]
    assert len(examples) > 15


def test_console_examples_of_pages():
    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    blocks = re.findall(r"```python-console\n(.*?)```", pages, re.S)
    assert blocks
    for block in blocks:
        test = doctest.DocTestParser().get_doctest(block, {}, "a page", "a page", 0)
        runner = doctest.DocTestRunner()
        runner.run(test)
        assert runner.failures == 0
