"""The benchmarks that train: regularisation, compression and applications."""

import json
import re
import sys

import numpy as np
import pytest

from benchmarks import applications, compression, regularisation
from tinycnn import nn
from tinycnn.data import digits
from tinycnn.models import cnn28
from tinycnn.tensor import Tensor

pytestmark = pytest.mark.usefixtures("on_numpy")


@pytest.fixture
def small():
    train, test = digits()
    every = slice(0, None, 250)
    return train.subset(every), test.subset(every)  # 40 and 8 digits


@pytest.mark.parametrize("name", regularisation.METHODS)
def test_a_method_is_measured(name, small):
    measured = regularisation.measure(regularisation.METHODS[name], *small, seed=0, epochs=1)
    assert 0 <= measured["train"] <= 1
    assert 0 <= measured["test"] <= 1
    assert measured["test loss"] > 0


def test_the_changed_networks_are_cnn28_and_what_their_name_says():
    kinds = [type(layer).__name__ for layer in cnn28()]
    for name, added in (("with_dropout", nn.Dropout), ("with_batch_norm", nn.BatchNorm2d)):
        make = getattr(regularisation, name)
        layers = list(make())
        assert [type(layer).__name__ for layer in layers if not isinstance(layer, added)] == kinds
        assert sum(isinstance(layer, added) for layer in layers) == 2
        assert make()(Tensor(np.zeros((1, 1, 28, 28), "float32"))).shape == (1, 10)


def test_methods_that_are_in_the_file_are_not_run_again(tmp_path, monkeypatch, capsys):
    runs = []

    def measure(method, train, test, seed, epochs):
        runs.append(method)
        return {"train": 0.9, "test": 0.8, "test loss": 0.5}

    monkeypatch.setattr(regularisation, "measure", measure)
    out = tmp_path / "r.json"
    for options, more in (
        (["--methods", "L1"], 3),
        (["--methods", "L1", "L2"], 3),
        (["--methods", "L2", "--anew"], 3),
        (["--methods", "L2", "--epochs", "7"], 3),
    ):
        before = len(runs)
        monkeypatch.setattr("sys.argv", ["regularisation", "--out", str(out), *options])
        assert regularisation.main() == 0
        assert len(runs) - before == more
    assert json.loads(out.read_text())["epochs"] == 7
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "10.00 ± 0.00" in capsys.readouterr().out


@pytest.mark.parametrize(("lost", "status"), [(0.002, 0), (0.004, 1)])
def test_the_aim_of_compression_is_checked(lost, status, tmp_path, monkeypatch, capsys):
    names = ["dense", "int8", "dense, trained on", "90 % cut, all layers, int8", "half of the filters"]
    for sparsity in compression.SPARSITIES:
        for ending in ("not trained", "all layers", "each layer"):
            names.append(f"{100 * sparsity:.0f} % cut, {ending}")
    rows = {name: {"accuracy": 0.98, "bytes": 1000} for name in names}
    rows["90 % cut, all layers"]["accuracy"] -= lost
    monkeypatch.setattr(compression, "one", lambda seed, folder, epochs: rows)
    monkeypatch.setattr("sys.argv", ["compression", "--out", str(tmp_path / "c.json"), "--seeds", "0", "1"])
    assert compression.main() == status
    assert f"90 % sparsity loses {100 * lost:.2f} points" in capsys.readouterr().out
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


RESULTS = {  # of the scripts' `main`, with its kind of numbers
    "colour_pictures": 0.75,
    "detection": 0.95,
    "segmentation": 0.85,
    "verification": 0.99,
    "correction": {"noise": (10.0, 19.0), "hole": (12.0, 20.0)},
    "style": (2.0, 0.3),
    "composition": (1.0, 2.0, 1.3),
}


def test_the_measures_of_applications_are_medians_over_the_seeds(tmp_path, monkeypatch, capsys):
    assert RESULTS.keys() == applications.APPLICATIONS.keys()
    calls = []

    class Script:
        def __init__(self, name):
            self.name = name

        def main(self, seed, folder):
            calls.append((self.name, seed))
            result = RESULTS[self.name]
            return result + seed / 1000 if isinstance(result, float) else result

    monkeypatch.setattr(sys, "path", [*sys.path])  # the command adds the scripts' folder
    monkeypatch.setattr(applications.importlib, "import_module", Script)
    command = ["--seeds", "0", "2", "1", "--out", str(tmp_path / "a.json")]
    assert applications.main(command) == 0
    assert len(calls) == 3 * len(RESULTS)
    said = capsys.readouterr().out
    assert re.search(r"detection +mAP at IoU 0.5 +0.951 \(0.95 to 0.952\)", said)
    assert re.search(r"hole: PSNR gained, dB +8 ", said)
    assert re.search(r"style .* 0.15 ", said)
    assert re.search(r"composition .* 0.3 ", said)
    assert json.loads((tmp_path / "a.json").read_text())["processor"] in said
    assert applications.main(command) == 0
    assert len(calls) == 3 * len(RESULTS)  # they are in the file
    monkeypatch.setitem(RESULTS, "style", (2.0, 0.5))
    assert applications.main([*command, "--only", "style", "--anew"]) == 1
    assert "style does not reach its aim" in capsys.readouterr().out
