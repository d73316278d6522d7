"""DenseNet: each layer sees the outputs of all layers before it."""

from tinycnn import functional as F
from tinycnn import nn
from tinycnn.tensor import Tensor


class DenseLayer(nn.Module):
    """y = [x, f(x)], side by side as channels: (N, C, H, W) -> (N, C + growth, H, W).

    f is batch norm, ReLU and a 3x3 convolution. It needs few channels of its own, because nothing that was
    computed before is lost.
    """

    def __init__(self, in_channels: int, growth: int) -> None:
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [x, f(x)]."""
        return F.concatenate([x, self.conv(F.relu(self.norm(x)))], 1)


def densenet(num_classes: int = 10, in_channels: int = 1, growth: int = 12, depth: int = 3) -> nn.Sequential:
    """Return a small DenseNet: three dense blocks of `depth` layers, for images of any size from 4x4.

    Between two blocks a transition (batch norm, ReLU, 1x1 convolution, mean pooling) halves the number of
    channels and the image.

    References
    ----------
    Huang et al. 2017, Densely connected convolutional networks.
    """
    C = 2 * growth
    layers: list[nn.Module] = [nn.Conv2d(in_channels, C, 3, padding=1, bias=False)]
    for block in range(3):
        if block > 0:
            layers += [nn.BatchNorm2d(C), nn.ReLU(), nn.Conv2d(C, C // 2, 1, bias=False), nn.AvgPool2d(2)]
            C = C // 2
        for _ in range(depth):
            layers.append(DenseLayer(C, growth))
            C += growth
    head = [nn.BatchNorm2d(C), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Flatten(), nn.Linear(C, num_classes)]
    return nn.Sequential(*layers, *head)
