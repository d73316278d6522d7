"""Files whose texts were changed at random: each is read, or refused in one short line.

``TINYCNN_MUTATIONS=1000`` tries more of them than the usual number.
"""

import copy
import json
import os
import shutil
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tinycnn.cli import EXPECTED, main
from tinycnn.cli.common import one_line
from tinycnn.data import digits
from tinycnn.fit import ClassifierRun, RunError, load_classifier
from tinycnn.fit.saved import load_picture
from tinycnn.gan import GanRun, load_discriminator, load_generator
from tinycnn.generate import learned
from tinycnn.storage import load_arrays, save_arrays

MUTATIONS = int(os.environ.get("TINYCNN_MUTATIONS", "200"))
GIB = 1 << 30
VALUES = [
    *(None, True, False, "", "x", "0", [], {}, [1], [[]], {"a": 1}, -1, 0, 1, 2, 3, 1.5, -0.0, 1e308),
    *(float("nan"), float("inf"), 255, 10_000, 10**9, 10**30, "a\x1b[31m\nb", "\ud800", "x" * 100_000),
    *("../..", "/dev/zero", "no\0where", "cnn224", "adam", "sgd", "wgan-gp", ["a", "b"], [0] * 1000),
    [str(k) for k in range(3000)],
]


@pytest.fixture(scope="module")
def files(tmp_path_factory, trained):
    """The files of a classifier's run and of a GAN's, by what reads them; each in a folder of its own."""
    work = tmp_path_factory.mktemp("mutated")
    data = work / "few-digits"
    data.mkdir()
    train, _ = digits()
    np.save(data / "images.npy", train.images[:60, 0])
    np.save(data / "labels.npy", train.labels[:60])
    small = {"g_width": 4, "d_width": 4, "latent": 8, "batch_size": 16, "epochs": 1}
    GanRun.new(work / "gan", data=data, **small).train(lambda line: None, progress=False)
    picture = work / "picture.png"
    Image.fromarray(train.images[0, 0]).save(picture)

    def classify(folder):
        saved = load_classifier(folder)
        saved.test_data()
        saved.probabilities(load_picture(picture, saved.input_shape)[None])

    return work, {
        (trained, "weights.safetensors"): classify,
        (trained, "checkpoint.safetensors"): ClassifierRun.resume,
        (work / "gan", "generator.safetensors"): lambda folder: learned(folder, 2),
        (work / "gan", "discriminator.safetensors"): load_discriminator,
        (work / "gan", "checkpoint.safetensors"): GanRun.resume,
    }


def places(value, at=()):
    """Yield the way to every value inside a JSON value."""
    yield at
    if isinstance(value, dict | list) and len(at) < 6:
        entries = value.items() if isinstance(value, dict) else list(enumerate(value))[:5]
        for key, entry in entries:
            yield from places(entry, (*at, key))


def mutated(text, rng):
    """Return a JSON text with something changed, and what it was."""
    how = rng.integers(0, 12)
    if how == 0:
        cut = int(rng.integers(0, len(text)))
        return text[:cut], f"cut at {cut}"
    if how == 1:
        at = int(rng.integers(0, len(text)))
        return text[:at] + chr(int(rng.integers(32, 127))) + text[at + 1 :], f"a character at {at}"
    if how == 2:
        depth = int(10 ** rng.uniform(1, 5.5))
        return "[" * depth + "]" * depth, f"{depth} brackets"
    whole = [json.loads(text)]
    ways = [way for way in places(whole) if way]
    if rng.integers(0, 2):  # half of them near the top, where most has a meaning
        ways = [way for way in ways if len(way) <= 2]
    *way, last = ways[int(rng.integers(0, len(ways)))]
    holder = whole
    for key in way:
        holder = holder[key]
    if how in (3, 6) and way:
        del holder[last]
        return json.dumps(whole[0]), f"without {way} {last}"
    if how == 4 and isinstance(holder[last], int | float) and not isinstance(holder[last], bool):
        holder[last] = holder[last] * int(rng.integers(2, 100)) + 1
        return json.dumps(whole[0]), f"{way} {last} is {holder[last]}"
    if how in (5, 7) and isinstance(holder, dict):
        holder[f"{last}\n"] = holder.pop(last)
        return json.dumps(whole[0]), f"{way} {last} renamed"
    value = copy.deepcopy(VALUES[int(rng.integers(0, len(VALUES)))])
    holder[last] = value
    return json.dumps(whole[0]), f"{way} {last} is {value!r:.60}"


def test_mutated_texts_are_refused_in_one_short_line_or_read(files, monkeypatch):
    work, readers = files
    monkeypatch.chdir(work)
    rng = np.random.default_rng(0)
    cases = list(readers.items())
    contents = {case: load_arrays(folder / name) for case, _ in cases for folder, name in [case]}
    refused = 0
    tracemalloc.start()
    try:
        for number in range(MUTATIONS):
            case, read = cases[number % len(cases)]
            arrays, texts = contents[case]
            text = sorted(set(texts) - {"tinycnn"})[int(rng.integers(0, len(texts) - ("tinycnn" in texts)))]
            changed, what = mutated(texts[text], rng)
            folder = work / "changed"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            save_arrays(folder / case[1], arrays, {**texts, text: changed})
            tracemalloc.reset_peak()
            try:
                read(folder)
            except (*EXPECTED, RunError) as error:
                refused += 1
                line = one_line(error)
                assert len(line) <= 300, (number, case, text, what, line)
                assert line.isprintable(), (number, case, text, what, line)
                assert line, (number, case, text, what, repr(error))
            except Exception as error:
                raise AssertionError((number, case, text, what)) from error
            assert tracemalloc.get_traced_memory()[1] < GIB, (number, case, text, what)
    finally:
        tracemalloc.stop()
    assert (
        MUTATIONS / 3 < refused < MUTATIONS
    )  # most are of use to nobody, and some change nothing that counts


@pytest.mark.parametrize("name", ["weights.safetensors", "checkpoint.safetensors"])
def test_the_command_line_says_it_in_one_line(name, trained, tmp_path, capsys):
    arrays, texts = load_arrays(trained / name)
    config = json.loads(texts["config"]) | {"model": "x\n\x1b[31m" * 1000}
    save_arrays(tmp_path / name, arrays, {**texts, "config": json.dumps(config)})
    command = (
        ["evaluate", str(tmp_path)] if name.startswith("weights") else ["train", "--resume", str(tmp_path)]
    )
    assert main(command) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tinycnn: error: ")
    assert said.err.count("\n") == 1
    assert len(said.err) <= 320
    assert said.err.strip().isprintable()


def test_arrays_that_are_renamed_dropped_or_of_another_shape(files):
    work, readers = files
    for (folder, name), read in readers.items():
        arrays, texts = load_arrays(folder / name)
        first = next(iter(arrays))
        changes = [
            {},
            {key: a for key, a in arrays.items() if key != first},
            {**arrays, **{f"n\x1b{i}" * 30: np.zeros(1, np.float32) for i in range(2000)}},
            {key: a.reshape(-1) for key, a in arrays.items()},
            {key: a[..., None] for key, a in arrays.items()},
        ]
        for number, changed in enumerate(changes):
            other = work / "arrays"
            shutil.rmtree(other, ignore_errors=True)
            other.mkdir()
            save_arrays(other / name, changed, texts)
            with pytest.raises(ValueError) as error:
                read(other)
            line = one_line(error.value)
            assert len(line) <= 300, (name, number)
            assert line.isprintable(), (name, number)


def test_a_class_name_cannot_leave_the_folder_of_images(files, tmp_path, capsys):
    work, _ = files
    arrays, texts = load_arrays(work / "gan" / "generator.safetensors")
    config = json.loads(texts["config"])
    name = "../../\x1b[31mup"
    config["network"] |= {"num_classes": 2, "kinds": 0, "latent": config["network"]["latent"] - 2}
    config["classes"] = [name, "b"]
    save_arrays(tmp_path / "generator.safetensors", arrays, {"config": json.dumps(config)})
    out = tmp_path / "images"
    command = ["generate", "gan", str(tmp_path), "--label", name, "--count", "1", "--out", str(out)]
    assert main(command) == 0
    assert len(list(out.iterdir())) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_network_larger_than_its_file_is_not_made(files, tmp_path):
    work, _ = files
    for name, load in (("generator", load_generator), ("discriminator", load_discriminator)):
        arrays, texts = load_arrays(work / "gan" / f"{name}.safetensors")
        config = json.loads(texts["config"])
        config["network"]["width"] = 100_000
        save_arrays(tmp_path / f"{name}.safetensors", arrays, {"config": json.dumps(config)})
        with pytest.raises(ValueError, match=r"a layer of its network has [\d,]+ weights, and the file"):
            load(tmp_path)
