"""What stands in the place of a value that is not known yet, while a function is captured.

It has the shape, dtype and layout of the value. Those come from an example: the values of the call during which the
function is captured. So NumPy itself says what the type of every result is. Nobody but a capturing trace looks at the
example's elements.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from twopass.core.trace import Unknown
from twopass.errors import BUFFER, CaptureError, compose

__all__ = ["Abstract"]


class Abstract(Unknown):
    """Type and layout of an unknown value, and the node of the graph that computes it.

    Parameters
    ----------
    example : ndarray, NumPy scalar or Python number
        A value of this type.
    node : object
        What the capturing trace knows of it.
    """

    __slots__ = ("example", "node")

    def __init__(self, example: Any, node: Any) -> None:
        self.example = example
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return np.shape(self.example)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype = getattr(self.example, "dtype", None)
        return np.dtype(type(self.example)) if dtype is None else dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return np.ndim(self.example)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.size(self.example))

    def __len__(self) -> int:
        return len(self.example)

    def __repr__(self) -> str:
        return f"Captured({self})"

    def refuse(self, what: str) -> NoReturn:
        why = "The function runs once to record its operations, which later calls repeat with other values."
        instead = (
            "Write np.where for a choice between values, tp.scan for a loop, np.asarray(table, like=i)[i] for an index "
            f"into a plain array; to assign into an array, {BUFFER}; or leave this function uncompiled."
        )
        what = f"{what} needs a value that is not known while the function is captured"
        raise CaptureError(compose(what, why=why, instead=instead))
