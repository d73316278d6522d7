"""Data: labelled pictures from files, folders and downloads, augmented and cut into batches."""

from tinycnn.data.arrays import from_arrays
from tinycnn.data.augment import Augment
from tinycnn.data.dataset import Dataset
from tinycnn.data.embedded import digits, emoji
from tinycnn.data.folder import image_arrays, image_folder
from tinycnn.data.idx import read_idx
from tinycnn.data.loader import DataLoader
from tinycnn.data.mnist import fashion_mnist, mnist
from tinycnn.data.npy import read_npy, read_npz
from tinycnn.data.sources import NAMED, kind_of, load
from tinycnn.data.stratified import stratified_split

__all__ = [
    "NAMED",
    "Augment",
    "DataLoader",
    "Dataset",
    "digits",
    "emoji",
    "fashion_mnist",
    "from_arrays",
    "image_arrays",
    "image_folder",
    "kind_of",
    "load",
    "mnist",
    "read_idx",
    "read_npy",
    "read_npz",
    "stratified_split",
]
