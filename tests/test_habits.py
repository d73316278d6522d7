"""What people write who come from PyTorch or NumPy: it works, or an error says what to write instead."""

import asyncio
import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn import Tensor, nn, no_grad
from tinycnn import functional as F
from tinycnn.elsewhere import OF_MODULES, OF_TENSORS

pytestmark = pytest.mark.usefixtures("on_numpy")  # habits with NumPy arrays beside tensors

OPERATORS = {
    "+": lambda x, y: x.__iadd__(y),
    "-": lambda x, y: x.__isub__(y),
    "*": lambda x, y: x.__imul__(y),
    "/": lambda x, y: x.__itruediv__(y),
    "**": lambda x, y: x.__ipow__(y),
    "@": lambda x, y: x.__imatmul__(y),
}


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


class TestInPlace:
    def test_pytorchs_training_loop_learns(self, rng):
        net, x = nn.Linear(3, 2), Tensor(rng.standard_normal((8, 3)))
        losses = []
        for _ in range(3):
            loss = (net(x) ** 2).mean()
            net.zero_grad()
            loss.backward()
            with no_grad():
                for p in net.parameters():
                    p -= 0.5 * p.grad
                net.weight *= 0.99
            losses.append(loss.item())
        assert losses[0] > losses[1] > losses[2]
        assert list(net.state_dict()) == ["weight", "bias"]
        assert isinstance(net.weight, nn.Parameter)

    @pytest.mark.parametrize("symbol", OPERATORS)
    def test_a_leaf_is_changed_under_no_grad(self, symbol, backend):
        x, y = Tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True), Tensor([[1.0, 2.0], [3.0, 2.0]])
        view, expected = x.detach(), {"**": x**y, "@": x @ y}.get(symbol)
        if expected is None:
            expected = {"+": x + y, "-": x - y, "*": x * y, "/": x / y}[symbol]
        with no_grad():
            changed = OPERATORS[symbol](x, y)
        assert changed is x
        assert x.requires_grad
        assert x.backend == backend
        assert_array_equal(x.numpy(), expected.detach().numpy())
        assert_array_equal(view.numpy(), x.numpy())

    @pytest.mark.parametrize("symbol", OPERATORS)
    def test_elsewhere_an_error_says_what_to_write(self, symbol):
        change, one = OPERATORS[symbol], Tensor(np.ones((1, 1)))
        followed = Tensor(np.ones((1, 1)), requires_grad=True)
        for x, y in ((followed, one), (followed * 2, one), (Tensor(np.ones((1, 1))), followed)):
            with pytest.raises(
                RuntimeError, match=r"do not follow .*no_grad\(\) a leaf can .* else .* x = x "
            ):
                change(x, y)
        with no_grad(), pytest.raises(RuntimeError, match="gradients do not follow"):
            change(followed * 2 if followed.creator else self.result(), one)

    def result(self):
        with tinycnn.modes.set_grad_enabled(True):
            return Tensor(np.ones((1, 1)), requires_grad=True) * 2

    def test_what_needs_no_gradient_is_changed_anywhere(self):
        x = Tensor([1.0, 2.0])
        alias = x
        x += 1
        x -= np.ones(2)
        x *= [2.0, 3.0]
        assert x is alias
        assert_array_equal(x.numpy(), [2, 6])

    def test_a_change_in_place_is_noticed_by_backward(self):
        w = leaf(1.0)
        y = w * w
        with no_grad():
            w -= 0.5
        with pytest.raises(RuntimeError, match="changed in place since"):
            y.backward()

    @pytest.mark.parametrize(
        ("x", "y", "error", "says"),
        [
            (
                np.ones(2),
                np.ones((3, 2)),
                ValueError,
                r"x \+= y keeps .* \(2,\), float64, and y is \(3, 2\), float64",
            ),
            (np.ones(2, int), 0.5, TypeError, r"x \+= y keeps .*int64, and y is float 0.5; x = x \+ y makes"),
            (np.ones(2), None, TypeError, r"and y is NoneType None"),
        ],
    )
    def test_a_result_of_another_shape_or_kind(self, x, y, error, says):
        with pytest.raises(error, match=says):
            Tensor(x).__iadd__(y)


class TestData:
    @pytest.mark.parametrize("what", ["data", "grad"])
    def test_a_tensor_is_taken_for_its_array(self, what):
        p = nn.Parameter([1.0, 2.0])
        (p * 2).sum().backward()
        p.data = p.data - 0.5 * p.grad
        assert type(p.data) is np.ndarray
        assert_array_equal(p.numpy(), [0, 1])
        p.grad = np.ones(2, "f4")
        assert_array_equal((p.grad * p).numpy(), [0, 1])
        p.grad = None
        assert p.grad is None

    @pytest.mark.parametrize("what", ["data", "grad"])
    @pytest.mark.parametrize(
        ("value", "error", "says"),
        [
            ([1.0, 2.0], TypeError, "of a tensor is an array or a tensor, not list"),
            ("ab", TypeError, "not str"),
            (1.0, TypeError, "not float"),
            (np.ones(3), ValueError, r"of a tensor of shape \(2,\) cannot have shape \(3,\)"),
            (Tensor(np.ones((2, 1))), ValueError, r"cannot have shape \(2, 1\)"),
            (np.ma.masked_array([1.0, 2.0], [True, False]), TypeError, r"masked array of shape \(2,\)"),
        ],
    )
    def test_what_does_not_fit_is_refused_at_once(self, what, value, error, says):
        p = nn.Parameter([1.0, 2.0])
        with pytest.raises(error, match=says):
            setattr(p, what, value)
        assert p.grad is None
        assert_array_equal(p.numpy(), [1, 2])

    def test_data_is_none(self):
        with pytest.raises(TypeError, match="the data of a tensor is an array or a tensor, not NoneType"):
            leaf(1.0).data = None

    def test_a_copy_has_its_gradient(self):
        x = leaf(2.0)
        (x * x).backward()
        twin = copy.deepcopy(x)
        twin.grad.data *= 2
        assert (x.grad.item(), twin.grad.item()) == (4, 8)


class TestArraysOfOthers:
    @pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
    def test_a_matrix_is_an_array(self):
        a = np.matrix([[1.0, 2.0], [3.0, 4.0]])
        b = np.array([[1.0, 2.0], [3.0, 4.0]])
        for y in (Tensor(a) * Tensor(b), Tensor(b) * a, F.mul(Tensor(a), a), Tensor(F.mul(a, a))):
            assert type(y.data) is np.ndarray
            assert_array_equal(y.numpy(), [[1, 4], [9, 16]])
        assert Tensor(a).reshape(-1).shape == (4,)
        x = Tensor(b)
        x.data = a
        assert type(x.data) is np.ndarray

    @pytest.mark.parametrize("make", [Tensor, lambda a: Tensor([1.0, 2.0]) * a, F.exp, lambda a: F.add(a, a)])
    def test_a_mask_is_refused(self, make):
        with pytest.raises(TypeError, match=r"masked array of shape \(2,\): .* array.filled\(0\)"):
            make(np.ma.masked_array([1.0, 2.0], [True, False]))

    @pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i8"])
    @pytest.mark.parametrize("operation", [F.relu, F.exp, F.sigmoid, lambda x: F.leaky_relu(x, 0.1), F.mean])
    def test_both_byte_orders(self, operation, dtype):
        x = np.arange(-1000, 1000).astype(dtype)
        x = (x // 16).astype(dtype)
        expected = operation(Tensor(x.astype(x.dtype.newbyteorder("="))))
        with np.errstate(over="ignore"):
            for y in (operation(Tensor(x)), Tensor(operation(x)), operation(Tensor(x) * 1)):
                assert_array_equal(y.numpy(), expected.numpy())


class TestPythonObject:
    @pytest.mark.parametrize("use", [list, sum, tuple, iter, lambda t: [*zip(t, "a", strict=False)]])
    def test_a_number_cannot_be_iterated_over(self, use):
        with pytest.raises(TypeError, match=r"without dimensions cannot be iterated over; item\(\)"):
            use(Tensor(3.0))

    def test_rows_are_iterated_over(self):
        x = leaf([1.0, 2.0], [3.0, 4.0])
        first, second = x
        (first * second).sum().backward()
        assert_array_equal(x.grad.numpy(), [[3, 4], [1, 2]])

    def test_formats(self):
        loss = leaf(0.123456).sum()
        assert f"{loss:.4f} {Tensor([7]):3d} {loss.detach():8.2e}" == "0.1235   7 1.23e-01"
        assert f"{Tensor([1.0, 2.0])}" == "Tensor([1., 2.])"
        with pytest.raises(TypeError, match=r"only one element has the format '.2f', .* shape \(2,\)"):
            format(Tensor([1.0, 2.0]), ".2f")

    def test_nothing_else_is_equal_to_a_tensor(self):
        t = Tensor([1.0, 2.0])
        assert (t == None) is False  # noqa: E711 (as people write it)
        assert (t != None) is True  # noqa: E711
        assert (None == t) is False  # noqa: E711, SIM300
        assert t not in [None, "t", {}]
        assert (t == "t") is False
        assert (t == [1.0, 3.0]).numpy().tolist() == [True, False]
        assert (t == 1).numpy().tolist() == [True, False]

    def test_booleans_are_combined(self):
        t = Tensor([0.0, 2.0, 5.0])
        assert ((t > 1) & (t < 4)).numpy().tolist() == [False, True, False]
        assert ((t < 1) | (t > 4)).numpy().tolist() == [True, False, True]
        assert ((t > 1) ^ (t > 4)).numpy().tolist() == [False, True, False]
        assert (~(t > 1)).numpy().tolist() == [True, False, False]
        assert ((t > 1) & False).numpy().tolist() == [False] * 3


class TestNames:
    """Methods under PyTorch's names, against PyTorch."""

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: x.view(3, 2),
            lambda x: x.view(-1),
            lambda x: x.clone(),
            lambda x: x.squeeze(),
            lambda x: x[None].squeeze(0),
            lambda x: x[:, None].squeeze(1),
            lambda x: x.squeeze(0),
            lambda x: x.unsqueeze(0),
            lambda x: x.unsqueeze(-1),
            lambda x: x.unsqueeze(1),
            lambda x: x.std(),
            lambda x: x.std(1),
            lambda x: x.std(0, keepdim=True),
            lambda x: x.clamp(-0.5, 0.5),
            lambda x: x.clamp(min=0),
            lambda x: x % 0.5,
            lambda x: (x * 3) % (x * x + 1),
            lambda x: x.float() * 2,
            lambda x: x.double(),
        ],
    )
    def test_with_a_gradient(self, f, rng, torch):
        a = rng.standard_normal((2, 3))
        x, twin = Tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        y, expected = f(x), f(twin)
        assert y.shape == expected.shape
        assert y.dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
        (y * y).sum().backward()
        (expected * expected).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), twin.grad.numpy(), rtol=1e-6)

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: x.argmin(),
            lambda x: x.argmin(1),
            lambda x: x.argmax(0, keepdim=True),
            lambda x: x.argmax(-1),
            lambda x: x.argmin(1, keepdim=True),
            lambda x: x.eq(x),
            lambda x: x.ne(1.0),
            lambda x: x.lt(0),
            lambda x: x.le(0.5),
            lambda x: x.gt(x),
            lambda x: x.ge(x),
            lambda x: x.long(),
            lambda x: x.detach() // 0.5,
            lambda x: 2 // x.detach(),
            lambda x: 2 % x.detach(),
            lambda x: x.detach().round(),
            lambda x: (x.detach() * 2).round() / 2,
            lambda x: x.detach().floor(),
        ],
    )
    def test_without_a_gradient(self, f, rng, torch):
        a = rng.standard_normal((2, 3))
        y, expected = f(Tensor(a, requires_grad=True)), f(torch.tensor(a, requires_grad=True))
        assert not y.requires_grad
        assert y.shape == expected.shape
        assert y.dtype.name == str(expected.dtype).removeprefix("torch.")
        assert_array_equal(y.numpy(), expected.numpy())

    @pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
    def test_rows_and_columns_of_a_place(self, dtype, torch):
        a = np.array([[0, 5, 17], [27, 28, 100]]).astype(dtype)
        place, twin = Tensor(a), torch.tensor(a)
        for f in (lambda n: n // 28, lambda n: n % 28, lambda n: n % 2 == 0):
            y, expected = f(place), f(twin)
            assert y.dtype.name == str(expected.dtype).removeprefix("torch.")
            assert_array_equal(y.numpy(), expected.numpy())

    @pytest.mark.parametrize("limit", [Tensor([1.0, 2.0, 3.0]), np.ones(3)])
    @pytest.mark.parametrize(("name", "sign"), [("min", "<"), ("max", ">")])
    def test_a_limit_is_a_number(self, name, sign, limit):
        says = rf"{name} is one number, not \w+ \(3,\): use where\(x {sign} limit, limit, x\)"
        with pytest.raises(TypeError, match=says):
            Tensor([1.0, 2.0, 3.0]).clamp(**{name: limit})

    def test_sizes_and_lists(self):
        x = Tensor([[1.0, 2.0, 3.0]])
        assert x.size() == (1, 3)
        assert x.size(1) == x.size(-1) == 3
        assert x.tolist() == [[1, 2, 3]]
        assert Tensor(2).tolist() == 2

    def test_a_clone_has_memory_of_its_own(self):
        x = Tensor([1.0, 2.0])
        y = x.clone()
        y[0] = 5
        assert x.tolist() == [1, 2]


class TestElsewhere:
    """Names of PyTorch's that are missing: the error says what to write, and that works."""

    @pytest.mark.parametrize("name", OF_TENSORS)
    def test_of_tensors(self, name, torch):
        assert hasattr(torch.Tensor, name)
        x = Tensor([[3.0, 1.0], [4.0, 1.5]])
        assert not hasattr(x, name)
        with pytest.raises(
            AttributeError, match=f"^Tensor has no attribute '{name}', as PyTorch has: "
        ) as caught:
            getattr(x, name)
        code = str(caught.value).partition(" has: ")[2]
        known = {
            "x": x,
            "y": Tensor(np.ones((2, 2), "f4")),
            "value": 2.0,
            "mask": Tensor(np.eye(2) > 0),
            "k": 1,
        }
        known |= {"tinycnn": tinycnn, "F": F, "numpy": np, "shape": (3, 2, 2)}
        if "cupy" in code:
            code = code.replace("cupy", "numpy")  # there may be none here
        exec(code, known)

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [("all", ()), ("any", ()), ("norm", ()), ("sign", ()), ("isnan", ()), ("t", ())],
    )
    def test_it_is_pytorchs_result(self, name, arguments, torch):
        a = np.array([[-3.0, 1.0], [np.nan, 1.5]])[: 1 + (name == "isnan")]
        y = eval(OF_TENSORS[name], {"x": Tensor(a), "tinycnn": tinycnn, "numpy": np})
        assert_array_equal(y.numpy(), getattr(torch.tensor(a), name)(*arguments).numpy())

    @pytest.mark.parametrize("name", OF_MODULES)
    def test_of_modules(self, name, torch):
        assert hasattr(torch.nn.Module, name)
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        with pytest.raises(AttributeError, match=f"^Sequential has no attribute '{name}', as PyTorch has: "):
            getattr(net, name)
        known = {"net": net, "nn": nn, "array": np.ones(2, "f4"), "name": "more", "module": nn.ReLU()}
        exec(OF_MODULES[name].replace("cupy", "numpy"), known)
        net.children = 3  # a user's own attribute
        assert net.children == 3

    def test_other_names_are_just_missing(self):
        for thing in (Tensor(1.0), nn.ReLU()):
            with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
                thing.nonsense  # noqa: B018


class TestNoGrad:
    def test_both_ways_to_decorate(self):
        x = leaf(1.0)

        @no_grad
        def without():
            return x * 2

        @no_grad()
        def with_parentheses():
            """Return a product."""
            return x * 2

        assert not without().requires_grad
        assert not with_parentheses().requires_grad
        assert with_parentheses.__doc__ == "Return a product."
        assert (x * 2).requires_grad

    @pytest.mark.parametrize("decorate", [no_grad, no_grad()])
    def test_every_step_of_a_generator(self, decorate):
        x, closed = leaf(1.0), []

        @decorate
        def batches(count):
            try:
                for _ in range(count):
                    sent = yield x * 2
                    assert sent in (None, 7)
                    assert not (x * 3).requires_grad
            finally:
                closed.append(True)
            return "end"

        seen = []
        for y in batches(2):
            seen += [y.requires_grad, (x * 2).requires_grad]  # between the steps it is off
        assert seen == [False, True] * 2
        steps = batches(2)
        next(steps)
        steps.send(7)
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert end.value.value == "end"
        steps = batches(2)
        next(steps)
        steps.close()
        assert len(closed) == 3

    def test_a_coroutine(self):
        x = leaf(1.0)

        @no_grad
        async def product():
            await asyncio.sleep(0)
            return x * 2

        # In a thread: a browser that an earlier test opened has an event loop in this one.
        with ThreadPoolExecutor() as pool:
            assert not pool.submit(asyncio.run, product()).result().requires_grad

    def test_one_switch_serves_several_blocks(self):
        x, switch = leaf(1.0), no_grad()
        with switch:
            with switch:
                assert not (x * 2).requires_grad
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad


def test_lists_and_arrays_are_written_wherever_a_tensor_lives(backend):
    x = Tensor(np.zeros((2, 3), "float32"))
    x[0] = np.array([1, 2, 3])
    x[:, 1] = (4.5, 5.5)
    assert x.tolist() == [[1, 4.5, 3], [0, 5.5, 0]]


def test_a_masked_array_is_not_written():
    with pytest.raises(TypeError, match="masked"):
        Tensor(np.zeros(3, "float32"))[:] = np.ma.masked_array([1, 2, 3], [0, 1, 0])


def test_a_product_in_place_that_has_another_shape_is_refused():
    x = Tensor(np.ones((2, 2), "float32"))
    with pytest.raises(ValueError, match=r"x @= y keeps the shape and dtype of x, \(2, 2\)"):
        x @= Tensor(np.ones(2, "float32"))
