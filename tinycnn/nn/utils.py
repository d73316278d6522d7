"""Clipping gradients: called between ``backward()`` and ``optimizer.step()``."""

from collections.abc import Iterable

from tinycnn.kernels.arrays import array_module
from tinycnn.tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients so that their norm, as of one long vector, is at most `max_norm`; return the norm.

    Parameters
    ----------
    parameters
        Parameters without a gradient are left out.
    max_norm
        Above 0.
    norm_type
        p of the norm ``(sum |g|^p)^(1/p)``; infinity for the largest ``|g|``.
    error_if_nonfinite
        Refuse gradients whose norm is NaN or infinite, instead of making all of them NaN or 0.

    Returns
    -------
    Tensor
        The norm before scaling.

    Raises
    ------
    ValueError
        For a `max_norm` or a `norm_type` that is not above 0.
    RuntimeError
        If the norm is not finite and `error_if_nonfinite` is set; then nothing was changed.

    References
    ----------
    Pascanu et al. 2013, On the difficulty of training recurrent neural networks.
    """
    if not max_norm > 0 or not norm_type > 0:
        raise ValueError(f"max_norm and norm_type must be above 0, got {max_norm} and {norm_type}")
    gradients = _gradients(parameters)
    if not gradients:
        return Tensor(0.0)
    xp = array_module(gradients[0].data)
    sizes = [abs(g.data) for g in gradients]
    if norm_type == float("inf"):
        norm = xp.stack([size.max() for size in sizes if size.size]).max()
    else:
        # In float64: squares of float32 overflow from 1.8e19 on.
        powers = [(size.astype("float64") ** norm_type).sum() for size in sizes]
        norm = xp.stack(powers).sum() ** (1 / norm_type)
    if error_if_nonfinite and not xp.isfinite(norm):
        raise RuntimeError(f"the norm of the gradients is {float(norm)}, so they cannot be scaled")
    scale = xp.minimum(max_norm / (norm + 1e-6), 1.0)
    for g in gradients:
        g.data *= scale.astype(g.dtype)
    return Tensor(xp.asarray(norm, gradients[0].dtype), backend=gradients[0].backend)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of all gradients to [-clip_value, clip_value].

    Raises
    ------
    ValueError
        For a `clip_value` below 0.
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_value must be at least 0, got {clip_value}")
    for g in _gradients(parameters):
        g.data[...] = g.data.clip(-clip_value, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]
