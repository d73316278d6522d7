"""A network as a scikit-learn estimator: for pipelines, `GridSearchCV` and `cross_val_score`.

This module needs scikit-learn: ``pip install 'tinycnn[features]'``. Nothing else in tinycnn imports it.

::

    from sklearn.model_selection import GridSearchCV
    from tinycnn.sklearn import CNNClassifier

    search = GridSearchCV(CNNClassifier(image_shape=(1, 28, 28)), {"lr": [1e-3, 3e-3]}, cv=3)
    search.fit(images.reshape(len(images), -1), names)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("tinycnn.sklearn needs scikit-learn: pip install 'tinycnn[features]'") from error

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import Augment
from tinycnn.fit.evaluation import infer
from tinycnn.kernels.geometry import integers
from tinycnn.tensor import Tensor


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that is trained by Adam with the cross-entropy as its loss (Eq. 6 and 7).

    Parameters
    ----------
    module
        A function that takes the number of classes K and returns a module for images ``(N, *image_shape)``,
        such as `tinycnn.models.cnn28`; the module returns logits (N, K). By default `small_network`.
    image_shape
        (C, H, W): each row of X, (N, C*H*W), is an image. None: the rows are vectors; if X is (N, C, H, W),
        they are images of that shape.
    epochs, batch_size, lr, weight_decay
        Of the training; weight_decay is the L2 penalty (Eq. 8).
    shift
        Images are moved at random by up to so many pixels.
    random_state
        As everywhere in scikit-learn; it seeds weights, order and shifts.

    Attributes
    ----------
    classes_, module_, losses_
        The K classes, numbers or texts, sorted; the trained network; the mean loss of every epoch.
    """

    def __init__(
        self,
        module: Callable[[int], nn.Module] | None = None,
        image_shape: tuple[int, int, int] | None = None,
        epochs: int = 30,
        batch_size: int = 32,
        lr: float = 3e-3,
        weight_decay: float = 0.0,
        shift: int = 0,
        random_state: Any = None,
    ) -> None:
        self.module = module
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.shift = shift
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network.

        Parameters
        ----------
        X
            (N, D), (N, C*H*W) or (N, C, H, W); images are best scaled to [0, 1].
        y
            (N,): numbers or texts, at least two different ones.

        Raises
        ------
        ValueError
            For other shapes, NaN, a single class, and parameters that are out of range.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        self._begin(X, np.unique(y))
        for _ in range(self.epochs):
            self._epoch(X, y)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one more epoch on these rows; the first call begins a new network.

        Parameters
        ----------
        X, y
            As of `fit`.
        classes
            All classes that will ever come; needed by the first call.

        Raises
        ------
        ValueError
            As `fit`; without `classes` in the first call; for labels that are not among them.
        """
        first = not hasattr(self, "module_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs all classes: classes=np.unique(y_of_all)")
        X, y = validate_data(self, X, y, allow_nd=True, reset=first)
        check_classification_targets(y)
        if first:
            self._begin(X, np.unique(classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes} are not those of the first call, {self.classes_}")
        self._epoch(X, y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (N, K), in the order of ``classes_``."""
        check_is_fitted(self)
        X = self._images(validate_data(self, X, allow_nd=True, reset=False))
        return infer(self.module_, lambda x: F.softmax(self.module_(x), 1), X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest class of every row, (N,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _begin(self, X: np.ndarray, classes: np.ndarray) -> None:
        """Make a new network for rows like X."""
        if len(classes) < 2:
            raise ValueError(f"a classifier needs at least two classes, y has one class: {classes}")
        integers(epochs=self.epochs, batch_size=self.batch_size, shift=self.shift)
        for name in ("lr", "weight_decay"):
            if not isinstance(value := getattr(self, name), int | float | np.number):
                raise TypeError(f"{name} must be a number, got {value!r:.40}")
        if min(self.epochs, self.batch_size) < 1 or self.lr <= 0 or self.weight_decay < 0 or self.shift < 0:
            raise ValueError("epochs and batch_size must be at least 1, lr above 0, the others not below 0")
        self.classes_ = classes
        self.input_shape_ = self._input_shape(X)
        if self.shift and len(self.input_shape_) != 3:
            raise ValueError("shift moves images: say image_shape=(C, H, W)")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        tinycnn.manual_seed(seed)
        K = len(classes)
        self.module_ = small_network(self.input_shape_, K) if self.module is None else self.module(K)
        self.losses_: list[float] = []
        self._rng = np.random.default_rng(seed)
        self._optimizer = optim.Adam(self.module_.parameters(), self.lr, weight_decay=self.weight_decay)

    def _epoch(self, X: np.ndarray, y: np.ndarray) -> None:
        """Train on every row once, in a random order."""
        images, labels = self._images(X), np.searchsorted(self.classes_, y)
        known = self.classes_[np.minimum(labels, len(self.classes_) - 1)] == y
        if not known.all():
            raise ValueError(f"y has labels that are not among classes: {np.unique(y[~known])}")
        augment, total = Augment(shift=self.shift), 0.0
        self.module_.train()
        order = self._rng.permutation(len(labels))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            x = augment(images[batch], self._rng) if self.shift else images[batch]
            loss = F.cross_entropy(self.module_(Tensor(x)), Tensor(labels[batch]))
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            total += loss.item() * len(batch)
        self.losses_.append(total / len(order))

    def _input_shape(self, X: np.ndarray) -> tuple[int, ...]:
        """Return the shape of one input of the network, without N."""
        if self.image_shape is None:
            if X.ndim not in (2, 4):
                raise ValueError(f"X must be (N, D) or (N, C, H, W), got {X.shape}")
            return X.shape[1:]
        shape = tuple(self.image_shape)
        if len(shape) != 3 or X[0].size != np.prod(shape):
            raise ValueError(f"image_shape={shape} does not fit X {X.shape}: D must be C*H*W")
        return shape

    def _images(self, X: np.ndarray) -> np.ndarray:
        """Return rows as the network takes them, (N, *input_shape), float32."""
        if X[0].size != np.prod(self.input_shape_):
            raise ValueError(f"X is {X.shape}: the network takes inputs of {self.input_shape_}")
        return X.reshape(len(X), *self.input_shape_).astype(np.float32)


def small_network(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Return a network for such inputs: two convolutions for images, a hidden layer for vectors."""
    if len(input_shape) == 1:
        return nn.Sequential(nn.Linear(input_shape[0], 64), nn.ReLU(), nn.Linear(64, num_classes))
    C, H, W = input_shape
    layers: list[nn.Module] = []
    for K in (16, 32):
        layers += [nn.Conv2d(C, K, 3, padding=1), nn.ReLU()]  # K x H x W
        if min(H, W) >= 2:
            layers.append(nn.MaxPool2d(2))
            H, W = H // 2, W // 2
        C = K
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(C * H * W, num_classes))
