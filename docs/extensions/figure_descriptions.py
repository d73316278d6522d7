"""Give every figure of a lesson its alternative text on the page: `<img alt="...">`.

A figure brings its text along (`tinycnn.plot.described`), and the executed notebook keeps it with the
picture. MyST-NB does not put it on the page. It names a picture's file by the SHA-256 of the content, and so
the picture's text is found.
"""

import hashlib
import json
from base64 import b64decode
from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx


def descriptions(notebook: Path) -> dict[str, str]:
    """Return the alternative text of every PNG of an executed notebook, by the SHA-256 of the picture."""
    found = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            text = output.get("metadata", {}).get("image/png", {}).get("alt")
            if text:
                content = b64decode("".join(output["data"]["image/png"]))
                found[hashlib.sha256(content).hexdigest()] = text
    return found


def add(app: Sphinx, doctree: nodes.document) -> None:
    """Add the texts to the images of a page that was executed."""
    notebook = Path(app.env.mystnb_config.output_folder, f"{app.env.docname}.ipynb")
    images = [image for image in doctree.findall(nodes.image) if "alt" not in image]
    if not images or not notebook.exists():
        return
    texts = descriptions(notebook)
    for image in images:
        text = texts.get(PurePosixPath(image["uri"]).stem)
        if text:
            image["alt"] = text


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
