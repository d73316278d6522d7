"""Networks: the documented ones, and a small member of each well-known family. Outputs are logits."""

from .chains import lenet5, vgg
from .densenet import DenseLayer, densenet
from .documented import cnn28, cnn224
from .fcn import fully_convolutional
from .registry import INPUT_SHAPES, MODELS, build
from .resnet import BasicBlock, resnet
from .unet import UNet

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
