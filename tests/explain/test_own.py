"""Steps of one's own pictures, kernels and modules, and of a training step that is repeated."""

import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate2d

import tinycnn
from tests.helpers.explained import check_panels
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.cli import main
from tinycnn.explain import example, graph, training_step
from tinycnn.explain.own import is_dark_on_bright, read_kernel


@pytest.fixture
def digit(tmp_path):
    """A dark stroke on white, 28 x 28."""
    pixels = np.full((28, 28), 255, np.uint8)
    pixels[8:20, 12:16] = 20
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    return tmp_path / "digit.png", pixels


@pytest.mark.parametrize("kernel", ["1 0 -1; 2 0 -2; 1 0 -1", "sobel", "blur", "1,-1"])
def test_a_picture_under_a_kernel(digit, kernel):
    path, pixels = digit
    steps = example("conv2d", input=path, kernel=kernel, backward=True)
    np.testing.assert_array_equal(steps.arrays["x"][0, 0], pixels)
    expected = correlate2d(pixels.astype(float), read_kernel(kernel), "valid")
    np.testing.assert_allclose(steps.arrays["y"][0, 0], expected, rtol=1e-5, atol=1e-3)
    assert [step.phase for step in steps] == ["forward", "backward"]  # of many, the strongest
    (cell,) = (c for c, role in steps[0].panels[-1].marks.items() if role == "result")
    assert abs(steps.arrays["y"][0, 0][cell]) == pytest.approx(np.abs(expected).max(), rel=1e-5)
    check_panels(steps)


def test_chosen_cells_of_a_picture(digit, capsys):
    cells = ["y[0,0,3,4]", "dL/dx[0,0,27,27]"]
    assert main(["explain", "conv", "--input", str(digit[0]), "--cells", *cells, "--backward"]) == 0
    out = capsys.readouterr().out
    assert "step 2 of 2" in out
    assert "y[0,0,3,4] = " in out


def test_a_named_kernel_is_what_it_says():
    np.testing.assert_array_equal(read_kernel("sobel"), [[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    assert read_kernel("blur").sum() == pytest.approx(1)
    assert read_kernel("sharpen").sum() == 1


@pytest.mark.parametrize("kernel", ["gauss", "1 2; 3", "1 x", "", "nan"])
def test_kernels_that_are_none(kernel):
    with pytest.raises(ValueError, match=r"write its rows.*sobel, blur, sharpen"):
        example("conv2d", kernel=kernel)


def test_a_picture_that_is_dark_on_bright_is_noticed(digit, capsys):
    path, pixels = digit
    assert is_dark_on_bright(pixels[None] / 255)
    assert not is_dark_on_bright(1 - pixels[None] / 255)
    command = ["explain", "module", "--model", "lenet5", "--image", str(path), "--step", "1"]
    assert main(command) == 0
    assert "invert the picture" in " ".join(capsys.readouterr().out.split())
    assert main([*command, "--invert"]) == 0
    assert "invert the picture" not in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["net", "make", "Net"])
def test_a_module_of_ones_own(name, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from tinycnn import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Conv2d(1, 2, 3), nn.Tanh())\n"
        "net = Net()\n"
        "def make():\n"
        "    return net\n"
    )
    assert main(["explain", "module", "--model", f"{tmp_path / 'mine.py'}:{name}", "--backward"]) == 0
    out = capsys.readouterr().out
    assert "1 Tanh: a1 -> a2" in out
    assert "step 4 of 4" in out


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mine.py:Other", "has no 'Other'; its modules are Net"),
        ("none.py:Net", "there is no file none.py"),
        ("mine.py:number", "is no Module but"),
        ("lenet6", "unknown model 'lenet6'"),
    ],
)
def test_modules_that_are_none(model, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from tinycnn import nn\nclass Net(nn.ReLU):\n    pass\ndef number():\n    return 1\n"
    )
    assert main(["explain", "module", "--model", model]) != 0
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("on_numpy")
def test_a_training_step_that_is_repeated(rng):
    tinycnn.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    optimizer = optim.SGD(model.parameters(), 0.1)
    x, labels = rng.random((3, 1, 2, 2)).astype("f"), [0, 1, 2]
    steps = training_step(model, optimizer, x, labels, repeat=4)
    check_panels(steps)
    losses = []
    for t in range(4):
        loss = F.cross_entropy(model(Tensor(x)), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        before = model[1].weight.numpy().copy()
        optimizer.step()
        change = np.linalg.norm((model[1].weight.numpy() - before).ravel().astype(float))
        assert f"1.weight: {change:.4g} of" in steps[t].numbers
    np.testing.assert_array_equal(steps.result[:4].astype("f"), np.array(losses, "f"))


def test_a_graph_of_a_function_shows_every_value():
    a = Tensor([2.0], requires_grad=True)
    drawn = graph(lambda: (a * a * a).sum(), {"a": a}, gradients=True)
    assert [node.lines for node in drawn.nodes] == [
        ["a", "(1,)", "= 2", "grad = 12"],
        ["Mul", "(1,)", "= 4", "grad = 2"],
        ["Mul", "(1,)", "= 8", "grad = 1"],
        ["Sum", "a number", "= 8", "grad = 1"],
    ]
    assert graph(a * a, {"a": a}).nodes[-1].lines == ["Mul", "(1,)", "= 4"]  # of a result, its own value


def test_every_step_of_an_operation_cites_its_equation():
    for name, number in (("conv2d", 1), ("max_pool2d", 2), ("linear", 3), ("softmax", 4), ("relu", 5)):
        for step in example(name, backward=True):
            assert step.equation.endswith(f"Eq. {number})")
    assert all("Eq. 7)" in step.equation for step in example("adam"))
    assert "Eq. 4)" in example("cross_entropy")[0].equation
    assert "(Eq. 6)" in example("cross_entropy").steps_of("L")[0].equation


@pytest.mark.parametrize("name", ["conv2d", "softmax", "linear", "relu", "max_pool2d", "conv_transpose2d"])
def test_the_numbers_are_not_unlucky(name):
    """No gradient that arrives is 0, no row of them is all the same, and the first result is not 0."""
    steps = example(name, backward=True)
    g = steps.arrays["g"]
    assert (g != 0).all()
    assert all(len(set(row)) > 1 for row in g.reshape(-1, g.shape[-1]))
    (first,) = [name for name in ("dL/dx", "dL/dz") if name in steps.arrays]
    if name != "max_pool2d":
        assert abs(steps.arrays[first].ravel()[0]) > 1e-3


def test_a_graph_is_boxes_of_text():
    a, b = Tensor([2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    drawn = graph(lambda: (a * b + a).sum(), {"a": a, "b": b}, gradients=True)
    assert drawn.boxes(60).splitlines()[2:9] == [
        "┌──────────────────────────────────┐",
        "│ t1 = Mul(a, b)                   │",
        "│ (2,)   = 6, 8   grad = 1, 1      │",
        "│   a: (1,)   = 2   grad = 9       │",
        "│   b: (2,)   = 3, 4   grad = 2, 2 │",
        "└─────────────────┬────────────────┘",
        "                  ▼",
    ]
    assert "│ L = Sum(t2)" in drawn.boxes(60)
    assert drawn.boxes(60, ascii_only=True).isascii()
    assert all(len(line) <= 40 for line in drawn.boxes(40).splitlines())
