"""Boxes and segments. The reference values of mAP are worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from tinycnn.metrics import box_iou, mean_average_precision, mean_iou, per_class_iou

A, B, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]
NEAR_A = [0, 0, 10, 8]  # IoU with A: 80 / 100


def test_iou_of_boxes_by_hand():
    found = box_iou([A, NEAR_A], [A, [5, 5, 15, 15], FAR, [3, 3, 3, 3]])
    np.testing.assert_allclose(found, [[1, 25 / 175, 0, 0], [0.8, 15 / 165, 0, 0]])
    assert box_iou([], [A]).shape == (0, 1)


def test_all_found_and_nothing_else():
    result = mean_average_precision([([A, B], [0, 1])], [([B, A], [0.6, 0.9], [1, 0])])
    assert result.mean == 1
    assert result.per_class.tolist() == [1, 1]


def test_right_wrong_right():
    # Two true boxes. Surest first: right, wrong, right. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
    # Made to fall: 1, 2/3, 2/3. Area: 1/2 * 1 + 1/2 * 2/3.
    truths, found = [([A, B], [0, 0])], [([A, FAR, B], [0.9, 0.8, 0.7], [0, 0, 0])]
    assert mean_average_precision(truths, found).mean == pytest.approx(1 / 2 + 1 / 3)
    # COCO's 101 recalls 0, 0.01, ..., 1: 51 of them are at most 1/2 and have 1, the other 50 have 2/3.
    coco = mean_average_precision(truths, found, points=101).mean
    assert coco == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_precision_is_made_to_fall():
    # Wrong, right, right: precision 0, 1/2, 2/3 at recall 0, 1/2, 1. Made to fall: 2/3 everywhere.
    found = [([FAR, A, B], [0.9, 0.8, 0.7], [0, 0, 0])]
    assert mean_average_precision([([A, B], [0, 0])], found).mean == pytest.approx(2 / 3)


def test_a_second_detection_of_the_same_object_is_wrong():
    # Right, wrong (A is taken), and B is never found: recall ends at 1/2, with precision 1.
    truths, found = [([A, B], [0, 0])], [([A, NEAR_A], [0.9, 0.8], [0, 0])]
    assert mean_average_precision(truths, found).mean == pytest.approx(1 / 2)
    # The other way round the less exact box is surer, and takes A.
    found = [([A, NEAR_A, B], [0.8, 0.9, 0.7], [0, 0, 0])]
    assert mean_average_precision(truths, found).mean == pytest.approx(1 / 2 + 1 / 3)


def test_images_and_classes_are_kept_apart():
    truths = [([A], [0]), ([B], [1])]
    swapped = [([B], [0.9], [1]), ([A], [0.9], [0])]
    assert mean_average_precision(truths, swapped).mean == 0
    wrong_class = [([A], [0.9], [1]), ([B], [0.9], [1])]
    # Class 0: nothing found. Class 1: first wrong (image 0 comes first), then right: precision 1/2.
    assert mean_average_precision(truths, wrong_class).per_class.tolist() == [0, 0.5]


def test_thresholds():
    truths, found = [([A], [0])], [([NEAR_A], [0.9], [0])]
    assert mean_average_precision(truths, found, iou=0.8).mean == 1
    assert mean_average_precision(truths, found, iou=0.85).mean == 0
    # COCO's ten: 0.5, 0.55, ..., 0.8 are met, which is 7 of 10.
    assert mean_average_precision(truths, found, iou=[0.5, 0.9]).mean == 0.5


def test_classes_without_a_true_box_do_not_count():
    result = mean_average_precision([([A], [0])], [([A, B], [0.5, 0.9], [0, 2])], K=4)
    assert result.mean == 1
    np.testing.assert_array_equal(result.per_class, [1, np.nan, np.nan, np.nan])
    nothing_found = mean_average_precision([([A], [0]), ([], [])], [([], [], []), ([], [], [])])
    assert nothing_found.mean == 0


@pytest.mark.parametrize(
    ("truths", "found", "options", "says"),
    [
        ([([A], [0])], [], {}, "truths of 1 images and detections of 0"),
        ([([A], [0])], [([A], [0.5, 0.6], [0])], {}, r"detections\[0\]: .* equally many, got \[1, 2, 1\]"),
        (
            [([A], [0])],
            [([A], [0])],
            {},
            r"detections\[0\] must be \(boxes, scores, classes\) of one image, got 2",
        ),
        ([[A]], [([A], [0.5], [0])], {}, r"truths\[0\] must be \(boxes, classes\) of one image, got 1"),
        ([5], [([A], [0.5], [0])], {}, r"truths\[0\] must be .*, got int"),
        ([([A], [0])], [([A], [np.nan], [0])], {}, "a score is NaN"),
        ([([[10, 0, 0, 10]], [0])], [([], [], [])], {}, "x1 <= x2"),
        ([([[1, 2, 3]], [0])], [([], [], [])], {}, r"boxes must be \(n, 4\)"),
        ([([], [])], [([A], [0.5], [0])], {}, "no true box"),
        ([([A], [0])], [([A], [0.5], [0])], {"iou": 0}, "iou must be above 0"),
        ([([A], [3])], [([A], [0.5], [0])], {"K": 2}, "from 0 to K-1=1, got 0 to 3"),
    ],
)
def test_bad_boxes(truths, found, options, says):
    with pytest.raises(ValueError, match=says):
        mean_average_precision(truths, found, **options)


def test_iou_of_segments_as_scikit_learn(rng):
    labels, predictions = rng.integers(0, 4, (2, 2, 5, 6))
    expected = jaccard_score(labels.ravel(), predictions.ravel(), average=None, labels=range(4))
    np.testing.assert_allclose(per_class_iou(labels, predictions, 4), expected)
    assert mean_iou(labels, predictions) == pytest.approx(expected.mean())
    with_more = per_class_iou(labels, predictions, 6)
    assert np.isnan(with_more[4:]).all()
    assert mean_iou(labels, predictions, 6) == pytest.approx(expected.mean())


def test_segments_of_different_shapes():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\), \(3, 2\)"):
        mean_iou(np.zeros((2, 3), int), np.zeros((3, 2), int))
