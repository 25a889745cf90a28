"""Labels of classes as their numbers, column by column, and what each class weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import compute_sample_weight

from twopass.errors import DataError, compose
from twopass.nn.types import Array

__all__ = ["class_numbers", "distinct_labels", "stacked", "weighted_classes", "weights_of_columns"]


def distinct_labels(labels: Array, name: str) -> Array:
    """The different labels of a column, sorted.

    Raises
    ------
    DataError
        When they have no order: text beside numbers, or None.
    """
    try:
        return np.unique(labels)
    except TypeError as error:
        what = f"the classes of {name} are of different kinds, or some are missing"
        instead = "Make all of them text or all numbers; MLPMultiTask learns from targets that are partly unknown."
        raise DataError(compose(what, why=f"{error}.", instead=instead)) from error


def class_numbers(labels: Array, classes: Array) -> Array:
    """For each label the position of its class; -1 for what is none of the classes.

    Examples
    --------
    >>> class_numbers(np.array(["b", "a", "?"]), np.array(["a", "b"]))
    array([ 1,  0, -1])
    """
    places = {label: place for place, label in enumerate(classes.tolist())}
    return np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.int64)


def stacked(columns: Sequence[Array]) -> Array:
    """Columns as one array: of numbers, or of one kind, or else of objects.

    Examples
    --------
    >>> stacked([np.array(["a", "b"]), np.array([1.5, 2.0])])
    array([['a', 1.5],
           ['b', 2.0]], dtype=object)
    """
    kinds = {column.dtype.kind for column in columns}
    if len(kinds) == 1 or kinds <= set("iuf"):
        return np.stack(columns, axis=1)
    found = np.empty((len(columns[0]), len(columns)), dtype=object)
    for place, column in enumerate(columns):
        found[:, place] = column.tolist()
    return found


def weighted_classes(class_weight: Any, labels: Array, sample_weight: Array | None) -> Array:
    """The weight of each sample times that of its class."""
    if sample_weight is None:
        return compute_sample_weight(class_weight, labels)
    if isinstance(class_weight, str) and labels.ndim == 1:  # balanced: a sample of weight 2 counts as two of them
        classes, places = np.unique(labels, return_inverse=True)
        shares = np.bincount(places, sample_weight)
        return (np.sum(sample_weight) / (len(classes) * np.where(shares > 0, shares, 1)))[places] * sample_weight
    return compute_sample_weight(class_weight, labels) * sample_weight


def weights_of_columns(
    class_weights: Sequence[Any], numbers: Array, classes: Sequence[Any], sample_weight: Array | None
) -> Array | None:
    """The weights of the samples and, in further columns, their weights in each target, those of its classes included.

    Just the weights of the samples where no class has one. `numbers` are the targets as `twopass.sklearn.heads` has
    them.
    """
    if all(weight is None for weight in class_weights):
        return sample_weight
    plain = np.ones(len(numbers)) if sample_weight is None else sample_weight
    found = np.repeat(plain[:, np.newaxis], 1 + len(class_weights), axis=1)
    for place, class_weight in enumerate(class_weights):
        if class_weight is not None:
            known = numbers[:, place] >= 0
            labels = classes[place][numbers[known, place].astype(np.int64)]
            own = None if sample_weight is None else sample_weight[known]
            found[known, 1 + place] = weighted_classes(class_weight, labels, own)
    return found
