import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tinycnn.gan import class_by_style, diversity, nearest, slerp, strips


def test_the_arc_stays_at_its_distance_and_turns_evenly(rng):
    a, b = rng.standard_normal((2, 100))
    a, b = a / np.linalg.norm(a) * 10, b / np.linalg.norm(b) * 10
    z = slerp(a, b, 9)
    np.testing.assert_allclose(z[[0, -1]], [a, b])
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 10)
    angles = np.arccos((z[:-1] * z[1:]).sum(1) / 100)
    np.testing.assert_allclose(angles, angles[0])


def test_points_in_the_same_or_opposite_direction_go_straight():
    a = np.array([1.0, 0.0])
    np.testing.assert_allclose(slerp(a, 3 * a, 3)[:, 0], [1, 2, 3])
    np.testing.assert_allclose(slerp(a, -a, 3)[:, 0], [1, 0, -1])


def test_strips_and_grids():
    assert strips(3, 5, 7).shape == (15, 7)
    z, labels = class_by_style(4, 2, 6)
    np.testing.assert_array_equal(labels, [0, 1, 2, 3] * 2)
    np.testing.assert_array_equal(z[0], z[3])  # one style a row
    assert (z[0] != z[4]).any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: slerp(np.ones(3), np.ones(3), 1), "at least 2 steps, got 1"),
        (lambda: slerp(np.ones(3), np.ones(4), 5), r"shapes \(3,\) and \(4,\)"),
        (lambda: slerp(np.ones(3), np.zeros(3), 5), "origin has no direction"),
        (lambda: nearest(np.ones((2, 3)), np.ones((2, 4))), r"\(2, 3\) and \(2, 4\) cannot be compared"),
        (lambda: nearest(np.ones((1, 3)), np.ones((1, 3)), leave_out_self=True), "leave none"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_nearest_is_the_minimum_of_all_distances(rng):
    x, y = rng.random((1500, 1, 4, 4), np.float32), rng.random((700, 1, 4, 4), np.float32)
    found = nearest(x, y)
    distances = cdist(x.reshape(1500, -1), y.reshape(700, -1))
    np.testing.assert_array_equal(found.index, distances.argmin(1))
    np.testing.assert_allclose(found.distance, distances.min(1), rtol=1e-5)
    np.fill_diagonal(own := cdist(x.reshape(1500, -1), x.reshape(1500, -1)), np.inf)
    np.testing.assert_array_equal(nearest(x, x, leave_out_self=True).index, own.argmin(1))
    assert (nearest(x, x).distance == 0).all()  # a copy is found to be one


def test_diversity(rng):
    real = rng.random((50, 1, 4, 4))
    assert diversity(rng.random((50, 1, 4, 4)), real) == pytest.approx(1, abs=0.1)
    assert diversity(np.repeat(real[:5], 10, axis=0), real) == 0  # five images, again and again
