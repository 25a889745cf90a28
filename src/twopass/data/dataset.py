"""What a data set is: its description, and its training and test rows."""

from __future__ import annotations

import dataclasses
import math
from numbers import Integral
from typing import Literal

import numpy as np

from twopass.data.download import RemoteFile
from twopass.data.tables import Array, Table
from twopass.errors import ArgumentError, compose

__all__ = ["Dataset", "DatasetInfo", "Task", "split"]

Task = Literal["classification", "regression"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is known of a data set without loading it.

    Parameters
    ----------
    name : str
        What `twopass.data.load` and the command line call it.
    title, description, source, licence : str
        One line each; `source` names the publication and the place.
    task : {"classification", "regression"}
        Whether the target is a class index or a number.
    n_train, n_test : int
        Rows of each part.
    feature_names : tuple of str
        One name per column of `x`.
    target_names : tuple of str
        The name of each class, in the order of the class indices; for a regression, the name of the target.
    image_shape : tuple of int, optional
        (height, width) when a row is an image; ``x.reshape(-1, *image_shape)`` shows it.
    files : tuple of RemoteFile
        What is downloaded at first use; empty when the data come with the package.
    """

    name: str
    title: str
    task: Task
    n_train: int
    n_test: int
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    description: str
    source: str
    licence: str
    image_shape: tuple[int, int] | None = None
    files: tuple[RemoteFile, ...] = ()

    @property
    def target_name(self) -> str:
        """What the column of the target is called in a table."""
        return "class" if self.task == "classification" else self.target_names[0]

    def with_rows(self, x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> Dataset:
        """Return the data set that this describes."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(DatasetInfo)}
        return Dataset(**fields, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset(DatasetInfo):
    """A data set in memory: its description, and the rows to train on and to test on.

    Parameters
    ----------
    x_train, x_test : ndarray of float32, shape (n_samples, n_features)
        The features.
    y_train, y_test : ndarray, shape (n_samples,)
        int64 class indices for classification, float32 numbers for regression.

    The other parameters are those of `DatasetInfo`.

    Examples
    --------
    >>> from twopass.data import load_digits
    >>> digits = load_digits()
    >>> digits
    Dataset('digits', classification, 1437 + 360 rows, 64 features)
    >>> digits.x_train.shape, digits.y_train.shape
    ((1437, 64), (1437,))
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    def __post_init__(self) -> None:
        parts = {
            "training": (self.x_train, self.y_train, self.n_train),
            "test": (self.x_test, self.y_test, self.n_test),
        }
        for part, (x, y, n_samples) in parts.items():
            if x.shape != (n_samples, len(self.feature_names)) or y.shape != (n_samples,):
                what = f"the {part} rows of {self.name!r} have the shapes {x.shape} and {y.shape}"
                why = f"The description says {n_samples} rows of {len(self.feature_names)} features and one target."
                raise ArgumentError(compose(what, why=why))

    def __repr__(self) -> str:
        rows = f"{self.n_train} + {self.n_test} rows"
        return f"Dataset({self.name!r}, {self.task}, {rows}, {len(self.feature_names)} features)"

    def table(self, part: Literal["train", "test"]) -> Table:
        """Return the training or the test rows as a table, classes by their names.

        Examples
        --------
        >>> from twopass.data import load_digits
        >>> load_digits().table("test").column("class")[:3]
        array(['3', '6', '9'], dtype='<U1')
        """
        x, y = (self.x_train, self.y_train) if part == "train" else (self.x_test, self.y_test)
        columns = dict(zip(self.feature_names, x.T, strict=True))
        columns[self.target_name] = np.array(self.target_names)[y] if self.task == "classification" else y
        return Table(columns, self.name)

    def validation_split(self, size: int | float, *, seed: int = 0) -> tuple[Array, Array, Array, Array]:
        """Split the training rows into a part to train on and one to validate on; see `split`.

        Returns
        -------
        x_train, y_train, x_validation, y_validation : ndarray

        Examples
        --------
        >>> from twopass.data import load_digits
        >>> x_train, y_train, x_validation, y_validation = load_digits().validation_split(0.1)
        >>> x_train.shape, x_validation.shape
        ((1293, 64), (144, 64))
        """
        return split(self.x_train, self.y_train, size, seed=seed, stratify=self.task == "classification")


def split(
    x: Array, y: Array, size: int | float, *, seed: int = 0, stratify: bool = False
) -> tuple[Array, Array, Array, Array]:
    """Split rows at random into those to keep and those to hold out.

    Parameters
    ----------
    x : ndarray, shape (n_samples, ...)
    y : ndarray, shape (n_samples, ...)
    size : int or float
        Rows to hold out: a number of rows, at least 1, or a fraction between 0 and 1 (rounded up).
    seed : int
        The same seed gives the same rows.
    stratify : bool
        Hold out the same share of every value of `y`, which is then one-dimensional: counts differ from the exact
        share by less than one row.

    Returns
    -------
    x_kept, y_kept, x_held_out, y_held_out : ndarray

    Raises
    ------
    ArgumentError
        When the lengths differ, or `size` leaves nothing on one side.

    Examples
    --------
    >>> x, y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 0, 1, 1])
    >>> *_, y_held_out = split(x, y, 0.5, stratify=True)
    >>> y_held_out.tolist()
    [0, 0, 1]
    """
    n_samples = len(x)
    if len(y) != n_samples:
        raise ArgumentError(compose(f"x has {n_samples} rows and y has {len(y)}", why="Each row needs its target."))
    n_held = _count(size, n_samples)
    order = np.random.default_rng(seed).permutation(n_samples)
    if stratify:
        order = order[np.argsort(y[order], kind="stable")]
    # Every (n/m)-th row of an order that is random within each class: proportional, and m rows in total.
    picks = ((np.arange(n_held) + 0.5) * (n_samples / n_held)).astype(np.int64)
    held = np.zeros(n_samples, bool)
    held[order[picks]] = True
    return x[~held], y[~held], x[held], y[held]


def _count(size: int | float, n_samples: int) -> int:
    """Rows that a `size` of `split` stands for."""
    n_held = math.ceil(size * n_samples) if isinstance(size, float) and 0 < size < 1 else size
    if not isinstance(n_held, Integral) or not 0 < n_held < n_samples:
        what = f"size={size!r} cannot be held out from {n_samples} rows"
        instead = "Pass a fraction between 0 and 1, or a whole number of rows that leaves some to keep."
        raise ArgumentError(compose(what, instead=instead))
    return int(n_held)
