"""Check the answer to an exercise against the engine."""

import numpy as np


def check(answer, expected, tolerance=1e-5):
    """Say whether `answer` equals `expected`, an array or a number; return whether it does."""
    if answer is None:
        print("not answered yet")
        return False
    answer, expected = np.asarray(answer), np.asarray(expected)
    if answer.shape != expected.shape:
        print(f"the answer has the shape {answer.shape}, it should be {expected.shape}")
        return False
    right = bool(np.allclose(answer, expected, rtol=tolerance, atol=tolerance))
    worst = float(np.abs(answer - expected).max()) if answer.size else 0.0
    print("right!" if right else f"not yet: the largest difference is {worst:.3g}")
    return right
