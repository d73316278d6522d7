"""An exercise on evaluation (Eq. 15)."""

import numpy as np

from tinycnn import metrics
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def precision_recall_f1(labels, predictions, K):
    """Return (precision, recall, F1), three numbers, each the mean over the classes (macro).

    labels and predictions (N,) are whole numbers from 0 to K-1. A class that was never predicted has the
    precision 0, one that never occurs has the recall 0. Classes of which neither happens are left out.
    """
    precisions, recalls, f1s = [], [], []
    for k in range(K):
        right = ((labels == k) & (predictions == k)).sum()
        predicted, occurring = (predictions == k).sum(), (labels == k).sum()
        if predicted + occurring == 0:
            continue
        precisions.append(right / max(predicted, 1))
        recalls.append(right / max(occurring, 1))
        f1s.append(2 * right / (predicted + occurring))
    return np.mean(precisions), np.mean(recalls), np.mean(f1s)


def _cases(rng: np.random.Generator) -> list[Arguments]:
    by_hand = (
        ([0, 0, 0, 1], [0, 0, 1, 1], 2),
        ([0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, 2], 3),
        ([0, 1, 1, 0, 2, 2], [0, 1, 0, 0, 1, 0], 3),  # 2: never predicted
        ([0, 1, 1, 3, 3], [0, 1, 3, 3, 0], 5),  # 2 and 4: nowhere
        ([1, 1, 0, 0], [2, 1, 0, 1], 3),  # 2: never occurs
    )
    made = [{"labels": np.array(a), "predictions": np.array(b), "K": K} for a, b, K in by_hand]
    for N, K in ((12, 3), (20, 4)):
        labels = rng.integers(0, K, N)
        wrong = rng.random(N) < 0.4
        made.append({"labels": labels, "predictions": np.where(wrong, rng.integers(0, K, N), labels), "K": K})
    return made


def _classes(a: Arguments) -> tuple[set[int], set[int]]:
    """Return the classes that occur, and those that were predicted."""
    return set(a["labels"].tolist()), set(a["predictions"].tolist())


def _engine_scores(labels, predictions, K):
    return tuple(metrics.precision_recall_f1(labels, predictions, "macro", K, zero_division=0))


PRECISION_RECALL_F1 = Exercise(
    precision_recall_f1,
    _cases,
    reference=_engine_scores,
    traits={
        "a class that was never predicted": lambda a: not set.issubset(*_classes(a)),
        "a class that never occurs": lambda a: not set.issuperset(*_classes(a)),
        "classes that are nowhere": lambda a: len(set.union(*_classes(a))) < a["K"],
    },
    lesson=6,
    equation=15,
    hints=(
        "Of the images that you call a cat, how many are cats? Of the cats, how many do you find? Which is "
        "precision?",
        "For each class count three things: how often it was predicted, how often it occurs, how often both.",
        "Precision is both / predicted, recall both / occurring, F1 twice both / (predicted + occurring). "
        "Take the mean of each over the classes.",
    ),
    mistakes=read_mistakes("""
    exchanged: You exchange precision and recall: precision is a share of what was predicted, recall a share
        of what occurs.
        np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            np.mean(recalls), np.mean(precisions), np.mean(f1s)
    micro: You count all classes together (micro), and then all three are the accuracy. Score each class, then
        take the mean.
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            share = np.mean(labels == predictions)
            return share, share, share
    weighted: You weigh the classes by how often they occur. In the macro mean each class counts the same.
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            there = [k for k in range(K) if ((labels == k) | (predictions == k)).any()]
            weights = [(labels == k).mean() for k in there]
            return tuple(np.dot(weights, scores) for scores in (precisions, recalls, f1s))
    f1_of_the_means: You compute F1 from the mean precision and the mean recall. Compute it for each class,
        then take the mean.
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            p, r = np.mean(precisions), np.mean(recalls)
            return p, r, 2 * p * r / (p + r)
    f1_is_the_average: Your F1 is the plain average of precision and recall. It is the harmonic mean, which
        the smaller one pulls down.
        2 * right / (predicted + occurring) -> (precisions[-1] + recalls[-1]) / 2
    f1_without_two: Your F1 is half of what it should be: a perfect classifier has 1.
        2 * right / (predicted -> right / (predicted
    f1_geometric: Your F1 is the root of precision times recall. It is the harmonic mean.
        2 * right / (predicted + occurring) -> np.sqrt(precisions[-1] * recalls[-1])
    f1_is_iou: Your F1 divides the hits by the union of both sets. Divide twice the hits by the sum of their
        sizes.
        2 * right / (predicted + occurring) -> right / (predicted + occurring - right)
    absent_classes_counted: You count classes that are nowhere as 0. They say nothing about the classifier:
        leave them out.
        continue -> pass
        continue -> pass; 2 * right / (predicted + occurring) -> 2 * right / max(predicted + occurring, 1)
    not_a_number: Where a class was never predicted or never occurs, you divide by 0. Its score is 0 there.
        max(predicted, 1) -> predicted; max(occurring, 1) -> occurring
        max(predicted, 1) -> predicted;
        max(occurring, 1) -> occurring;
        2 * right / (predicted + occurring) ->
            2 * (right / predicted) * (right / occurring) / (right / predicted + right / occurring)
    unpredicted_classes_left_out: You leave out classes that were never predicted, or never occur. To miss a
        class altogether must cost something.
        if predicted + occurring == 0 -> if predicted == 0 or occurring == 0
        if predicted + occurring == 0 -> if predicted == 0
        if predicted + occurring == 0 -> if occurring == 0
    accuracy_of_each_class: You count for each class how often the answer to “is it this class?” is right.
        Most of these are an easy no: count the class itself.
        right = ((labels == k) & (predictions == k)).sum() ->
            right = ((labels == k) == (predictions == k)).sum()
    of_every_class: You return the scores of every class. One mean of each is asked for.
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            return np.array(precisions), np.array(recalls), np.array(f1s)
    one_class: You score one class only. Score every class, and take the mean.
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            return precisions[-1], recalls[-1], f1s[-1]
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) -> return precisions[0], recalls[0], f1s[0]
        return np.mean(precisions), np.mean(recalls), np.mean(f1s) -> return precisions[1], recalls[1], f1s[1]
    order_of_results: Your three results come in another order: precision, recall, F1.
        np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            np.mean(f1s), np.mean(precisions), np.mean(recalls)
        np.mean(precisions), np.mean(recalls), np.mean(f1s) ->
            np.mean(precisions), np.mean(f1s), np.mean(recalls)
    """),
)
