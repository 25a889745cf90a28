"""The methods and attributes of an ndarray, as traced arrays have them: most are the NumPy function of their name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from twopass.core.array import Array, dispatch
from twopass.core.operators import as_array, as_integers, astype
from twopass.errors import UnsupportedOperatorError, compose

# --- methods --------------------------------------------------------------------------------------------------------

#: Functions that are methods too, with the array as their first argument.
_FUNCTIONS = (
    *(np.sum, np.prod, np.mean, np.std, np.var, np.max, np.min, np.cumsum, np.cumprod, np.trace, np.dot),
    *(np.ravel, np.squeeze, np.swapaxes, np.diagonal, np.repeat, np.take, np.choose, np.put),
    *(np.round, np.conjugate, np.any, np.all, np.nonzero, np.argmax, np.argmin, np.argsort, np.argpartition),
    np.searchsorted,
)


def _method(function: Callable[..., Any], name: str = "") -> None:
    """Make a function of an array a method of traced arrays."""

    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name or function.__name__.removeprefix("_")
    method.__doc__ = function.__doc__
    setattr(Array, method.__name__, method)


for _function in _FUNCTIONS:
    _method(_function)
_method(np.conjugate, "conj")


@_method
def _reshape(a: Array, *shape: Any, order: Any = "C", copy: bool | None = None) -> Any:
    """``np.reshape``, with the shape as one tuple or as separate integers."""
    keywords = {} if copy is None else {"copy": copy}
    return np.reshape(a, shape[0] if len(shape) == 1 else shape, order=order, **keywords)


@_method
def _transpose(a: Array, *axes: Any) -> Any:
    """``np.transpose``, with the axes as one tuple or as separate integers."""
    if not axes or axes == (None,):
        return np.transpose(a)
    return np.transpose(a, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


@_method
def _flatten(a: Array, order: Any = "C") -> Any:
    """A flat copy."""
    return np.copy(np.ravel(a, order=order))


@_method
def _copy(a: Array, order: Any = "C") -> Any:
    """A copy."""
    return np.copy(a, order=order)


@_method
def _astype(
    a: Array, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """The same values in another dtype; a plain array if that is an integer or boolean one."""
    dtype = np.dtype(dtype)
    if not np.can_cast(a.dtype, dtype, casting):
        raise TypeError(f"cannot cast array data from {a.dtype} to {dtype} according to the rule {casting!r}")
    if dtype == a.dtype and not copy:
        return a
    if dtype.kind not in "biufc":
        what = f"a traced array cannot be converted to {dtype}"
        instead = "Pass tp.stop_gradient(x) if no derivative should flow there."
        raise UnsupportedOperatorError(compose(what, why="Its derivative would be lost.", instead=instead))
    return dispatch(astype if dtype.kind in "fc" else as_integers, (a, dtype), {})


@_method
def _fill(a: Array, value: Any) -> None:
    """Set all elements."""
    a[...] = value


@_method
def _sort(a: Array, axis: int = -1, **kwargs: Any) -> None:
    """Sort in place."""
    a[...] = np.sort(a, axis=axis, **kwargs)


@_method
def _partition(a: Array, kth: Any, axis: int = -1, **kwargs: Any) -> None:
    """Partition in place."""
    a[...] = np.partition(a, kth, axis=axis, **kwargs)


@_method
def _clip(a: Array, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """``np.clip``, where either bound may be left out."""
    return np.clip(a, min, max, out=out, **kwargs)


@_method
def _compress(a: Array, condition: Any, axis: Any = None) -> Any:
    """``np.compress``."""
    return np.compress(condition, a, axis=axis)


# --- attributes -----------------------------------------------------------------------------------------------------


class _Flat:
    """The elements of an array in C order, as ``x.flat`` has them: reading copies, writing changes the array."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return int(self._array.size)

    def __iter__(self) -> Iterator[Any]:
        return iter(np.ravel(self._array))

    def __getitem__(self, index: Any) -> Any:
        return np.ravel(self._array)[index]._clone()

    def __setitem__(self, index: Any, value: Any) -> None:
        positions = np.arange(len(self))[index]
        self._array[np.unravel_index(positions, self._array.shape)] = np.resize(as_array(value), np.shape(positions))


def _set_real(a: Array, value: Any) -> None:
    np.real(a)[...] = value


def _set_imag(a: Array, value: Any) -> None:
    if a.dtype.kind != "c":
        raise TypeError("a real array does not have an imaginary part to set")
    np.imag(a)[...] = value


def _set_flat(a: Array, value: Any) -> None:
    _Flat(a)[...] = value


_ATTRIBUTES = {
    "itemsize": property(lambda a: a.dtype.itemsize),
    "nbytes": property(lambda a: a.size * a.dtype.itemsize),
    "T": property(lambda a: np.transpose(a)),
    "mT": property(lambda a: np.swapaxes(a, -1, -2)),
    "real": property(lambda a: np.real(a), _set_real),
    "imag": property(lambda a: np.imag(a), _set_imag),
    "flat": property(_Flat, _set_flat),
}
for _name, _attribute in _ATTRIBUTES.items():
    setattr(Array, _name, _attribute)
