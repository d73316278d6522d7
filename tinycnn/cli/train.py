"""``tinycnn train``: train a network and leave weights, history and pictures in a run folder."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import memory, metrics, plot
from tinycnn.data import DataLoader
from tinycnn.fit import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochReport,
    Evaluation,
    ProgressBar,
    evaluate,
    fit,
    load_checkpoint,
)
from tinycnn.models import MODELS
from tinycnn.storage import save_weights, write_atomically

from .common import CHECKPOINT, WEIGHTS, FailedRun, Say, add_backend, integer, number
from .run_folder import csv_of, new_folder, refuse_taken, resumed_settings
from .settings import OPTIMIZERS, SCHEDULES, Run, Settings, build_run

HELP = "train a network; by default the documented cnn28 on the embedded digits"
EXAMPLE = "tinycnn train --data mnist --epochs 5 --out runs/mnist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options. None stands for "not given": a resumed run then keeps its own."""
    d = Settings()
    add = parser.add_argument
    add("--data", help=f"digits, mnist, fashion-mnist, or a folder of images (default: {d.data})")
    add("--model", choices=MODELS, help=f"the network (default: {d.model})")
    add("--epochs", type=integer(1), help=f"passes over the data (default: {d.epochs})")
    add("--batch-size", type=integer(1), help=f"images a step (default: {d.batch_size})")
    add("--lr", type=number(0, included=False), help=f"highest learning rate (default: {d.lr:g})")
    add("--optimizer", choices=OPTIMIZERS, help=f"update rule (default: {d.optimizer})")
    add("--schedule", choices=SCHEDULES, help=f"course of the learning rate (default: {d.schedule})")
    add("--weight-decay", type=number(0), help="L2 penalty, l2/2 * sum theta^2 (default: 0)")
    add("--l1", type=number(0), help="L1 penalty, l1 * sum |theta| (default: 0)")
    add("--shift", type=integer(0), help=f"random shifts by up to so many pixels (default: {d.shift})")
    add("--rotate", type=number(0), help="random rotations by up to so many degrees (default: 0)")
    add("--flip", action="store_true", default=None, help="random left-right flips")
    add(
        "--patience",
        type=integer(0),
        help="hold out a tenth of the training data, and stop when its loss has not improved for so many "
        "epochs (default: 0, off)",
    )
    add("--seed", type=integer(0), help="of weights, order and augmentation (default: 0)")
    add_backend(parser)
    add("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped, from its checkpoint")
    add("--out", type=Path, help="run folder (default: a new one in runs/)")


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Train, evaluate, and fill the run folder."""
    memory.keep_freed()
    given = Settings.given(args)
    with _backend.using(args.backend or _backend.current()):
        if args.resume is None:
            settings = replace(Settings(), **given)
            folder = args.out or new_folder(f"{settings.model}-{Path(settings.data).name}")
            refuse_taken(folder)
        else:
            folder = args.resume
            settings = resumed_settings(Settings, folder, given, args.out)
        prepared = build_run(settings)
        if args.resume is not None:
            load_checkpoint(folder / CHECKPOINT, prepared.training)
        return _train(prepared, folder, say, progress=not args.json)


def _train(prepared: Run, folder: Path, say: Say, progress: bool) -> dict[str, Any]:
    settings, training = prepared.settings, prepared.training
    folder.mkdir(parents=True, exist_ok=True)
    say(
        f"{settings.model}, {sum(p.numel() for p in training.model.parameters()):,} parameters, on "
        f"{prepared.train.name}: {len(prepared.train):,} training and {len(prepared.test):,} test images, "
        f"{len(prepared.train.classes)} classes"
    )
    first = prepared.train.subset(np.arange(min(25, len(prepared.train))))
    samples = plot.sample_grid(first.scaled(np.arange(len(first))), first.labels, first.classes)
    plot.save(samples, folder / "samples.png")
    callbacks: list[Callback] = [ProgressBar()] if progress else []
    callbacks.append(EpochReport(say))
    if settings.patience:
        callbacks.append(EarlyStopping("val_loss", settings.patience))
    callbacks.append(Checkpoint(folder / CHECKPOINT, prepared.config))
    fit(training, callbacks)
    if training.stop.startswith("interrupted"):
        raise FailedRun(
            f"{training.stop} after {training.epoch} of {training.epochs} epochs and {training.batch} "
            f"batches; saved: {folder / CHECKPOINT}; go on with: tinycnn train --resume {folder}"
        )
    if training.stop:
        say(f"stopped early: {training.stop}")
    result = evaluate(training.model, DataLoader(prepared.test, 256))
    _save_results(prepared, result, folder)
    say(f"test accuracy {result.accuracy:.2%} ({len(prepared.test):,} images)")
    say(f"weights, history and pictures are in {folder}/")
    return {
        "run": str(folder),
        "accuracy": result.accuracy,
        "loss": result.loss,
        "epochs": training.epoch,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "seconds": sum(record["seconds"] for record in training.history),
        "history": training.history,
    }


def _save_results(prepared: Run, result: Evaluation, folder: Path) -> None:
    training, test = prepared.training, prepared.test
    save_weights(folder / WEIGHTS, training.model, prepared.config)
    write_atomically(folder / "history.csv", csv_of(training.history).encode())
    plot.save(plot.learning_curve(training.history), folder / "learning_curve.png")
    matrix = metrics.confusion_matrix(result.labels, result.predictions, len(test.classes))
    plot.save(plot.confusion_matrix(matrix, test.classes), folder / "confusion_matrix.png")
    images = test.scaled(np.arange(len(test)))
    grid = plot.prediction_grid(images, result.labels, result.probabilities, test.classes)
    plot.save(grid, folder / "predictions.png")
