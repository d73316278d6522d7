"""Layers that normalise: over the batch, or every image by itself."""

from tinycnn import functional as F
from tinycnn.creation import ones, zeros
from tinycnn.functional.shape import images, shape_of
from tinycnn.kernels.geometry import at_least
from tinycnn.tensor import Tensor

from .module import Buffer, Module, Parameter


class _BatchNorm(Module):
    """What `BatchNorm1d` and `BatchNorm2d` share: all but the shape of the input."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        at_least(1, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        self.running_mean = Buffer(zeros(num_features)) if track_running_stats else None
        self.running_var = Buffer(ones(num_features)) if track_running_stats else None
        self.num_batches_tracked = Buffer(zeros(dtype="int64")) if track_running_stats else None

    def check(self, x: Tensor) -> None:
        """Refuse an input of another shape."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        y = F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.uses_batch,
            self.next_momentum(),
            self.eps,
        )
        self.count()  # only now: the batch was not refused
        return y

    @property
    def uses_batch(self) -> bool:
        """Whether mean and variance are those of the batch."""
        return self.training or self.num_batches_tracked is None

    def next_momentum(self) -> float:
        """Return the share of the next batch in the running mean and variance."""
        if self.momentum is not None:
            return self.momentum
        # The mean over all batches: the newest counts 1 / their number.
        return 0.0 if self.num_batches_tracked is None else 1 / (int(self.num_batches_tracked.item()) + 1)

    def count(self) -> None:
        """Count a batch, in training."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.data += 1

    def extra_repr(self) -> str:
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
        return text if self.track_running_stats else f"{text}, track_running_stats=False"


class BatchNorm1d(_BatchNorm):
    """Normalise every channel over the batch, then scale and shift: (N, C) or (N, C, L).

    Everything else is as in `BatchNorm2d`.
    """

    def check(self, x: Tensor) -> None:
        """Refuse an input of another shape."""
        C, shape = self.num_features, shape_of("BatchNorm1d", x)
        if len(shape) not in (2, 3) or shape[1] != C:
            fix = "; for images (N, C, H, W) there is BatchNorm2d" if len(shape) == 4 else ""
            raise ValueError(
                f"BatchNorm1d({C}): the input must be (N, C) or (N, C, L) with C={C}, got {shape}{fix}"
            )


class BatchNorm2d(_BatchNorm):
    """Normalise every channel over the batch, then scale and shift: (N, C, H, W).

    In training, mean and variance are those of the batch, and running averages of both are kept; evaluation
    uses these averages.

    Parameters
    ----------
    num_features
        C.
    eps
        Is added to the variance.
    momentum
        The share of the newest batch in the running mean and variance. None: they are the mean over all
        batches so far.
    affine
        Whether each channel has a weight and a bias.
    track_running_stats
        Whether to keep running averages. If not, evaluation uses those of the batch, too.

    References
    ----------
    Ioffe & Szegedy 2015, Batch Normalization.
    """

    def check(self, x: Tensor) -> None:
        """Refuse an input of another shape."""
        images(f"BatchNorm2d({self.num_features})", x, self.num_features)


class InstanceNorm2d(Module):
    """Normalise every channel of every image by itself: (N, C, H, W)."""

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        at_least(1, num_features=num_features)
        self.num_features, self.eps, self.affine = num_features, eps, affine
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        images(f"InstanceNorm2d({self.num_features})", x, self.num_features)
        return F.instance_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, affine={self.affine}"
