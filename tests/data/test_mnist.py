import gzip
import hashlib

import numpy as np
import pytest

from tinycnn.data import digits, fashion_mnist, load, mnist
from tinycnn.data.download import download
from tinycnn.data.mnist import FASHION_MIRRORS, MNIST_MIRRORS

TRAIN_IMAGES = "train-images-idx3-ubyte"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_digits_are_embedded():
    train, test = digits()
    assert train.images.shape == (10_000, 1, 28, 28)
    assert test.images.shape == (2_000, 1, 28, 28)
    assert train.images.dtype == np.uint8
    assert np.bincount(train.labels).tolist() == [1000] * 10
    assert np.bincount(test.labels).tolist() == [200] * 10
    assert train.classes == tuple("0123456789")
    assert (train.name, test.name) == ("digits train", "digits test")
    train.images[0] = 0  # belongs to the caller: the next call reads the file anew
    assert digits()[0].images[0].any()


def test_digits_are_the_first_of_each_class_of_mnist(shared_data):
    for part, whole, n in zip(digits(), mnist(shared_data / "mnist"), (1000, 200), strict=True):
        first = np.concatenate([np.flatnonzero(whole.labels == digit)[:n] for digit in range(10)])
        np.testing.assert_array_equal(part.images, whole.images[np.sort(first)])
        np.testing.assert_array_equal(part.labels, whole.labels[np.sort(first)])


@pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_with_the_files_in_any_spelling(spelling, dotted, packed, tiny_mnist, tmp_path):
    for name, data in tiny_mnist.items():
        file = spelling.format(name.replace("-idx", ".idx") if dotted else name)
        (tmp_path / file).write_bytes(gzip.compress(data) if packed else data)
    train, test = mnist(tmp_path)
    assert train.images.tobytes() == tiny_mnist[TRAIN_IMAGES][16:]
    assert train.images.shape == (20, 1, 4, 5)
    assert test.labels.tolist() == list(range(10))
    assert fashion_mnist(tmp_path)[0].classes[:2] == ("T-shirt/top", "Trouser")


def test_a_missing_file_is_named(tiny_mnist_folder):
    (tiny_mnist_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"idx lacks t10k-labels.*t10k-labels\.idx1-ubyte\.gz fits"):
        mnist(tiny_mnist_folder)


def test_images_and_labels_that_do_not_belong_together(tiny_mnist_folder, idx_bytes):
    labels = tiny_mnist_folder / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(ValueError, match=r"train-images.*with.*train-labels.*N = 20.*N = 19"):
        mnist(tiny_mnist_folder)
    labels.write_bytes(idx_bytes(np.full(20, 200, np.uint8)))
    with pytest.raises(ValueError, match=r"train-labels.*t10k-labels.*201 classes, but 190 .* no pictures"):
        mnist(tiny_mnist_folder)
    with pytest.raises(ValueError, match=r"train-images.*train-labels.*labels\[0\] is 200"):
        fashion_mnist(tiny_mnist_folder)  # it has ten classes, which have names


def write_labels(folder, idx_bytes, train, test):
    for name, labels in (("train", train), ("t10k", test)):
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.asarray(labels, np.uint8)))


def test_more_than_ten_classes_are_called_by_their_numbers(tiny_mnist_folder, idx_bytes):
    write_labels(tiny_mnist_folder, idx_bytes, np.arange(20), [46 - 2 * i for i in range(10)])
    for part in mnist(tiny_mnist_folder):  # one has labels that the other has not
        assert part.classes == tuple(map(str, range(47)))
    assert load(tiny_mnist_folder)[1].labels.tolist()[0] == 46


def test_letters_count_from_1_which_is_said(tiny_mnist_folder, idx_bytes):
    write_labels(tiny_mnist_folder, idx_bytes, range(1, 21), range(1, 11))
    with pytest.warns(UserWarning, match="labels go from 1 to 20: class '0' has no pictures"):
        train, test = mnist(tiny_mnist_folder)
    assert len(train.classes) == len(test.classes) == 21


def test_digits_without_a_zero_are_still_ten_classes(tiny_mnist_folder, idx_bytes):
    write_labels(tiny_mnist_folder, idx_bytes, np.arange(20) % 9 + 1, np.arange(10) % 9 + 1)
    assert mnist(tiny_mnist_folder)[0].classes == tuple("0123456789")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCNN_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_whole_data_set_through_the_downloader(name, server, cache, shared_data):
    function = {"mnist": mnist, "fashion-mnist": fashion_mnist}[name]
    for path in (shared_data / name).iterdir():
        server.files[f"/{path.name}"] = path.read_bytes()
    train, test = function(mirrors=[server.url])
    assert (len(train), len(test)) == (60_000, 10_000)
    assert len(server.asked) == 4
    assert sorted(path.name for path in (cache / name).iterdir()) == sorted(f[1:] for f in server.files)
    server.shutdown()  # the second time needs no network; and load() finds the same
    assert load(name)[1].labels.tolist() == test.labels.tolist()


def test_offline_says_what_to_do(server, cache):
    mirrors = [f"{server.url}/one/", f"{server.url}/two"]
    with pytest.raises(ConnectionError) as caught:
        mnist(mirrors=mirrors)
    says = str(caught.value)
    for part in (f"{server.url}/one/train-images-idx3-ubyte.gz", f"{server.url}/two/train-images", "404"):
        assert part in says
    for file in (TRAIN_IMAGES, "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        assert file in says
    assert str(cache / "mnist") in says
    assert "'digits' needs no network" in says
    assert len(server.asked) == 2


def test_no_server_at_all(cache, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1.*refused"):
        fashion_mnist(mirrors=["http://127.0.0.1:9/"])


def test_files_placed_by_hand_are_found(tiny_mnist, cache):
    (cache / "mnist").mkdir(parents=True)
    for name, data in tiny_mnist.items():
        (cache / "mnist" / name).write_bytes(data)
    assert len(mnist(mirrors=[])[0]) == 20


DATA = b"0123456789" * 1000
GOOD = gzip.compress(DATA)


@pytest.mark.parametrize(
    "sent", [GOOD, gzip.compress(DATA, 1), DATA], ids=["gzip", "other level", "unpacked"]
)
def test_the_right_file_whatever_its_packing(sent, server, tmp_path):
    server.files["/file.gz"] = sent
    path = download("file.gz", sha256(DATA), [server.url], tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "file.gz"
    assert path.read_bytes() == sent
    assert [entry.name for entry in path.parent.iterdir()] == ["file.gz"]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (gzip.compress(DATA + b"x"), "uncompressed sha256 is"),
        (GOOD[:-20], "what came is not the right file"),
        (b"<html>Please log in</html>", "uncompressed sha256 is"),
        (b"", "uncompressed sha256 is"),
        (None, "404"),
    ],
    ids=["other bytes", "truncated", "web page", "nothing", "not found"],
)
def test_a_bad_mirror_is_passed_over_and_leaves_nothing(sent, says, server, tmp_path):
    if sent is not None:
        server.files["/bad/file.gz"] = sent
    with pytest.raises(ConnectionError, match=says):
        download("file.gz", sha256(DATA), [f"{server.url}/bad"], tmp_path)
    assert list(tmp_path.iterdir()) == []

    server.files["/good/file.gz"] = GOOD
    path = download("file.gz", sha256(DATA), [f"{server.url}/bad/", f"{server.url}/good/"], tmp_path)
    assert path.read_bytes() == GOOD
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.gz"]


def test_a_mirror_that_sends_too_much_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tinycnn.data.download.MAX_BYTES", 2 << 20)
    monkeypatch.setattr("tinycnn.data.download._check_sha256", None)  # it does not come to that
    server.files["/file.gz"] = bytes(5 << 20)
    with pytest.raises(ConnectionError, match="more than 2,097,152 bytes: this cannot be the right file"):
        download("file.gz", sha256(DATA), [server.url], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_whose_file_unpacks_to_too_much_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tinycnn.data.download.MAX_BYTES", 2 << 20)
    server.files.update({"/bad/file.gz": gzip.compress(bytes(3 << 20)), "/good/file.gz": GOOD})
    with pytest.raises(ConnectionError, match="more than 2,097,152 bytes: this cannot be the right file"):
        download("file.gz", sha256(DATA), [f"{server.url}/bad"], tmp_path)
    path = download("file.gz", sha256(DATA), [f"{server.url}/bad", f"{server.url}/good"], tmp_path)
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize("mirrors", [MNIST_MIRRORS, FASHION_MIRRORS])
def test_the_first_mirror_is_encrypted(mirrors):
    assert mirrors[0].startswith("https://")


def test_a_transfer_that_breaks_off(server, tmp_path):
    noise = np.random.default_rng(0).bytes(3_000_000)  # several chunks
    server.files.update({"/bad/file": noise, "/good/file": noise})
    server.cut.add("/bad/file")
    with pytest.raises(ConnectionError, match="/bad/file"):
        download("file", sha256(noise), [f"{server.url}/bad"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = download("file", sha256(noise), [f"{server.url}/bad", f"{server.url}/good"], tmp_path)
    assert path.read_bytes() == noise
    assert server.asked == ["/bad/file", "/bad/file", "/good/file"]
