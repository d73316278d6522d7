"""DCGAN's generator G and discriminator D (Eq. 12 and 13), and their conditional variants.

The rules of the paper: strided and transposed convolutions instead of pooling; batch norm, but not in the
layers next to the images; ReLU in G, tanh after its last layer, LeakyReLU in D; one dense layer in each, the
one that is farthest from the images. A conditional network gets the class too: G beside z, D as one more
channel.

References
----------
Radford et al. 2015, Unsupervised representation learning with deep convolutional generative adversarial
networks; Mirza & Osindero 2014, Conditional generative adversarial nets.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from tinycnn import functional as F
from tinycnn import nn
from tinycnn.schema import Choice, Fields, Integer, ListOf
from tinycnn.tensor import Tensor

from .kinds import Kinds, one_hot, refuse_labels

LATENT = 100  # how many numbers z an image is made from
DOUBLINGS = {28: 2, 32: 3}  # 7 -> 14 -> 28 and 4 -> 8 -> 16 -> 32
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda C: nn.InstanceNorm2d(C, affine=True),
}
COUNT = Integer(0, 1_000_000)
SHAPE = ListOf(COUNT, 3, 3)


class _WithOptions(nn.Sequential):
    """A network that knows the arguments that it was made with."""

    OPTIONS: ClassVar[Fields]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that this network was made with; JSON can hold them."""
        return {name: getattr(self, name) for name in self.OPTIONS.kinds}


class Generator(_WithOptions):
    """G: z (N, latent) -> images (N, C, H, W) in [-1, 1].

    Parameters
    ----------
    image_shape
        (C, H, W): 28x28 or 32x32, grey or RGB.
    latent
        How many numbers z an image is made from; they are drawn from N(0, 1).
    width
        Channels before the last convolution; every convolution before has twice those of the next.
    num_classes
        Of a conditional generator, which takes labels (N,) beside z; 0 for none.
    kinds
        How many of the numbers z only choose a kind of image, see `tinycnn.gan.kinds.Kinds`; 0 for none.
    """

    OPTIONS: ClassVar = Fields(
        {"image_shape": SHAPE, "latent": COUNT, "width": COUNT, "num_classes": COUNT}, {"kinds": COUNT}
    )

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent: int = LATENT,
        width: int = 64,
        num_classes: int = 0,
        kinds: int = 0,
    ) -> None:
        doublings = check_image_shape(image_shape)
        if not 0 <= kinds < latent:
            raise ValueError(f"kinds must be at least 0 and below latent={latent}, got {kinds}")
        self.image_shape, self.latent, self.num_classes = image_shape, latent, num_classes
        self.width, self.kinds = width, kinds
        self.choose = Kinds(kinds) if kinds else None
        side, K = image_shape[1] >> doublings, width << (doublings - 1)
        layers = [nn.Linear(latent + num_classes, K * side * side), nn.Unflatten(1, (K, side, side))]
        layers += [nn.BatchNorm2d(K), nn.ReLU()]  # K x side x side
        while width < K:
            layers += [
                nn.ConvTranspose2d(K, K // 2, 4, stride=2, padding=1),
                nn.BatchNorm2d(K // 2),
                nn.ReLU(),
            ]
            K //= 2
        layers += [nn.ConvTranspose2d(K, image_shape[0], 4, stride=2, padding=1), nn.Tanh()]
        super().__init__(*layers)

    @classmethod
    def size(cls, **options: Any) -> int:
        """Return how many weights the largest layer of such a network has, without making it."""
        doublings = check_image_shape(options["image_shape"])
        side, K = options["image_shape"][1] >> doublings, options["width"] << (doublings - 1)
        first = (options["latent"] + options.get("num_classes", 0)) * K * side * side
        return max(first, K * K // 2 * 16)

    def forward(self, z: Tensor, labels: Any = None) -> Tensor:
        """Return images; raise ValueError unless z is (N, latent), and labels (N,) if it is conditional."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"Generator: z must be (N, latent) with latent={self.latent}, got {z.shape}")
        if self.choose is not None:
            z = self.choose(z)
        if self.num_classes:
            z = F.concatenate([z, one_hot("Generator", labels, self.num_classes, z)], 1)
        else:
            refuse_labels("Generator", labels)
        return super().forward(z)


class Discriminator(_WithOptions):
    """D: images (N, C, H, W) in [-1, 1] -> logits (N, 1), positive for "real".

    Parameters
    ----------
    image_shape, width, num_classes
        See `Generator`. A conditional D learns a picture for each class, which is one more channel of the
        images.
    norm
        "batch" or "instance": batch norm mixes the images of a batch, while a gradient penalty needs D to
        judge each by itself (Gulrajani et al. 2017, section 4).
    convolutions
        The number of convolutions, each with half the size and twice the channels of the one before; by
        default as many as the generator has. With one more, D sees larger parts of an image at once.
    outputs
        The outputs of the last layer. With one for every class, the network is a classifier, or a D that
        also names classes (see `tinycnn.gan.losses.logit`).
    """

    OPTIONS: ClassVar = Fields(
        {"image_shape": SHAPE, "width": COUNT, "num_classes": COUNT, "norm": Choice(tuple(NORMS))},
        {"convolutions": COUNT, "outputs": COUNT},
    )

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        width: int = 64,
        num_classes: int = 0,
        norm: str = "batch",
        convolutions: int | None = None,
        outputs: int = 1,
    ) -> None:
        halvings = count_halvings(image_shape, convolutions)
        if norm not in NORMS:
            raise ValueError(f"norm must be {' or '.join(map(repr, NORMS))}, got {norm!r}")
        self.image_shape, self.num_classes = image_shape, num_classes
        self.width, self.norm, self.convolutions, self.outputs = width, norm, halvings, outputs
        C, H, W = image_shape
        layers = [nn.Conv2d(C + bool(num_classes), width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        K = width
        for _ in range(halvings - 1):
            layers += [nn.Conv2d(K, 2 * K, 4, stride=2, padding=1), NORMS[norm](2 * K), nn.LeakyReLU(0.2)]
            K *= 2
        side = H >> halvings  # 7 becomes 3
        super().__init__(*layers, nn.Flatten(), nn.Linear(K * side * side, outputs))
        self.class_pictures = nn.Linear(num_classes, H * W, bias=False) if num_classes else None

    @classmethod
    def size(cls, **options: Any) -> int:
        """Return how many weights the largest layer of such a network has, without making it."""
        halvings = count_halvings(options["image_shape"], options.get("convolutions"))
        H, K = options["image_shape"][1], options["width"] << (halvings - 1)
        last = K * (H >> halvings) ** 2 * options.get("outputs", 1)
        return max(K // 2 * K * 16, last, options.get("num_classes", 0) * H * H)

    def forward(self, x: Tensor, labels: Any = None) -> Tensor:
        """Return logits (N, outputs); raise ValueError for another (C, H, W), or wrong labels."""
        return super().forward(self._input(x, labels))

    def features(self, x: Tensor, labels: Any = None) -> Tensor:
        """Return the input of the last layer, (N, features); raises as `forward`."""
        return self.layers[-2](self.maps(x, labels)[-1])

    def maps(self, x: Tensor, labels: Any = None) -> list[Tensor]:
        """Return every convolution's output after its LeakyReLU, (N, K, OH, OW) each; raises as `forward`."""
        x = self._input(x, labels)
        maps = []
        for layer in self.layers[:-2]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                maps.append(x)
        return maps

    def _input(self, x: Tensor, labels: Any) -> Tensor:
        """Return the images, with the picture of the class as one more channel."""
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            raise ValueError(
                f"Discriminator: the images must be (N, C, H, W) with (C, H, W)={self.image_shape}, "
                f"got shape {x.shape}"
            )
        if self.class_pictures is None:
            refuse_labels("Discriminator", labels)
            return x
        rows = self.class_pictures(one_hot("Discriminator", labels, self.num_classes, x))  # (N, H*W)
        return F.concatenate([x, F.reshape(rows, len(x), 1, *x.shape[2:])], 1)


def check_image_shape(image_shape: tuple[int, int, int]) -> int:
    """Return how often the networks double or halve images (C, H, W); raise ValueError for other sizes."""
    fits = "images of 28x28 or 32x32 with C=1 (grey) or C=3 (RGB) fit"
    if len(image_shape) != 3:
        raise ValueError(f"image_shape must be (C, H, W), got {image_shape}: {fits}")
    C, H, W = image_shape
    if H != W or H not in DOUBLINGS or C not in (1, 3):
        raise ValueError(f"DCGAN has no networks for images (C, H, W)=({C}, {H}, {W}): {fits}")
    return DOUBLINGS[H]


def count_halvings(image_shape: tuple[int, int, int], convolutions: int | None) -> int:
    """Return how many convolutions D has; raise ValueError if so many halvings leave less than one pixel."""
    usual = check_image_shape(image_shape)
    if convolutions is None:
        return usual
    most = image_shape[1].bit_length() - 1  # 28 -> 14 -> 7 -> 3 -> 1
    if not 1 <= convolutions <= most:
        raise ValueError(f"{convolutions} convolutions for images {image_shape}: 1 to {most} fit")
    return convolutions
