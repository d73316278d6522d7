"""The kernels' ladder: its measured rungs as a table, and each file by what its docstring says.

Docstrings are read, not imported: a rung for a GPU is shown where there is none.
"""

import ast
import json
from pathlib import Path, PurePosixPath

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from repository_links import source_of, up
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

ROOT = Path(__file__).parents[2]


class MeasuredLadder(SphinxDirective):
    """``.. measured-ladder:: FILE``: a table of what `benchmarks/ladder.py` wrote."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table and a line on how it was measured."""
        path = ROOT / self.arguments[0]
        self.env.note_dependency(str(path))
        found = json.loads(path.read_text())
        rows = [("rung", "what changes", "GFLOP/s", "training step, ms")]
        for rung in found["rungs"]:
            step = "" if rung["step_ms"] is None else f"{rung['step_ms']:.1f}"
            rows.append((rung["rung"], rung["change"], f"{rung['gflops']:.3g}", step))
        machine = found["machine"]
        measured = (
            f"The convolution is {found['convolution']} (of the loops {found['loops_on']}, they would take "
            f"minutes), the training step that of cnn28, batch 32. Measured on {machine['cores']} cores "
            f"({machine['processor']}) with NumPy {machine['numpy']}."
        )
        return [_table(rows), nodes.paragraph("", measured)]


class Rungs(SphinxDirective):
    """``.. rungs:: FILE FOLDER ...``: a section a file, with its docstring; nothing where there is no such.

    A folder's README.md comes first. With ``:download:`` the heading's file is a download, else it is linked
    to its highlighted source.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"download": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        found: list[nodes.Node] = []
        for argument in self.arguments[0].split():
            path = ROOT / argument
            if path.is_dir():
                found += self._readme(path / "README.md")
            files = [path] if path.is_file() else sorted(path.glob("*.py"))
            for file in files:
                found += self._section(file)
        return found

    def _section(self, file: Path) -> list[nodes.Node]:
        self.env.note_dependency(str(file))
        text = ast.get_docstring(ast.parse(file.read_text()))
        if text is None or file.name == "__init__.py":
            return []
        name = str(file.relative_to(ROOT))
        lines = [name, "-" * len(name), "", *text.splitlines()]
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, str(file)), holder)
        for section in holder.findall(nodes.section):
            section.insert(1, nodes.paragraph("", "", self._file(PurePosixPath(name))))
        return holder.children

    def _file(self, path: PurePosixPath) -> nodes.Element:
        if "download" in self.options:
            name = nodes.literal("", path.name)
            return addnodes.download_reference("", "", name, reftarget=f"/../{path}")
        uri = f"{up(self.env.docname)}{source_of(path)}.html"
        return nodes.reference("", "read the file", internal=True, refuri=uri)

    def _readme(self, path: Path) -> list[nodes.Node]:
        if not path.is_file():
            return []
        lines = [f".. include:: /../{path.relative_to(ROOT)}", "   :parser: myst_parser.sphinx_"]
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, str(path)), holder)
        return holder.children


def _table(rows: list[tuple[str, ...]]) -> nodes.table:
    """Return a table whose first row is its head."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    lines = [nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in row)) for row in rows]
    group += [nodes.thead("", lines[0]), nodes.tbody("", *lines[1:])]
    return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("measured-ladder", MeasuredLadder)
    app.add_directive("rungs", Rungs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
