"""Counts and shares that are no numbers are refused by name, wherever people judge and choose."""

import numpy as np
import pytest

from tinycnn import features, metrics, models
from tinycnn.compression import quantize
from tinycnn.data import digits
from tinycnn.select import stratified_folds

LABELS, P = [0, 1], [[0.5, 0.5], [1.0, 0.0]]
COUNTS = {
    "folds": (lambda k: stratified_folds(np.arange(8) % 2, k), "k"),
    "top k": (lambda k: metrics.top_k_accuracy(LABELS, P, k), "k"),
    "bins": (lambda bins: metrics.expected_calibration_error(LABELS, P, bins), "bins"),
    "neighbours": (lambda k: features.Index(np.eye(3)).search(np.eye(3), k), "k"),
    "components": (lambda k: features.PCA.fit(np.eye(3), k), "k"),
    "labels": (lambda count: features.few_of_each(digits()[1], count), "count"),
}


@pytest.mark.parametrize("what", COUNTS)
@pytest.mark.parametrize("value", ["2", 2.5, None, True])
def test_a_count_must_be_a_whole_number(what, value):
    function, name = COUNTS[what]
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got {value!r}"):
        function(value)


@pytest.mark.parametrize("what", COUNTS)
def test_whole_numbers_of_numpy_are_whole_numbers(what):
    COUNTS[what][0](np.int64(20 if what == "labels" else 2))


def test_a_percentile_must_be_a_number():
    with pytest.raises(TypeError, match="percentile must be a number"):
        quantize(models.cnn28(), np.zeros((1, 1, 28, 28), np.float32), "99")
