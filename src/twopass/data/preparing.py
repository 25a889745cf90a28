"""What to do with each column of a table: decided from its values, and said."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np

from twopass.data.dataset import Task, split
from twopass.data.encoding import Column, Encoder, LeftOut, Number, Target, infer_classes, infer_task
from twopass.data.features import Flag, Group, Moment, Quantity, as_days, as_labels, is_date, is_flag
from twopass.data.streaming import TableFile
from twopass.data.survey import ColumnSurvey, Survey
from twopass.data.tables import Array, Table
from twopass.data.vocabulary import Vocabulary
from twopass.errors import DataError, compose

__all__ = ["Prepared", "prepare"]

_FEWEST_ROWS = 10
_MOST_CATEGORIES = 255
_MOST_VECTORS = 20_000
_RAREST = 3  # rows that a category of its own has at least
_NAME_OF_KEY = re.compile(r"(.*[_ ])?(id|index|idx|row|rownames?|no|nr|key|uuid|guid)|(unnamed: ?\d+)|", re.IGNORECASE)
_LONG = 3.0  # spreads from the middle to the last of 200 values on one side
_FAR = 1e6  # spreads from the middle that are worth a remark
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
    validation: float | None = 0.1,
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
        Shares of the rows to hold out; those to validate on are of what remains, or none.
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
        decision = _decide(survey.columns[name], sample, embed)
        if isinstance(decision, Moment):
            as_days(survey.sample, name)  # for what it says of a date that is none
        why = _copies(name, decision, target, column, sample)
        if isinstance(decision, LeftOut) or why == _SAME:
            left_out.append(decision if isinstance(decision, LeftOut) else LeftOut(name, why))
            if why == _SAME:
                remarks.append(f"column {name!r} is left out: {why}, so that the network would learn nothing else")
            continue
        if why:
            remarks.append(f"column {name!r} may give the target away: {why}. If so: --drop {name}")
        features.append(decision)
        remarks.extend(_remarks(survey.columns[name], decision))
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
    kept: Array, targets: Array, test: float, validation: float | None, seed: int, stratify: bool
) -> tuple[Array, Array, Array]:
    rest, y, held, _ = split(kept, targets, test, seed=seed, stratify=stratify)
    if validation is None:
        return rest, rest[:0], held
    train, _, watched, _ = split(rest, y, validation, seed=seed, stratify=stratify)
    return train, watched, held


def _decide(survey: ColumnSurvey, sample: Table, embed: int | None) -> Column | LeftOut:
    """What a column is."""
    name = survey.name
    if not survey.present:
        return LeftOut(name, "every value is missing")
    missing = sample.missing(name)
    if missing.all():
        return LeftOut(name, "nearly every value is missing")
    if survey.is_numeric:
        return _decide_numbers(survey, sample, missing)
    labels = as_labels(sample, name)[0][~missing]
    counts = Counter(labels.tolist())
    indicator = survey.missing > 0
    if len(counts) == 1 and not indicator:
        return LeftOut(name, f"every row holds {str(labels[0])!r}")
    if is_flag(labels):
        return Flag(name, indicator)
    if sum(is_date(label) * count for label, count in counts.items()) > 0.9 * len(labels):
        return _moment(name, sample, indicator)
    return _decide_texts(name, counts, sample.source, indicator, embed)


def _decide_numbers(survey: ColumnSurvey, sample: Table, missing: Array) -> Column | LeftOut:
    name = survey.name
    if survey.text is not None:
        value, place = survey.text
        what = f"column {name!r} holds {value!r}, and numbers in most rows"
        instead = f"Correct it, empty the field (missing values are fine), or add --drop {name}."
        raise DataError(compose(what, where=place, instead=instead))
    if survey.infinite is not None:
        what = f"column {name!r} holds an infinity"
        instead = f"Correct it, empty the field (missing values are fine), or add --drop {name}."
        raise DataError(compose(what, where=survey.infinite, instead=instead))
    indicator = survey.missing > 0
    if survey.low == survey.high and not indicator:
        return LeftOut(name, f"every row holds {survey.low:.6g}")
    values = sample.values(name)[0][~missing]
    if np.isin(values, (0.0, 1.0)).all() and (survey.low, survey.high) == (0.0, 1.0):
        return Flag(name, indicator)  # as Parquet files hold yes and no
    whole = bool((values == np.floor(values)).all())
    if _NAME_OF_KEY.fullmatch(name) and whole and not indicator and len(np.unique(values)) == len(values):
        return LeftOut(name, "it numbers the rows")
    center, scale = _middle(values)
    return Quantity(name, center, scale, _deviation(values, center, scale), indicator=indicator)


def _middle(values: Array) -> tuple[float, float]:
    """Median, and interquartile range; of values that are mostly one, half of their range."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    scale = high - low or float(values.max() / 2 - values.min() / 2) or 1.0
    return float(middle), float(min(scale, 1e300))


def _deviation(values: Array, center: float, scale: float) -> float | None:
    """The standard deviation of values with long tails, but for the last thousandth on each side."""
    lowest, low, high, highest = np.quantile(values, (0.001, 0.005, 0.995, 0.999))
    if max(center - low, high - center) <= _LONG * scale:
        return None
    deviation = float(np.clip(values, lowest, highest).std())
    return deviation if np.isfinite(deviation) and deviation > 0 else None


def _moment(name: str, sample: Table, indicator: bool) -> Moment:
    days, missing = as_days(sample, name)
    days = days[~missing]
    span = float(days.max() - days.min())
    phases = [phase for phase, length in (("year", 120.0), ("week", 14.0)) if span >= length]
    if (days != np.floor(days)).any():
        phases.append("day")
    return Moment(name, *_middle(days), tuple(phases), indicator)


def _decide_texts(name: str, counts: Counter[str], source: str, indicator: bool, embed: int | None) -> Column | LeftOut:
    total, different = counts.total(), len(counts)
    words = sum(len(label.split()) * count for label, count in counts.items()) / total
    if (different > max(20, 0.5 * total) and words >= 3) or (different > 100 and words >= 6):
        what = f"column {name!r} is text, such as {next(iter(counts))[:30]!r}, which this network does not read"
        raise DataError(compose(what, where=source, instead=f"Add --drop {name}, or turn it into categories."))
    if different > 0.9 * total and different > 20:
        return LeftOut(name, "it names the rows")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if embed is not None:
        frequent = [label for label, count in ranked[:_MOST_VECTORS] if count >= _RAREST]
        if len(frequent) > embed:
            return Vocabulary(name, tuple(frequent), indicator, tuple(sorted(counts.keys() - set(frequent))))
    least = max(_RAREST, total // 5000)
    common = [label for label, count in ranked[:_MOST_CATEGORIES] if count >= least]
    if not common:
        return LeftOut(name, f"none of its categories has {least} rows")
    others = tuple(sorted(counts.keys() - set(common)))
    if len(others) == 1 and len(common) < _MOST_CATEGORIES:  # alone, it needs nobody's place
        common, others = [*common, *others], ()
    return Group(name, tuple(common), bool(others), indicator, others)


_SAME = "it repeats the target"


def _copies(name: str, decision: Column | LeftOut, target: str, column: Target, sample: Table) -> str:
    """How a column gives the target away; empty when it does not."""
    if isinstance(decision, LeftOut):
        return ""
    if isinstance(column, Number):
        if not isinstance(decision, Quantity):
            return ""
        values, missing = sample.values(name)
        values, numbers = values[~missing], sample.numbers(target)[~missing]
        if np.array_equal(values, numbers):
            return _SAME
        with np.errstate(all="ignore"):
            slope = np.corrcoef(values / decision.scale, numbers)[0, 1] if len(values) > 2 else 0.0
        return "it is a linear function of it" if abs(slope) > 1 - 1e-12 else ""
    labels, missing = as_labels(sample, name)
    classes = as_labels(sample, target)[0]
    pairs = set(zip(labels[~missing].tolist(), classes[~missing].tolist(), strict=True))
    if all(label == own for label, own in pairs):
        return _SAME
    one_to_one = len(pairs) == len({label for label, _ in pairs}) == len({own for _, own in pairs})
    return "each of its values has one class, and each class one value" if one_to_one and len(pairs) > 1 else ""


def _remarks(survey: ColumnSurvey, decision: Column) -> Iterator[str]:
    """What is strange about a column that is used."""
    if isinstance(decision, Quantity):
        extreme = max(
            (survey.low, survey.high), key=lambda value: abs(value / decision.scale - decision.center / decision.scale)
        )
        if abs(extreme / decision.scale - decision.center / decision.scale) > _FAR:
            yield f"column {survey.name!r} holds {extreme:g} ({survey.far}), far from the others; its input is limited"
    if survey.missing > 0.5 * survey.rows:
        yield f"column {survey.name!r} has no value in {survey.missing / survey.rows:.0%} of the rows"


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
    return 0 if n_rows < 2000 else 8 if n_rows < 10_000 else 16


def _cut(feature: Quantity, sample: Table, count: int) -> Quantity:
    values, missing = sample.values(feature.name)
    edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, count + 1)))
    if len(edges) < 3 or not np.isfinite(np.diff(edges)).all():
        return feature
    return dataclasses.replace(feature, edges=tuple(edges.tolist()))
