"""Training steps and inference on JAX, compiled with jax.jit."""

import os
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from .inputs import Arrays, weights_of
from .works import Work

Run = Callable[[], Any]


class Engine:
    """JAX as a contestant. It takes all cores that its process may use, so that is what `threads` limits."""

    def __init__(self, threads: int) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        import jax

        self.version = jax.__version__

    def prepare(self, work: Work, arrays: Arrays) -> Run:
        """Return the function that does the work once."""
        weights = list(weights_of(arrays).values())
        return _inference(weights, arrays) if work.kind == "inference" else _step(work, weights, arrays)

    def numbers(self, result: Any) -> np.ndarray:
        """Return the result of a run as an array."""
        return np.asarray(result)


def _inference(weights: list[np.ndarray], arrays: Arrays) -> Run:
    import jax

    forward, x = jax.jit(_forward), jax.device_put(arrays["x"])
    theta = [jax.device_put(w) for w in weights]
    return lambda: forward(theta, x).block_until_ready()


def _step(work: Work, weights: list[np.ndarray], arrays: Arrays) -> Run:
    import jax
    import jax.numpy as jnp

    def loss_of(theta: Any, x: Any, y: Any) -> Any:
        rows = jax.nn.log_softmax(_forward(theta, x))
        return -jnp.take_along_axis(rows, y[:, None], 1).mean()

    def step(theta: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(theta, x, y)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients, strict=True)]
        scale, root = work.lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        theta = [p - scale * a / (jnp.sqrt(b) / root + 1e-8) for p, a, b in zip(theta, m, v, strict=True)]
        return loss, theta, m, v, t + 1

    compiled = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    pairs = zip(arrays["x"], arrays["y"], strict=True)
    batches = cycle([(jax.device_put(x), jax.device_put(y)) for x, y in pairs])
    theta = [jnp.array(w) for w in weights]
    state = [
        theta,
        [jnp.zeros_like(w) for w in weights],
        [jnp.zeros_like(w) for w in weights],
        jnp.array(1.0),
    ]

    def run() -> Any:
        loss, *state[:] = compiled(*state, *next(batches))
        return loss.block_until_ready()

    return run


def _forward(weights: list[Any], x: Any) -> Any:
    """Return the logits of the network that the weights describe: convolutions with pooling, then dense."""
    import jax
    from jax import lax

    for w, b in zip(weights[::2], weights[1::2], strict=True):
        if w.ndim == 4:  # (K, C, KH, KW)
            y = lax.conv_general_dilated(x, w, (1, 1), "VALID") + b[:, None, None]
            window = (1, 1, 2, 2)
            x = lax.reduce_window(jax.nn.relu(y), -np.inf, lax.max, window, window, "VALID")
        else:  # (out, in)
            x = x.reshape(len(x), -1) @ w.T + b
            x = x if b is weights[-1] else jax.nn.relu(x)
    return x
