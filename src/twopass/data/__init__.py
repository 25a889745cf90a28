"""Data sets that come with the package or are downloaded once, and tables of your own."""

from __future__ import annotations

from twopass.data.california import load_california_housing
from twopass.data.dataset import Dataset, DatasetInfo, split
from twopass.data.digits import load_digits
from twopass.data.download import cache_folder
from twopass.data.encoding import Encoder, LeftOut
from twopass.data.features import Flag, Group, Moment, Quantity
from twopass.data.mnist import load_fashion_mnist, load_mnist
from twopass.data.preparing import Prepared, prepare
from twopass.data.reading import from_frame, read_table
from twopass.data.registry import DATASETS, load
from twopass.data.streaming import TableFile
from twopass.data.tables import Table
from twopass.data.targets import Category, Number, infer_task
from twopass.data.vocabulary import Vocabulary

__all__ = [
    "DATASETS",
    "Category",
    "Dataset",
    "DatasetInfo",
    "Encoder",
    "Flag",
    "Group",
    "LeftOut",
    "Moment",
    "Number",
    "Prepared",
    "Quantity",
    "Table",
    "TableFile",
    "Vocabulary",
    "cache_folder",
    "from_frame",
    "infer_task",
    "load",
    "load_california_housing",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "prepare",
    "read_table",
    "split",
]
