"""Wrong answers to exercises of the lessons that `compare` judges: each must be refused.

The exercises that `check` judges belong to the tutor, which plants its own mistakes (tests/tutor).
"""

import ast
import re

WRONG = {
    (1, 3): [
        "def halve(x):\n    return x[::2, ::2]",
        "def halve(x):\n    return (x[::2, ::2] + x[1::2, 1::2]) / 2",
    ],
    (2, 2): [
        "def exp(value):\n    return Value(float(np.exp(value.data)), (value,), (1.0,))",
        "def exp(value):\n    return Value(float(np.exp(value.data)), (value,), (value.data,))",
    ],
    (2, 3): [
        # It forgets g.
        "class Cube(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x**3\n"
        "    def backward(self, g, x):\n        return x * x * 3",
        # It cuts the graph.
        "class Cube(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x**3\n"
        "    def backward(self, g, x):\n        return Tensor(g.numpy() * 3 * x.numpy() ** 2)",
        # Both: with g = 1 and a sum it would be right.
        "class Cube(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x**3\n"
        "    def backward(self, g, x):\n        return Tensor(3 * x.numpy() ** 2)",
    ],
    (3, 3): ["def as_convolution(g, w):\n    return F.conv2d(Tensor(g), Tensor(w), padding=2).numpy()"],
    (4, 3): [
        "kernel, stride = np.ones((1, 1, 2, 2), np.float32), 2",
        "kernel, stride = np.full((1, 1, 2, 2), 0.25, np.float32), 1",
    ],
    (6, 1): ["def weights_of_cnn28(K):\n    return 32 * 9 + 64 * 288 + 128 * 1600 + K * 128"],
    (6, 2): [
        "def f1_of(matrix):\n    return np.diag(matrix) / matrix.sum(axis=0)",
        "def f1_of(matrix):\n    return np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))",
    ],
    (6, 3): [
        "def my_step(model, images, labels, lr):\n    F.cross_entropy(model(images), labels).backward()\n"
        "    for p in model.parameters():\n        p.data += lr * p.grad.data",
        "def my_step(model, images, labels, lr):\n    F.cross_entropy(model(images), labels).backward()\n"
        "    for p in model.parameters():\n        p.data -= p.grad.data",
    ],
    (7, 3): [
        "class Repaired(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x * x\n"
        "    def backward(self, g, x):\n        return x * 2",
        "class Repaired(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x * x\n"
        "    def backward(self, g, x):\n        return g * x",
        "class Repaired(Function):\n    keeps = 'x'\n    def forward(self, x):\n        return x * x\n"
        "    def backward(self, g, x):\n        return Tensor(g.numpy() * 2 * x.numpy())",
    ],
    (8, 2): [
        "def rather_than(model, image, k, other):\n    return saliency(model, image, k)",
        "def rather_than(model, image, k, other):\n"
        "    return saliency(model, image, other) - saliency(model, image, k)",
    ],
    (11, 2): [
        "def scaled(images):\n    return images / 255",
        "def scaled(images):\n    return images / 255 * 2 - 255",
    ],
    (11, 3): [
        "def jensen_shannon(p, q):\n    m = (p + q) / 2\n"
        "    return (p * np.log(p / m) + q * np.log(q / m)).sum() * dx",
        "def jensen_shannon(p, q):\n    m = (p + q) / 2\n"
        "    return (p * np.log(p / m) + q * np.log(q / m)).sum() / 2",
    ],
    (12, 1): [
        "def hessian_times(loss_of, theta, u):\n    t = Tensor(theta, requires_grad=True)\n"
        "    return tinycnn.grad(loss_of(t), t)[0].numpy() * u",
        "def hessian_times(loss_of, theta, u):\n    t = Tensor(theta, requires_grad=True)\n"
        "    (g,) = tinycnn.grad(loss_of(t), t, create_graph=True)\n"
        "    return tinycnn.grad(g.sum(), t)[0].numpy() * u",
    ],
    (12, 2): [
        "def newton_step(f, x):\n    t = Tensor(np.array([x]), requires_grad=True)\n"
        "    return x - tinycnn.grad(f(t), t)[0].item()",
        "def newton_step(f, x):\n    return x - f(Tensor(np.array([x]))).item()",
    ],
    (13, 1): [
        "def leaky_relu_input(g, x, a):\n    return np.where(x > 0, 1, a)",
        "def leaky_relu_input(g, x, a):\n    return np.where(x > 0, g, 0)",
    ],
    (13, 2): [
        "def softplus_input(g, x):\n    return 1 / (1 + np.exp(-x))",
        "def softplus_input(g, x):\n    return g / (1 + np.exp(x))",
    ],
    (13, 3): [
        "def he(C, KH, KW):\n    return np.sqrt(1 / (C * KH * KW))",
        "def he(C, KH, KW):\n    return 2 / (C * KH * KW)",
        "def he(C, KH, KW):\n    return np.sqrt(2 / C)",
    ],
    (14, 3): [
        "def dropout_input(g, x, y, p):\n    return np.where(y == 0, 0, g)",
        "def dropout_input(g, x, y, p):\n    return np.where(y == 0, 0, g * (1 - p))",
    ],
    (15, 3): [
        "def by_zeros(x, w):\n    spread = np.zeros(2 * len(x) - 1)\n    spread[::2] = x\n"
        "    return np.correlate(np.pad(spread, len(w) - 1), w, 'valid')",
    ],
    (16, 1): [
        "def for_the_engine(images):\n    return images.transpose(0, 3, 1, 2).astype(np.float32)",
        "def for_the_engine(images):\n    return images.reshape(4, 3, 224, 224).astype(np.float32) / 255",
    ],
    (16, 2): ["def dense_weights(S):\n    return 512 * (128 * (S // 8) ** 2 + 1)"],
    (16, 3): [
        "def normalised(images, mean, deviation):\n    return images - mean[:, None, None]",
        "def normalised(images, mean, deviation):\n    return (images - mean.mean()) / deviation.mean()",
    ],
    (18, 3): [
        "def learn(G, D, x, noise):\n    loss_for_d(D(x), D(G(noise))).backward()",
        "def learn(G, D, x, noise):\n    loss_for_d(D(G(noise).detach()), D(x)).backward()",
        "def learn(G, D, x, noise):\n"
        "    F.binary_cross_entropy_with_logits(D(x), np.ones((4, 1))).backward()",
    ],
    (19, 3): [
        "def gram(A):\n    rows = A.reshape(len(A), -1)\n    return rows @ rows.T",
        "def gram(A):\n    rows = A.reshape(len(A), -1)\n    return rows @ rows.T / len(rows)",
    ],
    (21, 2): [
        "def through_int8(w):\n    scale = np.abs(w).max() / 127\n    return scale * np.rint(w / scale)",
        "def through_int8(w):\n    scale = np.abs(w).max(axis=1, keepdims=True) / 127\n"
        "    return scale * np.trunc(w / scale)",
    ],
    (22, 1): [
        "def elastic(c, l1, l2):\n    return c / (1 + l2) - l1",
        "def elastic(c, l1, l2):\n    return (c - l1) / l2",
    ],
    (23, 2): [
        "def derivative_by_w(w):\n    return 2 * ((w**2).sum() - 1) * w",
        "def derivative_by_w(w):\n    return 4 * (np.sqrt((w**2).sum()) - 1) * w",
    ],
    (24, 2): [
        "def nearest_rows(a, b):\n    return distances(a, b).argmax(axis=1)",
        "def nearest_rows(a, b):\n    return distances(a, b).argmin(axis=0)",
    ],
}


def exercises(text: str) -> dict[int, str]:
    """Return the code of each exercise of a lesson, by its number."""
    text = text.partition("# ## Solutions\n")[0]
    parts = re.split(r"^# \*\*(\d)\.\*\*", text, flags=re.M)[1:]
    found = {}
    for number, part in zip(parts[::2], parts[1::2], strict=True):
        cells = re.split(r"^# %%", part, flags=re.M)
        found[int(number)] = "".join(cell for cell in cells[1:] if cell.startswith("\n"))
    return found


def wants_code(code: str) -> bool:
    """Return whether an exercise asks for a function or a class, and `compare` judges it."""
    return "compare(" in code and re.search(r"^ +.*# your (code|formula)", code, re.M) is not None


def with_answer(code: str, answer: str) -> str:
    """Return an exercise with an answer put in, and the assertion that it is refused."""
    tree, (given,) = ast.parse(code), ast.parse(answer).body
    at = [_name(node) for node in tree.body].index(_name(given))
    tree.body[at] = given
    last = tree.body[-1]
    assert isinstance(last, ast.Expr) and ast.unparse(last).startswith("compare(")
    tree.body[-1] = ast.parse(f"assert not {ast.unparse(last)}, {answer!r}").body[0]
    return ast.unparse(tree)


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None
