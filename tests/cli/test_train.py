import csv
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import HANGS
from tinycnn.cli import main
from tinycnn.storage import load_arrays

SHORT = ["--model", "lenet5", "--epochs", "2", "--batch-size", "50"]


def test_a_run_leaves_weights_history_and_pictures(trained):
    names = {path.name for path in trained.iterdir()} - {"report.png"}  # that is from tests of `evaluate`
    pictures = {"samples.png", "learning_curve.png", "confusion_matrix.png", "predictions.png"}
    assert names == pictures | {"weights.safetensors", "checkpoint.safetensors", "history.csv"}
    for name in pictures:
        pixels = np.asarray(Image.open(trained / name).convert("L"))
        assert min(pixels.shape) > 300
        assert pixels.std() > 10  # something is drawn
    with (trained / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert 0 <= float(rows[1]["val_accuracy"]) <= 1


def test_what_it_says(digits_folder, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--data", str(digits_folder), *SHORT, "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "lenet5, 61,706 parameters, on some-digits train: 321 training and 79 test images" in said.out
    assert re.search(r"epoch 2/2  loss [\d.]+  accuracy [\d.]+%  \|  held out: loss", said.out)
    assert re.search(r"test accuracy [\d.]+% \(79 images\)", said.out)
    assert said.err == ""  # no progress bar where there is no terminal


def test_json_is_the_same_run(digits_folder, tmp_path, tinycnn_json):
    command = ["train", "--data", digits_folder, *SHORT]
    _, first = tinycnn_json(*command, "--out", tmp_path / "a")
    _, second = tinycnn_json(*command, "--out", tmp_path / "b")
    _, other = tinycnn_json(*command, "--out", tmp_path / "c", "--seed", 1)
    assert first["accuracy"] == second["accuracy"]
    assert first["loss"] == second["loss"] != other["loss"]
    assert first["epochs"] == len(first["history"]) == 2
    a, b = (load_arrays(tmp_path / name / "weights.safetensors")[0] for name in "ab")
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "sgd", "--lr", "0.05", "--weight-decay", "1e-4", "--l1", "1e-6"],
        ["--optimizer", "adamw", "--schedule", "cosine", "--weight-decay", "0.01"],
        ["--schedule", "constant", "--shift", "0", "--rotate", "10", "--flip", "--patience", "1"],
    ],
    ids=["sgd", "adamw", "early stopping"],
)
def test_options(options, digits_folder, tmp_path, tinycnn_json):
    command = ["train", "--data", digits_folder, *SHORT, *options, "--out", tmp_path / "run"]
    status, result = tinycnn_json(*command)
    assert status == 0
    assert np.isfinite(result["loss"])


def test_pictures_in_class_folders_are_brought_to_the_networks_size(tmp_path, tinycnn_json):
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("bright", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(level - 30, level + 30, (20 + i, 31, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    out = tmp_path / "run"
    command = ["train", "--data", tmp_path / "data", "--epochs", 10, "--batch-size", 8, "--out", out]
    status, result = tinycnn_json(*command)
    assert (status, result["accuracy"]) == (0, 1.0)
    status, said = tinycnn_json("predict", tmp_path / "data" / "dark" / "3.png", "--run", out)
    assert said["predictions"][0]["prediction"] == "dark"
    assert sum(said["predictions"][0]["probabilities"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_cnn224_trains_from_arrays(tmp_path, tinycnn_json):
    labels = np.arange(8) % 2
    images = np.random.default_rng(0).integers(0, 100, (8, 224, 224, 3)) + 150 * labels.reshape(-1, 1, 1, 1)
    np.save(tmp_path / "images.npy", images.astype(np.uint8))
    np.save(tmp_path / "labels.npy", labels)
    command = ["train", "--data", tmp_path, "--model", "cnn224", "--epochs", 2, "--batch-size", 3]
    status, result = tinycnn_json(
        *command, "--lr", "1e-4", "--schedule", "constant", "--out", tmp_path / "run"
    )
    assert status == 0
    assert result["parameters"] == 44_401_226 - 8 * 513  # two classes instead of ten
    assert result["history"][1]["loss"] < result["history"][0]["loss"]


def start(*command, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "tinycnn", *map(str, command)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def six_epochs(digits_folder, tmp_path_factory):
    """The options of a run, and the folder of that run when nobody stopped it."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    options = ["train", "--data", digits_folder, "--model", "lenet5", "--epochs", 6, "--batch-size", 8]
    assert main([*map(str, options), "--out", str(folder)]) == 0
    return options, folder


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(how, six_epochs, tmp_path):
    options, whole = six_epochs
    stopped = start(*options, "--out", "stopped", cwd=tmp_path)
    stopped.stdout.readline()
    stopped.stdout.readline()  # the first epoch is over: the second is running
    stopped.send_signal(how)
    out, err = stopped.communicate(timeout=HANGS)
    assert "epoch 6/6" not in out
    assert not (tmp_path / "stopped" / "weights.safetensors").exists()
    if how != signal.SIGKILL:
        assert stopped.returncode == 1
        assert f"interrupted by {how.name} after " in err
        assert "saved: stopped/checkpoint.safetensors; go on with: tinycnn train --resume stopped" in err
    assert main(["train", "--resume", str(tmp_path / "stopped")]) == 0
    a, b = (load_arrays(run / "weights.safetensors")[0] for run in (whole, tmp_path / "stopped"))
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_resuming_what_is_complete_does_it_no_harm(trained, tinycnn_json):
    before = load_arrays(trained / "weights.safetensors")[0]
    status, result = tinycnn_json("train", "--resume", trained)
    assert (status, result["epochs"]) == (0, 2)
    after = load_arrays(trained / "weights.safetensors")[0]
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_new_runs_get_new_folders(digits_folder, tmp_path, monkeypatch, tinycnn_json):
    monkeypatch.chdir(tmp_path)
    runs = [tinycnn_json("train", "--data", digits_folder, *SHORT, "--epochs", 1)[1]["run"] for _ in range(2)]
    assert runs == ["runs/lenet5-some-digits", "runs/lenet5-some-digits-2"]
    later = (tmp_path / runs[1] / "weights.safetensors").stat().st_mtime + 10
    os.utime(tmp_path / runs[0] / "weights.safetensors", (later, later))
    _, said = tinycnn_json("predict", next(iter((tmp_path / runs[0]).glob("samples.png"))))
    assert said["run"] == runs[0]  # the newest


WRONG_USE = {
    "unknown data": (["--data", "nowhere"], "no such folder; there are also digits, mnist, fashion-mnist"),
    "unknown model": (["--model", "vgg"], "invalid choice: 'vgg'"),
    "no epochs": (["--epochs", "0"], "0 is below 1"),
    "half a batch": (["--batch-size", "1.5"], "'1.5' is no integer"),
    "no learning rate": (["--lr", "0"], "not a finite number above 0"),
    "NaN": (["--lr", "nan"], "not a finite number"),
    "negative penalty": (["--l1", "-1"], "not a finite number of at least 0"),
    "model for other images": (
        ["--model", "cnn224"],
        r"takes images (C, H, W)=(3, 224, 224), digits has (1, 28",
    ),
    "nothing to resume": (["--resume", "nowhere"], "there is no checkpoint.safetensors in it"),
    "no such backend": (["--backend", "torch"], "invalid choice: 'torch'"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_has_exit_status_2(case, refused):
    options, says = WRONG_USE[case]
    assert says in refused("train", *options)


def test_a_run_is_not_overwritten(trained, capsys):
    before = (trained / "weights.safetensors").stat().st_mtime_ns
    assert main(["train", "--out", str(trained)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (trained / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--model", "cnn28"], "--model cnn28 (the run has lenet5)"),
        (["--epochs", "9", "--seed", "5"], "--epochs 9 (the run has 2), --seed 5 (the run has 0)"),
        (["--out", "elsewhere"], "use it without --out elsewhere"),
    ],
)
def test_resume_with_other_settings(trained, options, says, capsys):
    assert main(["train", "--resume", str(trained), *options]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_fails_before_training(digits_folder, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    command = ["train", "--data", str(digits_folder), *SHORT, "--out", str(tmp_path / "file" / "run")]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "file/run" in said.err
    assert "epoch" not in said.out


def test_a_damaged_checkpoint(trained, tmp_path, tinycnn_json):
    content = (trained / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(content[: len(content) // 2])
    status, said = tinycnn_json("train", "--resume", tmp_path)
    assert status == 1
    assert "checkpoint.safetensors is no whole safetensors file" in said["error"]


def test_labels_out_of_place(tmp_path, tinycnn_json):
    np.save(tmp_path / "images.npy", np.zeros((10, 28, 28), np.uint8))
    np.save(tmp_path / "labels.npy", np.array([0, 1, -1] + [0, 1] * 3 + [0]))
    status, said = tinycnn_json("train", "--data", tmp_path, "--out", tmp_path / "run")
    assert status == 1
    assert "images.npy with labels.npy" in said["error"]
    assert "-1" in said["error"]
