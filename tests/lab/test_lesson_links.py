"""The fragments of the lab's address that lessons name show what the lessons say."""

import re
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect

FOLDER = Path(__file__).parents[2] / "tutorials"
# What is chosen or written on the page, by the number of the lesson.
SHOWN = {
    "03": ("#why .result", r"^a1\[0,2,9,9\] = "),
    "06": ("#tabs [data-tab=train][aria-selected=true]", "."),
    "08": ("#true-label", "picture 1:"),
    "11": ("#tabs [data-tab=gan][aria-selected=true]", "."),
}


def fragments():
    """Return the fragment that each lesson names."""
    found = {path.stem[:2]: re.findall(r"`(#\{.*?\})`", path.read_text()) for path in FOLDER.glob("??_*.py")}
    return {number: names[0] for number, names in found.items() if names}


def test_four_lessons_lead_to_the_lab():
    assert set(fragments()) == set(SHOWN)


@pytest.mark.parametrize("lesson", SHOWN)
def test_the_fragment_of_a_lesson_is_understood(lab_page, server, lesson):
    selector, text = SHOWN[lesson]
    lab_page.goto("about:blank")  # else the page would not be loaded anew
    lab_page.said.clear()
    lab_page.goto(server.address + fragments()[lesson])
    expect(lab_page.locator(selector).first).to_have_text(re.compile(text))
    if lesson == "08":
        expect(lab_page.locator("#backward")).to_be_checked()
        expect(lab_page.locator("#saliency")).to_be_checked()
