"""Links to files of the repository, as README and others have them, made links of the site.

A file that is a page here is linked as that page, code as its highlighted source, any other file is offered
for download. What does not exist is left to MyST, which warns.
"""

import os
from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
# The pages that show a file of the repository, whose links are relative to it.
PAGES = {
    "README.md": "index",
    "tutorials/README.md": "lessons",
    "tutorials/assignments/README.md": "assignments",
    "benchmarks/README.md": "measurements",
    "DATA_LICENSES.md": "licences",
    "docs/equations.md": "equations",
    "docs/one_step.md": "one_step",
    "docs/using.md": "using",
    "docs/gpu.md": "gpu",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "kernels/cuda/README.md": "ladder_gpu",
}


def page_of(path: PurePosixPath) -> str | None:
    """Return the page, or the section of a page, that shows this file of the repository."""
    if path.parent.name == "tutorials" and path.stem[:2].isdigit():
        return f"lessons/{path.stem}.html"
    if path.parent.name == "cuda" and path.suffix == ".py":
        return f"ladder_gpu.html#{nodes.make_id(str(path))}"
    page = PAGES.get(str(path))
    return None if page is None else f"{page}.html"


def source_of(path: PurePosixPath) -> str | None:
    """Return the page with the highlighted source of a file of the package."""
    if path.suffix != ".py" or path.parts[0] not in ("tinycnn", "kernels"):
        return None
    module = path.with_suffix("")
    if module.name == "__init__":
        module = module.parent
    return f"_modules/{module if path.parts[0] == 'tinycnn' else 'tinycnn' / module}"


def up(docname: str) -> str:
    """Return the way from a page to the site's root."""
    return "../" * docname.count("/")


def resolve(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the links of a page that shows a file of the repository."""
    docname = app.env.docname
    files = {page: PurePosixPath(file) for file, page in PAGES.items()}
    if docname not in files:
        return
    for node in list(doctree.findall(addnodes.pending_xref)) + list(
        doctree.findall(addnodes.download_reference)
    ):
        if node.get("reftype") != "myst" or node["reftarget"].startswith("#"):
            continue
        path = _file(node, files[docname].parent)
        if path is None:
            continue
        if (page := page_of(path)) is not None:
            node.replace_self(_link(node, f"{up(docname)}{page}"))
        elif (source := source_of(path)) is not None:
            node.replace_self(_link(node, f"{up(docname)}{source}.html"))
        else:
            file = addnodes.download_reference("", "", *node.children, reftarget=f"../{path}")
            node.replace_self(file)


def _file(node: nodes.Element, folder: PurePosixPath) -> PurePosixPath | None:
    """Return the file of the repository that a link in a file in `folder` means, from the root."""
    # What MyST took for a page has an absolute path already, and no suffix.
    suffixes = (".py", ".md") if node.get("refdomain") == "doc" else ("",)
    for suffix in suffixes:
        path = os.path.normpath(ROOT / folder / (node["reftarget"] + suffix))
        if Path(path).is_file():
            return PurePosixPath(os.path.relpath(path, ROOT))
    return None


def _link(node: nodes.Element, uri: str) -> nodes.reference:
    return nodes.reference("", "", *node.children, internal=True, refuri=uri)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", resolve, priority=400)  # before downloads are collected
    return {"parallel_read_safe": True, "parallel_write_safe": True}
