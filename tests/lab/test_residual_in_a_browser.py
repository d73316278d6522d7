"""A residual network in Chromium: batch norm, the addition, and a gradient that two ways send back."""

import re

import pytest

from tests.helpers.lab_server import Server, go_to_cell, opened
from tinycnn import manual_seed, models
from tinycnn.lab import load_network
from tinycnn.lab.trace import run
from tinycnn.storage import save_weights

expect = pytest.importorskip("playwright.sync_api", reason="extra 'browser'").expect


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("residual") / "runs/resnet"
    folder.mkdir(parents=True)
    manual_seed(0)
    config = {"model": "resnet28", "classes": [str(k) for k in range(10)], "data": "digits"}
    save_weights(folder / "weights.safetensors", models.build("resnet28"), config)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = Server(folder.parents[1], folder)
    yield server
    server.interrupt()


@pytest.fixture(scope="module")
def trace(folder):
    network = load_network(folder)
    return run(network.model, network.test.scaled([0])[0], 3)


def test_through_the_addition_to_the_batch_norm(lab_page, trace):
    expect(
        lab_page.locator("#network-layers h3", has_text=re.compile("^x8_1 = Add\\(a7, a3\\)"))
    ).to_have_count(1)
    go_to_cell(lab_page, "x8_1", 1, 3, 2)
    result = lab_page.locator("#why .result")
    expect(result).to_have_text(f"x8_1[0,1,3,2] = {trace.array('x8_1')[0, 1, 3, 2]:.4g}")
    lab_page.locator("#why .terms button", has_text="a[").click()
    expect(result).to_have_text(f"a7[0,1,3,2] = {trace.array('a7')[0, 1, 3, 2]:.4g}")
    expect(lab_page.locator("#why-body")).to_contain_text("3.bn2.running_mean")
    lab_page.locator("#why table button").first.click()
    expect(result).to_have_text(f"a6[0,1,3,2] = {trace.array('a6')[0, 1, 3, 2]:.4g}")


def test_a_gradient_is_the_sum_of_both_ways(lab_page, trace):
    lab_page.check("#backward")
    lab_page.select_option("#loss", "3")
    expect(lab_page.locator("#loss-says")).to_have_text(f"L = {trace.loss:.4g}")
    go_to_cell(lab_page, "a3", 2, 4, 4)
    value = trace.array("a3", gradient=True)[0, 2, 4, 4]
    expect(lab_page.locator("#why .result")).to_have_text(f"dL/da3[0,2,4,4] = {value:.4g}")
    expect(lab_page.locator("#network-readout")).to_have_text(f"dL/da3[0,2,4,4] = {value:.4g}")
    lab_page.select_option("#loss", "4")  # what stands above the maps changes with them
    expect(lab_page.locator("#network-readout")).not_to_have_text(f"dL/da3[0,2,4,4] = {value:.4g}")
    lab_page.select_option("#loss", "3")
    expect(lab_page.locator("#network-readout")).to_have_text(f"dL/da3[0,2,4,4] = {value:.4g}")
    expect(lab_page.locator("#why-body h3").first).to_contain_text("the sum over its 2 uses")
    assert lab_page.locator("#why .terms").first.locator("li").count() == 2
    lab_page.locator("#why .terms button", has_text="g[").first.click()
    expect(lab_page.locator("#why .result")).to_have_text(re.compile(r"^dL/da4\[0,\d+,\d+,\d+\] = "))


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 1024, 360])
def test_it_fits_into_the_window(chromium, server, width, theme):
    for page in opened(chromium, server, viewport={"width": width, "height": 768}, color_scheme=theme):
        go_to_cell(page, "x8_1", 1, 3, 2)
        page.wait_for_selector("#why .result")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
