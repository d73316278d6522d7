"""Steps as figures, GIF, page and JSON."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from tinycnn import Tensor, models, nn, optim
from tinycnn import functional as F
from tinycnn.explain import draw, explain, read_json, save, to_json, training_step


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_figure_shows_every_number_and_sentence(conv):
    step = conv[16]
    shown = texts(draw(step, "17 / 39"))
    assert {"backward", "17 / 39", step.title} <= set(shown)
    words = set(" ".join(shown).split())
    for line in (step.equation, step.numbers, step.sentence):
        assert set(line.split()) <= words
    for panel in step.panels:
        assert all(panel.text(i, j) in shown for i in panel.rows for j in panel.columns)
        assert set(panel.tags.values()) <= set(shown)


def test_a_name_cannot_end_the_script_of_a_page(tmp_path):
    odd = type("<!--<script></script>", (nn.ReLU,), {})
    save(explain(nn.Sequential(nn.Flatten(), odd()), np.ones((1, 1, 2))), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;!--&lt;script&gt;" in page
    assert "<!--" not in page
    assert page.count("<script>") == page.count("</script>") == 1


@pytest.mark.parametrize("wide", [5, 40])
def test_texts_stay_on_the_figure(wide):
    x = np.random.default_rng(0).standard_normal((2, 3, wide, wide))
    w = np.random.default_rng(1).standard_normal((2, 3, 3, 3))
    cells = {"dL/dx": [(0, 2, 2, 2)]}
    for step in explain(F.conv2d, x, w, np.ones(2), padding=1, backward=True, cells=cells):
        figure = draw(step, "1 / 2")
        figure.canvas.draw()
        for axes in figure.axes:
            for text in axes.texts:
                box = text.get_window_extent()
                if text.get_text().strip():
                    assert box.x0 >= 0
                    assert box.x1 <= figure.bbox.width
                    assert box.y0 >= 0
                    assert box.y1 <= figure.bbox.height


def many_arrays():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 2, 11, 11)), rng.standard_normal((2, 2, 3, 3)), [0.5, -0.5]
    cells = {"y": [(0, 0, 4, 4)], "dL/dx": [(0, 1, 10, 0)]}
    yield from explain(F.conv2d, x, w, b, padding=1, backward=True, cells=cells)
    yield from explain(F.instance_norm, x[:, :, :2, :2], [1.5, 0.1], b, backward=True)
    parameter = Tensor(rng.standard_normal((10, 84)), requires_grad=True)
    parameter.grad = Tensor(rng.standard_normal((10, 84)))
    yield from explain(optim.Adam([parameter]), cells={"theta'": [(5, 50)]})
    yield from explain(models.cnn28(), rng.standard_normal((1, 28, 28)), backward=True)


def test_what_is_written_can_be_read():
    for step in many_arrays():
        sizes = {text.get_text(): text.get_fontsize() for text in draw(step).findobj(Text) if text.get_text()}
        assert min(sizes.values()) >= 5, step.title  # points


def test_maps_too_large_for_numbers_are_pictures(conv):
    assert not draw(conv[0]).axes[0].images
    steps = explain(models.cnn28(), np.random.default_rng(0).random((1, 28, 28)))
    assert len(draw(steps[3]).axes[0].images) == 6  # 13x13 in, 11x11 out


def test_gif_and_page_have_every_step(tmp_path):
    steps = explain(F.conv2d, np.ones((1, 1, 1, 3)), np.ones((1, 1, 1, 2)), backward=True)
    assert len(steps) == 7
    save(steps, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 7
        assert gif.size == (1280, 720)
        assert gif.info["duration"] == 2000
    save(steps, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<section") == 7
    assert "data:image" not in page  # text and tables, no pictures
    assert '<td class="result"><a' not in page  # the step itself is no link
    assert not re.search(r"https?://", page)
    assert "dL/dx[0,0,0,1] = 1·1 + 1·1 = 2" in page


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_of_one_step(conv, tmp_path, suffix):
    save(conv, tmp_path / f"a{suffix}", -1)
    assert (tmp_path / f"a{suffix}").stat().st_size > 1000


def test_pictures_need_no_display(tmp_path):
    code = (
        "from tinycnn.explain import explain, save\n"
        "save(explain('softmax', [[1.0, 2.0]], 1), 'a.png')\n"
        "import sys; assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_json_holds_all_there_is(conv):
    document = json.loads(to_json(conv))
    assert (document["schema"], document["version"]) == ("tinycnn.explain", 1)
    assert document["options"] == {"stride": 2}
    assert document["arrays"]["dL/dw"]["shape"] == [1, 1, 3, 3]
    panel = document["steps"][16]["panels"][1]
    assert (panel["array"], panel["index"]) == ("g", [0, 0])
    assert panel["values"] == [[1, 2], [-1, 3]]
    assert {"cell": [0, 1], "tag": "b"} in panel["tags"]


def test_json_round_trip_with_nan_and_infinity():
    x = np.array([[[[1.0, np.nan], [np.inf, -2.0]]]])
    steps = explain(F.avg_pool2d, x, 2, backward=True)
    text = to_json(steps)
    back = read_json(text)
    assert to_json(back) == text
    np.testing.assert_array_equal(back.arrays["x"], x)
    for a, b in zip(steps, back, strict=True):
        assert (a.title, a.numbers, len(a.terms)) == (b.title, b.numbers, len(b.terms))
        for p, q in zip(a.panels, b.panels, strict=True):
            np.testing.assert_array_equal(p.values, q.values)
            assert (p.marks, p.tags, p.frames, set(p.pending)) == (q.marks, q.tags, q.frames, set(q.pending))


def test_json_without_values_says_where_they_stand(conv):
    whole, bare = json.loads(to_json(conv)), json.loads(to_json(conv, values=False))
    assert all(array["values"] is None for array in bare["arrays"].values())
    for step, other in zip(whole["steps"], bare["steps"], strict=True):
        assert other["terms"] == step["terms"]
        for term in step["terms"]:
            factors = [q["value"] for q in term["factors"]]
            assert term["value"] == np.prod(factors) / (term["divisor"] or {"value": 1})["value"]
        for panel, without in zip(step["panels"], other["panels"], strict=True):
            assert without == {**panel, "values": None}
    assert len(read_json(to_json(conv, values=False))) == len(conv)


def test_json_leaves_large_arrays_out():
    model = models.cnn28()
    steps = training_step(model, optim.SGD(model.parameters(), 0.1), np.ones((2, 1, 28, 28)), [0, 1])
    document = json.loads(to_json(steps))
    assert document["arrays"]["a1"] == {"shape": [2, 32, 26, 26], "dtype": "float32", "values": None}


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "tinycnn.explain", "version": 2}'])
def test_json_that_is_no_explanation(text):
    with pytest.raises(ValueError, match=r"the schema must be 'tinycnn\.explain', version 1"):
        read_json(text)


def test_files_that_cannot_be_written(conv, tmp_path):
    with pytest.raises(ValueError, match=r"the ending says what to write: \.gif, \.html"):
        save(conv, tmp_path / "a.bmp")
    with pytest.raises(ValueError, match="there is no step 39"):
        save(conv, tmp_path / "a.png", 39)
    with pytest.raises(OSError, match="cannot write"):
        save(conv, tmp_path / "missing" / "a.json")
