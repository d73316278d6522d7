import json
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.few_digits import write_digits
from tinycnn import plot
from tinycnn.fit import ClassifierSettings, DivergedError, RunError, StoppedRun, classifier
from tinycnn.select import Search, TuneSettings, search_figure, tune


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = write_digits(tmp_path_factory.mktemp("data") / "few", 200)
    return ClassifierSettings(data=folder, model="lenet5", epochs=1, shift=0)


def quiet(text):
    pass


@pytest.fixture
def counted(monkeypatch):
    """How often a network was trained."""
    trained = []

    def fit(training):
        trained.append(training)
        return original(training)

    original = tune.fit
    monkeypatch.setattr(tune, "fit", fit)
    return trained


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(settings, tmp_path, counted, monkeypatch):
    whole = Search(settings, TuneSettings(trials=3), tmp_path / "whole")
    best = whole.run(quiet)
    assert len(counted) == 3
    counted.clear()

    def interrupted(training):
        if len(counted) == 1:
            training.stop = "interrupted by Ctrl-C"
            return None
        return fit(training)

    fit = tune.fit
    with monkeypatch.context() as patch:
        patch.setattr(tune, "fit", interrupted)
        with pytest.raises(StoppedRun, match="interrupted by Ctrl-C in trial 2; the trainings before it"):
            Search(settings, TuneSettings(trials=3), tmp_path / "stopped").run(quiet)
    resumed = Search(settings, TuneSettings(trials=3), tmp_path / "stopped")
    assert resumed.run(quiet) == best
    assert resumed.trials == whole.trials
    assert len(counted) == 3
    said = []
    longer = Search(settings, TuneSettings(trials=4), tmp_path / "stopped")
    longer.run(said.append)
    assert len(counted) == 4
    assert longer.trials[:3] == whole.trials
    assert ["done before" in line for line in said] == [True] * 3 + [False]


def test_the_best_is_the_one_that_held_out_images_favour(settings, tmp_path):
    search = Search(settings, TuneSettings(trials=3, lowest_lr=1e-6, highest_lr=0.02), tmp_path)
    best = search.run(quiet)
    assert best.mean == max(trial.mean for trial in search.trials)
    assert all(1e-6 <= trial.lr <= 0.02 for trial in search.trials)
    plot.save(search_figure(search), tmp_path / "trials.png")


def test_the_test_images_are_never_seen(settings, tmp_path, counted, monkeypatch):
    train, test = classifier.load_settings_data(settings)
    secret = {image.tobytes() for image in test.images}
    for folds, parts in ((0, 1), (2, 2)):
        counted.clear()
        Search(settings, TuneSettings(trials=1, folds=folds), tmp_path / str(folds)).run(quiet)
        assert len(counted) == parts
        for training in counted:
            for loader in (training.train, training.validation):
                assert not secret & {image.tobytes() for image in loader.dataset.images}
        held_out = sum(len(training.validation.dataset) for training in counted)
        assert held_out == (len(train) if folds else pytest.approx(len(train) / 5, abs=5))


def test_a_trial_that_diverges_is_the_worst(settings, tmp_path, monkeypatch):
    def diverge(training):
        if training.optimizer.lr > 0.01:
            raise DivergedError("the loss became NaN")
        return fit(training)

    fit = tune.fit
    monkeypatch.setattr(tune, "fit", diverge)
    monkeypatch.setattr(tune.TuneSettings, "draw", lambda self, t: ((0.02, 0.0), (0.005, 0.0))[t])
    settings = replace(settings, schedule="constant")
    search = Search(settings, TuneSettings(trials=2), tmp_path)
    assert search.run(quiet).lr == 0.005
    assert "(diverged)" in search.line(search.trials[0])
    assert Search(settings, TuneSettings(trials=2), tmp_path).trials == search.trials


def test_draws_depend_on_seed_and_trial_alone():
    draws = [TuneSettings().draw(t) for t in range(200)]
    assert draws == [TuneSettings(trials=5).draw(t) for t in range(200)]
    assert draws != [TuneSettings(search_seed=1).draw(t) for t in range(200)]
    lr, decay = np.array(draws).T
    assert 3e-4 <= lr.min() < 4e-4 and 2e-2 < lr.max() <= 3e-2
    assert 0.4 < (lr < 3e-3).mean() < 0.6  # as many in each power of ten
    assert 0.15 < (decay == 0).mean() < 0.35


def test_other_settings_and_damaged_files_are_refused(settings, tmp_path):
    (tmp_path / "trials.json").write_text("{}")
    with pytest.raises(ValueError, match=r"trials.json holds no search: trials missing"):
        Search(settings, TuneSettings(), tmp_path)
    (tmp_path / "trials.json").write_text("[" * 100)
    with pytest.raises(ValueError, match="holds no search"):
        Search(settings, TuneSettings(), tmp_path)
    (tmp_path / "trials.json").write_text(json.dumps({"config": {}, "trials": []}))
    with pytest.raises(RunError, match="other settings or data: choose another --out"):
        Search(settings, TuneSettings(), tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trials": 0}, "trials: 0 is below 1"),
        ({"folds": 1}, "1 fold would leave nothing"),
        ({"lowest_lr": 0.1}, "lowest_lr=0.1 is above highest_lr=0.03"),
        ({"highest_decay": 1e-9}, "lowest_decay=1e-06 is above"),
    ],
)
def test_bad_settings(options, says):
    with pytest.raises(RunError, match=says):
        TuneSettings(**options)


def test_a_patience_would_end_trials_early(tmp_path):
    with pytest.raises(RunError, match="patience"):
        Search(ClassifierSettings(patience=2), TuneSettings(), tmp_path)
