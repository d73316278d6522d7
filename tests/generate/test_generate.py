import inspect

import numpy as np
import pytest

import tinycnn
from tinycnn.gan import Discriminator, Generator, save_networks
from tinycnn.generate import RULES, learned, random_image, rule_image, rules

NAMED_IN_THE_ISSUE = (
    "gradients",
    "rings",
    "checkerboard",
    "moire",
    "plasma",
    "mandelbrot",
    "value-noise",
    "cellular-automaton",
)


@pytest.mark.parametrize(("channels", "shape"), [(1, (200, 300)), (3, (200, 300, 3))])
def test_random_pixels_are_uniform_from_0_to_255(channels, shape):
    image = random_image(200, 300, channels, seed=5)
    assert image.shape == shape
    assert image.dtype == np.uint8
    counts = np.bincount(image.ravel(), minlength=256)
    expected = image.size / 256
    assert ((counts - expected) ** 2 / expected).sum() < 360  # chi-square, 255 degrees: p < 0.0001 above
    np.testing.assert_array_equal(random_image(200, 300, channels, seed=5), image)
    assert (random_image(200, 300, channels, seed=6) != image).mean() > 0.99


def test_a_rule_gets_row_and_column_numbers():
    image = rule_image(lambda i, j: (10 * i + j) / 255, 3, 4)
    np.testing.assert_array_equal(image, [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]])


@pytest.mark.parametrize("name", RULES)
def test_every_rule_draws_something_at_every_size(name):
    for height, width in ((64, 96), (7, 5), (1, 1)):
        image = rule_image(RULES[name], height, width)
        assert image.shape[:2] == (height, width)
    image = rule_image(RULES[name], 128, 160)
    assert image.std() > 20
    np.testing.assert_array_equal(rule_image(RULES[name], 128, 160), image)  # no chance without a seed
    assert inspect.getdoc(RULES[name])


def test_the_gallery():
    assert set(NAMED_IN_THE_ISSUE) <= set(RULES)
    pictures = [rule_image(rule, 32, 32).tobytes() for rule in RULES.values()]
    assert len(set(pictures)) == len(RULES)


def test_some_rules_by_what_is_known_of_them():
    board = rule_image(RULES["checkerboard"], 32, 32)
    assert (board[0, 0], board[0, 16], board[16, 16]) == (0, 255, 0)
    mandelbrot = rule_image(RULES["mandelbrot"], 101, 101)
    assert mandelbrot[50, 50].sum() == 0  # c = -0.6 is in the set
    assert mandelbrot[0, 0].sum() > 0
    np.testing.assert_array_equal(mandelbrot, mandelbrot[::-1])  # the set is its own mirror image
    i, j = np.mgrid[:32, :63].astype(float)
    sierpinski = rules.cellular_automaton(i, j, number=90)
    for n in range(32):  # rule 90 is Pascal's triangle mod 2: a row has 2^(ones of n) cells
        assert sierpinski[n].sum() == 2 ** bin(n).count("1")
    assert (rules.value_noise(i, j, seed=1) != rules.value_noise(i, j, seed=2)).any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: random_image(0, 5), "height must be at least 1, got 0"),
        (lambda: random_image(5, 5, 2), r"1 \(grey\) or 3 \(RGB\), got 2"),
        (lambda: rule_image(lambda i, j: 0.5, 4, 4), r"must return \(H, W\) = \(4, 4\).*returned shape \(\)"),
        (lambda: rule_image(lambda i, j: i * 255, 4, 4), r"numbers in \[0, 1\].*0.0 to 765.0"),
        (lambda: rule_image(lambda i, j: i * np.nan, 4, 4), "nan to nan"),
        (lambda: rule_image(lambda i, j: i + 0j, 4, 4), "complex128"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_size_that_is_no_integer_is_refused():
    with pytest.raises(TypeError, match=r"width must be an integer, got 2\.5"):
        random_image(5, 2.5)


@pytest.fixture
def run(tmp_path):
    tinycnn.manual_seed(0)
    G, D = Generator((3, 32, 32), 6, 4, 5), Discriminator((3, 32, 32), 4, 5)
    save_networks(tmp_path, G, D, {})
    return tmp_path


def test_a_saved_generator_makes_images(run):
    images = learned(run, 7, seed=1)
    assert images.shape == (7, 32, 32, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(learned(run, 7, seed=1, labels=[0, 1, 2, 3, 4, 0, 1]), images)
    assert (learned(run, 7, seed=1, labels=[2] * 7) != images).any()
    np.testing.assert_array_equal(learned(run / "generator.safetensors", 7, seed=1), images)


def test_a_generator_that_is_not_there(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"generator\.safetensors"):
        learned(tmp_path / "nowhere" / "generator.safetensors")
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        learned(run, 0)
    with pytest.raises(ValueError, match="0 to K-1=4, got 5 to 5"):
        learned(run, 1, labels=[5])
