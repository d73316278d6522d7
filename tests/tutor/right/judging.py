import math

import numpy as np


def cosine_loops(a, b):
    y = np.ones((len(a), len(b)))
    for n, m in np.ndindex(*y.shape):
        lengths = math.hypot(*a[n]) * math.hypot(*b[m])
        if lengths:
            y[n, m] -= float(a[n] @ b[m]) / lengths
    return y


def cosine_of_directions(a, b):
    def direction(rows):
        lengths = np.sqrt((rows**2).sum(1, keepdims=True))
        return np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)

    return 1 - direction(a) @ direction(b).T


def cosine_by_distance(a, b):
    """Half of the squared distance of directions; a row of zeros is set apart."""
    there = (a != 0).any(1)[:, None] & (b != 0).any(1)
    a, b = (rows / np.maximum(np.linalg.norm(rows, axis=1), 1e-300)[:, None] for rows in (a, b))
    return np.where(there, ((a[:, None] - b) ** 2).sum(-1) / 2, 1)


def calibration_sorted(confidence, right, bins):
    where = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    sums = np.bincount(where, weights=right - confidence, minlength=bins)
    return np.abs(sums).sum() / len(confidence)


def calibration_loops(confidence, right, bins):
    inside = [[] for _ in range(bins)]
    for c, r in zip(confidence, right, strict=True):
        inside[math.ceil(c * bins) - 1].append((c, r))
    total = 0
    for images in inside:
        if images:
            c, r = map(sum, zip(*images, strict=True))
            total += len(images) * abs(r / len(images) - c / len(images))
    return total / len(confidence)


def calibration_one_hot(confidence, right, bins):
    m = np.arange(bins)[:, None]
    member = (confidence > m / bins) & (confidence <= (m + 1) / bins)
    return float(np.abs(member @ right - member @ confidence).sum()) / confidence.size


def mcnemar_loops(right_a, right_b):
    a = sum(1 for x, y in zip(right_a, right_b, strict=True) if x and not y)
    b = sum(1 for x, y in zip(right_a, right_b, strict=True) if y and not x)
    p = term = 0.5 ** (a + b)
    for i in range(min(a, b)):
        term *= (a + b - i) / (i + 1)
        p += term
    return min(1, 2 * p)


def mcnemar_by_all_outcomes(right_a, right_b):
    """At most 13 coins in the cases: throw them in every way."""
    only = right_a[right_a != right_b]
    n, seen = len(only), min(only.sum(), (~only).sum())
    heads = np.array([bin(way).count("1") for way in range(2**n)])
    extreme = (heads <= seen) | (heads >= n - seen)
    return extreme.mean()


def mcnemar_from_the_other_end(right_a, right_b):
    n = np.count_nonzero(right_a ^ right_b)
    more = max(np.count_nonzero(right_a > right_b), np.count_nonzero(right_a < right_b))
    tail = sum(math.comb(int(n), i) for i in range(int(more), int(n) + 1))
    return 1.0 if 2 * more == n else tail * 0.5 ** (int(n) - 1)


ANSWERS = {
    "cosine_distances": [cosine_loops, cosine_of_directions, cosine_by_distance],
    "calibration_error": [calibration_sorted, calibration_loops, calibration_one_hot],
    "mcnemar_p": [mcnemar_loops, mcnemar_by_all_outcomes, mcnemar_from_the_other_end],
}
