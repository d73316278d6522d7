"""The scores of a GAN's run folder, and the classifier that judges its images."""

from collections.abc import Callable
from pathlib import Path

from tinycnn import plot
from tinycnn.fit.callbacks import EpochReport
from tinycnn.fit.classifier import ClassifierRun
from tinycnn.fit.loop import fit
from tinycnn.fit.run import names_of
from tinycnn.fit.saved import SavedClassifier, load_classifier
from tinycnn.fit.settings import RunError
from tinycnn.gan.run import load_gan_data
from tinycnn.gan.sampling import noise, sample
from tinycnn.gan.saved import load_generator
from tinycnn.schema import plain
from tinycnn.storage import save_weights

from .report import GanReport, coverage_chart, measure

MODEL, IMAGE_SHAPE = "cnn28", (1, 28, 28)
CLASSIFIER = "classifier.safetensors"


def score(
    folder: str | Path,
    samples: int | None = None,
    classifier: str | Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> GanReport:
    """Generate images with the generator of a run folder, measure them, and draw the class coverage there.

    `folder` is the run folder, or the file of a generator. There are 10,000 samples by default, or what the
    data allow. `classifier` is the run folder of a trained cnn28; by default one is trained on the same data,
    and kept beside the generator.

    Raises RunError if there is no generator, its images are no 28x28 grey ones, or the data or the classifier
    have other classes; ValueError if a file is damaged.
    """
    folder = Path(folder)
    G, config = load_generator(folder)
    for name in ("data", "classes"):
        if name not in config:
            raise RunError(f"{folder} does not say which {name} its generator was trained on")
    train, test = load_gan_data(config["data"], conditional=True)
    if list(train.classes) != config["classes"]:
        raise RunError(
            f"{folder} is of K={len(config['classes'])} classes ({names_of(config['classes'])}), "
            f"{plain(config['data'])} has K={len(train.classes)} now ({names_of(train.classes)})"
        )
    if G.image_shape != IMAGE_SHAPE:
        raise RunError(f"{folder} makes images (C, H, W)={G.image_shape}; {MODEL} judges {IMAGE_SHAPE}")
    judge = _judge(classifier, folder, config["data"], config["classes"], say)
    N = samples or min(10_000, len(train) - min(1000, len(train) // 10))
    z, labels = noise(G, N, seed)
    report = measure(sample(G, z, labels), labels, judge.model, train, test, seed)
    if folder.is_dir():
        plot.save(coverage_chart(report), folder / "coverage.png")
    return report


def _judge(
    given: str | Path | None, folder: Path, source: str, classes: list[str], say: Callable[[str], None]
) -> SavedClassifier:
    """Return the classifier that was given or is kept in the run folder; else train one, and keep it."""
    kept = (folder if folder.is_dir() else folder.parent) / CLASSIFIER
    if given is None and not kept.is_file():
        say(f"training {MODEL} on {plain(Path(source).name)} to judge with:")
        run = ClassifierRun.new(data=source, model=MODEL)
        fit(run.training, [EpochReport(say)])
        if run.training.interrupted:
            raise RunError(f"the training of the classifier was {run.training.stop}: begin again")
        save_weights(kept, run.training.model, run.config)
    saved = load_classifier(given or kept)
    if saved.name != MODEL or list(saved.classes) != classes:
        raise RunError(
            f"{given or kept} is a {saved.name} for K={len(saved.classes)} classes; the judge must be a "
            f"{MODEL} for K={len(classes)}: {names_of(classes)}; it knows {names_of(saved.classes)}"
        )
    return saved
