"""Write the measured tables into README.md and benchmarks/README.md, from the files in benchmarks/results.

    python -m benchmarks.tables

A table stands between the lines ``<!-- NAME ROWS -->`` and ``<!-- end -->``: NAME is a file of results, ROWS
is ``short`` or ``long``.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.measuring.contestants import ROOT
from benchmarks.measuring.report import amount, number

PAGES = ("README.md", "benchmarks/README.md")
MARKED = re.compile(r"<!-- (\S+) (short|long) -->\n.*?<!-- end -->", re.S)
SHORT = ("cnn28", "cnn224", "dcgan", "inference", "chain", "memory", "start-98")


def main() -> None:
    """Write all tables."""
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))


def filled(text: str, results: Path = ROOT / "benchmarks" / "results") -> str:
    """Return a page with its tables made anew."""

    def table(found: re.Match[str]) -> str:
        content = json.loads((results / f"{found[1]}.json").read_text())
        lines = markdown(content, short=found[2] == "short")
        return "\n".join([f"<!-- {found[1]} {found[2]} -->", *lines, "<!-- end -->"])

    return MARKED.sub(table, text)


def markdown(content: dict[str, Any], short: bool) -> list[str]:
    """Return a table: plain PyTorch's medians, everybody's ratio to it, tinycnn's percent of the FMA peak."""
    machine, reference = content["machine"], content["reference"]
    names = [name for name in content["versions"] if name != reference]
    works = content["works"].items()
    rows = [_row(work, names, reference) for name, work in works if not short or name.startswith(SHORT)]
    means = content["convolutions"]
    if reference in means:
        ratios = [means.get(name, {}).get("geometric_mean_ratio") for name in names]
        cells = ["" if ratio is None else number(ratio) for ratio in ratios]
        percent = f"{means['tinycnn']['geometric_mean']:.0f} %" if "tinycnn" in means else ""
        rows.append(["15 convolutions, geometric mean", "", *cells, percent])
    fma = max(peak["fma"] for peak in content["peak_gflops"])
    header = ["", reference, *names, "of the FMA peak"]
    return [
        f"{machine['processor']}, {content['plan']['threads']} threads, {machine['instructions'].upper()}, "
        f"FMA peak {fma:.0f} GFLOP/s:",
        "",
        *(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)),
    ]


def _row(work: dict[str, Any], names: list[str], reference: str) -> list[str]:
    found = work["contestants"]
    median = amount(found[reference]["quartiles"][1], work["unit"]) if reference in found else ""
    ratios = [(found.get(name) or {}).get("ratio_quartiles") for name in names]
    cells = ["" if ratio is None else number(ratio[1]) for ratio in ratios]
    percent = (found.get("tinycnn") or {}).get("percent_of_fma_peak")
    return [work["title"], median, *cells, f"{percent:.0f} %" if percent else ""]


if __name__ == "__main__":
    main()
