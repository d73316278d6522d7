"""Sphinx: the site is the README and the docstrings. Build with `sphinx-build -W docs docs/_build`."""

from tinycnn import __version__

project = "tinycnn"
copyright = "2026, the tinycnn founders"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "tinycnn"
exclude_patterns = ["_build"]
default_role = "literal"  # `name` in a docstring is code
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False  # forward and backward are what their class says
napoleon_numpy_docstring = True
napoleon_google_docstring = False
myst_heading_anchors = 3
# The README's links are the repository's.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
