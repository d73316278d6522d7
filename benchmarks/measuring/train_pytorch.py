"""What ``tinycnn train`` does by default, as a PyTorch script.

The same network from the same weights, the same batches of the same augmented pictures, Adam, one-cycle
learning rate, and the test set after each epoch; `startup` reads the lines it prints.
"""

import argparse
from pathlib import Path


def main() -> None:
    """Train and print one line an epoch."""
    parser = argparse.ArgumentParser(description="Train cnn28 on the embedded digits with PyTorch.")
    parser.add_argument("weights", type=Path, help="initial weights, .npz")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--tuned", action="store_true")
    args = parser.parse_args()

    import torch
    from torch.nn import functional as F

    from tinycnn.data import Augment, DataLoader, digits

    from . import inputs
    from .on_pytorch import Engine, network

    engine = Engine(args.threads, args.tuned)
    train, test = digits()
    batches = DataLoader(train, 32, shuffle=True, augment=Augment(shift=2))
    weights = inputs.load(args.weights)
    model = engine.loaded(network(weights), weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, args.epochs * len(batches))
    for epoch in range(args.epochs):
        model.train()
        for images, labels in batches:
            loss = F.cross_entropy(model(engine.images(images.data)), torch.from_numpy(labels.data))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        total, right = 0.0, 0
        with torch.inference_mode():
            for images, labels in DataLoader(test, 256):
                truth = torch.from_numpy(labels.data)
                logits = model(engine.images(images.data))
                total += F.cross_entropy(logits, truth, reduction="sum").item()
                right += int((logits.argmax(1) == truth).sum())
        held_out = f"held out: loss {total / len(test):.4f}  accuracy {right / len(test):.2%}"
        print(f"epoch {epoch + 1}/{args.epochs}  |  {held_out}", flush=True)


if __name__ == "__main__":
    main()
