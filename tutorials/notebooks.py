"""Make notebooks of the lessons, to hand out: without the solutions of the exercises.

    python tutorials/notebooks.py handout/             all lessons
    python tutorials/notebooks.py handout/ 3 4         lessons 3 and 4
    python tutorials/notebooks.py mine/ --solutions    with solutions, for yourself

It needs jupytext: pip install '.[tutorials]'.
"""

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SOLUTIONS = "\n# %% [markdown]\n# ## Solutions\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks."""
    import jupytext

    lessons = {int(path.stem[:2]): path for path in sorted(FOLDER.glob("[0-9][0-9]_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the notebooks go; it is made if it is not there")
    parser.add_argument("lesson", nargs="*", type=int, metavar="LESSON", help="its number (default: all)")
    parser.add_argument("--solutions", action="store_true", help="keep the solutions")
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.lesson) - set(lessons))
    if unknown:
        parser.error(f"there is no lesson {unknown[0]}; there are {min(lessons)} to {max(lessons)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    for number in args.lesson or lessons:
        text = lessons[number].read_text(encoding="utf-8")
        if not args.solutions:
            text, found, _ = text.partition(SOLUTIONS)
            assert found, f"{lessons[number]} has no solutions to leave out"
        notebook = args.folder / f"{lessons[number].stem}.ipynb"
        jupytext.write(jupytext.reads(text, fmt="py:percent"), notebook)
        print(notebook)
    return 0


if __name__ == "__main__":
    sys.exit(main())
