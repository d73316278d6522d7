"""The page that `save` writes, in Chromium without a network: keys, buttons and slider go through it."""

import pytest

from tinycnn import functional as F
from tinycnn.explain import explain, save


@pytest.fixture(scope="module")
def steps():
    return explain(F.conv2d, [[[[1, 2, 3], [4, 5, 6]]]], [[[[-1, 1]]]], backward=True)


@pytest.fixture(scope="module")
def saved(steps, tmp_path_factory):
    path = tmp_path_factory.mktemp("player") / "steps.html"
    save(steps, path)
    return path


@pytest.fixture
def player(saved, page):
    page.goto(saved.as_uri())
    yield page
    assert not page.said


def check_shows(player, steps, number):
    """The counter, the slider and the text, which can be selected, are those of this step, from 1."""
    assert player.locator("#caption").inner_text() == f"{number} / {len(steps)}"
    assert player.locator("#at").input_value() == str(number)
    shown = player.locator("section:visible")
    assert shown.count() == 1
    text = shown.inner_text()
    for part in (steps[number - 1].title, steps[number - 1].numbers, steps[number - 1].sentence):
        assert " ".join(part.split()) in " ".join(text.split())
    return text


def test_it_opens_at_the_first_step(player, steps):
    check_shows(player, steps, 1)
    assert player.title() == "conv2d, step by step"


def test_buttons(player, steps):
    first = check_shows(player, steps, 1)
    player.click("#next")
    assert check_shows(player, steps, 2) != first
    player.click("#back")
    assert check_shows(player, steps, 1) == first


def test_arrow_keys_whatever_has_the_focus(player, steps):
    player.keyboard.press("ArrowRight")
    check_shows(player, steps, 2)
    for focus in ("#next", "#at"):
        player.focus(focus)
        player.keyboard.press("ArrowRight")
        player.keyboard.press("ArrowRight")
        player.keyboard.press("ArrowLeft")
    check_shows(player, steps, 4)


def test_it_stops_at_both_ends(player, steps):
    player.click("#back")
    check_shows(player, steps, 1)
    player.locator("#at").fill(str(len(steps)))
    check_shows(player, steps, len(steps))
    player.keyboard.press("ArrowRight")
    player.click("#next")
    check_shows(player, steps, len(steps))


@pytest.mark.parametrize("size", [(390, 844), (1280, 720)])
def test_it_fits_into_the_window(player, size):
    player.set_viewport_size({"width": size[0], "height": size[1]})
    assert player.evaluate("document.documentElement.scrollWidth") <= size[0]
    for element in ("#back", "#at", "#next", "#caption"):
        assert player.locator(element).is_visible()


def test_a_cell_leads_to_its_step(player, steps):
    """The second cell of y to the step that computes it, a cell of x to the step of its gradient."""
    player.locator("section:visible figure:last-of-type td").nth(1).click()
    check_shows(player, steps, 1 + steps.steps.index(steps.steps_of("y")[1]))
    player.locator("section:visible figure").first.locator("td").nth(4).locator("a").click()
    check_shows(player, steps, 1 + steps.steps.index(steps.steps_of("dL/dx")[4]))
    player.go_back()
    check_shows(player, steps, 1 + steps.steps.index(steps.steps_of("y")[1]))


def test_without_scripts_all_steps_stand_below_each_other(saved, steps):
    text = saved.read_text().partition("<script>")[0]
    assert all(step.title in text for step in steps)
