"""Steps of magnitude pruning (Eq. 16): which weights are cut, and that they stay cut."""

import copy

import numpy as np

from tinycnn.compression import prune
from tinycnn.nn import Module

from .cells import largest
from .recorder import Recorder
from .steps import Cell, Explanation, number


def pruning(model: Module, sparsity: float, scope: str = "global") -> Explanation:
    """Explain `tinycnn.compression.prune` on a copy of the model, one weight tensor after the other.

    Raises
    ------
    ValueError
        As `tinycnn.compression.prune`.
    """
    twin = copy.deepcopy(model)
    masks = prune(twin, sparsity, scope)
    before, after = (dict(m.named_parameters()) for m in (model, twin))
    rec = Recorder(f"pruning of {type(model).__name__}", {"sparsity": sparsity, "scope": scope}, {}, None, 16)
    whole = sum(mask.size for mask in masks.kept.values())
    for name, mask in masks.kept.items():
        old, new = before[name].numpy(), after[name].numpy()
        rec.arrays |= {name: old, f"|{name}|": np.abs(old), f"{name}'": new}
        index = largest(old)[:-2]
        cut: list[Cell] = [(int(i), int(j)) for i, j in np.argwhere(~mask[index])]
        of = f"{whole} weights of all layers" if scope == "global" else f"{mask.size} weights of this layer"
        cut_most = np.abs(old)[~mask].max() if (~mask).any() else 0.0
        smallest = np.abs(old)[mask].min() if mask.any() else np.inf
        rec.update(
            f"{name}: {int((~mask).sum())} of {mask.size} weights are cut",
            "w' = w·mask,  mask = 0 for the smallest |w|, else 1",
            f"largest |w| that is cut: {number(cut_most)};  smallest that stays: {number(smallest)}",
            f"Of the {of}, the share {sparsity:g} with the smallest |w| is cut: this changes the outputs "
            "least. After each step of an optimizer the mask is applied again, so that they stay 0.",
            [
                rec.panel("before", name, index, dict.fromkeys(cut, "read")),
                rec.panel("sizes", f"|{name}|", index, dict.fromkeys(cut, "read")),
                rec.panel("after: 0 in the marked cells", f"{name}'", index, dict.fromkeys(cut, "result")),
            ],
        )
    return rec.explanation(f"{name}'")
