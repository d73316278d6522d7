"""Write the measured tables into README.md and benchmarks/README.md, from the files in benchmarks/results.

    python -m benchmarks.tables

Between the lines ``<!-- NAME long -->`` and ``<!-- end -->`` stand all rows of one file of results, between
``<!-- NAME short -->`` and ``<!-- end -->`` a few rows of all files whose names begin with NAME.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring.contestants import ROOT
from benchmarks.measuring.report import amount, number

RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "benchmarks/README.md")
MARKED = re.compile(r"<!-- (\S+) (short|long) -->\n.*?<!-- end -->", re.S)
SHORT = ("cnn28-b32", "cnn224", "dcgan", "inference", "chain", "memory", "start")
CONVOLUTIONS = "the convolutions, geometric mean"


def main() -> None:
    """Write all tables."""
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))


def filled(text: str, results: Path = RESULTS) -> str:
    """Return a page with its tables made anew."""

    def table(found: re.Match[str]) -> str:
        start, name, length = found[0].split("\n")[0], found[1], found[2]
        files = sorted(results.glob(f"{name}*.json")) if length == "short" else [results / f"{name}.json"]
        contents = [json.loads(file.read_text()) for file in files]
        lines = short(contents) if length == "short" else long(contents[0])
        return "\n".join([start, *lines, "<!-- end -->"])

    return MARKED.sub(table, text)


def short(contents: Sequence[dict[str, Any]]) -> list[str]:
    """Return everybody's ratio to plain PyTorch, for each instruction set: 0.50 / 0.45."""
    reference = contents[0]["reference"]
    names = list(dict.fromkeys(n for c in contents for n in c["versions"] if n != reference))
    works = {n: w["title"] for c in contents for n, w in c["works"].items() if n.startswith(SHORT)}
    works["convolutions"] = CONVOLUTIONS

    def cell(work: str, name: str) -> str:
        ratios = [_ratio(content, work, name) for content in contents]
        return " / ".join("-" if r is None else number(r) for r in ratios) if any(ratios) else ""

    rows = [[title, *(cell(work, name) for name in names)] for work, title in works.items()]
    sets = " / ".join(_instructions(content) for content in contents)
    where = "; ".join(dict.fromkeys(_where(content) for content in contents))
    return [f"{sets}, on {where}:", "", *_table([f"ratio to {reference}", *names], rows)]


def long(content: dict[str, Any]) -> list[str]:
    """Return plain PyTorch's medians, everybody's ratio to it, and tinycnn's percent of the FMA peak."""
    reference = content["reference"]
    names = [name for name in content["versions"] if name != reference]
    rows = []
    for work, found in content["works"].items():
        by_name = found["contestants"]
        median = amount(by_name[reference]["quartiles"][1], found["unit"]) if reference in by_name else ""
        percent = by_name.get("tinycnn", {}).get("percent_of_fma_peak")
        rows.append([found["title"], median, *_ratios(content, work, names), _percent(percent)])
    percent = content["convolutions"].get("tinycnn", {}).get("geometric_mean")
    rows.append([CONVOLUTIONS, "", *_ratios(content, "convolutions", names), _percent(percent)])
    fma = max(peak["fma"] for peak in content["peak_gflops"])
    head = f"{_instructions(content)}, {_where(content)}, FMA peak {fma:.0f} GFLOP/s:"
    return [head, "", *_table(["", reference, *names, "of the FMA peak"], rows)]


def _ratio(content: dict[str, Any], work: str, name: str) -> float | None:
    if work == "convolutions":
        return content["convolutions"].get(name, {}).get("geometric_mean_ratio")
    found = content["works"].get(work, {}).get("contestants", {}).get(name)
    return found["ratio_quartiles"][1] if found and found["ratio_quartiles"] else None


def _ratios(content: dict[str, Any], work: str, names: Sequence[str]) -> list[str]:
    ratios = [_ratio(content, work, name) for name in names]
    return ["" if ratio is None else number(ratio) for ratio in ratios]


def _percent(value: float | None) -> str:
    return f"{value:.0f} %" if value else ""


def _instructions(content: dict[str, Any]) -> str:
    return content["machine"]["instructions"].upper().replace("AVX512", "AVX-512")


def _where(content: dict[str, Any]) -> str:
    return f"{content['machine']['processor']}, {content['plan']['threads']} threads"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


if __name__ == "__main__":
    main()
