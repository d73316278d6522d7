import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor, plot
from tinycnn.data import digits
from tinycnn.features import Index
from tinycnn.gan import Discriminator, Generator
from tinycnn.gan.coordinates import at, attributes, effects, walk
from tinycnn.gan.explained import coordinates_figure, explain_run, neighbours_figure
from tinycnn.gan.saved import save_networks


def bar(top, left, height, width, H=20, W=20):
    image = np.zeros((1, H, W))
    image[0, top : top + height, left : left + width] = 1
    return image


def test_attributes_of_bars():
    wide, tall, moved = bar(9, 4, 2, 12), bar(4, 9, 12, 2), bar(11, 8, 2, 12)
    said = attributes(np.stack([wide, tall, moved]))
    np.testing.assert_allclose(said["brightness"], 24 / 400, rtol=1e-5)
    assert said["width"][0] > 3 * said["height"][0]
    assert said["height"][1] > 3 * said["width"][1]
    np.testing.assert_allclose(said["width"][0], np.arange(12).std(), rtol=1e-4)
    assert said["right"][2] - said["right"][0] == pytest.approx(4, abs=1e-3)
    assert said["down"][2] - said["down"][0] == pytest.approx(2, abs=1e-3)
    np.testing.assert_allclose(said["slant"], 0, atol=1e-6)
    leaning = attributes(np.eye(20)[None, None, ::-1])["slant"]  # a line to the upper right: 1 pixel a row
    np.testing.assert_allclose(leaning, 1, rtol=1e-4)
    assert all(np.isfinite(value).all() for value in attributes(np.zeros((1, 3, 5, 5))).values())


class Painter:
    """In a generator's place: z[1] sets the brightness of a bar, z[3] moves it, z[0] and z[2] do nothing."""

    latent, num_classes, training = 4, 0, False

    def modules(self):
        return ()

    def eval(self):
        return self

    def __call__(self, z, labels=None):
        images = []
        for _, light, _, place in z.numpy():
            left = int(np.clip(np.rint(8 + 3 * place), 0, 16))
            images.append((0.5 + 0.1 * np.clip(light, -4, 4)) * bar(4, left, 12, 4))
        return Tensor(2 * np.stack(images).astype(np.float32) - 1)


def test_the_coordinates_that_do_something_are_found():
    found = effects(Painter(), samples=30)
    assert found.order[:2].tolist() == [3, 1]
    assert found.pixels[0] == found.pixels[2] == 0
    assert found.attributes["brightness"][1] > 1
    assert found.attributes["right"][3] > 1
    assert abs(found.attributes["right"][1]) < 1e-6
    assert found.describe(3).startswith("right +")
    assert found.describe(0) == "no attribute much"
    assert found.classes is None


def test_a_classifier_says_which_coordinates_change_the_class():
    def left_or_right(images):
        right = images[..., 10:].sum(axis=(1, 2, 3)) > images[..., :10].sum(axis=(1, 2, 3))
        return np.eye(2)[right.astype(int)]

    found = effects(Painter(), samples=10, classify=left_or_right)
    assert found.classes.tolist() == [0, 0, 0, 1]
    assert "class of 100%" in found.describe(3)


def test_walks():
    images = walk(Painter(), 1, steps=3, reach=2.0)
    assert images.shape == (3, 1, 20, 20)
    np.testing.assert_allclose(images.max(axis=(1, 2, 3)), [0.3, 0.5, 0.7], atol=1e-6)
    z = np.zeros((2, 4), np.float32)
    assert at(z, 1, 5.0)[:, 1].tolist() == [5, 5]
    assert not z.any()


@pytest.mark.parametrize("options", [{"samples": 1}, {"step": 0.0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="samples must be at least 2 and step above 0"):
        effects(Painter(), **options)


def test_pictures(tmp_path):
    train, _ = digits()
    known = train.subset(np.arange(20))
    x = known.scaled(slice(None))
    near = Index(x).search(x[:3], 2)
    plot.save(neighbours_figure(x[:3], known, near, near, "pixels"), tmp_path / "a.png")
    plot.save(coordinates_figure(Painter(), effects(Painter(), 4), [3, 1]), tmp_path / "b.png")


@pytest.mark.parametrize("conditional", [False, True])
def test_a_run(conditional, tmp_path, monkeypatch):
    monkeypatch.setattr("tinycnn.gan.explained.KNOWN", 50)
    tinycnn.manual_seed(0)
    K = 10 if conditional else 0
    G, D = Generator(latent=3, width=4, num_classes=K), Discriminator(width=4, num_classes=K)
    save_networks(tmp_path, G, D, {"data": "digits", "classes": list("0123456789")})
    if conditional:
        with pytest.raises(ValueError, match="is conditional: its discriminator asks for the class"):
            explain_run(tmp_path)
        return
    lines = []
    said = explain_run(tmp_path, samples=3, coordinates=2, say=lines.append)
    assert len(said["coordinates"]) == 2
    assert len(said["nearest"]) == 3
    assert said["features"] == "the discriminator's features"
    assert (tmp_path / "coordinates.png").exists() and (tmp_path / "nearest_features.png").exists()
    assert lines[0].startswith("of 3 coordinates of z these change most")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        explain_run(tmp_path, classifier=tmp_path / "nowhere")
