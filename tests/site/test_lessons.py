"""Every lesson is a page made by running it, and can be had as a notebook."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.site_pages import Page, pages

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "tutorials").glob("[0-9][0-9]_*.py"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", LESSONS)
def test_its_notebook_shows_every_figure(site, name):
    page = Page(site / "lessons" / f"{name}.html")
    downloads = {Path(link).name: page.target(link)[0] for link in page.links if "_downloads" in link}
    assert {f"{name}.ipynb", f"{name}.py"} <= set(downloads)
    assert downloads[f"{name}.py"].read_bytes() == (ROOT / "tutorials" / f"{name}.py").read_bytes()
    notebook = json.loads(downloads[f"{name}.ipynb"].read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    figures = [
        cell
        for cell, source in zip(cells, sources, strict=True)
        if re.search(r"^(draw\(|\w+\.draw\(\)|described\()", source, re.M)
    ]
    assert figures
    for cell in figures:
        assert any("image/png" in output.get("data", {}) for output in cell["outputs"]), cell["source"]
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert not errors
    assert len([load for load in page.loads if load.endswith(".png")]) >= len(figures)


def test_every_picture_of_the_site_has_an_alternative_text(site):
    """Figures of lessons bring theirs along; pictures of other pages have it in their source."""
    missing = [
        f"{path.relative_to(site.resolve())}: {image}"
        for path, page in pages(site).items()
        for image, text in page.images
        if not (text or "").strip()
    ]
    assert not missing, "\n".join(missing)
