"""The run of a classifier: data, network and training from settings; at the end weights and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import tinycnn
from tinycnn import data, metrics, models, plot
from tinycnn.data import NAMED, Augment, DataLoader, Dataset
from tinycnn.schema import plain
from tinycnn.storage import save_weights

from .callbacks import Callback, EarlyStopping
from .evaluation import Evaluation, evaluate
from .folder import WEIGHTS
from .run import Run
from .settings import MOST_CLASSES, ClassifierSettings, RunError
from .training import Training

TEST_BATCH = 256


class ClassifierRun(Run[ClassifierSettings, Training, Evaluation]):
    """The run of a classifier.

    ::

        run = ClassifierRun.new(data="digits", epochs=5)
        result = run.train()                               # weights, history and pictures in run.folder
        ClassifierRun.resume(run.folder)                   # after Ctrl-C: the weights end up the same
    """

    kind = ClassifierSettings
    command = "train"

    @classmethod
    def build(cls, settings: ClassifierSettings) -> Self:
        """Return a new run, without writing anything; the same settings give the same numbers."""
        train, test = load_settings_data(settings)
        train, held_out = training_part(train, settings.patience, settings.seed)
        return cls(settings, make_training(settings, train, held_out or test), train, test)

    def name(self) -> str:
        return f"{self.settings.model}-{Path(self.settings.data).name}"

    def describe(self) -> str:
        parameters = sum(p.numel() for p in self.training.model.parameters())
        return (
            f"{self.settings.model}, {parameters:,} parameters, on {plain(self.train_data.name)}: "
            f"{len(self.train_data):,} training and {len(self.test_data):,} test images, "
            f"{len(self.train_data.classes)} classes"
        )

    def callbacks(self, folder: Path, say: Callable[[str], None]) -> list[Callback]:
        if not self.settings.patience:
            return []
        self.stopping = EarlyStopping("val_loss", self.settings.patience, restore_best=True)
        return [self.stopping]

    def save_results(self, folder: Path, config: dict[str, Any], say: Callable[[str], None]) -> Evaluation:
        """Write weights and pictures, and return how good the network is on the test data."""
        training, train, test = self.training, self.train_data, self.test_data
        if training.stop:
            say(f"stopped early: {training.stop}")
        if self.settings.patience:
            best = self.stopping.best_epoch
            say(f"the weights are those of epoch {best}, which has the least loss on the images held out")
        result = evaluate(training.model, DataLoader(test, TEST_BATCH))
        save_weights(folder / WEIGHTS, training.model, config)
        first = train.subset(slice(0, 25))
        samples = plot.sample_grid(first.scaled(slice(None)), first.labels, train.classes)
        plot.save(samples, folder / "samples.png")
        plot.save(plot.learning_curve(training.history), folder / "learning_curve.png")
        matrix = metrics.confusion_matrix(result.labels, result.predictions, len(test.classes))
        plot.save(plot.confusion_matrix(matrix, test.classes), folder / "confusion_matrix.png")
        images = test.scaled(slice(None))
        grid = plot.prediction_grid(images, result.labels, result.probabilities, test.classes)
        plot.save(grid, folder / "predictions.png")
        say(f"test accuracy {result.accuracy:.2%} ({len(test):,} images)")
        say(f"weights, history and pictures are in {folder}/")
        return result


def make_training(settings: ClassifierSettings, train: Dataset, held_out: Dataset) -> Training:
    """Return the training of a new network of these settings; the same settings give the same numbers."""
    tinycnn.manual_seed(settings.seed)
    model = models.build(settings.model, len(train.classes))
    augment = Augment(shift=settings.shift, rotate=settings.rotate, flip=settings.flip)
    loader = DataLoader(train, settings.batch_size, shuffle=True, augment=augment, seed=settings.seed)
    optimizer = settings.make_optimizer(model)
    schedule = settings.make_schedule(optimizer, len(loader))
    return Training(model, loader, optimizer, settings.epochs, DataLoader(held_out, TEST_BATCH), schedule)


def training_part(train: Dataset, patience: int, seed: int) -> tuple[Dataset, Dataset | None]:
    """Return the training data, and the part held out to decide when to stop, None without a patience.

    If the test data decided, their result would be too good. So a tenth of the training data is held out.
    """
    return data.stratified_split(train, 0.1, seed) if patience else (train, None)


def load_settings_data(settings: ClassifierSettings) -> tuple[Dataset, Dataset]:
    """Return the training and test data that settings name; see `load_data`."""
    return load_data(settings.data, models.INPUT_SHAPES[settings.model])


def kind_of_data(source: str) -> str:
    """Return what `data.kind_of` does; raise RunError if there are no such data."""
    if source not in NAMED and not Path(source).is_dir():
        raise RunError(f"data {plain(source, 200)}: no such folder; there are also {', '.join(NAMED)}")
    return data.kind_of(source)


def load_data(source: str, image_shape: tuple[int, int, int]) -> tuple[Dataset, Dataset]:
    """Return training and test data with images (C, H, W) = `image_shape`; pictures are resized to it.

    Raises RunError if there are no such data, their images have another shape, or there are too many classes.
    """
    resize = kind_of_data(source) == "pictures"
    size, channels = (image_shape[1:], image_shape[0]) if resize else (None, None)
    train, test = data.load(source, size=size, channels=channels)
    if train.image_shape != image_shape:
        fits = [name for name, shape in models.INPUT_SHAPES.items() if shape == train.image_shape]
        raise RunError(
            f"the network takes images (C, H, W)={image_shape}, {plain(source, 200)} has "
            f"{train.image_shape}; models that fit: {', '.join(fits) or 'none'}"
        )
    if len(train.classes) > MOST_CLASSES:
        raise RunError(
            f"data {plain(source, 200)}: K={len(train.classes):,} classes; at most {MOST_CLASSES:,} fit: "
            "tables and pictures have K x K cells"
        )
    return train, test
