"""VGG: many small convolutions instead of few large ones."""

from tinycnn.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def vgg(num_classes: int = 10, in_channels: int = 1, size: int = 28, width: int = 16) -> Sequential:
    """Return a small VGG for images (in_channels, size, size).

    Two 3x3 convolutions in a row see as much of the image as one of 5x5. They have 2 * 9 instead of 25
    weights for each pair of channels, and a ReLU more. Each pooling halves the image, and then the number of
    channels doubles.

    References
    ----------
    Simonyan and Zisserman 2014, Very deep convolutional networks for large-scale image recognition.
    """
    if size < 8:
        raise ValueError(f"vgg: three poolings halve the image, so size must be at least 8, got {size}")
    layers = []
    C, K = in_channels, width
    for _ in range(3):
        layers += [Conv2d(C, K, 3, padding=1), ReLU(), Conv2d(K, K, 3, padding=1), ReLU(), MaxPool2d(2)]
        C, K = K, 2 * K
    side = size // 8
    return Sequential(
        *layers,
        Flatten(),
        Linear(C * side * side, 128),
        ReLU(),
        Linear(128, num_classes),
    )
