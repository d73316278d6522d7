"""Split a data set into a part to learn from and a part to test on."""

from dataclasses import replace

import numpy as np

from tinycnn.data.dataset import Dataset


def stratified_split(dataset: Dataset, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split a data set at random into two, with about `test_fraction` of every class in the second.

    Each class has at least one picture in each part, and each part is in the original order. The same seed
    gives the same split. Raises ValueError for a fraction outside (0, 1), and a class with a single picture.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, both excluded, it is {test_fraction}")
    rng = np.random.default_rng(seed)
    in_test = np.zeros(len(dataset), dtype=bool)
    for label in np.unique(dataset.labels):
        members = rng.permutation(np.flatnonzero(dataset.labels == label))
        if len(members) == 1:
            raise ValueError(
                f"class {dataset.classes[label]!r} of {dataset.name!r} has one picture; a split into train "
                "and test needs at least two of every class"
            )
        n_test = min(max(round(test_fraction * len(members)), 1), len(members) - 1)
        in_test[members[:n_test]] = True
    train, test = dataset.subset(~in_test), dataset.subset(in_test)
    return replace(train, name=f"{dataset.name} train"), replace(test, name=f"{dataset.name} test")
