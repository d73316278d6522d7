"""What a trained network has learned to see (Eq. 14): feature vectors, and what to do with them."""

from .attribution import Occlusion, grad_cam, occlusion, saliency, smooth_grad
from .extract import colour_statistics, features, find_layer, gram_matrix, last_hidden, layer_names
from .maximise import maximise
from .neighbours import Index, Nearest, nearest
from .probe import few_of_each, linear_error
from .projection import PCA, tsne, umap

__all__ = [
    "PCA",
    "Index",
    "Nearest",
    "Occlusion",
    "colour_statistics",
    "features",
    "few_of_each",
    "find_layer",
    "grad_cam",
    "gram_matrix",
    "last_hidden",
    "layer_names",
    "linear_error",
    "maximise",
    "nearest",
    "occlusion",
    "saliency",
    "smooth_grad",
    "tsne",
    "umap",
]
