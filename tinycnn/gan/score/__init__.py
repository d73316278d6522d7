"""Scores of a generator, each beside the score of real images: distance, classes, 1-NN test, density."""

from .density import Parzen, log_density, parzen
from .measures import Opinion, frechet_distance, nearest_neighbour_error, opinion
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
