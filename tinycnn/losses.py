"""The losses of `tinycnn.nn`, under the name they also have: ``tinycnn.losses.CrossEntropyLoss``."""

from tinycnn.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]
