"""The operators that the scalar code of a kernel may contain.

One table: an operator's name is that of its NumPy function, which is also its definition. The interpreter applies it;
a backend has code for each of these names. The operands of an operator have one dtype (`Operator.first` and
`Operator.last` are the exceptions); what NumPy would convert by itself, a kernel converts with ``"astype"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["BY_FUNCTION", "DTYPES", "OPERATORS", "REDUCTIONS", "Operator", "result_dtype"]

DType = np.dtype[Any]

#: The dtypes that elements of a kernel may have.
DTYPES = frozenset(np.dtype(code) for code in "?bBhHiIlLfd")

_FLOAT, _REAL, _INTEGER, _NUMBER = "f", "iuf", "iu", "biuf"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator on scalars.

    Attributes
    ----------
    function : callable
        Applies it to arrays, element by element; of a reduction, to an array and with ``axis`` and ``keepdims``.
    operands : int
        How many there are.
    work : float
        Arithmetic, in additions of vector code: an estimate.
    kinds : str
        Kinds of dtypes of the operands: ``"f"``, ``"i"``, ``"u"`` (and ``"b"`` for booleans), or ``"d"`` for float64.
    result : {"same", "bool"}
        Dtype of the result: that of the (last) operand, or bool.
    first : str
        Kinds of the first operand, where they are not those of the others, which it need not share the dtype of.
    last : str
        The same for the last operand; the result then has the dtype of the first.
    """

    function: Callable[..., Any]
    operands: int
    work: float = 1
    kinds: str = _REAL
    result: str = "same"
    first: str = ""
    last: str = ""


def _fma(a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, computed in the next wider type and then rounded."""
    wide = np.float64 if np.result_type(a, b, c) == np.float32 else np.longdouble
    return (np.multiply(a, b, dtype=wide) + c).astype(np.result_type(a, b, c))


def _sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1).astype(small.dtype) / (1 + small)


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of Python's floats, for arrays."""

    def apply(x: Any) -> Any:
        x = np.asarray(x)
        return np.array([function(number) for number in x.ravel().tolist()], dtype=x.dtype).reshape(x.shape)

    return apply


def _floats(work: float, *functions: np.ufunc) -> dict[str, Operator]:
    return {f.__name__: Operator(f, f.nin, work, _FLOAT) for f in functions}


def _numbers(work: float, *functions: np.ufunc, kinds: str = _REAL, result: str = "same") -> dict[str, Operator]:
    return {f.__name__: Operator(f, f.nin, work, kinds, result) for f in functions}


#: Every operator but the special ones of `Instruction`: "literal", "position", "astype", and the reductions.
OPERATORS: dict[str, Operator] = {
    # arithmetic
    **_numbers(1, np.add, np.subtract, np.multiply, np.negative, np.positive, np.square, np.absolute, np.sign),
    **_numbers(1, np.maximum, np.minimum, np.fmax, np.fmin, kinds=_NUMBER),
    **_numbers(10, np.remainder, np.fmod, np.floor_divide),
    "true_divide": Operator(np.true_divide, 2, 4, _FLOAT),  # which NumPy names "divide"
    **_floats(4, np.reciprocal),
    "fma": Operator(_fma, 3, 2, _FLOAT),
    **_floats(1, np.fabs, np.copysign, np.heaviside, np.floor, np.ceil, np.trunc, np.rint),
    **_floats(1, np.degrees, np.radians),
    # powers, exponentials and logarithms
    **_floats(6, np.sqrt),
    **_floats(12, np.exp, np.exp2),
    **_floats(15, np.log, np.log2, np.log10, np.expm1, np.log1p, np.cbrt),
    **_floats(40, np.power, np.logaddexp, np.logaddexp2),
    "float_power": Operator(np.float_power, 2, 40, "d"),
    "ldexp": Operator(np.ldexp, 2, 4, _FLOAT, last=_INTEGER),
    # trigonometry and its like
    **_floats(15, np.sin, np.cos, np.tanh, np.hypot),
    **_floats(25, np.tan, np.arcsin, np.arccos, np.arctan, np.arctan2),
    **_floats(25, np.sinh, np.cosh, np.arcsinh, np.arccosh, np.arctanh),
    "sigmoid": Operator(_sigmoid, 1, 15, _FLOAT),
    "erf": Operator(_each(math.erf), 1, 30, _FLOAT),
    "erfc": Operator(_each(math.erfc), 1, 30, _FLOAT),
    # questions
    **_numbers(1, np.less, np.less_equal, np.greater, np.greater_equal, kinds=_NUMBER, result="bool"),
    **_numbers(1, np.equal, np.not_equal, kinds=_NUMBER, result="bool"),
    **_numbers(1, np.logical_and, np.logical_or, np.logical_xor, np.logical_not, kinds="b", result="bool"),
    **_numbers(1, np.isfinite, np.isinf, np.isnan, np.signbit, kinds=_FLOAT, result="bool"),
    "where": Operator(np.where, 3, 1, _NUMBER, first="b"),
    # bits
    **_numbers(1, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, kinds="biu"),
    **_numbers(1, np.left_shift, np.right_shift, kinds=_INTEGER),
}

#: Reductions over the inner axes of a loop. The dtype stays.
REDUCTIONS: dict[str, Operator] = {
    "add.reduce": Operator(np.add.reduce, 1),
    "multiply.reduce": Operator(np.multiply.reduce, 1),
    "maximum.reduce": Operator(np.maximum.reduce, 1, kinds=_NUMBER),
    "minimum.reduce": Operator(np.minimum.reduce, 1, kinds=_NUMBER),
}

#: The operator that a NumPy function is.
BY_FUNCTION: dict[Callable[..., Any], str] = {operator.function: name for name, operator in OPERATORS.items()}
BY_FUNCTION |= {np.deg2rad: "radians", np.rad2deg: "degrees"}


def result_dtype(name: str, operands: Sequence[DType]) -> DType | None:
    """Dtype of an operator's result, or None if no kernel can compute it from operands of these dtypes.

    Examples
    --------
    >>> f4, f8 = np.dtype(np.float32), np.dtype(np.float64)
    >>> result_dtype("add", [f4, f4]), result_dtype("less", [f4, f4]), result_dtype("add", [f4, f8])
    (dtype('float32'), dtype('bool'), None)
    """
    operator = OPERATORS.get(name) or REDUCTIONS[name]
    if len(operands) != operator.operands or not DTYPES.issuperset(operands):
        return None
    middle = operands[bool(operator.first) : len(operands) - bool(operator.last)]
    accepted = middle[0].kind in operator.kinds or middle[0].char in operator.kinds
    fits = accepted and all(dtype == middle[0] for dtype in middle)
    fits = fits and (not operator.first or operands[0].kind in operator.first)
    fits = fits and (not operator.last or operands[-1].kind in operator.last)
    if not fits:
        return None
    return np.dtype(bool) if operator.result == "bool" else middle[0]
