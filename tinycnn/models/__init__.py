"""Networks: the documented ones, and a small member of each well-known family. Outputs are logits."""

from .densenet import DenseLayer, densenet
from .documented import cnn28, cnn224
from .fcn import fully_convolutional
from .lenet import lenet5
from .registry import INPUT_SHAPES, MODELS, build
from .resnet import BasicBlock, resnet
from .unet import UNet
from .vgg import vgg

__all__ = [
    "INPUT_SHAPES",
    "MODELS",
    "BasicBlock",
    "DenseLayer",
    "UNet",
    "build",
    "cnn28",
    "cnn224",
    "densenet",
    "fully_convolutional",
    "lenet5",
    "resnet",
    "vgg",
]
