"""Many products with one Jacobian: of tangents, or of cotangents, all at once by `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.reverse import pull
from twopass.api.tracing import Function, Inputs, Traced, trace_forward
from twopass.api.vmap import vmap

__all__ = ["Seeds", "pull_many", "push_many", "size_of"]

#: Up to how many products are computed one by one: that many passes cost no more than one pass of a batch.
FEW = 5

#: How many elements a batch may have of what it starts with; larger ones are cut, since they leave the cache.
LARGEST = 1 << 20

#: ``seeds(start, stop)``, the rows `start` to `stop` of a matrix with one column for each element.
Seeds = Callable[[int, int], Any]


def size_of(leaves: Sequence[Any]) -> int:
    """Number of elements of some arrays."""
    return sum(int(np.prod(np.shape(leaf), dtype=np.int64)) for leaf in leaves)


def push_many(
    f: Function,
    args: Sequence[Any],
    numbers: Sequence[int],
    inputs: Inputs,
    outputs: int,
    count: int,
    seeds: Seeds,
    few: int | None = None,
) -> list[Any]:
    """``J @ t`` for each of `count` tangents, at least one: for each output leaf, an array ``(count, *leaf.shape)``.

    Up to `few` (by default `FEW`) are computed one by one; `outputs` is the number of elements of the output.
    """
    primals = inputs.regroup(inputs.leaves)

    def of_inputs(*chosen: Any) -> Any:
        replaced = dict(zip(numbers, chosen, strict=True))
        return f(*[replaced.get(i, value) for i, value in enumerate(args)])

    def push(*tangents: Any) -> list[Any]:
        run = trace_forward(of_inputs, primals, inputs.regroup(tangents))
        return [_zeros(leaf) if mark is None else mark for leaf, mark in zip(run.leaves, run.marks, strict=True)]

    return _products(push, inputs.leaves, outputs, count, seeds, few)


def pull_many(traced: Traced, count: int, seeds: Seeds, few: int | None = None) -> list[Any]:
    """``c @ J`` for each of `count` cotangents, at least one: for each input leaf, ``(count, *leaf.shape)``."""

    def pull_back(*cotangents: Any) -> list[Any]:
        return tree.leaves(pull(traced, cotangents))

    return _products(pull_back, traced.leaves, size_of(traced.inputs.leaves), count, seeds, few)


def _products(
    function: Callable[..., list[Any]], given: Sequence[Any], wanted: int, count: int, seeds: Seeds, few: int | None
) -> list[Any]:
    if count <= (FEW if few is None else few):
        rows = [function(*(part[0] for part in _split(seeds(i, i + 1), given))) for i in range(count)]
        return [np.stack(column) for column in zip(*rows, strict=True)]
    step = max(LARGEST // max(size_of(given), wanted, 1), 32)
    run = vmap(function)
    parts = [run(*_split(seeds(start, stop), given)) for start, stop in _ranges(count, step)]
    return parts[0] if len(parts) == 1 else [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def _ranges(count: int, step: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + step, count)) for start in range(0, count, step))


def _split(rows: Any, leaves: Sequence[Any]) -> list[Any]:
    """The rows of a matrix as arrays built like the leaves."""
    parts, start = [], 0
    for leaf in leaves:
        stop = start + size_of([leaf])
        parts.append(np.reshape(rows[:, start:stop], (len(rows), *np.shape(leaf))).astype(_dtype(leaf)))
        start = stop
    return parts


def _zeros(leaf: Any) -> Any:
    return np.zeros_like(leaf) if hasattr(leaf, "dtype") else np.zeros(np.shape(leaf))


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.float64
