"""Pages in Chromium, without a network: formulas are drawn, nothing is asked for, nothing fails."""

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["index", "equations", "ladder", "lessons/03_convolution", "functional"])
def test_a_page_offline(site, page, name):
    page.goto((site / f"{name}.html").as_uri())
    formulas = page.locator(".math").count()
    page.wait_for_function(
        "n => document.querySelectorAll('.math mjx-container > svg').length >= n", arg=formulas
    )
    assert (formulas > 10) == (name in ("equations", "lessons/03_convolution"))
    assert page.locator(".math mjx-container [data-mml-node=merror]").count() == 0
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
    assert not broken
    assert not page.said


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(site, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    for name in (
        "index",
        "equations",
        "lessons",
        "lessons/03_convolution",
        "measurements",
        "kernels",
        "ladder_gpu",
    ):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
