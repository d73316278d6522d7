"""A trained GAN in Chromium: through the latent space, arithmetic, and why a number is what it is."""

import re

import pytest

from tests.helpers.lab_server import Server, go_to_cell, opened
from tinycnn import manual_seed
from tinycnn.gan.networks import Discriminator, Generator
from tinycnn.gan.saved import save_networks
from tinycnn.lab.latent import Latent

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    for name, classes in (("plain", 0), ("told", 3)):
        (folder / "runs" / name).mkdir(parents=True)
        manual_seed(0)
        G, D = (kind(width=4, num_classes=classes) for kind in (Generator, Discriminator))
        save_networks(folder / "runs" / name, G, D, {})
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server(folder)
    yield server
    server.interrupt()


def load(page, name):
    page.click("#tabs [data-tab=gan]")
    page.select_option("#gan-runs", f"runs/{name}")
    page.click("#gan-load")
    expect(page.locator("#chain-layers canvas").first).to_be_visible()
    expect(page.locator("#latent-says")).to_contain_text("D says")


@pytest.mark.parametrize("name", ["plain", "told"])
def test_why_in_both_networks_forward_and_backward(lab_page, folder, name):
    load(lab_page, name)
    view = Latent(folder / "runs" / name)
    trace = view.look(view.z(1, 2, 0, 0, 0), 0)
    by_name = {made.name: made.result for made in trace.made if hasattr(made, "name")}
    result = lab_page.locator("#why .result")
    for layer, cell in (("G.4", (0, 1, 5, 6)), ("D.0", (0, 2, 3, 4)), ("G.2", (0, 1, 3, 3))):
        array = by_name[layer]
        lab_page.check("#chain-backward")
        lab_page.uncheck("#chain-backward")  # closes the last cell
        go_to_cell(lab_page, array, *cell[1:], where="#chain-layers ")
        value = trace.array(array)[cell]
        index = ",".join(map(str, cell))
        expect(result).to_have_text(f"{array}[{index}] = {value:.4g}")
    lab_page.check("#chain-backward")
    go_to_cell(lab_page, view.picture, 0, 9, 9, where="#chain-layers ")
    value = trace.array(view.picture, gradient=True)[0, 0, 9, 9]
    expect(result).to_have_text(f"dL/d{view.picture}[0,0,9,9] = {value:.4g}")
    lab_page.locator("#why .terms button").first.click()
    expect(result).to_have_text(re.compile(r"^dL/d[ax]\d+\["))
    lab_page.click("#tabs [data-tab=see]")  # the cell of the other networks is not shown here
    expect(result).to_have_count(0)


def test_arithmetic(lab_page, folder):
    load(lab_page, "told")
    before = lab_page.locator("#latent-says").inner_text()
    lab_page.locator("#sum-a input").fill("5")
    lab_page.click("#sum-show")
    expect(lab_page.locator("#latent-maps figure")).to_have_count(5)
    expect(lab_page.locator("#latent-says")).not_to_have_text(before)
    said = lab_page.locator("#latent-says").inner_text()
    lab_page.reload()  # the run, the sum and its picture come back
    expect(lab_page.locator("#latent-says")).to_have_text(said)
    expect(lab_page.locator("#sum-a input")).to_have_value("5")
    lab_page.locator("#z-t").fill("0.5")  # back on the way from A to B
    expect(lab_page.locator("#latent-maps figure")).to_have_count(2)


def test_another_fragment_in_an_open_page_loads_its_run(lab_page):
    load(lab_page, "told")
    says = lab_page.locator("#latent-says")
    told = says.inner_text()
    lab_page.evaluate("""location.hash = '{"tab":"gan","gan":{"folder":"runs/plain","t":0.5}}'""")
    expect(says).not_to_have_text(told)
    expect(lab_page.locator("#z-t")).to_have_value("0.5")
    expect(lab_page.locator("#gan-class")).to_be_hidden()
    lab_page.evaluate("""location.hash = '{"tab":"gan"}'""")  # of no run
    expect(lab_page.locator("#sliders")).to_be_hidden()
    expect(lab_page.locator("#latent-maps figure")).to_have_count(0)
    lab_page.go_back()
    expect(lab_page.locator("#z-t")).to_have_value("0.5")
    lab_page.go_back()
    expect(says).to_have_text(told)


def test_arithmetic_of_classes_that_the_classifier_names(lab_page, folder):
    load(lab_page, "plain")
    assert lab_page.locator("#sum-a option").all_inner_texts() == list("0123456789")
    says = lab_page.locator("#latent-says")
    for k in range(10):  # noise is called something; which class that is does not matter
        for name in "abc":
            lab_page.select_option(f"#sum-{name} select", str(k))
        lab_page.click("#sum-show")
        expect(says).to_have_text(re.compile("calls none of 400|D says|the network of this page"))
        if lab_page.locator("#latent-maps figure").count() == 5:
            break
    expect(lab_page.locator("#latent-maps figcaption").nth(2)).to_contain_text("mean of")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 1024, 360])
def test_it_fits_into_the_window(chromium, server, width, theme):
    for page in opened(chromium, server, viewport={"width": width, "height": 768}, color_scheme=theme):
        load(page, "told")
        page.click("#sum-show")
        go_to_cell(page, "a3", 1, 3, 2, where="#chain-layers ")
        page.wait_for_selector("#why .result")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
