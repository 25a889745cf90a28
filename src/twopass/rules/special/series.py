"""Power series, and functions that are found by asking for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass.errors import UnsupportedOperatorError, compose
from twopass.rules.kinds import Example, custom

__all__ = ["horner", "outputs", "refuse", "ufunc_of"]


def horner(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial with the given coefficients, that of the highest power first."""
    total = coefficients[0] + 0 * x
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


class _Probe:
    """Takes the place of an array, and answers with the ufunc that is called on it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> np.ufunc:
        return ufunc


def ufunc_of(call: Callable[[Any], Any]) -> Any:
    """The ufunc, of no public name, that a function of SciPy ends in."""
    return call(_Probe())


def outputs(
    ufunc: Any,
    partials: Callable[..., Sequence[Any]],
    *,
    slot: int,
    examples: Sequence[Example],
    holomorphic: bool = True,
) -> None:
    """Register a ufunc of several results, each an element by element function of the operand at `slot` alone.

    ``partials(y, *operands)`` gives the derivatives of all results.
    """

    def rates(which: int, y: Any, args: Any) -> Sequence[Any]:
        if which != slot:
            refuse(f"scipy.special.{ufunc.__name__}", which)
        return partials(y, *args)

    def push(which: int, tangent: Any, y: Any, *args: Any) -> Any:
        return tuple(tangent * slope for slope in rates(which, y, args))

    def pull(which: int, cotangents: Any, y: Any, *args: Any) -> Any:
        slopes = rates(which, y, args)
        # A result that nobody has read has the cotangent 0, which must not meet an infinite slope.
        terms = [
            np.where((ct == 0) & np.isinf(slope), 0, ct * slope) for ct, slope in zip(cotangents, slopes, strict=True)
        ]
        return sum(terms[1:], terms[0])

    custom(
        ufunc,
        push=push,
        pull=pull,
        call=lambda *args: ufunc(*args),
        outputs=True,
        holomorphic=holomorphic,
        examples=examples,
        signature=lambda *args: None,
    )


def refuse(function: str, slot: int) -> Any:
    """Raise because there is no derivative in an operand."""
    what = f"{function} cannot be differentiated in argument {slot + 1}"
    raise UnsupportedOperatorError(compose(what, instead="Pass tp.stop_gradient(...) for that argument."))
