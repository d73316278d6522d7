"""Run lessons as scripts: print what their cells print, and save their figures as PNG files.

    python tutorials/run.py 3             lesson 3, figures in figures/03_convolution/
    python tutorials/run.py 1 2 --out X   lessons 1 and 2, figures in X

A notebook shows the value of a cell's last line; this script saves it if it is a figure, and prints its
alternative text: what the figure shows, for those who cannot see it.
"""

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def cells(text: str) -> list[str]:
    """Return the code cells of a lesson, each with as many lines before it as in the file."""
    parts = re.split(r"^(?=# %%)", text, flags=re.M)
    starts = [sum(part.count("\n") for part in parts[:i]) for i in range(len(parts))]
    both = zip(parts, starts, strict=True)
    return ["\n" * start + part for part, start in both if not part.startswith("# %% [markdown]")]


def run(lesson: Path, out: Path) -> dict[Path, str]:
    """Run all cells of a lesson; return the figures that they end in, as file: alternative text."""
    from matplotlib.figure import Figure

    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(lesson)}
    saved: dict[Path, str] = {}
    for cell in cells(lesson.read_text(encoding="utf-8")):
        tree = ast.parse(cell, str(lesson))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(lesson), "exec"), names)
        if last is None:
            continue
        value = eval(compile(ast.Expression(last.value), str(lesson), "eval"), names)
        if isinstance(value, Figure):
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"{len(saved) + 1:02}.png"
            saved[path] = getattr(value, "alt", "")
            value.savefig(path, dpi=110)
            print(f"[figure: {path}]\n[it shows: {saved[path]}]")
    return saved


def main(arguments: list[str] | None = None) -> int:
    """Run the lessons with these numbers."""
    lessons = {int(path.stem[:2]): path for path in sorted(FOLDER.glob("[0-9][0-9]_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("lesson", nargs="+", type=int, choices=lessons, metavar="LESSON", help="its number")
    parser.add_argument("--out", type=Path, help="folder for the figures (default: figures/NAME)")
    args = parser.parse_args(arguments)
    for number in args.lesson:
        run(lessons[number], args.out or Path("figures") / lessons[number].stem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
