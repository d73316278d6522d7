"""The documented networks. Outputs are logits: softmax belongs to the loss (Eq. 6)."""

from tinycnn.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def cnn28(num_classes: int = 10) -> Sequential:
    """Return the documented network for 28x28 grey images; 225,034 parameters with ten classes."""
    return Sequential(
        Conv2d(1, 32, 3),  # 32x26x26
        ReLU(),
        MaxPool2d(2),  # 32x13x13
        Conv2d(32, 64, 3),  # 64x11x11
        ReLU(),
        MaxPool2d(2),  # 64x5x5
        Flatten(),
        Linear(64 * 5 * 5, 128),
        ReLU(),
        Linear(128, num_classes),
    )


def cnn224(num_classes: int = 10) -> Sequential:
    """Return the documented network for 224x224 RGB images; 44,401,226 parameters with ten classes."""
    return Sequential(
        Conv2d(3, 32, 3),  # 32x222x222
        ReLU(),
        MaxPool2d(2),  # 32x111x111
        Conv2d(32, 64, 3),  # 64x109x109
        ReLU(),
        MaxPool2d(2),  # 64x54x54
        Conv2d(64, 128, 3),  # 128x52x52
        ReLU(),
        MaxPool2d(2),  # 128x26x26
        Flatten(),
        Linear(128 * 26 * 26, 512),
        ReLU(),
        Linear(512, num_classes),
    )
