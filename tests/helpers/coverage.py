"""Where the lessons teach each of the sixteen equations: derivation, step-through, exercise.

``python -m tests.helpers.coverage`` prints the table that stands in tutorials/README.md.
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "tutorials"


class Hole(str):
    """Why there is nothing to show: the text says it."""


class Row(NamedTuple):
    """One operation of an equation, and where it is taught.

    `lesson` and `heading` say where it is derived. `forward` and `backward` are operations of
    ``tinycnn explain``; `backward` is None where the same operation shows both. `exercises` are names of the
    tutor's catalogue.
    """

    equation: int
    what: str
    lesson: int
    heading: str | Hole
    forward: str | Hole
    backward: str | Hole | None
    exercises: tuple[str, ...] | Hole


NO_INPUT = Hole("No gradient flows back through it.")
COUNTS = Hole("A count has no derivative.")
RULE_ITSELF = Hole("It uses gradients, and has none of its own.")

ROWS = (
    Row(
        1,
        "convolution",
        3,
        "Backward: one number, three derivatives",
        "conv2d",
        None,
        ("conv2d", "conv2d_input", "conv2d_weight", "conv2d_bias"),
    ),
    Row(1, "im2col", 3, "col2im is the adjoint, not the inverse", "im2col", "col2im", ("im2col", "col2im")),
    Row(2, "max-pooling", 4, "Max-pooling (Eq. 2)", "max_pool2d", None, ("max_pool2d", "max_pool2d_input")),
    Row(2, "min-pooling", 4, "Minimum, sum and mean (Eq. 2)", "min_pool2d", None, ("min_pool2d_input",)),
    Row(2, "sum-pooling", 4, "Minimum, sum and mean (Eq. 2)", "sum_pool2d", None, ("sum_pool2d_input",)),
    Row(2, "mean-pooling", 4, "Minimum, sum and mean (Eq. 2)", "avg_pool2d", None, ("avg_pool2d_input",)),
    Row(3, "dense layer", 4, "The dense layer (Eq. 3)", "linear", None, ("linear", "linear_grads")),
    Row(
        4,
        "softmax",
        4,
        "Softmax (Eq. 4): from scores to shares",
        "softmax",
        None,
        ("softmax", "softmax_input"),
    ),
    Row(5, "the network", 13, "Without f, two layers are one (Eq. 5)", "module", None, ("network",)),
    Row(5, "activations", 13, "The common ones, and their derivatives", "relu", None, ("relu_input",)),
    Row(5, "batch norm", 14, "Backward", "batch_norm", None, ("batch_norm", "batch_norm_input")),
    Row(
        5,
        "dropout",
        14,
        "Dropout",
        "dropout",
        None,
        ("dropout",),
    ),
    Row(
        6,
        "cross-entropy",
        4,
        "Cross-entropy (Eq. 6), and why it takes logits",
        "cross_entropy",
        None,
        ("cross_entropy", "cross_entropy_input"),
    ),
    Row(
        6,
        "binary cross-entropy",
        17,
        "Yes or no: binary cross-entropy (Eq. 6)",
        "binary_cross_entropy_with_logits",
        None,
        ("binary_cross_entropy", "binary_cross_entropy_input"),
    ),
    Row(6, "squared error", 17, "Numbers: the squared error (Eq. 6)", "mse_loss", None, ("mse_loss_input",)),
    Row(7, "gradient descent", 5, "Downhill (Eq. 7)", "sgd", RULE_ITSELF, ("sgd_step",)),
    Row(7, "momentum", 5, "Momentum", "momentum", RULE_ITSELF, ("sgd_step",)),
    Row(7, "Adam", 5, "Adam: the same step in every direction", "adam", RULE_ITSELF, ("adam_step",)),
    Row(
        8,
        "L1 and L2",
        22,
        "The penalty, and its minimum (Eq. 8)",
        "penalties",
        Hole("Its steps are the gradient of the penalty already."),
        ("l2_l1_grad",),
    ),
    Row(
        9,
        "random image",
        1,
        "Images by chance (Eq. 9)",
        "random_image",
        NO_INPUT,
        ("random_image",),
    ),
    Row(
        10,
        "image by rule",
        1,
        "Images by rule (Eq. 10)",
        "rule_image",
        NO_INPUT,
        ("rule_image",),
    ),
    Row(
        11,
        "learned image",
        15,
        "It is the derivative of a convolution, used forward",
        "conv_transpose2d",
        None,
        ("conv_transpose2d",),
    ),
    Row(
        12,
        "the generator's loss",
        18,
        "Step 2: G learns",
        "gan_step",
        None,
        ("generator_loss",),
    ),
    Row(
        13,
        "the discriminator's loss",
        18,
        "Step 1: D learns",
        "binary_cross_entropy_with_logits",
        None,
        ("discriminator_loss",),
    ),
    Row(
        13,
        "gradient penalty",
        23,
        "By hand, for the smallest critic",
        "gradient_penalty",
        None,
        ("gradient_penalty",),
    ),
    Row(14, "features", 24, "Feature vectors (Eq. 14)", "features", None, ("features", "cosine_distances")),
    Row(
        15,
        "precision, recall, F1",
        6,
        "Which digits are confused? (Eq. 15)",
        "scores",
        COUNTS,
        ("precision_recall_f1",),
    ),
    Row(
        16,
        "pruning",
        21,
        "Pruning: which weight is missed least? (Eq. 16)",
        "pruning",
        Hole("It changes weights between two steps of training: nothing flows back through it."),
        ("prune",),
    ),
)


def lesson_file(number: int) -> Path:
    """Return the lesson of this number."""
    (file,) = FOLDER.glob(f"{number:02}_*.py")
    return file


def section(number: int, heading: str) -> str | None:
    """Return what stands below a heading of a lesson, up to the next heading that is not below it."""
    level, found = 0, None
    for line in lesson_file(number).read_text().splitlines():
        if line.startswith("# #"):
            marks, _, title = line[2:].partition(" ")
            if title == heading:
                level, found = len(marks), []
                continue
            if found is not None and len(marks) <= level:
                break
        if found is not None:
            found.append(line)
    return None if found is None else "\n".join(found)


def table() -> str:
    """Return the table, in Markdown."""
    lines = [
        "| Eq. | what | derived in lesson | steps forward | steps backward | exercises |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        backward = row.forward if row.backward is None else row.backward
        exercises = (
            row.exercises if isinstance(row.exercises, Hole) else ", ".join(f"`{n}`" for n in row.exercises)
        )
        lesson = f"[{row.lesson}]({lesson_file(row.lesson).name}): {row.heading.partition(' (Eq')[0]}"
        lesson = str(row.heading) if isinstance(row.heading, Hole) else lesson
        cells = [
            str(row.equation),
            row.what,
            lesson,
            _operation(row.forward),
            _operation(backward),
            exercises,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _operation(name: str | Hole) -> str:
    return str(name) if isinstance(name, Hole) else f"`{name}`"


if __name__ == "__main__":
    print(table())
