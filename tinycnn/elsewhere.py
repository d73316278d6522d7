"""What PyTorch calls otherwise: the error for a name that is missing here says what to write instead."""

from collections.abc import Mapping
from typing import Any

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}

# x is the tensor; F is tinycnn.functional.
OF_TENSORS = {
    **{f"{name}_": f"with tinycnn.no_grad(): x {symbol}= y" for name, symbol in _SYMBOLS.items()},
    **{name: f"tinycnn.Tensor(x.numpy().{name}())" for name in ("all", "any", "cumsum", "prod")},
    "zero_": "with tinycnn.no_grad(): x[...] = 0",
    "fill_": "with tinycnn.no_grad(): x[...] = value",
    "copy_": "with tinycnn.no_grad(): x[...] = y",
    "clamp_": "x.data = x.data.clip(-1, 1)",
    "requires_grad_": "x.requires_grad = True",
    "cpu": 'x.to("numpy")',
    "cuda": 'x.to("cupy")',
    "device": "x.backend",
    "is_cuda": 'x.backend == "cupy"',
    "dim": "x.ndim",
    "t": "x.T",
    "matmul": "x @ y",
    "mm": "x @ y",
    "bmm": "x @ y",
    "norm": "(x * x).sum().sqrt()",
    "half": 'x.to("float16")',
    "int": 'x.to("int32")',
    "bool": "x != 0",
    "type": 'x.to("float64")',
    "contiguous": "x",
    "expand": "F.broadcast_to(x, shape)",
    "repeat": "F.concatenate([x, x])",
    "masked_fill": "F.where(mask, value, x)",
    "isnan": "x != x",
    "sign": "tinycnn.Tensor(numpy.sign(x.numpy()))",
    "sort": "tinycnn.Tensor(numpy.sort(x.numpy()))",
    "topk": "tinycnn.Tensor(numpy.sort(x.numpy())[..., ::-1][..., :k])",
}

# net is the module.
OF_MODULES = {
    "cpu": 'net.to("numpy")',
    "cuda": 'net.to("cupy")',
    "children": "(child for _, child in net.named_children())",
    "buffers": "(buffer for _, buffer in net.named_buffers())",
    "register_buffer": "net.name = nn.Buffer(array)",
    "register_parameter": "net.name = nn.Parameter(array)",
    "add_module": "setattr(net, name, module)",
}


class Elsewhere:
    """An attribute that PyTorch has and this class has not: to read it is an error that says what to write.

    A `__getattr__` would do the same, and make every attribute slower.
    """

    def __init__(self, name: str, code: str) -> None:
        self.name, self.code = name, code

    def __get__(self, thing: Any, owner: type) -> Any:
        if thing is None:
            return self
        raise AttributeError(f"{owner.__name__} has no attribute {self.name!r}, as PyTorch has: {self.code}")


def attach(owner: type, table: Mapping[str, str]) -> None:
    """Give a class these attributes."""
    for name, code in table.items():
        if not hasattr(owner, name):
            setattr(owner, name, Elsewhere(name, code))
