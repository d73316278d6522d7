"""ResNet: a block learns what to add to its input."""

from tinycnn import functional as F
from tinycnn.nn import BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, Module, ReLU, Sequential
from tinycnn.tensor import Tensor


class BasicBlock(Module):
    """y = relu(f(x) + x), f two 3x3 convolutions with batch norm: (N, C, H, W) -> (N, K, H/stride, W/stride).

    dL/dx is the gradient through f plus the gradient of y itself. So the gradient reaches the first layers
    however many blocks there are. If f changes the shape, a 1x1 convolution gives x the same shape. The
    names are torchvision's.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        self.conv1 = Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(out_channels)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            projection = Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = Sequential(projection, BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(f(x) + x)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet(num_classes: int = 10, in_channels: int = 1, width: int = 16) -> Sequential:
    """Return a small ResNet: three basic blocks, eight layers with weights on the longest way.

    It takes images of any size, as the mean over the whole image comes before the dense layer.

    References
    ----------
    He et al. 2015, Deep residual learning for image recognition.
    """
    return Sequential(
        Conv2d(in_channels, width, 3, padding=1, bias=False),
        BatchNorm2d(width),
        ReLU(),
        BasicBlock(width, width),
        BasicBlock(width, 2 * width, stride=2),
        BasicBlock(2 * width, 4 * width, stride=2),
        GlobalAvgPool2d(),
        Flatten(),
        Linear(4 * width, num_classes),
    )
