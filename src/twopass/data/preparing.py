"""A table made ready: what is done to each column, and which rows are learned from."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Collection
from typing import Literal

import numpy as np

from twopass.data.dataset import Task, split
from twopass.data.deciding import FEW_ROWS, SAME, copies, decide, remarks_on
from twopass.data.encoding import Column, Encoder, LeftOut
from twopass.data.features import Group, Moment, Quantity, as_days
from twopass.data.streaming import TableFile
from twopass.data.survey import Survey
from twopass.data.tables import Array, Table
from twopass.data.targets import Number, Target, infer_classes, infer_task
from twopass.errors import DataError, compose

__all__ = ["VALIDATION", "Prepared", "prepare"]

_FEWEST_ROWS = 10
#: The share of the rows beside the test that are validated on, where nobody says which.
VALIDATION = 0.1
_TOO_FAR = 1e9
_LARGEST = 1 << 31  # bytes of inputs that are kept in memory
_BUDGET = 1 << 29  # bytes that the inputs of all rows may take


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A table that is ready to be learned from.

    Parameters
    ----------
    encoder : Encoder
        What is done to each column, fitted to the training rows.
    parts : tuple of ndarray of int
        The numbers of the rows to train, to validate and to test on.
    survey : Survey
        What is known of the table.
    remarks : tuple of str
        What somebody should know: rows and columns that are left out, suspicions.
    """

    encoder: Encoder
    parts: tuple[Array, Array, Array]
    survey: Survey
    remarks: tuple[str, ...]

    def arrays(self, rows: TableFile) -> list[tuple[Array, Array]]:
        """Inputs and targets of the rows to train, to validate and to test on, read once more."""
        encoder, part_of = self.encoder, np.full(len(self.survey), -1, np.int8)
        for number, part in enumerate(self.parts):
            part_of[part] = number
        kind = np.int64 if encoder.task == "classification" else np.float32
        made = [(_inputs(len(part), encoder.n_inputs), np.empty(len(part), kind)) for part in self.parts]
        filled, start = [0] * len(made), 0
        for chunk in rows:
            places = part_of[start : start + len(chunk)]
            start += len(chunk)
            for number, (x, y) in enumerate(made):
                chosen = np.flatnonzero(places == number)
                if len(chosen):
                    here = slice(filled[number], filled[number] + len(chosen))
                    table = chunk if len(chosen) == len(chunk) else chunk.rows(chosen)
                    x[here], y[here] = encoder.inputs(table), encoder.target.encode(table)
                    filled[number] += len(chosen)
        return made


def _inputs(rows: int, size: int) -> Array:
    """Room for the inputs of some rows: in memory, or, when they are many, in a file without a name."""
    if 4 * rows * size <= _LARGEST:
        return np.empty((rows, size), np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=(rows, size))


def prepare(
    rows: TableFile,
    target: str,
    *,
    task: Task | None = None,
    drop: Collection[str] = (),
    test: float = 0.2,
    validation: float | Literal["auto"] | None = 0.1,
    seed: int = 0,
    embed: int | None = None,
) -> Prepared:
    """Decide what each column is to a network, and which rows it learns from.

    Parameters
    ----------
    rows : TableFile
        The table.
    target : str
        The column to predict.
    task : {"classification", "regression"}, optional
        What the target is; see `infer_task` for the default.
    drop : collection of str
        Columns to leave out.
    test, validation : float
        Shares of the rows to hold out; those to validate on are of what remains, or none. "auto" is a tenth, or none if
        fewer than 2,000 rows remain: each of them teaches more than it tells.
    seed : int
        Decides which rows.
    embed : int, optional
        The network is to learn a vector for each category of columns with more categories than this; of none, if it
        is not given.

    Raises
    ------
    DataError
        When the table cannot be learned from; the message names the row or the column.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size, colour = rng.random(100), rng.choice(["red", "blue"], 100)
    >>> table = Table({"size": size, "colour": colour, "price": size * 3, "shop": np.full(100, "A")}, "toys.csv")
    >>> encoder = prepare(TableFile(table), "price").encoder
    >>> [type(feature).__name__ for feature in encoder.features], encoder.left_out
    (['Quantity', 'Group'], (LeftOut(name='shop', why="every row holds 'A'"),))
    """
    _check_names(rows, [target, *drop])
    survey = Survey.of(rows, target)
    known = survey.columns[target].missing
    kept = np.flatnonzero(~survey.target.missing(target))
    if len(kept) < _FEWEST_ROWS:
        have = "there is 1 row" if len(kept) == 1 else f"there are {len(kept)} rows"
        with_target = f" with a value in {target!r}" if known else ""
        what = f"{have}{with_target}, too few to learn from and to test on"
        raise DataError(compose(what, where=survey.name, instead=f"Give at least {_FEWEST_ROWS}."))
    targets = survey.target.rows(kept)
    encoded, column = _target(targets, target, task)
    parts = _split(kept, encoded, test, validation, seed, column.task == "classification")
    if isinstance(column, Number):
        column = dataclasses.replace(column.standardised(survey.target.rows(parts[0])), limit=None)
    fitted = np.isin(survey.sampled, parts[0])
    features, left_out, remarks = [], [LeftOut(name, "dropped") for name in drop], []
    if known:
        rows_have = "1 row has" if known == 1 else f"{known:,} rows have"
        remarks.append(f"{rows_have} no value in {target!r}; left out")
    sample = survey.sample.rows(np.flatnonzero(fitted))
    for name in rows.columns:
        if name == target or name in drop:
            continue
        decision = decide(survey.columns[name], sample, embed)
        if isinstance(decision, Moment):
            as_days(survey.sample, name)  # for what it says of a date that is none
        why = copies(name, decision, target, column, sample)
        if isinstance(decision, LeftOut) or why == SAME:
            left_out.append(decision if isinstance(decision, LeftOut) else LeftOut(name, why))
            if why == SAME:
                remarks.append(f"column {name!r} is left out: {why}, so that the network would learn nothing else")
            continue
        if why:
            remarks.append(f"column {name!r} may give the target away: {why}. If so: --drop {name}")
        features.append(decision)
        remarks.extend(remarks_on(survey.columns[name], decision))
    if not features:
        reasons = "; ".join(f"{column.name!r}: {column.why}" for column in left_out)
        why = f"The other columns are left out ({reasons})." if left_out else "It is the only column."
        raise DataError(compose(f"there is nothing to predict {target!r} from", where=survey.name, why=why))
    features = _with_intervals(_affordable(features, len(kept)), sample, len(kept))
    return Prepared(Encoder(tuple(features), column, tuple(left_out)), parts, survey, tuple(remarks))


def _check_names(rows: TableFile, names: Collection[str]) -> None:
    """Raise for the first name that is no column's."""
    header = Table({name: np.zeros(0) for name in rows.columns}, rows.name)
    for name in names:
        header.column(name)


def _target(targets: Table, name: str, task: Task | None) -> tuple[Array, Target]:
    """The target of each row, as `split` sorts it, and what it is."""
    if (task or infer_task(targets, name)) == "classification":
        category = infer_classes(targets, name)
        return category.encode(targets), category
    values = targets.numbers(name)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    if values.min() == values.max():
        what = f"column {name!r} holds {values[0]:g} in every row, so there is nothing to predict"
        raise DataError(compose(what, where=targets.source, instead="Choose a target that varies."))
    if high > low:
        far = np.abs(values / 2 - middle / 2) > _TOO_FAR / 2 * (high - low)
        targets.refuse(
            name, far, "holds {value}, too far from the other values to learn it", "Correct it, or drop the row."
        )
    return values, Number(name)


def _split(
    kept: Array, targets: Array, test: float, validation: float | Literal["auto"] | None, seed: int, stratify: bool
) -> tuple[Array, Array, Array]:
    rest, y, held, _ = split(kept, targets, test, seed=seed, stratify=stratify)
    if validation == "auto":
        validation = None if len(rest) < FEW_ROWS else VALIDATION
    if validation is None:
        return rest, rest[:0], held
    train, _, watched, _ = split(rest, y, validation, seed=seed, stratify=stratify)
    return train, watched, held


def _affordable(features: list[Column], n_rows: int) -> list[Column]:
    """Take categories away from those columns that have most of them, until the inputs fit into the memory."""
    features = list(features)
    while sum(feature.size for feature in features) > _BUDGET // (4 * n_rows):
        index, widest = max(enumerate(features), key=lambda item: item[1].size)
        if not isinstance(widest, Group) or len(widest.known) <= 16:
            break
        kept = widest.known[: len(widest.known) // 2]
        others = tuple(sorted({*widest.others, *widest.known[len(kept) :]}))
        features[index] = dataclasses.replace(widest, known=kept, rare=True, others=others)
    return features


def _with_intervals(features: list[Column], sample: Table, n_rows: int) -> list[Column]:
    """Give quantities intervals, as many as the rows can teach and the memory can hold."""
    quantities = sum(isinstance(feature, Quantity) for feature in features)
    others = sum(feature.size for feature in features)
    affordable = (_BUDGET // (4 * max(n_rows, 1)) - others) // max(1, quantities)
    count = min(_intervals(n_rows), affordable)
    if count < 2:
        return features
    return [_cut(feature, sample, count) if isinstance(feature, Quantity) else feature for feature in features]


def _intervals(n_rows: int) -> int:
    return 0 if n_rows < FEW_ROWS else 8 if n_rows < 10_000 else 16


def _cut(feature: Quantity, sample: Table, count: int) -> Quantity:
    values, missing = sample.values(feature.name)
    edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, count + 1)))
    if len(edges) < 3 or not np.isfinite(np.diff(edges)).all():
        return feature
    return dataclasses.replace(feature, edges=tuple(edges.tolist()))
