"""The classifiers that ``tinycnn train --model`` knows by name."""

from collections.abc import Callable

from tinycnn.nn import Sequential

from .chains import lenet5, vgg
from .densenet import densenet
from .documented import cnn28, cnn224
from .resnet import resnet

GREY28 = (1, 28, 28)  # (C, H, W)
_KNOWN: dict[str, tuple[Callable[[int], Sequential], tuple[int, int, int]]] = {
    "cnn28": (cnn28, GREY28),
    "cnn224": (cnn224, (3, 224, 224)),
    "lenet5": (lenet5, GREY28),
    "vgg28": (vgg, GREY28),
    "resnet28": (resnet, GREY28),
    "densenet28": (densenet, GREY28),
}
MODELS = {name: make for name, (make, _) in _KNOWN.items()}
INPUT_SHAPES = {name: shape for name, (_, shape) in _KNOWN.items()}


def build(name: str, num_classes: int = 10) -> Sequential:
    """Return the network called `name`; raise ValueError for an unknown name, or fewer than two classes."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    if num_classes < 2:
        raise ValueError(f"{name}: a classifier needs at least 2 classes, got {num_classes}")
    return MODELS[name](num_classes)
