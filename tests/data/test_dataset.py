import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import Tensor
from tinycnn.data import Dataset, from_arrays, stratified_split

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 1, 4, 5), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
ABC = ("a", "b", "c")


def floats(**cells):
    images = np.full((6, 1, 4, 5), 0.5, np.float32)
    for value in cells.values():
        images[3, 0, 1, 2] = value
    return images


def test_length_shape_and_name():
    data = Dataset(GREY, LABELS.astype(np.uint8), ABC, "six")
    assert len(data) == 6
    assert data.image_shape == (1, 4, 5)
    assert data.labels.dtype == np.int64
    assert repr(data) == "Dataset('six': images (6, 1, 4, 5) uint8, 3 classes)"


@pytest.mark.parametrize("images", [GREY, (GREY / 255).astype(np.float32)], ids=["uint8", "float32"])
@pytest.mark.parametrize("index", [slice(1, 4), [5, 0, 0], np.array([2]), LABELS == 1])
def test_scaled_and_subset_pick_pictures(images, index):
    data = Dataset(images, LABELS, ABC, "six")
    scaled = data.scaled(index)
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous
    assert not np.shares_memory(scaled, images)
    np.testing.assert_allclose(scaled, GREY[index] / 255, rtol=1e-7)
    assert scaled.max() <= 1
    subset = data.subset(index)
    np.testing.assert_array_equal(subset.images, images[index])
    np.testing.assert_array_equal(subset.labels, LABELS[index])
    assert subset.classes == ABC


def test_black_and_white_are_exactly_0_and_1():
    data = from_arrays(np.array([[[0, 255]]], np.uint8), [0])
    assert data.scaled([0]).tolist() == [[[[0.0, 1.0]]]]


@pytest.mark.parametrize(
    ("images", "labels", "error", "says"),
    [
        (GREY.tolist(), LABELS, TypeError, "NumPy array, not list"),
        (GREY.astype(np.int32), LABELS, TypeError, "int32"),
        (GREY.astype(np.float64), LABELS, TypeError, "float64"),
        (GREY[:, 0], LABELS, ValueError, r"\(6, 4, 5\).*\(N, C, H, W\)"),
        (GREY[:0], LABELS[:0], ValueError, r"\(0, 1, 4, 5\): the data set is empty"),
        (GREY[..., :0], LABELS, ValueError, "empty"),
        (GREY, LABELS[:5], ValueError, r"\(6, 1, 4, 5\) are N = 6 .* \(5,\) are for N = 5"),
        (GREY, LABELS.astype(np.float32), TypeError, "integers.*float32"),
        (GREY, np.array(list("abcabc")), TypeError, "integers"),
        (GREY, LABELS == 1, TypeError, "integers.*bool"),
        (GREY, LABELS.tolist(), TypeError, "integers.*list"),
        (
            GREY,
            LABELS[:, None],
            ValueError,
            r"\(6, 1\): they must be \(N,\), N = 6 .* labels\.ravel\(\)",
        ),
        (GREY, LABELS[None], ValueError, r"\(1, 6\): .* labels\.ravel\(\)"),
        (GREY, LABELS[:, None].astype(float), ValueError, r"labels\.ravel\(\)"),
        (GREY, np.eye(3, dtype=int)[LABELS], ValueError, r"argmax\(axis=1\) turns one-hot"),
        (GREY, np.eye(3, dtype=np.float32)[LABELS], ValueError, r"argmax\(axis=1\) turns one-hot"),
        (GREY, np.eye(3, dtype=bool)[LABELS], ValueError, r"argmax\(axis=1\) turns one-hot"),
        (GREY, np.full((6, 3), 1 / 3), ValueError, r"\(6, 3\): they must be \(N,\), N = 6 images$"),
        (GREY, np.ones((6, 3), int), ValueError, r"N = 6 images$"),
        (GREY, np.zeros((6, 1, 1), int), ValueError, r"N = 6 images$"),
        (GREY, np.array([0, 1, 2, 0, 3, 9]), ValueError, r"labels\[4\] is 3 \(one of 2 .* less than 3"),
        (GREY, np.array([0, 1, -1, 0, 1, 2]), ValueError, r"labels\[2\] is -1 .* at least 0"),
        (GREY, np.array([0, 1, 2, 0, 1, 2**64 - 1], np.uint64), ValueError, r"labels\[5\] is 18446744"),
        (floats(x=np.nan), LABELS, ValueError, r"1 values that are NaN .* images\[3, 0, 1, 2\]"),
        (floats(x=-np.inf), LABELS, ValueError, "1 values that are NaN or infinite"),
        (floats(x=1.5), LABELS, ValueError, r"outside 0 \.\. 1.*images\[3, 0, 1, 2\] = 1.5"),
        (floats(x=-0.1), LABELS, ValueError, r"outside 0 \.\. 1"),
    ],
)
def test_a_bad_data_set_is_refused(images, labels, error, says):
    with pytest.raises(error, match=says):
        Dataset(images, labels, ABC, "six")


@pytest.mark.parametrize("C", [1, 3])
def test_from_arrays_reads_both_layouts(C):
    nchw = RNG.integers(0, 256, (6, C, 4, 5), np.uint8)
    for images in (nchw, nchw.transpose(0, 2, 3, 1).copy()):
        data = from_arrays(images, LABELS)
        np.testing.assert_array_equal(data.images, nchw)
        for index in ([3, 1], slice(1, 5)):
            np.testing.assert_array_equal(data.scaled(index), nchw[index] / np.float32(255))
            assert data.scaled(index).flags.c_contiguous


def test_from_arrays_adds_the_channel_and_numbers_the_classes():
    data = from_arrays(GREY[:, 0].tolist(), LABELS.tolist())
    np.testing.assert_array_equal(data.images, GREY)
    assert data.classes == ("0", "1", "2")
    assert from_arrays(GREY, LABELS, list("abcd"), "x").classes == tuple("abcd")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY.astype(np.int64), GREY),
        (GREY.astype(np.uint16), GREY),
        (GREY / 255, (GREY / 255).astype(np.float32)),
        ((GREY / 255).astype(np.float16), (GREY / 255).astype(np.float16).astype(np.float32)),
        ((GREY / 255).astype(">f4"), (GREY / 255).astype(np.float32)),
        (GREY.astype(np.float64), (GREY / 255).astype(np.float32)),
        (np.zeros_like(GREY), np.zeros_like(GREY)),  # black, whatever white is
        (np.zeros(GREY.shape), np.zeros(GREY.shape, np.float32)),
    ],
)
def test_from_arrays_brings_values_into_range(images, expected):
    data = from_arrays(images, LABELS)
    assert data.images.dtype == expected.dtype
    np.testing.assert_allclose(data.images, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (np.zeros((6, 3, 9, 3)), ValueError, r"can be read as \(N, C, H, W\) and as \(N, H, W, C\)"),
        (np.zeros((6, 4, 9, 5)), ValueError, "neither.*fit"),
        (np.zeros((6, 4)), ValueError, r"\(6, 4\): .* fit"),
        (np.zeros((6, 2, 2, 2, 2)), ValueError, "fit"),
        (np.zeros((0, 4, 5)), ValueError, "empty"),
        ([], ValueError, "fit"),
        (
            GREY.astype(np.int32) + 1000,
            ValueError,
            r"120 values outside 0 \.\. 255, the first is images\[0, 0",
        ),
        (GREY.astype(np.int32) - 256, ValueError, r"outside 0 \.\. 255"),
        (floats(x=256), ValueError, r"outside 0 \.\. 255"),
        (floats(x=-1), ValueError, r"outside 0 \.\. 1,"),
        (floats(x=np.nan), ValueError, "NaN"),
        (GREY > 5, TypeError, r"bool: .*astype\(np.float32\)"),
        (GREY.astype(complex), TypeError, "complex"),
        (GREY.astype(object), TypeError, "object"),
    ],
)
def test_from_arrays_refuses(images, error, says):
    with pytest.raises(error, match=says):
        from_arrays(images, LABELS)


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        ([0, 1, 2, 0, 1, 10**12], ValueError, r"labels\[5\] is 10{12}: more than 1000 classes need names"),
        (
            [0, 255, 0, 255, 0, 0],
            ValueError,
            r"to 255, so there would be 256 classes, but 254 .*np\.unique",
        ),
        ([10, 20, 30, 10, 20, 30], ValueError, r"31 classes, but 28 of them have no pictures"),
        ([0, 1, 2, 0, 1, 999], ValueError, r"1000 classes, but 996 of them have no pictures"),
        ([-1] * 6, ValueError, r"labels\[0\] is -1"),
        ([0, 5, -1, 0, 1, 2], ValueError, r"labels\[2\] is -1"),
        ([0.0] * 6, TypeError, "float64"),
        ([], TypeError, "integers"),
    ],
)
def test_from_arrays_refuses_labels(labels, error, says):
    with pytest.raises(error, match=says):
        from_arrays(GREY, labels)


@pytest.mark.parametrize(
    "images",
    [
        (GREY > 128).astype(np.uint8),  # black and white, saved as integers
        GREY // 16,  # 0 .. 15
        (GREY // 16).astype(np.float64),
        GREY // 2,  # 0 .. 127
        GREY / 170,  # up to 1.5: more than rounding
        floats(x=1.01),
    ],
    ids=["0 and 1", "0..15", "0.0..15.0", "0..127", "0..1.5", "one pixel of 1.01"],
)
def test_it_is_not_guessed_which_value_is_white(images):
    largest = images.max()
    with pytest.raises(ValueError, match=re.escape(f"images / {largest} or images / 255")):
        from_arrays(images, LABELS)
    for white in (largest, 255):  # as the message says
        np.testing.assert_allclose(from_arrays(images / white, LABELS).images, images / white, rtol=1e-6)


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("error", [1e-7, 1e-3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_errors_are_clipped(white, error, dtype):
    images = np.full((6, 4, 5), 0.5 * white, dtype)
    images[0, 0, 0], images[1, 0, 0], images[2, 0, 0] = (1 + error) * white, -error * white, 0.25 * white
    result = from_arrays(images, LABELS).images
    assert result[0, 0, 0, 0] == 1
    assert result[1, 0, 0, 0] == 0
    assert result[2, 0, 0, 0] == 0.25
    np.testing.assert_array_equal(result[3:], np.float32(0.5))


def test_labels_that_count_from_1_are_announced():
    with pytest.warns(UserWarning, match=r"labels go from 1 to 3: class '0' has no pictures.*labels - 1"):
        data = from_arrays(GREY, LABELS + 1)
    assert data.classes == ("0", "1", "2", "3")
    for labels in (LABELS, np.ones(6, int), LABELS + 2, np.array([1, 9, 1, 9, 1, 9])):
        from_arrays(GREY, labels)  # no warning: some of ten digits
    from_arrays(GREY, LABELS + 1, list("abcd"))


def test_tensors_and_arrays_of_any_backend(backend):
    data = from_arrays(Tensor(GREY, backend=backend), Tensor(LABELS, backend=backend).data)
    assert type(data.images) is type(data.labels) is np.ndarray
    np.testing.assert_array_equal(data.images, GREY)
    np.testing.assert_array_equal(data.labels, LABELS)


@given(
    counts=st.lists(st.integers(2, 30), min_size=1, max_size=5),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_split_keeps_every_picture_and_every_class(counts, fraction, seed):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    data = Dataset(images, labels, tuple(map(str, range(len(counts)))), "numbered")
    train, test = stratified_split(data, fraction, seed)
    numbers = np.concatenate([train.images.ravel(), test.images.ravel()])
    assert sorted(numbers) == images.ravel().tolist()
    for part in (train, test):
        assert (np.diff(part.images.ravel().astype(int)) > 0).all()  # the order is kept
        np.testing.assert_array_equal(part.labels, labels[part.images.ravel()])
    for label, n in enumerate(counts):
        n_test = np.count_nonzero(test.labels == label)
        assert 1 <= n_test <= n - 1
        assert abs(n_test - fraction * n) <= 1
    again, _ = stratified_split(data, fraction, seed)
    np.testing.assert_array_equal(again.images, train.images)


def test_split_depends_on_the_seed():
    data = from_arrays(np.zeros((100, 2, 2), np.uint8), np.arange(100) % 2)
    numbered = Dataset(np.arange(100, dtype=np.uint8).reshape(-1, 1, 1, 1), data.labels, data.classes, "x")
    one, two = (stratified_split(numbered, seed=seed)[1].images.ravel() for seed in (1, 2))
    assert set(one) != set(two)
    assert stratified_split(numbered)[0].name == "x train"


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_split_refuses_fractions(fraction):
    with pytest.raises(ValueError, match="test_fraction must be between 0 and 1"):
        stratified_split(Dataset(GREY, LABELS, ABC, "six"), fraction)


def test_split_refuses_a_class_with_one_picture():
    with pytest.raises(ValueError, match="class 'c' of 'six' has one picture"):
        stratified_split(Dataset(GREY[:5], LABELS[:5], ABC, "six"))
