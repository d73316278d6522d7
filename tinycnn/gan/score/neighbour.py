"""The 1-nearest-neighbour test: how well a classifier does that has only generated images with labels."""

import numpy as np

from tinycnn.features import nearest


def nearest_neighbour_error(
    images: np.ndarray, labels: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray
) -> float:
    """Return the share of test images whose nearest one in `images` has another label.

    Parameters
    ----------
    images, labels
        (N, C, H, W) and (N,): the images among which the nearest is looked for.
    test_images, test_labels
        (M, C, H, W) and (M,): real.

    References
    ----------
    Radford et al. 2015, section 8.1 and table 3.
    """
    found = nearest(test_images, images).index
    return float((labels[found] != test_labels).mean())
