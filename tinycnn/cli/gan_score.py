"""``tinycnn gan-score``: how good a generator is, in numbers, each beside what real images get."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import memory, plot
from tinycnn.fit import EpochReport, fit
from tinycnn.gan import load_generator, sample
from tinycnn.gan.score import Report, measure
from tinycnn.gan.score.report import LEAST_SHARE, coverage_chart
from tinycnn.nn import Sequential
from tinycnn.storage import save_weights
from tinycnn.tensor import Tensor

from .common import Say, WrongUse, add_backend, integer
from .gan_settings import load_gan_data
from .run_folder import load_model
from .settings import Settings, build_run

HELP = "measure a trained generator: 1-NN test, Frechet distance, coverage, Parzen window"
EXAMPLE = "tinycnn gan-score runs/gan-digits --samples 2000"

MODEL, IMAGE_SHAPE = "cnn28", (1, 28, 28)
CLASSIFIER = "classifier.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="run folder of tinycnn gan")
    add("--samples", type=integer(2), help="images to generate (default: 10,000, or what the data allow)")
    add(
        "--classifier",
        type=Path,
        metavar="RUN",
        help="trained cnn28 to judge with, from tinycnn train (default: one is trained, and kept in RUN)",
    )
    add("--seed", type=integer(0), default=0, help="of the samples (default: 0)")
    add_backend(parser)


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Generate, measure, print the table, and draw the class coverage."""
    memory.keep_freed()
    folder = args.run_folder
    with _backend.using(args.backend or _backend.current()):
        try:
            G, config = load_generator(folder)
        except FileNotFoundError as error:
            raise WrongUse(f"{folder}: there is no trained generator ({error})") from error
        train, test = load_gan_data(config["data"], conditional=True)
        if list(train.classes) != config["classes"]:
            raise WrongUse(
                f"{folder} is of K={len(config['classes'])} classes, {config['data']} has "
                f"K={len(train.classes)} now"
            )
        if G.image_shape != IMAGE_SHAPE:
            raise WrongUse(f"{folder} makes images (C, H, W)={G.image_shape}; {MODEL} judges {IMAGE_SHAPE}")
        classifier = _classifier(args.classifier, folder, config, say)
        N = args.samples or min(10_000, len(train) - min(1000, len(train) // 10))
        z = np.random.default_rng(args.seed).standard_normal((N, G.latent), np.float32)
        labels = np.arange(N) % G.num_classes if G.num_classes else None
        report = measure(sample(G, Tensor(z), labels), labels, classifier, train, test, args.seed)
    for line in report.lines():
        say(line)
    say(_verdict(report))
    if folder.is_dir():
        plot.save(coverage_chart(report), folder / "coverage.png")
    return {"run": str(folder), **report.as_dict()}


def _classifier(given: Path | None, folder: Path, config: dict[str, Any], say: Say) -> Sequential:
    """Return the classifier that was given or is kept in the run folder; else train one, and keep it."""
    kept = folder / CLASSIFIER if folder.is_dir() else folder.parent / CLASSIFIER
    if given is None and not kept.is_file():
        say(f"training {MODEL} on {Path(config['data']).name} to judge with:")
        prepared = build_run(Settings(data=config["data"], model=MODEL))
        fit(prepared.training, [EpochReport(say)])
        save_weights(kept, prepared.training.model, prepared.config)
    model, its_config = load_model(given or kept)
    if its_config["model"] != MODEL or its_config["classes"] != config["classes"]:
        raise WrongUse(
            f"{given or kept} is a {its_config['model']} for K={len(its_config['classes'])} classes; the "
            f"judge must be a {MODEL} for K={len(config['classes'])}: {', '.join(config['classes'])}"
        )
    assert isinstance(model, Sequential)
    return model


def _verdict(report: Report) -> str:
    """Return in a sentence whether the generator covers its classes."""
    missing = [
        f"{name} ({share:.1%})"
        for name, share in zip(report.classes, report.generated.coverage, strict=True)
        if share < LEAST_SHARE
    ]
    if missing:
        return f"classes with less than {LEAST_SHARE:.0%} of the samples: {', '.join(missing)}"
    return f"every class has at least {LEAST_SHARE:.0%} of the samples"
