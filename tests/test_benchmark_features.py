import json

import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image: extra 'features'")
from benchmarks import features
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
