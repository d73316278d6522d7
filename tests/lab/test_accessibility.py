"""The page for screen readers: Chromium's accessibility tree has a name and a role for everything."""

import re

import pytest

from tests.helpers.lab_server import go_to_cell, opened

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect

PICTURES = ("image", "application")  # a canvas says nothing unless it has a name
CONTROLS = {"button", "checkbox", "combobox", "option", "slider", "spinbutton", "textbox", "tab"}


def tree(page):
    """Return (role, name, properties) of everything that a screen reader meets."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    found = []
    for node in nodes:
        if not node["ignored"]:
            properties = {p["name"]: p["value"].get("value") for p in node.get("properties", [])}
            found.append((node["role"]["value"], node.get("name", {}).get("value", "").strip(), properties))
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("tab", ["see", "train", "build", "gan"])
def test_everything_that_can_be_reached_has_a_role_and_a_name(chromium, server, tab, language):
    for page in opened(chromium, server):
        page.select_option("#language", language)
        page.click(f"#tabs [data-tab={tab}]")
        if tab == "see":
            go_to_cell(page, "a3", 1, 4, 4)
            expect(page.locator("#why table button").first).to_be_visible()
        waits_for = {
            "see": "#bars .best",
            "train": "#curve",
            "build": "#layer-list li",
            "gan": "#density option",
        }
        page.wait_for_selector(waits_for[tab], state="attached")
        found = tree(page)
        reached = [(role, name) for role, name, said in found if said.get("focusable") or role in PICTURES]
        nameless = [role for role, name in reached if not name and role != "RootWebArea"]
        assert not nameless
        assert {role for role, _ in reached} - CONTROLS <= {"RootWebArea", *PICTURES}
        assert ("tab", page.locator(f"#tabs [data-tab={tab}]").inner_text()) in reached
        if tab != "gan":
            names = [name for role, name in reached if role == "application"]
            assert len(set(names)) == 9  # each layer's maps have a name of their own
            assert names[1].startswith("a1 = 0 Conv2d(1, 8")
        if tab == "see":
            cells = [name for role, name in reached if re.match(r"a2\[0,1,\d,\d\] = ", name)]
            assert len(cells) == 4
            assert (
                len([name for name in cells if name.endswith({"en": "the winner", "zh": "最大者"}[language])])
                == 1
            )


def live(page):
    """Return the names of the elements whose changes are spoken, that are in the tree, with their texts."""
    names = page.eval_on_selector_all(
        "[role=status], [aria-live], output",
        "all => all.filter(e => e.checkVisibility()).map(e => [e.id, e.textContent])",
    )
    told = [said for role, _, said in tree(page) if said.get("live") == "polite"]
    assert len(told) == len(names)  # an element that is not displayed is not listened to
    return dict(names)


def test_what_changes_is_spoken(lab_page):
    page = lab_page
    before = live(page)
    assert before["status"] == before["why-says"] == ""  # they are there before they say something
    go_to_cell(page, "a4", 3, 5, 2)
    expect(page.locator("#why .result")).to_be_visible()
    said = live(page)
    assert said["network-readout"] == said["why-says"] == page.locator("#why .result").inner_text()
    page.click("#why-close")
    assert live(page)["why-says"] == ""
    page.click("#tabs [data-tab=train]")
    page.click("#train-step")
    expect(page.locator("#train-says")).to_contain_text("Step 1")
    assert live(page)["train-says"].startswith("Step 1")
    page.click("#tabs [data-tab=build]")
    stride = page.locator("#layer-list li:nth-child(1) [data-option=stride]")
    stride.fill("0")
    stride.press("Tab")
    expect(page.locator("#plan-refused")).to_contain_text("stride")
    assert "stride" in live(page)["plan-refused"]


def test_the_keyboard_reaches_every_control(lab_page):
    """Tab goes through the page once, and meets all that the tree calls focusable."""
    seen = []
    lab_page.evaluate("document.activeElement.blur()")
    for _ in range(200):
        lab_page.keyboard.press("Tab")
        here = lab_page.evaluate(
            "(e => e !== document.body && (e.id || e.dataset.array || e.textContent))(document.activeElement)"
        )
        if not here or here in seen[:1]:
            break
        seen.append(here)
    ids = lab_page.eval_on_selector_all(
        "button, select, input, canvas[tabindex]",
        "all => all.filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)"
        ".map(e => e.id || e.dataset.array || e.textContent)",
    )
    assert set(ids) <= set(seen)
    assert {"draw", "file", "backward", "loss", "a0", "a8"} <= set(seen)
