"""See every step: an operation, a network or a training step on your own numbers, forward and backward.

``explain(conv2d, x, w, b, backward=True)`` runs the operation on the engine and returns an `Explanation`, a
list of steps: the equation in symbols, the same with this step's numbers put in, the arrays with the cells
that matter marked, and a sentence. Results and gradients are the engine's own, and the products shown add up
to them, else it raises. Steps know nothing of screens; they are drawn four ways:

============ ============================================================================
`terminal`   text, stepped with the keyboard, or plain if it is piped
`figure`     Matplotlib: a figure of one step; all of them as GIF
`page`       HTML: text and tables, a cell leads to the step that computes it
`document`   JSON with a documented schema
============ ============================================================================

`graph` draws what autograd recorded.
"""

from .adversarial import gan_step, penalty
from .document import read_json, to_json
from .examples import example
from .features import features
from .figure import draw
from .files import save
from .graph import Graph, graph
from .images import random_pixels, rule_pixels
from .pruning import pruning
from .registry import OPERATIONS, explain
from .schedule import schedule
from .scores import scores
from .steps import Explanation, Panel, Quantity, Step, Term
from .terminal import show
from .training import training_step
from .walk import autograd

__all__ = [
    "OPERATIONS",
    "Explanation",
    "Graph",
    "Panel",
    "Quantity",
    "Step",
    "Term",
    "autograd",
    "draw",
    "example",
    "explain",
    "features",
    "gan_step",
    "graph",
    "penalty",
    "pruning",
    "random_pixels",
    "read_json",
    "rule_pixels",
    "save",
    "schedule",
    "scores",
    "show",
    "to_json",
    "training_step",
]
