"""Pictures of data, training and results, as Matplotlib figures; no display is needed."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinycnn.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#2a7f3f", "#c8102e"
LONGEST_NAME = 32  # characters of a class name that are drawn
# Fonts with scripts that Matplotlib's own lacks: of Linux, Windows and macOS. Those that are there are used.
MORE_FONTS = (
    *(
        "Noto Sans CJK SC",
        "Noto Sans CJK JP",
        "Source Han Sans SC",
        "WenQuanYi Zen Hei",
        "Droid Sans Fallback",
    ),
    *("Microsoft YaHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "SimHei", "Nirmala UI"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS", "Noto Sans"),
)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, atomically.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = io.BytesIO()
    with _missing_glyphs_allowed():
        figure.savefig(content, format="png", dpi=150)
    write_atomically(path, content.getvalue())


def pixels(figure: Figure, dpi: int = 100) -> np.ndarray:
    """Return a figure as an image, uint8 (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    with _missing_glyphs_allowed():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def learning_curve(history: Sequence[dict[str, float]]) -> Figure:
    """Draw loss and accuracy over the epochs, on the training data and on the data held out."""
    figure = blank_figure(9, 3.6)
    epochs = [int(record["epoch"]) for record in history]
    panels = zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True)
    for axes, what in panels:
        for key, label, style in ((what, "training", "o-"), (f"val_{what}", "held out", "s--")):
            if history and key in history[0]:
                scale = 100 if what == "accuracy" else 1
                axes.plot(epochs, [scale * record[key] for record in history], style, label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy (%)" if what == "accuracy" else "cross-entropy (nats)")
        axes.set_title(what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw counts (K, K): a row for each label, a column for each prediction, shaded by share of the row."""
    K = len(classes)
    size = min(max(0.55 * K + 1.6, 4.0), 14.0)
    figure = blank_figure(size + 0.6, size)
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if K <= 30:
        for (i, j), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if share[i, j] > 0.5 else ("black" if i == j else WRONG)
                axes.text(j, i, f"{count}", ha="center", va="center", color=colour, fontsize=8)
        names, style = list(map(shown, classes)), name_style()
        axes.set_xticks(range(K), names, rotation=0 if max(map(len, names)) < 4 else 60, **style)
        axes.set_yticks(range(K), names, **style)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    accuracy = np.trace(matrix) / max(matrix.sum(), 1)
    axes.set_title(f"{np.trace(matrix):,} of {matrix.sum():,} right ({accuracy:.2%})")
    figure.colorbar(image, ax=axes, label="share of the label's images", shrink=0.8)
    return figure


def sample_grid(images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw images (N, C, H, W) in [0, 1] with their labels above, in a grid that is as square as possible."""
    columns = math.ceil(math.sqrt(len(images)))
    figure = blank_figure(1.3 * columns, 1.5 * math.ceil(len(images) / columns))
    for axes, image, label in zip(cells(figure, len(images), columns), images, labels, strict=True):
        show_image(axes, image)
        axes.set_title(shown(classes[label]), fontsize=9, **name_style())
    return figure


def prediction_grid(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    rows: int = 4,
    columns: int = 8,
    seed: int = 0,
) -> Figure:
    """Draw test images drawn at random with their predictions, and one row of the surest mistakes.

    Parameters
    ----------
    images
        (N, C, H, W) in [0, 1].
    labels
        (N,).
    probabilities
        (N, K).
    classes
        K names.
    rows, columns
        Of the images drawn at random.
    seed
        Of the choice.
    """
    predictions = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    drawn = np.random.default_rng(seed).permutation(len(images))[: rows * columns]
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-sure[wrong])][:columns]
    figure = blank_figure(1.25 * columns, 1.45 * (rows + bool(len(wrong))) + 0.9)
    heights = [rows, 1.25] if len(wrong) else [rows]
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    groups = [(parts[0], drawn, f"{len(drawn)} of {len(images):,} test images, drawn at random")]
    if len(wrong):
        total = int((predictions != labels).sum())
        groups.append((parts[1], wrong, f"the {len(wrong)} surest of all {total} mistakes"))
    for part, chosen, title in groups:
        part.suptitle(title, fontsize=10)
        for axes, n in zip(cells(part, len(chosen), columns), chosen, strict=True):
            show_image(axes, images[n])
            right = predictions[n] == labels[n]
            text = f"{shown(classes[predictions[n]])}  {sure[n]:.0%}"
            text = text if right else f"✗ {text}\n(is {shown(classes[labels[n]])})"
            axes.set_title(text, fontsize=7.5, color=RIGHT if right else WRONG, pad=3, **name_style())
            for spine in axes.spines.values():
                spine.set(visible=not right, color=WRONG, linewidth=2)
    return figure


def shown(name: str) -> str:
    """Return a class name that can be drawn: what cannot be printed is replaced, a long end is cut."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def name_style() -> dict[str, Any]:
    """Return Matplotlib's options for class names: no formulas between dollar signs, and more fonts."""
    from matplotlib import rcParams

    return {"parse_math": False, "family": [*rcParams["font.family"], *_more_fonts()]}


@cache
def _more_fonts() -> tuple[str, ...]:
    """Return those of `MORE_FONTS` that are installed."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return tuple(font for font in MORE_FONTS if font in installed)


@contextmanager
def _missing_glyphs_allowed() -> Iterator[None]:
    """Draw boxes for characters that no font has, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Matplotlib 3.9 and 3.10 say this, too, of scripts like Devanagari.
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


def blank_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Return an empty figure of this size in inches; a notebook shows it without pyplot."""
    return _notebook_figure()(figsize=(width, height), layout=layout)


def described(figure: Figure, text: str) -> Figure:
    """Give a figure its alternative text, and return it.

    The text says what the figure shows to those who cannot see it. Notebooks and web pages that are made of
    them hand it to screen readers (`<img alt="...">`). Figures of `tinycnn.explain` describe themselves.

    Raises
    ------
    TypeError
        If the figure is not one of this package's: Matplotlib's own show no text in a notebook.
    ValueError
        If the text is empty.
    """
    if not isinstance(figure, _notebook_figure()):
        raise TypeError(f"expected a figure of tinycnn.plot, for example blank_figure(), got {figure!r}")
    if not text.strip():
        raise ValueError("the alternative text of a figure is empty; say in a sentence what it shows")
    figure.alt = " ".join(text.split())  # type: ignore[attr-defined]  # checked above
    return figure


@cache
def _notebook_figure() -> type[Figure]:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class NotebookFigure(Figure):
        alt = ""  # the alternative text, see `described`

        def draw(self, renderer: Any) -> None:
            # The user's settings may ask for TeX, which need not be there, and takes names for commands.
            with matplotlib.rc_context({"text.usetex": False}):
                for text in self.findobj(Text):
                    text.set_usetex(False)
                super().draw(renderer)

        def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
            content = io.BytesIO()
            with _missing_glyphs_allowed():
                self.savefig(content, format="png")
            return content.getvalue(), {"alt": self.alt} if self.alt else {}

    return NotebookFigure


def cells(figure: Any, count: int, columns: int) -> list[Axes]:
    """Return axes for `count` pictures in rows of `columns`; the remaining cells are blank."""
    grid = figure.subplots(math.ceil(count / columns), columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.axis("off")
    return list(grid[:count])


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draw an image (C, H, W) in [0, 1], grey or RGB."""
    if image.shape[0] == 1:
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(np.moveaxis(image, 0, 2))  # (H, W, C)
    axes.set_xticks([])
    axes.set_yticks([])
