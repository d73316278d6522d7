"""The mistakes that the tutor knows, read from its catalogue: ``.. mistakes::``, one table per exercise."""

from docutils import nodes
from ladder import table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tinycnn.tutor import catalogue


class Mistakes(SphinxDirective):
    """For each exercise: its signature, where it belongs, and a table of its mistakes."""

    def run(self) -> list[nodes.Node]:
        """Return the headings and tables."""
        found: list[nodes.Node] = []
        for exercise in catalogue().values():
            equation = f", Eq. {exercise.equation}" if exercise.equation else ""
            rows = [("mistake", "what the tutor says")]
            rows += [(mistake.name, mistake.sentence) for mistake in exercise.mistakes]
            found += [
                nodes.rubric("", "", nodes.literal("", exercise.signature)),
                nodes.paragraph("", f"Lesson {exercise.lesson}{equation}."),
                table(rows),
            ]
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("mistakes", Mistakes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
