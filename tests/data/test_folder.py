import os

import numpy as np
import pytest
from PIL import Image

from tinycnn.data import image_arrays, image_folder, load

RNG = np.random.default_rng(0)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)


@pytest.fixture
def grey(tmp_path):
    """Four pictures of 4x5 pixels in each of two classes; the one with number n is all n."""
    for label, name in enumerate(["dog", "cat"]):
        for i in range(4):
            save(tmp_path / "pets" / name / f"{i}.png", np.full((4, 5), 10 * label + i))
    return tmp_path / "pets"


@pytest.fixture
def arrays(tmp_path):
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, (10, 8, 9, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(10) % 2)
    return tmp_path


def both_parts(parts):
    return np.concatenate([part.images for part in parts])


def test_classes_are_the_sorted_subfolders(grey):
    train, test = image_folder(grey)
    assert train.classes == test.classes == ("cat", "dog")
    assert (train.name, test.name) == ("pets train", "pets test")
    assert train.images.shape == (6, 1, 4, 5)
    assert test.images.shape == (2, 1, 4, 5)
    for part in train, test:
        np.testing.assert_array_equal(part.images[:, 0, 0, 0] // 10, 1 - part.labels)
    assert sorted(both_parts([train, test])[:, 0, 3, 4]) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_the_split_is_the_seeds(grey):
    one, same, other = (image_folder(grey, seed=seed)[1].images[:, 0, 0, 0].tolist() for seed in (1, 1, 3))
    assert one == same != other
    assert len(image_folder(grey, test_fraction=0.5)[1]) == 4


def test_one_coloured_picture_makes_all_rgb(grey):
    colour = RNG.integers(0, 256, (4, 5, 3), np.uint8)
    save(grey / "cat" / "4.png", colour)
    images = both_parts(image_folder(grey))
    assert images.shape == (9, 3, 4, 5)
    coloured = [image for image in images if not (image == image[0]).all()]
    np.testing.assert_array_equal(coloured, [colour.transpose(2, 0, 1)])
    assert {2, 12} <= set(images[:, 1, 1, 1])


def test_a_split_of_your_own(grey):
    (grey.parent / "pets").rename(grey.parent / "all")
    (grey.parent / "pets").mkdir()
    (grey.parent / "all").rename(grey / "train")
    for name in "cat", "dog":
        save(grey / "test" / name / "x.png", np.full((4, 5, 3), 77))
    (grey / ".git").mkdir()
    train, test = image_folder(grey)
    assert (len(train), len(test)) == (8, 2)
    assert train.image_shape == test.image_shape == (3, 4, 5)  # coloured in one is coloured in both
    assert test.labels.tolist() == [0, 1]
    assert (test.images == 77).all()

    save(grey / "test" / "emu" / "x.png", np.full((4, 5), 77))
    with pytest.raises(ValueError, match=r"pets: train and test must have the same classes.*emu"):
        image_folder(grey)


def test_different_sizes_need_size(grey):
    save(grey / "dog" / "9.png", np.full((6, 7), 50))
    with pytest.raises(ValueError, match=r"9\.png has \(H, W\) = \(6, 7\), but .*0\.png has \(4, 5\).*size="):
        image_folder(grey)
    train, test = image_folder(grey, size=(8, 3))
    assert train.image_shape == test.image_shape == (1, 8, 3)
    assert sorted(both_parts([train, test])[:, 0, 7, 2]) == [0, 1, 2, 3, 10, 11, 12, 13, 50]


def test_channels(grey):
    plain, rgb = image_folder(grey, size=(4, 5))[0], image_folder(grey, size=(4, 5), channels=3)[0]
    assert rgb.image_shape == (3, 4, 5)
    assert (rgb.images == plain.images).all()  # grey: all three channels alike
    assert image_folder(grey, size=(4, 5), channels=1)[0].image_shape == (1, 4, 5)
    with pytest.raises(ValueError, match="channels must be"):
        image_folder(grey, channels=2)


@pytest.mark.parametrize("size", [8, np.int64(8), [8, 8], (np.int64(8), np.int32(8)), np.array([8, 8])])
def test_sizes_in_all_forms(size, grey):
    assert image_folder(grey, size=size)[0].image_shape == (1, 8, 8)
    assert load(grey, size=size)[0].image_shape == (1, 8, 8)


@pytest.mark.parametrize("size", [0, 8.0, True, "8", (0, 4), (4,), (4.0, 4.0), (-1, 2), (1, 2, 3), (True, 2)])
def test_a_bad_size(size, grey):
    with pytest.raises(ValueError, match="size must be"):
        image_folder(grey, size=size)


@pytest.mark.parametrize("name", ["notes.txt", "broken.png", "empty.jpg"])
def test_an_unreadable_picture_is_named(name, grey):
    save(grey / "x.png", RNG.integers(0, 256, (40, 50)))
    whole = (grey / "x.png").read_bytes()
    (grey / "x.png").unlink()
    content = {"notes.txt": b"hello", "broken.png": whole[: len(whole) // 2], "empty.jpg": b""}[name]
    (grey / "cat" / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"cat.{name}: no picture that Pillow can read"):
        image_folder(grey)
    (grey / "cat" / name).rename(grey / "cat" / f".{name}")
    image_folder(grey)  # hidden files are passed over


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "Desktop.ini", "Icon\r", "__MACOSX", "ehthumbs.db", "@eaDir"]
)
def test_files_that_systems_hide_are_passed_over(name, grey):
    expected = both_parts(image_folder(grey))
    for folder in (grey, grey / "cat"):
        if name in ("__MACOSX", "@eaDir"):
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(b"x")
    train, test = image_folder(grey)
    assert train.classes == ("cat", "dog")
    np.testing.assert_array_equal(both_parts([train, test]), expected)


def test_a_named_pipe_among_the_pictures_is_refused_at_once(grey, arrays):
    os.mkfifo(grey / "cat" / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png is a pipe, .* move it away"):
        image_folder(grey)
    (arrays / "images.npy").unlink()
    os.mkfifo(arrays / "images.npy")
    with pytest.raises(ValueError, match=r"images\.npy is a pipe"):
        image_arrays(arrays)


def test_a_picture_with_16_bits_is_not_clipped(grey):
    Image.fromarray(np.full((4, 5), 1000, np.uint16)).save(grey / "cat" / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png.*I;16.*more than 8 bits"):
        image_folder(grey)


def test_transparent_becomes_white(grey):
    picture = np.zeros((4, 5, 4), np.uint8)
    picture[:2, :, 3] = 255  # black and opaque above, black and transparent below
    save(grey / "cat" / "a.png", picture)
    palette = Image.fromarray(picture[..., :3]).convert("P")
    palette.save(grey / "cat" / "b.png", transparency=palette.getpixel((0, 0)))
    images = both_parts(image_folder(grey))
    halves = sorted((image[:, :2].mean(), image[:, 2:].mean()) for image in images)
    assert (0, 255) in halves
    assert (255, 255) in halves


def test_photos_are_turned_upright(tmp_path):
    upright = np.zeros((4, 6), np.uint8)
    upright[0] = 200  # a bright sky
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned by 90 degrees clockwise
    for i in range(2):
        save(tmp_path / "x" / f"{i}.png", np.rot90(upright), exif=exif)
    train, _ = image_folder(tmp_path)
    np.testing.assert_array_equal(train.images, upright[None, None])


def test_black_and_white_pictures_are_grey(tmp_path):
    checks = np.indices((4, 4)).sum(0) % 2 == 1
    (tmp_path / "x").mkdir()
    for i in range(2):
        Image.fromarray(checks).save(tmp_path / "x" / f"{i}.png")
    np.testing.assert_array_equal(image_folder(tmp_path)[0].images, 255 * checks[None, None])


def test_folders_that_are_no_image_folder(grey, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="bare: no class folders"):
        image_folder(tmp_path / "bare")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        image_folder(tmp_path / "nowhere")
    (grey / "emu").mkdir()
    with pytest.raises(ValueError, match="emu: no pictures"):
        image_folder(grey)
    (grey / "emu" / "young").mkdir()
    with pytest.raises(ValueError, match="young: a folder inside a class folder"):
        image_folder(grey)
    (grey / "about.txt").write_text("x")
    with pytest.raises(ValueError, match=r"about\.txt: a file beside the class folders"):
        image_folder(grey)


def test_pictures_are_not_resized_to_too_many_pixels(grey):
    with pytest.raises(ValueError, match=r"size \(H, W\) = \(10000, 10000\) is more than 50,000,000 pixels"):
        image_folder(grey, size=10_000)


def test_image_arrays(arrays):
    images, labels = np.load(arrays / "images.npy"), np.load(arrays / "labels.npy")
    train, test = image_arrays(arrays)
    assert (len(train), len(test)) == (8, 2)
    assert sorted(test.labels) == [0, 1]
    for part in train, test:
        for image, label in zip(part.images, part.labels, strict=True):
            (i,) = np.flatnonzero((images.transpose(0, 3, 1, 2) == image).all((1, 2, 3)))
            assert labels[i] == label


@pytest.mark.parametrize(
    ("file", "array", "says"),
    [
        ("labels.npy", np.arange(9), "N = 10 pictures.*N = 9"),
        ("labels.npy", np.arange(10) / 2, "integers"),
        ("labels.npy", np.arange(10) - 1, r"labels\[0\] is -1"),
        ("labels.npy", np.array([[0]] * 10), r"\(10, 1\)"),
        ("images.npy", np.zeros((10, 8)), r"\(10, 8\)"),
        ("images.npy", np.zeros((0, 8, 9)), "empty"),
        ("images.npy", np.full((10, 8, 9), np.nan), "720 values that are NaN"),
        ("images.npy", np.full((10, 8, 9), 256), "outside"),
        ("images.npy", np.full((10, 8, 9), 1), "images / 1 or images / 255"),
        ("labels.npy", np.append(np.arange(9), 9999), "more than 1000 classes"),
    ],
)
def test_bad_arrays_are_named(file, array, says, arrays):
    np.save(arrays / file, array)
    with pytest.raises(ValueError, match=says) as caught:
        image_arrays(arrays)
    assert str(arrays) in str(caught.value)
    assert file in str(caught.value)


def test_a_missing_array_is_named(arrays):
    (arrays / "labels.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels\.npy"):
        image_arrays(arrays)
    with pytest.raises(FileNotFoundError, match=r"labels\.npy"):
        load(arrays)


def test_load_tells_folders_apart(grey, arrays, tiny_mnist_folder):
    assert load(tiny_mnist_folder)[0].image_shape == (1, 4, 5)
    assert load(str(tiny_mnist_folder))[0].classes == tuple("0123456789")
    assert load(arrays, test_fraction=0.5)[1].images.shape == (4, 3, 8, 9)  # 5 of each class: 2 to test
    assert load(grey, size=(2, 2))[0].image_shape == (1, 2, 2)
    assert load("digits")[0].name == "digits train"


def test_load_lists_what_is_accepted(arrays, tmp_path):
    (tmp_path / "bare").mkdir()
    for source in ("", "nowhere", tmp_path / "nowhere", tmp_path / "bare", arrays / "images.npy"):
        with pytest.raises(ValueError, match=r"'digits'.*'mnist'.*train-images.*images\.npy.*subfolder"):
            load(source)
    for source in ("digits", arrays):
        with pytest.raises(ValueError, match="size="):
            load(source, size=(8, 8))


def test_a_folder_called_like_a_data_set(grey, monkeypatch):
    monkeypatch.chdir(grey.parent)
    grey.rename("digits")
    assert load("digits")[0].name == "digits train"
    assert len(load("digits")[0]) == 10_000
    assert len(load("./digits")[0]) == 6
