"""Networks that are put together on the page: lists of layers, as `tinycnn.models.layers` checks them."""

from collections.abc import Sequence

import tinycnn
from tinycnn import nn
from tinycnn.models.layers import Layer, plan

from .network import Network


def build(layers: Sequence[Layer], network: Network, seed: int = 0) -> Network:
    """Return an untrained network of these layers, for the pictures and classes of another.

    Raises
    ------
    RefusedLayer
        As `tinycnn.models.layers.plan`.
    """
    tinycnn.manual_seed(seed)
    made = plan(layers, network.input_shape, len(network.classes))
    return Network(
        nn.Sequential(*(p.module for p in made)),
        "a network of one's own",
        network.classes,
        network.input_shape,
        network.train,
        network.test,
        data=network.data,
    )
