import json
import re
import resource

import numpy as np
import pytest
from PIL import Image

from tinycnn.cli import main
from tinycnn.cli.explain import OPERATIONS


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"graph"}))
def test_every_operation_prints_its_steps(operation, capsys, tinycnn_json):
    backward = ["--backward"] if OPERATIONS[operation][1] else []
    assert main(["explain", operation, *backward]) == 0
    out = capsys.readouterr().out
    status, document = tinycnn_json("explain", operation, *backward)
    assert status == 0
    assert document["schema"] == "tinycnn.explain"
    assert len(re.findall("^--- .*, step ", out, re.M)) == len(document["steps"]) > 0
    assert not backward or any(step["phase"] == "backward" for step in document["steps"])


def test_the_documented_example(capsys):
    assert main(["explain", "conv", "--size", "5", "--kernel", "3", "--stride", "2", "--backward"]) == 0
    out = capsys.readouterr().out
    assert "--- conv2d, step 39 of 39" in out
    assert "dL/dx[0,0,2,2] = " in out


@pytest.mark.parametrize(
    ("short", "name"),
    [
        (["conv"], ["conv2d"]),
        (["conv-transpose"], ["conv_transpose2d"]),
        (["dense"], ["linear"]),
        (["leaky-relu"], ["leaky_relu"]),
        (["mse"], ["mse_loss"]),
        (["pool", "--statistic", "avg"], ["avg_pool2d"]),
        (["pool"], ["max_pool2d"]),
        (["global-pool"], ["global_avg_pool2d"]),
        (["training-step"], ["training_step"]),
    ],
)
def test_short_names_are_understood(short, name, tinycnn_json):
    assert tinycnn_json("explain", *short)[1] == tinycnn_json("explain", *name)[1]


def test_one_step(capsys):
    assert main(["explain", "conv", "--step", "3"]) == 0
    assert capsys.readouterr().out.startswith("--- conv2d, step 3 of 9 -")


def test_the_seed_decides_the_numbers(tinycnn_json):
    first, again, other = (tinycnn_json("explain", "dense", "--seed", s)[1]["arrays"] for s in (1, 1, 2))
    assert first == again != other


def test_own_numbers(tmp_path, capsys):
    x, w = np.arange(12.0).reshape(3, 4), np.array([[1.0, -1.0]])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", w)
    files = ["--input", str(tmp_path / "x.npy"), "--weight", str(tmp_path / "w.npy")]
    assert main(["explain", "conv", *files, "--cells", "y[0,0,1,:2]", "dL/dx[0,0,2,3]", "--backward"]) == 0
    out = capsys.readouterr().out
    assert "step 3 of 3" in out
    assert "4·1 + 5·(-1) = " in out


def test_own_picture_and_trained_network(trained, tmp_path, capsys):
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    files = ["--run", str(trained), "--image", str(tmp_path / "white.png")]
    assert main(["explain", "module", *files, "--backward"]) == 0
    assert "0 Conv2d: a0 -> a1" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".png", ".gif", ".html", ".json", ".svg"])
def test_files(suffix, tmp_path, capsys):
    path = tmp_path / f"steps{suffix}"
    assert main(["explain", "sgd", "--out", str(path)]) == 0
    assert path.stat().st_size > 500
    assert capsys.readouterr().out == f"{path}: SGD, 3 steps\n"


def test_the_graph(tmp_path, capsys):
    assert main(["explain", "graph", "--backward"]) == 0
    out = capsys.readouterr().out
    assert "│ L = Mean(" in out
    assert max(map(len, out.splitlines())) <= 80
    for suffix in (".dot", ".png"):
        assert main(["explain", "graph", "--out", str(tmp_path / f"graph{suffix}")]) == 0
    assert main(["explain", "graph", "--json"]) == 0
    assert "nodes" in json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("suffix", [".dot", ".png", ".svg", ".pdf"])
def test_on_a_full_disk_a_graph_that_was_there_stays(suffix, tmp_path, capsys):
    path = tmp_path / f"graph{suffix}"
    path.write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert main(["explain", "graph", "--out", str(path)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot write {path}: File too large" in capsys.readouterr().err
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["dance"], "invalid choice: 'dance'"),
        (["conv2d", "--lr", "1"], "conv2d does not take --lr; it takes --size, --batch-size"),
        (["sgd", "--backward"], "sgd has no steps for --backward"),
        (["conv", "--size", "40"], "1,444 steps; the limit is 256"),
        (["conv", "--size", "2"], "which does not fit into the input (H, W)=(2, 2)"),
        (["conv", "--step", "10"], "--step 10: there are 9 steps"),
        (["conv", "--out", "steps.bmp"], "the ending says what to write"),
        (["graph", "--out", "graph.gif"], "a graph is written as .dot"),
        (["conv", "--cells", "everything"], "name cells as the steps do"),
        (["conv", "--cells", "y[0,0,9,9]"], "y has shape (1, 1, 3, 3)"),
        (["pool", "--statistic", "avg", "--dilation", "2"], "for the maximum and the minimum"),
        (["module", "--model", "cnn224"], "the digits are (1, 28, 28): give an image"),
        (["module", "--run", "nowhere", "--model", "cnn28"], "leave --model out"),
    ],
)
def test_wrong_use(options, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["explain", *options])
    except SystemExit as exit_:
        status = exit_.code
    said = capsys.readouterr()
    assert says in said.err
    assert status == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["conv", "--input", "a.npy"], ["module", "--image", "a.npy"]])
def test_files_that_are_missing_or_none(options, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (None, b"no numbers"):
        if content:
            (tmp_path / "a.npy").write_bytes(content)
        assert main(["explain", *options]) == 1
        assert "a.npy" in capsys.readouterr().err
