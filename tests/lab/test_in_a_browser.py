"""The page in Chromium: what a person does with mouse and keyboard, and what stands there then."""

import re

import pytest

import tinycnn
from tests.helpers import PAGE_HANGS
from tests.helpers.lab_server import Server, go_to_cell, opened
from tinycnn.lab.network import Start, small_network
from tinycnn.lab.trace import run

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect


@pytest.fixture(scope="module")
def model():
    """The small network, trained here as the server trains it: the same bits."""
    with tinycnn.using("numpy"):
        start = Start(small_network())
        while not start.finished:
            start.advance(1)
    return start.network


def draw_a_seven(page):
    page.click("#clear")
    box = page.locator("#draw").bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.mouse.move(*at(0.25, 0.25))
    page.mouse.down()
    page.mouse.move(*at(0.72, 0.25), steps=5)
    page.mouse.move(*at(0.45, 0.82), steps=5)
    page.mouse.up()


def test_a_seven_is_called_seven(lab_page):
    draw_a_seven(lab_page)
    expect(lab_page.locator("#bars .best")).to_have_text(re.compile("^7"))


def test_a_click_shows_the_sum_of_that_number(lab_page, model):
    go_to_cell(lab_page, "a4", 3, 5, 2)
    value = run(model.model, model.test.scaled([0])[0]).array("a4")[0, 3, 5, 2]
    expect(lab_page.locator("#why .result")).to_have_text(f"a4[0,3,5,2] = {value:.4g}")
    assert lab_page.locator("#why .numbers").inner_text().endswith(f"= {value:.4g}")
    assert lab_page.locator("#why .terms li").count() == 40
    assert lab_page.locator("#why .equation munder").text_content() == "Σc,r,s"  # set by the browser
    wide, most = lab_page.evaluate(
        "e => [e.scrollWidth, e.clientWidth]", lab_page.query_selector("#why .equation")
    )
    assert wide <= most
    for width in (1366, 1024, 360):  # no part of a number or an index is out of sight
        lab_page.set_viewport_size({"width": width, "height": 768})
        assert lab_page.evaluate(
            "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#why .equation'))"
        )
    lab_page.click("#why-body > button:not(#slide)")
    assert lab_page.locator("#why .terms li").count() == 73  # 8 channels of 3x3, and the bias


def test_the_window_slides_until_it_is_stopped(lab_page, model):
    go_to_cell(lab_page, "a1", 0, 0, 24)
    result = lab_page.locator("#why .result")
    expect(result).to_contain_text("a1[0,0,0,24]")
    expect(lab_page.locator("#why .pair").first).to_contain_text("=")  # what the map adds to the sum
    lab_page.click("#slide")
    values = run(model.model, model.test.scaled([0])[0]).array("a1")[0, 0]
    expect(result).to_have_text(f"a1[0,0,1,0] = {values[1, 0]:.4g}")
    lab_page.click("#slide")
    expect(lab_page.locator("#slide")).to_have_attribute("aria-pressed", "false")
    lab_page.keyboard.press("Escape")
    go_to_cell(lab_page, "a6", 2, 4, 3)
    lab_page.click("#slide")  # at the end of the map it stops by itself
    expect(result).to_contain_text("a6[0,2,4,4]")
    expect(lab_page.locator("#slide")).to_have_attribute("aria-pressed", "false")
    assert lab_page.locator("#crumbs button").count() == 1


def test_what_a_cell_reads_is_outlined_while_it_is_pointed_at(lab_page):
    """On the canvas before it, nothing else is drawn again: its picture changes, and changes back."""
    picture = "document.querySelector('canvas[data-array=a3]').toDataURL()"
    plain = lab_page.evaluate(picture)
    maps = lab_page.locator("canvas[data-array=a4]")
    maps.hover(position={"x": 31, "y": 40})
    lab_page.wait_for_function(f"before => {picture} !== before", arg=plain)
    outlined = lab_page.evaluate(picture)
    lab_page.hover("h1")
    lab_page.wait_for_function(f"before => {picture} === before", arg=plain)
    maps.click(position={"x": 31, "y": 40})  # the outlines of a cell that is asked about stay
    expect(lab_page.locator("#why .result")).to_have_text(re.compile(r"^a4\[0,0,5,4\] = "))
    lab_page.wait_for_function(f"before => {picture} === before", arg=outlined)
    lab_page.hover("h1")
    maps.hover(position={"x": 61, "y": 60})
    expect(lab_page.locator("#network-readout")).to_have_text(re.compile(r"^a4\[0,0,8,8\]"))
    assert lab_page.evaluate(picture) == outlined
    assert lab_page.locator("#crumbs button").count() == 1


def test_a_click_with_the_mouse(lab_page):
    lab_page.locator("canvas[data-array=a1]").click(position={"x": 31, "y": 40})  # cells are 3 pixels wide
    expect(lab_page.locator("#why .result")).to_have_text(re.compile(r"^a1\[0,0,13,10\] = "))


def test_walk_down_to_the_picture_and_back_up(lab_page):
    lab_page.locator("#bars .bar").nth(7).click()
    here = lab_page.locator("#crumbs [aria-current]")
    expect(here).to_have_text("p[0,7]")
    for array in ("a8", "a7", "a6", "a5", "a4", "a3", "a2", "a1", "a0"):
        lab_page.locator("#why-body table button, #why-body .terms button").first.click()
        expect(here).to_have_text(re.compile(rf"^{array}\["))
        if array != "a0":
            expect(lab_page.locator("#why .result")).to_have_text(re.compile(rf"^{array}\["))
    expect(lab_page.locator("#why-body")).to_contain_text("nothing computes it")
    lab_page.locator("#crumbs button").first.click()
    expect(lab_page.locator("#why .result")).to_have_text(re.compile(r"^p\[0,7\] = "))
    assert lab_page.locator("#crumbs button").count() == 1


def test_backward_shows_the_gradient(lab_page, model):
    trace = run(model.model, model.test.scaled([0])[0], 4)
    lab_page.check("#backward")
    lab_page.select_option("#loss", "4")
    expect(lab_page.locator("#loss-says")).to_have_text(f"L = {trace.loss:.4g}")
    go_to_cell(lab_page, "a3", 1, 4, 4)
    value = trace.array("a3", gradient=True)[0, 1, 4, 4]
    expect(lab_page.locator("#why .result")).to_have_text(f"dL/da3[0,1,4,4] = {value:.4g}")


def test_a_reload_restores_the_state(lab_page):
    lab_page.click("#test")
    expect(lab_page.locator("#true-label")).to_contain_text("picture 1:")
    go_to_cell(lab_page, "a1", 2, 3, 3)
    result = lab_page.locator("#why .result")
    expect(result).to_have_text(re.compile(r"^a1\[0,2,3,3\]"))
    before = result.inner_text()
    lab_page.reload()
    expect(result).to_have_text(before)
    expect(lab_page.locator("#true-label")).to_contain_text("picture 1:")


def test_a_drawing_survives_a_reload(lab_page):
    draw_a_seven(lab_page)
    best = lab_page.locator("#bars .best")
    expect(best).to_have_text(re.compile("^7"))
    expect(lab_page).to_have_url(re.compile("pixels"))
    lab_page.reload()
    expect(best).to_have_text(re.compile("^7"))
    assert lab_page.locator("#true-label").inner_text() == ""


def test_another_fragment_in_an_open_page_is_followed_and_back_leads_back(lab_page):
    draw_a_seven(lab_page)
    best, canvas = lab_page.locator("#bars .best"), "document.querySelector('#draw').toDataURL()"
    expect(best).to_have_text(re.compile("^7"))
    go_to_cell(lab_page, "a1", 2, 3, 3)
    result = lab_page.locator("#why .result")
    expect(result).to_have_text(re.compile(r"^a1\[0,2,3,3\]"))
    before, drawn = result.inner_text(), lab_page.evaluate(canvas)
    lab_page.evaluate(
        """location.hash = '{"test":4,"noise":0.1,"backward":true,"loss":3,'
           + '"path":[{"array":"a3","cell":[0,1,4,4],"gradient":true}]}'"""
    )
    expect(result).to_have_text(re.compile(r"^dL/da3\[0,1,4,4\]"))
    expect(lab_page.locator("#true-label")).to_contain_text("picture 4:")
    expect(lab_page.locator("#backward")).to_be_checked()
    expect(lab_page.locator("#loss")).to_have_value("3")
    expect(lab_page.locator("#noise")).to_have_value("0.1")
    assert lab_page.evaluate(canvas) != drawn
    lab_page.evaluate("""location.hash = '{"tab":"build"}'""")
    expect(lab_page.locator("#tabs [data-tab=build]")).to_have_attribute("aria-selected", "true")
    expect(lab_page.locator("#layer-list")).to_be_visible()
    expect(result).to_have_count(0)
    expect(lab_page.locator("#true-label")).to_contain_text("picture 0:")
    expect(lab_page.locator("#backward")).not_to_be_checked()
    lab_page.go_back()
    expect(result).to_have_text(re.compile(r"^dL/da3\[0,1,4,4\]"))
    lab_page.go_back()
    expect(result).to_have_text(before)
    expect(best).to_have_text(re.compile("^7"))
    assert lab_page.locator("#true-label").inner_text() == ""
    pixels = "document.querySelector('#draw').getContext('2d').getImageData(0, 0, 280, 280).data"
    assert lab_page.evaluate(f"{pixels}.some((v, n) => n % 4 < 3 && v > 200)")  # the drawing is there again
    lab_page.evaluate("location.hash = '%7B'")  # no state: a fresh page
    expect(lab_page.locator("#true-label")).to_contain_text("picture 0:")
    expect(result).to_have_count(0)


@pytest.mark.parametrize(
    "fragment",
    [
        "#%7B",
        "#5",
        "#null",
        '#{"tab":5,"path":[5],"test":"x"}',
        '#{"path":[{"array":"zz","cell":[1]}]}',
        '#{"test":99999}',
    ],
)
def test_a_broken_fragment_is_no_trouble(lab_page, server, fragment):
    lab_page.goto("about:blank")
    lab_page.said.clear()
    lab_page.goto(server.address + fragment)
    lab_page.click("#test")
    expect(lab_page.locator("#bars .best")).to_have_count(1)


def test_a_wrong_file_is_refused_with_a_sentence(lab_page, tmp_path):
    path = tmp_path / "evil.svg"
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    lab_page.set_input_files("#file", path)
    expect(lab_page.locator("#status")).to_contain_text("no picture")


def test_chinese(lab_page):
    lab_page.select_option("#language", "zh")
    assert lab_page.locator("#why-title").inner_text() == "为什么是这个数？"
    assert lab_page.evaluate("document.documentElement.lang") == "zh-CN"


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1366, 768), (1024, 768), (390, 844), (360, 740)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_into_the_window(chromium, server, size, theme):
    for page in opened(chromium, server, viewport={"width": size[0], "height": size[1]}, color_scheme=theme):
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        page.locator("#bars .bar").first.click()
        page.wait_for_selector("#why .result")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_training_lowers_the_loss_and_reset_undoes_it(lab_page):
    bars = lab_page.locator("#bars")
    before = bars.inner_text()
    lab_page.locator("#bars .bar").first.click()
    expect(lab_page.locator("#why .result")).to_contain_text("p[0,0]")
    lab_page.click("#tabs [data-tab=train]")
    lab_page.click("#train-step")
    says = lab_page.locator("#train-says")
    expect(says).to_have_text(re.compile("^Step 1: "))
    was, now = map(float, re.findall(r"-?\d+\.?\d*(?:e-?\d+)?(?=[,.]?(?: and|\.$))", says.inner_text()))
    assert now < was
    lab_page.click("#turn-next")
    expect(lab_page.locator("#why-body h3")).to_contain_text("ReLU")
    lab_page.click("#train-run")
    expect(says).to_have_text(re.compile(r"^steps: (\d\d+), loss"))
    lab_page.click("#train-run")
    expect(lab_page.locator("#curve-says")).to_contain_text("dead ReLUs")
    lab_page.click("#train-reset")
    expect(bars).to_have_text(before, use_inner_text=True)


def test_a_learning_rate_that_diverges(lab_page):
    lab_page.click("#tabs [data-tab=train]")
    lab_page.fill("#lr", "100000")
    lab_page.click("#train-run")
    expect(lab_page.locator("#train-says")).to_contain_text("training diverged at step")
    lab_page.click("#train-reset")
    expect(lab_page.locator("#train-says")).to_contain_text("as it was")


def saved(page, chromium, path):
    """Save the page as one file, and yield the page that opens it without a network."""
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(path)
    context = chromium.new_context(offline=True, locale="en-US")
    context.set_default_timeout(PAGE_HANGS)
    page, said = context.new_page(), []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else said.append(r.url)
    )
    page.goto(path.as_uri())
    yield page
    assert not said
    context.close()


def test_a_saved_file_works_without_the_server(lab_page, chromium, tmp_path):
    lab_page.click("#test")
    expect(lab_page.locator("#true-label")).to_contain_text("picture 1:")
    go_to_cell(lab_page, "a4", 1, 2, 3)
    result = lab_page.locator("#why .result")
    expect(result).to_have_text(re.compile(r"^a4\[0,1,2,3\]"))
    before = result.inner_text()
    for page in saved(lab_page, chromium, tmp_path / "saved.html"):
        result = page.locator("#why .result")
        expect(result).to_have_text(before)
        expect(page.locator("#saved-says")).to_be_visible()
        expect(page.locator("#clear")).to_be_hidden()
        expect(page.locator("#tabs [data-tab=train]")).to_be_hidden()
        page.locator("#bars .bar").nth(3).click()
        expect(result).to_have_text(re.compile(r"^p\[0,3\] = "))
        page.locator("canvas[data-array=a1]").click(position={"x": 60, "y": 60})
        expect(page.locator("#why-body")).to_contain_text("not recorded")
        page.check("#backward")
        expect(page.locator("#loss-says")).to_have_text(re.compile("^L = "))


def test_a_saved_file_has_the_gradients_and_the_training_step(lab_page, chromium, tmp_path):
    lab_page.click("#tabs [data-tab=train]")
    lab_page.click("#train-step")
    says, heading = lab_page.locator("#train-says"), lab_page.locator("#why-body h3")
    expect(says).to_have_text(re.compile("^Step 1: "))
    lab_page.click("#turn-next")
    turn = heading.inner_text()
    lab_page.click("#tabs [data-tab=see]")
    lab_page.check("#backward")
    lab_page.select_option("#loss", "3")
    result = lab_page.locator("#why .result")
    go_to_cell(lab_page, "a3", 1, 4, 4)
    expect(result).to_have_text(re.compile(r"^dL/da3\[0,1,4,4\]"))
    of_another_loss = result.inner_text()
    lab_page.select_option("#loss", "5")
    expect(result).not_to_have_text(of_another_loss)
    before = result.inner_text()
    for page in saved(lab_page, chromium, tmp_path / "saved.html"):
        result = page.locator("#why .result")
        expect(result).to_have_text(before)
        page.click("#why-close")
        page.uncheck("#backward")
        assert page.locator("#saved-cells button").all_inner_texts() == ["dL/da3[0,1,4,4]"]
        page.click("#saved-cells button")
        expect(result).to_have_text(before)
        expect(page.locator("#backward")).to_be_checked()
        page.click("#tabs [data-tab=train]")
        expect(page.locator("#train-step")).to_be_hidden()
        expect(page.locator("#curve")).to_have_attribute("aria-label", re.compile("Step 1 to 1;"))
        assert page.evaluate("(e => e.width - e.clientWidth)(document.querySelector('#curve'))") == 0
        expect(page.locator("#filters canvas").first).to_be_visible()
        page.click("#train-again")
        page.click("#turn-next")
        expect(page.locator("#why-body h3")).to_have_text(turn)
    # What was saved did not change what the page asks about.
    go_to_cell(lab_page, "a3", 0, 0, 0)
    expect(lab_page.locator("#why .result")).to_have_text(re.compile(r"^dL/da3\["))


def test_a_click_while_the_engine_computes_is_not_lost(lab_page):
    lab_page.click("#tabs [data-tab=train]")
    lab_page.evaluate(
        "['step', 'step', 'run'].forEach(name => document.getElementById(`train-${name}`).click())"
    )
    says = lab_page.locator("#train-says")
    expect(says).to_have_text(re.compile(r"^steps: (\d\d+), loss"))
    lab_page.evaluate("['run', 'step'].forEach(name => document.getElementById(`train-${name}`).click())")
    expect(says).to_have_text(re.compile(r"^Step \d+: "))


def test_a_reload_restores_the_training(lab_page):
    lab_page.click("#tabs [data-tab=train]")
    lab_page.select_option("#optimizer", "adam")
    lab_page.fill("#lr", "0.002")
    lab_page.click("#train-step")
    lab_page.click("#train-run")
    says, curve = lab_page.locator("#train-says"), lab_page.locator("#curve")
    expect(says).to_have_text(re.compile(r"^steps: (\d\d+), loss"))
    lab_page.click("#train-run")
    lab_page.wait_for_function(
        "document.querySelector('#train-run').getAttribute('aria-pressed') === 'false'"
    )
    lab_page.click("#train-step")  # its answer comes after the last one of the run
    expect(says).to_have_text(re.compile(r"^Step \d+: "))
    before = curve.get_attribute("aria-label"), lab_page.locator("#curve-says").inner_text()
    lab_page.reload()
    expect(curve).to_have_attribute("aria-label", before[0])
    expect(lab_page.locator("#curve-says")).to_have_text(before[1])
    assert lab_page.input_value("#optimizer") == "adam"
    assert lab_page.input_value("#lr") == "0.002"
    lab_page.click("#train-again")
    expect(lab_page.locator("#turn-next")).to_be_visible()
    steps = int(re.search(r"to (\d+);", before[0])[1])
    lab_page.click("#train-step")  # and it goes on from there
    expect(says).to_have_text(re.compile(f"^Step {steps + 1}: "))


def test_an_impossible_stride_is_refused_and_a_good_one_built(lab_page):
    lab_page.click("#tabs [data-tab=build]")
    stride = lab_page.locator("#layer-list li:nth-child(1) [data-option=stride]")
    stride.fill("0")
    stride.press("Tab")
    expect(lab_page.locator("#plan-refused")).to_contain_text("stride: 0 is below 1")
    expect(lab_page.locator("#use-network")).to_be_disabled()
    stride.fill("2")
    stride.press("Tab")
    expect(lab_page.locator("#python")).to_contain_text("nn.Conv2d(1, 8, 3, stride=2),  # 8x13x13")
    lab_page.click("#use-network")
    expect(lab_page.locator("#network-layers h3").nth(1)).to_contain_text("8×13×13")
    expect(lab_page.locator("#network-title")).to_contain_text("one's own")


def test_a_built_network_is_exported_and_loaded(lab_page):
    lab_page.click("#tabs [data-tab=build]")
    lab_page.locator("#layer-list li:nth-child(2) .move[aria-label=Remove]").click()
    lab_page.click("#use-network")
    expect(lab_page.locator("#build-says")).to_contain_text("new network")
    lab_page.fill("#export-name", "from-the-page")
    lab_page.click("#export")
    expect(lab_page.locator("#folder-says")).to_have_text("Written to runs/from-the-page.")
    lab_page.click("#export")
    expect(lab_page.locator("#folder-says")).to_contain_text("choose another name")
    lab_page.select_option("#runs", "runs/from-the-page")
    lab_page.click("#load")
    expect(lab_page.locator("#network-title")).to_contain_text("from-the-page")


def test_the_toy_gan_trains(lab_page):
    lab_page.click("#tabs [data-tab=gan]")
    says = lab_page.locator("#toy-says")
    expect(says).to_have_text(re.compile("^steps: 0;"))
    lab_page.click("#toy-step")
    expect(says).to_have_text(re.compile("^steps: 1;"))
    lab_page.select_option("#density", "spiral")
    expect(says).to_have_text(re.compile("^steps: 0;"))
    lab_page.click("#toy-run")
    expect(says).to_have_text(re.compile(r"^steps: \d\d+;"))
    lab_page.click("#toy-run")


def test_the_tour_has_five_steps_and_is_shown_once(chromium, server):
    for page in opened(chromium, server, tour=True):
        box = page.locator("#tour")
        for n in range(1, 6):
            expect(box).to_contain_text(f"{n}/5")
            page.click("#tour-next")
        expect(box).to_be_hidden()
        page.reload()
        expect(page.locator("#bars .best")).to_have_count(1)
        expect(box).to_be_hidden()
        page.click("#tour-button")
        expect(box).to_contain_text("1/5")
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()


def test_the_page_says_that_the_lab_has_ended_and_connects_again(chromium, tmp_path):
    token = "a-token-that-stays-the-same"
    server = Server(tmp_path, "--token", token)
    port = server.address.split(":")[2].split("/")[0]
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(server.address)
    expect(page.locator("#bars .best")).to_have_count(1)
    server.interrupt()
    status = page.locator("#status")
    expect(status).to_contain_text("does not answer")
    server = Server(tmp_path, "--token", token, "--port", port)
    expect(status).not_to_contain_text("does not answer")
    context.close()
    server.interrupt()
