"""The lab in a notebook: the widget's script in Chromium, with a stand-in for the notebook around it."""

import base64
import json

import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn import models, nn
from tinycnn.lab import view
from tinycnn.lab.widget import ESM
from tinycnn.lab.wire import unpack

pytest.importorskip("anywidget", reason="extra 'lab'")

NOTEBOOK = """<!doctype html><div id="cell"></div><script type="module">
const listeners = [];
const model = {
  get: (name) => TRAITS[name],
  on: (event, listener) => listeners.push(listener),
  off: () => {},
  send: async (content) => {
    if (window.silent) return;
    const {text, binary} = await window.python(JSON.stringify(content));
    const bytes = Uint8Array.from(atob(binary), (c) => c.charCodeAt(0));
    for (const listener of listeners) listener(text, binary ? [new DataView(bytes.buffer)] : []);
  },
};
const TRAITS = JSON.parse(document.getElementById("traits").textContent);
const source = document.getElementById("esm").textContent;
const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
(await import(url)).default.render({ model, el: document.getElementById("cell") });
</script>"""


@pytest.fixture
def asked():
    """A function that makes a widget, and one that asks it and returns what it sends."""

    def make(*args, **options):
        widget, sent = view(*args, **options), []
        widget.send = lambda content, buffers=(): sent.append((content, list(buffers)))

        def ask(message):
            widget.asked(widget, message, [])
            return sent.pop()

        return widget, ask

    return make


def answer_of(content, buffers):
    return unpack(bytes(buffers[0]) if buffers else content["answer"])


def test_it_answers_as_the_server_does(asked, rng):
    model, image = models.cnn28(), rng.random((28, 28), np.float32)
    _, ask = asked(model, image)
    head, arrays = answer_of(*ask({"ask": json.dumps({"id": 1, "do": "see"})}))
    assert head["id"] == 1
    np.testing.assert_array_equal(arrays["a0"], image[None])
    expected = F.softmax(model(image[None, None]), 1).numpy()[0]
    np.testing.assert_allclose(arrays["p"], expected, rtol=1e-5)


@pytest.mark.parametrize("message", [None, 5, {}, {"ask": 5}, {"ask": "{"}])
def test_what_is_no_message(asked, message):
    _, ask = asked(models.cnn28())
    head, _ = answer_of(*ask(message))
    assert "request" in head["error"]


@pytest.mark.parametrize(
    ("image", "options", "says"),
    [
        (np.zeros(5), {}, r"\(C, H, W\) or \(H, W\)"),
        (np.full((28, 28), 2.0), {}, r"in \[0, 1\]"),
        (np.full((28, 28), np.nan), {}, r"in \[0, 1\]"),
        (np.zeros((28, 28)), {"classes": ["a"]}, "K=10 outputs, got 1 names"),
        (np.zeros((3, 28, 28)), {}, "28"),
    ],
)
def test_what_does_not_fit(image, options, says):
    with pytest.raises(ValueError, match=says):
        view(models.cnn28(), image, **options)


def test_other_sizes_and_classes(asked):
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 6, 2))
    _, ask = asked(model, np.zeros((3, 6, 8)), classes=["cat", "dog"])
    head, _ = answer_of(*ask({"ask": '{"id": 1, "do": "describe"}'}))
    assert (head["classes"], head["input"], head["tests"]) == (["cat", "dog"], [3, 6, 8], 0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_in_its_frame(asked, chromium, tmp_path, rng, theme):
    expect = pytest.importorskip("playwright.sync_api").expect
    widget, ask = asked(models.lenet5(), rng.random((28, 28), np.float32))
    context = chromium.new_context(offline=True, locale="en-US")
    page, said = context.new_page(), []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    def python(message):
        content, buffers = ask(json.loads(message))
        return {"text": content, "binary": base64.b64encode(buffers[0]).decode() if buffers else ""}

    page.expose_function("python", python)
    impatient = widget.html.replace("PATIENCE%20%3D%2010_000", "PATIENCE%20%3D%20500")
    assert impatient != widget.html
    traits = json.dumps({"html": impatient, "height": 700}).replace("<", "\\u003c")
    parts = [
        f'<body data-jp-theme-light="{"true" if theme == "light" else "false"}">',
        f'<script type="application/json" id="traits">{traits}</script>',
        f'<script type="text/plain" id="esm">{ESM}</script>',
        NOTEBOOK,
    ]
    path = tmp_path / "notebook.html"
    path.write_text("\n".join(parts))
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    expect(frame.locator("#bars .best")).to_have_count(1)
    frame.locator("#bars .bar").nth(3).click()
    expect(frame.locator("#why .result")).to_contain_text("p[0,3] = ")
    frame.locator("#backward").check()
    expect(frame.locator("#loss-says")).to_contain_text("L = ")
    expect(frame.locator("html")).to_have_attribute("data-theme", theme)
    page.evaluate("window.silent = true")
    frame.locator("#clear").click()
    expect(frame.locator("#status")).to_contain_text("Python does not answer")
    page.evaluate("window.silent = false")
    frame.locator("#bars .bar").nth(4).click()
    expect(frame.locator("#status")).not_to_contain_text("Python does not answer")
    assert said == []
    context.close()
