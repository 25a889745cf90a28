"""Categories as vectors that are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.checks import Count
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn import initializers
from twopass.nn.layer import Container, Layer
from twopass.nn.penalties import Penalty
from twopass.nn.random import child_seed
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.nn.validation import check_shape

__all__ = ["EmbeddedColumns", "Embedding"]

#: How far a number may be from a whole one and still be a code: conversions to and from single precision.
_TOLERANCE = 1e-3
#: From here on float32 no longer tells one whole number from the next.
_MOST = 1 << 24


@dataclass(frozen=True)
class Embedding(Layer):
    """A vector of its own for each category [1]_: ``y[..., :] = weight[x[...]]``.

    The input is categories as whole numbers from 0 to ``n_categories - 1``, in an array of integers or of floats (as
    in a table of numbers). The same as `Dense` without a bias on one-hot codes, without the products with zeros.

    Parameters
    ----------
    n_categories : int
        Number of categories, at most 2²⁴.
    units : int
        Length of the vectors.
    weight_initializer : str, callable or array, default "auto"
        Name of one of `twopass.nn.initializers`, a function ``(generator, shape, dtype) -> array``, or the values, for
        example vectors learned elsewhere. ``"auto"`` is uniform from -0.2 to 0.2: small beside features of variance 1,
        so that what a rare category starts with says little.
    weight_penalty : Penalty, optional
        What the vectors add to the loss: `L1`, `L2` or `L1L2`.
    frozen : bool, default False
        Whether training leaves the vectors as they are.

    Raises
    ------
    ArgumentError
        When a parameter is none of these; when the input holds something else than a category. While a function is
        compiled, or differentiated in the input itself, there are no values to look at: a number out of range then
        counts as the nearest category, so no memory but the table's is ever read. `twopass.Trainer` looks at all
        samples before it compiles.

    Notes
    -----
    Parameters: ``{"weight": (n_categories, units)}``. As for `Dense`, leading axes of the weight are a stack: with
    ``(k, n_categories, units)`` the layer is k layers at once, and gives ``(k, ..., units)``.

    The derivative in a row of the weight is the sum over its places in the batch; in the input it is 0, as of every
    function of whole numbers. Compiled, both directions are kernels that read and add rows (docs/compiler.md).

    References
    ----------
    .. [1] Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, "A neural probabilistic language model", JMLR 3 (2003),
       section 2.

    Examples
    --------
    >>> layer = Embedding(3, 2, weight_initializer=np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 7.0]]))
    >>> layer(layer.init(0, input_shape=()), np.array([2, 0]))
    array([[5., 7.],
           [1., 0.]], dtype=float32)
    """

    n_categories: Count
    units: Count
    weight_initializer: Any = "auto"
    weight_penalty: Penalty | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_categories > _MOST:
            what = f"Embedding: n_categories must be at most {_MOST:,}, not {self.n_categories:,}"
            raise ArgumentError(compose(what, instead="Join rare categories, or hash them to fewer numbers."))
        if not self._initializes_automatically:
            self._set(weight_initializer=initializers.canonical(self.weight_initializer))
        if not (self.weight_penalty is None or isinstance(self.weight_penalty, Penalty)):
            what = f"Embedding: weight_penalty must be a Penalty or None, got {self.weight_penalty!r}"
            raise ArgumentError(compose(what, instead="Write for example weight_penalty=tp.nn.L2(1e-4)."))

    @property
    def _initializes_automatically(self) -> bool:
        return isinstance(self.weight_initializer, str) and self.weight_initializer == "auto"

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(...) -> (..., units)``."""
        return (*check_shape(input_shape), self.units)

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make the table of vectors; see `Layer.init`."""
        self.output_shape(input_shape)
        chosen = self.weight_initializer
        if self._initializes_automatically:
            chosen = _small
        return {"weight": initializers.make(chosen, child_seed(seed, 0), (self.n_categories, self.units), dtype)}

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        self.check_values(x)
        return _rows(params["weight"], x), params

    def check_values(self, x: Any) -> None:
        """Raise for what is no category; see `Layer.check_values`."""
        if isinstance(x, (np.ndarray, np.generic)):
            _check_codes(x, self.n_categories, "Embedding: x")

    def penalty(self, params: Params) -> Array:
        """The penalty of the vectors."""
        return 0.0 if self.weight_penalty is None else self.weight_penalty(params["weight"])


def _small(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """The initial vectors: in float64 whatever the dtype is, as other initializers."""
    return generator.uniform(-0.2, 0.2, shape).astype(dtype)


def _rows(weight: Array, x: Array) -> Array:
    """The rows of a table at some numbers; the nearest ones, for numbers out of range."""
    codes = (np.rint(x) if x.dtype.kind == "f" else x).astype(np.int64)
    return np.take(weight, codes, axis=-2, mode="clip")


def _check_codes(x: Any, n_categories: int, name: str) -> None:
    """Raise unless an array holds whole numbers from 0 to before `n_categories`."""
    if x.dtype.kind not in "iuf":
        what = f"{name} has the dtype {x.dtype}, and not whole numbers"
        raise ArgumentError(compose(what, instead="Number the categories: np.unique(x, return_inverse=True)[1]."))
    valid = (x > -1) & (x < n_categories)
    if x.dtype.kind == "f":
        valid = (x > -_TOLERANCE) & (x < n_categories - 1 + _TOLERANCE)
        with np.errstate(invalid="ignore"):
            valid &= np.abs(x - np.rint(x)) <= _TOLERANCE
    if not valid.all():
        place = tuple(int(i) for i in np.argwhere(~valid)[0])
        where = f"[{', '.join(map(str, place))}]" if place else ""
        what = f"{name}{where} is {x[place]}, and not a category from 0 to {n_categories - 1}"
        raise ArgumentError(compose(what, instead="Give the layer a category more for whatever is new, and use that."))


@dataclass(frozen=True)
class EmbeddedColumns(Container):
    """Embed some columns of a table, and leave the numbers of the others [1]_: for tables with categories.

    ``(..., features) -> (..., numbers and vectors)``: first the columns that are not embedded, in their order, then
    the vectors of each of `columns`, in the order given.

    Parameters
    ----------
    columns : sequence of int
        Positions of the columns that hold categories, as numbers from 0.
    embeddings : sequence of Embedding
        One for each of them.
    frozen : bool, default False
        Whether training leaves all vectors as they are.

    Raises
    ------
    ArgumentError
        When an argument is none of these; when such a column holds something else than a category (see `Embedding`).
    ShapeError
        When a column is not there.

    Notes
    -----
    Parameters: a list with those of each embedding.

    References
    ----------
    .. [1] C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", arXiv 1604.06737 (2016), section 3.

    Examples
    --------
    A table with a number, one of seven days, and one of 300 shops:

    >>> from twopass import nn
    >>> table = nn.EmbeddedColumns((1, 2), (nn.Embedding(7, 3), nn.Embedding(300, 10)))
    >>> net = nn.Sequential(table, nn.Dense(32, activation="relu"), nn.Dense(1))
    >>> params = net.init(0, input_shape=(3,))
    >>> net(params, np.float32([[0.5, 6, 299], [-1.2, 0, 17]])).shape
    (2, 1)
    >>> table.output_shape((3,))
    (14,)
    """

    columns: tuple[int, ...]
    embeddings: tuple[Embedding, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        columns = _as_columns(self.columns)
        embeddings = tuple(self.embeddings) if isinstance(self.embeddings, (list, tuple)) else (self.embeddings,)
        for layer in embeddings:
            if not isinstance(layer, Embedding):
                what = f"EmbeddedColumns: embeddings must be nn.Embedding layers, got {layer!r}"
                raise ArgumentError(
                    compose(what, instead="Write one nn.Embedding(n_categories, units) for each column.")
                )
        if len(columns) != len(embeddings):
            what = f"EmbeddedColumns got {len(columns)} columns and {len(embeddings)} embeddings"
            raise ArgumentError(compose(what, instead="Give one embedding for each column."))
        self._set(columns=columns)
        self._set(embeddings=tuple(self._freeze(dict(enumerate(embeddings))).values()))

    def _assemble(self, values: dict[Any, Any]) -> list[Any]:
        return list(values.values())

    def children(self) -> Mapping[int, Layer]:
        """The embeddings, by position in `columns`."""
        return dict(enumerate(self.embeddings))

    def child_inputs(self, input_shape: Shape) -> dict[Any, Shape]:
        """Each gets a number of a row."""
        self.output_shape(input_shape)
        return dict.fromkeys(self.children(), tuple(input_shape[:-1]))

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(..., features) -> (..., features - columns + units of all)``."""
        shape = check_shape(input_shape)
        self._check(shape)
        return (*shape[:-1], shape[-1] - len(self.columns) + sum(layer.units for layer in self.embeddings))

    def _check(self, shape: Shape) -> None:
        if not shape or max(self.columns, default=-1) >= shape[-1]:
            what = f"EmbeddedColumns embeds column {max(self.columns, default=0)}, and rows have the shape {shape}"
            raise ShapeError(compose(what, instead="Columns are counted from 0."))

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        self._check(x.shape)
        self.check_values(x)
        numbers = [column for column in range(x.shape[-1]) if column not in self.columns]
        parts = [x[..., numbers]] if numbers else []
        for column, own in zip(self.columns, params, strict=True):
            parts.append(_rows(own["weight"], x[..., column]))
        return np.concatenate(parts, axis=-1), params

    def check_values(self, x: Any) -> None:
        """Raise for what is no category; see `Layer.check_values`."""
        if isinstance(x, np.ndarray) and x.ndim:
            for column, layer in zip(self.columns, self.embeddings, strict=True):
                if column < x.shape[-1]:
                    _check_codes(x[..., column], layer.n_categories, f"column {column} of x")


def _as_columns(columns: Any) -> tuple[int, ...]:
    """Positions of columns, each once, counted from the first."""
    try:
        found = tuple(np.asarray(columns, object).reshape(-1).tolist())
        valid = all(isinstance(c, (int, np.integer)) and not isinstance(c, bool) and c >= 0 for c in found)
    except (TypeError, ValueError):
        found, valid = (), False
    if not valid or not found or len(set(found)) != len(found):
        what = f"EmbeddedColumns: columns must be different positions, counted from 0, got {columns!r}"
        raise ArgumentError(compose(what, instead="Write for example columns=(0, 3)."))
    return tuple(int(column) for column in found)
