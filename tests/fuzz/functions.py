"""Random NumPy functions, as source: a mismatch can be read, and run again, without the fuzzer.

A function grows by lines that are taken from a list of templates. Each line is tried at once on the arguments; one
that NumPy refuses, or whose value is not finite, too large or too long, is dropped.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import twopass as tp
from twopass.errors import TwopassError

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

#: Arrays: a, b, c floats of one dtype, i, j integers, p, q booleans. Numbers: x a float, n an integer. Of `a`: ax an
#: axis, axes several or all, perm a permutation, shape another shape, at an index. keep is True or False.
_FLOATS = """
{a} + {b} ; {a} - {b} ; {a} * {b} ; {a} * {x} + {b} ; {x} - {a} ; {a} / (1 + {b} * {b}) ; {a} / {x} ; -{a}
np.maximum({a}, {b}) ; np.minimum({a}, 0) ; np.maximum({a}, 0) ; np.where({p}, {a}, {b}) ; np.where({a} > {b}, {a}, 0)
np.where({a} > 0, np.sqrt(np.abs({a})), {x}) ; np.clip({a}, -1, {b}) ; np.abs({a}) ; np.square({a}) ; {a} ** 2
{a} ** 3 ; np.exp(np.minimum({a}, 2)) ; np.log(1 + {a} * {a}) ; np.log1p(np.abs({a})) ; np.expm1(np.minimum({a}, 1))
np.sqrt(1 + {a} ** 2) ; np.tanh({a}) ; np.sin({a}) ; np.cos({a}) ; np.arctan({a}) ; np.arctan2({a}, 2 + np.abs({b}))
np.hypot({a}, 1 + np.abs({b})) ; 1 / (1 + np.exp(-{a})) ; np.logaddexp({a}, {b}) ; np.sinh(np.tanh({a}))
np.cosh(np.tanh({a})) ; np.sign({a}) * {b} ; np.power(1 + np.abs({a}), {x})
np.power(np.abs({a}) + 0.5, np.tanh({b})) ; np.floor({a} * 3 + 0.31416) ; np.copysign({a}, {b}) ; np.arcsinh({a})
np.arcsin(0.9 * np.tanh({a})) ; np.cbrt(1 + {a} ** 2) ; np.exp2(np.tanh({a})) ; np.log2(2 + np.abs({a})) ; {a} * {p}
{a} * {i} ; {a} + {n} ; np.multiply({a}, {b}) ; np.add({a}, {x}) ; np.fmax({a}, {b}) ; np.reciprocal(1 + {a} ** 2)
np.sum({a}) ; np.sum({a}, axis={ax}) ; np.sum({a}, axis={axes}, keepdims={keep}) ; {a}.sum(axis={ax}, keepdims=True)
np.mean({a}) ; np.mean({a}, axis={ax}, keepdims={keep}) ; np.max({a}, axis={ax}) ; np.min({a}, axis={axes})
np.max({a}) ; np.prod(np.tanh({a}), axis={ax}) ; np.var({a}, axis={ax}) ; np.std({a} + {b} * {b}, axis={axes})
{a}.mean(axis=0) ; {a} - np.max({a}, axis={ax}, keepdims=True) ; {a} - np.mean({a}, axis={ax}, keepdims=True)
np.cumsum({a}, axis={ax}) ; np.exp({a} - np.max({a}, axis={ax}, keepdims=True))
np.log(np.sum(np.exp(np.tanh({a})), axis={ax})) ; {a} @ {b} ; {a} @ {b}.T ; {a}.T @ {b} ; {a}.T @ {a} ; {a} @ {a}.T
np.dot({a}, {b}) ; np.outer({a}, {b}) ; np.matmul({a}, {b}) ; np.maximum({a} @ {b} + {c}, 0) ; np.tanh({a} @ {b})
{a} @ np.swapaxes({a}, -1, -2) ; {a} - 0.1 * ({b}.T @ {c}) ; np.einsum("ij,kj->ik", {a}, {b})
np.einsum("ij,ij->i", {a}, {a}) ; np.einsum("...i,...i->...", {a}, {b}) ; np.tensordot({a}, {b}, axes=1)
np.inner({a}, {b}) ; np.vdot({a}, {a}) ; np.trace({a}) ; np.reshape({a}, {shape}) ; {a}.reshape({shape})
np.ravel({a}) ; np.transpose({a}, {perm}) ; {a}.T ; np.swapaxes({a}, 0, {ax}) ; np.expand_dims({a}, {ax})
np.squeeze({a}) ; {a}[None] ; {a}[..., None] ; np.moveaxis({a}, 0, {ax}) ; np.atleast_2d({a})
np.broadcast_to({a}, (3,) + np.shape({a})) ; np.flip({a}, {ax}) ; np.roll({a}, {n}, axis={ax}) ; {a}[{at}] ; {a}[{at}]
{a}[{at}] ; np.concatenate([{a}, {b}], axis={ax}) ; np.stack([{a}, {b}]) ; np.concatenate([{a}, {a} * {x}])
np.stack([{a}, {a}], axis={ax}) ; np.take({a}, {fancy}, axis=0) ; {a}[{fancy}] ; {a}[:, {fancy}] ; np.pad({a}, 1)
np.repeat({a}, 2, axis={ax}) ; np.tile({a}, 2) ; np.tril({a}) ; np.diag({a}) ; np.diff({a}, axis={ax})
np.split({a}, 2)[0] ; np.vstack([{a}, {b}]) ; np.hstack([{a}, {b}]) ; {i} * {x} ; {i} / 4 ; np.sqrt(np.abs({i}))
np.mean({i}, axis={ax}) ; np.where({p}, {a}, {i}) ; np.zeros_like({a}) + {a} ; np.ones(3) * np.sum({a})
np.arange(4) * np.mean({a}) ; np.full((2, 2), {x}) @ np.ones((2, 3)) * np.sum({a}) ; np.sort({a}, axis={ax})
{a}.astype(np.float32) ; {a}.astype(np.float64) ; {i}.astype(np.float64) ; {p}.astype(np.float32) ; np.deg2rad({a})
np.rad2deg(np.tanh({a})) ; np.degrees(np.sin({a})) ; np.radians({a}) ; np.fabs({a}) ; np.positive({a})
np.heaviside({a}, 0.5) ; np.fmod({a} + 0.31416, 1.5) ; np.remainder({a} + 0.31416, -1.25) ; ({a} + 0.31416) // 0.75
({a} + 0.31416) % 2 ; np.trunc({a} * 2 + 0.31416) ; np.rint({a} + 0.10317) ; np.ceil({a} * 3 + 0.31416)
np.arccos(0.9 * np.sin({a})) ; np.arctanh(0.9 * np.sin({a})) ; np.arccosh(1.5 + {a} ** 2) ; np.logaddexp2({a}, {b})
np.float_power(np.abs({a}) + 0.5, {x}) ; np.ldexp({a}, 2) ; np.tan(np.tanh({a})) ; np.fmin({a}, {b})
np.log10(1 + np.abs({a})) ; np.round({a} + 0.03183, 1) ; np.nan_to_num({a}) ; np.ptp({a}, axis={ax})
np.median({a}, axis={ax}) ; np.linalg.norm({a}) ; np.linalg.norm({a}, axis={ax}) ; np.kron({a}, {b})
np.cumprod(np.tanh({a})) ; np.sinc({a}) ; np.average({a}, axis={ax}) ; np.triu({a}, 1) ; np.rot90({a})
np.searchsorted(np.arange(5.0), {a}) * 0.5 ; np.nansum({a}, axis={ax}) ; np.nanmax({a})
np.select([{a} > 1, {a} < -1], [{b}, -{b}], 0.5) ; np.convolve(np.ravel({a}), [1, 2])
np.linalg.solve({a} @ {a}.T + 4 * np.eye(np.shape({a})[0]), {a}) ; np.meshgrid({a}, {b})[0]
"""
_INTEGERS = """
{i} + {j} ; {i} * {n} ; {i} - {n} ; {i} // 3 ; {i} % 5 ; np.maximum({i}, {j}) ; np.where({p}, {i}, {j}) ; -{i}
np.abs({i}) ; {i} ** 2 ; np.sum({i}, axis={ax}) ; np.sum({p}) ; np.sum({p}, axis={ax}) ; np.max({i}, axis={ax})
np.argmax({a}, axis={ax}) ; np.argmin({a}) ; {i} & {j} ; {i} | 7 ; {i} ^ {j} ; {i} << 2 ; {i} >> 1 ; ~{i} ; {i}[{at}]
{i}.T ; np.reshape({i}, {shape}) ; np.concatenate([{i}, {j}]) ; np.floor({a} * 2 + 0.31416).astype(np.int64)
{p}.astype(np.int32) ; np.arange(5) + {n} ; np.argsort({a}, axis={ax}) ; np.count_nonzero({p})
"""
_BOOLEANS = """
{a} > {b} ; {a} < 0 ; {a} >= {x} ; {a} == {b} ; {i} == {j} ; {i} != {n} ; {i} < {j} ; {p} & {q} ; {p} | {q} ; ~{p}
np.logical_and({p}, {q}) ; np.isfinite({a}) ; np.isnan({a}) ; np.any({p}, axis={ax}) ; np.all({p})
np.logical_not({p}) ; {p} ^ {q} ; np.signbit({a}) ; {p}[{at}]
"""
_LOOPS = """
tp.scan(lambda c, x: (np.tanh(0.5 * c + x), c * x), {a}[0] * 0.1, {a})[0]
tp.scan(lambda c, x: (np.tanh(0.5 * c + x), c - np.sum(x)), {a}[0] * {x}, {a})[1]
tp.scan(lambda c, x: (np.tanh(x + c @ (0.02 * np.tanh({a}.T @ {a}))), c), 0 * {a}[0], {a}, reverse=True)[1]
tp.scan(lambda c, x: (np.maximum(c, x @ {b}), np.max(x)), 0 * ({a}[0] @ {b}), {a})[0]
tp.scan(lambda c, _: (np.sin(c + 0.1 * {b}), np.sum(c)), {a} + {b}, None, length=4)[1]
tp.scan(lambda c, x: (c + x[0] * x[1], c), {a}[0] * 0, ({a}, {a}), reverse={keep})[0]
"""
#: What is done to a copy of `a`, or to a part of it.
_CHANGES = """
{v}[{at}] = {x} ; {v}[{at}] *= {x} ; {v} += {b} ; {v}[{at}] += {b} ; {v}[{fancy}] = 0 ; {v}[{v} > {x}] = {x}
{v}[0] = {b} ; {v} *= np.tanh({v}) ; {v}[..., 1:] -= {v}[..., :-1] ; {v}[::2] = {v}[::2] * {x}
"""


def _templates(text: str) -> list[str]:
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" ; ")]


TEMPLATES = tuple(map(_templates, (_FLOATS, _INTEGERS, _BOOLEANS, _LOOPS, _CHANGES)))
_ODDS = (0.77, 0.09, 0.07, 0.03, 0.04)
_CHANGING = 4
_KINDS = {"a": "f", "b": "f", "c": "f", "i": "i", "j": "i", "p": "b", "q": "b"}
_NAME = re.compile(r"\b[xv]\d+\b")
#: Elements of an array.
_MOST = 4000
_LENGTHS = (1, 2, 3, 4, 5, 7, 8, 16, 17, 33)


@dataclass(frozen=True)
class Sample:
    """A function and arguments that it can be called with.

    Attributes
    ----------
    source : str
        Of a function ``f``.
    arguments : tuple of ndarray
        Of any memory layout.
    scale : float
        The largest number that it computes, or 1.
    """

    source: str
    arguments: tuple[Array, ...]
    scale: float

    @property
    def function(self) -> Callable[..., Any]:
        """The function, made anew."""
        space: dict[str, Any] = {"np": np, "tp": tp}
        exec(compile(self.source, "fuzz.py", "exec"), space)
        found: Callable[..., Any] = space["f"]
        return found

    def __str__(self) -> str:
        shapes = [f"{a.dtype}{list(a.shape)} strides {a.strides}" for a in self.arguments]
        return "\n".join([self.source, *(f"x{number}: {text}" for number, text in enumerate(shapes))])


def sample(rng: Rng, *, steps: int = 12) -> Sample:
    """A random function with arguments.

    Parameters
    ----------
    steps : int
        How many lines it has at most.
    """
    return _Growth(rng).sample(int(rng.integers(1, steps + 1)))


class _Growth:
    """A function that grows."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.dtype = np.dtype(rng.choice([np.float32, np.float64]))
        self.lengths = [int(n) for n in rng.choice(_LENGTHS, size=3)]
        if rng.random() < 0.05:
            self.lengths[0] = 0
        self.arguments: list[Array] = []
        self.values: dict[str, Array] = {}
        self.lines: list[str] = []
        #: Names of values that a line reads.
        self.used: set[str] = set()

    def sample(self, steps: int) -> Sample:
        """The function after so many steps."""
        kinds = "f" + "".join(self.rng.choice(list("fffib"), size=int(self.rng.integers(0, 4))))
        for number, kind in enumerate(kinds):
            self.arguments.append(self.argument(kind))
            self.values[f"x{number}"] = self.arguments[-1]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # about means of nothing
            for _ in range(4 * steps):
                if len(self.lines) < steps:
                    self.step()
        names = [name for name in self.values if name not in self.used] or list(self.values)
        results = [str(n) for n in self.rng.choice(names, size=int(self.rng.integers(1, 4)))]
        results = list(dict.fromkeys([names[-1], *results]))
        parameters = ", ".join(f"x{number}" for number in range(len(self.arguments)))
        result = results[0] if len(results) == 1 else f"({', '.join(results)})"
        body = "\n".join(f"    {line}" for line in [*self.lines, f"return {result}"])
        floats = [value for value in self.values.values() if value.dtype.kind in "fi"]
        scale = max((float(np.abs(value).max(initial=1)) for value in floats), default=1.0)
        return Sample(f"def f({parameters}):\n{body}\n", tuple(self.arguments), scale)

    # --- arguments ----------------------------------------------------------------------------------------------------

    def argument(self, kind: str) -> Array:
        """An array of up to three axes, of any layout in memory."""
        shape = tuple(self.length() for _ in range(int(self.rng.choice(4, p=[0.1, 0.25, 0.5, 0.15]))))
        shape = shape if math.prod(shape) <= _MOST else shape[:2]
        if kind == "f":
            values = np.clip(self.rng.normal(size=shape), -3, 3).astype(self.dtype)
            values = np.where(self.rng.random(shape) < 0.05, 0, values).astype(self.dtype)
        elif kind == "i":
            values = self.rng.integers(-9, 10, size=shape).astype(self.rng.choice([np.int32, np.int64, np.int64]))
        else:
            values = self.rng.random(shape) < 0.5
        return laid_out(self.rng, np.asarray(values))

    def length(self) -> int:
        """The length of an axis: often one that others have."""
        return int(self.rng.choice(self.lengths)) if self.rng.random() < 0.8 else int(self.rng.choice(_LENGTHS))

    # --- lines --------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Try to append a line."""
        kind = int(self.rng.choice(len(TEMPLATES), p=_ODDS))
        name = f"v{len(self.values)}"
        filled = self.filled(TEMPLATES[kind][int(self.rng.integers(len(TEMPLATES[kind])))], name)
        if filled is None:
            return
        line, main = filled
        lines = [f"{name} = np.copy({main})", line] if kind == _CHANGING else [f"{name} = {line}"]
        space: dict[str, Any] = {"np": np, "tp": tp, **self.values}
        try:
            exec("\n".join(lines), space)
        except (ValueError, IndexError, TypeError, ArithmeticError, TwopassError):  # NumPy does not take these operands
            return
        value = space[name]
        value = np.asarray(value)
        large = value.dtype.kind not in "fib" or (value.size > 0 and not np.abs(value.astype(float)).max() < 1e3)
        if large or value.size > _MOST or value.ndim > 4 or (value.size == 0 and 0 not in self.lengths):
            return
        self.lines += lines
        self.values[name] = value
        self.used |= set(_NAME.findall(" ".join(lines))) - {name}

    def filled(self, template: str, name: str) -> tuple[str, str] | None:
        """A template with operands, and the name of the first; None if there are none of a kind."""
        names: dict[str, str] = {}
        for key, kind in _KINDS.items():
            if "{" + key + "}" in template or (key == "a" and "{v}" in template):
                fitting = [name for name, value in self.values.items() if value.dtype.kind == kind]
                if not fitting:
                    return None
                fresh = [name for name in fitting if name not in self.used]
                fitting = fresh if fresh and self.rng.random() < 0.7 else fitting
                names[key] = fitting[min(int(len(fitting) * self.rng.power(1.5)), len(fitting) - 1)]
        main = names.get("a") or names.get("i") or names.get("p") or "x0"
        return template.format(v=name, **names, **self.details(self.values[main])), main

    def details(self, array: Array) -> dict[str, Any]:
        """Random numbers, axes, shapes and indices for an array."""
        rng, ndim = self.rng, array.ndim
        axis = int(rng.integers(-ndim, ndim)) if ndim else 0
        axes = tuple(int(a) for a in rng.permutation(ndim)[: int(rng.integers(0, ndim + 1))])
        return {
            "x": round(float(rng.normal()), 3) or 1.5,
            "n": int(rng.integers(-4, 5)),
            "ax": axis,
            "axes": axes or None,
            "perm": tuple(int(a) for a in rng.permutation(ndim)),
            "shape": self.shape(array.size),
            "at": ", ".join(self.index(n) for n in array.shape) or "()",
            "keep": bool(rng.random() < 0.5),
            "fancy": [int(i) for i in rng.integers(-1, max(len(array), 1), size=3)] if ndim else [0],
        }

    def shape(self, size: int) -> tuple[int, ...]:
        """A shape with so many elements."""
        if size == 0:
            return (0,)
        factors = [n for n in range(1, size + 1) if size % n == 0]
        first = int(self.rng.choice(factors))
        rest = size // first
        return (first, rest) if self.rng.random() < 0.6 else (first, 1, -1)

    def index(self, length: int) -> str:
        """An index of one axis."""
        first, last = sorted(int(n) for n in self.rng.integers(0, max(length, 1) + 1, size=2))
        step = int(self.rng.choice([1, 1, 2, 3]))
        options = [
            ":",
            f"{first}:",
            f":{last}",
            f"{first}:{last}:{step}",
            "::-1",
            "None, :",
            str(min(first, length - 1)),
        ]
        return options[int(self.rng.integers(len(options)))]


def laid_out(rng: Rng, values: Array) -> Array:
    """The same array, with any strides."""
    kind = rng.random()
    if kind < 0.5 or not values.ndim:
        return values.copy()
    if kind < 0.65:
        return np.asfortranarray(values)
    if kind < 0.8:
        return np.ascontiguousarray(values[::-1])[::-1]
    wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1] + 1), values.dtype)
    part = wide[..., 1::2]
    part[...] = values
    return part


def perturbed(rng: Rng, arguments: Sequence[Array], size: float) -> list[Array]:
    """Arguments whose floats are off by a few units in the last place."""
    return [
        (a * (1 + size * np.finfo(a.dtype).eps * rng.uniform(-1, 1, a.shape))).astype(a.dtype)
        if a.dtype.kind == "f"
        else a
        for a in arguments
    ]
