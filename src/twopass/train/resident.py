"""The state of a large network, which compiled code changes where it is.

Small states are replaced: each call of native code gives new arrays, and the old ones are there for whoever wants to
go back. A large state would be in memory three times over then, and copying it would take a good part of the time. So
it stays in one place, in the layout of the program, for as long as a fit goes on; who asks for it gets a copy.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, compose
from twopass.train.parameters import State, not_finite, place, read_only
from twopass.train.samples import is_surely_finite

if TYPE_CHECKING:
    from twopass.backends.llvm.memory import Region
    from twopass.program.layout import Layout
    from twopass.train.samples import Array

__all__ = ["AnyState", "Resident"]

#: Arrays of more bytes are left where they are when somebody only wants to know how an optimizer is doing.
_SMALL = 4096
#: After arrays of so many bytes have been freed, the system gets their memory back.
_LARGE = 1 << 20
#: A line of the cache, at which every array begins.
_LINE = 64


class Resident:
    """A state that is changed in place; what is read of it are copies.

    Parameters
    ----------
    state : State
        What it is at first.

    Attributes
    ----------
    lock : RLock
        Held while the state is read or changed.
    """

    def __init__(self, state: AnyState) -> None:
        self.lock = threading.RLock()
        self._structures = tree.structure(state.params), tree.structure(state.optimizer)
        self._count = self._structures[0].leaf_count
        # A number in an optimizer's state becomes an array: to the compiler, Python's integers never change.
        self._slots = [_Slot(np.asarray(leaf)) for leaf in tree.leaves((state.params, state.optimizer))]
        self._params: Any = None
        self._torn = False
        _LIVING.add(self)

    def __reduce__(self) -> Any:
        return State, (self.params, self.optimizer)

    def __len__(self) -> int:
        return len(self._slots)

    # --- what trains --------------------------------------------------------------------------------------------------

    def stand_ins(self) -> tuple[Any, Any]:
        """Parameters and optimizer state of the right shapes and dtypes that take no memory."""
        leaves = [np.broadcast_to(np.zeros((), slot.array.dtype), slot.shape) for slot in self._slots]
        params, optimizer = self._structures
        return tree.unflatten(params, leaves[: self._count]), tree.unflatten(optimizer, leaves[self._count :])

    def buffers(self, layouts: Sequence[Layout]) -> list[Array]:
        """The flat arrays that a program changes, in its layouts; the caller holds the lock."""
        from twopass.backends.llvm.memory import Region, trim

        self._params = None
        missing = [n for n, layout in enumerate(layouts) if self._slots[n].layout != layout]
        sizes = [-(-layouts[n].size * self._slots[n].array.itemsize // _LINE) * _LINE for n in missing]
        region, start = Region(sum(sizes)), 0
        for number, size in zip(missing, sizes, strict=True):
            old, layout = self._slots[number], layouts[number]
            buffer = region.bytes[start : start + size].view(old.array.dtype)[: layout.size]
            layout.pack(old.read(), buffer)
            self._slots[number] = _Slot(buffer, layout, region, start)
            old.give_back()
            del old
            start += size
            if size >= _LARGE:
                trim()
        return [slot.array for slot in self._slots]

    def _opened(self) -> threading.RLock:
        """The lock, for who wants to read.

        Raises
        ------
        ArgumentError
            In a child process that was forked while a step was being made.
        """
        if self._torn:
            what = "the trainer was in the middle of a step when this process was forked from another one"
            raise ArgumentError(compose(what, instead="Fork between two fits, or keep trainer.params before."))
        return self.lock

    def after_fork(self) -> None:
        """In a child process: nobody is there who would give the lock back."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
        else:
            self.lock, self._torn = threading.RLock(), True

    # --- who looks at it ----------------------------------------------------------------------------------------------

    @property
    def params(self) -> Any:
        """The parameters as they are now: read-only arrays that stay as they are."""
        with self._opened():
            if self._params is None:
                found = [slot.read() for slot in self._slots[: self._count]]
                self._params = read_only(tree.unflatten(self._structures[0], found))
            return self._params

    @property
    def optimizer(self) -> Any:
        """A copy of the optimizer's state."""
        with self._opened():
            found = [slot.read() for slot in self._slots[self._count :]]
        return tree.unflatten(self._structures[1], found)

    @property
    def outline(self) -> Any:
        """The optimizer's state, whose large arrays are copied only if they are looked at."""
        with self._opened():
            found = [
                slot.read() if slot.array.nbytes <= _SMALL else _Distant(self, number)
                for number, slot in enumerate(self._slots[self._count :], self._count)
            ]
        return tree.unflatten(self._structures[1], found)

    def with_outline(self, outline: Any) -> Resident:
        """Take over what is new in an outline."""
        with self._opened():
            for number, leaf in enumerate(tree.leaves(outline), self._count):
                if not isinstance(leaf, _Distant):
                    old = self._slots[number]
                    self._slots[number] = _Slot(np.asarray(leaf, old.array.dtype))
                    old.give_back()
        return self

    def copied(self) -> State:
        """A state that stays as it is."""
        return State(self.params, self.optimizer)

    def first_not_finite(self) -> str | None:
        """See `State`; hardly ever is anything copied."""
        names = tree.flatten_with_paths(self.stand_ins()[0])
        with self._opened():
            # The padding of a program's memory may hold anything.
            found = (not is_surely_finite(slot.array) and not_finite(slot.read()) for slot in self._slots)
            return next((place(path) for (path, _), bad in zip(names, found, strict=False) if bad), None)

    def settled(self) -> State:
        """The state as arrays, once nobody changes it any more: each array is given back when it has been copied."""
        with self._opened():
            for number, old in enumerate(self._slots):
                self._slots[number] = _Slot(old.read())
                old.give_back()
            arrays = [slot.array for slot in self._slots]
        params, optimizer = arrays[: self._count], arrays[self._count :]
        found = read_only(tree.unflatten(self._structures[0], params))
        return State(found, tree.unflatten(self._structures[1], optimizer))

    def array(self, number: int) -> Array:
        """One of the arrays, as it is now."""
        with self._opened():
            return self._slots[number].read()


#: What a trainer can have for a state.
AnyState = State | Resident

#: All there are, for the child of a fork.
_LIVING: weakref.WeakSet[Resident] = weakref.WeakSet()


def _after_fork() -> None:
    for state in list(_LIVING):
        state.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Slot(NamedTuple):
    """One array of a state, and where it is: replaced as a whole, so that an interrupt leaves the old one or the new.

    Attributes
    ----------
    array : ndarray
        In C order, never changed; or the flat memory of a program.
    layout : Layout or None
        How the elements lie in that memory.
    region : Region or None
        What it is a part of.
    start : int
        Where in the region it begins.
    """

    array: Array
    layout: Layout | None = None
    region: Region | None = None
    start: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape if self.layout is None else self.layout.shape

    def read(self) -> Array:
        """The array in C order; nobody changes it."""
        return self.array if self.layout is None else self.layout.unpack(self.array)

    def give_back(self) -> None:
        """Leave the memory of a program to the system."""
        if self.region is not None:
            self.region.forget(self.start, self.start + self.array.nbytes)


class _Distant:
    """An array that is copied when it is looked at."""

    def __init__(self, state: Resident, number: int) -> None:
        self._state, self._number = state, number

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._state.array(self._number), dtype)
