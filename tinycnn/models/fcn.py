"""A fully convolutional head: a network that names images becomes one that names pixels."""

import numpy as np

from tinycnn.nn import Conv2d, ConvTranspose2d, Module, Sequential


def fully_convolutional(trunk: Module, channels: int, num_classes: int, stride: int) -> Sequential:
    """Return `trunk` with a head that scores every pixel: (N, C, H, W) -> (N, num_classes, H, W).

    A 1x1 convolution is a dense layer that is applied at every place. It turns the trunk's maps into scores
    of the classes. A transposed convolution enlarges them by the factor `stride`. Its first weights
    interpolate between neighbours (bilinear), and training changes them.

    Parameters
    ----------
    trunk
        Layers (N, C, H, W) -> (N, channels, H/stride, W/stride).
    channels
        How many maps the trunk ends in.
    num_classes
        K.
    stride
        How many times smaller the trunk's maps are than the image; even.

    References
    ----------
    Long et al. 2015, Fully convolutional networks for semantic segmentation.
    """
    if stride < 2 or stride % 2:
        raise ValueError(f"fully_convolutional: stride must be 2, 4, 6, ..., got {stride}")
    score = Conv2d(channels, num_classes, 1)
    enlarge = ConvTranspose2d(num_classes, num_classes, 2 * stride, stride, padding=stride // 2, bias=False)
    weight = np.zeros(enlarge.weight.shape, "float32")
    weight[range(num_classes), range(num_classes)] = bilinear(stride)  # each class enlarges its own map
    enlarge.load_state_dict({"weight": weight})
    return Sequential(trunk, score, enlarge)


def bilinear(stride: int) -> np.ndarray:
    """Return the kernel (2*stride, 2*stride) that interpolates between cells `stride` pixels apart."""
    away = np.abs(np.arange(2 * stride) - (stride - 0.5)) / stride  # from the kernel's centre, in cells
    return np.outer(1 - away, 1 - away).astype("float32")
