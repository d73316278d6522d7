"""`check` as a learner and a teacher use it."""

import json
from functools import partial

import numpy as np
import pytest

from tinycnn.explain import draw
from tinycnn.tutor import Exercise, Mistake, catalogue, check, compare, read_mistakes


def overwrites(g, w, size, stride, padding):
    N, K, OH, OW = g.shape
    K, C, KH, KW = w.shape
    (H, W), (SH, SW), (PH, PW) = size, stride, padding
    dx = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for n in range(N):
        for k in range(K):
            for oh in range(OH):
                for ow in range(OW):
                    dx[n, :, oh * SH : oh * SH + KH, ow * SW : ow * SW + KW] = g[n, k, oh, ow] * w[k]
    return dx[:, :, PH : PH + H, PW : PW + W]


def test_the_mistake_is_named_and_shown(capsys):
    verdict = check("conv2d_input", overwrites)
    assert verdict.mistake == "overwritten"
    assert not verdict
    assert "These contributions add up." in verdict.message
    assert verdict.case.arguments["g"].shape == (1, 1, 2, 2)
    assert verdict.case.right.shape == verdict.case.yours.shape == (1, 1, 3, 3)
    (step,) = verdict.steps
    assert "dL/dx[0,0,0,1]" in step.title
    assert "yours is" in step.numbers
    assert draw(step).get_axes()
    out = capsys.readouterr().out
    assert verdict.message in out
    assert "The smallest call that goes wrong" in out
    assert repr(verdict) == "Verdict(conv2d_input: overwritten)"


def test_a_verdict_is_json():
    for verdict in (
        check("conv2d_input", overwrites, quiet=True),
        check("softmax", lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True), quiet=True),
        check("rule_image", lambda f, height, width: f(1, 2), quiet=True),
        check("topological_order", lambda root: [root], quiet=True),
        check("relu_input", lambda g, x: g @ x.T, quiet=True),
    ):
        said = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        assert said["exercise"] == verdict.exercise
        assert said["right"] is False
        assert said["message"] == verdict.message
        assert said["mistake"] == verdict.mistake
        assert set(said["case"]) == {"arguments", "yours", "right"}
        assert len(said["steps"]) == len(verdict.steps)
    assert said["traceback"]


def test_a_right_answer(capsys):
    verdict = check("linear", lambda x, w, b: x @ w.T + b)
    assert verdict
    assert (verdict.mistake, verdict.case, verdict.steps) == (None, None, ())
    assert capsys.readouterr().out == "linear: Right.\n"


def test_two_mistakes():
    verdict = check("linear_grads", lambda g, x, w: (g @ w / len(g), x.T @ g, g.sum(0)), quiet=True)
    assert verdict.mistake == "dw_transposed+dx_mean"
    assert verdict.message.startswith("Two things.")


@pytest.mark.parametrize(
    ("name", "function", "says"),
    [
        ("linear", lambda x, w, b: -3.7 * (x @ w.T + b), "Every number is -3.7 times the right one"),
        ("linear", lambda x, w, b: x @ w.T + b + 7, "by the same amount"),
        ("conv2d_bias", lambda g: g.sum((0, 2, 3))[::-1], "run backwards along axis 0"),
        ("conv2d_bias", lambda g: g.sum((0, 2, 3)) ** (1 if len(g) == 1 else 3), "without several images"),
        ("im2col", lambda *a: flipped(*a), "run backwards along axis 2"),
        ("relu_input", lambda g, x: g * (x > 1e9), "number"),
        ("max_pool2d", lambda x, k, s: wrong_for_stride(x, k, s), "a stride above 1"),
        ("softmax", lambda z: wrong_when_large(z), "logits above 500"),
    ],
)
def test_what_is_still_true(name, function, says):
    verdict = check(name, function, quiet=True)
    assert verdict.mistake is None
    assert verdict.message.startswith("I do not know this mistake.")
    assert says in verdict.message


def flipped(x, kernel_size, stride, padding):
    model = catalogue()["im2col"].model
    return model(x, kernel_size, stride, padding)[:, :, ::-1]


def wrong_for_stride(x, kernel_size, stride):
    y = catalogue()["max_pool2d"].model(x, kernel_size, stride)
    return y * 1.5 + y**2 if max(stride) > 1 else y


def wrong_when_large(z):
    return np.where(np.abs(z) > 500, 0.123, np.exp(z) / np.exp(z).sum(1, keepdims=True))


def test_without_hints(capsys):
    verdict = check("conv2d_input", overwrites, hints=False)
    assert (verdict.right, verdict.mistake, verdict.message) == (False, None, "Not right.")
    assert verdict.case is None
    assert verdict.steps == ()
    assert capsys.readouterr().out == "conv2d_input: Not right.\n"
    assert check("linear", lambda x, w, b: x @ w.T + b, hints=False, quiet=True).right


def test_the_same_seed_has_the_same_cases():
    first, second, other = (check("linear", lambda x, w, b: x @ w.T, seed=s, quiet=True) for s in (1, 1, 2))
    assert np.array_equal(first.case.arguments["x"], second.case.arguments["x"])
    assert not np.array_equal(first.case.arguments["x"], other.case.arguments["x"])


def test_an_unknown_exercise():
    with pytest.raises(ValueError, match="did you mean conv2d_input"):
        check("conv_input", overwrites)
    with pytest.raises(ValueError, match="there are random_image, rule_image"):
        check("xyz", overwrites)


def test_another_signature():
    with pytest.raises(
        TypeError, match=r"takes 5 arguments, conv2d_input\(g, w, size, stride, padding\); yours"
    ):
        check("conv2d_input", lambda g, w: g)
    with pytest.raises(TypeError, match="takes the function linear itself, got int"):
        check("linear", 3)


def test_other_names_of_arguments_are_fine():
    assert check("relu_input", lambda upstream, values, slope=0: upstream * (values > slope), quiet=True)
    assert check("relu_input", partial(lambda unused, g, x: g * (x > 0), 1), quiet=True)


def length(x):
    """Return the Euclidean length of x (D,)."""
    total = (x**2).sum()
    return np.sqrt(total)


LENGTH = Exercise(
    length,
    cases=lambda rng: [{"x": rng.standard_normal(D)} for D in (1, 2, 5)],
    mistakes=(
        Mistake(
            "no_root",
            "You return the square of the length. One step is missing.",
            ("np.sqrt(total)", "total"),
        ),
        Mistake("sizes", "You add up sizes. Lengths come from squares.", ("x**2", "np.abs(x)")),
        Mistake("mean", "You take the mean. It is a sum.", (".sum()", ".mean()"), lambda x: x.std()),
    ),
)


def test_an_exercise_of_a_teacher():
    assert check(LENGTH, np.linalg.norm, quiet=True)
    assert check(LENGTH, lambda x: x @ x, quiet=True).mistake == "no_root"
    assert check(LENGTH, lambda x: np.abs(x).sum(), quiet=True).mistake == "no_root+sizes"
    assert check(LENGTH, lambda x: x.std(), quiet=True).mistake == "mean"
    verdict = check(LENGTH, lambda x: np.sqrt(x @ x) * 2, quiet=True)
    assert "Every number is 2 times" in verdict.message
    assert "length = " in verdict.steps[0].numbers
    assert '"""Return the Euclidean length of x (D,)."""' in LENGTH.stub


def test_mistakes_are_read_from_a_text():
    exercise = Exercise(
        length,
        cases=LENGTH.cases,
        mistakes=read_mistakes(
            """
            no_root: You return the square of the length. One step is
                missing.
                np.sqrt(total) -> total
            longest: You take the largest number. All of them count.
                x**2 -> np.abs(x);
                sum() -> max(); np.sqrt(total) ->
                    total
            mean: You take the mean. It is a sum.
                .sum() -> .mean()
            from_the_mean: You subtract the mean first. Take the numbers as they are.
                total = (x**2).sum() ->
                    centre = x.mean()
                    total = 0
                    for number in x:
                        total += (number - centre) ** 2
            half: You leave numbers out. All of them count.
            unrooted_mean: Two steps are wrong. Look at each.
                total = -> total = 0 *; np.sqrt(total) -> x.var()
            squares: You square nothing. Squares have no sign.
                **2 ->
            """,
            half=[lambda x: np.linalg.norm(x[::2])],
        ),
    )
    assert exercise.mistakes[0].sentence == "You return the square of the length. One step is missing."
    for answer, name in (
        (lambda x: x @ x, "no_root"),
        (lambda x: np.abs(x).max(), "longest"),
        (lambda x: np.sqrt((x**2).mean()), "mean"),
        (lambda x: np.linalg.norm(x - x.mean()), "from_the_mean"),
        (lambda x: np.linalg.norm(x[::2]), "half"),
        (lambda x: x.var(), "unrooted_mean"),
        (lambda x: np.sqrt(x.sum()), "squares"),
    ):
        assert check(exercise, answer, quiet=True).mistake == name


def test_a_text_that_lists_no_mistakes():
    with pytest.raises(ValueError, match="the mistake 'sizes' has no way to make it, such as: old -> new"):
        read_mistakes("sizes: You add up sizes. Lengths come from squares.")
    with pytest.raises(ValueError, match="ways of making size, which is no mistake of the text"):
        read_mistakes("sizes: You add up sizes. Square them.\n    x**2 -> np.abs(x)", size=[len])
    for way in ("-> x", "x**2 -> x; total", "x**2 -> x\n    total", "x**2 -> x;"):
        with pytest.raises(ValueError, match="is no change, such as: old -> new"):
            read_mistakes(f"sizes: You add up sizes. Square them.\n    {way}")


def test_an_exercise_that_is_none():
    with pytest.raises(ValueError, match=r"length: the mistake 'a' changes 'x \+ 1', which does not stand"):
        Exercise(length, cases=LENGTH.cases, mistakes=(Mistake("a", "A.", ("x + 1", "x")),))
    with pytest.raises(ValueError, match="two mistakes with the name a"):
        Exercise(length, cases=LENGTH.cases, mistakes=(Mistake("a", "A.", len), Mistake("a", "B.", len)))


def test_stubs_are_answers_that_are_not_there_yet():
    for exercise in list(catalogue().values())[::9]:
        module = {}
        exec(f"import numpy as np\n\n\n{exercise.stub}", module)
        verdict = check(exercise, module[exercise.name], quiet=True)
        assert "Not answered yet" in verdict.message


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue()))
def test_every_exercise_end_to_end(name):
    exercise = catalogue()[name]
    assert check(name, exercise.model, quiet=True)
    wrong = exercise.with_one_mistake()[0]
    verdict = check(name, wrong.function, quiet=True)
    assert verdict.mistake == wrong.mistakes[0].name
    json.dumps(verdict.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (None, 3, "Not answered yet."),
        (3, 3.0, "Right."),
        (np.float32(1 / 3), 1 / 3, "Right."),
        ([1, 2], np.array([1.0, 2.0]), "Right."),
        (-3, 3, "The size of the number is right, its sign is wrong."),
        (4, 3, "too large"),
        (float("nan"), 3, "NaN is no number"),
        ([1, 2, 3], [1, 2], "has the shape (3,), it should be (2,)"),
        (np.zeros((2, 0)), np.zeros((2, 3)), "a slice from p to -p is empty if p is 0"),
        (np.zeros((3, 2)), np.zeros((2, 3)), "The sizes are right, but they come in another order."),
        (np.zeros((1, 3)), np.zeros(3), "They differ in axes of length 1 only."),
        ([2, 4], [1, 2], "2 times the right one"),
        ([5, 1, 2], [1, 2, 5], "stand in other places"),
        ([1.0, 2.0, 9.0], [1.0, 2.0, 5.5], "The largest difference is 3.5"),
        ("three", 3, "something of the type str"),
    ],
)
def test_numbers_are_compared(answer, expected, says, capsys):
    verdict = compare(answer, expected)
    assert says in verdict.message
    assert bool(verdict) == (says == "Right.")
    assert capsys.readouterr().out == f"answer: {verdict.message}\n"


def test_an_argument_that_is_none_is_named():
    def dropout(x, mask, p):
        return x * mask / (1 - p)

    assert "In this call mask is None" in check("dropout", dropout, quiet=True).message


def test_an_axis_that_is_gone_is_explained():
    def conv2d_bias(g):
        return g.sum(0).sum(3)

    assert "takes the axis away" in check("conv2d_bias", conv2d_bias, quiet=True).message


def test_a_loss_that_is_guarded_with_a_small_number():
    def binary_cross_entropy(z, t):
        p = np.clip(1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    verdict = check("binary_cross_entropy", binary_cross_entropy, quiet=True)
    assert verdict.mistake == "guarded_with_a_small_number"


def test_padding_of_0_that_is_cut_with_a_minus_is_explained():
    def conv2d_bias(g):
        return g[:, 0:-0].sum((0, 2, 3))

    assert check("conv2d_bias", conv2d_bias, quiet=True).message.endswith("is empty if p is 0.")


def test_a_tolerance():
    assert not compare(1.01, 1.0, quiet=True)
    assert compare(1.01, 1.0, tolerance=0.02, quiet=True)
