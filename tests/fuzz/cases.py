"""One kernel with memory to run it on: layouts of operands, what a run may touch, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.program.interpreter import addresses, run_kernel
from twopass.program.ir import Access, Argument, Buffer, Kernel, Launch, Program, domains
from twopass.program.printer import listing

Array = np.ndarray[Any, Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A kernel, flat buffers, and where its pointers point.

    Attributes
    ----------
    kernel : Loop or Contraction
    buffers : list of 1-D arrays
        Their contents before the run.
    places : tuple of (number, offset)
        For each argument of the kernel, in order: the buffer, and the element that the pointer points at.
    """

    kernel: Kernel
    buffers: list[Array]
    places: tuple[tuple[int, int], ...]

    @property
    def accesses(self) -> list[Access]:
        """The accesses of the kernel, in the order of its arguments."""
        kernel = self.kernel
        operands = [kernel.left, kernel.right] if hasattr(kernel, "left") else []
        return [*operands, *kernel.inputs, *(store.access for store in kernel.stores)]

    def __str__(self) -> str:
        buffers = [Buffer(f"x{number}", array.dtype, array.size, "input") for number, array in enumerate(self.buffers)]
        arguments = tuple(Argument(buffers[number], offset) for number, offset in self.places)
        return listing(Program(tuple(buffers), (), (Launch(self.kernel, arguments),), {}, 0))

    def interpret(self, buffers: Sequence[Array], hook: Any = None) -> None:
        """Run the kernel with the interpreter on buffers like those of the case, in place."""
        run_kernel(
            self.kernel,
            [buffers[number] for number, _ in self.places],
            [offset for _, offset in self.places],
            hook,
        )

    def run(self, function: Callable[[Sequence[int]], None], buffers: Sequence[Array]) -> None:
        """Run something that takes one address for each argument."""
        function([buffers[number].ctypes.data + offset * buffers[number].itemsize for number, offset in self.places])

    def masks(self) -> tuple[list[Array], list[Array]]:
        """For each buffer: which elements the kernel writes, and which it may write with anything."""
        written = [np.zeros(buffer.size, bool) for buffer in self.buffers]
        loose = [np.zeros(buffer.size, bool) for buffer in self.buffers]
        count = len(self.kernel.stores)
        listed = list(zip(self.accesses, domains(self.kernel), self.places, strict=True))
        for access, domain, (number, offset) in listed[len(listed) - count :]:
            found = addresses(access, domain)
            written[number][offset + found] = True
            if access.panels is not None:
                starts = addresses(Access(access.dtype, access.strides), domain)
                whole = starts.reshape(-1, 1) + np.arange(access.panels.size)
                loose[number][offset + whole] = True
            elif access.slack:
                axis = access.strides.index(1)
                ends = np.take(np.broadcast_to(found, domain), [-1], axis=axis).reshape(-1, 1)
                loose[number][offset + ends + np.arange(1, access.slack + 1)] = True
        return written, [a & ~b for a, b in zip(loose, written, strict=True)]


@dataclass(frozen=True)
class Layout:
    """An access, where the pointer points, and how many elements the buffer has."""

    access: Access
    offset: int
    size: int


def strided(
    rng: Rng,
    dtype: Any,
    domain: Sequence[int],
    *,
    zeros: Sequence[int] = (),
    unit: int | None = None,
    slack: int = 0,
    plain: bool = False,
) -> Layout:
    """A random layout of an operand over a domain.

    Parameters
    ----------
    zeros : axes
        Along which the operand is broadcast.
    unit : axis, optional
        Which must have stride 1.
    slack : int
        Elements after the end of the axis with stride 1 that exist.
    plain : bool
        Whether axes are in C order.
    """
    axes = [axis for axis in range(len(domain)) if axis not in zeros]
    order = axes[::-1] if plain else list(rng.permutation(axes))
    if unit is not None and unit in axes:
        order.remove(unit)
        order.insert(0, unit)
    strides = [0] * len(domain)
    offset = int(rng.integers(0, 4))
    step = 1
    for position, axis in enumerate(order):
        loosened = position > 0 or unit is None
        stride = step * (2 if loosened and not slack and rng.random() < 0.08 else 1)
        step = stride * domain[axis] + (slack if position == 0 else 0)
        step += int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
        if loosened and not (slack and position == 0) and rng.random() < 0.06:
            offset += stride * (domain[axis] - 1)
            stride = -stride
        strides[axis] = int(stride)
    reach = sum(abs(stride) * (n - 1) for stride, n in zip(strides, domain, strict=True))
    base = offset + sum(stride * (n - 1) for stride, n in zip(strides, domain, strict=True) if stride < 0)
    has_unit = bool(order) and strides[order[0]] == 1
    slack = slack if has_unit else 0
    return Layout(Access(np.dtype(dtype), tuple(strides), slack=slack), offset, base + reach + 1 + slack)


def garbage(rng: Rng, dtype: Any, size: int) -> Array:
    """What memory that nobody has written may hold: NaN, and integers that lead nowhere."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return np.full(size, np.nan, dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, size).astype(bool)
    return np.full(size, np.iinfo(dtype).max, dtype)


def numbers(rng: Rng, dtype: Any, shape: Any) -> Array:
    """Operands: floats within ±4 with some zeros and ties, integers of all sizes."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        smooth = np.clip(rng.normal(size=shape) * 1.5, -4, 4)
        coarse = rng.integers(-3, 4, size=shape) / 2
        return np.where(rng.random(shape) < 0.1, coarse, smooth).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    info = np.iinfo(dtype)
    small = rng.integers(max(info.min, -20), 20, size=shape, dtype=dtype)
    large = rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.3, large, small)
