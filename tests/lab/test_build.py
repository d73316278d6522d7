"""Networks that are put together on the page, and run folders, without the page."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tests.helpers.lab_server import Asker, connected
from tinycnn import models, nn
from tinycnn.cli import main
from tinycnn.fit import load_classifier
from tinycnn.lab import load_network
from tinycnn.models.layers import RefusedLayer, layers_of, plan, python_of
from tinycnn.storage import load_weights, save_arrays, save_weights

pytest.importorskip("starlette", reason="extra 'lab'")

CONV = {"kind": "conv", "channels": 4, "kernel": 3, "stride": 1, "padding": 0}
POOL = {"kind": "maxpool", "kernel": 2, "stride": 2, "padding": 0}
RELU, FLATTEN, LINEAR = {"kind": "relu"}, {"kind": "flatten"}, {"kind": "linear", "units": 10}
GOOD = [CONV, RELU, POOL, FLATTEN, LINEAR]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asker(here, client):
    with connected(client) as socket:
        yield Asker(socket)


class TestPlan:
    def test_shapes_and_costs_are_those_of_the_summary(self):
        layers = [
            {**CONV, "padding": 2, "stride": 2},
            {"kind": "batchnorm"},
            {"kind": "leakyrelu"},
            {"kind": "avgpool", "kernel": 3, "stride": 2, "padding": 1},
            {"kind": "dropout", "p": 0.25},
            {"kind": "tanh"},
            {"kind": "globalavgpool"},
            FLATTEN,
            {"kind": "sigmoid"},
            LINEAR,
        ]
        made = plan(layers, (1, 28, 28), 10)
        table = nn.Sequential(*(p.module for p in made)).summary((1, 28, 28))
        assert [p.shape for p in made] == [layer.output_shape for layer in table.layers]
        assert sum(p.parameters for p in made) == table.parameters
        assert sum(p.multiply_adds for p in made) == table.multiply_adds

    @pytest.mark.parametrize("name", ["cnn28", "lenet5"])
    def test_the_python_builds_the_same_network(self, name):
        model = models.build(name)
        layers = layers_of(model)
        code = python_of(plan(layers, models.INPUT_SHAPES[name], 10))
        space = {}
        exec(code, space)
        assert repr(space["model"]) == repr(model)
        assert json.loads(json.dumps(layers)) == layers

    def test_a_network_that_is_no_chain_of_known_layers(self):
        assert layers_of(models.build("resnet28")) is None

    @pytest.mark.parametrize(
        ("layers", "at", "says"),
        [
            ([{**CONV, "kernel": 29}], 0, r"layer 0 \(conv\): .*29"),
            ([{**CONV, "stride": 0}], 0, "stride: 0 is below 1"),
            ([{**CONV, "stride": "2"}], 0, "stride: '2' is no integer"),
            ([{"kind": "conv"}], 0, "channels, kernel, stride, padding missing"),
            ([POOL] * 5, 4, r"layer 4 \(maxpool\): .*2"),
            ([FLATTEN, CONV], 1, r"reads maps .* a row of 784 numbers arrives: put it before flatten"),
            ([LINEAR], 0, "maps of 1x28x28 arrive: put flatten before it"),
            ([FLATTEN, {"kind": "linear", "units": 9}], 2, "ends in 9: add a linear layer with 10 units"),
            ([CONV], 1, "ends in 4x26x26: add flatten and a linear layer at the end"),
            ([], 0, "must end in 10 numbers"),
            ([FLATTEN, *[{"kind": "linear", "units": 2048}] * 3], 2, "has 5,804,032 parameters"),
            ([{**CONV, "channels": 256, "padding": 30}] * 2, 1, "multiply-adds"),
            ([{"kind": "eval"}], 0, "no layer of the kind 'eval'"),
        ],
    )  # fmt: skip
    def test_impossible_layers(self, layers, at, says):
        with pytest.raises(RefusedLayer, match=says) as refused:
            plan(layers, (1, 28, 28), 10)
        assert refused.value.at == at


class TestCommands:
    def test_a_plan_and_a_refusal(self, asker):
        head, _ = asker.ask("plan", layers=GOOD)
        assert [row["shape"] for row in head["rows"]] == [[4, 26, 26], [4, 26, 26], [4, 13, 13], [676], [10]]
        assert "nn.Conv2d(1, 4, 3),  # 4x26x26" in head["python"]
        head, _ = asker.ask("plan", layers=[{**CONV, "kernel": 40}, *GOOD[1:]])
        assert head["refused"]["at"] == 0

    def test_build_train_export_and_load(self, asker, here, capsys):
        asker.ask("see", test=2)
        assert asker.ask("architecture")[0]["layers"][0] == {**CONV, "channels": 8}
        asker.ask("build", layers=GOOD)
        described, _ = asker.ask("describe")
        assert [layer["kind"] for layer in described["layers"]] == [
            "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear",
        ]  # fmt: skip
        asker.ask("train", steps=3, on="batch", optimizer="adam", lr=1e-3)
        _, trained = asker.ask("see")
        assert asker.ask("export", name="mine")[0]["folder"] == "runs/mine"
        assert (here / "runs/mine/model.py").read_text() == asker.ask("plan", layers=GOOD)[0]["python"]
        assert asker.ask("runs")[0]["runs"] == ["runs/mine"]
        asker.ask("build", layers=GOOD)
        asker.ask("load", folder="runs/mine")
        assert_array_equal(asker.ask("see")[1]["p"], trained["p"])
        assert load_network("runs/mine").data == "digits"
        self.read_by_other_commands("mine", trained["p"], 2, capsys)

    def read_by_other_commands(self, name, probabilities, number, capsys):
        """Evaluate a run, and let it look at a test picture."""
        capsys.readouterr()
        assert main(["evaluate", f"runs/{name}", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        saved = load_classifier(f"runs/{name}")
        test, _ = saved.test_data()
        assert report["images"] == len(test) == 2000
        assert report["accuracy"] == pytest.approx(saved.evaluate(test).accuracy)
        pixels = (test.scaled([number])[0, 0] * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save("digit.png")
        assert main(["predict", "digit.png", "--run", f"runs/{name}", "--json"]) == 0
        (said,) = json.loads(capsys.readouterr().out)["predictions"]
        assert_allclose([said["probabilities"][str(k)] for k in range(10)], probabilities, atol=1e-5)
        assert saved.made_from["layers"] == GOOD

    def test_a_named_network_is_exported_as_other_commands_read_it(self, asker, here, capsys):
        model = models.build("lenet5")
        config = {"model": "lenet5", "data": "digits", "classes": [str(k) for k in range(10)]}
        (here / "runs/known").mkdir(parents=True)
        save_weights(here / "runs/known/weights.safetensors", model, config)
        asker.ask("load", folder="runs/known")
        asker.ask("train", steps=1, on="batch", optimizer="sgd", lr=0.01)
        asker.ask("export", name="again")
        capsys.readouterr()
        assert main(["evaluate", "runs/again", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == 2000

    @pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 61, "a\x00"])
    def test_names_that_lead_elsewhere(self, asker, name, here):
        error = asker.refused("export", name=name)
        assert "1 to 60 letters" in error or "characters" in error
        assert not list(here.rglob("*.safetensors"))

    def test_a_folder_that_is_there_is_left_alone(self, asker, here):
        (here / "runs/mine").mkdir(parents=True)
        assert "already: choose another name" in asker.refused("export", name="mine")
        assert not list((here / "runs/mine").iterdir())

    def test_only_folders_below_the_start(self, asker, here, tmp_path_factory):
        outside = tmp_path_factory.mktemp("outside")
        model, config = models.build("cnn28"), {"model": "cnn28", "classes": [str(k) for k in range(10)]}
        save_weights(outside / "weights.safetensors", model, config)
        (here / "link").symlink_to(outside)
        for folder in (str(outside), f"../{outside.name}", "link"):
            assert "not below the folder" in asker.refused("load", folder=folder)

    def test_folders_that_are_no_runs(self, asker, here):
        (here / "empty").mkdir()
        assert "there are no weights" in asker.refused("load", folder="empty")
        assert "there are no weights" in asker.refused("load", folder="missing")
        (here / "broken").mkdir()
        (here / "broken/weights.safetensors").write_bytes(b"\x00" * 100)
        assert "weights.safetensors" in asker.refused("load", folder="broken")
        assert asker.ask("describe")[0]["name"] == "small"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda a, c: a["0.weight"].fill(np.nan), "NaN"),
            (lambda a, c: c["layers"][0].update(channels=5), "0.weight"),
            (lambda a, c: c["layers"][0].update(kernel=99), "layers|kernel"),
            (lambda a, c: c.update(input=[1, 28]), "input"),
            (lambda a, c: c.update(layers="x"), "layers"),
        ],
    )
    def test_files_of_the_lab_that_do_not_fit(self, asker, here, change, says):
        import re

        asker.ask("build", layers=GOOD)
        asker.ask("export", name="mine")
        path = here / "runs/mine/weights.safetensors"
        arrays, config = load_weights(path)
        change(arrays, config)
        save_arrays(path, arrays, {"config": json.dumps(config)})
        assert re.search(says, asker.refused("load", folder="runs/mine"))
