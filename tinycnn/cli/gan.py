"""``tinycnn gan``: train a GAN and leave its networks, samples, an animation and curves in a run folder."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import memory, plot
from tinycnn.fit import Callback, Checkpoint, EpochReport, ProgressBar, fit, load_checkpoint, read_checkpoint
from tinycnn.gan import LOSSES, Watch, pictures, sample, save_networks
from tinycnn.pictures import save_png
from tinycnn.storage import write_atomically

from .common import CHECKPOINT, FailedRun, Say, add_backend, integer, number
from .gan_settings import SCHEDULES, GanRun, GanSettings, build_gan, resumed_gan
from .run_folder import csv_of, new_folder, refuse_taken, resumed_settings

HELP = "train a GAN; by default DCGAN on the embedded digits"
EXAMPLE = "tinycnn gan --data mnist --conditional --epochs 10"

FRAMES = 40  # of the animation, about


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options. None stands for "not given": a resumed run then keeps its own."""
    d = GanSettings()
    add = parser.add_argument
    add("--data", help=f"digits, mnist, fashion-mnist, or a folder of images (default: {d.data})")
    add("--conditional", action="store_true", default=None, help="tell both networks the class")
    add("--loss", choices=LOSSES, help=f"what the two minimise (default: {d.loss})")
    add("--epochs", type=integer(1), help=f"passes over the data (default: {d.epochs})")
    add("--batch-size", type=integer(2), help=f"images a step (default: {d.batch_size})")
    add("--g-lr", type=number(0, included=False), help=f"highest learning rate of G (default: {d.g_lr:g})")
    add("--d-lr", type=number(0, included=False), help=f"highest learning rate of D (default: {d.d_lr:g})")
    add("--schedule", choices=SCHEDULES, help=f"course of both learning rates (default: {d.schedule})")
    add("--smoothing", type=fraction, help="real images count as 1 minus this (default: 0)")
    add(
        "--shift",
        type=integer(0),
        help=f"D sees all images moved by up to so many pixels (default: {d.shift})",
    )
    add(
        "--class-weight",
        type=number(0),
        help="unless conditional, D also learns to name the classes of real images, and G to make images "
        f"that D can name, with this weight; 0: no label is used (default: {d.class_weight:g})",
    )
    add("--latent", type=integer(1), help=f"numbers z that an image is made from (default: {d.latent})")
    add("--g-width", type=integer(1), help=f"channels of G's last but one layer (default: {d.g_width})")
    add(
        "--g-kinds",
        type=integer(0),
        help="so many further numbers z only choose a kind of image: the largest does; unless conditional "
        f"(default: {d.g_kinds})",
    )
    add("--d-width", type=integer(1), help=f"channels of D's first layer (default: {d.d_width})")
    add("--d-layers", type=integer(1), help=f"strided convolutions of D (default: {d.d_layers})")
    add("--ema", type=fraction, help=f"decay of the average of G's weights (default: {d.ema:g})")
    add("--seed", type=integer(0), help="of weights, order and noise (default: 0)")
    add_backend(parser)
    add("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped, from its checkpoint")
    add("--out", type=Path, help="run folder (default: a new one in runs/)")


def fraction(text: str) -> float:
    """Return a number in [0, 1)."""
    value = number(0)(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text} is not below 1")
    return value


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Train, and fill the run folder."""
    memory.keep_freed()
    given = GanSettings.given(args)
    with _backend.using(args.backend or _backend.current()):
        if args.resume is None:
            settings = replace(GanSettings(), **given)
            folder = args.out or new_folder(_name(settings))
            refuse_taken(folder)
            prepared = build_gan(settings)
        else:
            folder = args.resume
            settings = resumed_settings(GanSettings, folder, given, args.out)
            _, _, config = read_checkpoint(folder / CHECKPOINT)
            prepared = resumed_gan(settings, config, folder)
            load_checkpoint(folder / CHECKPOINT, prepared.training)
        return _train(prepared, folder, say, progress=not args.json)


def _name(settings: GanSettings) -> str:
    return f"{'cgan' if settings.conditional else 'gan'}-{Path(settings.data).name}"


def _train(prepared: GanRun, folder: Path, say: Say, progress: bool) -> dict[str, Any]:
    training = prepared.training
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [sum(p.numel() for p in network.parameters()) for network in (training.G, training.D)]
    say(
        f"{'conditional ' if training.conditional else ''}DCGAN, {sizes[0]:,} parameters in G and "
        f"{sizes[1]:,} in D, {training.loss} loss, on {prepared.train.name}: {len(prepared.train):,} images"
    )
    every = max(training.epochs * len(training.train) // FRAMES, 1)
    watch = Watch(lambda sentence: say(f"warning: {sentence}"))
    callbacks: list[Callback] = [ProgressBar()] if progress else []
    callbacks += [EpochReport(say), watch, pictures.SampleGrids(folder, every)]
    callbacks.append(Checkpoint(folder / CHECKPOINT, prepared.config))
    fit(training, callbacks)
    if training.stop:
        raise FailedRun(
            f"{training.stop} after {training.epoch} of {training.epochs} epochs and {training.batch} "
            f"batches; saved: {folder / CHECKPOINT}; go on with: tinycnn gan --resume {folder}"
        )
    _save_results(prepared, folder)
    say(f"networks, samples, curves and an animation are in {folder}/; measure: tinycnn gan-score {folder}")
    return {
        "run": str(folder),
        "epochs": training.epoch,
        "steps": training.steps,
        "parameters": {"G": sizes[0], "D": sizes[1]},
        "seconds": sum(record["seconds"] for record in training.history),
        "findings": [{"name": finding.name, "says": str(finding)} for finding in watch.findings],
        "history": training.history,
    }


def _save_results(prepared: GanRun, folder: Path) -> None:
    training, G = prepared.training, prepared.training.average.model
    save_networks(folder, G, training.D, prepared.config)
    write_atomically(folder / "history.csv", csv_of(training.history).encode())
    plot.save(pictures.loss_curves(training), folder / "losses.png")
    save_png(pictures.sample_grid(G), folder / "samples.png", pictures.ZOOM)
    pictures.save_animation(folder)
    save_png(pictures.interpolations(G), folder / "interpolation.png", pictures.ZOOM)
    if training.conditional:
        save_png(pictures.classes_by_styles(G), folder / "classes.png", pictures.ZOOM)
    z, labels = pictures.fixed_noise(G, rows=2)
    train, held_out = prepared.train, prepared.test.scaled(slice(0, 500))
    figure = pictures.neighbours(sample(G, z, labels), train.scaled(np.arange(len(train))), held_out)
    plot.save(figure, folder / "nearest.png")
