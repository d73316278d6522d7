"""Steps of convolution, pooling and im2col: the engine's numbers and all its products, at any geometry."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

import tinycnn
from tests.helpers.explained import check_panels, check_sum, element
from tests.helpers.geometries import SEEDS, convolutions, poolings
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import explain
from tinycnn.explain.recorder import MAX_STEPS, MAX_TERMS
from tinycnn.kernels import table
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.im2col import col2im, im2col
from tinycnn.kernels.plain import loops

FEW = settings(max_examples=60)


def engine(function, x, w, b, g, options):
    """Result and gradients, by the names that the steps use."""
    leaves = [Tensor(a, requires_grad=True) for a in (x, w, b)]
    y = function(*leaves, **options)
    dx, dw, db = tinycnn.grad(y, leaves, g)
    arrays = {"x": x, "w": w, "b": b, "g": g, "y": y, "dL/dx": dx, "dL/dw": dw, "dL/db": db}
    return {name: a.numpy() if isinstance(a, Tensor) else a for name, a in arrays.items()}


def some_of_each(rng, *arrays):
    """Three elements of every array."""
    chosen = {}
    for name, shape in arrays:
        flat = rng.integers(0, np.prod(shape), 3)
        chosen[name] = [tuple(map(int, np.unravel_index(i, shape))) for i in flat]
    return chosen


@pytest.mark.usefixtures("on_numpy")
@FEW
@given(convolutions(smallest_batch=1), SEEDS)
def test_conv2d(shapes, rng):
    x_shape, w_shape, y_shape, options = shapes
    assume(np.prod(y_shape[:1] + y_shape[2:]) <= MAX_TERMS and np.prod(w_shape[1:]) < MAX_TERMS)
    x, w, b, g = (rng.standard_normal(s).astype("f") for s in (x_shape, w_shape, y_shape[1:2], y_shape))
    arrays = engine(F.conv2d, x, w, b, g, options)
    cells = some_of_each(rng, ("y", y_shape), ("dL/dx", x_shape), ("dL/dw", w_shape), ("dL/db", y_shape[1:2]))
    steps = explain(F.conv2d, x, w, b, backward=True, gradient=g, cells=cells, **options)
    assert len(steps) == 12
    for name, array in arrays.items():
        np.testing.assert_array_equal(steps.arrays[name], array)
    check_panels(steps)
    products = list(loops._conv2d_terms(conv2d_geometry(x_shape, w_shape, *options.values())))
    for step, (name, index) in zip(steps, [(n, i) for n, all_ in cells.items() for i in all_], strict=True):
        check_sum(step, arrays)
        expected = {
            "y": {(x, w) for x, w, y, _ in named(products, w_shape[1]) if y == index},
            "dL/dx": {(g, w) for x, w, g, _ in named(products, w_shape[1]) if x == index},
            "dL/dw": {(x, g) for x, w, g, _ in named(products, w_shape[1]) if w == index},
            "dL/db": {
                ((n, *index, oh, ow),) for n in range(y_shape[0]) for oh, ow in np.ndindex(y_shape[2:])
            },
        }[name]
        shown = [tuple(q.index for q in term.factors) for term in step.terms if term.tag]
        assert len(shown) == len(set(shown))
        assert set(shown) == expected


def named(products, C_per_group):
    """Indices of x, w, y in every product of the loops."""
    for n, k, oh, ow, c, r, s, i, j in products:
        yield (n, c, i, j), (k, c % C_per_group, r, s), (n, k, oh, ow), None


@FEW
@given(convolutions(smallest_batch=1), SEEDS)
def test_conv_transpose2d(shapes, rng):
    y_shape, w_shape, x_shape, options = shapes
    K_per_group = w_shape[0] // options["groups"]
    assume(K_per_group * np.prod(w_shape[2:]) < MAX_TERMS and np.prod(w_shape[1:]) < MAX_TERMS)
    assume(np.prod(x_shape[:1] + x_shape[2:]) <= MAX_TERMS)
    x, w = (rng.standard_normal(s).astype("f") for s in (x_shape, w_shape))
    b = rng.standard_normal(y_shape[1]).astype("f")
    try:
        y_shape = F.conv_transpose2d(Tensor(x), Tensor(w), Tensor(b), **options).shape
    except ValueError:
        assume(False)
    assume(np.prod(y_shape[:1] + y_shape[2:]) <= MAX_TERMS)
    g = rng.standard_normal(y_shape).astype("f")
    arrays = engine(F.conv_transpose2d, x, w, b, g, options)
    cells = some_of_each(rng, *((name, arrays[name].shape) for name in ("y", "dL/dx", "dL/dw", "dL/db")))
    steps = explain(F.conv_transpose2d, x, w, b, backward=True, gradient=g, cells=cells, **options)
    check_panels(steps)
    for step in steps:
        check_sum(step, arrays)


@FEW
@given(poolings(dilated=True, smallest_batch=1), SEEDS)
def test_max_and_min_pooling(shapes, rng):
    x_shape, y_shape, options = shapes
    x = rng.integers(-3, 4, x_shape).astype("f")  # with ties
    g = rng.standard_normal(y_shape).astype("f")
    assume(np.prod(x_shape) + np.prod(y_shape) <= MAX_STEPS)
    for function, best in ((F.max_pool2d, max), (F.min_pool2d, min)):
        leaf = Tensor(x, requires_grad=True)
        y = function(leaf, **options)
        (dx,) = tinycnn.grad(y, leaf, g)
        steps = explain(function, x, backward=True, gradient=g, **options)
        arrays = {"x": x, "y": y.numpy(), "g": g, "dL/dx": dx.numpy()}
        check_panels(steps)
        for step in steps:
            if step.phase == "backward":
                check_sum(step, arrays)
                continue
            values, _, shown = step.numbers.partition("(")[2].rpartition(") = ")
            (winner,) = (cell for cell, role in step.panels[0].marks.items() if role == "winner")
            assert best(map(float, values.split(", "))) == float(shown)
            assert (
                float(shown) == element(step.numbers.split(" = ")[0], arrays) == step.panels[0].values[winner]
            )


@FEW
@given(poolings(smallest_batch=1), SEEDS)
def test_sum_and_mean_pooling(shapes, rng):
    x_shape, y_shape, options = shapes
    x, g = (rng.standard_normal(s).astype("f") for s in (x_shape, y_shape))
    assume(np.prod(x_shape) + np.prod(y_shape) <= MAX_STEPS)
    for function, more in (
        (F.sum_pool2d, {}),
        (F.avg_pool2d, {}),
        (F.avg_pool2d, {"count_include_pad": False}),
    ):
        leaf = Tensor(x, requires_grad=True)
        y = function(leaf, **options, **more)
        (dx,) = tinycnn.grad(y, leaf, g)
        steps = explain(function, x, backward=True, gradient=g, **options, **more)
        arrays = {"x": x, "y": y.numpy(), "g": g, "dL/dx": dx.numpy(), "M": steps.arrays.get("M")}
        check_panels(steps)
        for step in steps:
            check_sum(step, arrays)


@FEW
@given(convolutions(smallest_batch=1), SEEDS)
def test_im2col_and_its_adjoint(shapes, rng):
    (N, C, H, W), (_, _, *kernel), (_, _, OH, OW), options = shapes
    options = {name: options[name] for name in ("stride", "padding", "dilation")}
    assume(N * OH * OW <= MAX_STEPS and N * C * H * W <= MAX_STEPS)
    x = rng.standard_normal((N, C, H, W)).astype("f")
    columns = im2col(x, tuple(kernel), **options)
    forward = explain(im2col, x, tuple(kernel), **options)
    np.testing.assert_array_equal(forward.result, columns)
    check_panels(forward)
    for step, (n, column) in zip(forward, np.ndindex(N, OH * OW), strict=True):
        shown = step.numbers.partition(" = (")[2].rstrip(")").split(", ")
        np.testing.assert_allclose([float(v) for v in shown], columns[n, :, column], rtol=1e-3)
    back = explain(col2im, columns, (H, W), tuple(kernel), **options)
    np.testing.assert_array_equal(back.result, col2im(columns, (H, W), tuple(kernel), **options))
    check_panels(back)
    for step in back:
        check_sum(step, {"columns": columns, "x": back.result})


def test_what_a_cell_fed_is_marked_with_its_weights(conv):
    step = conv.steps_of("dL/dx")[12]  # the middle cell lies in all four windows
    panels = {panel.array: panel for panel in step.panels}
    assert panels["x"].marks == {(2, 2): "asked"}
    assert panels["g"].tags == {(0, 0): "a", (0, 1): "b", (1, 0): "c", (1, 1): "d"}
    assert panels["w"].tags == {(2, 2): "a", (2, 0): "b", (0, 2): "c", (0, 0): "d"}
    assert panels["x"].frames["d"] == ((2, 2), (4, 4))
    assert step.numbers == "dL/dx[0,0,2,2] = 1·2 + 2·(-2) + (-1)·(-2) + 3·2 = 6"


def test_cells_that_come_later_are_hidden(conv):
    first, last = conv.steps_of("y")[0], conv.steps_of("y")[-1]
    assert first.panels[-1].pending == {(0, 1), (1, 0), (1, 1)}
    assert not last.panels[-1].pending


def test_a_kernel_that_computes_wrong_is_noticed():
    def wrong(*args):
        return table.PLAIN.conv2d(*args) + 0.01

    with (
        tinycnn.using(kernels=replace(table.PLAIN, conv2d=wrong)),
        pytest.raises(RuntimeError, match=r"the parts of y\[0,0,0,0\] add up to .*, but the engine computed"),
    ):
        explain(F.conv2d, np.ones((1, 1, 3, 3), "f"), np.ones((1, 1, 2, 2), "f"))
