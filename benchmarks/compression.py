"""How much smaller cnn28 can be made on the embedded digits, and at what price: the curve and its picture.

    python -m benchmarks.compression                     three seeds; a few minutes on two free cores

For each seed: `tinycnn train`, then pruning to several sparsities (cut at once; cut in further training,
comparing all layers together, or each layer by itself), int8, and half of the filters gone, with and without
the old network as a teacher. Each is trained for as many epochs more. So is a network that is not pruned: it
is the one that the others are compared with. Exit status 1 where the median loses more than 0.3 points at
90 % sparsity, or more than 0.2 points by int8.
"""

import argparse
import copy
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import plot
from tinycnn.compression import GradualPruning, prune, quantize, save_sparse, shrink
from tinycnn.compression.report import accuracy, calibration_images, retrain
from tinycnn.data import digits
from tinycnn.fit import ClassifierRun, load_classifier
from tinycnn.models import cnn28
from tinycnn.modes import no_grad
from tinycnn.storage import save_weights
from tinycnn.tensor import Tensor

SPARSITIES = (0.8, 0.9, 0.95, 0.98)
POINTS_PRUNED, POINTS_INT8 = 0.3, 0.2  # that may be lost
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3, help="of training after pruning (default: 3)")
    parser.add_argument(
        "--runs", type=Path, help="folder to keep the networks and rows in; seeds there are not rerun"
    )
    parser.add_argument("--times", action="store_true", help="measure times too, on an idle machine")
    parser.add_argument("--out", type=Path, default=RESULTS / "compression.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.runs or Path(temporary)
        runs = [kept(seed, folder, args.epochs) for seed in args.seeds]
    table = {
        name: {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        for name in runs[0]
    }
    dense = table["dense, trained on"]["accuracy"]
    print(f"median of seeds {args.seeds}, {args.epochs} epochs of training after pruning")
    print(f"{'':34}  accuracy   loses       size")
    for name, row in table.items():
        lost, size = 100 * (dense - row["accuracy"]), row["bytes"] / 1024
        print(f"{name:34}  {row['accuracy']:8.2%}  {lost:6.2f}  {size:5.0f} KiB")
    pruned = 100 * (dense - table["90 % cut, all layers"]["accuracy"])
    int8 = 100 * (table["dense"]["accuracy"] - table["int8"]["accuracy"])
    passed = pruned <= POINTS_PRUNED and int8 <= POINTS_INT8
    print(f"90 % sparsity loses {pruned:.2f} points, int8 {int8:.2f}: {'passed' if passed else 'NOT passed'}")
    if args.times:
        print("time of a forward: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in times().items()))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    said = {"epochs": args.epochs, "median": table, "runs": runs}
    args.out.write_text(json.dumps(said, indent=2) + "\n")
    plot.save(picture(table, runs), args.out.with_suffix(".png"))
    return 0 if passed else 1


def kept(seed: int, folder: Path, epochs: int) -> dict[str, dict[str, float]]:
    """Return the rows of one seed: those that are in the folder, or new ones."""
    path = folder / f"rows-{seed}-{epochs}.json"
    if not path.exists():
        path.write_text(json.dumps(one(seed, folder / f"cnn28-{seed}", epochs)))
    return json.loads(path.read_text())


def one(seed: int, folder: Path, epochs: int) -> dict[str, dict[str, float]]:
    """Return all rows of one seed."""
    train, test = digits()
    if not folder.exists():
        ClassifierRun.new(folder=folder, seed=seed).train()
    dense = load_classifier(folder).model
    images = calibration_images(train, seed)
    rows: dict[str, dict[str, float]] = {}

    def add(name: str, model, save=lambda path, model: save_weights(path, model, {})) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "weights"
            save(path, model)
            size = path.stat().st_size
        rows[name] = {"accuracy": accuracy(model, test), "bytes": size}
        print(f"seed {seed}: {name}: {rows[name]['accuracy']:.2%}", flush=True)

    def trained(model, callbacks=(), teacher=None):
        tinycnn.manual_seed(seed)
        retrain(model, train, epochs, callbacks, teacher, seed)
        return model

    add("dense", dense)
    add("int8", quantize(dense, images))
    add("dense, trained on", trained(copy.deepcopy(dense)))
    for sparsity in SPARSITIES:
        once = copy.deepcopy(dense)
        prune(once, sparsity)
        add(f"{100 * sparsity:.0f} % cut, not trained", once, save_sparse)
        for scope, name in (("global", "all layers"), ("layer", "each layer")):
            model = copy.deepcopy(dense)
            trained(model, [GradualPruning(model, sparsity, scope)])
            add(f"{100 * sparsity:.0f} % cut, {name}", model, save_sparse)
            if sparsity == 0.9 and scope == "global":
                add("90 % cut, all layers, int8", quantize(model, images), save_sparse)
    add("half of the filters", trained(shrink(dense, 0.5)))
    add("half of the filters, with teacher", trained(shrink(dense, 0.5), teacher=dense))
    return rows


@no_grad()
def times(rounds: int = 30) -> dict[str, float]:
    """Return the time of a forward of 256 images relative to the dense network: minima, in turns.

    It is not the values of the weights that decide it, so nothing is trained.
    """
    images = np.random.default_rng(0).random((256, 1, 28, 28), dtype=np.float32)
    dense = cnn28()
    models = {"dense": dense, "half of the filters": shrink(dense, 0.5), "int8": quantize(dense, images)}
    prune(pruned := copy.deepcopy(dense), 0.9)
    models["90 % cut"] = pruned
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            started = time.perf_counter()
            model(Tensor(images))
            seconds[name].append(time.perf_counter() - started)
    return {name: min(taken) / min(seconds["dense"]) for name, taken in seconds.items()}


def picture(table: dict, runs: list[dict]):
    """Draw the accuracy over the share of weights that are left, all seeds and their median."""
    figure = plot.blank_figure(7.5, 4.2)
    axes = figure.subplots()
    left = [100 * (1 - sparsity) for sparsity in SPARSITIES]
    for ending, style in (("not trained", "^:"), ("each layer", "s--"), ("all layers", "o-")):
        names = [f"{100 * sparsity:.0f} % cut, {ending}" for sparsity in SPARSITIES]
        line = axes.plot(
            left, [100 * table[name]["accuracy"] for name in names], style, label=f"cut, {ending}"
        )
        for run in runs:
            seeds = [100 * run[name]["accuracy"] for name in names]
            axes.plot(left, seeds, style[0], color=line[0].get_color(), alpha=0.3, markersize=4)
    dense = 100 * table["dense, trained on"]["accuracy"]
    axes.axhline(dense, color="black", linewidth=1, label="dense, trained as long")
    axes.axhspan(dense - POINTS_PRUNED, dense, color="black", alpha=0.08)
    axes.set_xscale("log")
    axes.set_xticks(left, [f"{share:g}" for share in np.round(left, 1)])
    axes.minorticks_off()
    axes.invert_xaxis()
    axes.set_ylim(max(dense - 8, 0), 100)
    axes.set_xlabel("weights that are left (%)")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("cnn28 on the digits, pruned; small marks are single seeds")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
