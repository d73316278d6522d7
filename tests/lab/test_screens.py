"""The screenshots of the documentation. TINYCNN_SCREENSHOTS=docs/_static/lab writes them anew."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.lab_server import opened

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect


def see(page):
    page.locator("canvas[data-array=a4]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#why .result")).to_contain_text("a4[0,0,2,2]")


def backward(page):
    page.check("#backward")
    page.select_option("#loss", "1")
    expect(page.locator("#loss-says")).to_contain_text("L = ")
    page.locator("canvas[data-array=a3]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#why .result")).to_contain_text("dL/da3[0,0,2,2]")


def build(page):
    page.click("#tabs [data-tab=build]")
    expect(page.locator("#python")).to_contain_text("nn.Conv2d(1, 8, 3)")


@pytest.mark.slow
@pytest.mark.parametrize("show", [see, backward, build], ids=lambda show: show.__name__)
def test_a_screen(chromium, server, tmp_path, show):
    folder = Path(os.environ.get("TINYCNN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{show.__name__}.png"
    for page in opened(chromium, server, viewport={"width": 1366, "height": 860}, color_scheme="light"):
        show(page)
        page.screenshot(path=path)
    picture = Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=224)
    picture.save(path, optimize=True)
    assert picture.size == (1366, 860)
    assert len(picture.getcolors()) > 30  # the maps are there
