import gc
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn import functional as F
from tinycnn.autograd import Function, grad, topological_order
from tinycnn.functional.relu import ReLU
from tinycnn.modes import observed
from tinycnn.nn import Linear
from tinycnn.observers import Observer
from tinycnn.optim import SGD
from tinycnn.tensor import Tensor

pytestmark = pytest.mark.usefixtures("both_roads")

CHANGED = "saved an array of shape .* changed in place since"


def leaf(*values, dtype="float64"):
    return Tensor(np.array(values, dtype), requires_grad=True)


class TestConstruction:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1.5, "float32"),
            ([1.5, 2], "float32"),
            ([[1, 2]], "int64"),
            (True, "bool"),
            (np.float64(1.5), "float64"),
            (np.ones(2), "float64"),
            (np.ones(2, "float16"), "float16"),
            (np.ones(2, "uint8"), "uint8"),
            (Tensor([1.5], "float64"), "float64"),
        ],
    )
    def test_dtypes_of_arrays_are_kept_and_of_python_numbers_are_float32(self, data, dtype):
        assert Tensor(data).dtype == dtype
        assert Tensor(data, "float16").dtype == np.float16

    @pytest.mark.usefixtures("on_numpy")
    def test_an_array_is_shared_and_a_list_is_not(self):
        a, numbers = np.ones(2), [1.0, 1.0]
        assert Tensor(a).data is a
        assert Tensor(a).numpy() is a
        assert Tensor(a, "float32").data is not a
        t = Tensor(numbers)
        t[0] = 5
        assert numbers == [1, 1]

    @pytest.mark.parametrize(
        ("data", "error", "says"),
        [
            ("abc", TypeError, r"holds real numbers or booleans, not <U3: array\('abc'"),
            (None, TypeError, r"not object: array\(None"),
            (1j, TypeError, "not complex128"),
            ([leaf(1.0), leaf(2.0)], TypeError, r"use stack\(\) or concatenate\(\)"),
            ([[1], [2, 3]], ValueError, "inhomogeneous"),
        ],
    )
    def test_what_is_no_array_of_numbers_is_refused(self, data, error, says):
        with pytest.raises(error, match=says):
            Tensor(data)

    @pytest.mark.parametrize("data", [1, [True], np.ones(3, "uint8")])
    def test_integers_have_no_gradient(self, data):
        with pytest.raises(TypeError, match="only floating point tensors can require a gradient"):
            Tensor(data, requires_grad=True)

    def test_a_result_cannot_stop_requiring_a_gradient(self):
        with pytest.raises(RuntimeError, match=r"use detach\(\)"):
            (leaf(1.0) * 2).requires_grad = False

    def test_random_tensors_follow_the_seed(self, backend):
        for make in tinycnn.rand, tinycnn.randn:
            tinycnn.manual_seed(3)
            first = make(100)
            tinycnn.manual_seed(3)
            assert first.dtype == np.float32
            assert first.backend == backend
            assert_array_equal(make(100).numpy(), first.numpy())


class TestOperators:
    @pytest.mark.parametrize(
        "number", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True)]
    )
    def test_numbers_keep_float32(self, number):
        x = Tensor([1.0, 3.0])
        results = [
            x + number, number + x, x - number, number - x, x * number, number * x, x / number, number / x,
            x**number, number**x, F.clip(x, number), F.where(x > 1, x, number),
        ]  # fmt: skip
        assert {y.dtype.name for y in results} == {"float32"}
        a, n = x.numpy(), np.float32(number)
        expected = [a + n, n + a, a - n, n - a, a * n, n * a, a / n, n / a, a**n, n**a]
        expected += [a.clip(n), np.where(a > 1, a, n)]
        for y, e in zip(results, expected, strict=True):
            assert_array_equal(y.numpy(), e)

    @pytest.mark.usefixtures("on_numpy")
    def test_an_array_on_the_left_gives_a_tensor(self):
        x, a = leaf(1.0, 2.0), np.array([3.0, 4.0])
        for y, e in ((a + x, [4, 6]), (a - x, [2, 2]), (a * x, [3, 8]), (a / x, [3, 2]), (a**x, [3, 16])):
            assert y.requires_grad
            assert_array_equal(y.numpy(), e)
        assert (a @ x).item() == 11
        assert_array_equal((a < x).numpy(), [False, False])

    @pytest.mark.parametrize("dtype", ["uint8", "int64"])
    def test_integers(self, dtype):
        x = Tensor(np.array([1, 2], dtype))
        assert (x * 2).dtype == dtype
        assert_array_equal((x * 0.5).numpy(), [0.5, 1])
        assert_array_equal((x / 2).numpy(), [0.5, 1])

    def test_booleans_count_as_numbers(self):
        mask = Tensor([True, False])
        assert_array_equal((mask * 2).numpy(), [2, 0])
        assert_array_equal((1 - mask + mask).numpy(), [1, 1])
        assert_array_equal((mask * 0.5).numpy(), [0.5, 0])

    def test_comparisons(self):
        x = Tensor([1.0, 2.0, 3.0])
        assert_array_equal((x < 2).numpy(), [True, False, False])
        assert_array_equal((x <= Tensor([2.0])).numpy(), [True, True, False])
        assert_array_equal((np.float64(2) < x).numpy(), [False, False, True])
        assert_array_equal((x >= np.float64(2)).numpy(), [False, True, True])

    @pytest.mark.usefixtures("on_numpy")
    def test_a_result_without_dimensions_is_an_array_too(self):
        x = Tensor([1.0, 2.0])
        for y in (x.sum(), x[0], x.max(), Tensor(1.0) * 2, Tensor(4.0).sqrt(), x @ x):
            assert y.shape == ()
            assert isinstance(y.data, np.ndarray)
            y[...] = 7
            assert y.item() == 7

    @pytest.mark.usefixtures("on_numpy")
    def test_conversions(self):
        assert float(Tensor([2.5])) == 2.5
        assert int(Tensor([[2]])) == 2
        assert bool(Tensor(0.0)) is False
        assert_array_equal(np.asarray(Tensor([1, 2])), [1, 2])
        assert [row.item() for row in Tensor([1, 2])] == [1, 2]
        assert len(Tensor([[1, 2, 3]])) == 1
        assert Tensor([[1, 5], [7, 2]]).argmax(1).numpy().tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("call", "error", "says"),
        [
            (lambda: bool(Tensor([1, 2])), ValueError, r"shape \(2,\) is neither true nor false"),
            (lambda: Tensor([1, 2]).item(), ValueError, r"this tensor has 2: \(2,\)"),
            (lambda: len(Tensor(1)), TypeError, "no length"),
            (lambda: Tensor([1]).T, ValueError, "T is for matrices"),
        ],
    )
    def test_refusals(self, call, error, says):
        with pytest.raises(error, match=says):
            call()

    @pytest.mark.parametrize(
        ("tensor", "text"),
        [
            (lambda: Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
            (lambda: Tensor(np.ones(1)), "Tensor([1.], dtype=float64)"),
            (lambda: leaf(1.0, dtype="float32"), "Tensor([1.], requires_grad=True)"),
            (lambda: leaf(1.0, dtype="float32") * 2, "Tensor([2.], creator=Mul)"),
        ],
    )
    @pytest.mark.usefixtures("on_numpy")
    def test_repr(self, tensor, text):
        assert repr(tensor()) == text


class TestBackward:
    def test_every_use_of_a_tensor_adds_its_share(self):
        a = leaf(3.0)
        b = a + a
        c = b + b
        c.backward()
        assert a.grad.item() == 4

    def test_gradients_accumulate_until_they_are_forgotten(self):
        x = leaf(2.0)
        (x * x).backward()
        (x * 3).backward()
        assert x.grad.item() == 7
        x.grad = None
        (x * 3).backward()
        assert x.grad.item() == 3

    def test_a_gradient_may_be_given_and_must_fit(self):
        x = leaf(1.0, 2.0)
        (x * x).backward([1.0, 10.0])
        assert_array_equal(x.grad.numpy(), [2, 40])
        with pytest.raises(RuntimeError, match=r"the gradient has shape \(3,\), the tensor \(2,\)"):
            (x * x).backward(np.ones(3))
        with pytest.raises(RuntimeError, match=r"starts from one number, but this tensor has shape \(2,\)"):
            (x * x).backward()

    def test_the_backward_of_a_leaf_is_the_gradient_given(self):
        x, g = leaf(1.0, 2.0), Tensor(np.ones(2))
        x.backward(g)
        g[0] = 5
        assert_array_equal(x.grad.numpy(), [1, 1])

    @pytest.mark.usefixtures("on_numpy")
    def test_a_gradient_of_a_leaf_that_needs_too_much_memory_says_so(self):
        huge = np.broadcast_to(np.float32(1), 1 << 60)  # one number in memory, until it is copied
        with pytest.raises(MemoryError):
            Tensor(huge, requires_grad=True).backward(huge)

    def test_gradients_have_their_tensors_dtype(self):
        x, w = leaf(1.0, dtype="float32"), leaf(2.0)
        (x * w).backward()
        assert x.grad.dtype == np.float32
        assert w.grad.dtype == np.float64

    def test_what_needs_no_gradient_has_none(self):
        x, constant = leaf(1.0), Tensor(np.ones(1))
        with pytest.raises(RuntimeError, match="requires no gradient has none"):
            (constant * 2).backward()
        (x * constant).backward()
        assert constant.grad is None
        with tinycnn.no_grad():
            assert not (x * 2).requires_grad
        assert not x.detach().requires_grad
        assert not (x > 0).requires_grad
        assert x.detach().data is x.data

    def test_no_grad_ends_with_its_block_even_by_an_error(self):
        x = leaf(1.0)
        with pytest.raises(ZeroDivisionError), tinycnn.no_grad():
            _ = 1 / 0
        assert (x * 2).requires_grad

        @tinycnn.no_grad()
        def silent():
            return x * 2

        assert not silent().requires_grad

    def test_no_grad_is_of_one_thread(self):
        x, results = leaf(1.0), []
        with tinycnn.no_grad():
            thread = threading.Thread(target=lambda: results.append(x * 2))
            thread.start()
            thread.join()
        assert results[0].requires_grad

    def test_retain_grad_leaves_the_gradient_of_a_result(self):
        x = leaf(2.0)
        y = x * x
        unasked = y * 1
        y.retain_grad()
        (unasked * 5).backward()
        assert y.grad.item() == 5
        assert x.grad.item() == 20
        assert unasked.grad is None

    def test_a_graph_is_freed_by_the_walk_unless_retained(self):
        x = leaf(2.0)
        y = x * x
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.item() == 8
        with pytest.raises(RuntimeError, match=r"Mul: the graph was walked before .* retain_graph=True"):
            y.backward()
        assert x.grad.item() == 8

    def test_what_was_saved_is_freed_at_once(self):
        x = leaf(*np.ones(1000))
        y = F.exp(x)
        saved = weakref.ref(y.data)
        z = y.sum()
        del y
        assert saved() is not None
        gc.disable()
        try:
            z.backward()
            assert saved() is None
        finally:
            gc.enable()

    def test_a_graph_that_is_dropped_leaves_nothing_for_the_garbage_collector(self):
        x = leaf(*np.ones(1000))
        gc.disable()
        try:
            y = F.softmax(F.exp(x) * x, 0)
            saved = weakref.ref(y.data)
            del y
            assert saved() is None
        finally:
            gc.enable()

    def test_a_gradient_is_not_the_array_that_a_users_backward_keeps(self):
        class Double(Function):
            def forward(self, x):
                return x * 2

            def backward(self, g):
                kept.append(g * 2)
                return kept[-1]

        kept, x = [], leaf(1.0, 1.0)
        Double()(x).sum().backward()
        kept[0].data[...] = 99
        assert_array_equal(x.grad.numpy(), [2, 2])
        x.grad.data *= 5
        assert_array_equal(kept[0].numpy(), [99, 99])

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_gradients_share_memory_with_nothing(self, create_graph):
        a, b, c = leaf(1.0, 1.0), leaf(1.0, 1.0), leaf(1.0, 1.0)
        g = np.ones(2)
        (a + b + F.reshape(c, 1, 2).reshape(2)).backward(g, create_graph=create_graph)
        a.grad.data *= 5
        g *= 7
        assert_array_equal(b.grad.numpy(), [1, 1])
        assert_array_equal(c.grad.numpy(), [1, 1])
        a.grad = b.grad = None
        y = a + b
        y.retain_grad()
        (y * c).backward([1.0, 1.0], create_graph=create_graph)
        a.grad.data *= 5
        assert_array_equal(b.grad.numpy(), [1, 1])
        assert_array_equal(y.grad.numpy(), [1, 1])
        x = leaf(1.0, 1.0)
        x.sum().backward()
        x.grad.data *= 5  # a broadcast gradient would be read-only
        y = leaf(1.0, 1.0)
        (y.sum() * 3).backward(create_graph=create_graph)
        y.grad.data *= 5
        assert_array_equal(y.grad.numpy(), [15, 15])
        x.sum().backward()
        assert_array_equal(x.grad.numpy(), [6, 6])

    def test_a_sum_of_many_shares_changes_no_other_gradient(self):
        a, b, g = leaf(1.0, 1.0), leaf(1.0, 1.0), np.ones(2)
        y = a * 1
        y.retain_grad()
        (y + b + b + a + a + a).backward(g)  # all of them start as g itself
        assert_array_equal(a.grad.numpy(), [4, 4])
        assert_array_equal(b.grad.numpy(), [2, 2])
        assert_array_equal(y.grad.numpy(), [1, 1])
        assert_array_equal(g, [1, 1])
        y.grad.data *= 5
        assert_array_equal(a.grad.numpy(), [4, 4])

    @pytest.mark.parametrize("create_graph", [False, True])
    @pytest.mark.parametrize("view", [lambda a: a, lambda a: a[:], lambda a: a.reshape(2, 1).reshape(2)])
    def test_an_array_that_backward_returns_and_keeps_stays_as_it_is(self, view, create_graph):
        kept = np.array([2.0, 3.0])

        class Constant(Function):
            def forward(self, x):
                return x * 1

            def backward(self, g):
                return Tensor(view(kept))

        x = leaf(1.0, 1.0)
        Constant()(x).backward([1.0, 1.0], create_graph=create_graph)
        x.grad.data *= 5
        (gradient,) = grad(Constant()(x), x, np.ones(2), create_graph)
        gradient.data[...] = 7
        assert_array_equal(kept, [2, 3])
        assert_array_equal(x.grad.numpy(), [10, 15])

    @pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
    def test_many_shares_of_any_shape(self, shape, backend):
        x = tinycnn.ones(*shape, requires_grad=True)
        (x * 2 + x + x / 2 - x + x).backward(np.ones(shape))
        x.sum().backward()
        assert x.grad.backend == backend
        assert_array_equal(x.grad.numpy(), np.full(shape, 4.5))

    def test_no_share_lives_longer_than_the_visit_that_made_it(self):
        shares = []

        class Noted(Function):
            def forward(self, x, w):
                return x + w

            def backward(self, g):
                assert all(share() is None for share in shares)
                share = g.data * 1
                shares.append(weakref.ref(share))
                return g, Tensor(share)

        x, w = leaf(1.0, 2.0), leaf(1.0, 2.0)
        y = x
        for _ in range(5):
            y = Noted()(y, w)
        first = w * 1
        (first + y).backward([1.0, 1.0])
        assert len(shares) == 5
        assert_array_equal(w.grad.numpy(), [6, 6])


class TestGrad:
    def test_leaves_and_results_on_the_way(self):
        x = leaf(3.0)
        y = x * x
        z = y * y
        gradients = grad(z, [x, y, z])
        assert [g.item() for g in gradients] == [108, 18, 1]
        assert x.grad is None

    def test_several_outputs_add_up(self):
        x = leaf(1.0, 2.0)
        (g,) = grad([x.sum(), x * x], x, [None, [1.0, 10.0]])
        assert_array_equal(g.numpy(), [3, 41])

    def test_an_unused_input(self):
        x, y = leaf(1.0), leaf(1.0)
        with pytest.raises(RuntimeError, match=r"do not depend on input 1 of shape \(1,\); allow_unused"):
            grad(x * 2, [x, y])
        gx, gy = grad(x * 2, [x, y], allow_unused=True)
        assert gx.item() == 2
        assert gy is None

    def test_an_input_that_requires_no_gradient(self):
        with pytest.raises(RuntimeError, match=r"input 0 of shape \(1,\) does not require a gradient"):
            grad(leaf(1.0) * 2, Tensor([1.0]))

    def test_gradients_share_memory_with_nothing(self):
        a, b, g = leaf(1.0, 1.0), leaf(1.0, 1.0), Tensor(np.ones(2))
        y = a + b
        gradients = grad(y + a.reshape(2, 1).reshape(2), [a, b, y], g)
        for gradient in gradients:
            gradient.data[...] = 5
        assert_array_equal(g.numpy(), [1, 1])
        (gradient,) = grad(a.sum(), a)
        gradient[0] = 5  # a broadcast gradient would be read-only
        for gradient in gradients:
            assert_array_equal(gradient.numpy(), [5, 5])
        a_, b_, y_ = grad(a + b * 1 + (y := a + b), [a, b, y], g)
        a_[0] = 7
        assert [b_.numpy().tolist(), y_.numpy().tolist()] == [[2, 2], [1, 1]]

    def test_only_what_leads_to_the_inputs_is_computed(self):
        called = []

        class Noted(Function):
            def forward(self, x):
                return x * 1

            def backward(self, g):
                called.append(self)
                return g

        x, y = leaf(1.0), leaf(1.0)
        (g,) = grad(x * Noted()(y), x)
        assert g.item() == 1
        assert not called

    def test_a_detached_factor_stays_a_constant_in_the_gradient(self):
        # Both factors are one array; only the second is a function of x.
        x = leaf(3.0)
        (first,) = grad(x.detach() * x * x, x, create_graph=True)
        (second,) = grad(first, x)
        assert [first.item(), second.item()] == [18, 6]
        (first,) = grad(x * x.detach(), x, create_graph=True)
        assert not first.requires_grad
        matrix = Tensor([[3.0]], requires_grad=True)
        (first,) = grad(matrix @ matrix.detach(), matrix, create_graph=True)
        assert not first.requires_grad

    @pytest.mark.parametrize("product", [lambda a, b: a * b, lambda a, b: a @ b])
    def test_two_leaves_may_share_an_array(self, product):
        a = Tensor([[3.0]], requires_grad=True)
        b = Tensor(a, requires_grad=True)
        (first,) = grad(product(a, b), a, create_graph=True)
        gradients = grad(first, [a, b], allow_unused=True)
        assert gradients[0] is None
        assert gradients[1].item() == 1

    def test_a_walk_that_failed_can_be_made_again(self):
        class Flaky(Function):
            failed = False

            def forward(self, a, b):
                return a + b

            def backward(self, g):
                if not self.failed:
                    self.failed = True
                    raise ZeroDivisionError
                return tuple(g if need else None for need in self.needs_input_grad)

        x, y = leaf(1.0), leaf(1.0)
        z = Flaky()(x, y)
        with pytest.raises(ZeroDivisionError):
            grad(z, x)
        z.backward()
        assert x.grad.item() == y.grad.item() == 1

    def test_create_graph_makes_the_gradient_differentiable(self):
        x = leaf(2.0)
        (first,) = grad(x**4, x, create_graph=True)
        (second,) = grad(first, x, create_graph=True)
        (third,) = grad(second, x)
        assert [first.item(), second.item(), third.item()] == [32, 48, 48]
        (first,) = grad(x**4, x)
        assert not first.requires_grad

    def test_a_walk_does_not_record_under_no_grad_and_records_despite_it(self):
        x = leaf(2.0)
        y = x**3
        with tinycnn.no_grad():
            (g,) = grad(y, x, create_graph=True)
        assert g.requires_grad


class TestLargeGraphs:
    @pytest.mark.parametrize("length", [10_000, 100_000])
    def test_a_long_chain(self, length):
        x = leaf(1.0)
        y = x
        for _ in range(length):
            y = y + 1
        y.backward()
        assert x.grad.item() == 1
        del y  # taking it apart must not recurse either

    def test_each_node_is_visited_once(self):
        visits = []

        class Doubled(Function):
            def forward(self, a, b):
                return a + b

            def backward(self, g):
                visits.append(self)
                return g, g

        x = leaf(1.0)
        y = x
        for _ in range(40):
            y = Doubled()(y, y)
        assert len(topological_order([y.creator])) == 40
        y.backward()
        assert len(visits) == 40
        assert x.grad.item() == 2**40

    def test_the_order_is_right_for_any_graph(self, rng):
        for _ in range(20):
            tensors = [leaf(1.0), leaf(1.0)]
            for _ in range(30):
                i, j = rng.integers(len(tensors), size=2)
                tensors.append(tensors[i] * tensors[j])
            rng.shuffle(tensors)
            roots = [t.creator or t for t in tensors]
            order = topological_order(roots)
            assert len(order) == len(set(order)) == 30
            place = {node: i for i, node in enumerate(order)}
            assert all(place[node] < place.get(p, 30) for node in order for p in node.parents)


def in_a_new_process(pickled, *lines):
    """Run the lines where `given` is what was pickled, and the clock is young; return what is printed."""
    code = "import pickle, sys\ngiven = pickle.load(sys.stdin.buffer)\n" + "\n".join(lines)
    run = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, check=True)
    return run.stdout.decode().strip()


class TestPickle:
    """A pickle may come from another process, whose clock had gone further."""

    def test_a_leaf(self):
        w = leaf(1.0, 2.0)
        for _ in range(10):
            w.mark_dirty()
        assert (
            in_a_new_process(
                pickle.dumps(w), "(given * given).sum().backward()", "print(given.grad.numpy().tolist())"
            )
            == "[2.0, 4.0]"
        )
        assert "changed in place since" in in_a_new_process(
            pickle.dumps(w),
            "y = given * given",
            "given.data -= 1",
            "try: y.sum().backward()",
            "except RuntimeError as error: print(error)",
        )

    def test_a_graph(self):
        x = leaf(2.0)
        pickled = pickle.dumps((x, x * x * x))
        printed = in_a_new_process(pickled, "x, y = given", "(y * y).backward()", "print(x.grad.item())")
        assert float(printed) == 6 * 2**5


class TestChangesInPlace:
    """An array that was saved for backward and has changed since would give a wrong gradient, silently."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda w: setattr(w, "data", w.data - 1),
            lambda w: w.__setitem__(0, 5.0),
            lambda w: w.detach().__setitem__(..., 5.0),
            lambda w: w.reshape(2, 1).__setitem__(0, 5.0),
            lambda w: w[1:].__setitem__(0, 5.0),
            lambda w: w[None].transpose(0, 1).__setitem__(0, 5.0),
            lambda w: Tensor(w).__setitem__(0, 5.0),
            lambda w: w.mark_dirty(),
        ],
    )
    def test_a_saved_array_is_found_changed(self, change):
        w = leaf(1.0, 2.0)
        y = w * w
        with tinycnn.no_grad():
            change(w)
        with pytest.raises(RuntimeError, match=rf"Mul {CHANGED}"):
            y.sum().backward()

    def test_the_operator_on_data(self):
        w = leaf(1.0)
        y = w * w
        w.data -= 0.5
        with pytest.raises(RuntimeError, match=CHANGED):
            y.backward()

    def test_through_the_tensor_that_a_saved_view_was_made_of(self):
        w = leaf(1.0, 2.0)
        part = w[1:]
        y = part * part
        w.data -= 1
        with pytest.raises(RuntimeError, match=CHANGED):
            y.backward()

    def test_a_saved_result(self):
        y = F.exp(leaf(1.0))
        z = y + 1
        y.data += 1
        with pytest.raises(RuntimeError, match=f"Exp {CHANGED}"):
            z.backward()

    def test_a_step_between_forward_and_backward(self, rng):
        model = Linear(3, 1)
        optimizer = SGD(model.parameters(), lr=0.1)
        x = Tensor(rng.standard_normal((2, 3)), requires_grad=True)
        first, second = model(x).sum(), model(x).sum()
        first.backward()
        optimizer.step()
        with pytest.raises(RuntimeError, match=f"Linear {CHANGED}"):
            second.backward()

    def test_what_was_not_saved_may_change(self):
        x, w = leaf(1.0), leaf(2.0)
        y = (x + 1) * w.detach() - x
        x.data -= 5
        y.backward()
        assert x.grad.item() == 1

    def test_after_backward_everything_may_change(self):
        w = leaf(1.0)
        (w * w).backward()
        w.data -= 0.5
        (w * w).backward()
        assert w.grad.item() == 3

    @pytest.mark.parametrize("use", ["labels", "index", "mask", "gather", "where"])
    @pytest.mark.usefixtures("on_numpy")
    def test_indices_may_change_after_the_forward(self, use):
        x = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
        index = np.array([[1], [0]])
        mask = np.array([True, False])
        y = {
            "labels": lambda: F.nll_loss(x, index[:, 0], reduction="sum") * -1,
            "index": lambda: x[np.array([0, 1]), index[:, 0]].sum(),
            "mask": lambda: x[mask].sum() * 1,
            "gather": lambda: F.gather(x, 1, index).sum(),
            "where": lambda: F.where(mask, x, 0.0).sum(),
        }[use]()
        index[:], mask[:] = 0, False
        y.backward()
        expected = {"mask": [[1, 1], [0, 0]], "where": [[1, 0], [1, 0]]}.get(use, [[0, 1], [1, 0]])
        assert_array_equal(x.grad.numpy(), expected)

    @pytest.mark.usefixtures("on_numpy")
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 2)])
    @pytest.mark.parametrize("kind", [np.array, Tensor, list])
    def test_one_buffer_of_labels_serves_several_batches(self, kind, shape, smoothing):
        rows = np.zeros((2, 1, 2), int) if len(shape) == 4 else np.zeros(2, int)
        gradients = []
        for one_buffer in (True, False):
            z, labels, total = Tensor(np.zeros(shape), requires_grad=True), kind(rows), 0
            for label in range(3):
                labels = labels if one_buffer else kind(rows)
                labels[:] = [label] * 2 if kind is list and len(shape) == 2 else np.full_like(rows, label)
                total = total + (label + 1) * F.cross_entropy(z, labels, label_smoothing=smoothing)
            total.backward()
            gradients.append(z.grad.numpy())
        assert_array_equal(*gradients)

    @pytest.mark.parametrize("inside", [False, True])
    def test_a_list_of_indices_may_change_and_grow(self, inside):
        x, k, total = leaf(1.0, 2.0, 3.0), [0], 0
        for i in range(3):
            k[0] = i
            total = total + (i + 1) * (x[None][:, k] if inside else x[k]).sum()
        k.append(1)
        total.backward()
        assert_array_equal(x.grad.numpy(), [1, 2, 3])

    @pytest.mark.usefixtures("on_numpy")
    def test_what_an_operation_holds_beside_its_inputs_is_compared_under_detect_anomaly(self):
        class Picked(Function):
            keeps = "places"

            def __init__(self, places):
                self.places = places

            def forward(self, x):
                self.size = x.shape
                return x[self.places]

            def backward(self, g, places):
                y = np.zeros(self.size)
                y[places] = g.numpy()
                return Tensor(y)

        x, places = leaf(1.0, 2.0), np.array([0])
        with tinycnn.detect_anomaly():
            y = Picked(places)(x)
            places[0] = 1
            with pytest.raises(RuntimeError, match=f"Picked {CHANGED}"):
                y.backward()

    def test_writing_where_gradients_could_not_follow_is_refused(self):
        x, result, free = leaf(1.0, 2.0), leaf(1.0, 2.0) * 2, Tensor(np.zeros(2))
        for target, value in ((x, 1.0), (result, 1.0), (free, x), (free[0:1], x[0])):
            with pytest.raises(RuntimeError, match="gradients do not follow assignments"):
                target[0] = value
        with tinycnn.no_grad():
            x[0], free[0] = 5.0, x[1]
            with pytest.raises(RuntimeError, match="gradients do not follow"):
                result[0] = 1.0
        assert x.numpy().tolist() == [5, 2]
        assert free.numpy().tolist() == [2, 0]


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
class TestDetectAnomaly:
    def test_the_operation_that_made_it_is_named_with_its_line(self):
        x = leaf(1.0, 0.0)
        with (
            tinycnn.detect_anomaly(),
            pytest.raises(
                tinycnn.AnomalyError, match=r"^Log\(\(2,\)\) produced 1 of 2 .* -inf at \(1,\) from"
            ) as caught,
        ):
            F.sum(F.log(x))  # this line
        assert f"{__file__}:" in str(caught.value)
        assert str(caught.value).endswith("F.sum(F.log(x))  # this line")

    def test_an_input_that_already_held_it_is_named(self):
        with (
            tinycnn.detect_anomaly(),
            pytest.raises(
                tinycnn.AnomalyError, match=r"^input 1 of Add\(\(2,\), \(2,\)\) already holds 1 of 2 .* nan"
            ),
        ):
            leaf(1.0, 1.0) + leaf(np.nan, 0.0)

    def test_backward_names_the_operation_and_the_line_of_its_forward(self):
        x = leaf(0.0)
        with tinycnn.detect_anomaly():
            y = F.sqrt(x)  # forward
            with pytest.raises(
                tinycnn.AnomalyError, match=r"^Sqrt.backward: Div.* produced .* inf at \(0,\)"
            ) as caught:
                y.backward()
        assert str(caught.value).endswith("y = F.sqrt(x)  # forward")

    def test_a_gradient_that_already_held_it(self):
        x = leaf(1.0)
        with (
            tinycnn.detect_anomaly(),
            pytest.raises(tinycnn.AnomalyError, match=r"^the gradient given to Neg.backward already holds"),
        ):
            (-x).backward([np.inf])

    def test_a_change_that_no_counter_sees(self):
        x = leaf(1.0)
        y = x * x
        x.data[...] = 5  # in silence, and the gradient is wrong
        y.backward()
        assert x.grad.item() == 10
        with tinycnn.detect_anomaly():
            y = x * x
            x.data[...] = 7
            with pytest.raises(RuntimeError, match=f"Mul {CHANGED}"):
                y.backward()

    def test_all_is_well(self, backend):
        x = tinycnn.ones(2, 3, requires_grad=True)
        with tinycnn.detect_anomaly():
            F.cross_entropy(F.exp(x) * x, [0, 1]).backward()
        assert np.isfinite(x.grad.numpy()).all()

    def test_a_sum_of_gradients(self):
        x = leaf(1e-30, dtype="float32")
        with (
            tinycnn.detect_anomaly(),
            pytest.raises(tinycnn.AnomalyError, match=r"^Add.* produced .* inf at \(0,\) from finite inputs"),
        ):
            (x * 3e38 + x * 3e38).backward()

    def test_it_leaves_no_grad_as_it_is(self):
        x = leaf(1.0)
        with tinycnn.no_grad():
            with tinycnn.detect_anomaly():
                assert not (x * 2).requires_grad
            assert not (x * 2).requires_grad
        with tinycnn.detect_anomaly():
            with tinycnn.no_grad():
                assert not (x * 2).requires_grad
            assert (x * 2).requires_grad

    def test_it_ends_with_its_block(self):
        with tinycnn.detect_anomaly():
            pass
        F.log(Tensor([0.0]))

    def test_it_works_on_every_backend(self, backend):
        with tinycnn.detect_anomaly(), pytest.raises(tinycnn.AnomalyError, match=r"-inf at \(0, 1\)"):
            F.log(Tensor([[1.0, 0.0]]))


class TestFunction:
    """What someone meets who writes an operation."""

    def make(self, result):
        class Custom(Function):
            def forward(self, a, b):
                return a * b

            def backward(self, g):
                return result(g)

        return Custom()(leaf(1.0, 2.0), leaf(1.0, 2.0))

    def test_too_few_gradients(self):
        with pytest.raises(RuntimeError, match=r"Custom.backward returned 1 gradients for 2 inputs"):
            self.make(lambda g: g).backward([1.0, 1.0])

    def test_a_wrong_shape(self):
        with pytest.raises(RuntimeError, match=r"shape \(\) for its input 1 of shape \(2,\)"):
            self.make(lambda g: (g, g.sum())).backward([1.0, 1.0])

    def test_a_wrong_shape_where_inputs_are_broadcast(self):
        class Wrong(F.arithmetic.Mul):
            def backward(self, g, a, b):
                return g, g[0]

        with pytest.raises(RuntimeError, match=r"Wrong.* shape \(2,\) for its input 1 of shape \(1, 1\)"):
            Wrong()(leaf([1.0, 1.0]), leaf([1.0])).backward([[1.0, 1.0]])

    def test_a_gradient_is_summed_over_the_copies_of_broadcasting(self):
        class Scaled(Function):
            keeps = "x, s"

            def forward(self, x, s):
                return x * s

            def backward(self, g, x, s):
                return g * s, g * x

        x, s = Tensor(np.ones((2, 3)), requires_grad=True), leaf(5.0)
        Scaled()(x, s).sum().backward()
        assert_array_equal(x.grad.numpy(), np.full((2, 3), 5))
        assert_array_equal(s.grad.numpy(), [6])

    def test_what_is_kept_is_an_input_the_result_or_an_attribute(self):
        class All(Function):
            keeps = "w, y, places"

            def forward(self, x, w):
                self.places = x.argsort()
                return x * w

            def backward(self, g, w, y, places):
                assert isinstance(places, type(x.data))
                return w * 0 + y, w * 0 + places.argsort()

        x, w = leaf(3.0, 1.0), leaf(2.0, 2.0)
        y = All()(x, w)
        (g,) = grad(y.sum(), x, create_graph=True)
        assert_array_equal(g.numpy(), [6, 2])
        (second,) = grad(g.sum(), x, retain_graph=True)  # the result is connected to the graph
        assert_array_equal(second.numpy(), [6, 2])
        y.sum().backward()
        assert_array_equal(w.grad.numpy(), [1, 0])
        with pytest.raises(RuntimeError, match="All: the graph was walked before"):
            y.sum().backward()

    def test_a_name_that_is_none_of_these_is_said(self):
        class Typo(Function):
            keeps = "z"

            def forward(self, x):
                return x * 1

        with pytest.raises(
            AttributeError, match=r"Typo keeps 'z': .* parameter of forward\(x\), not .y. .* no attribute"
        ):
            Typo()(leaf(1.0))

    def test_backward_may_use_what_only_tensors_have(self):
        class Exp(Function):
            keeps = "x"

            def forward(self, x):
                return np.exp(x)

            def backward(self, g, x):
                return (g * x.exp()).reshape(x.shape).detach().to("float64") + Tensor(g.data * 0)

        x = leaf(0.0, 1.0)
        Exp()(x).sum().backward()
        assert x.grad.numpy() == pytest.approx([1, np.e])

    def test_forward_must_return(self):
        class Forgot(Function):
            def forward(self, x):
                x * 2

        with pytest.raises(TypeError, match=r"Forgot.forward returned None: it must return the result"):
            Forgot()(leaf(1.0))

    def test_none_stands_for_no_gradient(self):
        self.make(lambda g: (g, None)).backward([1.0, 1.0])

    def test_what_is_not_written_is_named(self):
        class Half(Function):
            def forward(self, x):
                return x / 2

        with pytest.raises(NotImplementedError, match=r"Half has no backward\(\)"):
            Half()(leaf(1.0)).backward()
        with pytest.raises(NotImplementedError, match=r"Function has no forward\(\)"):
            Function()(leaf(1.0))

    def test_an_instance_is_one_use(self):
        relu, x = ReLU(), leaf(1.0, -1.0)
        y = relu(x)
        mul = F.arithmetic.Mul()
        mul(x, x)
        with pytest.raises(RuntimeError, match="Mul was called before"):
            mul(x, 2)
        with pytest.raises(RuntimeError, match="ReLU was called before: an instance is one use"):
            relu(-x)
        y.sum().backward()
        assert_array_equal(x.grad.numpy(), [1, 0])

    def test_a_number_may_be_returned(self):
        class Total(Function):
            def forward(self, x):
                self.size = x.shape
                return float(x.sum())

            def backward(self, g):
                return F.broadcast_to(g, self.size)

        x = leaf(1.0, 2.0)
        Total()(x).backward()
        assert_array_equal(x.grad.numpy(), [1, 1])


def test_equality_is_of_elements_and_a_key_is_the_tensor_itself():
    a, b = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
    assert (a == b).numpy().tolist() == [True, False]
    assert (a != 2).numpy().tolist() == [True, False]
    assert {a: "a", b: "b"}[a] == "a"


def test_new_tensors_take_sizes_or_a_shape():
    for make in (tinycnn.zeros, tinycnn.ones, tinycnn.rand, tinycnn.randn):
        assert make(2, 3).shape == make((2, 3)).shape == (2, 3)
        assert make().shape == ()
        with pytest.raises(ValueError, match="negative"):
            make(-1)


class TestObservers:
    def test_an_observer_is_called_for_the_moments_that_it_has_a_method_for(self, monkeypatch):
        def not_wanted(*_):
            raise AssertionError("a method that does nothing was called")

        for moment in ("computed", "failed", "walking", "passing", "passed"):
            monkeypatch.setattr(Observer, moment, not_wanted)

        class Arrivals(Observer):
            def __init__(self):
                self.seen = []

            def passing(self, node, g):
                self.seen.append((node.name, g.tolist()))

        x = leaf(1.0, 2.0)
        with observed(watch := Arrivals()):
            (x * x).sum().backward()
        assert watch.seen == [("Sum", 1.0), ("Mul", [1.0, 1.0])]
        with observed(Arrivals()), pytest.raises(ValueError, match="matmul"):
            F.matmul(leaf(1.0, 2.0), leaf(1.0))

    def test_one_more_observer_does_not_replace_those_that_always_look_on(self):
        x = leaf(1.0, 2.0)
        with observed(Observer()):
            y = (x * x).sum()
            x.data += 1
            with pytest.raises(RuntimeError, match=CHANGED):
                y.backward()
