"""The scalar operators: for each name, NumPy's where NumPy has the function, the code that computes it.

`OPERATORS` is the table. A definition says to which dtypes the operands are converted first, and has one function for
each kind of number that the operator takes; these read like formulas, and hold for any number of lanes.

With subnormal numbers flushed to zero (as kernels run) a subnormal operand or result counts as zero of its sign;
without it, subnormal numbers are right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.backends.llvm.builder import Function, Value
from twopass.backends.llvm.scalars import arithmetic as a
from twopass.backends.llvm.scalars import errorfunction as s
from twopass.backends.llvm.scalars import exponential as e
from twopass.backends.llvm.scalars import powers as p
from twopass.backends.llvm.scalars import trigonometric as t
from twopass.backends.llvm.scalars.number import Number, copysign, root, where

__all__ = ["OPERATORS", "Definition"]

DType = np.dtype[Any]
Formula = Callable[..., Number]


# --- to which dtypes operands are converted -------------------------------------------------------------------------


def to_result(dtypes: Sequence[DType], result: DType) -> list[DType]:
    """That of the result, as in arithmetic."""
    return [result] * len(dtypes)


def to_common(dtypes: Sequence[DType], _: DType) -> list[DType]:
    """One that holds all operands, as in comparisons."""
    return [np.result_type(*dtypes)] * len(dtypes)


def to_boolean(dtypes: Sequence[DType], _: DType) -> list[DType]:
    """Booleans, as in logic."""
    return [np.dtype(bool)] * len(dtypes)


def unconverted(dtypes: Sequence[DType], _: DType) -> list[DType]:
    """What they are, as in tests of one number."""
    return list(dtypes)


def condition_first(dtypes: Sequence[DType], result: DType) -> list[DType]:
    """A boolean, then that of the result."""
    return [np.dtype(bool), *[result] * (len(dtypes) - 1)]


def exponent_last(dtypes: Sequence[DType], result: DType) -> list[DType]:
    """That of the result, then what it is."""
    return [result, dtypes[1]]


# --- definitions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """One operator.

    Attributes
    ----------
    kinds : mapping of NumPy's ``dtype.kind`` (of the first converted operand) to the formula
        ``f`` floats, ``i`` signed and ``u`` unsigned integers, ``b`` booleans.
    conversion : callable
        The dtypes to which operands are converted, from their own and that of the result.
    ulps : float
        The largest error of a float result, in units in the last place of the exact one.
    """

    kinds: Mapping[str, Formula]
    conversion: Callable[[Sequence[DType], DType], list[DType]] = to_result
    ulps: float = 0.5

    def accepts(self, dtypes: Sequence[DType], result: DType) -> bool:
        """Whether there is code for operands and a result of these dtypes."""
        given = [*dtypes, result]
        if not all(d.kind in "biu" or d in (np.float32, np.float64) for d in given):
            return False
        return self.conversion(dtypes, result)[0].kind in self.kinds

    def emit(self, f: Function, operands: Sequence[Value], dtypes: Sequence[DType], result: DType) -> Value:
        """Write the code into `f`; booleans are ``i1`` there."""
        wanted = self.conversion(dtypes, result)
        numbers = [a.convert(Number(f, v), d, w) for v, d, w in zip(operands, dtypes, wanted, strict=True)]
        return self.kinds[wanted[0].kind](*numbers).value


class Comparison(Definition):
    """A comparison. No common dtype holds all signed and unsigned 64-bit integers; they are compared exactly."""

    def emit(self, f: Function, operands: Sequence[Value], dtypes: Sequence[DType], result: DType) -> Value:
        """Write the code into `f`."""
        if {d.kind for d in dtypes} != {"i", "u"} or np.result_type(*dtypes).kind != "f":
            return super().emit(f, operands, dtypes, result)
        wide = [np.dtype(f"{d.kind}8") for d in dtypes]
        x, y = (a.convert(Number(f, v), d, w) for v, d, w in zip(operands, dtypes, wide, strict=True))
        signed = self.kinds["i"]
        # A negative number is below every unsigned one; others compare as unsigned.
        if dtypes[0].kind == "i":
            return where(x < 0, signed(x.like(-1), x.like(0)), self.kinds["u"](x, y)).value
        return where(y < 0, signed(x.like(0), x.like(-1)), self.kinds["u"](x, y)).value


def floats(formula: Formula, ulps: float = 0.5) -> Definition:
    """An operator of floats."""
    return Definition({"f": formula}, ulps=ulps)


def integers(signed: Formula, unsigned: Formula | None = None, boolean: Formula | None = None) -> Definition:
    """An operator of integers; of booleans as well, if that is another formula or the same."""
    kinds = {"i": signed, "u": unsigned or signed}
    return Definition(kinds | ({"b": boolean} if boolean else {}))


def numbers(
    floating: Formula,
    signed: Formula | None = None,
    unsigned: Formula | None = None,
    boolean: Formula | None = None,
    *,
    ulps: float = 0.5,
) -> Definition:
    """An operator of floats and integers; what is not given is as the one before."""
    signed = signed or floating
    kinds = {"f": floating, "i": signed, "u": unsigned or signed}
    return Definition(kinds | ({"b": boolean} if boolean else {}), ulps=ulps)


def comparison(formula: Formula, predicate: str) -> Definition:
    """A comparison, with LLVM's predicate for unsigned integers."""
    unsigned = a.unsigned(predicate)
    return Comparison({"f": formula, "i": formula, "u": unsigned, "b": unsigned}, to_common)


def logic(formula: Formula) -> Definition:
    """An operator of truth values."""
    return Definition({"b": formula}, to_boolean)


def test(formula: Formula, integer: Formula | None) -> Definition:
    """A question about one number."""
    return Definition({"f": formula} | (dict.fromkeys("iub", integer) if integer else {}), unconverted)


def same(x: Number) -> Number:
    """The number itself."""
    return x


OPERATORS: dict[str, Definition] = {
    # sums and products
    "add": numbers(a.add, boolean=a.either),
    "subtract": numbers(a.subtract),
    "multiply": numbers(a.multiply, boolean=a.both),
    "true_divide": floats(a.true_divide),
    "negative": numbers(a.negative),
    "positive": numbers(same),
    "square": numbers(a.square),
    "reciprocal": numbers(a.reciprocal, a.reciprocal_signed, a.reciprocal_unsigned),
    "fma": numbers(a.multiply_add),
    "degrees": floats(a.degrees, 1.5),
    "radians": floats(a.radians, 1.5),
    # signs and extremes
    "absolute": numbers(a.absolute, a.absolute_integer, same, same),
    "fabs": floats(a.absolute),
    "sign": numbers(a.sign, a.sign, a.sign_unsigned),
    "copysign": floats(copysign),
    "heaviside": floats(a.heaviside),
    "maximum": numbers(a.maximum, a.larger, a.larger_unsigned, a.either),
    "minimum": numbers(a.minimum, a.smaller, a.smaller_unsigned, a.both),
    "fmax": numbers(a.fmax, a.larger, a.larger_unsigned, a.either),
    "fmin": numbers(a.fmin, a.smaller, a.smaller_unsigned, a.both),
    # rounding and remainders
    "floor": numbers(a.floor, same, same, same),
    "ceil": numbers(a.ceil, same, same, same),
    "trunc": numbers(a.trunc, same, same, same),
    "rint": floats(a.rint),
    "fmod": numbers(a.fmod, a.fmod_signed, a.remainder_unsigned),
    "remainder": numbers(a.remainder, a.remainder_signed, a.remainder_unsigned),
    "floor_divide": numbers(a.floor_divide, a.floor_divide_signed, a.floor_divide_unsigned),
    # exponentials and logarithms
    "exp": floats(e.exp, 1.5),
    "exp2": floats(e.exp2, 1.5),
    "expm1": floats(e.expm1, 2.5),
    "sigmoid": floats(e.sigmoid, 2.5),
    "log": floats(e.log, 2.0),
    "log2": floats(e.log2, 2.5),
    "log10": floats(e.log10, 3.0),
    "log1p": floats(e.log1p, 2.0),
    "logaddexp": floats(e.logaddexp, 1.5),
    "logaddexp2": floats(e.logaddexp2, 3.0),
    # hyperbolic functions
    "sinh": floats(e.sinh, 2.0),
    "cosh": floats(e.cosh, 1.5),
    "tanh": floats(e.tanh, 3.0),
    "arcsinh": floats(e.arcsinh, 2.5),
    "arccosh": floats(e.arccosh, 3.0),
    "arctanh": floats(e.arctanh, 3.0),
    # trigonometric functions
    "sin": floats(t.sin, 2.0),
    "cos": floats(t.cos, 2.0),
    "tan": floats(t.tan, 3.0),
    "arcsin": floats(t.arcsin, 3.0),
    "arccos": floats(t.arccos, 1.5),
    "arctan": floats(t.arctan, 3.0),
    "arctan2": floats(t.arctan2, 3.0),
    # powers and roots
    "power": numbers(p.power, a.power_integer, ulps=2.0),
    "float_power": floats(p.power, 2.0),
    "sqrt": floats(root),
    "cbrt": floats(p.cbrt, 1.0),
    "hypot": floats(p.hypot, 1.5),
    # the error function
    "erf": floats(s.erf, 2.5),
    "erfc": floats(s.erfc, 4.0),
    # comparisons and tests
    "less": comparison(a.less, "ult"),
    "less_equal": comparison(a.less_equal, "ule"),
    "greater": comparison(a.greater, "ugt"),
    "greater_equal": comparison(a.greater_equal, "uge"),
    "equal": comparison(a.equal, "eq"),
    "not_equal": comparison(a.not_equal, "ne"),
    "isfinite": test(a.isfinite, a.always),
    "isinf": test(a.isinf, a.never),
    "isnan": test(a.isnan, a.never),
    "signbit": test(a.signbit, None),
    # logic and bits
    "logical_and": logic(a.both),
    "logical_or": logic(a.either),
    "logical_xor": logic(a.differing),
    "logical_not": logic(a.inverted),
    "bitwise_and": integers(a.both, boolean=a.both),
    "bitwise_or": integers(a.either, boolean=a.either),
    "bitwise_xor": integers(a.differing, boolean=a.differing),
    "invert": integers(a.inverted, boolean=a.inverted),
    "left_shift": integers(a.left_shift),
    "right_shift": integers(a.right_shift, a.right_shift_unsigned),
    # selection and conversion
    "where": Definition({"b": where}, condition_first),
    "astype": numbers(same, boolean=same),
    "ldexp": Definition({"f": a.ldexp}, exponent_last, ulps=1.0),
}
