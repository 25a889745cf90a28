"""Arrays of other libraries as NumPy arrays: PyTorch, JAX, CuPy, and all else that speaks DLPack or ``__array__``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from twopass.errors import DataError, compose

__all__ = ["as_numpy", "native", "speaks_dlpack"]

Array = np.ndarray[Any, np.dtype[Any]]

#: Kinds of memory (``DLDeviceType`` of dlpack.h) that the processor reads: its own, and that pinned for CUDA and ROCm.
_READABLE = {1, 3, 11}
_DEVICES = {2: "CUDA", 8: "Metal", 10: "ROCm", 13: "CUDA (managed)", 14: "oneAPI"}

#: How the libraries spell the way into main memory.
_FETCH = {"cupy": "{0}.get()", "torch": "{0}.detach().cpu()", "jax": "jax.device_get({0})"}
#: What of the names in errors can be written in a program.
_VARIABLE = re.compile(r"[^\W\d]\w*(\[\d+\])*")


def speaks_dlpack(value: Any) -> bool:
    """Whether a value is an array of another library that DLPack can hand over."""
    return not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")


def as_numpy(value: Any, name: str) -> Array:
    """An array, or whatever ``np.asarray`` takes, as an ndarray; not copied where that is possible.

    Parameters
    ----------
    value : array-like
        Arrays with ``__dlpack__`` are handed over by DLPack (https://dmlc.github.io/dlpack): the memory is shared.
    name : str
        What to call it in errors.

    Raises
    ------
    DataError
        When it is in the memory of another device, part of another library's graph of derivatives, masked, or of a
        type that NumPy has not.

    Examples
    --------
    >>> as_numpy([1.0, 2.0], "x")
    array([1., 2.])
    """
    if isinstance(value, np.ndarray):
        masked = np.ma.getmaskarray(value).sum() if isinstance(value, np.ma.MaskedArray) else 0
        if masked:
            what = f"{name} is a masked array, and {masked} of its values are masked"
            raise DataError(compose(what, instead=f"Leave those rows out, or write {name}.filled(value)."))
        return value
    if speaks_dlpack(value):
        return _handed_over(value, name)
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        what = f"{name} cannot be made an array"
        raise DataError(
            compose(what, why=f"{str(error).rstrip('.')}.", instead="Rows must have the same length.")
        ) from error


def native(value: Any, name: str = "an argument") -> Any:
    """An array of another library as NumPy's; anything else as it is.

    Raises
    ------
    DataError
        As `as_numpy`.
    """
    return as_numpy(value, name) if speaks_dlpack(value) else value


def _handed_over(value: Any, name: str) -> Array:
    library = type(value).__module__.partition(".")[0].removesuffix("lib")  # JAX's arrays are those of jaxlib
    kind = f"{name} is a {library}.{type(value).__name__}"
    variable = name if _VARIABLE.fullmatch(name) else "x"
    fetch = _FETCH.get(library, "np.from_dlpack({0}, device='cpu')").format(variable)
    if getattr(value, "requires_grad", False):
        what = f"{kind} that requires a gradient of {library}, which would be lost"
        raise DataError(compose(what, instead=f"Write {variable}.detach()."))
    device = int(value.__dlpack_device__()[0])
    if device not in _READABLE:
        what = f"{kind} in the memory of another device ({_DEVICES.get(device, f'kind {device} of DLPack')})"
        raise DataError(compose(what, why="twopass computes in main memory.", instead=f"Write {fetch}."))
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        try:
            return np.asarray(value)  # what DLPack has no type for: booleans of old versions, missing values
        except (TypeError, ValueError, RuntimeError):
            reason = str(error).strip().rstrip(".")
            what = f"{kind} that cannot be read as a NumPy array"
            raise DataError(compose(what, why=f"{reason}.", instead="Convert it to float32 first.")) from error
