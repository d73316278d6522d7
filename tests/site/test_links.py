"""Every link of the site leads somewhere, and no page loads anything from another host."""

import re
from pathlib import Path

import pytest

from tests.helpers.site_pages import loaded_by_css, pages

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def all_pages(site):
    return pages(site)


def test_every_page_is_there(all_pages, site):
    names = {str(path.relative_to(site.resolve())) for path in all_pages}
    pages_of_kernels = {"kernels.html", "ladder.html", "_modules/tinycnn/kernels/plain/loops.html"}
    assert {"index.html", "lessons.html", "equations.html", "measurements.html", *pages_of_kernels} <= names


def test_links_and_anchors_lead_somewhere(all_pages):
    broken = []
    for page in all_pages.values():
        for link in page.links:
            file, anchor = page.target(link)
            if file is None:
                continue
            known = all_pages.get(file)
            if not file.is_file() or (anchor and known and anchor not in known.anchors):
                broken.append((page.path.name, link))
    assert not broken


def test_nothing_is_loaded_from_another_host(all_pages, site):
    loads = {(page.path, load) for page in all_pages.values() for load in page.loads}
    loads |= {(css, load) for css in site.rglob("*.css") for load in loaded_by_css(css.read_text())}
    assert len(loads) > 100
    for by, load in loads:
        assert not re.match(r"(\w+:)?//", load), (by, load)
        if not load.startswith("data:"):
            assert (by.parent / load.partition("?")[0]).is_file(), (by, load)


def test_the_readme_s_links_to_code_show_the_code(all_pages, site):
    readme = (ROOT / "README.md").read_text()
    code = [target for target in re.findall(r"\]\(([^)]+)\)", readme) if target.endswith(".py")]
    assert code
    index = all_pages[(site / "index.html").resolve()]
    shown = [index.target(link)[0] for link in index.links if "_modules" in link]
    assert {file.stem for file in shown} == {Path(target).stem for target in code}


def test_every_cited_equation_is_explained_and_taught(all_pages, site):
    files = [*ROOT.glob("tinycnn/**/*.py"), *ROOT.glob("kernels/**/*.py"), *ROOT.glob("tutorials/*.py")]
    cited = {number for file in files for number in re.findall(r"Eq\. (\d+)", file.read_text())}
    page = all_pages[(site / "equations.html").resolve()]
    assert {f"eq-{number}" for number in cited} <= page.anchors
    table = re.findall(r"^\| \[(\d+) .*", (ROOT / "docs" / "equations.md").read_text(), re.M)
    assert table == [str(number) for number in range(1, 17)]
