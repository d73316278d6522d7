"""The classifiers that ``tinycnn train --model`` knows by name."""

from collections.abc import Callable

from tinycnn.nn import Sequential

from .densenet import densenet
from .documented import cnn28, cnn224
from .lenet import lenet5
from .resnet import resnet
from .vgg import vgg

MODELS: dict[str, Callable[[int], Sequential]] = {
    "cnn28": cnn28,
    "cnn224": cnn224,
    "lenet5": lenet5,
    "vgg28": vgg,
    "resnet28": resnet,
    "densenet28": densenet,
}
INPUT_SHAPES = {  # (C, H, W)
    "cnn28": (1, 28, 28),
    "cnn224": (3, 224, 224),
    "lenet5": (1, 28, 28),
    "vgg28": (1, 28, 28),
    "resnet28": (1, 28, 28),
    "densenet28": (1, 28, 28),
}


def build(name: str, num_classes: int = 10) -> Sequential:
    """Return the network called `name`.

    Raises
    ------
    ValueError
        For an unknown name, or fewer than two classes.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    if num_classes < 2:
        raise ValueError(f"{name}: a classifier needs at least 2 classes, got {num_classes}")
    return MODELS[name](num_classes)
