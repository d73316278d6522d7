"""A GAN's run folder: its two networks as safetensors files, under PyTorch's keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tinycnn.fit.run import CLASSES
from tinycnn.fit.settings import MissingRun
from tinycnn.fit.state import check_finite
from tinycnn.schema import Fields, Text, plain
from tinycnn.storage import FileError, load_weights, save_weights

from .networks import Discriminator, Generator

GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
Network = TypeVar("Network", Generator, Discriminator)


def save_networks(folder: str | Path, G: Generator, D: Discriminator, config: Mapping[str, Any]) -> None:
    """Write both networks, and with each of them how it is made and `config`; raise OSError if that fails."""
    for file, network in ((GENERATOR, G), (DISCRIMINATOR, D)):
        save_weights(Path(folder) / file, network, {**config, "network": network.options})


def load_generator(run: str | Path) -> tuple[Generator, dict[str, Any]]:
    """Return the generator of a run folder, or of a file, and its config.

    Raises MissingRun if there is none, ValueError if the file is damaged or holds something else.
    """
    return _load(Path(run), GENERATOR, Generator)


def load_discriminator(run: str | Path) -> tuple[Discriminator, dict[str, Any]]:
    """Return the discriminator of a run folder, or of a file, and its config; raises as `load_generator`."""
    return _load(Path(run), DISCRIMINATOR, Discriminator)


def _load(run: Path, name: str, kind: type[Network]) -> tuple[Network, dict[str, Any]]:
    path = run / name if run.is_dir() else run
    if not path.is_file():
        raise MissingRun(f"{run}: there is no trained {kind.__name__.lower()}, no file {name}")
    arrays, config = load_weights(path)
    try:
        known = Fields({"network": kind.OPTIONS}, {"data": Text(), "classes": CLASSES}).check(config)
        options = known.pop("network")
        options["image_shape"] = tuple(options["image_shape"])
        weights, there = kind.size(**options), sum(array.size for array in arrays.values())
        if weights > there:
            raise ValueError(f"a layer of its network has {weights:,} weights, and the file {there:,} in all")
        network = kind(**options)
        check_finite(arrays)
        network.load_state_dict(arrays)
    except (TypeError, ValueError) as error:
        raise FileError(f"{path} holds no {kind.__name__} of a GAN: {plain(error, 2000)}") from error
    network.eval()
    return network, {**config, **known}
