"""Each assignment passes with a right solution; without one, or with a mistake, it says what to do."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tutorials" / "assignments"
RIGHT = Path(__file__).parent / "right"
NAMES = sorted(path.stem for path in FOLDER.glob("a[0-9][0-9]_*.py"))
YOUR_CODE = re.compile(r"^# %% your code\n.*?(?=^# %%|\Z)", re.S | re.M)

_VISIT = "for parent in value.parents:\n                    visit(parent)\n"
_WITHOUT_G = "self.grad += 1\n            other.grad += 1"
_BATCH = "order[start : start + batch_size]"
_NO_ZERO_D = "    optimizer.zero_grad()\n    fake = Tensor(G(Tensor(z), of_G).data)"
_NO_ZERO_G = "    optimizer.zero_grad()\n    loss = binary_cross_entropy(D(G("
_OF_TOTAL = "(np.full(a.data.shape, g),)"
_INDEX = "x[n, c, oh * stride + r, ow * stride + s] * g"
# What is written instead of what in the right solution, and the test that finds it.
MISTAKES = [
    (
        "a01_value",
        {"+= other.data *": "= other.data *", "+= self.data *": "= self.data *"},
        "a_value_that_is_used_twice",
    ),
    (
        "a01_value",
        {
            f"{_VISIT}                order.append(value)": f"order.append(value)\n                {_VISIT}",
            "reversed(order)": "order",
        },
        "the_order_of_the_walk",
    ),
    ("a01_value", {"self.grad += y.grad\n            other.grad += y.grad": _WITHOUT_G}, "gradient_of_a_sum"),
    ("a01_value", {"if id(value) not in seen:": "if True:"}, "the_order_of_the_walk"),
    (
        "a02_broadcasting",
        {"g if parent.grad is None else parent.grad + g": "g"},
        "a_tensor_that_is_used_twice",
    ),
    ("a02_broadcasting", {"unbroadcast(g, b.data.shape)": "g"}, "a_bias"),
    ("a02_broadcasting", {_OF_TOTAL: "(np.ones(a.data.shape),)"}, "total"),
    ("a02_broadcasting", {_OF_TOTAL: _OF_TOTAL[1:-2]}, "total"),
    ("a03_two_layers", {"g * dz / N": "g * dz"}, "gradient_of_cross_entropy"),
    ("a03_two_layers", {"g * dz / N": "dz / N"}, "gradient_of_cross_entropy"),
    ("a03_two_layers", {"a.data > 0": "a.data >= 0"}, "gradient_of_relu"),
    ("a03_two_layers", {"a.data > 0": "g > 0"}, "gradient_of_relu"),
    ("a03_two_layers", {"parameter.data - lr": "parameter.data + lr"}, "descend"),
    ("a03_two_layers", {"parameter.grad = None": "pass"}, "descend"),
    ("a02_broadcasting", {"unbroadcast(g * a.data": "unbroadcast(g * b.data"}, "gradient_of_a_product"),
    ("a04_slow_convolution", {"+= g[": "= g["}, "input_gradient"),
    ("a04_slow_convolution", {_INDEX: "x[n, c, oh + r, ow + s] * g"}, "weight_gradient"),
    ("a05_fast_convolution", {"x[at] +=": "x[at] ="}, "col2im_is_the_adjoint"),
    ("a05_fast_convolution", {".sum(axis=0)": ".mean(axis=0)"}, "gradient_check"),
    (
        "a06_pooling",
        {"windows.argmax(axis=-1)": "(size**2 - 1 - windows[..., ::-1].argmax(axis=-1))"},
        "a_tie",
    ),
    ("a06_pooling", {"size, size).swapaxes(3, 4)": "size, size)"}, "gradient_check"),
    ("a07_batch_norm", {"h - through_mean": "h"}, "moving_a_channel_changes_nothing"),
    ("a07_batch_norm", {" - through_variance": ""}, "stretching_a_channel_changes_nothing"),
    ("a06_pooling", {"(g.reshape(x.data.shape),)": "g.reshape(x.data.shape)"}, "flatten"),
    ("a08_adam", {"p.data - self.lr": "p.data + self.lr"}, "the_first_step_goes_downhill"),
    ("a08_adam", {" / (1 - beta1**self.t)": ""}, "the_first_step_has_the_size_lr"),
    ("a08_adam", {"np.sqrt(v) + self.eps": "np.sqrt(v + self.eps)"}, "the_engine_agrees"),
    ("a09_cnn", {"labels[batch]": "labels[np.sort(batch)]"}, "it_learns"),
    ("a09_cnn", {"len(images), batch_size": "len(images) - batch_size, batch_size"}, "it_sees_every_image"),
    ("a09_cnn", {"x = relu(conv2d(x, w2, stride=2))": "x = conv2d(x, w2, stride=2)"}, "relu_is_behind"),
    ("a09_cnn", {"max_pool2d(relu(conv2d(x, w1)), 2)": "max_pool2d(conv2d(x, w1), 2)"}, "relu_is_behind"),
    ("a09_cnn", {"rng.permutation(len(images))": "np.arange(len(images))"}, "it_sees_every_image"),
    (
        "a09_cnn",
        {_BATCH: "rng.integers(0, 40, len(order[start : start + batch_size]))"},
        "it_sees_every_image",
    ),
    ("a10_gan", {"g * (p - t) / z.data.size": "(p - t) / z.data.size"}, "binary_cross_entropy"),
    ("a10_gan", {"relu(batch_norm(maps, weight, bias))": "batch_norm(maps, weight, bias)"}, "every_part"),
    ("a10_gan", {"batch_norm(maps, weight, bias)": "maps"}, "every_part"),
    ("a10_gan", {"flatten(relu(conv2d(x, filters, 2)))": "flatten(conv2d(x, filters, 2))"}, "every_part"),
    ("a10_gan", {_NO_ZERO_D: "    fake = Tensor(G(Tensor(z), of_G).data)"}, "old_gradients"),
    ("a10_gan", {_NO_ZERO_G: "    loss = binary_cross_entropy(D(G("}, "old_gradients"),
    ("a10_gan", {"Tensor(G(Tensor(z), of_G).data)": "G(Tensor(z), of_G)"}, "no_gradient_of_the_loss_of_D"),
    ("a10_gan", {"of_D), 1.0)": "of_D), 0.0)"}, "G_learns_and_D_stays"),
]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run an assignment with this text as your code, earlier ones solved; return status and output."""
    for path in FOLDER.glob("*.py"):
        right = RIGHT / path.name
        text = _filled(path.read_text(), right.read_text()) if right.exists() else path.read_text()
        (tmp_path / path.name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def run(name, code):
        if code is None:
            shutil.copy(FOLDER / f"{name}.py", tmp_path)
        else:
            (tmp_path / f"{name}.py").write_text(_filled((FOLDER / f"{name}.py").read_text(), code))
        try:
            runpy.run_path(str(tmp_path / f"{name}.py"), run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().out

    yield run
    for name in ("run_tests", *NAMES):
        sys.modules.pop(name, None)


def _filled(text, code):
    (mine,) = YOUR_CODE.findall(text)
    (right,) = YOUR_CODE.findall(code)
    return text.replace(mine, f"{right}\n\n")


def sentence(name, test):
    """Return the sentence of a test of an assignment, its docstring."""
    (found,) = [said for which, said in sentences(name) if which.startswith(test)]
    return found


def sentences(name):
    """Return (test, sentence) of every test of an assignment."""
    found = re.findall(r'def test_(\w+)\(\):\n    """(.*?)"""', (FOLDER / f"{name}.py").read_text(), re.S)
    return [(test, " ".join(said.split())) for test, said in found]


def test_there_are_ten_and_the_page_lists_them():
    assert [name[:3] for name in NAMES] == [f"a{number:02}" for number in range(1, 11)]
    assert re.findall(r"\]\((a\d\d_\w+)\.py\)", (FOLDER / "README.md").read_text()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_right_solution_passes(name, run):
    status, out = run(name, (RIGHT / f"{name}.py").read_text())
    assert status == 0, out
    assert "wrong" not in out
    assert "right gradient check" in out
    assert "All tests pass" in out


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_skeleton_says_what_to_write(name, run):
    status, out = run(name, None)
    assert re.match(r"\d+ of \d+ tests fail", status)
    assert "not written yet: write " in out
    text = (FOLDER / f"{name}.py").read_text()
    tests = len(re.findall("^def test_", text, re.M))
    assert tests == len(re.findall("^(?:right|to do) ", out, re.M)), "nothing is called wrong yet"


@pytest.mark.parametrize(
    ("name", "changes", "test"), MISTAKES, ids=[f"{name[:3]}-{test}" for name, _, test in MISTAKES]
)
def test_a_mistake_is_found_and_the_sentence_helps(name, changes, test, run):
    code = (RIGHT / f"{name}.py").read_text()
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    status, out = run(name, code)
    assert "tests fail" in str(status), out
    first = out.partition("wrong ")[2].splitlines()[1].strip()
    assert first == sentence(name, test)


def test_every_assignment_has_at_least_two_known_mistakes():
    for name in NAMES:
        assert sum(name == known for known, _, _ in MISTAKES) >= 2


def test_every_sentence_says_what_to_look_at():
    for name in NAMES:
        for test, said in sentences(name):
            assert re.search(r"[.:;,?] ", said), (test, said)
            assert said[-1] in ".?", (test, said)


def test_an_exception_comes_with_its_line(run):
    code = (RIGHT / "a06_pooling.py").read_text().replace("x.data.reshape(len(x.data), -1)", "x.reshape(2)")
    _, out = run("a06_pooling", code)
    (line,) = re.findall(r"AttributeError: .* 'reshape'\n +\(a06_pooling.py, line \d+: (.*)\)", out)[:1]
    assert "x.reshape(2)" in line


def test_a_wrong_gradient_comes_with_its_place(run):
    """A mistake that changes the second image only: the first numbers agree."""
    code = (RIGHT / "a06_pooling.py").read_text()
    old = "(g.reshape(x.data.shape),)"
    assert old in code
    code = code.replace(old, "(g.reshape(x.data.shape) * (np.arange(len(g)) == 0)[:, None, None, None],)")
    _, out = run("a06_pooling", code)
    assert re.search(
        r"input 0 \(counted from 0\) at \(1, .*\): backward gives 0.0000, finite differences", out
    )
