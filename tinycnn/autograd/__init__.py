"""How gradients are computed: small files, to be read in this order.

============== =======================================================================================
`function`     an operation: forward, backward, what it keeps, and what a call of it leaves behind
`backward`     the order of the nodes, the walk, and `Tensor.backward`
`broadcasting` the gradient of an input that was broadcast
`gradients`    `grad`, which returns gradients instead
`safety`       what looks on: arrays changed in place, out of memory; `anomaly` looks for NaN
`fast`         the same call and the same walk, faster
============== =======================================================================================
"""

from . import fast as _fast  # noqa: F401  (takes effect by itself)
from .anomaly import AnomalyError, detect_anomaly
from .backward import topological_order
from .function import Function
from .gradients import grad

__all__ = ["AnomalyError", "Function", "detect_anomaly", "grad", "topological_order"]
