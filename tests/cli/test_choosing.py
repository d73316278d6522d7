"""compare and tune."""

import pytest

from tinycnn.cli import main


def test_compare(trained, digits_folder, tmp_path, tinycnn_json, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data", digits_folder, "--model", "lenet5", "--epochs", 1, "--out", tmp_path / "other"]
    tinycnn_json("train", *options)
    status, said = tinycnn_json("compare", trained, tmp_path / "other")
    assert status == 0
    assert [entry["parameters"] for entry in said["classifiers"]] == [61_706] * 2
    assert said["p"][0][1] == said["p"][1][0]
    assert (tmp_path / "compare.png").exists()


def test_compare_refuses(trained, refused):
    assert "at least two classifiers" in refused("compare", str(trained))
    assert "there are no weights" in refused("compare", str(trained), "nowhere")


def test_tune(digits_folder, tmp_path, tinycnn_json, capsys):
    command = ["tune", "--data", digits_folder, "--model", "lenet5", "--epochs", 1, "--out", tmp_path / "t"]
    status, said = tinycnn_json(*command, "--trials", 2)
    assert status == 0
    assert len(said["trials"]) == 2
    assert said["best"] in said["trials"]
    assert said["command"].startswith(f"tinycnn train --lr {said['best']['lr']}")
    assert f"--data {digits_folder}" in said["command"]
    assert (tmp_path / "t" / "trials.png").exists()
    _, again = tinycnn_json(*command, "--trials", 2)
    assert again == said
    assert main([*map(str, command), "--trials", "2", "--batch-size", "16"]) == 2
    assert "other settings or data: choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--lr", "0.1"], "unrecognized arguments: --lr"), (["--folds", "1"], "1 fold would leave nothing")],
)
def test_tune_refuses(options, says, refused):
    assert says in refused("tune", *options)
