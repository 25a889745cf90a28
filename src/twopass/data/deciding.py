"""What to do with each column of a table: decided from its values, and said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from twopass.data.encoding import Column, LeftOut
from twopass.data.features import Flag, Group, Moment, Quantity, as_days, as_labels, is_date, is_flag
from twopass.data.survey import ColumnSurvey
from twopass.data.tables import Array, Table
from twopass.data.targets import Number, Target
from twopass.data.vocabulary import Vocabulary
from twopass.errors import DataError, compose

__all__ = ["FEW_ROWS", "SAME", "copies", "decide", "remarks_on"]

#: How a column gives the target away that must be left out.
SAME = "it repeats the target"

#: Rows to learn from, below which a table is small: columns of numbers are standardised.
FEW_ROWS = 2_000

_MOST_CATEGORIES = 255
_MOST_VECTORS = 20_000
_RAREST = 3  # rows that a category of its own has at least
_NAME_OF_KEY = re.compile(r"(.*[_ ])?(id|index|idx|row|rownames?|no|nr|key|uuid|guid)|(unnamed: ?\d+)|", re.IGNORECASE)
_LONG = 3.0  # spreads from the middle to the last of 200 values on one side
_FENCE = 3.0  # interquartile ranges
_NEAR_REACH, _FAR_REACH = 3.0, 10.0  # interquartile ranges, standard deviations
_FAR = 1e6  # spreads from the middle that are worth a remark


def decide(survey: ColumnSurvey, sample: Table, embed: int | None) -> Column | LeftOut:
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
    if len(sample) < FEW_ROWS:
        (center, scale), reach = _mean_within_fences(values), _FAR_REACH
    else:
        (center, scale), reach = _middle(values), _NEAR_REACH
    return Quantity(name, center, scale, _deviation(values, center, scale), indicator=indicator, reach=reach)


@np.errstate(over="ignore", invalid="ignore")
def _mean_within_fences(values: Array) -> tuple[float, float]:
    """Mean and standard deviation, where what is far out counts as if it were at the fence.

    J. W. Tukey, Exploratory Data Analysis (1977), section 2D: three interquartile ranges beyond the quartiles.
    """
    low, high = np.quantile(values, (0.25, 0.75))
    spread = high - low
    if not 0 < spread < np.inf:
        return _middle(values)
    within = np.clip(values, low - _FENCE * spread, high + _FENCE * spread)
    deviation = float(within.std())
    return (float(within.mean()), deviation) if 0 < deviation < np.inf else _middle(values)


@np.errstate(over="ignore")
def _middle(values: Array) -> tuple[float, float]:
    """Median, and interquartile range; of values that are mostly one, half of their range."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    scale = high - low or float(values.max() / 2 - values.min() / 2) or 1.0
    return float(middle), float(min(scale, 1e300))


@np.errstate(over="ignore", invalid="ignore")
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


def copies(name: str, decision: Column | LeftOut, target: str, column: Target, sample: Table) -> str:
    """How a column gives the target away; empty when it does not."""
    if isinstance(decision, LeftOut):
        return ""
    if isinstance(column, Number):
        if not isinstance(decision, Quantity):
            return ""
        values, missing = sample.values(name)
        values, numbers = values[~missing], sample.numbers(target)[~missing]
        if np.array_equal(values, numbers):
            return SAME
        with np.errstate(all="ignore"):
            slope = np.corrcoef(values / decision.scale, numbers)[0, 1] if len(values) > 2 else 0.0
        return "it is a linear function of it" if abs(slope) > 1 - 1e-12 else ""
    labels, missing = as_labels(sample, name)
    classes = as_labels(sample, target)[0]
    pairs = set(zip(labels[~missing].tolist(), classes[~missing].tolist(), strict=True))
    if all(label == own for label, own in pairs):
        return SAME
    one_to_one = len(pairs) == len({label for label, _ in pairs}) == len({own for _, own in pairs})
    return "each of its values has one class, and each class one value" if one_to_one and len(pairs) > 1 else ""


def remarks_on(survey: ColumnSurvey, decision: Column) -> Iterator[str]:
    """What is strange about a column that is used."""
    if isinstance(decision, Quantity):
        extreme = max(
            (survey.low, survey.high), key=lambda value: abs(value / decision.scale - decision.center / decision.scale)
        )
        if abs(extreme / decision.scale - decision.center / decision.scale) > _FAR:
            yield f"column {survey.name!r} holds {extreme:g} ({survey.far}), far from the others; its input is limited"
    if survey.missing > 0.5 * survey.rows:
        yield f"column {survey.name!r} has no value in {survey.missing / survey.rows:.0%} of the rows"
