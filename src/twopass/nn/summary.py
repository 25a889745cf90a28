"""The table of layers, shapes and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import tree
from twopass.nn.types import Params, Shape

if TYPE_CHECKING:
    from twopass.nn.layer import Layer

__all__ = ["Summary", "SummaryRow", "summary_rows", "table"]


class Summary(str):
    """A text that shows itself as it is at the prompt and in a notebook; ``print`` writes it in a script."""

    __slots__ = ()
    __repr__ = str.__str__


@dataclass(frozen=True)
class SummaryRow:
    """One layer of a network, with all that is in it.

    Attributes
    ----------
    path : tuple
        Names that lead to the layer: ``params[path[0]][path[1]]...`` are its parameters. Empty for the network.
    layer : str
        How the layer is written; of a container only the class.
    output_shape : tuple of int
        Shape of one sample's output.
    parameters, bytes : int
        How many numbers it holds, and what they occupy.
    trainable, trainable_bytes : int
        The part of them that training changes.
    """

    path: tuple[Any, ...]
    layer: str
    output_shape: Shape
    parameters: int
    bytes: int
    trainable: int
    trainable_bytes: int


def summary_rows(net: Layer, input_shape: Shape, dtype: Any = np.float32) -> list[SummaryRow]:
    """The data of ``net.summary(input_shape)``: the network, then each layer in it, depth first.

    Parameters
    ----------
    net : Layer
        The network.
    input_shape : tuple of int
        Shape of one sample, without the batch axis.
    dtype : float32 or float64
        Type of the parameters.

    Examples
    --------
    >>> from twopass import nn
    >>> for row in summary_rows(nn.Sequential(nn.Dense(3), nn.BatchNorm()), (2,)):
    ...     print(row.path, row.layer, row.output_shape, row.parameters, row.bytes, row.trainable)
    () Sequential (3,) 21 84 15
    (0,) Dense(3) (3,) 9 36 9
    (1,) BatchNorm() (3,) 12 48 6
    """
    return list(_walk(net, (), net.init(0, input_shape, dtype), input_shape))


def _walk(layer: Layer, path: tuple[Any, ...], params: Params, input_shape: Shape) -> Iterator[SummaryRow]:
    arrays = tree.leaves(params)
    marks = tree.leaves(layer.trainable(params))
    trained = [array for array, is_trained in zip(arrays, marks, strict=True) if is_trained]
    children = layer.children()
    yield SummaryRow(
        path,
        type(layer).__name__ if children else repr(layer),
        layer.output_shape(input_shape),
        sum(array.size for array in arrays),
        sum(array.nbytes for array in arrays),
        sum(array.size for array in trained),
        sum(array.nbytes for array in trained),
    )
    inputs = layer.child_inputs(input_shape)
    for name, child in children.items():
        yield from _walk(child, (*path, name), params[name], inputs[name])


def table(net: Layer, input_shape: Shape | None, dtype: Any = np.float32) -> str:
    """The rows as aligned text, with the sums below.

    Without an input shape, what depends on it is a question mark.

    Raises
    ------
    ShapeError
        When there is no input shape, and the network takes no vectors.
    """
    if input_shape is not None:
        return _aligned(_cells(summary_rows(net, input_shape, dtype)))
    # What is the same for inputs of two lengths does not depend on the length.
    short, long = (_cells(summary_rows(net, (length,), dtype)) for length in (2, 3))
    merged = [
        tuple(a if a == b else "?" for a, b in zip(row, other, strict=True))
        for row, other in zip(short, long, strict=True)
    ]
    return _aligned(merged) + "\n? depends on the input: summary((n_features,)) tells"


def _cells(rows: Sequence[SummaryRow]) -> list[tuple[str, ...]]:
    """Header, rows and sums as texts."""
    net = rows[0]
    cells: list[tuple[str, ...]] = [("layer", "output shape", "parameters", "bytes")]
    cells += [(_label(row), str(row.output_shape), f"{row.parameters:,}", f"{row.bytes:,}") for row in rows]
    return [
        *cells,
        ("trainable", "", f"{net.trainable:,}", f"{net.trainable_bytes:,}"),
        ("not trainable", "", f"{net.parameters - net.trainable:,}", f"{net.bytes - net.trainable_bytes:,}"),
    ]


def _aligned(cells: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {size:>{widths[3]}}"
        for name, shape, count, size in cells
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-2], rule, *lines[-2:]])


def _label(row: SummaryRow) -> str:
    indent = "  " * len(row.path)
    return f"{indent}{row.path[-1]}  {row.layer}" if row.path else row.layer
