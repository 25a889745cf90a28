"""Targets as they are learned: classes as their numbers, and numbers in the units of the loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score

from twopass.errors import ArgumentError, DataError, compose
from twopass.nn.types import Array
from twopass.sklearn.classes import class_numbers, distinct_labels
from twopass.sklearn.heads import ClassHead, Head, NumberHead
from twopass.sklearn.objectives import CLASS_LOSSES, NUMBER_LOSSES
from twopass.sklearn.targets import Column
from twopass.train.arguments import takes

__all__ = ["TASKS", "Task", "classes_of", "mean_and_deviation", "task_of"]

TASKS = ("classification", "regression")
#: Scores of fewer samples are not defined.
_FEWEST = {"classification": 1, "regression": 2}


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One target.

    Parameters
    ----------
    name : str or int
        What it is called.
    classes : array or None
        What it is one of; None for a number.
    mean, scale : float
        Of a number: the loss sees it less the mean, divided by the scale.
    """

    name: Any
    classes: Any
    mean: float = 0.0
    scale: float = 1.0

    @property
    def kind(self) -> str:
        """Which of `TASKS` it is."""
        return TASKS[self.classes is None]

    def check(self, column: Column) -> None:
        """Raise for a column without numbers where the target is one."""
        if self.classes is None and column.known.any() and not column.is_numeric:
            raise _no_numbers(column)

    def numbers(self, column: Column) -> Array:
        """A column as `twopass.sklearn.heads` has them, before it is scaled; -1 also for classes that are not known."""
        if self.classes is not None:
            return np.where(column.known, class_numbers(column.values, self.classes), -1)
        values = column.values.astype(np.float64) if column.is_numeric else np.zeros(len(column.values))
        return np.where(column.known, values, np.nan)

    def shown(self, numbers: Array) -> Array:
        """A column as users have it, of one as the loss has it; None for unknown classes."""
        if self.classes is None:
            return numbers * self.scale + self.mean
        known = numbers >= 0
        classes = self.classes if known.all() else self.classes.astype(object)
        found: Array = classes[np.where(known, numbers, 0).astype(np.int64)]
        return found if known.all() else np.where(known, found, None)

    def head(self, loss: Any, weight: Any, is_partial: bool) -> Head:
        """What of the network answers for it.

        Raises
        ------
        ArgumentError
            For a loss that is not for such targets, or a negative weight.
        """
        known = NUMBER_LOSSES if self.classes is None else CLASS_LOSSES
        if isinstance(loss, str) and loss not in (*known, "auto"):
            what = f"loss={loss!r} is none of those for target {self.name!r}"
            raise ArgumentError(compose(what, instead=f"Write 'auto', {', '.join(map(repr, known))} or a function."))
        if callable(loss) and is_partial and not takes(loss, "sample_weight"):
            what = (
                f"target {self.name!r} is partly unknown, and its loss does not take the weights that leave out samples"
            )
            raise ArgumentError(compose(what, instead="Write loss(prediction, target, *, sample_weight=None)."))
        if not np.isfinite(weight) or weight < 0:
            what = f"task_weight of target {self.name!r} is {weight!r}"
            raise ArgumentError(compose(what, instead="Give a number that is not negative."))
        more = {"weight": float(weight), "is_partial": is_partial}
        if self.classes is None:
            return NumberHead.of("squared_error" if loss == "auto" else loss, **more)
        return ClassHead.of("log_loss" if loss == "auto" else loss, len(self.classes), **more)

    def score(self, truth: Array, answers: Array, known: Array, weight: Array | None) -> float:
        """Accuracy or R² over the samples for which it is known; NaN for too few of them."""
        if np.count_nonzero(known) < _FEWEST[self.kind]:
            return float("nan")
        metric = r2_score if self.classes is None else accuracy_score
        own = None if weight is None else weight[known]
        return float(metric(truth[known], answers[known], sample_weight=own))


def task_of(column: Column, given: Any) -> str:
    """Which of `TASKS` a target is; checks that it can be that.

    Raises
    ------
    ArgumentError, DataError
        When what is given is none, when nothing of the column is known, or when it has no numbers and should.
    """
    if given not in ("auto", *TASKS):
        what = f"the task of target {column.name!r} is {given!r}"
        raise ArgumentError(compose(what, instead="Write 'auto', 'classification' or 'regression'."))
    if not column.known.any():
        raise DataError(compose(f"target {column.name!r} is unknown for all samples", instead="Leave it out."))
    if given == "regression" and not column.is_numeric:
        raise _no_numbers(column)
    if given != "auto":
        return str(given)
    if not column.is_numeric and column.is_mostly_different:
        what = f"target {column.name!r} is text, and most of its values are there once, which are no classes"
        why = "Were they numbers? An array of NumPy makes text of numbers beside text."
        raise DataError(compose(what, why=why, instead="Pass a data frame, a list of rows, or dtype=object."))
    return column.infer_task()


def _no_numbers(column: Column) -> DataError:
    strange = column.values[column.known].tolist()[0]
    what = f"target {column.name!r} is a number by its task, and holds {strange!r}"
    return DataError(compose(what, instead=f"Make it numbers, or write tasks={{{column.name!r}: 'classification'}}."))


def classes_of(column: Column, given: Any = None) -> Array:
    """The classes of a target: those that are given, or those in the data."""
    if given is not None:
        return np.unique(np.asarray(given))
    return distinct_labels(column.values[column.known], f"target {column.name!r}")


def mean_and_deviation(values: Array, weight: Array | None) -> tuple[float, float]:
    """Mean and standard deviation of the numbers that are not NaN; 1 for the latter if they are all the same."""
    known = ~np.isnan(values)
    own = None if weight is None else weight[known]
    if own is not None and not own.any():
        return 0.0, 1.0
    mean = np.average(values[known], weights=own)
    return float(mean), float(np.sqrt(np.average(np.square(values[known] - mean), weights=own))) or 1.0
