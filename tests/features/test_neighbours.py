import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA  # noqa: N811
from sklearn.neighbors import NearestNeighbors

from tinycnn.features import PCA, Index, tsne, umap


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 3, 60])
def test_scikit_learn_finds_the_same(metric, k, rng):
    known, queries = rng.standard_normal((60, 5)), rng.standard_normal((1100, 5))
    found = Index(known, metric).search(queries, k)
    distance, index = NearestNeighbors(n_neighbors=k, metric=metric).fit(known).kneighbors(queries)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distance, distance, atol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_leaving_out_oneself(metric, rng):
    x = rng.standard_normal((30, 4))
    assert (Index(x, metric).search(x).index[:, 0] == np.arange(30)).all()
    assert (Index(x, metric).search(x, 5, leave_out_self=True).index != np.arange(30)[:, None]).all()


def test_cosine_forgets_lengths_and_zeros_have_no_direction():
    index = Index([[1.0, 0.0], [0.0, 5.0], [0.0, 0.0]], "cosine")
    assert index.search([[0.0, 0.01]]).index[0, 0] == 1
    np.testing.assert_allclose(index.search([[0.0, 0.0]], 3).distance, 1)


def test_copies_have_a_distance_of_exactly_0(rng):
    images = rng.random((5, 1, 4, 4), np.float32) + 100  # far from the origin: the expanded square rounds
    assert (Index(images).search(images).distance == 0).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Index([[1.0]], "manhattan"), "metric must be 'euclidean' or 'cosine'"),
        (lambda: Index(np.zeros((0, 3))), "no vectors"),
        (lambda: Index([[1.0], [np.nan]]), "vector 1 has NaN"),
        (lambda: Index([[1.0]]).search([[np.inf]]), "vector 0 has NaN or infinity"),
        (lambda: Index([[1.0]]).search([[1.0, 2.0]]), "queries have 2 numbers each, the vectors 1"),
        (lambda: Index([[1.0]]).search([[1.0]], 2), "k=2: 1 vectors leave 1"),
        (lambda: Index([[1.0]]).search([[1.0]], 1, leave_out_self=True), "leave 0"),
        (lambda: PCA.fit(np.ones((3, 2))), "all vectors are the same"),
        (lambda: PCA.fit(np.eye(3), 4), "1 to 3 fit"),
        (lambda: PCA.fit([[1.0, np.nan], [1.0, 2.0]]), "NaN"),
        (lambda: PCA.fit([1.0, 2.0]), r"must be \(N, D\), got \(2,\)"),
        (lambda: tsne(np.eye(5)), "perplexity must be between 0 and N=5, got 30"),
        (lambda: umap([[1.0, np.nan]] * 20), "NaN"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_pca_is_scikit_learns(shape, rng):
    x = rng.standard_normal(shape) * np.arange(1, shape[1] + 1)
    ours, theirs = PCA.fit(x, 3), SklearnPCA(3).fit(x)
    np.testing.assert_allclose(ours.variance_share, theirs.explained_variance_ratio_)
    signs = np.sign((ours.components * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x) * signs, atol=1e-9)
    assert (np.take_along_axis(ours.components, np.abs(ours.components).argmax(1)[:, None], 1) > 0).all()
    whole = PCA.fit(x, min(shape))
    np.testing.assert_allclose(whole.inverse(whole.transform(x)), x, atol=1e-9)


def test_tsne_keeps_groups_together(rng):
    x = rng.standard_normal((60, 8)) + 20 * np.eye(3, 8)[np.arange(60) % 3]
    points = tsne(x, perplexity=10)
    found = Index(points).search(points, leave_out_self=True).index[:, 0]
    assert (found % 3 == np.arange(60) % 3).all()
    np.testing.assert_array_equal(points, tsne(x, perplexity=10))


@pytest.mark.slow
def test_umap_keeps_groups_together(rng):
    pytest.importorskip("umap", reason="umap-learn: extra 'umap'", exc_type=ImportError)
    x = rng.standard_normal((60, 8)) + 20 * np.eye(3, 8)[np.arange(60) % 3]
    points = umap(x, neighbours=10)
    found = Index(points).search(points, leave_out_self=True).index[:, 0]
    assert points.shape == (60, 2)
    assert (found % 3 == np.arange(60) % 3).all()
    np.testing.assert_array_equal(points, umap(x, neighbours=10))
    with pytest.raises(ValueError, match="neighbours must be 2 to N-1, got 60 with N=60"):
        umap(x, neighbours=60)


def test_umap_names_the_extra_that_it_needs(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install 'tinycnn\[umap\]'"):
        umap(rng.standard_normal((30, 4)))
