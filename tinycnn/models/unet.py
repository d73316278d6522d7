"""U-Net: an image in, an image out."""

from tinycnn import functional as F
from tinycnn.nn import BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, Module, ModuleList, ReLU, Sequential
from tinycnn.tensor import Tensor


class UNet(Module):
    """A small U-Net: (N, in_channels, H, W) -> (N, out_channels, H, W).

    On the way down the image gets smaller and the channels more: there the network finds out what is in it.
    On the way up transposed convolutions enlarge it. At every size the maps of the way down are put beside
    those of the way up, because they still know where everything is. H and W are divisible by 2^depth.
    As in most of today's U-Nets, the convolutions are padded and have batch norm; the paper's do not.

    References
    ----------
    Ronneberger et al. 2015, U-Net: convolutional networks for biomedical image segmentation.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 8, depth: int = 2) -> None:
        widths = [width << level for level in range(depth + 1)]  # width, 2*width, 4*width, ...
        self.depth = depth
        self.down = ModuleList()
        self.grow, self.up = ModuleList(), ModuleList()
        C = in_channels
        for K in widths:
            self.down.append(double_conv(C, K))
            C = K
        for K in reversed(widths[:-1]):
            self.grow.append(ConvTranspose2d(2 * K, K, 2, stride=2))
            self.up.append(double_conv(2 * K, K))
        self.pool = MaxPool2d(2)
        self.head = Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image of outputs; raise ValueError if H or W cannot be halved `depth` times."""
        H, W = x.shape[2:]
        step = 2**self.depth
        if H % step or W % step:
            fits = tuple(-(-side // step) * step for side in (H, W))
            raise ValueError(
                f"UNet: H and W must be multiples of {step}, got {H}x{W}; pad the image to {fits}"
            )
        x = self.down[0](x)
        kept = [x]
        for block in list(self.down)[1:]:
            x = block(self.pool(x))
            kept.append(x)
        for grow, block, beside in zip(self.grow, self.up, reversed(kept[:-1]), strict=True):
            x = block(F.concatenate([beside, grow(x)], 1))
        return self.head(x)


def double_conv(in_channels: int, out_channels: int) -> Sequential:
    """Return two padded 3x3 convolutions, each with batch norm and ReLU."""
    return Sequential(
        Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        BatchNorm2d(out_channels),
        ReLU(),
        Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        BatchNorm2d(out_channels),
        ReLU(),
    )
