"""The differentiable operations, one family a file: equation, forward, derivative.

Every derivative is written in differentiable operations itself, so gradients of gradients work everywhere.
What there is to say of an operation stands on its card (`tinycnn.functional.cards`). Importing this package
gives `Tensor` its operators and methods.
"""

from . import methods as _methods  # noqa: F401  (attaches the operators)
from .activation import *
from .arithmetic import *
from .cards import CARDS
from .conversion import *
from .convolution import *
from .dims import *
from .dropout import *
from .elementwise import *
from .elementwise_loss import *
from .gelu import *
from .global_pooling import *
from .indexing import *
from .joining import *
from .leaky_relu import *
from .linear import *
from .loss import *
from .nll_loss import *
from .normalisation import *
from .pooling import *
from .reduction import *
from .relu import *
from .rounding import *
from .shape import *
from .softmax import *
from .statistics import *
from .sum_pooling import *

__all__ = list(CARDS)
