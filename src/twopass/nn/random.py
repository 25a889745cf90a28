"""Random numbers that are a function of a key and a position: SplitMix64 [1]_.

A stream is named by a 64-bit key and its i-th number is ``mix64(key + (i + 1) * 0x9E3779B97F4A7C15)``, where all
arithmetic is modulo 2**64. There is no hidden state: the same key gives the same numbers, whatever was drawn before,
in whatever order and on however many threads, so a dropout mask can be computed again instead of stored, and a
training run that is resumed continues with the same bits. Plain integer arithmetic, so compiled code gives these bits
too.

References
----------
.. [1] G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array, Key, Seed

__all__ = ["as_seed", "bits", "child_seed", "fold_in", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, made odd
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_MASK = (1 << 64) - 1


def _mix64(z: Array) -> Array:
    """Scramble 64-bit integers; every input bit flips every output bit with probability close to 1/2."""
    # Functions instead of operators: NumPy's operators warn about overflow if both operands are scalars.
    z = np.multiply(np.bitwise_xor(z, np.right_shift(z, _SHIFTS[0])), _FACTORS[0])
    z = np.multiply(np.bitwise_xor(z, np.right_shift(z, _SHIFTS[1])), _FACTORS[1])
    return np.bitwise_xor(z, np.right_shift(z, _SHIFTS[2]))


def _word(number: Any) -> Array:
    """An integer of any kind as a 64-bit word."""
    return np.uint64(number & _MASK) if isinstance(number, int) else number.astype(np.uint64)


def _at(key: Key, positions: Array) -> Array:
    """Numbers of the stream `key` at some positions, counted from 1."""
    return _mix64(np.add(_word(key), np.multiply(positions, _GOLDEN)))


def fold_in(key: Key, data: Any) -> Key:
    """A new key from a key and a number: of a layer from the step's, of a step from the run's.

    It is the number at the place `data` of the stream that the key's own first number names: unrelated to its siblings
    and to the key's stream.

    Parameters
    ----------
    key : int or 0-d integer array
        From 0 to 2**64 - 1.
    data : int or 0-d integer array
        What tells the new key from its siblings: the index of a layer, a counter of steps.

    Returns
    -------
    numpy.uint64

    Examples
    --------
    >>> print(fold_in(42, 0), fold_in(42, 1))
    6332618229526065668 17630415256238047317
    """
    return _at(_at(key, np.uint64(1)), np.add(_word(data), np.uint64(1)))


def bits(key: Key, shape: tuple[int, ...]) -> Array:
    """An array of random 64-bit integers, uint64.

    Parameters
    ----------
    key : int or 0-d integer array
        Names the stream.
    shape : tuple of int
        The i-th number of the stream becomes the i-th element in C order.

    Examples
    --------
    >>> bits(1234567, (2,))
    array([6457827717110365317, 3203168211198807973], dtype=uint64)
    """
    positions = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
    return _at(key, np.reshape(positions, shape))


def uniform(key: Key, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """An array of random numbers, uniform in [0, 1).

    Parameters
    ----------
    key : int or 0-d integer array
        Names the stream.
    shape : tuple of int
        Shape of the array.
    dtype : float32 or float64
        A number is made of the top 24 or 53 bits of its 64.

    Raises
    ------
    ArgumentError
        For another dtype.

    Examples
    --------
    >>> uniform(42, (3,))
    array([0.7415..., 0.1599..., 0.2786...], dtype=float32)
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ArgumentError(compose(f"uniform makes float32 or float64 numbers, not {dtype}"))
    precision = np.finfo(dtype).nmant + 1
    return np.right_shift(bits(key, shape), np.uint64(64 - precision)).astype(dtype) * 2.0**-precision


def child_seed(seed: Seed, index: int) -> np.random.SeedSequence:
    """The seed of the `index`-th part of what `seed` initialises.

    `numpy.random.SeedSequence.spawn` without its counter, so that asking twice gives the same twice.

    Examples
    --------
    >>> child_seed(42, 1).generate_state(1) == np.random.SeedSequence(42).spawn(2)[1].generate_state(1)
    array([ True])
    """
    parent = as_seed(seed)
    return np.random.SeedSequence(parent.entropy, spawn_key=(*parent.spawn_key, index), pool_size=parent.pool_size)


def as_seed(seed: Seed) -> np.random.SeedSequence:
    """A seed sequence from a seed.

    Raises
    ------
    ArgumentError
        For what is neither a non-negative integer nor a seed sequence.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
        return np.random.SeedSequence(int(seed))
    what = f"seed must be a non-negative integer or a numpy.random.SeedSequence, got {seed!r}"
    raise ArgumentError(compose(what, instead="Write for example seed=0."))
