"""The words of this room: what its annotations mean."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

__all__ = ["Array", "Config", "Key", "Params", "Seed", "Shape"]

#: An ndarray, or the stand-in for one while a function is being differentiated or compiled.
Array: TypeAlias = Any

#: A tree of arrays: a dict for a layer, a list or dict of those for a network.
Params: TypeAlias = Any

#: Lengths of the axes of one sample, so without the batch axis; for several inputs, a tuple of shapes.
Shape: TypeAlias = tuple[Any, ...]

#: Where the random initial parameters come from. (Text: NumPy loads `numpy.random` when it is first needed.)
Seed: TypeAlias = "int | np.random.SeedSequence"

#: Names a stream of random numbers (`twopass.nn.random`): an integer from 0 to 2**64 - 1, or a 0-d uint64 array.
Key: TypeAlias = Any

#: What JSON can hold.
Config: TypeAlias = dict[str, Any]
