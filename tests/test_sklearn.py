import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from tinycnn.data import digits
from tinycnn.models import lenet5
from tinycnn.sklearn import CNNClassifier

EXPECTED_FAILURES = {}  # check: why it cannot pass. There is none.


@pytest.fixture(scope="module")
def few():
    train, _ = digits()
    images = train.scaled(slice(0, 400))
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    return images.reshape(400, -1), names[train.labels[:400]]


def checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for estimator, check in estimator_checks_generator(
            CNNClassifier(), expected_failed_checks=EXPECTED_FAILURES, mark="skip"
        ):
            yield pytest.param(estimator, check, id=getattr(check, "func", check).__name__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.usefixtures("on_numpy")
def test_scikit_learns_own_checks(estimator, check):
    try:
        check(estimator)
    except Exception as error:
        if type(error).__name__ == "SkipTest":
            pytest.skip(str(error))
        raise


def test_images_with_names_for_classes(few):
    X, y = few
    net = CNNClassifier(image_shape=(1, 28, 28), epochs=4, shift=1, random_state=0).fit(X[:300], y[:300])
    assert net.score(X[300:], y[300:]) > 0.7
    assert list(net.classes_) == sorted(set(y))
    p = net.predict_proba(X[300:])
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (net.predict(X[300:]) == net.classes_[p.argmax(axis=1)]).all()
    assert net.losses_[-1] < net.losses_[0]
    same = CNNClassifier(epochs=4, shift=1, random_state=0).fit(X[:300].reshape(-1, 1, 28, 28), y[:300])
    np.testing.assert_array_equal(same.predict_proba(X[300:].reshape(-1, 1, 28, 28)), p)


def test_grid_search_and_cross_validation(few):
    X, y = few[0][:200], few[1][:200]
    net = CNNClassifier(lenet5, (1, 28, 28), epochs=3, random_state=0)
    search = GridSearchCV(net, {"lr": [1e-6, 1e-2]}, cv=2).fit(X, y)
    assert search.best_params_ == {"lr": 1e-2}
    assert isinstance(search.best_estimator_.module_, type(lenet5()))
    assert cross_val_score(net, X, y, cv=2).shape == (2,)


def test_a_pipeline_of_vectors(few):
    X, y = few
    pipeline = make_pipeline(PCA(20, random_state=0), CNNClassifier(epochs=10, random_state=0))
    assert pipeline.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.7


def test_partial_fit_goes_on_where_it_was(few):
    X, y = few[0][:200], few[1][:200]
    whole = CNNClassifier(image_shape=(1, 28, 28), epochs=2, random_state=0).fit(X, y)
    parts = CNNClassifier(image_shape=(1, 28, 28), random_state=0)
    parts.partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))
    only_some = CNNClassifier(random_state=0).partial_fit(
        X[y == "one"], y[y == "one"], classes=["one", "two"]
    )
    assert only_some.predict_proba(X).shape == (200, 2)  # a class that has not been seen yet


@pytest.mark.parametrize(
    ("options", "change", "says"),
    [
        ({"image_shape": (1, 28, 27)}, None, r"image_shape=\(1, 28, 27\) does not fit X \(40, 784\)"),
        ({"image_shape": (28, 28)}, None, "does not fit"),
        ({"epochs": 0}, None, "epochs and batch_size must be at least 1"),
        ({"lr": 0}, None, "lr above 0"),
        ({"shift": 1}, None, r"shift moves images: say image_shape=\(C, H, W\)"),
        ({}, lambda X, y: (X, np.full(len(y), "a")), "at least two classes, y has one class"),
        ({}, lambda X, y: (np.full_like(X, np.nan), y), "contains NaN"),
        ({}, lambda X, y: (X.reshape(-1, 28, 28), y), r"\(N, D\) or \(N, C, H, W\), got \(40, 28, 28\)"),
        ({}, lambda X, y: (X[:1], y[:1]), "one class"),
    ],
)
def test_bad_input(few, options, change, says):
    X, y = few[0][:40], few[1][:40]
    X, y = change(X, y) if change else (X, y)
    with pytest.raises(ValueError, match=says):
        CNNClassifier(**options).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("epochs", "3", "epochs must be an integer, got '3'"),
        ("batch_size", 2.5, "batch_size must be an integer"),
        ("shift", None, "shift must be an integer"),
        ("lr", "0.1", "lr must be a number, got '0.1'"),
        ("weight_decay", None, "weight_decay must be a number"),
    ],
)
def test_parameters_of_another_kind_are_refused_by_name(few, name, value, says):
    with pytest.raises(TypeError, match=says):
        CNNClassifier(**{name: value}).fit(few[0][:40], few[1][:40])


def test_partial_fit_needs_the_classes(few):
    X, y = few[0][:40], few[1][:40]
    with pytest.raises(ValueError, match="first call of partial_fit needs all classes"):
        CNNClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"not among classes: \['eight'"):
        CNNClassifier().partial_fit(X, y, classes=["zero", "one"])
    net = CNNClassifier().partial_fit(X, y, classes=np.unique(y))
    with pytest.raises(ValueError, match="not those of the first call"):
        net.partial_fit(X, y, classes=["zero", "one"])
    with pytest.raises(ValueError, match="784 features"):
        net.predict(X[:, :5])
