"""Compare methods of regularisation (Eq. 8): each trains cnn28 on 500 digits.

    python -m benchmarks.regularisation                  three seeds; a few minutes on two free cores

Methods that are in the file of results with the same settings are not run again; --anew runs them all.
The gap is the accuracy on the training digits minus the accuracy on the test digits. The table and the
picture show mean and spread (standard deviation) over the seeds. Every training has the same 500 digits, the
same first weights for a seed, and as many steps.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim, plot
from tinycnn.data import Augment, DataLoader, Dataset, digits, stratified_split
from tinycnn.fit import EarlyStopping, Training, evaluate, fit
from tinycnn.models import cnn28

IMAGES, EPOCHS, BATCH, LR = 500, 20, 32, 1e-3
RESULTS = Path(__file__).parent / "results"


def with_dropout() -> nn.Sequential:
    """Return cnn28 with dropout before its dense layers."""
    layers = list(cnn28())
    return nn.Sequential(*layers[:7], nn.Dropout(0.5), *layers[7:9], nn.Dropout(0.5), layers[9])


def with_batch_norm() -> nn.Sequential:
    """Return cnn28 with batch norm behind its convolutions."""
    layers = list(cnn28())
    return nn.Sequential(layers[0], nn.BatchNorm2d(32), *layers[1:4], nn.BatchNorm2d(64), *layers[4:])


def smoothed(logits: tinycnn.Tensor, labels: Any) -> tinycnn.Tensor:
    """Return the cross-entropy with a tenth of the truth spread over all classes."""
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


@dataclass(frozen=True)
class Method:
    """A method of regularisation: the settings of the training that it changes."""

    model: Callable[[], nn.Sequential] = cnn28
    options: dict[str, float] = field(default_factory=dict)  # of the optimizer
    augment: Augment | None = None
    loss: Callable[..., tinycnn.Tensor] = F.cross_entropy
    patience: int = 0


METHODS = {
    "nothing": Method(),
    "L1": Method(options={"l1": 1e-4}),
    "L2": Method(options={"weight_decay": 1e-2}),
    "dropout": Method(model=with_dropout),
    "augmentation": Method(augment=Augment(shift=2, rotate=10)),
    "early stopping": Method(patience=3),
    "batch norm": Method(model=with_batch_norm),
    "label smoothing": Method(loss=smoothed),
    "dropout, augmentation": Method(model=with_dropout, augment=Augment(shift=2, rotate=10)),
}


def measure(method: Method, train: Dataset, test: Dataset, seed: int, epochs: int) -> dict[str, float]:
    """Train once; return the accuracies on the training and the test digits, and the test loss."""
    tinycnn.manual_seed(seed)
    model = method.model()
    learned, held_out = train, None
    if method.patience:  # it chooses the epoch by digits that are neither learned nor tested
        learned, held_out = stratified_split(train, 0.2, seed)
    loader = DataLoader(learned, BATCH, shuffle=True, augment=method.augment, seed=seed)
    optimizer = optim.Adam(model.parameters(), LR, **method.options)
    validation = None if held_out is None else DataLoader(held_out, 256)
    training = Training(model, loader, optimizer, epochs, validation, loss=method.loss)
    fit(training, [EarlyStopping("val_loss", method.patience, restore_best=True)] if method.patience else [])
    seen, unseen = (evaluate(model, DataLoader(part, 256)) for part in (learned, test))
    return {"train": seen.accuracy, "test": unseen.accuracy, "test loss": unseen.loss}


def main() -> int:
    """Train with each method and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="METHOD")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=RESULTS / "regularisation.json")
    parser.add_argument("--anew", action="store_true", help="forget the results that are in the file")
    args = parser.parse_args()
    everything, test = digits()
    few = np.concatenate([np.flatnonzero(everything.labels == k)[: IMAGES // 10] for k in range(10)])
    train = everything.subset(few)
    print(
        f"cnn28 on {len(train)} digits, {args.epochs} epochs, seeds {args.seeds}; mean and spread in points"
    )
    print(f"{'':22}  training      test           gap            test loss")
    said: dict[str, Any] = {"images": len(train), "epochs": args.epochs, "seeds": args.seeds, "runs": {}}
    if args.out.exists() and not args.anew:
        before = json.loads(args.out.read_text())
        said["runs"] = before["runs"] if {**before, "runs": {}} == said else {}
    table = said["runs"]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name in args.methods:
        if name not in table:
            table[name] = [measure(METHODS[name], train, test, seed, args.epochs) for seed in args.seeds]
            args.out.write_text(json.dumps(said, indent=2) + "\n")
        values = {key: np.array([run[key] for run in table[name]]) for key in table[name][0]}
        gap = 100 * (values["train"] - values["test"])
        print(
            f"{name:22}  {100 * values['train'].mean():6.2f}  "
            f"{100 * values['test'].mean():8.2f} ± {100 * values['test'].std():.2f}  "
            f"{gap.mean():7.2f} ± {gap.std():.2f}  {values['test loss'].mean():10.3f}",
            flush=True,
        )
    plot.save(picture(table), args.out.with_suffix(".png"))
    return 0


def picture(table: dict[str, list[dict[str, float]]]) -> Any:
    """Draw training and test accuracy of each method, and the gap as a line between them."""
    figure = plot.blank_figure(8, 0.45 * len(table) + 1.2)
    axes = figure.subplots()
    for row, runs in enumerate(table.values()):
        seen, unseen = (100 * np.array([run[key] for run in runs]) for key in ("train", "test"))
        axes.plot([unseen.mean(), seen.mean()], [row, row], color="#999999", linewidth=3, zorder=1)
        for values, colour, marker in ((seen, "#2a7f3f", "o"), (unseen, "#c8102e", "s")):
            axes.errorbar(values.mean(), row, xerr=values.std(), color=colour, marker=marker, capsize=3)
        middle = (seen.mean() + unseen.mean()) / 2
        axes.text(middle, row - 0.12, f"{(seen - unseen).mean():.1f}", ha="center", va="bottom")
    axes.set_yticks(range(len(table)), list(table))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(
        "accuracy (%): squares on the test digits, circles on the training digits; the gap in points"
    )
    axes.grid(alpha=0.3, axis="x")
    return figure


if __name__ == "__main__":
    sys.exit(main())
