import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tinycnn.metrics import average_precision, precision_recall_curve, roc_auc, roc_curve

# Few different scores: many are equal.
RANKED = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


@settings(max_examples=40)
@given(RANKED)
def test_scikit_learn_says_the_same(pairs):
    labels, scores = np.array(pairs).T
    curve = roc_curve(labels, scores)
    for ours, theirs in zip(curve, sk.roc_curve(labels, scores, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert roc_auc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores))
    found = precision_recall_curve(labels == 1, scores)
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.precision, precision[::-1])
    np.testing.assert_allclose(found.recall, recall[::-1])
    np.testing.assert_allclose(found.thresholds[1:], thresholds[::-1])
    assert average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores))


def test_the_area_is_the_chance_that_a_positive_has_the_larger_score(rng):
    labels, scores = rng.integers(0, 2, 40), rng.integers(0, 6, 40)
    positive, negative = scores[labels == 1][:, None], scores[labels == 0]
    wins = (positive > negative).mean() + (positive == negative).mean() / 2
    assert roc_auc(labels, scores) == pytest.approx(wins)


def test_several_classes_one_against_the_rest(rng):
    labels, p = np.arange(60) % 3, rng.random((60, 3))
    p /= p.sum(axis=1, keepdims=True)
    assert roc_auc(labels, p) == pytest.approx(sk.roc_auc_score(labels, p, multi_class="ovr"))


def test_integers_that_their_negation_would_overflow():
    assert roc_auc([0, 1], np.array([0, 255], np.uint8)) == 1


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([1, 1], [0.1, 0.2], "all N=2 labels are positive; it needs both kinds"),
        ([0, 0], [0.1, 0.2], "all N=2 labels are negative"),
        ([0, 2], [0.1, 0.2], r"must be 1 \(positive\) and 0"),
        ([0, 1], [0.1, np.nan], "none may be NaN"),
        ([0, 1], [0.1], r"must both be \(N,\)"),
        ([], [], "N at least 1"),
        (["a", "b"], [0.1, 0.2], "labels == k"),
    ],
)
def test_bad_input(labels, scores, says):
    with pytest.raises(ValueError, match=says):
        roc_curve(labels, scores)


def test_recall_needs_a_positive():
    with pytest.raises(ValueError, match="recall is undefined: none of the N=2 labels is positive"):
        average_precision([0, 0], [0.1, 0.2])
    assert average_precision([1, 1], [0.1, 0.2]) == 1
