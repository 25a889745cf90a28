"""The laws that every derivative must obey, for any function and any operands."""

from __future__ import annotations

import inspect
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

import twopass as tp
import twopass.graph  # which registers scan
import twopass.rules.special  # the chapter that is only loaded for who uses SciPy
from twopass.core.rule import RULES, Rule, invoke
from twopass.errors import name_of
from twopass.rules.kinds import COMPOSITE_EXAMPLES, Constant, Example, Operand, Unsupported


@dataclass(frozen=True)
class Case:
    """One example call of one operator."""

    function: Any
    example: Example
    number: int

    @property
    def name(self) -> str:
        return f"{name_of(self.function)}-{self.number}"

    @property
    def rule(self) -> Rule | None:
        rule = RULES[self.function]
        return rule if isinstance(rule, Rule) else None

    def run(self, operands: list[Any]) -> Any:
        """Call the operator with arrays in the places of the example's operands; the inexact leaves of the result."""
        values = iter(operands)
        args = _fill(self.example.args, values)
        kwargs = _fill(dict(self.example.kwargs), values)
        own = self.function is operator.setitem or getattr(self.function, "__module__", "numpy").startswith("twopass.")
        out = invoke(self.function, *args, **kwargs) if own else self.function(*args, **kwargs)
        out = self.example.of(out) if self.example.of else out
        leaves = out if isinstance(out, (tuple, list)) else [out]
        return tuple(leaf for leaf in leaves if np.result_type(_dtype(leaf)).kind in "fc")

    def draw(self, rng: np.random.Generator, dtype: Any = np.float64) -> list[Any]:
        """Random operands from the example's domains."""
        placeholders: list[Operand] = []
        _collect([self.example.args, dict(self.example.kwargs)], placeholders)
        return [_draw(p, rng, np.dtype(dtype)) for p in placeholders]


def _dtype(value: Any) -> Any:
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def _fill(value: Any, operands: Any) -> Any:
    if isinstance(value, Operand):
        return next(operands)
    if type(value) in (tuple, list):
        return type(value)([_fill(item, operands) for item in value])
    if type(value) is dict:
        return {key: _fill(item, operands) for key, item in value.items()}
    return value


def _collect(value: Any, found: list[Operand]) -> None:
    if isinstance(value, Operand):
        found.append(value)
    elif type(value) in (tuple, list):
        for item in value:
            _collect(item, found)
    elif type(value) is dict:
        for item in value.values():
            _collect(item, found)


def _draw(placeholder: Operand, rng: np.random.Generator, dtype: np.dtype[Any]) -> Any:
    intervals = np.array(placeholder.intervals)
    chosen = intervals[rng.integers(len(intervals), size=placeholder.shape)]
    real = chosen[..., 0] + (chosen[..., 1] - chosen[..., 0]) * rng.uniform(0.02, 0.98, placeholder.shape)
    if dtype.kind == "c":
        real = real + 1j * rng.uniform(0.1, 0.6, placeholder.shape)
    values = np.asarray(real).astype(dtype)
    # Every second array is not contiguous, so that no rule relies on the layout.
    if values.ndim >= 2 and rng.integers(2):
        values = np.ascontiguousarray(values.T).T
    return values


def cases() -> list[Case]:
    """Every example of every operator in the registry."""
    found = []
    for function, rule in RULES.items():
        examples = rule.examples if isinstance(rule, Rule) else COMPOSITE_EXAMPLES[function]
        found += [Case(function, example, number) for number, example in enumerate(examples)]
    return found


def cases_of(function: Any) -> list[Case]:
    """The examples of one operator."""
    return [case for case in cases() if case.function is function]


def differentiable() -> dict[Any, Any]:
    """The operators that must have examples."""
    return {f: rule for f, rule in RULES.items() if not isinstance(rule, (Constant, Unsupported))}


def fewest_arguments(function: Any) -> int:
    """How many arguments a function must get."""
    if isinstance(function, np.ufunc):
        return function.nin
    parameters = inspect.signature(function).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


# --- numerical references -------------------------------------------------------------------------------------------


def direction(operands: list[Any], rng: np.random.Generator) -> list[Any]:
    """A random tangent."""
    tangents = []
    for x in operands:
        t = rng.uniform(-1, 1, x.shape)
        t = t + 1j * rng.uniform(-1, 1, x.shape) if x.dtype.kind == "c" else t
        tangents.append(np.asarray(t, dtype=x.dtype))
    return tangents


def complex_step(run: Any, operands: list[Any], tangents: list[Any]) -> list[Any]:
    """Directional derivative without subtraction: Im f(x + i h t) / h."""
    h = 1e-30
    moved = run([x + 1j * h * t for x, t in zip(operands, tangents, strict=True)])
    return [np.imag(value) / h for value in moved]


def differences(run: Any, operands: list[Any], tangents: list[Any]) -> list[Any]:
    """Directional derivative by central differences, extrapolated twice (error O(h^6))."""

    def central(h: float) -> list[Any]:
        above = run([x + h * t for x, t in zip(operands, tangents, strict=True)])
        below = run([x - h * t for x, t in zip(operands, tangents, strict=True)])
        return [(np.asarray(a) - b) / (2 * h) for a, b in zip(above, below, strict=True)]

    h = 3e-3
    d1, d2, d3 = central(h), central(h / 2), central(h / 4)
    once = [[(4 * b - a) / 3 for a, b in zip(x, y, strict=True)] for x, y in ((d1, d2), (d2, d3))]
    return [(16 * b - a) / 15 for a, b in zip(*once, strict=True)]


def inner(a: Any, b: Any) -> float:
    """Real inner product of two lists of arrays, Re(sum(conj(a) b))."""
    return float(sum(np.real(np.sum(np.conj(np.asarray(x)) * y)) for x, y in zip(a, b, strict=True)))


def push(run: Any, operands: list[Any], tangents: list[Any]) -> Any:
    """Forward mode: (outputs, tangents of the outputs)."""
    return tp.jvp(lambda *xs: run(list(xs)), tuple(operands), tuple(tangents))


def pull(run: Any, operands: list[Any], cotangents: Any = None) -> Any:
    """Reverse mode: cotangents of the operands."""
    _, pullback = tp.vjp(lambda *xs: run(list(xs)), *operands)
    return pullback(cotangents)
