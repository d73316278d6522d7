import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from tinycnn.data import Dataset
from tinycnn.select import cross_validate, folds_of, stratified_folds


@given(st.lists(st.integers(3, 9), min_size=1, max_size=4), st.integers(2, 3), st.integers(0, 5))
def test_every_image_once_and_classes_and_folds_of_equal_size(counts, k, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    fold = stratified_folds(labels, k, seed)
    for label, count in enumerate(counts):
        held = np.bincount(fold[labels == label], minlength=k)
        assert held.sum() == count
        assert np.ptp(held) <= 1
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    np.testing.assert_array_equal(fold, stratified_folds(labels, k, seed))


def test_folds_are_as_large_as_scikit_learns():
    labels = np.repeat([0, 1, 2], [7, 11, 5])
    theirs = [len(test) for _, test in StratifiedKFold(4).split(labels, labels)]
    assert sorted(np.bincount(stratified_folds(labels, 4))) == sorted(theirs)


def test_cross_validation_holds_each_image_out_once():
    images = np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1) / 12
    data = Dataset(images, np.arange(12) % 2, ("a", "b"), "some")
    seen = []

    def score(rest, held_out):
        assert not set(rest.images.ravel()) & set(held_out.images.ravel())
        seen.extend(held_out.images.ravel())
        return len(rest) / 12

    np.testing.assert_allclose(cross_validate(score, data, 3), [8 / 12] * 3)
    assert sorted(seen) == sorted(images.ravel())
    assert "some, fold 1 of 3: held out" in next(folds_of(data, 3))[1].name


@pytest.mark.parametrize(
    ("labels", "k", "says"),
    [
        ([0, 0, 1, 1], 1, "k of at least 2, got 1"),
        (
            [0, 0, 0, 1, 1],
            3,
            "class 1 has 2 images: with k=3 .* missing in one; k is at most 2",
        ),
    ],
)
def test_bad_folds(labels, k, says):
    with pytest.raises(ValueError, match=says):
        stratified_folds(np.array(labels), k)
