"""The applications run, a few steps each; how good they are each says itself at its end."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn.data import digits

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tutorials" / "applications"
# Script, and the arguments of a reduced run.
REDUCED = {
    "colour_pictures": {"epochs": 1},
    "composition": {"epochs": 1, "per_class": 13, "steps": 3},
    "correction": {"steps": 2},
    "detection": {"steps": 2, "test_canvases": 8},
    "segmentation": {"steps": 2, "test_canvases": 6},
    "style": {"epochs": 1},
    "verification": {"epochs": 1, "test_pairs": 200},
}
pytestmark = pytest.mark.usefixtures("on_numpy")


@pytest.fixture
def script(monkeypatch):
    """A function that imports a script, as Python finds it in the script's folder."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in (*REDUCED, "canvases"):
        sys.modules.pop(name, None)


def test_every_application_is_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*REDUCED, "canvases"}


def test_the_page_has_the_measures_of_the_benchmark():
    runs = json.loads((ROOT / "benchmarks" / "results" / "applications.json").read_text())["runs"]
    page = (FOLDER.parent / "README.md").read_text()
    assert runs.keys() == REDUCED.keys()
    for name, measured in runs.items():
        (row,) = re.findall(rf"^\| \[`{name}.py`\].* \| ([^|]+) \|$", page, re.M)
        values = [[run[key] for run in measured] for key in measured[0] if key != "seconds"]
        assert re.findall(r"[\d.]+ to [\d.]+", row) == [f"{min(v):.3g} to {max(v):.3g}" for v in values], name


@pytest.mark.parametrize("name", REDUCED)
def test_it_fits_on_few_screens_and_ends_in_a_test(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 150
    assert re.search(r'^if __name__ == "__main__":\n(    .*\n)*    +assert ', text, re.M)
    assert f"python tutorials/applications/{name}.py" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_it_prints_its_measure_and_saves_its_picture(name, script, tmp_path, capsys):
    result = script(name).main(**REDUCED[name], folder=tmp_path / "figures")
    values = np.array(list(result.values()) if isinstance(result, dict) else result)
    assert np.isfinite(values).all()
    assert re.search(r"\d\.\d", capsys.readouterr().out.splitlines()[-1])
    picture = tmp_path / "figures" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["colour_pictures", "segmentation"])
def test_settings_are_chosen_without_the_test_images(name, script, monkeypatch):
    module, source = script(name), {"colour_pictures": "emoji", "segmentation": "digits"}[name]
    train, _ = getattr(module, source)()
    monkeypatch.setattr(module, source, lambda: (train, None))  # who looks at the test images fails
    scores = module.choose(
        **{"colour_pictures": {"epochs": 1, "k": 2}, "segmentation": {"steps": 2, "count": 4}}[name]
    )
    assert len(scores) >= 5
    assert all(0 <= score <= 1 for score in scores.values())


def test_canvases_are_what_their_boxes_and_labels_say(script, rng):
    train, _ = digits()
    canvases = script("canvases").make_canvases(train, 20, rng)
    ink = script("canvases").INK
    for image, boxes, classes, labels in zip(
        canvases.images[:, 0], canvases.boxes, canvases.classes, canvases.labels, strict=True
    ):
        assert len(boxes) == len(classes) > 0
        outside = np.ones(image.shape, bool)
        for (x1, y1, x2, y2), k in zip(boxes.astype(int), classes, strict=True):
            assert outside[y1:y2, x1:x2].all()  # no overlap
            outside[y1:y2, x1:x2] = False
            inside = labels[y1:y2, x1:x2]
            assert set(np.unique(inside)) <= {0, 1 + k}
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any()  # the box is tight
        assert not image[outside].any()
        assert_array_equal(labels > 0, image > ink)


def test_what_the_detector_should_say_decodes_to_the_boxes(script, rng):
    train, _ = digits()
    detection = script("detection")
    canvases = script("canvases").make_canvases(train, 10, rng)
    there, box, classes = detection.encode(canvases)
    y = np.full((10, 15, 8, 8), -20, np.float32)
    y[:, 0] = np.where(there, 20, -20)
    y[:, 1:5] = np.moveaxis(box, 3, 1)
    n, row, column = np.indices(classes.shape)
    y[n, 5 + classes, row, column] = 20
    for n, (boxes, scores, names) in enumerate(detection.decode(y)):
        assert scores.min() > 0.99
        order, found = np.lexsort(canvases.boxes[n].T), np.lexsort(boxes.round().T)
        assert_allclose(boxes[found], canvases.boxes[n][order], atol=1e-3)
        assert_array_equal(names[found], canvases.classes[n][order])


def test_a_second_box_on_the_same_digit_is_left_out(script):
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]])
    assert script("detection").without_doubles(boxes, np.array([0.5, 0.9, 0.7])) == [1, 2]


def test_half_of_the_pairs_are_the_same(script, rng):
    _, test = digits()
    a, b = script("verification").pairs(test.labels, 400, rng)
    same = test.labels[a] == test.labels[b]
    assert same[::2].all()
    assert same[1::2].mean() < 0.2


def test_the_seam_of_a_collage_is_seen(script):
    _, test = digits()
    images = test.scaled(slice(0, 200))
    seam = script("composition").seam
    collage = np.concatenate([images[:, :, :14], images[::-1, :, 14:]], 2)
    assert seam(collage) > 1.3 * seam(images)
