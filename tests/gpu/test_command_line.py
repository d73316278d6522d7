"""Every command with --backend cupy, on the stand-in: they end, and what they leave is of use on a CPU."""

import json

import pytest
from PIL import Image

from tests.helpers import strict_cupy
from tests.helpers.few_digits import write_digits
from tinycnn import backend
from tinycnn.cli import main
from tinycnn.data import digits

SMALL = ["--g-width", 4, "--d-width", 4, "--latent", 8, "--batch-size", 16, "--epochs", 1]


@pytest.fixture(scope="module")
def some_digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("data") / "some-digits", 300)


@pytest.fixture
def run(stand_in, on_numpy, capsys):
    def run(*command, place="cupy"):
        strict_cupy.uploads.clear()
        assert main([*map(str, command), "--backend", place, "--json"]) == 0
        assert bool(strict_cupy.uploads) == (place == "cupy")  # it was there
        assert backend.current() == "numpy"
        return json.loads(capsys.readouterr().out)

    return run


def test_train_resume_evaluate_predict(run, some_digits, tmp_path, capsys):
    folder, picture = tmp_path / "run", tmp_path / "digit.png"
    options = ["--data", some_digits, "--model", "lenet5", "--epochs", 2, "--rotate", 5, "--patience", 2]
    trained = run("train", *options, "--out", folder)
    assert trained["epochs"] == 2
    assert run("train", "--resume", folder)["accuracy"] == trained["accuracy"]
    Image.fromarray(digits()[1].images[0, 0]).save(picture)
    for name, command in (("accuracy", ("evaluate", folder)), ("run", ("predict", picture, "--run", folder))):
        there, here = run(*command), run(*command, place="numpy")
        assert there[name] == here[name]
    there, here = (r["predictions"][0]["probabilities"] for r in (there, here))
    assert there == pytest.approx(here, abs=1e-5)


@pytest.mark.slow
def test_gans(run, some_digits, tmp_path):
    for name, options in {"plain": ["--class-weight", 0], "named": [], "told": ["--conditional"]}.items():
        run("gan", "--data", some_digits, *SMALL, *options, "--out", tmp_path / name)
    assert run("gan-score", tmp_path / "named", "--samples", 50)["images"] == 50
    assert run("gan-features", tmp_path / "plain", "--labels", 20)["errors"]
    assert run("gan-toy", "--steps", 2, "--frames", 1, "--out", tmp_path / "toy")["steps"] == 2
    assert run("generate", "gan", tmp_path / "told", "--count", 3, "--out", tmp_path / "images")
