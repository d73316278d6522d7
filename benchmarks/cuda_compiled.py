"""Count registers and instructions of the compiled kernels in `tinycnn.kernels.cuda`. No GPU is needed.

    python -m benchmarks.cuda_compiled --out benchmarks/results/cuda-compiled.json

Needs ptxas, which the extra 'cuda-check' brings. Products and loads are counted in the kernel's text, where a
loop stands once: their ratio says how often a number that was loaded is used, not how fast the kernel is. An
instruction of a tensor core, which makes 1024 products for a warp, is counted in a column of its own.
"""

import argparse
import json
from pathlib import Path

from tinycnn.kernels.cuda import (
    coalesced,
    direct,
    epilogue,
    implicit_gemm,
    products,
    register_tiles,
    shared_tiles,
    tensor_cores,
    weight_tiles,
)
from tinycnn.kernels.cuda.compiled import compiled

CONV2D, GATHER = ("f", "f", "f", 16), ("f", "f", "f", "f", 18, *[None] * 4)
PRODUCT = ("f", "f", "f", "f", *[None] * 6)
BIG = next(iter(register_tiles.TILES))
RUNGS = {
    "1 direct": (direct.KERNELS[0], CONV2D),
    "2 coalesced": (coalesced.KERNELS[0], CONV2D),
    "3 shared": (shared_tiles.write_output.kernel, (*CONV2D, None, None, None)),
    "4 gemm": (implicit_gemm.write_output.kernel, CONV2D),
    "5 registers": (register_tiles.gather_kernel(BIG), GATHER),
    "6 epilogue": (register_tiles.gather_kernel(BIG, epilogue.add_bias_and_rectify), GATHER),
    **{
        f"8 {product_of.__name__}": (
            register_tiles.gather_kernel(tensor_cores.TILES[0], epilogue.add_bias_and_rectify, product_of),
            GATHER,
        )
        for product_of in (tensor_cores.tf32x3, tensor_cores.tf32)
    },
    "8 weights": (
        weight_tiles.parts_kernel(tensor_cores.WEIGHT_TILES[0], tensor_cores.tf32x3),
        (*CONV2D, None, None),
    ),
    # A dense layer's three products: each matrix has another of its indices innermost.
    **{
        f"{rung}dense {name}": (
            products.product_kernel(tile, *along_k, epilogue.add_bias, product_of),
            PRODUCT,
        )
        for rung, tile, product_of in (
            ("", next(iter(products.TILES)), products.padded_product),
            ("8 ", tensor_cores.TILES[0], tensor_cores.tf32x3),
        )
        for name, along_k in (("y", (True, True)), ("dx", (True, False)), ("dW", (False, False)))
    },
}


def main() -> None:
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--capability", type=capability, default=(9, 0), help="of the GPU to compile for (default: 9.0, H100)"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write the table to")
    args = parser.parse_args()
    print("rung          threads  registers  spilled  products  loads  of 128 bits  tensor cores")
    rows = []
    for name, (kernel, kinds) in RUNGS.items():
        seen = compiled(kernel, kinds, args.capability)
        row = {"rung": name, "threads": kernel.threads} | seen._asdict()
        del row["text"]
        rows.append(row)
        print(
            f"{name:<13} {kernel.threads:7}  {seen.registers:9}  {seen.spilled:7}  {seen.products:8}"
            f"  {seen.loads:5}  {seen.wide_loads:11}  {seen.tensor:12}"
        )
    if args.out:
        args.out.write_text(
            json.dumps({"capability": "{}.{}".format(*args.capability), "rungs": rows}, indent=2) + "\n"
        )


def capability(text: str) -> tuple[int, int]:
    """Return "9.0" as (9, 0)."""
    major, minor = map(int, text.split("."))
    return major, minor


if __name__ == "__main__":
    main()
