"""Detection: how far boxes overlap, and mean average precision (mAP)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn.host import as_numpy

Truth = tuple[Any, Any]  # boxes (n, 4), classes (n,)
Detection = tuple[Any, Any, Any]  # boxes (n, 4), scores (n,), classes (n,)


class MeanAveragePrecision(NamedTuple):
    """Mean average precision."""

    mean: float  #: over the classes that occur, and the IoU thresholds
    per_class: np.ndarray  #: (K,); NaN for a class without a true box: its recall is undefined


def box_iou(a: Any, b: Any) -> np.ndarray:
    """Return the intersection over union of every pair of boxes (n, 4) and (m, 4), as (n, m).

    A box is x1, y1, x2, y2 with x1 <= x2 and y1 <= y2. Areas are (x2 - x1) * (y2 - y1). Raises ValueError for
    other shapes, NaN, and corners in another order.
    """
    a, b = _boxes(a), _boxes(b)
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # (n, m, 2)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)  # (n, m)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    either = area_a[:, None] + area_b[None, :] - both
    return np.divide(both, either, out=np.zeros(both.shape), where=either > 0)


def mean_average_precision(
    truths: Sequence[Truth],
    detections: Sequence[Detection],
    iou: float | Sequence[float] = 0.5,
    K: int | None = None,
    points: int | None = None,
) -> MeanAveragePrecision:
    """Return the mean average precision of detections.

    For each class: the detections of all images, surest first, are right if they overlap a true box of their
    image and class by at least `iou`. Each takes the box it overlaps most of those not taken yet, so a second
    detection of the same object is wrong. AP is the area under the precision-recall curve, whose precision is
    first made to fall: at each recall, the largest precision at this recall or a larger one. Raises
    ValueError for other shapes, another number of images, and if there is no true box at all.

    Parameters
    ----------
    truths, detections
        For each image boxes (n, 4) and classes (n,), or boxes, scores (n,) and classes; n may be 0.
    iou
        The threshold, in (0, 1]; of several the mean is taken. COCO's are ``np.arange(0.5, 1, 0.05)``.
    K
        The number of classes; by default one more than the largest number seen.
    points
        None: the exact area, as of Pascal VOC from 2010 on. 101: the mean over 101 recalls, as of COCO.

    References
    ----------
    Everingham et al. 2010, The Pascal visual object classes challenge. Lin et al. 2014, Microsoft COCO.
    """
    if len(truths) != len(detections):
        raise ValueError(f"there are truths of {len(truths)} images and detections of {len(detections)}")
    true = [_check("truths", image, entry) for image, entry in enumerate(truths)]
    found = [_check("detections", image, entry) for image, entry in enumerate(detections)]
    seen = np.concatenate([entry[-1] for entry in (*true, *found)] or [np.zeros(0, int)])
    K = int(seen.max(initial=-1)) + 1 if K is None else K
    if seen.size and (seen.min() < 0 or seen.max() >= K):
        raise ValueError(f"classes go from 0 to K-1={K - 1}, got {seen.min()} to {seen.max()}")
    if not any(len(boxes) for boxes, _ in true):
        raise ValueError("there is no true box: recall is undefined")
    thresholds = np.atleast_1d(np.asarray(iou, np.float64))
    if not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f"iou must be above 0 and at most 1, got {iou}")
    each = [[_of_class(true, found, k, t, points) for k in range(K)] for t in thresholds]
    per_class = np.mean(each, axis=0)  # (K,), NaN stays NaN
    return MeanAveragePrecision(float(np.nanmean(per_class)), per_class)


def _of_class(truths: Any, detections: Any, k: int, threshold: float, points: int | None) -> float:
    """Return the average precision of class k at one threshold."""
    true_boxes = [boxes[classes == k] for boxes, classes in truths]
    positives = sum(map(len, true_boxes))
    if not positives:
        return float("nan")
    scores, right = [], []
    for image, (boxes, image_scores, classes) in enumerate(detections):
        chosen = np.flatnonzero(classes == k)
        chosen = chosen[np.argsort(-image_scores[chosen], kind="stable")]
        scores.extend(image_scores[chosen])
        right.extend(_matched(boxes[chosen], true_boxes[image], threshold))
    order = np.argsort(-np.array(scores, float), kind="stable")
    hits = np.cumsum(np.array(right, bool)[order])
    recall, precision = hits / positives, hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    if points is None:
        return float(np.sum(np.diff(recall, prepend=0) * falling))
    at = np.searchsorted(recall, np.linspace(0, 1, points) - 1e-12)  # the first point of at least this recall
    return float(np.append(falling, 0)[at].mean())


def _matched(boxes: np.ndarray, truths: np.ndarray, threshold: float) -> list[bool]:
    """Return for each box, the surest first, whether it finds a true box that none before it has found."""
    overlap = box_iou(boxes, truths)  # (n, m)
    right = []
    for row in overlap:
        right.append(bool(row.max(initial=-1) >= threshold))
        if right[-1]:
            overlap[:, row.argmax()] = -1  # no later detection can take this box
    return right


def _check(what: str, image: int, entry: Any) -> tuple[np.ndarray, ...]:
    """Return boxes and what belongs to each of them as arrays; raise ValueError if the lengths differ."""
    parts = {"truths": ("boxes", "classes"), "detections": ("boxes", "scores", "classes")}[what]
    if not isinstance(entry, tuple | list) or len(entry) != len(parts):
        count = len(entry) if isinstance(entry, tuple | list) else type(entry).__name__
        raise ValueError(f"{what}[{image}] must be ({', '.join(parts)}) of one image, got {count}")
    boxes, *others = entry
    boxes, others = _boxes(boxes), [as_numpy(other).ravel() for other in others]
    if any(len(other) != len(boxes) for other in others):
        lengths = [len(boxes), *map(len, others)]
        raise ValueError(f"{what}[{image}]: boxes, scores and classes must be equally many, got {lengths}")
    others[-1] = others[-1].astype(np.int64)
    if len(others) == 2 and np.isnan(others[0]).any():
        raise ValueError(f"{what}[{image}]: a score is NaN")
    return boxes, *others


def _boxes(boxes: Any) -> np.ndarray:
    """Return boxes as (n, 4) in float64; raise ValueError if they are none."""
    array = np.asarray(as_numpy(boxes), np.float64)
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must be (n, 4): x1, y1, x2, y2; got {array.shape}")
    if not (array[:, :2] <= array[:, 2:]).all():
        raise ValueError("boxes are x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, and none may be NaN")
    return array
