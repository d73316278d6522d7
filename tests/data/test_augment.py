import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tinycnn.data import Augment
from tinycnn.data.augment import rotated, shifted

shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def rolled(image, down, right):
    """`image` (C, H, W) moved by np.roll, and zeros where it came round."""
    _, H, W = image.shape
    moved = np.roll(image, (down, right), axis=(1, 2))
    y, x = np.arange(H)[:, None] - down, np.arange(W) - right
    return np.where((y >= 0) & (y < H) & (x >= 0) & (x < W), moved, 0)


@given(shape=shapes, data=st.data())
def test_shift_is_a_roll_with_zeros(shape, data):
    images = pictures(*shape)
    down, right = (
        np.array(data.draw(st.lists(st.integers(-n, n), min_size=shape[0], max_size=shape[0])))
        for n in shape[2:]
    )
    result = shifted(images, down, right)
    np.testing.assert_array_equal(result, list(map(rolled, images, down, right)))


@given(shape=shapes, data=st.data())
def test_rotation_against_scipy(shape, data):
    images = pictures(*shape)
    degrees = data.draw(st.lists(st.floats(-180, 180), min_size=shape[0], max_size=shape[0]))
    result = rotated(images, np.array(degrees))
    expected = [
        ndimage.rotate(image, angle, axes=(2, 1), reshape=False, order=1, mode="grid-constant")
        for image, angle in zip(images, degrees, strict=True)
    ]
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("side", [4, 5])
def test_quarter_turns_are_exact(quarters, side):
    images = pictures(2, 3, side, side)
    result = rotated(images, np.full(2, 90.0 * quarters))
    np.testing.assert_allclose(result, np.rot90(images, quarters, axes=(2, 3)), atol=1e-6)


def test_rotation_keeps_a_disc():
    y, x = np.mgrid[-10:11, -10:11]
    disc = np.exp(-(x**2 + y**2) / 20).astype(np.float32)[None, None]
    np.testing.assert_allclose(rotated(disc, np.array([33.0])), disc, atol=0.02)


def test_every_shift_comes_up_both_ways_and_each_picture_has_its_own():
    images = np.zeros((2000, 1, 5, 5), np.float32)
    images[:, 0, 2, 2] = 1
    _, _, y, x = np.nonzero(Augment(shift=1)(images, np.random.default_rng(0)))
    counts = np.zeros((5, 5), int)
    np.add.at(counts, (y, x), 1)
    assert counts.sum() == 2000
    assert (counts[1:4, 1:4] > 150).all()  # 222 each on average


def test_about_half_are_flipped():
    images = pictures(1000, 2, 3, 4)
    result = Augment(flip=True)(images, np.random.default_rng(0))
    flipped = (result == images[..., ::-1]).all((1, 2, 3))
    assert 430 < flipped.sum() < 570
    np.testing.assert_array_equal(result[~flipped], images[~flipped])


def test_angles_go_both_ways_up_to_the_limit():
    images = np.zeros((500, 1, 41, 41), np.float32)
    images[:, 0, 20, 38:40] = 1  # a hand that points right
    turned = Augment(rotate=30)(images, np.random.default_rng(0))[:, 0]
    from_centre = np.arange(41) - 20
    angles = np.rad2deg(np.arctan2(-(turned.sum(2) @ from_centre), turned.sum(1) @ from_centre))
    assert -30.5 < angles.min() < -28
    assert 28 < angles.max() < 30.5
    assert abs(angles.mean()) < 3


@pytest.mark.parametrize("augment", [Augment(), Augment(2, 20, True), Augment(shift=1), Augment(flip=True)])
def test_new_images_the_same_for_the_same_seed(augment):
    images = pictures(8, 3, 6, 7)
    before = images.copy()
    one, same = (augment(images, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(one, same)
    assert not np.shares_memory(one, images)
    assert one.shape == images.shape
    assert one.dtype == np.float32
    assert one.flags.c_contiguous
    assert one.min() >= 0
    assert one.max() <= 1 + 1e-6


def test_nothing_asked_for_changes_nothing():
    images = pictures(3, 1, 4, 4)
    np.testing.assert_array_equal(Augment()(images, np.random.default_rng(0)), images)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"shift": -1}, ValueError, "shift .* it is -1"),
        ({"shift": 1.5}, TypeError, "shift .* 1.5"),
        ({"shift": True}, TypeError, "shift .* True"),
        ({"rotate": -1}, ValueError, "rotate .* it is -1"),
        ({"rotate": 181}, ValueError, "rotate .* it is 181"),
        ({"rotate": float("nan")}, ValueError, "rotate .* nan"),
    ],
)
def test_bad_options(options, error, says):
    with pytest.raises(error, match=says):
        Augment(**options)


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (pictures(2, 1, 3, 9), ValueError, r"shift = 3 .*\(H, W\) = \(3, 9\).* at most 2"),
        (pictures(2, 9, 9), ValueError, r"\(2, 9, 9\)"),
        (pictures(0, 1, 9, 9), ValueError, r"\(0, 1, 9, 9\)"),
        (pictures(2, 1, 9, 9).astype(np.float64), TypeError, "float64"),
        (np.zeros((2, 1, 9, 9), np.uint8), TypeError, "uint8"),
    ],
)
def test_bad_images(images, error, says):
    with pytest.raises(error, match=says):
        Augment(shift=3)(images, np.random.default_rng(0))


def test_sizes_may_be_numpys_integers(rng):
    images = rng.random((3, 1, 6, 6)).astype(np.float32)
    ours, theirs = (Augment(shift=shift)(images, np.random.default_rng(1)) for shift in (2, np.int64(2)))
    np.testing.assert_array_equal(ours, theirs)
