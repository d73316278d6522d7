import shutil

import numpy as np
import pytest
from PIL import Image

from tinycnn.cli import main

PICTURES = ("nearest.png", "projection.png", "attribution.png", "maximised.png")


def test_features(trained, tinycnn_json, tmp_path):
    status, said = tinycnn_json("features", trained, "--images", 60, "--out", tmp_path / "out")
    assert status == 0
    assert (said["layer"], said["numbers"]) == ("10", 84)
    assert said["same_class"].keys() == {"euclidean", "cosine"}
    assert 0 < said["variance_of_two_directions"] < 1
    for name in PICTURES:
        assert np.asarray(Image.open(tmp_path / "out" / name)).std() > 0


def test_options(trained, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    options = ["--images", "30", "--layer", "3", "--pool", "gram", "--metric", "cosine", "--tsne"]
    assert main(["features", str(folder), *options]) == 0
    assert "layer 3 (Conv2d): 136 numbers for each image" in capsys.readouterr().out
    assert all((folder / "features" / name).exists() for name in PICTURES)


def test_layers(trained, tinycnn_json):
    _, said = tinycnn_json("features", trained, "--layers")
    assert said["layers"]["0"] == "Conv2d"
    assert len(said["layers"]) == 12


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--layer", "conv1"], "there is no layer 'conv1'; there are 0 (Conv2d), 1 (Tanh)"),
        (["--pool", "min"], "invalid choice: 'min'"),
        (["--data", "nowhere"], "no such folder"),
    ],
)
def test_wrong_use(trained, refused, options, says):
    assert says in refused("features", str(trained), *options)
