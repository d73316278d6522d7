"""Sphinx: README, lessons, equations, kernels, docstrings: `sphinx-build -W docs docs/_build/html`.

The lessons are executed while they are read. Nothing on a page comes from another host.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from tinycnn import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))
# Sphinx reads only what lies in its folder, so the lessons are copied there.
shutil.rmtree(HERE / "lessons", ignore_errors=True)
shutil.copytree(
    HERE.parent / "tutorials", HERE / "lessons", ignore=shutil.ignore_patterns("__pycache__", "assignments")
)
# For the lessons' kernels, which run in processes of their own.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))

project = "tinycnn"
copyright = "2026, the tinycnn founders"
release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    # ours, in extensions/
    "equation_links",
    "figure_descriptions",
    "ladder",
    "lesson_header",
    "mistakes",
    "repository_links",
]
exclude_patterns = [
    "_build",
    "jupyter_execute",
    "conf.py",
    "extensions",
    "lessons/README.md",
    "lessons/applications",
    "lessons/digits_in_40_lines.py",
    "lessons/notebooks.py",
    "lessons/run.py",
]
if not (HERE.parent / "kernels" / "cuda" / "README.md").exists():
    exclude_patterns.append("ladder_gpu.rst")
default_role = "literal"  # `name` in a docstring is code

html_theme = "furo"
html_title = "tinycnn"
html_css_files = ["site.css"]
# MathJax draws formulas as SVG, from one file: no fonts, no other host.
mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"
html_static_path = ["_static", str(mathjax)]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load more files

# [source] leads into the module that defines a name, and back to the page that documents it.
viewcode_follow_imported_members = False

autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
autodoc_typehints = "signature"
add_module_names = False  # the heading says it
autodoc_inherit_docstrings = False  # forward and backward are what their class says
napoleon_numpy_docstring = True
napoleon_google_docstring = False

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_timeout = 1200  # seconds of a cell: twenty times what the longest takes on two quiet cores
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_ipywidgets_js = {}  # else from a CDN


def setup(app):
    """Leave out what a named tuple says of its fields: "Alias for field number 0"."""

    def skip(app, what, name, member, skipped, options):
        return True if type(member).__name__ == "_tuplegetter" else None

    app.connect("autodoc-skip-member", skip)
