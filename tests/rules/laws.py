"""The laws that every derivative must obey, for any function and any operands."""

from __future__ import annotations

import functools
import inspect
import operator
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import twopass as tp
import twopass.graph  # which registers scan
import twopass.rules.special  # the chapter that is only loaded for who uses SciPy
from twopass.core.rule import METHODS, RULES, Rule, invoke
from twopass.errors import name_of
from twopass.rules.kinds import COMPOSITE_EXAMPLES, Constant, Example, Operand, Unsupported, call, operand

#: Examples of the methods of ufuncs that have a rule.
METHOD_EXAMPLES = {
    "reduce": [call(operand(3, 4)), call(operand(2, 3, 4), axis=1)],
    "accumulate": [call(operand(3, 4)), call(operand(2, 3, 4), axis=1)],
    "reduceat": [call(operand(6, 2), [0, 3, 1]), call(operand(2, 5), [1, 3], axis=1)],
    "outer": [call(operand(3), operand(2, 2))],
    "at": [call(operand(4), [0, 2, 2], operand(3)), call(operand(3, 2), ([2, 0], [1, 1]), operand())],
}


#: Functions whose results have shapes or dtypes that depend on values, so that they cannot be captured.
VARYING = {np.trim_zeros, np.polymul, np.polydiv, *(getattr(np.emath, name) for name in np.emath.__all__)}


def label(function: Any) -> str:
    """The name of an operator; of a method of a ufunc, with that of the ufunc."""
    owner = getattr(function, "__self__", None)
    return f"{owner.__name__}.{function.__name__}" if isinstance(owner, np.ufunc) else name_of(function)


@dataclass(frozen=True)
class Case:
    """One example call of one operator."""

    function: Any
    example: Example
    number: int

    @property
    def name(self) -> str:
        return f"{label(self.function)}-{self.number}"

    @property
    def rule(self) -> Rule | None:
        rule = RULES.get(self.function)
        return rule if isinstance(rule, Rule) else None

    def run(self, operands: list[Any]) -> Any:
        """Call the operator with arrays in the places of the example's operands; the inexact leaves of the result."""
        out = self._call([np.copy(operands[0]), *operands[1:]] if self.in_place else operands)
        leaves = out if isinstance(out, (tuple, list)) else [out]
        return tuple(leaf for leaf in leaves if np.result_type(_dtype(leaf)).kind in "fc")

    def _call(self, operands: list[Any]) -> Any:
        values = iter(operands)
        args = _fill(self.example.args, values)
        kwargs = _fill(dict(self.example.kwargs), values)
        own = self.function is operator.setitem or str(getattr(self.function, "__module__", "")).startswith("twopass.")
        out = invoke(self.function, *args, **kwargs) if own else self.function(*args, **kwargs)
        out = self.example.of(out) if self.example.of else out
        return operands[0] if out is None else out

    @functools.cached_property
    def in_place(self) -> bool:
        """Whether the operator gives nothing, but changes its first operand."""
        operands = self.draw(np.random.default_rng(0))
        return self._call(operands) is operands[0]

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
    return _laid_out(np.asarray(real).astype(dtype), rng.integers(5))


def _laid_out(values: Any, layout: int) -> Any:
    """The same values in one of several memory layouts, so that no rule relies on the layout."""
    if values.ndim and layout == 1:
        return np.ascontiguousarray(values.T).T
    if values.ndim and layout == 2:
        return np.flip(np.ascontiguousarray(np.flip(values)))
    if values.ndim and layout == 3:
        return np.repeat(values, 2, axis=-1)[..., ::2]
    return values


def cases() -> list[Case]:
    """Every example of every operator in the registry."""
    return [
        Case(function, example, number)
        for function, examples in examples_by_operator().items()
        for number, example in enumerate(examples)
    ]


def examples_by_operator() -> dict[Any, Sequence[Example]]:
    """The examples of every operator in the registry, of methods of ufuncs too."""
    found = {f: rule.examples if isinstance(rule, Rule) else COMPOSITE_EXAMPLES[f] for f, rule in RULES.items()}
    for ufunc, method in METHODS:
        if not isinstance(RULES.get(ufunc), Constant):
            # A method that all ufuncs have is tried on two.
            for owner in (np.multiply, np.hypot) if ufunc is None else (ufunc,):
                found[getattr(owner, method)] = METHOD_EXAMPLES[method]
    return found


def cases_of(function: Any) -> list[Case]:
    """The examples of one operator."""
    return [Case(function, example, n) for n, example in enumerate(examples_by_operator().get(function, ()))]


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


class Unsettled(ArithmeticError):
    """Differences do not converge: a kink or a jump is nearer than their step."""


def central_difference(run: Any, operands: list[Any], tangents: list[Any], h: float) -> list[Any]:
    """Directional derivative by one central difference (error O(h^2))."""
    above = run([x + h * t for x, t in zip(operands, tangents, strict=True)])
    below = run([x - h * t for x, t in zip(operands, tangents, strict=True)])
    return [(np.asarray(a) - b) / (2 * h) for a, b in zip(above, below, strict=True)]


def differences(run: Any, operands: list[Any], tangents: list[Any]) -> list[Any]:
    """Directional derivative by central differences, extrapolated (error O(h^4)).

    Raises
    ------
    Unsettled
        If the two differences that are extrapolated have little to do with each other.
    """
    h = 4e-4
    extrapolated = []
    pairs = (central_difference(run, operands, tangents, step) for step in (h, h / 2))
    for wide, narrow in zip(*pairs, strict=True):
        if np.any(np.abs(wide - narrow) > 1e-3 * max(1.0, np.max(np.abs(narrow), initial=0))):
            raise Unsettled
        extrapolated.append((4 * narrow - wide) / 3)
    return extrapolated


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


# --- samples --------------------------------------------------------------------------------------------------------

#: How many random points each law is checked at, for each operator: in all its examples together.
SAMPLES = 40


class Sample:
    """An example call at random operands, and its derivatives there, each computed once for all laws.

    Attributes
    ----------
    operands, tangents : list of array
        Where, and in which direction.
    """

    def __init__(self, case: Case, number: int, dtype: Any = np.float64) -> None:
        self.run = case.run
        self.seed = zlib.crc32(case.name.encode()), number
        self.operands = case.draw(self.generator(0), dtype)
        self.tangents = direction(self.operands, self.generator(1))

    def generator(self, purpose: int) -> np.random.Generator:
        """Random numbers for one purpose, whatever others were drawn before."""
        return np.random.default_rng([*self.seed, purpose])

    @functools.cached_property
    def plain(self) -> tuple[Any, ...]:
        """What NumPy gives for copies, which derivatives are taken at: the last bit may depend on the layout."""
        return self.run([np.array(x) for x in self.operands])

    @functools.cached_property
    def cotangents(self) -> tuple[Any, ...]:
        """A random cotangent of each result."""
        return tuple(direction([np.asarray(leaf) for leaf in self.plain], self.generator(2)))

    @functools.cached_property
    def pushed(self) -> tuple[Any, Any]:
        """Results and their tangents, in forward mode."""
        return push(self.run, self.operands, self.tangents)

    @functools.cached_property
    def pulled(self) -> tuple[Any, Any]:
        """Results, and the cotangents of the operands, in reverse mode."""
        out, pullback = tp.vjp(lambda *xs: self.run(list(xs)), *self.operands)
        return out, pullback(self.cotangents)

    @functools.cached_property
    def slope(self) -> list[Any]:
        """The directional derivative by differences."""
        return differences(self.run, self.operands, self.tangents)


class Samples:
    """Random samples of one operator, the same for every law; at kinks, where differences do not settle, none."""

    def __init__(self, function: Any) -> None:
        self.cases = cases_of(function)
        self.kept: dict[tuple[int, int, Any], Sample] = {}

    def obey(self, law: Any, dtype: Any = np.float64) -> None:
        """Check a law, ``law(case, sample)``, at `SAMPLES` points or a few more: equally many of each example."""
        for case in self.cases:
            wanted = -(-SAMPLES // len(self.cases))
            obeyed = number = 0
            while obeyed < wanted:
                assert number < 2 * wanted + 10, f"{case.name}: most samples are at kinks"
                obeyed += self._check(law, case, number, dtype)
                number += 1

    def _check(self, law: Any, case: Case, number: int, dtype: Any) -> bool:
        """Whether the law could be checked at this sample."""
        key = (case.number, number, dtype)
        sample = self.kept.get(key) or self.kept.setdefault(key, Sample(case, number, dtype))
        try:
            law(case, sample)
        except Unsettled:
            return False
        except Exception as error:
            error.add_note(f"in example {case.number}, {case.example}, sample {number}")
            raise
        return True
