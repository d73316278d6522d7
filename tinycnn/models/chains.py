"""LeNet-5 and a small VGG: one layer after another. Outputs are logits."""

from tinycnn.nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, Tanh


def lenet5(num_classes: int = 10) -> Sequential:
    """Return LeNet-5 for 28x28 grey images; 61,706 parameters with ten classes.

    It is the network of today's textbooks: every map of the third layer sees all maps of the second, the
    pooling has no weights, and the output is dense. The paper pads the 28x28 digits to 32x32; here the first
    layer does that.

    References
    ----------
    LeCun et al. 1998, Gradient-based learning applied to document recognition.
    """
    return Sequential(
        Conv2d(1, 6, 5, padding=2),  # 6x28x28
        Tanh(),
        AvgPool2d(2),  # 6x14x14
        Conv2d(6, 16, 5),  # 16x10x10
        Tanh(),
        AvgPool2d(2),  # 16x5x5
        Flatten(),
        Linear(16 * 5 * 5, 120),
        Tanh(),
        Linear(120, 84),
        Tanh(),
        Linear(84, num_classes),
    )


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
    return Sequential(*layers, Flatten(), Linear(C * side * side, 128), ReLU(), Linear(128, num_classes))
