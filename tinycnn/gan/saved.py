"""A GAN's run folder: its two networks as safetensors files, under PyTorch's keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinycnn.nn import Module
from tinycnn.storage import load_weights, save_weights

from .networks import Discriminator, Generator

GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"


def save_networks(folder: Path, G: Generator, D: Discriminator, config: Mapping[str, Any]) -> None:
    """Write both networks, and with each of them how it is made and `config`.

    Raises
    ------
    OSError
        Where they cannot be written.
    """
    for name, network in ((GENERATOR, G), (DISCRIMINATOR, D)):
        save_weights(folder / name, network, {**config, "network": network.options})


def load_generator(run: Path) -> tuple[Generator, dict[str, Any]]:
    """Return the generator of a run folder, or of a file, and its config.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is none; where the file is damaged or holds something else.
    """
    path = run / GENERATOR if run.is_dir() else run
    G, config = _load(path, Generator)
    return G, config


def load_discriminator(run: Path) -> tuple[Discriminator, dict[str, Any]]:
    """Return the discriminator of a run folder, or of a file, and its config; raises as `load_generator`."""
    path = run / DISCRIMINATOR if run.is_dir() else run
    D, config = _load(path, Discriminator)
    return D, config


def _load(path: Path, kind: type[Any]) -> tuple[Any, dict[str, Any]]:
    arrays, config = load_weights(path)
    try:
        options = config["network"]
        network: Module = kind(**{**options, "image_shape": tuple(options["image_shape"])})
        network.load_state_dict(arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no {kind.__name__} of a GAN: {error}") from error
    return network.eval(), config
