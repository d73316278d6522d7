import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn.explain import explain


@pytest.fixture
def conv():
    """The 39 steps of a 3x3 filter with stride 2 on 5x5 whole numbers, forward and backward."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 6, (1, 1, 5, 5)), rng.integers(-2, 3, (1, 1, 3, 3))
    g = [[[[1, 2], [-1, 3]]]]
    return explain(F.conv2d, x, w, np.array([1]), stride=2, backward=True, gradient=np.array(g))
