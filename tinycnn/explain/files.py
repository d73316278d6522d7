"""Write explanations to files: GIF, a page to click through, pictures of one step, JSON."""

import io
from pathlib import Path

from tinycnn.storage import write_atomically

from . import document, figure
from .page import page
from .steps import Explanation

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (".gif", ".html", ".json", *PICTURES)
SECONDS = 2.0  # that an animation shows one step


def save(explanation: Explanation, path: str | Path, step: int = 0) -> None:
    """Write an explanation; the file's ending says how.

    Parameters
    ----------
    explanation
        What to write.
    path
        ``.gif`` all steps, two seconds each; ``.html`` a page to click through, without a network; ``.json``
        see `document`; ``.png``, ``.svg``, ``.pdf`` one step.
    step
        Which one, from 0, negative from the end.

    Raises
    ------
    ValueError
        For another ending, or if there is no such step.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: the ending says what to write: {', '.join(SUFFIXES)}")
    if not -len(explanation) <= step < len(explanation):
        raise ValueError(f"there is no step {step}: {explanation!r}")
    if suffix == ".json":
        content = document.to_json(explanation).encode()
    elif suffix == ".gif":
        content = _gif(explanation)
    elif suffix == ".html":
        content = page(explanation).encode()
    else:
        buffer = io.BytesIO()
        at = step % len(explanation)
        figure.draw(explanation[at], f"{at + 1} / {len(explanation)}").savefig(
            buffer, format=suffix[1:], dpi=150
        )
        content = buffer.getvalue()
    write_atomically(path, content)


def _gif(explanation: Explanation) -> bytes:
    count = len(explanation)
    first, *others = (
        figure.image(step, f"{i} / {count}", progress=i / count) for i, step in enumerate(explanation, 1)
    )
    content = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": round(SECONDS * 1000), "loop": 0}
    first.save(content, format="GIF", **options)
    return content.getvalue()
