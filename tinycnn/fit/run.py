"""A run: data, network and training made from settings, in a folder with checkpoints and results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from tinycnn.data import Dataset
from tinycnn.schema import Fields, Integer, ListOf, Text, plain
from tinycnn.storage import FileError, remove_parts, write_atomically

from .callbacks import Callback, EpochReport, ProgressBar
from .checkpoint import Checkpoint, Contents, read_checkpoint, restore, save_checkpoint
from .folder import CHECKPOINT, HISTORY, csv_of, fingerprint, new_folder, refuse_taken
from .loop import fit
from .settings import MOST_CLASSES, DifferentSettings, MissingRun, RunError, Settings
from .trainable import Trainable

AnySettings = TypeVar("AnySettings", bound=Settings)
AnyTraining = TypeVar("AnyTraining", bound=Trainable)
Result = TypeVar("Result")

CLASSES = ListOf(Text(1000), 1, MOST_CLASSES)
PICTURES = Fields({"count": Integer(1), "crc32": Text(8)})


class StoppedRun(Exception):  # noqa: N818 (it is no error)
    """A signal stopped a run; the message says what is saved and how to go on."""


class Run(ABC, Generic[AnySettings, AnyTraining, Result]):
    """A run and its folder; `new` and `resume` make one, `train` runs it to its end.

    Attributes
    ----------
    settings, training
        What it is made from, and what `fit` trains.
    train_data, test_data
        What it is trained on, and what is held back.
    folder
        Where everything is written. If it is None, `train` makes a new folder in runs/.
    notes
        Reasons why the weights of a resumed run may differ from those of a run that never stopped.
    """

    kind: ClassVar[type[Settings]]
    command: ClassVar[str]  # the command of tinycnn that resumes such a run

    def __init__(
        self, settings: AnySettings, training: AnyTraining, train_data: Dataset, test_data: Dataset
    ) -> None:
        self.settings, self.training = settings, training
        self.train_data, self.test_data = train_data, test_data
        self.folder: Path | None = None
        self.notes: list[str] = []
        self._claimed = False

    @classmethod
    @abstractmethod
    def build(cls, settings: Any) -> Self:
        """Return a new run, without writing anything; the same settings give the same numbers."""

    @classmethod
    def new(cls, folder: str | Path | None = None, **settings: Any) -> Self:
        """Return a run that has not begun.

        Parameters
        ----------
        folder
            Where to write; by default a new folder in runs/.
        settings
            The settings that differ from their defaults.

        Raises
        ------
        RunError
            If a setting is out of range, the data do not fit, or there is a run in the folder.
        """
        chosen = cls.kind(**settings)
        if folder is not None:
            refuse_taken(Path(folder))
        run = cls.build(chosen)
        run.folder = None if folder is None else Path(folder)
        return run

    @classmethod
    def resume(cls, folder: str | Path, **given: Any) -> Self:
        """Return the run in a folder, continued from its checkpoint.

        Parameters
        ----------
        folder
            The run folder.
        given
            Settings that the run must have begun with.

        Raises
        ------
        RunError
            If there is no run, it began with other settings, or the data have changed since.
        ValueError
            If the checkpoint is damaged, or is not of such a run.
        """
        folder = Path(folder)
        path = folder / CHECKPOINT
        if not path.is_file():
            raise MissingRun(f"no run to resume in {folder}: there is no {CHECKPOINT} in it")
        contents = read_checkpoint(path)
        try:
            settings = cls.kind.of(contents.config)
            config = Fields({"classes": CLASSES}, {"pictures": PICTURES}).check(contents.config)
            cls.check_size(settings, config["classes"], contents)
        except ValueError as error:
            raise FileError(f"{path}: its config: {plain(error, 2000)}") from error
        differing = settings.differing(given)
        if differing:
            raise DifferentSettings(folder, differing)
        run = cls.build(settings)
        run.folder, run._claimed = folder, True
        run._refuse_other_data(config)
        run.notes = restore(path, contents, run.training)
        return run

    @classmethod
    def check_size(cls, settings: Any, classes: Sequence[str], contents: Contents) -> None:
        """Raise ValueError if networks of these settings would need far more memory than the checkpoint's."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """Facts that are saved with the weights, so that they can be used without this run."""
        return {
            **self.settings.as_dict(),
            "classes": list(self.train_data.classes),
            "pictures": fingerprint(self.train_data),
        }

    def _refuse_other_data(self, config: dict[str, Any]) -> None:
        """Raise RunError if the classes or pictures have changed since the run began."""
        data, before, now = self.train_data.name, config["classes"], list(self.train_data.classes)
        if before != now:
            raise RunError(
                f"{self.folder}: the checkpoint is of K={len(before)} classes ({names_of(before)}), "
                f"{plain(data)} has K={len(now)} now ({names_of(now)})"
            )
        pictures = config.get("pictures")
        if pictures is not None and pictures != self.config["pictures"]:
            raise RunError(
                f"{self.folder}: the training pictures of {plain(data)} have changed since the run "
                f"began (N={pictures['count']:,} then, N={len(self.train_data):,} now): begin a new run"
            )

    def train(self, say: Callable[[str], None] = print, progress: bool = True) -> Result:
        """Train to the end, and fill the folder.

        Parameters
        ----------
        say
            Takes each line of the report.
        progress
            Whether to show a progress bar, if stderr is a terminal.

        Raises
        ------
        RunError
            If another run took the folder in the meantime.
        StoppedRun
            If Ctrl-C or another signal stopped it; it can be resumed.
        DivergedError
            If the loss became NaN or infinite; the last checkpoint stays.
        """
        folder, config = self._claim(), self.config
        for note in self.notes:
            say(f"note: {note}")
        say(self.describe())
        saving = Checkpoint(folder / CHECKPOINT, config, begin=False)
        shown = [*([ProgressBar()] if progress else []), EpochReport(say)]
        fit(self.training, [*self.callbacks(folder, say), saving, *shown])
        if self.training.interrupted:
            raise StoppedRun(
                f"{self.training.stop} after {self.training.epoch} of {self.training.epochs} epochs and "
                f"{self.training.batch} batches; saved: {folder / CHECKPOINT}; go on with: "
                f"tinycnn {self.command} --resume {folder}"
            )
        write_atomically(folder / HISTORY, csv_of(self.training.history).encode())
        return self.save_results(folder, config, say)

    def _claim(self) -> Path:
        """Make the folder this run's own: no other run can begin in it."""
        if self.folder is None:
            self.folder = new_folder(self.name())
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_parts(self.folder)
        if not self._claimed:
            try:
                path = self.folder / CHECKPOINT
                save_checkpoint(path, self.training, self.config, begun=False, new=True)
            except FileExistsError:
                refuse_taken(self.folder)
                raise
        self._claimed = True
        return self.folder

    @abstractmethod
    def name(self) -> str:
        """Return what a new folder for it is called."""

    @abstractmethod
    def describe(self) -> str:
        """Return one line: which network is trained on which data."""

    def callbacks(self, folder: Path, say: Callable[[str], None]) -> list[Callback]:
        """Return further callbacks of the training."""
        return []

    @abstractmethod
    def save_results(self, folder: Path, config: dict[str, Any], say: Callable[[str], None]) -> Result:
        """Write weights and pictures at the end, and return the result."""


def names_of(classes: Sequence[str], longest: int = 20) -> str:
    """Return the names of classes for a message, each shortened, at most the first ten."""
    listed = ", ".join(plain(name, longest) for name in classes[:10])
    return listed + ", …" * (len(classes) > 10)
