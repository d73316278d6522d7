"""``python -m benchmarks.gpu_parts PART [NAME ...]``: run one part."""

import sys

from . import convolutions, machine, products, steps

PARTS = {
    "facts": machine.facts,
    "smoke": convolutions.smoke,
    "chosen": convolutions.chosen,
    "tiles": convolutions.tiles,
    "tensor_cores": convolutions.tensor_cores,
    "smoke_products": products.smoke,
    "products": products.products,
    "one": convolutions.one,
    "cudnn": steps.cudnn,
    "steps": steps.steps,
    "graphs": steps.graphs,
    "profile": steps.profile,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](*sys.argv[2:])
