import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn.metrics import accuracy, confusion_matrix, precision_recall_f1
from tinycnn.tensor import Tensor

PAIRS = st.integers(1, 4).flatmap(lambda K: st.lists(st.tuples(*[st.integers(0, K - 1)] * 2), min_size=1))


def by_hand(pairs, k):
    """Return precision, recall and F1 of class k, from the words of their definitions."""
    right = sum(a == b == k for a, b in pairs)
    predicted, labelled = sum(b == k for _, b in pairs), sum(a == k for a, _ in pairs)
    precision = right / predicted if predicted else 0
    recall = right / labelled if labelled else 0
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0


@given(PAIRS, st.sampled_from(["uint8", "int32", "int64", "uint64"]))
def test_all_of_them_by_brute_force(pairs, dtype):
    labels, predictions = np.array(pairs, dtype).T
    K = int(max(map(max, pairs))) + 1
    matrix = confusion_matrix(labels, predictions)
    assert matrix.tolist() == [[pairs.count((i, j)) for j in range(K)] for i in range(K)]
    assert accuracy(labels, predictions) == sum(a == b for a, b in pairs) / len(pairs)
    every = np.array([by_hand(pairs, k) for k in range(K)])
    np.testing.assert_allclose(precision_recall_f1(labels, predictions, None), every.T)
    seen = [k in np.ravel(pairs) for k in range(K)]
    np.testing.assert_allclose(precision_recall_f1(labels, predictions), every[seen].mean(axis=0))
    micro = precision_recall_f1(labels, predictions, "micro")
    assert set(micro) == {accuracy(labels, predictions)}


def test_classes_that_never_occur_have_rows_but_no_weight():
    scores = precision_recall_f1([0, 1], [0, 1], None, K=4)
    assert scores.f1.tolist() == [1, 1, 0, 0]
    assert precision_recall_f1([0, 1], [0, 1], K=4).f1 == 1
    assert confusion_matrix([0, 1], [0, 1], K=4).shape == (4, 4)


@pytest.mark.usefixtures("backend")
def test_tensors_and_their_arrays_are_taken_wherever_they_live():
    logits, labels = Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1])
    assert accuracy(labels, logits.argmax(1)) == 0.5
    assert accuracy(labels.data, logits.argmax(1).data) == 0.5
    assert accuracy([1, 1], logits.argmax(1)) == 0.5


@pytest.mark.parametrize(
    ("labels", "predictions", "options", "error", "says"),
    [
        ([0, 1], [0.0, 1.0], {}, TypeError, "must be integers, got int64 and float64"),
        ([0, 1], [0], {}, ValueError, r"must both be \(N,\), got \(2,\), \(1,\)"),
        ([[0], [1]], [[0], [1]], {}, ValueError, r"must both be \(N,\), got \(2, 1\)"),
        (np.array([], int), np.array([], int), {}, ValueError, "no predictions to evaluate"),
        ([0, 2], [0, 1], {"K": 2}, ValueError, "from 0 to K-1=1, got 0 to 2"),
        ([0, -1], [0, 1], {}, ValueError, "from 0 to K-1=1, got -1 to 1"),
        ([0, 4096], [0, 1], {}, ValueError, "K=4097 classes would need a matrix of 4097x4097; at most 4096"),
        ([0, 10**12], [0, 1], {}, ValueError, "at most 4096 classes fit"),
        ([0, 1], [0, 1], {"K": 5000}, ValueError, "at most 4096 classes fit"),
    ],
)
def test_bad_input(labels, predictions, options, error, says):
    with pytest.raises(error, match=says):
        confusion_matrix(labels, predictions, **options)


def test_an_unknown_average():
    with pytest.raises(ValueError, match="must be 'macro', 'micro' or None, got 'weighted'"):
        precision_recall_f1([0], [0], "weighted")
