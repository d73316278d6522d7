"""LeNet-5. Its outputs are logits."""

from tinycnn.nn import AvgPool2d, Conv2d, Flatten, Linear, Sequential, Tanh


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
