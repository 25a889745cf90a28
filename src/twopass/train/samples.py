"""The rows that a network learns from: checked once, then gathered batch by batch.

Nothing here copies a data set. An ``np.memmap`` larger than the memory is read row by row, in the order of the
batches; only what is not an ndarray (a list, a table) is turned into one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, DataError, NotFiniteError, ShapeError, compose
from twopass.nn.metrics import Metric
from twopass.train.inputs import as_array, column_names

__all__ = ["Batch", "Samples", "as_arrays", "as_samples", "check_targets", "input_shape", "is_surely_finite"]

Array = np.ndarray[Any, np.dtype[Any]]
#: One array, or a tuple of arrays for a network with several inputs.
Arrays = Any
#: Inputs, targets, and sample weights or None.
Batch = tuple[Arrays, Arrays, Array | None]

_CHUNK = 1 << 20  # numbers that a check looks at together
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Inputs, targets and weights, or some rows of them.

    Parameters
    ----------
    x, y : array of shape (n_samples, ...), or tuple of such arrays
        Inputs and targets as the user passed them, in their own dtypes.
    weight : array of shape (n_samples,), optional
        Sample weights.
    rows : array of int, optional
        Which of the rows belong to this set, in order; all by default.
    """

    x: Arrays
    y: Arrays
    weight: Array | None = None
    rows: Array | None = None

    def __len__(self) -> int:
        return len(_first(self.x)) if self.rows is None else len(self.rows)

    def batch(self, positions: Array | slice, dtype: np.dtype[Any]) -> Batch:
        """Some of the samples, as read-only arrays of their own; floats, and all inputs, in the given dtype."""
        chosen = self._chosen(positions)
        x = _map(lambda array: _gather(array, chosen, dtype), self.x)
        return x, self.targets(positions, dtype), self.weights(positions, dtype)

    def inputs(self, positions: Array | slice, dtype: np.dtype[Any]) -> Arrays:
        """The inputs of some of the samples: where that is possible, not copied."""
        chosen = self._chosen(positions)
        return _map(lambda array: np.asarray(array[chosen], dtype, order="C"), self.x)

    def weights(self, positions: Array | slice, dtype: np.dtype[Any]) -> Array | None:
        """The weights of some of the samples."""
        return None if self.weight is None else _gather(self.weight, self._chosen(positions), dtype)

    def targets(self, positions: Array | slice, dtype: np.dtype[Any]) -> Arrays:
        """The targets of some of the samples."""
        chosen = self._chosen(positions)

        def gathered(array: Array) -> Array:
            return _gather(array, chosen, dtype if array.dtype.kind == "f" else array.dtype.newbyteorder("="))

        return _map(gathered, self.y)

    def _chosen(self, positions: Array | slice) -> Array | slice:
        return positions if self.rows is None else self.rows[positions]

    def batches(self, size: int, dtype: np.dtype[Any], order: Array | None = None) -> Iterator[Batch]:
        """All samples in batches, the last of which may be smaller; in the given order of positions, if any."""
        for start in range(0, len(self), size):
            positions = slice(start, start + size)
            yield self.batch(positions if order is None else order[positions], dtype)

    def split(self, fraction: float, seed: int) -> tuple[Samples, Samples]:
        """Two disjoint sets: what remains, and a random fraction of the samples.

        Raises
        ------
        ArgumentError
            When one of them would be empty.
        """
        if not 0 < fraction < 1 or len(self) < 2:
            what = f"validation_split={fraction!r} of {len(self)} samples is not possible"
            raise ArgumentError(compose(what, instead="Write a share between 0 and 1, like 0.1."))
        # The epochs are shuffled by (seed, 1), (seed, 2), ...
        order = np.random.default_rng([seed, 0]).permutation(len(self))
        count = min(max(round(fraction * len(self)), 1), len(self) - 1)
        rows = order if self.rows is None else self.rows[order]
        held_out, kept = np.sort(rows[:count]), np.sort(rows[count:])
        return dataclasses.replace(self, rows=kept), dataclasses.replace(self, rows=held_out)


def _first(arrays: Arrays) -> Array:
    first: Array = arrays[0] if isinstance(arrays, tuple) else arrays
    return first


def _map(function: Callable[[Array], Any], arrays: Arrays) -> Arrays:
    return tuple(map(function, arrays)) if isinstance(arrays, tuple) else function(arrays)


def _gather(array: Array, chosen: Array | slice, dtype: np.dtype[Any]) -> Array:
    """Rows of an array in memory of their own. Being read-only, they are not copied again when differentiated."""
    flags = array.flags
    if isinstance(chosen, slice):
        rows = np.array(array[chosen], dtype)
    elif flags.c_contiguous and flags.aligned and array.dtype.isnative:
        rows = np.take(array, chosen, axis=0).astype(dtype, copy=False)
    else:  # np.take would copy the whole array first
        rows = np.asarray(array[chosen]).astype(dtype, copy=False)
    rows.flags.writeable = False
    return rows


def as_samples(x: Any, y: Any, sample_weight: Any, dtype: np.dtype[Any]) -> Samples:
    """Inputs, targets and weights as they are used for training, checked.

    Raises
    ------
    DataError
        For what is not an array of real numbers, or has no rows.
    ShapeError
        When there are more or fewer targets or weights than inputs.
    NotFiniteError
        For a NaN, an infinity, or a number too large for the dtype; with its row and column.
    ArgumentError
        When a weight is negative, or all are zero.
    """
    inputs, targets = as_arrays(x, "x", dtype), as_arrays(y, "y", dtype)
    count = len(_first(inputs))
    for name, arrays in (("x", inputs), ("y", targets)):
        for array in arrays if isinstance(arrays, tuple) else (arrays,):
            _check_count(name, len(array), count)
    if count == 0:
        raise DataError(compose("x has no rows", instead="Pass at least one sample."))
    return Samples(inputs, targets, None if sample_weight is None else _as_weight(sample_weight, count, dtype))


def _check_count(name: str, found: int, count: int) -> None:
    if found != count:
        what = f"x has {count} rows and {name} has {found}"
        raise ShapeError(compose(what, instead="Pass one row for each sample in all of them."))


def _as_weight(sample_weight: Any, count: int, dtype: np.dtype[Any]) -> Array:
    weight = _as_array(sample_weight, "sample_weight", dtype)
    _check_count("sample_weight", len(weight), count)
    if weight.ndim != 1:
        what = f"sample_weight has the shape {weight.shape}"
        raise ShapeError(compose(what, instead=f"Give it the shape ({count},), one weight for each sample."))
    if (weight < 0).any() or not (weight > 0).any():
        what = "sample_weight has a negative weight" if (weight < 0).any() else "sample_weight has only zeros"
        raise ArgumentError(compose(what, instead="Leave samples out with the weight 0."))
    return weight


def as_arrays(values: Any, name: str, dtype: np.dtype[Any]) -> Arrays:
    """An array, or a tuple of them, that can be trained on: real numbers, finite in the dtype."""
    if isinstance(values, tuple) and values and all(np.ndim(part) for part in values):
        return tuple(_as_array(part, f"{name}[{number}]", dtype) for number, part in enumerate(values))
    return _as_array(values, name, dtype)


def _as_array(values: Any, name: str, dtype: np.dtype[Any]) -> Array:
    array = as_array(values, name)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        found = f"a {type(values).__name__}" if array.ndim == 0 else f"of dtype {array.dtype}"
        instead = "Pass an array of numbers with one row for each sample."
        if array.dtype.kind in "OUST":
            instead += f" Number the classes of a text column with np.unique({name}, return_inverse=True)[1]."
        raise DataError(compose(f"{name} is {found}, not an array of real numbers", instead=instead))
    if array.dtype.kind == "f":
        _check_finite(array, name, dtype, column_names(values))
    return array


def _check_finite(array: Array, name: str, dtype: np.dtype[Any], columns: Any) -> None:
    """Raise for the first number that is not finite once it has the dtype of the training."""
    limit = min(float(np.finfo(dtype).max), float(np.finfo(array.dtype).max))  # half precision has no larger one
    step = max(1, _CHUNK // max(1, array[:1].size))
    for start in range(0, len(array) if array.size else 0, step):
        chunk = array[start : start + step]
        if is_surely_finite(chunk, limit):
            continue
        # A NaN makes both comparisons false.
        if not (chunk.min() >= -limit and chunk.max() <= limit):
            bad = np.argwhere(~(np.abs(chunk) <= limit))[0]
            raise NotFiniteError(_finite_message(chunk[tuple(bad)], name, [start + bad[0], *bad[1:]], columns, dtype))


#: Numbers of a product for which no BLAS library wakes a second thread. That one would go on spinning when the product
#: is done, for some 50 ms, on the processor that training wants for its own.
_SHORT = 1 << 13


def is_surely_finite(array: Array, limit: float = np.inf) -> bool:
    """Whether all numbers are finite, and no larger than a limit above 1, as their sum of squares shows.

    One fast pass; it overflows for large numbers, so False says nothing.
    """
    if array.dtype.char not in "fd" or not array.flags.c_contiguous:
        return False
    bound = min(limit, _LARGEST)
    if array.size <= _SHORT:
        return bool(np.vdot(array, array) <= bound)  # of all elements, in C order
    flat = array.reshape(-1)
    pieces = (flat[start : start + _SHORT] for start in range(0, flat.size, _SHORT))
    return all(np.vdot(piece, piece) <= bound for piece in pieces)


def _finite_message(value: Any, name: str, place: list[Any], columns: Any, dtype: np.dtype[Any]) -> str:
    where = f"row {place[0]}"
    if len(place) == 2:
        where += f", column {place[1]}" + (f" ({columns[place[1]]!r})" if columns is not None else "")
    elif len(place) > 2:
        where += f", element {tuple(map(int, place[1:]))}"
    large = np.isfinite(value)
    what = f"{name} is {float(value)} in {where}" + (f", too large for {dtype}" if large else "")
    instead = f"Scale {name}, or train in dtype='float64'." if large else "Remove the row, or fill it in."
    return compose(what, why="The network can compute nothing with it.", instead=instead)


def input_shape(x: Arrays) -> Any:
    """Shape of one sample's input; of several inputs, their shapes."""
    return _map(lambda array: array.shape[1:], x)


def check_targets(
    loss: Callable[..., Any], metrics: Sequence[Metric], output_shape: Any, samples: Samples, dtype: np.dtype[Any]
) -> None:
    """Let the loss and the metrics look at all targets, beside predictions of zero, before anything is trained.

    They raise what they have to say about shapes and values; and the loss must give one number.
    """
    shapes = output_shape if output_shape and isinstance(output_shape[0], tuple) else (output_shape,)
    size = max(1, _CHUNK // max(1, *(int(np.prod(shape)) for shape in shapes)))
    for start in range(0, len(samples), size):
        target = samples.targets(slice(start, start + size), dtype)
        count = len(_first(target))
        zeros = tuple(np.zeros((count, *shape), dtype) for shape in shapes)
        with np.errstate(all="ignore"):  # of the value itself nothing is asked
            prediction = zeros if shapes is output_shape else zeros[0]
            value = loss(prediction, target)
        if np.shape(value) != ():
            what = f"the loss gives an array of shape {np.shape(value)}"
            raise ShapeError(compose(what, instead="Give one number for the batch: np.mean(...)."))
        for metric in metrics:
            metric.reset()
            metric.update(prediction, target)
            metric.reset()
