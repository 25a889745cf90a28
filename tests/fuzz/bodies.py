"""Random scalar code, whose operands stay where its operators are defined and well conditioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.program.ir import Instruction
from twopass.program.scalar import OPERATORS

Rng = np.random.Generator
BOOL, INT32, FLOAT32, FLOAT64 = (np.dtype(t) for t in (bool, np.int32, np.float32, np.float64))

#: Where the operands of an operator on floats must be; "any" if it is not listed.
_DOMAINS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["log", "log2", "log10", "sqrt"], ("positive",)),
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh", "tan"], ("small",)),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "log1p"], ("unit",)),
    **dict.fromkeys(["true_divide", "remainder", "fmod", "floor_divide"], ("any", "nonzero")),
    **dict.fromkeys(["power", "float_power"], ("positive", "small")),
    **dict.fromkeys(["logaddexp", "logaddexp2"], ("any", "any")),
    "reciprocal": ("nonzero",),
    "arctan2": ("any", "nonzero"),
    "arccosh": ("above",),
    "tan": ("unit",),
    "ldexp": ("small", "exponent"),
}
#: Bounds of results that do not follow from those of the operands.
_BOUNDS = dict.fromkeys(["tanh", "sin", "cos", "sigmoid", "erf", "sign", "heaviside"], 1.0)
_BOUNDS |= dict.fromkeys(["arcsin", "arccos", "arctan", "arctan2", "erfc", "log1p", "tan"], 4.0)
_BOUNDS |= {"power": 1e6, "float_power": 1e6, "sinh": 100.0, "cosh": 100.0, "ldexp": 2000.0}
_BOUNDS |= dict.fromkeys(["exp", "exp2", "expm1"], 150.0)
_PRODUCTS = ("multiply", "square", "fma")
_LARGEST = 1e4


@dataclass(frozen=True)
class Value:
    """What is known of a value: its dtype, a bound of its size, and whether it changes along the inner axes."""

    dtype: Any
    bound: float
    inner: bool


class Body:
    """Scalar code that grows."""

    def __init__(self, rng: Rng, loaded: Sequence[Value], *, points: int = 0, ndim: int = 0) -> None:
        """Start with loaded values; `points` of the inner axes are reduced if there are any."""
        self.rng = rng
        self.values = list(loaded)
        self.loaded = len(loaded)
        self.lines: list[Instruction] = []
        self.points = points
        self.ndim = ndim

    # --- pieces -------------------------------------------------------------------------------------------------------

    def line(self, operator: str, operands: Sequence[int], dtype: Any, bound: float, *parameters: Any) -> int:
        """Append an instruction."""
        reduces = operator.endswith(".reduce")
        inner = not reduces and any(self.values[number].inner for number in operands)
        inner = inner or (operator == "position" and self.points > 0)
        self.lines.append(Instruction(operator, tuple(operands), np.dtype(dtype), parameters))
        self.values.append(Value(np.dtype(dtype), bound, inner))
        return len(self.values) - 1

    def literal(self, number: Any, dtype: Any) -> int:
        """A constant."""
        value = np.dtype(dtype).type(number).item()
        return self.line("literal", (), dtype, float(abs(value)), value)

    def clip(self, x: int, low: float, high: float) -> int:
        """The value, moved into an interval."""
        dtype = self.values[x].dtype
        raised = self.line("maximum", (x, self.literal(low, dtype)), dtype, np.inf)
        return self.line("minimum", (raised, self.literal(high, dtype)), dtype, max(abs(low), abs(high)))

    def bounded(self, x: int, bound: float) -> int:
        """The value, clipped if it may be larger than a bound."""
        return self.clip(x, -bound, bound) if self.values[x].bound > bound else x

    def within(self, x: int, domain: str) -> int:
        """The value, moved into the domain of an operator."""
        dtype, bound = self.values[x].dtype, self.values[x].bound
        if domain == "small":
            return self.bounded(x, 5)
        if domain == "unit":
            return self.clip(x, -0.9, 0.9)
        if domain == "exponent":
            return self.clip(x, -8, 8)
        if domain in ("positive", "nonzero", "above"):
            size = self.line("absolute", (x,), dtype, bound)
            least = self.literal({"positive": 0.25, "nonzero": 0.5, "above": 1.125}[domain], dtype)
            moved = self.line("add", (size, least), dtype, bound + 1)
            return self.line("copysign", (moved, x), dtype, bound + 1) if domain == "nonzero" else moved
        return self.bounded(x, _LARGEST)

    def cast(self, x: int, dtype: Any) -> int:
        """The value in another dtype, which has room for it."""
        dtype, old = np.dtype(dtype), self.values[x]
        if old.dtype == dtype:
            return x
        if dtype.kind == "b":
            return self.line("not_equal", (x, self.literal(0, old.dtype)), BOOL, 1)
        if old.dtype.kind == "f" and dtype.kind in "iu":
            x = self.clip(x, 0 if dtype.kind == "u" else -100, 100)
        cast = self.line("astype", (x,), dtype, self.values[x].bound if old.dtype.kind != "b" else 1)
        return self.bounded(cast, 4) if dtype.kind == "f" else cast

    def some(self, dtype: Any) -> int:
        """Any value, in this dtype; recent ones more often."""
        dtype = np.dtype(dtype)
        fitting = [number for number, value in enumerate(self.values) if value.dtype == dtype]
        if fitting and self.rng.random() < 0.9:
            place = int(len(fitting) * self.rng.power(2.0))
            return fitting[min(place, len(fitting) - 1)]
        if dtype.kind == "b" or self.rng.random() < 0.4:
            return self.cast(int(self.rng.integers(len(self.values))) if self.values else self.literal(1, INT32), dtype)
        if self.ndim and dtype.kind in "iu" and self.rng.random() < 0.5:
            strides = tuple(int(s) for s in self.rng.integers(-5, 6, self.ndim))
            return self.line("position", (), dtype, 2.0**63, int(self.rng.integers(-10, 10)), strides)
        number = self.rng.normal() * 2
        return self.literal(number if dtype.kind == "f" else round(abs(number)), dtype)

    # --- steps --------------------------------------------------------------------------------------------------------

    def apply(self, name: str, dtype: Any) -> int:
        """Apply an operator to values of a dtype."""
        operator = OPERATORS[name]
        dtype = np.dtype(dtype)
        operands = [self.some(dtype) for _ in range(operator.operands)]
        if operator.first:
            operands[0] = self.some(BOOL)
        if operator.last:
            operands[-1] = self.some(INT32)
        if dtype.kind == "f":
            wanted = _DOMAINS.get(name, ("any",) * operator.operands)
            operands = [
                x if self.values[x].dtype.kind == "b" else self.within(x, d)
                for x, d in zip(operands, wanted, strict=True)
            ]
        elif name in ("left_shift", "right_shift"):
            operands[1] = self.clip(operands[1], 0, dtype.itemsize * 8 + 1)
        sizes = [self.values[x].bound for x in operands]
        if name in _PRODUCTS and dtype.kind == "f":
            bound = max(sizes) ** 2 + (sizes[2] if name == "fma" else 0)
        else:
            bound = _BOUNDS.get(name, 2 * sum(sizes) + 16 if dtype.kind == "f" else 2.0**63)
        return self.line(name, operands, BOOL if operator.result == "bool" else dtype, bound)

    def reduce(self, dtype: Any) -> int:
        """Reduce a value over the inner axes."""
        dtype = np.dtype(dtype)
        choice = ["add", "maximum", "minimum", "multiply"][int(self.rng.choice(4, p=[0.5, 0.25, 0.15, 0.1]))]
        x = self.some(dtype)
        if dtype.kind == "f" and choice == "multiply":
            small = self.line("tanh", (self.bounded(x, 100),), dtype, 1)
            scaled = self.line("true_divide", (small, self.literal(self.points + 1, dtype)), dtype, 1)
            x = self.line("add", (scaled, self.literal(1, dtype)), dtype, 2)
            return self.line("multiply.reduce", (x,), dtype, 3)
        if dtype.kind == "f":
            x = self.bounded(x, _LARGEST)
        bound = self.values[x].bound * (self.points if choice == "add" else 1)
        return self.line(f"{choice}.reduce", (x,), dtype, bound)

    def grow(self, steps: int, dtypes: Sequence[Any], *, operators: Sequence[str] | None = None) -> None:
        """Append some random steps."""
        for _ in range(steps):
            dtype = np.dtype(dtypes[int(self.rng.integers(len(dtypes)))])
            if self.points and self.rng.random() < 0.3 and dtype.kind != "b":
                self.reduce(dtype)
                continue
            names = [n for n in operators or OPERATORS if _accepts(n, dtype)]
            if names:
                self.apply(str(self.rng.choice(names)), dtype)


def _accepts(name: str, dtype: Any) -> bool:
    """Whether an operator takes operands of a dtype."""
    return dtype.kind in OPERATORS[name].kinds or dtype.char in OPERATORS[name].kinds
