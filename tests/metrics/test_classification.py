import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tinycnn.metrics import (
    UndefinedMetricWarning,
    accuracy,
    confusion_matrix,
    precision_recall_f1,
    top_k_accuracy,
)
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
    each = precision_recall_f1(labels, predictions, None, zero_division=0)
    np.testing.assert_allclose(each, every.T)
    seen = [k in np.ravel(pairs) for k in range(K)]
    macro = precision_recall_f1(labels, predictions, zero_division=0)
    np.testing.assert_allclose(macro, every[seen].mean(axis=0))
    micro = precision_recall_f1(labels, predictions, "micro")
    assert set(micro) == {accuracy(labels, predictions)}


def test_classes_that_never_occur_have_rows_but_no_weight():
    scores = precision_recall_f1([0, 1], [0, 1], None, K=4, zero_division=0)
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
        ([], [], {}, ValueError, "no predictions to evaluate"),
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
    with pytest.raises(ValueError, match="must be 'macro', 'micro', 'weighted' or None, got 'mean'"):
        precision_recall_f1([0], [0], "mean")


@settings(max_examples=40)
@given(PAIRS, st.sampled_from(["macro", "micro", "weighted", None]), st.sampled_from([0.0, 1.0, np.nan]))
def test_scikit_learn_says_the_same(pairs, average, zero_division):
    labels, predictions = np.array(pairs).T
    ours = precision_recall_f1(labels, predictions, average, zero_division=zero_division)
    assume(average is None or not np.isnan(ours).any())  # scikit-learn drops the weights then
    theirs = sk.precision_recall_fscore_support(
        labels,
        predictions,
        average=average,
        zero_division=zero_division,
        labels=np.arange(np.max(pairs) + 1) if average is None else None,
    )[:3]
    np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), atol=1e-12)


def test_undefined_numbers_are_said():
    with pytest.warns(UndefinedMetricWarning, match=r"precision is undefined .* never predicted \(1, 2\)"):
        scores = precision_recall_f1([0, 1, 2, 2], [0, 0, 0, 0])
    assert scores == precision_recall_f1([0, 1, 2, 2], [0, 0, 0, 0], zero_division=0)
    with pytest.warns(UndefinedMetricWarning, match=r"recall is undefined .* never occur \(1\)"):
        precision_recall_f1([0, 0], [0, 1])
    left_out = precision_recall_f1([0, 1, 2, 2], [0, 0, 0, 0], zero_division=np.nan)
    assert left_out.precision == 0.25  # of class 0 alone
    assert left_out.recall == pytest.approx(1 / 3)


def test_undefined_numbers_of_named_classes_are_said_by_name():
    with pytest.warns(UndefinedMetricWarning, match=r"classes that were never predicted \(dog\)"):
        precision_recall_f1(["cat", "dog", "cat"], ["cat", "cat", "cat"])
    with pytest.warns(UndefinedMetricWarning, match=r"classes that never occur \(cow\)"):
        precision_recall_f1(["cat", "cat"], ["cow", "cat"])


def test_what_is_undefined_but_has_no_weight_is_not_said():
    assert precision_recall_f1([0, 0], [0, 1], "weighted").recall == 0.5
    assert precision_recall_f1([0, 1], [0, 1], "macro", K=3).precision == 1


def test_names_in_place_of_numbers():
    names = np.array(["cat", "dog", "emu"])
    labels, predictions = [0, 1, 2, 2, 1], [0, 2, 2, 2, 0]
    expected = confusion_matrix(labels, predictions)
    assert (confusion_matrix(names[labels], names[predictions]) == expected).all()
    assert (confusion_matrix(list(names[labels]), names[predictions].astype(object)) == expected).all()
    assert accuracy(["a", "b"], ["a", "c"]) == 0.5
    with pytest.raises(TypeError, match="must be integers"):
        accuracy(["a", "b"], [0, 1])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k(k, rng):
    labels, scores = rng.integers(0, 5, 50), rng.standard_normal((50, 5))
    expected = sk.top_k_accuracy_score(labels, scores, k=k, labels=range(5)) if k < 5 else 1
    assert top_k_accuracy(labels, scores, k) == pytest.approx(expected)


def test_top_1_is_the_accuracy_when_scores_are_equal(rng):
    labels, scores = rng.integers(0, 3, 100), rng.integers(0, 2, (100, 3))
    assert top_k_accuracy(labels, scores, 1) == accuracy(labels, scores.argmax(axis=1))
    assert top_k_accuracy([2], [[0, 0, 0]], 2) == 0  # a network that says nothing does not find everything


@pytest.mark.parametrize(
    ("labels", "scores", "k", "error", "says"),
    [
        ([0.0], [[1.0, 2.0]], 1, TypeError, "labels must be integers, got float64"),
        ([0], [1.0, 2.0], 1, ValueError, r"scores \(N, K\), got \(1,\) and \(2,\)"),
        ([2], [[1.0, 2.0]], 1, ValueError, "from 0 to K-1=1, got 2 to 2"),
        ([0], [[1.0, np.nan]], 1, ValueError, "none may be NaN"),
        ([0], [[1.0, 2.0]], 3, ValueError, "k=3: with K=2 classes, 1 to 2 fit"),
        ([0], [[1.0, 2.0]], 0, ValueError, "k=0: with K=2"),
        (np.zeros(0, int), np.zeros((0, 2)), 1, ValueError, "no predictions"),
    ],
)
def test_bad_scores(labels, scores, k, error, says):
    with pytest.raises(error, match=says):
        top_k_accuracy(labels, scores, k)


def test_labels_of_pixels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"got \(2, 3, 3\), \(2, 3, 3\); if each pixel has a label, ravel"):
        confusion_matrix(np.zeros((2, 3, 3), int), np.zeros((2, 3, 3), int))
