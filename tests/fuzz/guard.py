"""Buffers between pages that may not be touched: reading or writing beyond an end is a fault, at once."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_NOTHING = 0  # PROT_NONE
_PAGE = mmap.PAGESIZE


def _forbid(address: int) -> None:
    """Make a page one that nobody may touch."""
    if _LIBC.mprotect(address, _PAGE, _NOTHING):
        raise OSError(ctypes.get_errno(), "mprotect failed")


def guarded(array: Any, *, at: str = "end") -> Any:
    """A copy of an array whose memory ends (or starts) at a page that may not be touched.

    Parameters
    ----------
    array : ndarray
        Any; the copy is contiguous.
    at : {"end", "start"}
        Which end of the copy meets the forbidden page to the byte. On the other side there is one too, but it may be
        most of a page away.
    """
    array = np.asarray(array)
    pages = -(-array.nbytes // _PAGE) + 2
    memory = mmap.mmap(-1, pages * _PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    _forbid(address)
    _forbid(address + (pages - 1) * _PAGE)
    start = _PAGE if at == "start" else (pages - 1) * _PAGE - array.nbytes
    copy = np.ndarray(array.shape, array.dtype, memory, start)
    copy[...] = array
    return copy
