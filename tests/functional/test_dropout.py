import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_p_is_dropped_and_the_mean_stays(p, backend):
    tinycnn.manual_seed(0)
    y = F.dropout(tinycnn.ones(200, 200), p).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / (1 - p))}
    # Four standard errors of a share of 40,000.
    assert (y == 0).mean() == pytest.approx(p, abs=4 * (p * (1 - p) / y.size) ** 0.5)
    assert y.dtype == np.float32


def test_the_gradient_takes_the_mask_of_the_forward(backend):
    x = tinycnn.ones(50, 50, requires_grad=True)
    y = F.dropout(x, 0.3)
    y.sum().backward()
    assert (x.grad.numpy() == y.numpy()).all()


def test_every_call_draws_anew_and_a_seed_repeats_it(backend):
    x = tinycnn.ones(100)
    tinycnn.manual_seed(1)
    first, second = F.dropout(x).numpy(), F.dropout(x).numpy()
    tinycnn.manual_seed(1)
    assert (F.dropout(x).numpy() == first).all()
    assert (first != second).any()


def test_the_ends(backend):
    x = tinycnn.ones(10, requires_grad=True)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.5, training=False) is x
    F.dropout(x, 1.0).sum().backward()
    assert not x.grad.numpy().any()
