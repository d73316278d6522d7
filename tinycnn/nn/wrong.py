"""What is wrong with a module: functions that return the error to raise, or say where one arose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tinycnn.tensor import Tensor

if TYPE_CHECKING:
    from .module import Module


def replacement(place: str, old: Tensor | Module, new: Any) -> TypeError:
    """Return the error for an attribute `place` with a weight or a module, which would be lost."""
    kind, name = type(old).__name__, place.partition(".")[2]
    if not isinstance(old, Tensor):
        return TypeError(f"{place} is a module: assign another module, or None, not {type(new).__name__}")
    return TypeError(
        f"{place} is a {kind.lower()}. {type(new).__name__} in its place would not be trained or saved: "
        f"assign nn.{kind}(...) or None, or write into it: {name}.data[...] = values"
    )


def hidden(kind: str, name: str, container: Any, inside: Tensor | Module) -> TypeError:
    """Return the error for a module or a parameter in a list or dict, which is not looked into."""
    called = f"{kind}.{name} is a {type(container).__name__} with a {type(inside).__name__} in it"
    if isinstance(inside, Tensor):
        fix = f'give each parameter a name of its own: setattr(self, f"{name}_{{i}}", parameter)'
    elif isinstance(container, dict):
        fix = f"write self.{name} = nn.ModuleDict(...)"
    else:
        fix = f"write self.{name} = nn.ModuleList(...), or nn.Sequential(...)"
    return TypeError(f"{called}, whose weights would not be trained or saved: {fix}")


def layer(container: str, name: Any, given: Any) -> TypeError:
    """Return the error for something in a container that is no module."""
    hint = ""
    if isinstance(given, list | tuple):
        hint = "; a star unpacks a list of layers: *layers"
    elif isinstance(given, type) and hasattr(given, "named_modules"):
        hint = f"; this is the class: write {given.__name__}(...)"
    return TypeError(f"{container}: layer {name} is no Module: {given!r:.80}{hint}")


def layer_name(container: str, name: Any) -> ValueError:
    """Return the error for the name of a layer that is no text, or would be taken for something else."""
    return ValueError(
        f"{container}: layer {name}: the name must be a text without dots, and no attribute of {container}"
    )


def pooling_options(layer: Module, names: Iterable[str]) -> TypeError:
    """Return the error for options that a pooling layer does not have."""
    hint = ""
    if "ceil_mode" in names:
        hint = (
            ". A window must end inside the padded input, so OH = floor((H + 2*PH - KH) / SH) + 1: more "
            "padding gives the rows and columns that are left over a window"
        )
    return TypeError(
        f"{type(layer).__name__} has no option {', '.join(names)}; it has kernel_size, stride, padding{hint}"
    )


def say_where(module: Module, error: Exception) -> None:
    """Put the name of the layer in which an error arose in front of its text.

    The innermost module comes here first, then those around it: each writes the name as seen from itself.
    """
    if not hasattr(error, "layer_and_text"):
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.layer_and_text = module, error.args[0]  # type: ignore[attr-defined]
        return
    layer, text = error.layer_and_text
    name = next((name for name, inside in module.named_modules() if inside is layer), "")
    if name:
        error.args = (f"layer {name}: {text}",)
