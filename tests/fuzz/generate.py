"""Random kernels, each with memory to run it on. The same seed gives the same kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tests.fuzz.bodies import Body, Value
from tests.fuzz.cases import Array, Case, Layout, Rng, garbage, numbers, strided

from twopass.program.interpreter import addresses
from twopass.program.ir import Access, Contraction, Loop, Panels, Store
from twopass.program.machine import Machine

MACHINES = (
    Machine(vector_bytes=64, tile_vectors=3),
    Machine(vector_bytes=32, tile_vectors=3),
    Machine(),
)
DTYPES = tuple(np.dtype(t) for t in (np.float32, np.float64, np.int64, np.int32, np.uint8, np.uint64, np.bool_))
#: Lengths of axes: whole vectors and tiles, and one more or less.
_LENGTHS = (1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65, 100, 130, 300)


class _Memory:
    """Buffers of a case that is being made."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.buffers: list[Array] = []
        self.places: list[tuple[int, int]] = []

    def add(self, layout: Layout, domain: Sequence[int], values: Array | None = None) -> int:
        """A new buffer, in which the elements of an access have random (or these) values; the others are garbage."""
        access = layout.access
        buffer = garbage(self.rng, access.dtype, layout.size)
        where = layout.offset + addresses(access, domain)
        if access.through is None:
            buffer[where] = numbers(self.rng, access.dtype, where.shape) if values is None else values
        else:
            buffer[:] = numbers(self.rng, access.dtype, buffer.shape)
        self.buffers.append(buffer)
        self.places.append((len(self.buffers) - 1, layout.offset))
        return len(self.places) - 1

    def target(self, layout: Layout) -> None:
        """A new buffer that is only written."""
        self.buffers.append(garbage(self.rng, layout.access.dtype, layout.size))
        self.places.append((len(self.buffers) - 1, layout.offset))

    def case(self, kernel: Any) -> Case:
        """The case."""
        return Case(kernel, self.buffers, tuple(self.places))


def _lengths(rng: Rng, count: int, limit: int) -> tuple[int, ...]:
    """Lengths of axes, with at most `limit` points."""
    found: list[int] = []
    for _ in range(count):
        room = limit // math.prod(found)
        found.append(int(rng.choice([n for n in _LENGTHS if n <= max(room, 1)])))
    return tuple(int(n) for n in rng.permutation(found))


def _one(rng: Rng, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def _panels(rng: Rng, dtype: Any, domain: Sequence[int], widths: tuple[int, ...] | None = None) -> Layout:
    """A random layout whose last two axes are panels."""
    widths = widths or _one(rng, MACHINES).panels(domain[-1], np.dtype(dtype))
    panels = Panels(domain[-2], widths)
    outer = strided(rng, dtype, (*domain[:-2], panels.size), unit=len(domain) - 2)
    access = Access(np.dtype(dtype), (*outer.access.strides[:-1], 0, 0), panels)
    return Layout(access, outer.offset, outer.size)


# --- loops ------------------------------------------------------------------------------------------------------------


def loop(
    rng: Rng,
    *,
    dtypes: Sequence[Any] = DTYPES,
    operators: Sequence[str] | None = None,
    limit: int = 4000,
    reductions: bool = True,
    panels: bool = True,
    through: bool = True,
) -> Case:
    """A random `Loop`.

    Parameters
    ----------
    dtypes : sequence of dtype
        Of inputs and of what is computed.
    operators : sequence of str, optional
        Which may occur in the body, if not all (conversions, literals and clipping occur always).
    limit : int
        How many points the domain has; every tenth domain may have ten times as many.
    reductions, panels, through : bool
        Whether these may occur.
    """
    domain = _lengths(rng, int(rng.integers(1, 5)), limit if rng.random() < 0.9 else 10 * limit)
    inner = int(rng.integers(1, len(domain) + 1)) if reductions and rng.random() < 0.45 else 0
    memory = _Memory(rng)
    inputs: list[Access] = []
    for _ in range(int(rng.integers(0 if not inner else 1, 5))):
        layout = _input(rng, _one(rng, dtypes), domain, panels)
        memory.add(layout, domain)
        inputs.append(layout.access)
        if through and rng.random() < 0.15:
            inputs += _gather(rng, _one(rng, dtypes), domain, memory, len(inputs))
    points = math.prod(domain[len(domain) - inner :]) if inner else 0
    loaded = [_value(access, _changes(access, domain, inner)) for access in inputs]
    body = Body(rng, loaded, points=points, ndim=len(domain))
    body.grow(int(rng.integers(1, 9)), dtypes, operators=operators)
    stores = [_store(rng, number, body, domain, inner, inputs, memory, panels) for number in _stored(rng, body)]
    block = 0 if inner == len(domain) or rng.random() < 0.3 else int(rng.integers(1, domain[0] + 1))
    return memory.case(Loop(domain, inner, tuple(inputs), tuple(body.lines), tuple(stores), block))


def _input(rng: Rng, dtype: Any, domain: tuple[int, ...], panels: bool) -> Layout:
    """A layout of an input: often simple, sometimes anything."""
    if panels and len(domain) > 1 and rng.random() < 0.12:
        return _panels(rng, dtype, domain)
    zeros = [axis for axis in range(len(domain)) if rng.random() < (0.5 if rng.random() < 0.3 else 0.05)]
    last = len(domain) - 1
    if rng.random() < 0.5:
        slack = int(rng.integers(0, 17)) if last not in zeros and rng.random() < 0.3 else 0
        return strided(rng, dtype, domain, zeros=zeros, unit=last, slack=slack, plain=True)
    return strided(rng, dtype, domain, zeros=zeros)


def _gather(rng: Rng, dtype: Any, domain: tuple[int, ...], memory: _Memory, number: int) -> list[Access]:
    """Two inputs: numbers of rows, and the rows of a table."""
    ndim = len(domain)
    along = [axis for axis in range(ndim) if rng.random() < 0.4] or [0]
    rows = int(rng.integers(1, 20))
    index = strided(
        rng, _one(rng, (np.int64, np.int32, np.uint8)), domain, zeros=[a for a in range(ndim) if a not in along]
    )
    shape = addresses(index.access, domain).shape
    memory.add(index, domain, rng.integers(0, rows, shape).astype(index.access.dtype))
    table = strided(rng, dtype, (rows, *domain), zeros=[1 + axis for axis in along])
    access = Access(table.access.dtype, table.access.strides[1:], through=(number, table.access.strides[0]))
    memory.add(Layout(access, table.offset, table.size), domain)
    return [index.access, access]


def _value(access: Access, inner: bool) -> Value:
    """What is known of a value that is loaded."""
    return Value(access.dtype, 4.0 if access.dtype.kind == "f" else 2.0**63, inner)


def _changes(access: Access, domain: tuple[int, ...], inner: int) -> bool:
    """Whether what an access loads changes along the inner axes."""
    if not inner:
        return False
    axes = range(len(domain) - inner, len(domain))
    return access.panels is not None or access.through is not None or any(access.strides[a] for a in axes)


def _stored(rng: Rng, body: Body) -> list[int]:
    """Which values are stored: the last one, and perhaps others."""
    last = len(body.values) - 1
    others = [int(rng.integers(len(body.values))) for _ in range(int(rng.integers(0, 3)))] if rng.random() < 0.4 else []
    return list(dict.fromkeys([last, *others]))


def _store(
    rng: Rng,
    number: int,
    body: Body,
    domain: tuple[int, ...],
    inner: int,
    inputs: Sequence[Access],
    memory: _Memory,
    panels: bool,
) -> Store:
    """Store a value into a buffer of its own, or over an input, element by element."""
    value = body.values[number]
    full = value.inner or not inner
    taken = set(memory.places[len(inputs) :])
    free = [
        (place, access)
        for place, access in zip(memory.places, inputs, strict=False)
        if full and access.dtype == value.dtype and _injective(access, domain) and place not in taken
    ]
    if free and rng.random() < 0.4:
        place, access = _one(rng, free)
        memory.places.append(place)
        return Store(number, access)
    if panels and full and len(domain) > 1 and rng.random() < 0.12:
        layout = _panels(rng, value.dtype, domain)
    else:
        zeros = () if full else range(len(domain) - inner, len(domain))
        layout = strided(rng, value.dtype, domain, zeros=zeros, plain=bool(rng.random() < 0.5))
    memory.target(layout)
    return Store(number, layout.access)


def _injective(access: Access, domain: tuple[int, ...]) -> bool:
    """Whether each point of the domain has an element of its own."""
    if access.through is not None:
        return False
    if access.panels is not None:
        return all(stride or length == 1 for stride, length in zip(access.strides[:-2], domain, strict=False))
    return all(stride or length == 1 for stride, length in zip(access.strides, domain, strict=True))


# --- contractions -----------------------------------------------------------------------------------------------------


def contraction(
    rng: Rng,
    *,
    machine: Machine | None = None,
    dtype: Any = None,
    operators: Sequence[str] | None = None,
    limit: int = 60_000,
) -> Case:
    """A random `Contraction`.

    Parameters
    ----------
    machine : Machine, optional
        Decides about the widths of blocks of columns; a random one if not given.
    dtype : float32 or float64, optional
        Either, if not given.
    operators : sequence of str, optional
        Which may occur in the body, if not all.
    limit : int
        How many products may be summed up.
    """
    machine = machine or _one(rng, MACHINES)
    dtype = np.dtype(dtype or _one(rng, (np.float32, np.float64)))
    m, n, k = _lengths(rng, 3, limit)
    batch = _lengths(rng, int(rng.integers(1, 3)), min(6, max(1, limit // (m * n * k)))) if rng.random() < 0.25 else ()
    columns, rows = machine.panels(n, dtype), _rows(rng, m)
    overhang = sum(columns) - n
    memory = _Memory(rng)
    shared = [axis for axis in range(len(batch)) if rng.random() < 0.2]
    left = strided(rng, dtype, (*batch, m, k), zeros=[axis for axis in range(len(batch)) if rng.random() < 0.2])
    memory.add(left, (*batch, m, k))
    right = _matrix(rng, dtype, (*batch, k, n), columns, overhang, shared)
    memory.add(right, (*batch, k, n))
    domain = (*batch, m, n)
    inputs = [_further(rng, dtype, domain, columns, overhang) for _ in range(int(rng.integers(0, 4)))]
    for layout in inputs:
        memory.add(layout, domain)
    accesses = [layout.access for layout in inputs]
    loaded = [Value(dtype, 16.0 * k, False), *(_value(access, False) for access in accesses)]
    body = Body(rng, loaded, ndim=len(domain))
    dtypes = [dtype] if rng.random() < 0.7 else [dtype, *DTYPES]
    body.grow(int(rng.integers(0, 6)), dtypes, operators=operators)
    stores = _results(rng, body, domain, columns, overhang, accesses, memory)
    kernel = Contraction(
        *(batch, m, n, k, dtype, left.access, right.access, tuple(accesses), tuple(body.lines), stores, columns, rows),
        by_rows=not batch and bool(rng.random() < 0.3),
    )
    return memory.case(kernel)


def _rows(rng: Rng, m: int) -> tuple[int, ...]:
    """Blocks that m is cut into: all of one length but the last, or as equal as may be."""
    length = int(rng.integers(1, 11)) * 4
    count = -(-m // length)
    if rng.random() < 0.5:
        return (length,) * (m // length) + ((m % length,) if m % length else ())
    base, extra = divmod(m, count)
    return (base + 1,) * extra + (base,) * (count - extra)


def _matrix(
    rng: Rng, dtype: Any, domain: tuple[int, ...], columns: tuple[int, ...], overhang: int, zeros: Sequence[int]
) -> Layout:
    """A matrix with stride 1 along its columns: with slack for the last vector, without, or as panels."""
    kind = rng.random()
    if kind < 0.35 and not zeros:
        return _panels(rng, dtype, domain, columns)
    slack = overhang if kind < 0.7 else 0
    return strided(rng, dtype, domain, zeros=zeros, unit=len(domain) - 1, slack=slack)


def _further(rng: Rng, dtype: Any, domain: tuple[int, ...], columns: tuple[int, ...], overhang: int) -> Layout:
    """A further operand: a matrix, a row, a column or a number, most often of the product's dtype."""
    dtype = _one(rng, DTYPES) if rng.random() < 0.15 else dtype
    m, n = len(domain) - 2, len(domain) - 1
    zeros = [axis for axis in range(len(domain) - 2) if rng.random() < 0.3]
    kind = rng.random()
    if kind < 0.5:
        return _matrix(rng, dtype, domain, columns, overhang, zeros)
    along = [m] if kind < 0.75 else [n] if kind < 0.9 else [m, n]
    slack = overhang if n not in along and rng.random() < 0.5 else 0
    return strided(rng, dtype, domain, zeros=[*zeros, *along], unit=n if n not in along else None, slack=slack)


def _results(
    rng: Rng,
    body: Body,
    domain: tuple[int, ...],
    columns: tuple[int, ...],
    overhang: int,
    inputs: Sequence[Access],
    memory: _Memory,
) -> tuple[Store, ...]:
    """Store some values: over an input of the same dtype, or into new matrices."""
    stores: list[Store] = []
    last = len(domain) - 1
    for number in _stored(rng, body):
        value = body.values[number]
        taken = set(memory.places[2 + len(inputs) :])
        free = [
            (place, access)
            for place, access in zip(memory.places[2:], inputs, strict=False)
            if access.dtype == value.dtype
            and _injective(access, domain)
            and place not in taken
            and (access.panels is not None or access.strides[last] == 1)
        ]
        if free and rng.random() < 0.5:
            place, access = _one(rng, free)
            memory.places.append(place)
            stores.append(Store(number, access))
        else:
            layout = _matrix(rng, value.dtype, domain, columns, overhang, ())
            memory.target(layout)
            stores.append(Store(number, layout.access))
    return tuple(stores)
