import csv
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import HANGS
from tinycnn.cli import main
from tinycnn.gan import (
    ExponentialMovingAverage,
    Gan,
    GanRun,
    NameClasses,
    Shift,
    load_discriminator,
    load_generator,
)
from tinycnn.gan.run import PLAIN
from tinycnn.storage import load_arrays

SMALL = ["--g-width", 4, "--d-width", 4, "--latent", 8, "--batch-size", 16]
PICTURES = {"samples.png", "losses.png", "interpolation.png", "nearest.png"}
FILES = {"generator.safetensors", "discriminator.safetensors", "checkpoint.safetensors", "history.csv"}


@pytest.fixture(scope="session")
def gan(digits_folder, tmp_path_factory):
    """The folder of a short run of a GAN."""
    folder = tmp_path_factory.mktemp("runs") / "gan"
    command = ["gan", "--data", digits_folder, *SMALL, "--epochs", 2, "--out", folder]
    assert main([*map(str, command)]) == 0
    return folder


@pytest.fixture(scope="session")
def gan_without_labels(digits_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "gan-without-labels"
    command = ["gan", "--data", digits_folder, *SMALL, "--epochs", 1, "--class-weight", 0, "--out", folder]
    assert main([*map(str, command)]) == 0
    return folder


@pytest.fixture(scope="session")
def conditional_gan(digits_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cgan"
    command = ["gan", "--data", digits_folder, *SMALL, "--epochs", 1, "--conditional", "--out", folder]
    assert main([*map(str, command)]) == 0
    return folder


def drawn(path):
    pixels = np.asarray(Image.open(path).convert("L"))
    assert min(pixels.shape) > 200, path
    assert pixels.std() > 5, path


def test_a_run_leaves_networks_curves_and_pictures(gan):
    assert {path.name for path in gan.iterdir()} == PICTURES | FILES | {"samples", "training.gif"}
    for name in PICTURES:
        drawn(gan / name)
    frames = sorted(path.name for path in (gan / "samples").iterdir())
    assert (frames[0], frames[-1]) == ("step-000000.png", "step-000040.png")
    with Image.open(gan / "training.gif") as gif:
        assert gif.n_frames == len(frames) == 41
    with (gan / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert 0 < float(rows[1]["D_fake"]) < 1
    G, config = load_generator(gan)
    assert (G.latent, config["classes"], config["g_width"]) == (8 + 10, [str(k) for k in range(10)], 4)
    D = load_discriminator(gan)[0]
    assert (D.width, D.outputs) == (4, 10)  # the digits have labels: D learns them too


def test_a_conditional_run_has_its_class_grid(conditional_gan):
    drawn(conditional_gan / "classes.png")
    assert load_generator(conditional_gan)[0].num_classes == 10


def test_a_plain_gan_is_the_step_on_one_screen_and_nothing_else(digits_folder, tmp_path, tinycnn_json):
    command = ["gan", "--data", digits_folder, *SMALL, "--epochs", 1, "--plain"]
    status, said = tinycnn_json(*command, "--out", tmp_path / "run")
    assert (status, said["epochs"]) == (0, 1)
    (G, config), (D, _) = load_generator(tmp_path / "run"), load_discriminator(tmp_path / "run")
    assert (G.latent, G.kinds, D.outputs) == (8, 0, 1)
    assert {name: config[name] for name in PLAIN} == PLAIN
    run = GanRun.resume(tmp_path / "run")
    assert type(run.training.gan) is Gan
    assert run.training.sampler is run.training.G
    for name, array in G.state_dict().items():  # no average: the weights of the last step
        np.testing.assert_array_equal(array.numpy(), run.training.G.state_dict()[name].numpy())
    # What is added is added: an option beside --plain counts.
    assert tinycnn_json(*command, "--shift", 1, "--out", tmp_path / "other")[0] == 0
    assert [type(a) for a in GanRun.resume(tmp_path / "other").training.additions] == [Shift]
    assert tinycnn_json("gan", "--resume", tmp_path / "run", "--plain")[0] == 0
    assert (
        "--shift 0 (the run has 1)"
        in tinycnn_json("gan", "--resume", tmp_path / "other", "--plain")[1]["error"]
    )


def test_the_default_adds_what_its_options_name(gan):
    run = GanRun.resume(gan)
    assert [type(a) for a in run.training.additions] == [NameClasses, ExponentialMovingAverage]
    assert run.training.G.kinds == 10


def test_what_it_says(digits_folder, tmp_path, capsys):
    command = [
        "gan",
        "--data",
        digits_folder,
        *SMALL,
        "--epochs",
        1,
        "--loss",
        "wgan-gp",
        "--out",
        tmp_path / "r",
    ]
    assert main([*map(str, command)]) == 0
    said = capsys.readouterr()
    assert re.search(
        r"^DCGAN, [\d,]+ parameters in G and [\d,]+ in D, wgan-gp loss, on some-digits", said.out
    )
    assert re.search(
        r"epoch 1/1  D -?[\d.]+  G -?[\d.]+  D\(x\) -?[\d.]+  D\(G\(z\)\) -?[\d.]+  \(", said.out
    )
    assert "measure: tinycnn gan-score" in said.out
    assert said.err == ""


def test_failures_are_said_in_one_sentence(digits_folder, tmp_path, capsys):
    command = ["gan", "--data", digits_folder, *SMALL, "--epochs", 8, "--g-lr", 1e-9, "--d-lr", 0.02]
    assert main([*map(str, command), "--out", str(tmp_path / "run")]) == 0
    (warning,) = re.findall("warning: (.*)", capsys.readouterr().out)
    assert re.match(r"step \d+: D is always right .*; try --loss non-saturating", warning)


def start(*command, cwd):
    command = [sys.executable, "-m", "tinycnn", *map(str, command)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def eight_epochs(digits_folder, tmp_path_factory):
    """The options of a run, and the folder of that run when nobody stopped it."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    options = ["gan", "--data", digits_folder, *SMALL, "--epochs", 8]
    assert main([*map(str, options), "--out", str(folder)]) == 0
    return options, folder


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(how, eight_epochs, tmp_path):
    options, whole = eight_epochs
    stopped = start(*options, "--out", "stopped", cwd=tmp_path)
    stopped.stdout.readline()
    stopped.stdout.readline()  # the first epoch is over: the second is running
    stopped.send_signal(how)
    out, err = stopped.communicate(timeout=HANGS)
    assert "epoch 8/8" not in out
    assert not (tmp_path / "stopped" / "generator.safetensors").exists()
    if how == signal.SIGINT:
        assert stopped.returncode == 1
        assert "saved: stopped/checkpoint.safetensors; go on with: tinycnn gan --resume stopped" in err
    assert main(["gan", "--resume", str(tmp_path / "stopped")]) == 0
    for name in ("generator", "discriminator"):
        a, b = (load_arrays(run / f"{name}.safetensors")[0] for run in (whole, tmp_path / "stopped"))
        for key, array in a.items():
            np.testing.assert_array_equal(array, b[key])
    frames = [sorted(p.name for p in (run / "samples").iterdir()) for run in (whole, tmp_path / "stopped")]
    assert frames[0] == frames[1]


def test_scores(gan, conditional_gan, trained_cnn28, tinycnn_json, capsys):
    for folder, labelled_by in ((gan, "cnn28"), (conditional_gan, "the condition")):
        command = ["gan-score", folder, "--classifier", trained_cnn28, "--samples", 200]
        status, said = tinycnn_json(*command)
        assert status == 0
        assert said["labelled_by"] == labelled_by
        assert said["generated"]["frechet"] > said["real"]["frechet"]
        assert said["generated"]["neighbour_error"] > said["real"]["neighbour_error"]
        assert sum(said["generated"]["coverage"].values()) == pytest.approx(1)
        drawn(folder / "coverage.png")
        assert main([*map(str, command)]) == 0
        out = capsys.readouterr().out
        assert "200 generated images, and as many real training images, against 79 real test images" in out
        assert "do not compare with Inception's" in out
        assert "weak measure" in out


@pytest.fixture(scope="session")
def trained_cnn28(digits_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cnn28"
    command = ["train", "--data", digits_folder, "--epochs", 1, "--out", folder]
    assert main([*map(str, command)]) == 0
    return folder


@pytest.mark.slow
def test_without_a_classifier_one_is_trained_and_kept(gan, tinycnn_json):
    status, first = tinycnn_json("gan-score", gan, "--samples", 50)
    assert status == 0
    kept = (gan / "classifier.safetensors").stat().st_mtime_ns
    assert tinycnn_json("gan-score", gan, "--samples", 50) == (0, first)
    assert (gan / "classifier.safetensors").stat().st_mtime_ns == kept


def test_discriminator_features(gan_without_labels, monkeypatch, tinycnn_json, capsys):
    monkeypatch.setattr("tinycnn.gan.features.SUPERVISED_STEPS", 20)
    status, said = tinycnn_json("gan-features", gan_without_labels, "--labels", 100, 20)
    assert status == 0
    assert [row["labels"] for row in said["errors"]] == [100, 20]
    assert main(["gan-features", str(gan_without_labels), "--labels", "20"]) == 0
    assert "linear on D's features  the same CNN supervised  linear on raw pixels" in capsys.readouterr().out


def test_too_few_labels_are_refused_before_any_row(gan_without_labels, capsys):
    assert main(["gan-features", str(gan_without_labels), "--labels", "20", "3"]) == 2
    said = capsys.readouterr()
    assert "--labels: 3 labels" in said.err
    assert not said.out


def test_the_toy_is_animated(tmp_path, tinycnn_json):
    status, said = tinycnn_json("gan-toy", "--steps", 4, "--frames", 2, "--out", tmp_path / "toy")
    assert (status, said["steps"], said["frames"]) == (0, 4, 3)
    drawn(tmp_path / "toy" / "toy.png")
    with Image.open(tmp_path / "toy" / "toy.gif") as gif:
        assert gif.n_frames == 3


def test_generate(gan, conditional_gan, tmp_path, tinycnn_json):
    def made(*command):
        status, said = tinycnn_json("generate", *command, "--out", tmp_path / "images")
        assert status == 0
        return [np.asarray(Image.open(path)) for path in said["files"]]

    (grey,) = made("random", "--height", 5, "--width", 7)
    (rgb,) = made("random", "--rgb", "--seed", 1)
    assert (grey.shape, rgb.shape) == ((5, 7), (64, 64, 3))
    assert len(made("rule", "--height", 40, "--width", 60)) >= 8
    (mandelbrot,) = made("rule", "mandelbrot", "--height", 40, "--width", 60)
    assert mandelbrot.shape == (40, 60, 3)
    assert len(made("gan", gan, "--count", 3)) == 3
    assert made("gan", conditional_gan, "--count", 2, "--label", 7)[0].shape == (28, 28)
    assert made("gan", gan, "--picture", "interpolation")[0].shape == (8 * 29 - 1, 12 * 29 - 1)
    assert made("gan", conditional_gan, "--picture", "classes")[0].shape == (8 * 29 - 1, 10 * 29 - 1)


def test_json_may_stand_before_the_way_too(tmp_path, capsys):
    assert main(["generate", "--json", "random", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [str(tmp_path / "random-0.png")]}


@pytest.fixture
def data(tmp_path):
    """Make a folder with images.npy and, where given, labels.npy."""

    def make(images, labels=None):
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        np.save(folder / "images.npy", images)
        (folder / "labels.npy").unlink(missing_ok=True)
        if labels is not None:
            np.save(folder / "labels.npy", np.asarray(labels))
        return folder

    return make


def test_colour_and_32x32(data, tmp_path, tinycnn_json):
    rng = np.random.default_rng(0)
    folder = data(rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8))  # without labels: it needs none
    command = ["gan", "--data", folder, *SMALL, "--epochs", 1, "--out", tmp_path / "run"]
    status, said = tinycnn_json(*command)
    assert (status, said["findings"], said["steps"]) == (0, [], 3)
    assert np.asarray(Image.open(tmp_path / "run" / "samples.png")).shape == (987, 987, 3)
    assert load_generator(tmp_path / "run")[0].image_shape == (3, 32, 32)


def test_folders_of_pictures_are_brought_to_32x32(tmp_path, tinycnn_json):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 256, (40, 20 + i), dtype=np.uint8)).save(
                tmp_path / "data" / name / f"{i}.png"
            )
    command = ["gan", "--data", tmp_path / "data", *SMALL, "--conditional", "--epochs", 1]
    assert tinycnn_json(*command, "--out", tmp_path / "run")[0] == 0
    G, _ = load_generator(tmp_path / "run")
    assert (G.image_shape, G.num_classes) == ((1, 32, 32), 2)


ZEROS = np.zeros((40, 28, 28), np.uint8)
BAD_DATA = {
    "wrong size": (
        (np.zeros((40, 30, 30), np.uint8), [0, 1] * 20),
        2,
        "28x28 or 32x32 with C=1 (grey) or C=3",
    ),
    "empty": ((ZEROS[:0], []), 1, "images.npy: the array is empty: its shape is (0, 28, 28)"),
    "too few": ((ZEROS[:12], [0, 1] * 6), 2, "training images make no batch of 16"),
    "not scaled": ((ZEROS + np.float32(-3), [0, 1] * 20), 1, "outside 0 .. 1,"),
    "NaN": ((ZEROS + np.float32("nan"), [0, 1] * 20), 1, "NaN or infinite"),
    "no labels": ((ZEROS,), 2, "conditional needs the images' classes"),
    "labels of others": ((ZEROS, [0, 1]), 1, "labels of shape (2,) are for N = 2"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(case, data, tmp_path, tinycnn_json):
    arrays, status, says = BAD_DATA[case]
    command = ["gan", "--data", data(*arrays), *SMALL, "--conditional", "--out", tmp_path / "run"]
    got, said = tinycnn_json(*command)
    assert got == status
    assert says in said["error"]
    assert not (tmp_path / "run").exists()  # nothing was begun


WRONG_USE = {
    "data": (["--data", "nowhere"], "no such folder; there are also digits"),
    "loss": (["--loss", "hinge"], "invalid choice: 'hinge'"),
    "batch": (["--batch-size", "1"], "1 is below 2"),
    "smoothing": (["--smoothing", "1.0"], "1.0 is not below 1"),
    "nothing to smooth": (["--loss", "wgan-gp", "--smoothing", "0.1"], "has no labels to smooth"),
    "resume": (["--resume", "nowhere"], "there is no checkpoint.safetensors in it"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use(case, refused):
    options, says = WRONG_USE[case]
    assert says in refused("gan", *options)


def test_a_folder_that_cannot_be_written(digits_folder, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    command = ["gan", "--data", digits_folder, *SMALL, "--out", tmp_path / "file" / "run"]
    assert main([*map(str, command)]) == 1
    said = capsys.readouterr()
    assert "file/run" in said.err
    assert "epoch" not in said.out


def test_a_class_count_that_differs_from_the_checkpoints(data, tmp_path, tinycnn_json):
    folder = data(ZEROS, [0, 1] * 20)
    command = ["gan", "--data", folder, *SMALL, "--conditional", "--epochs", 1, "--out", tmp_path / "run"]
    assert tinycnn_json(*command)[0] == 0
    data(ZEROS, [0, 1, 2, 3] * 10)
    for again in (["gan", "--resume", tmp_path / "run"], ["gan-score", tmp_path / "run"]):
        status, said = tinycnn_json(*again)
        assert status == 2
        assert "K=2 classes" in said["error"]
        assert "K=4 now" in said["error"]


def test_a_run_is_not_overwritten_or_resumed_otherwise(gan, tinycnn_json):
    status, said = tinycnn_json("gan", "--out", gan)
    assert (status, "holds a run already" in said["error"]) == (2, True)
    status, said = tinycnn_json("gan", "--resume", gan, "--loss", "minimax", "--g-lr", 1)
    assert status == 2
    assert "--loss minimax (the run has non-saturating), --g-lr 1.0" in said["error"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["gan-score", "nowhere"], "nowhere: there is no trained generator"),
        (["gan-features", "nowhere"], "nowhere: there is no trained discriminator"),
        (["generate", "gan", "nowhere"], "nowhere: there is no trained generator"),
        (["generate", "gan", "GAN", "--label", "3"], "is not conditional: it cannot be asked for a class"),
        (["generate", "gan", "GAN", "--picture", "classes"], "is not conditional"),
        (["generate", "gan", "CONDITIONAL", "--label", "ten"], "--label ten: the classes are 0, 1, 2"),
        (["generate", "rule", "waves"], "unknown rule waves; there are gradients, rings"),
        (["gan-features", "CONDITIONAL"], "asks for the label"),
        (["gan-features", "GAN"], "train one with: tinycnn gan --class-weight 0"),
        (
            ["gan-score", "GAN", "--classifier", "TRAINED"],
            "is a lenet5 for K=10 classes; the judge must be a cnn28",
        ),
    ],
)
def test_other_commands_wrong_use(
    command, says, gan, conditional_gan, trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    known = {"GAN": str(gan), "CONDITIONAL": str(conditional_gan), "TRAINED": str(trained)}
    assert main([known.get(word, word) for word in command]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow is what this is about
def test_divergence_keeps_the_last_checkpoint(digits_folder, tmp_path, tinycnn_json):
    out = tmp_path / "run"
    command = [
        "gan",
        "--data",
        digits_folder,
        *SMALL,
        "--loss",
        "least-squares",
        "--d-lr",
        1e30,
        "--out",
        out,
    ]
    status, said = tinycnn_json(*command)
    assert status == 1
    assert re.search(r"became (nan|inf) by batch \d+ of epoch 1: try a lower learning rate", said["error"])
    arrays, _ = load_arrays(out / "checkpoint.safetensors")
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_gan_explain(gan, conditional_gan, trained, tinycnn_json, tmp_path, capsys):
    status, said = tinycnn_json("gan-explain", gan, "--samples", 3, "--coordinates", 2, "--out", tmp_path)
    assert status == 0
    assert len(said["coordinates"]) == 2
    drawn(tmp_path / "coordinates.png")
    drawn(tmp_path / "nearest_features.png")
    options = ("--classifier", trained, "--samples", 2, "--out", tmp_path)
    status, said = tinycnn_json("gan-explain", conditional_gan, *options)
    assert (status, said["features"]) == (0, "layer 10 of lenet5")
    assert all(0 <= entry["classes"] <= 1 for entry in said["coordinates"])
    assert main(["gan-explain", str(conditional_gan)]) == 2
    assert "is conditional: its discriminator asks for the class" in capsys.readouterr().err
