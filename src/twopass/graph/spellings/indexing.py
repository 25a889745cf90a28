"""Indexing.

Basic indexing in normal form is ``a[index]`` with one slice for each axis, which has an explicit start, stop and step
(the stop is None where a negative step reaches the first element). Integers and new axes in an index are a reshape.
Writing to such a place is joining; elsewhere, masks that are known become positions.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from twopass.graph.build import Builder
from twopass.graph.ir import Constant, Node
from twopass.graph.spellings.shapes import flip, padded
from twopass.graph.spellings.table import as_node, bind, spelling


class Place(NamedTuple):
    """The part of one axis that a basic index selects."""

    start: int
    length: int
    step: int


def _entries(index: Any, ndim: int) -> list[Any]:
    """An index as a list without an ellipsis, in which constants that are integers are numbers."""
    parts = [_plain(part) for part in (index if isinstance(index, tuple) else (index,))]
    used = sum(_axes_of(part) for part in parts)
    whole = [slice(None)] * (ndim - used)
    places = [i for i, part in enumerate(parts) if part is Ellipsis]
    if not places:
        return parts + whole
    return [*parts[: places[0]], *whole, *parts[places[0] + 1 :]]


def _plain(part: Any) -> Any:
    if isinstance(part, Constant) and part.ndim == 0 and part.dtype.kind in "iu":
        return int(part.value)
    if isinstance(part, list) and not _holds_node(part):
        return Constant.of(np.asarray(part, np.intp if not part else None))
    return part


def _holds_node(value: Any) -> bool:
    return any(map(_holds_node, value)) if isinstance(value, list) else isinstance(value, Node)


def _axes_of(part: Any) -> int:
    """How many axes a part of an index takes up."""
    if part is None or part is Ellipsis or isinstance(part, (bool, np.bool_)):
        return 0
    return part.ndim if isinstance(part, Node) and part.dtype.kind == "b" else 1


def _is_basic(part: Any) -> bool:
    return part is None or isinstance(part, slice) or (isinstance(part, (int, np.integer)) and type(part) is not bool)


def _places(entries: Sequence[Any], shape: tuple[int, ...]) -> list[Place]:
    """What a basic index selects of each axis."""
    found, axis = [], 0
    for part in entries:
        if part is None:
            continue
        length = shape[axis]
        if isinstance(part, slice):
            bounds = range(*part.indices(length))
            found.append(Place(bounds.start if len(bounds) else 0, len(bounds), bounds.step))
        else:
            found.append(Place(int(part) % length, 1, 1))
        axis += 1
    return found


def _affine(part: Any, length: int) -> slice | None:
    """A known list of positions as a slice, if they are at equal distances."""
    if not isinstance(part, Constant) or part.ndim != 1 or not part.size or part.dtype.kind not in "iu":
        return None
    positions = np.where(part.value < 0, part.value + length, part.value).astype(np.intp)
    step = int(positions[1] - positions[0]) if len(positions) > 1 else 1
    if step == 0 or (np.diff(positions) != step).any() or not (positions.min() >= 0 and positions.max() < length):
        return None
    stop = int(positions[-1]) + (1 if step > 0 else -1)
    return slice(int(positions[0]), None if stop < 0 else stop, step)


def _advanced(entries: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """An index with positions in the place of masks that are known, and explicit slices."""
    made: list[Any] = []
    axis = 0
    for part in entries:
        if isinstance(part, Constant) and part.dtype.kind == "b" and part.ndim:
            made += [Constant.of(positions) for positions in np.nonzero(part.value)]
        elif isinstance(part, slice):
            place = _places([part], shape[axis : axis + 1])[0]
            stop = place.start + place.length * place.step
            made.append(slice(place.start, None if stop < 0 else stop, place.step))
        else:
            made.append(part)
        axis += _axes_of(part)
    arrays = [i for i, part in enumerate(made) if not _is_basic(part)]
    integers = any(isinstance(part, int) for part in made)
    if len(arrays) == 1 and arrays[0] < len(shape) and not integers and None not in made[: arrays[0]]:
        bounds = _affine(made[arrays[0]], shape[arrays[0]])
        made[arrays[0]] = made[arrays[0]] if bounds is None else bounds
    return made


@spelling("getitem")
def _getitem(node: Node, builder: Builder) -> Node | None:
    a = as_node(node.args[0], builder)
    entries = _entries(node.args[1], a.ndim)
    if not all(map(_is_basic, entries)):
        entries = _advanced(entries, a.shape)
    if all(map(_is_basic, entries)):
        places = _places(entries, a.shape)
        part = builder.slices(a, *zip(*places, strict=True)) if places else a
        return builder.reshape(part, node.shape)
    return builder.node(operator.getitem, (a, tuple(entries)), {}, node.type, node.call)


# --- writing ----------------------------------------------------------------------------------------------------------


def _forward(value: Node, places: list[Place], builder: Builder) -> tuple[Node, list[Place]]:
    """Places with positive steps, and the value that goes there."""
    turned = []
    for axis, (start, count, step) in enumerate(places):
        if step < 0 and count:
            value = flip(value, axis, builder)
            start, step = start + (count - 1) * step, -step
        turned.append(Place(start, count, abs(step)))
    return value, turned


def _spread(value: Node, places: list[Place], shape: tuple[int, ...], builder: Builder) -> Node:
    """An array of zeros of some shape with a value at places with positive steps."""
    widths = []
    for axis, ((start, count, step), length) in enumerate(zip(places, shape, strict=True)):
        if step > 1 and count > 1:
            # Zeros after each element, and those after the last cut off again.
            apart = builder.insert_axes(value, [axis + 1])
            gaps = [(0, 0)] * apart.ndim
            gaps[axis + 1] = (0, step - 1)
            wide = padded(apart, gaps, builder)
            joined = builder.reshape(wide, (*value.shape[:axis], count * step, *value.shape[axis + 1 :]))
            value = builder.cut(joined, axis, 0, (count - 1) * step + 1)
        widths.append((start, length - start - value.shape[axis]))
    return padded(value, widths, builder)


def _at_places(value: Node, index: Any, shape: tuple[int, ...], builder: Builder) -> tuple[Node, list[Place]] | None:
    """A value with all axes of the array that it is written into, and where it goes; None for an advanced index."""
    entries = _entries(index, len(shape))
    if not all(map(_is_basic, entries)):
        return None
    places = _places(entries, shape)
    selected = [1 if part is None else place.length for part, place in _with_places(entries, places)]
    kept = [n for part, n in zip(entries, selected, strict=True) if part is None or isinstance(part, slice)]
    value = builder.broadcast_to(_fewer_axes(value, len(kept), builder), kept)
    return _forward(builder.reshape(value, [place.length for place in places]), places, builder)


def _with_places(entries: Sequence[Any], places: Sequence[Place]) -> list[tuple[Any, Any]]:
    rest = iter(places)
    return [(part, None if part is None else next(rest)) for part in entries]


def _fewer_axes(value: Node, ndim: int, builder: Builder) -> Node:
    """A value without leading axes of length 1 that assignment ignores."""
    extra = value.ndim - ndim
    return builder.reshape(value, value.shape[extra:]) if extra > 0 else value


@spelling("scatter")
def _scatter(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "values", "shape", "index", distinct=False)
    values = as_node(given["values"], builder)
    placed = _at_places(values, given["index"], node.shape, builder)
    if placed is not None:
        return _spread(*placed, node.shape, builder)
    entries = _advanced(_entries(given["index"], node.ndim), node.shape)
    kwargs = {"shape": node.shape, "index": tuple(entries), "distinct": given["distinct"]}
    return builder.node(node.function, (values,), kwargs, node.type, node.call)


@spelling("setitem")
def _setitem(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", "value", "index")
    a, value = as_node(given["a"], builder), as_node(given["value"], builder, node.dtype)
    placed = _at_places(value, given["index"], a.shape, builder)
    if placed is None:
        entries = _advanced(_entries(given["index"], a.ndim), a.shape)
        return builder.node(node.function, (a, value), {"index": tuple(entries)}, node.type, node.call)
    value, places = placed
    if all(place.step == 1 or place.length <= 1 for place in places):
        return _joined(a, value, places, 0, builder)
    written = np.zeros(a.shape, bool)
    written[tuple(slice(start, start + count * step, step) for start, count, step in places)] = True
    return builder.where(builder.constant(written), _spread(value, places, a.shape, builder), a)


def _joined(a: Node, value: Node, places: list[Place], axis: int, builder: Builder) -> Node:
    """An array with a value in a box of it: what is before, the box, and what is behind."""
    if axis == a.ndim:
        return value
    start, count, _ = places[axis]
    inner = _joined(builder.cut(a, axis, start, start + count), value, places, axis + 1, builder)
    parts = [builder.cut(a, axis, 0, start), inner, builder.cut(a, axis, start + count, a.shape[axis])]
    return builder.concatenate(parts, axis)
