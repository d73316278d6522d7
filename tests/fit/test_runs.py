"""Runs made in Python: three lines from settings to results, and what they refuse."""

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinycnn.fit import Callback, ClassifierRun, RunError, StoppedRun, evaluate, load_classifier
from tinycnn.fit.folder import new_folder
from tinycnn.fit.settings import DifferentSettings, MissingRun
from tinycnn.storage import load_arrays, save_arrays

SMALL = {"model": "lenet5", "epochs": 4, "batch_size": 4, "lr": 0.01}


def make_pictures(folder, names):
    rng = np.random.default_rng(0)
    for name, level in zip(names, (60, 190), strict=True):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(level - 30, level + 30, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Class folders with 20 pictures each, dark ones and bright ones."""
    return lambda *names: make_pictures(tmp_path / "data", names)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that no test may change."""
    work = tmp_path_factory.mktemp("finished")
    data = make_pictures(work / "data", ("cat", "dog"))
    ClassifierRun.new(work / "run", data=data, **SMALL).train(quiet)
    return work / "run"


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of that folder; its data stay where they are."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def quiet(line):
    pass


class Worse(Callback):
    """Exchange the classes after the second epoch."""

    def on_epoch_begin(self, training):
        if training.epoch >= 2 and training.batch == 0:
            for p in list(training.model.parameters())[-2:]:
                p.data[...] = -100 * p.data


def test_a_run_with_patience_saves_the_weights_of_its_best_epoch(pictures, tmp_path):
    said = []
    run = ClassifierRun.new(tmp_path / "run", data=pictures("cat", "dog"), **SMALL, patience=2)
    callbacks = run.callbacks
    run.callbacks = lambda folder, say: [Worse(), *callbacks(folder, say)]
    run.train(said.append)
    losses = [record["val_loss"] for record in run.training.history]
    best = int(np.argmin(losses))
    assert best == 1
    assert evaluate(run.training.model, run.training.validation).loss == losses[best]
    assert f"the weights are those of epoch {best + 1}," in " ".join(said)
    kept, _ = load_arrays(tmp_path / "run" / "weights.safetensors")
    for name, array in run.training.model.state_dict().items():
        np.testing.assert_array_equal(kept[name], array.numpy())
    again = ClassifierRun.resume(tmp_path / "run")
    again.train(quiet)
    assert evaluate(again.training.model, again.training.validation).loss == losses[best]


def test_three_lines_are_a_run(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ClassifierRun.new(data=pictures("bright", "dark"), **SMALL)
    assert not (tmp_path / "runs").exists()  # nothing is written before it trains
    result = run.train(quiet)
    assert result.accuracy == 1
    assert run.folder == new_folder("x").parent / "lenet5-data"
    saved = load_classifier(run.folder)
    test, note = saved.test_data()
    assert saved.evaluate(test).accuracy == 1
    assert note == ""


def test_a_run_that_was_stopped_goes_on_in_python(pictures, tmp_path):
    data = pictures("bright", "dark")
    whole = ClassifierRun.new(tmp_path / "whole", data=data, **SMALL)
    whole.train(quiet)
    stopped = ClassifierRun.new(tmp_path / "stopped", data=data, **SMALL)

    def stop(line):
        if line.startswith("epoch 1"):
            stopped.training.stop = "interrupted by hand"

    with pytest.raises(StoppedRun, match=r"after 1 of 4 epochs and 0 batches.*tinycnn train --resume"):
        stopped.train(stop)
    resumed = ClassifierRun.resume(tmp_path / "stopped", seed=0)
    assert (resumed.training.epoch, resumed.training.batch) == (1, 0)
    resumed.train(quiet)
    a, b = (load_arrays(tmp_path / name / "weights.safetensors")[0] for name in ("whole", "stopped"))
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_a_run_killed_before_its_first_checkpoint_begins_again(pictures, tmp_path):
    class KilledError(Exception):
        pass

    def die(line):
        raise KilledError

    data = pictures("bright", "dark")
    run = ClassifierRun.new(tmp_path / "run", data=data, **SMALL)
    with pytest.raises(KilledError):
        run.train(die)
    arrays, _ = load_arrays(tmp_path / "run" / "checkpoint.safetensors")
    assert arrays == {}  # the settings say how to make the start
    resumed = ClassifierRun.resume(tmp_path / "run")
    whole = ClassifierRun.new(tmp_path / "whole", data=data, **SMALL)
    assert resumed.train(quiet).loss == whole.train(quiet).loss


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs: 0 is below 1"),
        ({"epochs": 1.5}, "epochs: 1.5 is no integer"),
        ({"epochs": True}, "epochs: True is no integer"),
        ({"lr": float("nan")}, "lr: nan is not a finite number above 0"),
        ({"lr": "0.1"}, "lr: '0.1' is no number"),
        ({"model": "vgg"}, "model: unknown: 'vgg'; there are cnn28, cnn224, lenet5"),
        ({"flip": 1}, "flip: 1 is neither true nor false"),
        ({"data": ""}, "data: '' has 0 characters"),
        ({"data": "nowhere"}, "nowhere: no such folder; there are also digits"),
        ({"optimizer": ["adam"]}, "optimizer: unknown: "),
    ],
    ids=str,
)
def test_settings_out_of_range(settings, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=says):
        ClassifierRun.new(**settings)


def test_a_setting_that_there_is_not():
    with pytest.raises(TypeError, match="learning_rate"):
        ClassifierRun.new(learning_rate=0.1)


def test_numbers_of_numpy_are_numbers(pictures):
    run = ClassifierRun.new(data=pictures("a", "b"), epochs=np.int64(2), lr=np.float32(0.5))
    assert (run.settings.epochs, run.settings.lr) == (2, 0.5)
    assert type(run.settings.epochs) is int


@pytest.fixture
def trained(pictures, tmp_path):
    """A data folder and the folder of a run on it."""
    data = pictures("cat", "dog")
    ClassifierRun.new(tmp_path / "run", data=data, **SMALL).train(quiet)
    return data, tmp_path / "run"


def test_a_renamed_class_is_not_another_one(trained):
    data, run = trained
    (data / "cat").rename(data / "zcat")  # the order of the classes changes with it
    with pytest.raises(RunError, match=r"K=2 classes \(cat, dog\), .* has K=2 now \(dog, zcat\)"):
        ClassifierRun.resume(run)
    with pytest.raises(RunError, match=r"\(cat, dog\), .* of which it does not know zcat"):
        load_classifier(run).test_data()


def test_labels_are_matched_by_the_names_of_their_classes(trained):
    data, run = trained
    saved = load_classifier(run)
    shown = {}
    for order in ("cat dog", "dog"):  # dog alone would be class 0
        for name in {"cat", "dog"} - set(order.split()):
            for path in (data / name).iterdir():
                path.unlink()
            (data / name).rmdir()
        test, note = saved.test_data(str(data))
        assert (test.classes, note) == (("cat", "dog"), "")
        shown[order] = saved.evaluate(test).accuracy
    assert shown == {"cat dog": 1.0, "dog": 1.0}


def test_classes_without_names_are_taken_by_their_numbers_and_this_is_said(finished, tmp_path):
    (tmp_path / "arrays").mkdir()
    images = np.stack([np.full((28, 28), level, np.uint8) for level in (60, 190) * 10])
    np.save(tmp_path / "arrays" / "images.npy", images)
    np.save(tmp_path / "arrays" / "labels.npy", np.arange(20) % 2)
    saved = load_classifier(finished)
    test, note = saved.test_data(str(tmp_path / "arrays"))
    assert note == "0, 1 are taken for cat, dog, in this order"
    assert saved.evaluate(test).accuracy == 1


@pytest.mark.parametrize("change", ["more", "fewer", "others"])
def test_pictures_that_changed_since_are_refused(trained, change):
    data, run = trained
    picture = data / "cat" / "00.png"
    if change == "more":
        Image.open(picture).save(data / "cat" / "more.png")
    elif change == "fewer":
        picture.unlink()
    else:
        for path in (data / "cat").iterdir():
            pixels = np.asarray(Image.open(path))
            Image.fromarray(pixels ^ 1).save(path)
    with pytest.raises(
        RunError, match=r"training pictures of .* have changed since the run began \(N=32 then"
    ):
        ClassifierRun.resume(run)


def test_resume_refuses_other_settings_and_folders_without_a_run(finished, tmp_path):
    with pytest.raises(DifferentSettings, match=r"epochs=9 \(the run has 4\), lr=0.1 \(the run has 0.01\)"):
        ClassifierRun.resume(finished, epochs=9, lr=0.1, seed=0)
    with pytest.raises(MissingRun, match="there is no checkpoint"):
        ClassifierRun.resume(tmp_path)
    with pytest.raises(FileNotFoundError):  # as for every file
        load_classifier(tmp_path)
    with pytest.raises(RunError, match="holds a run already"):
        ClassifierRun.new(finished)


def test_the_second_of_two_runs_that_begin_together_is_refused(pictures, tmp_path):
    data = pictures("bright", "dark")
    first, second = (ClassifierRun.new(tmp_path / "run", data=data, **SMALL) for _ in range(2))
    first.train(quiet)
    before = (tmp_path / "run" / "weights.safetensors").stat().st_mtime_ns
    with pytest.raises(RunError, match="holds a run already"):
        second.train(quiet)
    assert (tmp_path / "run" / "weights.safetensors").stat().st_mtime_ns == before


def test_folders_that_are_made_together_are_different(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, gate = [], threading.Barrier(8)

    def make():
        gate.wait()
        found.append(new_folder("cnn28-digits"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 8
    assert all(folder.is_dir() for folder in found)


def test_resume_says_if_the_last_bits_will_differ(run_folder):
    path = run_folder / "checkpoint.safetensors"
    arrays, metadata = load_arrays(path)
    assert ClassifierRun.resume(run_folder).notes == []
    other = metadata["training"].replace('"kernels": "', '"kernels": "other-')
    save_arrays(path, arrays, metadata | {"training": other})
    (note,) = ClassifierRun.resume(run_folder).notes
    assert "began with the kernels other-" in note
    lines = []
    ClassifierRun.resume(run_folder).train(lines.append)
    assert lines[0] == f"note: {note}"


def test_a_checkpoint_in_another_precision_is_refused(run_folder):
    path = run_folder / "checkpoint.safetensors"
    arrays, metadata = load_arrays(path)
    arrays["model.0.weight"] = arrays["model.0.weight"].astype(np.float64)
    save_arrays(path, arrays, metadata)
    with pytest.raises(
        ValueError, match=r"model\.0\.weight is float64 in the checkpoint and float32 in this"
    ):
        ClassifierRun.resume(run_folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["weights.safetensors", "checkpoint.safetensors"])
def test_weights_that_are_nan_are_refused(run_folder, name, value):
    arrays, metadata = load_arrays(run_folder / name)
    key = next(key for key in arrays if key.endswith("0.weight"))
    arrays[key] = np.full_like(arrays[key], value)
    save_arrays(run_folder / name, arrays, metadata)
    load = load_classifier if name.startswith("weights") else ClassifierRun.resume
    with pytest.raises(ValueError, match=r"150 of the 150 values of .*0\.weight are NaN or infinite"):
        load(run_folder)


BAD_CONFIGS = {
    "no model": (lambda c: {k: v for k, v in c.items() if k != "model"}, "model missing"),
    "no classes": (lambda c: {k: v for k, v in c.items() if k != "classes"}, "classes missing"),
    "another model": (lambda c: c | {"model": "vgg"}, "model: unknown: 'vgg'; there are cnn28"),
    "a model of text": (lambda c: c | {"model": None}, "model: unknown: None"),
    "classes of numbers": (lambda c: c | {"classes": [1, 2]}, r"classes: \[0\]: 1 is no text"),
    "one class": (lambda c: c | {"classes": ["a"]}, "classes: it is a list of 1, 2 to 2,000 fit"),
    "millions of classes": (lambda c: c | {"classes": ["a"] * 100_000}, "a list of 100,000, 2 to 2,000 fit"),
    "data of numbers": (lambda c: c | {"data": 7}, "data: 7 is no text"),
    "a list": (lambda c: [c], "it is no JSON object"),
    "a number": (lambda c: 5, "it is no JSON object"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_config_that_was_edited_says_what_is_wrong(case, finished, tmp_path):
    change, says = BAD_CONFIGS[case]
    arrays, metadata = load_arrays(finished / "weights.safetensors")
    config = json.dumps(change(json.loads(metadata["config"])))
    save_arrays(tmp_path / "edited.safetensors", arrays, {"config": config})
    with pytest.raises(ValueError, match=rf"edited\.safetensors does not say which network.*{says}"):
        load_classifier(tmp_path / "edited.safetensors")


def test_parts_that_a_killed_writer_left_are_removed(pictures, tmp_path):
    run = ClassifierRun.new(tmp_path / "run", data=pictures("bright", "dark"), **SMALL)
    (tmp_path / "run").mkdir()
    left = tmp_path / "run" / ".checkpoint.safetensors.0a1b2c3d.part"
    own = tmp_path / "run" / ".notes.part"
    for path in (left, own):
        path.write_text("something")
    run.train(quiet)
    assert not left.exists()
    assert own.exists()  # no name that a writer gives


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
def test_a_part_that_is_being_written_stays(tmp_path):
    from tinycnn import storage

    part = tmp_path / ".checkpoint.safetensors.0a1b2c3d.part"
    with part.open("xb") as file:
        assert storage._hold(file)
        storage.remove_parts(tmp_path)
        assert part.exists()
    storage.remove_parts(tmp_path)
    assert not part.exists()
