import json
import struct

import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image: extra 'features'")
from benchmarks import features, layers
from tinycnn.data import digits


def test_sift_words_count_points_by_quarter():
    train, _ = digits()
    images = train.scaled(slice(0, 6))
    words = features.vocabulary(images, seed=0)
    counts = features.sift_words(images, words) ** 2
    counts = counts.reshape(6, 5, -1)
    np.testing.assert_allclose(counts[:, :4].sum(axis=1), counts[:, 4], rtol=1e-5)
    points = [len(features.sift(image.tobytes(), 28)[0]) for image in images]
    np.testing.assert_allclose(counts[:, 4].sum(axis=1), points, rtol=1e-5)
    empty = features.sift_words(np.zeros((1, 1, 28, 28), np.float32), words)
    assert not empty.any()  # no point stands out


@pytest.mark.slow
def test_the_benchmark_prints_its_table_and_adds_to_its_file(tmp_path, capsys):
    out = tmp_path / "features.json"
    command = ["--test-images", "20", "--steps", "3", "--seeds", "0", "--out", str(out)]
    assert features.main([*command, "--labels", "20"]) == 0
    assert features.main([*command, "--labels", "30"]) == 0
    rows = json.loads(out.read_text())["runs"]
    assert [row["labels"] for row in rows] == [20, 30]
    assert rows[0]["errors"].keys() == {"pixels", "HOG", "SIFT words", "random cnn28", "learned cnn28"}
    assert all(0 <= error <= 1 for row in rows for error in row["errors"].values())
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["20", "30"]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert features.main([*command[:-4], "--labels", "20", *command[-4:], "--steps", "4"]) == 0
    assert len(json.loads(out.read_text())["runs"]) == 1  # other settings: it begins anew


def test_the_benchmark_takes_other_data(tmp_path, capsys, rng):
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (40, 28, 28), np.uint8)
        labels = np.arange(40, dtype=np.uint8) % 10
        head = struct.pack(">IIII", 0x803, *images.shape)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 40) + labels.tobytes())
    out = tmp_path / "features.json"
    command = [
        "--data",
        str(tmp_path),
        "--test-images",
        "40",
        "--steps",
        "2",
        "--seeds",
        "0",
        "--labels",
        "20",
    ]
    assert features.main([*command, "--out", str(out)]) == 0
    saved = json.loads(out.read_text())
    assert (saved["data"], saved["test_images"]) == (tmp_path.name, 40)
    assert f"40 test images of {tmp_path.name}" in capsys.readouterr().out
    pictures = tmp_path / "large"
    pictures.mkdir()
    np.save(pictures / "images.npy", np.zeros((20, 32, 32), np.uint8))
    np.save(pictures / "labels.npy", np.arange(20) % 2)
    with pytest.raises(SystemExit):
        features.main(["--data", str(pictures)])
    assert "1x28x28" in capsys.readouterr().err


def test_drawn_attributes_are_independent_of_each_other(rng):
    data, labels = layers.drawn(60, seed=1)
    assert data.images.shape == (60, 3, 32, 32)
    assert (data.labels == 16 * labels["colour"] + 4 * labels["texture"] + labels["shape"]).all()
    red, blue = (layers.draw(k, 3, 1, np.random.default_rng(0)) for k in (0, 2))
    background = np.abs(red - blue).max(axis=0) == 0
    assert 0.3 < background.mean() < 0.9  # only what is inside the shape has the colour
    assert red[0][~background].mean() > red[2][~background].mean()


@pytest.mark.slow
def test_the_probes_print_a_row_a_layer_with_the_median_over_the_seeds(tmp_path, capsys):
    out = tmp_path / "layers.json"
    command = ["--images", "80", "--epochs", "1", "--seeds", "0", "1", "2", "--out", str(out)]
    assert layers.main(command) == 0
    runs = json.loads(out.read_text())["runs"]
    assert [run["seed"] for run in runs] == [0, 1, 2]
    rows = capsys.readouterr().out.splitlines()[-5:]
    for run in runs:
        assert list(run["accuracy"])[1:] == ["conv 1", "conv 2", "conv 3", "dense"]
        assert run["accuracy"]["mean and spread of the colours"]["colour"] > 0.9
    texture = sorted(100 * run["accuracy"]["conv 1"]["texture"] for run in runs)
    assert texture[0] < texture[2]  # the seeds are not copies of each other
    assert f"{texture[1]:.1f} ({texture[0]:.1f} to {texture[2]:.1f})" in rows[1]
    assert out.with_suffix(".png").exists()
