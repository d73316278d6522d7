"""Training steps and inference on TensorFlow: compiled with tf.function."""

import math
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from .inputs import Arrays, weights_of
from .works import Work

Run = Callable[[], Any]

EPSILON = 1e-9  # in Keras's Adam, in the first steps, about what 1e-8 is in PyTorch's


class Engine:
    """TensorFlow as a contestant."""

    def __init__(self, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.version = tf.__version__

    def prepare(self, work: Work, arrays: Arrays) -> Run:
        """Return the function that does the work once."""
        model = _network(arrays)
        return _inference(model, arrays) if work.kind == "inference" else _step(work, model, arrays)

    def numbers(self, result: Any) -> np.ndarray:
        """Return the result of a run as an array."""
        return np.asarray(result)


def _step(work: Work, model: Any, arrays: Arrays) -> Run:
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(work.lr, epsilon=EPSILON)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    pairs = zip(_last(arrays["x"]), arrays["y"], strict=True)
    batches = cycle([(tf.constant(x), tf.constant(y)) for x, y in pairs])

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return lambda: float(step(*next(batches)))


def _inference(model: Any, arrays: Arrays) -> Run:
    import tensorflow as tf

    x = tf.constant(_last(arrays["x"]))
    forward = tf.function(lambda x: model(x, training=False))
    return lambda: forward(x).numpy()


def _last(images: np.ndarray) -> np.ndarray:
    """Return images (..., C, H, W) as (..., H, W, C), TensorFlow's layout."""
    return np.ascontiguousarray(np.moveaxis(images, -3, -1))


def _network(arrays: Arrays) -> Any:
    """Return the network that the weights describe: convolutions, each with pooling, then dense layers."""
    import keras
    from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D

    weights = list(weights_of(arrays).values())
    _, C, H, W = arrays["x"].shape[-4:]
    model = keras.Sequential([Input((H, W, C))])
    values: list[np.ndarray] = []
    for w, b in zip(weights[::2], weights[1::2], strict=True):
        if w.ndim == 4:  # (K, C, KH, KW)
            model.add(Conv2D(w.shape[0], w.shape[2:], activation="relu"))
            model.add(MaxPooling2D(2))
            values.append(w.transpose(2, 3, 1, 0))  # (KH, KW, C, K)
            C = w.shape[0]
        else:  # (out, in)
            if not isinstance(model.layers[-1], Dense):
                model.add(Flatten())
                side = math.isqrt(w.shape[1] // C)
                # in is counted through (C, side, side), in TensorFlow through (side, side, C)
                w = _last(w.reshape(-1, C, side, side)).reshape(w.shape)
            model.add(Dense(w.shape[0], activation=None if b is weights[-1] else "relu"))
            values.append(w.T)
        values.append(b)
    model.set_weights(values)
    return model
