import json
import shutil

import numpy as np
import pytest

import tinycnn
from tests.helpers.few_digits import write_digits
from tinycnn import models, nn, plot
from tinycnn.data import Dataset
from tinycnn.fit import ClassifierRun, RunError
from tinycnn.metrics import mcnemar
from tinycnn.select import compare, compare_runs, comparison_figure
from tinycnn.storage import load_arrays, save_arrays


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("data") / "few", 300)


@pytest.fixture(scope="module")
def runs(digits_folder, tmp_path_factory):
    """Three short runs on the same data; the last one holds a part of them out."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in {"a": {}, "b": {"seed": 1}, "held-out": {"patience": 1, "seed": 2}}.items():
        run = ClassifierRun.new(
            folder / name, data=digits_folder, model="lenet5", epochs=1, lr=0.01, **options
        )
        run.train(lambda text: None, progress=False)
    return folder


def constant(k, K=3, hidden=4):
    """A network that always answers k."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, hidden), nn.Linear(hidden, K))
    for parameter in net.parameters():
        parameter.data[...] = 0
    net[2].bias.data[k] = 1
    return net


@pytest.fixture
def data():
    labels = np.array([0] * 12 + [1] * 3 + [2] * 11)
    return Dataset(np.zeros((26, 1, 2, 2), np.float32), labels, ("a", "b", "c"), "some")


def test_ranks_and_tests(data, tmp_path):
    nets = {"two": constant(2), "one": constant(1, hidden=2), "none": constant(0, hidden=9)}
    result = compare(nets, data)
    assert [entry.name for entry in result.entries] == ["none", "two", "one"]
    assert [entry.report.accuracy for entry in result.entries] == [12 / 26, 11 / 26, 3 / 26]
    assert result.best.parameters == 4 * 9 + 9 + 9 * 3 + 3
    assert result.best.multiply_adds == 4 * 9 + 9 * 3
    none, two, one = result.entries
    assert result.against(none, one) == mcnemar(data.labels == 0, data.labels == 1)
    assert result.within_noise(two) and not result.within_noise(one)
    text = "\n".join(result.lines())
    assert "within noise of the best (p at least 0.05): two" in text
    assert "worse than the best by more than chance (p below 0.05): one" in text
    assert "of 2 tests one falls below 0.05 by chance in up to 10% of cases" in text
    assert np.array(result.as_dict()["p"]).shape == (3, 3)
    plot.save(comparison_figure(result), tmp_path / "compare.png")


def test_of_equal_ones_the_smaller_comes_first(data):
    result = compare({"large": constant(0, hidden=9), "small": constant(0, hidden=2)}, data)
    assert [entry.name for entry in result.entries] == ["small", "large"]
    assert result.against(*result.entries).p == 1


def test_runs_on_the_same_data(runs):
    result = compare_runs([runs / "a", runs / "b", runs / "held-out"])
    assert {entry.name for entry in result.entries} == {str(runs / name) for name in ("a", "b", "held-out")}
    assert len({len(entry.report.labels) for entry in result.entries}) == 1


def with_config(runs, folder, **changes):
    """A copy of run a, whose weights say something else of their training."""
    shutil.copytree(runs / "a", folder)
    arrays, metadata = load_arrays(folder / "weights.safetensors")
    config = {**json.loads(metadata["config"]), **changes}
    save_arrays(folder / "weights.safetensors", arrays, {"config": json.dumps(config)})
    return folder


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": "digits"}, "was trained on digits, .* on .*few: accuracies on different images"),
        ({"data": ""}, "data: '' has 0 characters"),
        (
            {"pictures": {"count": 7, "crc32": "00000000"}},
            r"other pictures than .* now \(N=7 then, N=2",
        ),
        ({"classes": list("abcdefghij")}, "knows the classes a, b, .* do not compare"),
    ],
)
def test_different_data_are_refused(runs, tmp_path, changes, says):
    other = with_config(runs, tmp_path / "other", **changes)
    with pytest.raises(ValueError, match=says):
        compare_runs([runs / "b", other])


def test_what_cannot_be_compared(runs, data):
    with pytest.raises(RunError, match="at least two classifiers, got 1"):
        compare_runs([runs / "a"])
    with pytest.raises(RunError, match="one run is named twice"):
        compare_runs([runs / "a", runs / "a" / "weights.safetensors"])
    with pytest.raises(RunError, match="at least two"):
        compare({}, data)
    tinycnn.manual_seed(0)
    with pytest.raises(ValueError, match="layer 3"):
        compare({"a": models.lenet5(), "b": constant(0)}, data)
