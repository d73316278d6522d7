"""`Eq. 3` in a docstring or a lesson, made a link to equation 3."""

import re

from docutils import nodes
from repository_links import up
from sphinx.application import Sphinx

PAGE = "equations"
CITED = re.compile(r"Eq\. (\d+)")
# Where a link would break something, or be one already.
PLAIN = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.math, nodes.math_block)


def link(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the citations of a page."""
    docname = app.env.docname
    if docname == PAGE:
        return
    for text in list(doctree.findall(nodes.Text)):
        if not CITED.search(text) or _is_in_plain(text):
            continue
        parts: list[nodes.Node] = []
        end = 0
        for match in CITED.finditer(text):
            uri = f"{up(docname)}{PAGE}.html#eq-{match[1]}"
            parts += [
                nodes.Text(text[end : match.start()]),
                nodes.reference("", match[0], internal=True, refuri=uri),
            ]
            end = match.end()
        text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def _is_in_plain(node: nodes.Node) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, PLAIN):
            return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", link, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
