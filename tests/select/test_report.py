import numpy as np
import pytest
from sklearn import metrics as sk

import tinycnn
from tinycnn import nn, plot
from tinycnn.data import Dataset
from tinycnn.select import Report, judge, report_figure


def some(rng, N=200, K=4, sure=2.0):
    labels = rng.integers(0, K, N)
    p = rng.random((N, K)) + sure * np.eye(K)[labels] * (rng.random((N, 1)) < 0.8)
    return Report(labels, p / p.sum(axis=1, keepdims=True), tuple("abcdefghijklmnop"[:K]), 0.5)


def test_numbers_are_scikit_learns(rng):
    report = some(rng)
    said = report.as_dict()
    assert said["accuracy"] == sk.accuracy_score(report.labels, report.predictions)
    assert said["auc"] == pytest.approx(
        sk.roc_auc_score(report.labels, report.probabilities, multi_class="ovr")
    )
    assert said["weighted"]["f1"] == pytest.approx(
        sk.f1_score(report.labels, report.predictions, average="weighted")
    )
    assert said["classes"]["b"]["auc"] == pytest.approx(
        sk.roc_auc_score(report.labels == 1, report.probabilities[:, 1])
    )
    low, high = said["interval"]
    assert low < said["accuracy"] < high
    text = "\n".join(report.lines())
    assert f"accuracy {said['accuracy']:.2%} (95 % bootstrap interval {low:.2%} to {high:.2%})" in text
    assert "note" not in text


def test_all_predictions_of_one_class():
    report = Report(np.array([0, 1, 2, 2]), np.tile([[0.2, 0.5, 0.3]], (4, 1)), ("cat", "dog", "emu"), 1.0)
    text = "\n".join(report.lines())
    assert "never predicted: cat, emu; the precision is undefined, and counts as 0 in the means" in text
    assert text.splitlines()[1].split() == ["cat", "-", "0.00%", "0.00%", "0.5000", "1"]
    assert np.isnan(report.as_dict()["classes"]["cat"]["precision"])
    assert report.as_dict()["macro"]["precision"] == pytest.approx(0.25 / 3)


def test_a_class_without_test_images():
    p = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    report = Report(np.array([0, 1]), p, ("cat", "dog", "emu"), 1.0)
    assert "no test image is of emu: recall and AUC are undefined" in report.notes()
    assert np.isnan(report.areas[2])
    assert report.as_dict()["auc"] == report.areas[:2].mean()


@pytest.mark.parametrize("N", [1, 5])
def test_without_a_mistake_there_is_no_interval(N):
    report = Report(np.zeros(N, int), np.tile([[0.9, 0.1]], (N, 1)), ("a", "b"), 0.1)
    assert report.as_dict()["interval"] is None
    assert any("the bootstrap repeats what it sees" in line for line in report.lines())
    report_figure(report)


@pytest.mark.parametrize("K", [2, 4, 16])
def test_the_picture_shows_the_worst_classes(rng, K, tmp_path):
    report = some(rng, K=K)
    figure = report_figure(report)
    plot.save(figure, tmp_path / "report.png")
    worst = report.classes[int(np.argmin(report.areas))]
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert f"{worst}: AUC {report.areas.min():.4f}" in legend


def test_many_classes_are_drawn_as_the_worst_of_them(rng):
    labels, K = rng.integers(0, 50, 500), 50
    p = rng.dirichlet(np.ones(K), 500) + np.eye(K)[labels]
    figure = report_figure(Report(labels, p / 2, tuple(map(str, range(K))), 1.0))
    assert figure.axes[0].get_title().startswith("the 30 classes with the lowest F1")
    assert len(figure.axes[0].get_xticklabels()) == 30


def test_a_plain_module(rng):
    images, labels = rng.random((30, 1, 4, 4), np.float32), rng.integers(0, 3, 30)
    data = Dataset(images, labels, ("a", "b", "c"), "some")
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3))
    report = judge(model, data)
    assert model.training
    predictions = model.eval()(tinycnn.Tensor(images)).numpy().argmax(axis=1)
    assert report.accuracy == (predictions == labels).mean()
    with pytest.raises(ValueError, match=r"model returns \(30, 5\), and 'some' has K=3 classes"):
        judge(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), data)
