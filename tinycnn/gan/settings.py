"""Settings of a GAN's run."""

from dataclasses import dataclass

from tinycnn.fit.settings import SEED, Settings, option
from tinycnn.schema import Choice, Flag, Integer, Number, Text

from .losses import LOSSES

SCHEDULES = ("cosine", "constant")
FRACTION = Number(0, below=1)
WIDTH = Integer(1, 256)
# The settings of a plain DCGAN: nothing is added to the step in tinycnn/gan/step.py, nor to the generator.
PLAIN = {"g_kinds": 0, "class_weight": 0.0, "ema": 0.0, "shift": 0}


@dataclass(frozen=True)
class GanSettings(Settings):
    """Settings of a GAN's run; the defaults are for the embedded digits."""

    data: str = option("digits", Text(), "digits, mnist, fashion-mnist, or a folder of images")
    conditional: bool = option(False, Flag(), "tell both networks the class")
    loss: str = option("non-saturating", Choice(tuple(LOSSES)), "what the two minimise")
    epochs: int = option(15, Integer(1), "passes over the data")
    batch_size: int = option(64, Integer(2), "images per step")
    g_lr: float = option(3e-3, Number(0, included=False), "highest learning rate of G")
    d_lr: float = option(6e-4, Number(0, included=False), "highest learning rate of D")
    schedule: str = option("cosine", Choice(SCHEDULES), "course of both learning rates")
    smoothing: float = option(0.0, FRACTION, "real images count as 1 minus this")
    shift: int = option(0, Integer(0), "D sees all images moved by up to so many pixels")
    class_weight: float = option(
        1.0,
        Number(0),
        "unless conditional, D also learns to name the classes of real images, and G to make images that D "
        "can name, with this weight; 0: no label is used",
    )
    latent: int = option(16, Integer(1, 1000), "numbers z that an image is made from")
    g_width: int = option(32, WIDTH, "channels of G's last but one layer")
    g_kinds: int = option(
        10,
        Integer(0, 1000),
        "so many further numbers z only choose a kind of image: the largest does; unless conditional",
    )
    d_width: int = option(32, WIDTH, "channels of D's first layer")
    d_layers: int = option(3, Integer(1, 5), "strided convolutions of D")
    ema: float = option(0.995, FRACTION, "decay of the average of G's weights; 0: samples come from G itself")
    seed: int = option(0, SEED, "of weights, order and noise")
