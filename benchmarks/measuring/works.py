"""What is measured: training steps, inference, a chain of small operations, single convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass

STEPS_COMPARED = 20  # of training: a wrong derivative anywhere shows in the losses by then


@dataclass(frozen=True)
class Convolution:
    """One convolution's geometry; stride and padding are the same in both directions."""

    N: int
    C: int
    H: int
    W: int
    K: int
    KH: int
    KW: int
    stride: int = 1
    padding: int = 0

    @property
    def output_size(self) -> tuple[int, int]:
        """(OH, OW)."""
        OH = (self.H + 2 * self.padding - self.KH) // self.stride + 1
        OW = (self.W + 2 * self.padding - self.KW) // self.stride + 1
        return OH, OW

    @property
    def flop(self) -> int:
        """A multiplication and an addition for every n, k, oh, ow, c, r, s: the same in all directions."""
        OH, OW = self.output_size
        return 2 * self.N * self.K * OH * OW * self.C * self.KH * self.KW

    def __str__(self) -> str:
        text = f"N{self.N} C{self.C} {self.H}x{self.W} K{self.K} {self.KH}x{self.KW}"
        text += f" s{self.stride}" if self.stride > 1 else ""
        return text + (f" p{self.padding}" if self.padding else "")


@dataclass(frozen=True)
class Work:
    """One row of the table.

    Attributes
    ----------
    name, title
        On the command line, and in the table.
    kind
        "step" (forward, cross-entropy, backward, Adam), "gan", "inference", "chain" or "conv".
    network
        Of `tinycnn.models`, for "step" and "inference".
    N
        Batch size; for "chain" the number of operations.
    lr
        Of Adam, for "step".
    direction
        "forward", "input" or "weight": which of the three convolutions.
    aim
        The ratio to plain PyTorch that tinycnn is built to reach.
    """

    name: str
    title: str
    kind: str
    network: str = ""
    N: int = 0
    lr: float = 1e-3
    convolution: Convolution | None = None
    direction: str = ""
    aim: float | None = None

    @property
    def trains(self) -> bool:
        """Whether each run changes the weights."""
        return self.kind in ("step", "gan")

    @property
    def group(self) -> str:
        """Works of one group are measured in the same processes: the directions of a convolution."""
        return self.name.removesuffix(f"-{self.direction}")


CONVOLUTIONS = (
    Convolution(32, 32, 13, 13, 64, 3, 3),
    Convolution(8, 64, 54, 54, 128, 3, 3),
    Convolution(8, 3, 224, 224, 32, 3, 3),
    Convolution(64, 64, 14, 14, 128, 4, 4, stride=2, padding=1),
    Convolution(32, 128, 28, 28, 128, 3, 3, padding=1),
)
CHAIN_SIZE = 32  # elements: so few that only the overhead of an operation counts


def _convolution_works(convolutions: Sequence[Convolution], aim: float | None) -> list[Work]:
    return [
        Work(
            f"conv-{c.H}x{c.W}-{direction}",
            f"{c}, {direction}",
            "conv",
            convolution=c,
            direction=direction,
            aim=aim,
        )
        for c in convolutions
        for direction in ("forward", "input", "weight")
    ]


def _by_name(*works: Work) -> dict[str, Work]:
    return {work.name: work for work in works}


WORKS = _by_name(
    Work("cnn28-b32", "cnn28 step, batch 32", "step", "cnn28", 32, aim=0.45),
    Work("cnn28-b128", "cnn28 step, batch 128", "step", "cnn28", 128, aim=0.38),
    # With 1e-3 the loss of so large a dense layer jumps, and rounding errors jump with it.
    Work("cnn224-b8", "cnn224 step, batch 8", "step", "cnn224", 8, lr=1e-4, aim=0.27),
    Work("dcgan-b64", "DCGAN step, batch 64", "gan", "dcgan", 64, aim=0.6),
    Work("inference-b1", "cnn28 inference, batch 1", "inference", "cnn28", 1, aim=0.75),
    Work("inference-b256", "cnn28 inference, batch 256", "inference", "cnn28", 256, aim=0.17),
    Work("chain", "200 small operations and their backward", "chain", N=200, aim=0.75),
    *_convolution_works(CONVOLUTIONS, 1.0),
)

# On a GPU; the aims are set for an H100.
GPU_CONVOLUTIONS = (*CONVOLUTIONS, Convolution(64, 256, 56, 56, 256, 3, 3, padding=1))
GPU_WORKS = _by_name(
    Work("cnn28-b32", "cnn28 step, batch 32", "step", "cnn28", 32, aim=1.0),
    Work("cnn28-b128", "cnn28 step, batch 128", "step", "cnn28", 128, aim=1.0),
    Work("cnn28-b1024", "cnn28 step, batch 1024", "step", "cnn28", 1024),
    Work("cnn224-b8", "cnn224 step, batch 8", "step", "cnn224", 8, lr=1e-4),
    Work("cnn224-b64", "cnn224 step, batch 64", "step", "cnn224", 64, lr=1e-4, aim=1.1),
    Work("dcgan-b64", "DCGAN step, batch 64", "gan", "dcgan", 64, aim=1.0),
    *_convolution_works(GPU_CONVOLUTIONS, None),
)

# Not measured by the time of a run: see `rounds.peak_memory` (of cnn224's step) and `startup`.
MEMORY, MEMORY_AIM = "memory", 0.65
TO_98, TO_98_AIM = "start-98", 0.5

NAMES = (*WORKS, MEMORY, TO_98)


def choose(only: Sequence[str], names: Sequence[str] = NAMES) -> list[str]:
    """Return the names chosen: "cnn28" stands for every name that is or begins with cnn28 and a hyphen.

    Raises
    ------
    ValueError
        If one of `only` chooses nothing.
    """
    chosen = {part: [n for n in names if n == part or n.startswith(f"{part}-")] for part in only}
    for part, found in chosen.items():
        if not found:
            raise ValueError(f"there is no work {part!r}; there are {', '.join(names)}")
    return [n for n in names if not only or any(n in found for found in chosen.values())]
