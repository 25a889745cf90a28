"""Sparse Jacobians and Hessians: some products with vectors, from which all elements of a known pattern are read."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from twopass.api.coloring import Pattern, color_columns, color_symmetric
from twopass.api.dependence import detect
from twopass.api.products import pull_many, push_many, size_of
from twopass.api.reverse import positions
from twopass.api.tracing import Function, Inputs, trace_reverse
from twopass.core.rule import is_traced
from twopass.errors import ArgumentError, MissingLibraryError, ShapeError, compose

__all__ = ["Compression", "SparseDerivative", "compress", "compress_symmetric", "pattern_of"]


@dataclass(frozen=True, eq=False)
class Compression:
    """How the elements of a matrix are read from products with few vectors.

    Attributes
    ----------
    mode : {"forward", "reverse"}
        Whether the matrix is multiplied with columns, or rows with the matrix.
    pattern : Pattern
        The places of the elements.
    colors : array of int
        Of each column (of each row, if reverse).
    product, place : arrays of int
        For each element, in the number of which product it is read, and at which place of it.
    """

    mode: Literal["forward", "reverse"]
    pattern: Pattern
    colors: Any
    product: Any
    place: Any

    @property
    def count(self) -> int:
        """Number of colours."""
        return int(self.colors.max(initial=-1)) + 1

    def seeds(self) -> Any:
        """The vectors, as rows: one for each colour."""
        return (np.arange(self.count)[:, None] == self.colors).astype(np.float64)


def _scipy_sparse() -> Any:
    try:
        import scipy.sparse
    except ImportError:
        what = "sparse derivatives are matrices of SciPy, which is not installed"
        raise MissingLibraryError(compose(what, instead="Type pip install scipy.")) from None
    return scipy.sparse


def pattern_of(sparsity: Any) -> Pattern:
    """The places of the nonzero elements of a matrix: of SciPy, or an array."""
    if hasattr(sparsity, "tocoo"):
        matrix = sparsity.tocoo()
        rows, columns, shape = matrix.row[matrix.data != 0], matrix.col[matrix.data != 0], matrix.shape
    else:
        array = np.asarray(sparsity)
        if array.ndim != 2 or array.dtype.kind not in "biuf":
            what = f"sparsity is no matrix, but {array.dtype} of shape {array.shape}"
            instead = 'Pass a boolean array with a row for each output, a scipy.sparse matrix, or "detect".'
            raise ArgumentError(compose(what, instead=instead))
        (rows, columns), shape = np.nonzero(array), array.shape
    flat = np.unique(rows.astype(np.int64) * max(shape[1], 1) + columns)
    return Pattern(tuple(shape), flat // max(shape[1], 1), flat % max(shape[1], 1))


def compress(pattern: Pattern, mode: str = "auto") -> Compression:
    """The way with the fewest products: with columns or with rows, if `mode` leaves the choice."""
    forward = reverse = None
    if mode != "reverse":
        colors = color_columns(pattern)
        forward = Compression("forward", pattern, colors, colors[pattern.columns], pattern.rows)
    if mode != "forward":
        colors = color_columns(pattern.transposed)
        reverse = Compression("reverse", pattern, colors, colors[pattern.rows], pattern.columns)
    if forward is None or (reverse is not None and reverse.count < forward.count):
        assert reverse is not None
        return reverse
    return forward


def compress_symmetric(pattern: Pattern) -> Compression:
    """The way for a symmetric matrix, in which each element is there twice; one place of the pattern is enough."""
    size = pattern.shape[1]
    flat = np.unique([*(pattern.rows * size + pattern.columns), *(pattern.columns * size + pattern.rows)]).astype(int)
    whole = Pattern(pattern.shape, flat // size, flat % size) if size else pattern
    by_columns = compress(whole, "forward")
    colors = color_symmetric(whole)
    if by_columns.count <= int(colors.max(initial=-1)) + 1:
        return by_columns
    # An element is read in its own row if no other column there has its colour, else in the row of its mirror image.
    keys = whole.rows * (int(colors.max(initial=0)) + 1) + colors[whole.columns]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    alone = counts[inverse] == 1
    product = np.where(alone, colors[whole.columns], colors[whole.rows])
    return Compression("forward", whole, colors, product, np.where(alone, whole.rows, whole.columns))


class SparseDerivative:
    """Computes the Jacobian of a function as a sparse matrix.

    Parameters
    ----------
    f : callable
        The function; its Jacobian is symmetric if `symmetric`.
    argnums : int or tuple of int
        Which arguments to differentiate in.
    mode : {"auto", "forward", "reverse"}
        How.
    sparsity : matrix or "detect"
        The places that may be nonzero.

    Attributes
    ----------
    compression : Compression or None
        How the elements are read from few products: ``compression.count`` is the number of colours. None before the
        first call, if the pattern is detected.
    """

    def __init__(self, f: Function, argnums: Any, mode: str, sparsity: Any, symmetric: bool = False) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._argnums = argnums
        self._mode = mode
        self._symmetric = symmetric
        self._sparse = _scipy_sparse()
        if isinstance(sparsity, str) and sparsity != "detect":
            what = f"unknown sparsity {sparsity!r}"
            raise ArgumentError(compose(what, instead='Pass a matrix, or "detect".'))
        self._detected: dict[Any, Compression] | None = {} if isinstance(sparsity, str) else None
        self.compression = None if isinstance(sparsity, str) else self._compressed(pattern_of(sparsity))

    def _compressed(self, pattern: Pattern) -> Compression:
        if not self._symmetric:
            return compress(pattern, self._mode)
        if pattern.shape[0] != pattern.shape[1]:
            what = f"the sparsity of a Hessian has shape {pattern.shape}"
            raise ShapeError(compose(what, why="It has a row and a column for each input."))
        return compress_symmetric(pattern)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix at some arguments."""
        numbers = positions(self._argnums, len(args))
        f = functools.partial(self._f, **kwargs) if kwargs else self._f
        inputs = Inputs()
        for number in numbers:
            inputs.add(args[number], f"argument {number + 1}")
        if any(map(is_traced, inputs.leaves)):
            what = "a sparse matrix of derivatives cannot be differentiated, batched or compiled itself"
            raise ArgumentError(compose(what, why="It is a matrix of SciPy.", instead="Leave sparsity= away."))
        call = (f, args, numbers, inputs)
        if self._detected is None:
            assert self.compression is not None
            return self._computed(self.compression, *call)
        key = tuple((leaf.shape, leaf.dtype) for leaf in inputs.leaves)
        if key in self._detected:
            with contextlib.suppress(ArgumentError, ShapeError):
                return self._computed(self._detected[key], *call)
            # Arguments that are not differentiated have changed what depends on what.
        self.compression = self._detected[key] = self._compressed(detect(*call))
        return self._computed(self.compression, *call)

    def _computed(self, way: Compression, f: Function, args: Any, numbers: Any, inputs: Inputs) -> Any:
        random = np.random.default_rng(0).uniform(0.5, 1.5, len(way.colors)).astype(np.float32).astype(np.float64)
        found = _products(way, f, args, numbers, inputs, np.concatenate([way.seeds(), random[None]]))
        epsilon = max(float(np.finfo(x.dtype).eps) for x in (found, *inputs.leaves))
        return self._recovered(way, found, random, epsilon)

    def _recovered(self, way: Compression, found: Any, random: Any, epsilon: float) -> Any:
        """The matrix, checked.

        One more product, with a random vector, must be that of the matrix: an element outside of the pattern makes the
        two differ, but for a set of vectors that has measure zero.
        """
        pattern = way.pattern
        bounds = np.searchsorted(pattern.rows, np.arange(pattern.shape[0] + 1))
        values = found[way.product, way.place]
        matrix = self._sparse.csr_array((values, pattern.columns, bounds), shape=pattern.shape)
        own = matrix if way.mode == "forward" else matrix.T
        _check(found[-1], own @ random, abs(own) @ random, epsilon, "row" if way.mode == "forward" else "column")
        return matrix


def _products(way: Compression, f: Function, args: Any, numbers: Any, inputs: Inputs, seeds: Any) -> Any:
    """The products of the Jacobian with the rows of a matrix."""
    shape = way.pattern.shape
    _check_shape(shape, shape[0], size_of(inputs.leaves))
    if way.mode == "forward":
        parts = push_many(f, args, numbers, inputs, shape[0], len(seeds), lambda a, b: seeds[a:b], few=1)
    else:
        traced = trace_reverse(f, args, numbers)
        _check_shape(shape, size_of(traced.leaves), shape[1])
        parts = pull_many(traced, len(seeds), lambda a, b: seeds[a:b], few=1)
    for part in (*inputs.leaves, *parts):
        if is_traced(part) or np.iscomplexobj(part):
            what = "sparse derivatives are for real values that are known"
            raise ArgumentError(compose(what, instead="Use tp.vjp or tp.jvp."))
    rows = np.concatenate([np.reshape(part, (len(seeds), -1)) for part in parts], axis=1)
    if way.mode == "forward":
        _check_shape(shape, rows.shape[1], shape[1])
    return rows


def _check_shape(shape: tuple[int, int], outputs: int, inputs: int) -> None:
    if shape != (outputs, inputs):
        what = f"sparsity has shape {shape}, but the function has {outputs} outputs and {inputs} inputs"
        raise ShapeError(compose(what, instead="Give it a row for each output and a column for each input."))


def _check(expected: Any, found: Any, scale: Any, epsilon: float, line: str) -> None:
    """Raise where two products differ by more than rounding."""
    with np.errstate(invalid="ignore"):
        close = np.abs(expected - found) <= np.sqrt(epsilon) * scale + 1e3 * epsilon * np.max(scale, initial=0)
    both_unknown = ~np.isfinite(expected) & ~np.isfinite(found)
    wrong = np.flatnonzero(~(close | both_unknown))
    if len(wrong):
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        what = f"there are nonzero derivatives outside of sparsity, in {line} {wrong[0]}{more}"
        instead = 'Pass a pattern with all places that may be nonzero, sparsity="detect", or none for a dense result.'
        raise ArgumentError(compose(what, instead=instead))
