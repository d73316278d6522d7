"""Below the title of each lesson: its notebook, as executed for this page, and its source, to download."""

import os
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

FOLDER = "lessons/"


def add(app: Sphinx, doctree: nodes.document) -> None:
    """Add the line to a lesson."""
    docname = app.env.docname
    if not docname.startswith(FOLDER):
        return
    name = docname.removeprefix(FOLDER)
    executed = Path(app.env.mystnb_config.output_folder, f"{docname}.ipynb")
    files = {
        f"{name}.ipynb": "/" + os.path.relpath(executed, app.srcdir),  # a path of Sphinx's, from docs/
        f"{name}.py": f"{name}.py",
    }
    notebook, source = (
        addnodes.download_reference("", "", nodes.literal("", text), reftarget=target)
        for text, target in files.items()
    )
    line = nodes.paragraph(
        "",
        "",
        nodes.Text("Run it yourself: "),
        notebook,
        nodes.Text(" or "),
        source,
        nodes.Text("."),
        classes=["downloads"],
    )
    title = next(doctree.findall(nodes.title))
    title.parent.insert(title.parent.index(title) + 1, line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add, priority=400)  # before downloads are collected
    return {"parallel_read_safe": True, "parallel_write_safe": True}
