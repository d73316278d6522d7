"""The kernels' ladder: its measured rungs as a table, and each file by what its docstring says.

Docstrings are read, not imported: a rung for a GPU is shown where there is none.
"""

import ast
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
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
        return [table(rows), nodes.paragraph("", measured)]


class Rungs(SphinxDirective):
    """``.. rungs:: FILE FOLDER ...``: a section a file, with its docstring; nothing where there is no such.

    The README.md of a folder is the page, its files' sections follow in it, in the order in which it links
    to them. The code is folded below the docstring.
    """

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        found: list[nodes.Node] = []
        for argument in self.arguments[0].split():
            path = ROOT / argument
            files = [path] if path.is_file() else _in_reading_order(path)
            sections = [section for file in files for section in self._section(file)]
            if path.is_dir():
                page = self._readme(path / "README.md")
                next(section for section in page if isinstance(section, nodes.section)).extend(sections)
                sections = page
            found += sections
        return found

    def _section(self, file: Path) -> list[nodes.Node]:
        self.env.note_dependency(str(file))
        code = file.read_text()
        text = ast.get_docstring(ast.parse(code))
        if text is None or file.name == "__init__.py":
            return []
        name = str(file.relative_to(ROOT))
        lines = [name, "-" * len(name), "", *text.splitlines()]
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, str(file)), holder)
        summary = f"<details><summary>{len(code.splitlines())} lines of code</summary>"
        section = next(iter(holder.findall(nodes.section)))
        section += [
            nodes.raw("", summary, format="html"),
            nodes.literal_block(code, code, language="python"),
            nodes.raw("", "</details>", format="html"),
        ]
        return holder.children

    def _readme(self, path: Path) -> list[nodes.Node]:
        lines = [f".. include:: /../{path.relative_to(ROOT)}", "   :parser: myst_parser.sphinx_"]
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, str(path)), holder)
        for image in holder.findall(nodes.image):
            if ":" not in image["uri"]:  # relative to the README, to Sphinx from docs/
                image["uri"] = f"/../{path.parent.relative_to(ROOT)}/{image['uri']}"
        return holder.children


def _in_reading_order(folder: Path) -> list[Path]:
    """Return the files that the folder's README.md links to, first to last, then the others."""
    text = (folder / "README.md").read_text()
    linked = [folder / name for name in re.findall(r"\]\((\w+\.py)\)", text)]
    others = sorted(set(folder.glob("*.py")) - set(linked))
    return list(dict.fromkeys(linked)) + others


def table(rows: list[tuple[str, ...]]) -> nodes.table:
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
