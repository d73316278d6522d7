"""A small random search over learning rate and weight decay that never looks at the test images.

Trial t draws both from a generator seeded with (seed, t). So a search that was stopped goes on as if it had
not been, and one with more trials begins with the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.data import Dataset, stratified_split
from tinycnn.fit import ClassifierSettings, DivergedError, RunError, StoppedRun, fit
from tinycnn.fit.classifier import load_settings_data, make_training
from tinycnn.fit.settings import SEED, Settings, option
from tinycnn.schema import AnyNumber, Fields, Integer, ListOf, Number, OrNothing, plain
from tinycnn.storage import FileError, read_json, write_atomically

from .folds import folds_of

TRIALS = "trials.json"
MOST_BYTES = 10_000_000  # of that file
HELD_OUT = 0.2  # of the training data, without folds

TRIAL = Fields(
    {"lr": Number(0, included=False), "weight_decay": Number(0), "scores": ListOf(OrNothing(AnyNumber()))}
)


@dataclass(frozen=True)
class TuneSettings(Settings):
    """What is searched, and how."""

    trials: int = option(12, Integer(1, 10_000), "how many pairs of learning rate and weight decay to try")
    folds: int = option(
        0, Integer(0, 100), "score each by cross-validation with so many folds; 0: by a fifth held out once"
    )
    lowest_lr: float = option(3e-4, Number(0, included=False), "smallest learning rate")
    highest_lr: float = option(3e-2, Number(0, included=False), "largest learning rate")
    lowest_decay: float = option(1e-6, Number(0, included=False), "smallest weight decay that is not 0")
    highest_decay: float = option(1e-2, Number(0, included=False), "largest weight decay")
    search_seed: int = option(0, SEED, "of the search, and of what is held out")

    def __post_init__(self) -> None:
        """Check the fields, and the order of the limits."""
        super().__post_init__()
        for low, high in (("lowest_lr", "highest_lr"), ("lowest_decay", "highest_decay")):
            if getattr(self, low) > getattr(self, high):
                raise RunError(f"{low}={getattr(self, low):g} is above {high}={getattr(self, high):g}")
        if self.folds == 1:
            raise RunError("folds: 1 fold would leave nothing to train on; 0 holds out a fifth once")

    def draw(self, trial: int) -> tuple[float, float]:
        """Return learning rate and weight decay of a trial, log-uniform; one trial in four decays nothing."""
        rng = np.random.default_rng([self.search_seed, trial])
        lr = np.exp(rng.uniform(np.log(self.lowest_lr), np.log(self.highest_lr)))
        decay = np.exp(rng.uniform(np.log(self.lowest_decay), np.log(self.highest_decay)))
        return float(f"{lr:.3g}"), 0.0 if rng.random() < 0.25 else float(f"{decay:.3g}")


@dataclass
class Trial:
    """One pair of values, and its accuracy on each part that was held out; None if training diverged."""

    lr: float
    weight_decay: float
    scores: list[float | None]

    @property
    def mean(self) -> float:
        """The mean accuracy; 0 if a training diverged."""
        return float(np.mean([score or 0.0 for score in self.scores])) if self.scores else 0.0


class Search:
    """The search: `run` fills `trials`, and saves them in the folder after every training.

    Parameters
    ----------
    settings
        Of each training; learning rate and weight decay are replaced.
    search
        What is searched.
    folder
        Where ``trials.json`` is kept; if there is one, the search goes on.

    Raises
    ------
    RunError
        If the data do not fit, or the folder's search began with other settings. More trials are allowed.
    ValueError
        If the file is damaged.
    """

    def __init__(self, settings: ClassifierSettings, search: TuneSettings, folder: str | Path) -> None:
        if settings.patience:
            raise RunError("patience: a search trains each trial for all epochs")
        self.settings, self.search, self.folder = settings, search, Path(folder)
        self.trials = self._saved()
        train, _ = load_settings_data(settings)  # the test images are not used
        seed = search.search_seed
        if search.folds:
            self.parts = list(folds_of(train, search.folds, seed))
        else:
            self.parts = [stratified_split(train, HELD_OUT, seed)]

    @property
    def best(self) -> Trial:
        """The complete trial with the highest mean accuracy; of equal ones the first."""
        complete = [trial for trial in self.trials if len(trial.scores) == len(self.parts)]
        if not complete:
            raise RunError("no trial is complete")
        return max(complete, key=lambda trial: trial.mean)

    def run(self, say: Callable[[str], None] = print) -> Trial:
        """Do the trials that are missing, and return the best.

        Raises StoppedRun if Ctrl-C or another signal stopped it; trials so far are saved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.search.trials):
            if number == len(self.trials):
                self.trials.append(Trial(*self.search.draw(number), scores=[]))
            trial = self.trials[number]
            before = len(trial.scores)
            for rest, held_out in self.parts[before:]:
                trial.scores.append(self._score(trial, rest, held_out))
                self._save()
            again = " (done before)" if before == len(self.parts) else ""
            say(f"trial {number + 1}/{self.search.trials}  {self.line(trial)}{again}")
        return self.best

    def line(self, trial: Trial) -> str:
        """Return a trial as a line."""
        text = f"lr {trial.lr:<8.3g} weight decay {trial.weight_decay:<8.3g} held out {trial.mean:.2%}"
        scores = [score for score in trial.scores if score is not None]
        if len(scores) > 1:
            text += f" ± {np.std(scores, ddof=1):.2%}"
        return text + (" (diverged)" if None in trial.scores else "")

    def _score(self, trial: Trial, rest: Dataset, held_out: Dataset) -> float | None:
        """Return the accuracy on `held_out` after training on `rest`; None if it diverged."""
        settings = replace(self.settings, lr=trial.lr, weight_decay=trial.weight_decay)
        training = make_training(settings, rest, held_out)
        try:
            fit(training)
        except DivergedError:
            return None
        if training.interrupted:
            raise StoppedRun(
                f"{training.stop} in trial {len(self.trials)}; the trainings before it are saved in "
                f"{self.folder / TRIALS}; the same command goes on"
            )
        return training.history[-1]["val_accuracy"]

    def _config(self) -> dict[str, Any]:
        """Return what must be the same if a search goes on."""
        return {"training": self.settings.as_dict(), "search": {**self.search.as_dict(), "trials": None}}

    def _save(self) -> None:
        content = {"config": self._config(), "trials": [asdict(trial) for trial in self.trials]}
        write_atomically(self.folder / TRIALS, json.dumps(content, indent=1).encode())

    def _saved(self) -> list[Trial]:
        """Return the trials in the folder; raise RunError if they are of another search."""
        path = self.folder / TRIALS
        if not path.exists():
            return []
        try:
            content = read_json(path, MOST_BYTES)
            known = Fields({"trials": ListOf(TRIAL)}).check(content)
            config = content.get("config")
        except ValueError as error:
            raise FileError(f"{path} holds no search: {plain(error, 500)}") from error
        if config != self._config():
            raise RunError(f"{path} is of a search with other settings or data: choose another --out")
        return [Trial(**trial) for trial in known["trials"]]
