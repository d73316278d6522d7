import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinycnn import models
from tinycnn.autograd import Function
from tinycnn.cli import COMMANDS, main
from tinycnn.data import digits
from tinycnn.functional.cards import CARDS, Card, Example
from tinycnn.storage import load_arrays, save_arrays


def test_evaluate(trained, tinycnn_json, digits_folder, capsys):
    status, said = tinycnn_json("evaluate", trained)
    assert status == 0
    matrix = np.array(said["confusion_matrix"])
    assert said["images"] == matrix.sum() == 79
    assert said["accuracy"] == np.trace(matrix) / 79
    assert said["data"] == "some-digits test"
    assert said["interval"][0] < said["accuracy"] < said["interval"][1]
    assert (trained / "report.png").read_bytes().startswith(b"\x89PNG")
    assert main(["evaluate", str(trained / "weights.safetensors"), "--data", str(digits_folder)]) == 0
    out = capsys.readouterr().out
    assert f"accuracy {said['accuracy']:.2%}" in out
    assert len([line for line in out.splitlines() if line[:1].isdigit()]) == 10  # one row a class


def test_evaluate_agrees_with_the_training_run(trained, tinycnn_json):
    _, resumed = tinycnn_json("train", "--resume", trained)
    _, said = tinycnn_json("evaluate", trained)
    assert (said["accuracy"], said["loss"]) == (resumed["accuracy"], resumed["loss"])


def test_predict(trained, tmp_path, tinycnn_json, capsys):
    _, test = digits()
    paths = []
    for n in range(3):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(test.images[n, 0]).save(paths[-1])
    _, said = tinycnn_json("predict", *paths, "--run", trained)
    assert [p["image"] for p in said["predictions"]] == list(map(str, paths))
    for p in said["predictions"]:
        assert p["prediction"] == max(p["probabilities"], key=p["probabilities"].get)
    Image.fromarray(255 - test.images[0, 0]).save(tmp_path / "inverted.png")
    _, inverted = tinycnn_json("predict", tmp_path / "inverted.png", "--run", trained, "--invert")
    assert inverted["predictions"][0]["probabilities"] == pytest.approx(
        said["predictions"][0]["probabilities"], abs=1e-6
    )


def test_predict_says_where_a_picture_is_upside_down_in_brightness(tmp_path, capsys):
    classes = [str(k) for k in range(10)]
    state = {name: t.numpy() for name, t in models.cnn28().state_dict().items()}
    config = json.dumps({"model": "cnn28", "data": "digits", "classes": classes})
    save_arrays(tmp_path / "weights.safetensors", state, {"config": config})
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    assert main(["predict", str(tmp_path / "white.png"), "--run", str(tmp_path)]) == 0
    assert "try --invert" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (["evaluate", "nowhere"], 2, "nowhere: there are no weights"),
        (["predict", "x.png"], 2, "there is no trained run in runs/"),
        (["predict"], 2, "required: IMAGE"),
        (["gradcheck", "conv3d"], 2, "unknown operation conv3d; there are add, sub"),
        (["dance"], 2, "invalid choice: 'dance'"),
        ([], 2, "required: COMMAND"),
    ],
)
def test_wrong_use(command, status, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        assert main(command) == status
    except SystemExit as exit_:
        assert exit_.code == status
    assert says in capsys.readouterr().err


def test_pictures_that_are_none(trained, tmp_path, tinycnn_json):
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "missing.png"):
        status, said = tinycnn_json("predict", tmp_path / name, "--run", trained)
        assert status == 1
        assert name in said["error"]


def test_weights_that_do_not_fit_or_say_nothing(trained, tmp_path, tinycnn_json):
    arrays, metadata = load_arrays(trained / "weights.safetensors")
    path = tmp_path / "weights.safetensors"
    save_arrays(path, arrays, {})
    status, said = tinycnn_json("evaluate", path)
    assert (status, "does not say which network" in said["error"]) == (1, True)
    config = json.loads(metadata["config"]) | {"model": "cnn28"}
    save_arrays(path, arrays, {"config": json.dumps(config)})
    status, said = tinycnn_json("evaluate", path)
    assert status == 1
    assert "weights.safetensors" in said["error"]
    assert re.search(r"\d\.weight must have shape .*, got \(\d+, ", said["error"])
    assert len(said["error"]) <= 300


def test_gradcheck_prints_a_row_an_operation(capsys, tinycnn_json):
    assert main(["gradcheck", "conv2d", "relu", "--trials", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["operation", "conv2d", "relu", "2"]
    _, said = tinycnn_json("gradcheck", "--trials", 1)
    assert set(said["operations"]) == set(CARDS)
    assert all(max(row["errors"]) < 1e-6 for row in said["operations"].values())


def test_gradcheck_fails_for_a_wrong_derivative(monkeypatch, capsys):
    class Wrong(Function):
        def forward(self, x):
            return x * x

        def backward(self, g):
            return g * 2

    def example(f, rng):
        return Example(f, [rng.random(3)])

    monkeypatch.setitem(
        CARDS, "wrong", Card("wrong", lambda x: Wrong()(x), Wrong, example, None, False, None)
    )
    assert main(["gradcheck", "wrong"]) == 1
    said = capsys.readouterr()
    assert "wrong: wrong: order 1, input 0 of shape (3,): entry" in said.err


def test_info(capsys, tinycnn_json):
    _, said = tinycnn_json("info")
    assert said["backends"]["numpy"]["available"]
    assert said["versions"]["numpy"] == np.__version__
    assert said["threads"] >= 1
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert all(line in out for line in said["compiled"])
    assert bool(said["compiled"]) == (said["why_not_compiled"] is None)
    if not said["backends"]["cupy"]["available"]:
        assert said["backends"]["cupy"]["reason"] in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"example: tinycnn {command}" in out.replace("\n", " ")
    assert "--json" in out


def test_the_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    ([a-z-]+)\b", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(COMMANDS)


def test_a_command_imports_no_other_command():
    """`tinycnn train` starts without what only `explain`, `tutor` or a GAN needs."""
    code = (
        "import sys\n"
        "from tinycnn.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tinycnn.cli.train" in done.stdout.split()
    others = {"explain", "tutor", "gan", "features", "select", "compression", "lab"}
    assert not {f"tinycnn.{name}" for name in others} & set(done.stdout.split())


def test_python_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "tinycnn", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("tinycnn 0.")


def test_wrong_use_as_json():
    done = subprocess.run(
        [sys.executable, "-m", "tinycnn", "train", "--epochs", "x", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "'x' is no integer" in json.loads(done.stdout)["error"]
