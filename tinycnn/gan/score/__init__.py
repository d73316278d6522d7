"""Scores of a generator, each beside the score of real images: distance, classes, 1-NN test, density."""

from .classifier import Opinion, opinion
from .density import Parzen, log_density, parzen
from .frechet import frechet_distance
from .neighbour import nearest_neighbour_error
from .report import GanReport, Measured, measure

__all__ = [
    "GanReport",
    "Measured",
    "Opinion",
    "Parzen",
    "frechet_distance",
    "log_density",
    "measure",
    "nearest_neighbour_error",
    "opinion",
    "parzen",
]
