"""What is done to all weights of a module at once: frozen, moved, saved, loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from tinycnn import backend as _backend
from tinycnn.state import copy_by_name
from tinycnn.tensor import Tensor


class Weights:
    """The methods of `nn.Module` for all its weights."""

    if TYPE_CHECKING:

        def parameters(self) -> Iterator[Tensor]: ...
        def _named_tensors(self) -> Iterator[tuple[str, Tensor]]: ...

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters with False, or train them again with True; return this module.

        Optimizers skip frozen parameters.
        """
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Set all gradients to None: the next `backward` would add to them."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, backend: str) -> Self:
        """Move all parameters, their gradients and the buffers to `backend`, in place.

        The backends are called "numpy" and "cupy"; PyTorch's names for them, "cpu" and "cuda", are taken too.
        """
        backend = _backend.PYTORCHS.get(backend, backend)
        for _, tensor in self._named_tensors():
            tensor.data = _backend.to_backend(tensor.data, backend)
            if tensor.grad is not None:
                tensor.grad = tensor.grad.detach().to(backend)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return all parameters and buffers by name; they share memory with the module's."""
        return {name: tensor.detach() for name, tensor in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy weights by name: from `state_dict`, from safetensors, or PyTorch's own.

        Raises
        ------
        ValueError
            Names what is missing, unexpected, misshapen or not made of real numbers; then nothing was copied.
        """
        own = dict(self._named_tensors())
        arrays = {name: tensor.data for name, tensor in own.items()}
        copy_by_name(f"these weights do not fit {type(self).__name__}", arrays, state)
        for tensor in own.values():
            tensor.mark_dirty()
