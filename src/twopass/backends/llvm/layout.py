"""Where CPython and NumPy keep what native code reads: the items of a tuple, the fields of an array.

``array.ctypes.data`` takes longer than a small network's forward pass. The native entry is handed a tuple of arrays
instead, and looks for itself. The places are those of NumPy's published `PyArrayObject` structure and of CPython's
tuples; they are compared with real objects before they are used, and where one does not agree, pointers are passed
the slow way.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout", "find_layout"]

#: Fields of an array after the object header: data, nd (an int), dimensions, strides, base, descr, flags (an int).
_FIELDS = {"data": 0, "ndim": 8, "shape": 16, "dtype": 40, "flags": 48}
#: Fields of a dtype after the object header and the type of its elements: kind, type, order (chars), flags, number (an
#: int).
_DTYPE_FIELDS = {"order": 10, "number": 12}


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets in bytes from the address of an object.

    Attributes
    ----------
    type : int
        Of the pointer to an object's type.
    length, items : int
        Of a tuple's length and its first item.
    data, ndim, shape, dtype, flags : int
        Of an array's fields.
    order, number : int
        Of a dtype's fields.
    """

    type: int
    length: int
    items: int
    data: int
    ndim: int
    shape: int
    dtype: int
    flags: int
    order: int
    number: int


def _expected() -> Layout:
    """What this version of Python should have."""
    header = object.__basicsize__
    fields = {name: header + place for name, place in (_FIELDS | _DTYPE_FIELDS).items()}
    return Layout(type=header - 8, length=header, items=tuple.__basicsize__, **fields)


def _word(address: int) -> int:
    return ctypes.c_size_t.from_address(address).value


def _agrees(layout: Layout, array: np.ndarray) -> bool:
    """Whether an array's fields are where they should be."""
    here = id(array)
    if _word(here + layout.type) != id(np.ndarray):
        return False
    if ctypes.c_int.from_address(here + layout.ndim).value != array.ndim:
        return False
    dimensions = _word(here + layout.shape)
    return (
        _word(here + layout.data) == array.__array_interface__["data"][0]
        and _word(here + layout.dtype) == id(array.dtype)
        and ctypes.c_char.from_address(id(array.dtype) + layout.order).value == array.dtype.byteorder.encode()
        and ctypes.c_int.from_address(id(array.dtype) + layout.number).value == array.dtype.num
        and ctypes.c_int.from_address(here + layout.flags).value == array.flags.num
        and all(_word(dimensions + 8 * axis) == length for axis, length in enumerate(array.shape))
    )


@functools.cache
def find_layout() -> Layout | None:
    """The layout of this process's objects, or None where they are not what they should be."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    layout = _expected()
    table = np.zeros((3, 5), np.float32)
    arrays = (table, table[1:, ::2], np.zeros((), np.int64), np.zeros((2, 0, 7), bool), table.astype(">f8"))
    here = id(arrays)
    items = [_word(here + layout.items + 8 * k) for k in range(len(arrays))]
    if _word(here + layout.length) != len(arrays) or items != [id(array) for array in arrays]:
        return None
    return layout if all(_agrees(layout, array) for array in arrays) else None
