"""What a parameter may be, said by its annotation, and checked by `check`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import numbers
import operator
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np

from twopass.errors import ArgumentError, compose

__all__ = [
    "Count",
    "Finite",
    "Fraction",
    "Kind",
    "NonNegative",
    "NonNegativeCount",
    "OpenFraction",
    "Positive",
    "check",
    "function",
    "interval",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What a parameter may be: written into its annotation, ``Annotated[float, Kind(words, parse)]``.

    Parameters
    ----------
    words : str
        For the message.
    parse : callable
        Gives a value its one form; raises TypeError, ValueError or OverflowError for a wrong one.
    """

    words: str
    parse: Callable[[Any], Any]


def interval(text: str, number: type[int] | type[float] = float) -> Kind:
    """The numbers of an interval that is written as in mathematics.

    They become Python numbers, which unlike NumPy's float64 scalars leave float32 arrays float32.

    Examples
    --------
    >>> check("Dropout: rate", 1, Annotated[float, interval("[0, 1)")])
    Traceback (most recent call last):
        ...
    twopass.errors.ArgumentError: Dropout: rate must be a number in [0, 1), not 1 ...
    """
    low, high = map(float, text[1:-1].split(","))
    convert = operator.index if number is int else _real

    def parse(value: Any) -> float:
        found: float = convert(value)
        above = found >= low if text[0] == "[" else found > low
        below = found <= high if text[-1] == "]" else found < high
        if isinstance(value, bool) or not (above and below):
            raise ValueError
        return found

    return Kind(f"a {'whole ' * (number is int)}number in {text}", parse)


def function(words: str = "a function") -> Kind:
    """Anything that can be called."""
    return Kind(words, _function)


def _real(value: Any) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError
    return float(value)


def _function(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _member(options: tuple[Any, ...], value: Any) -> Any:
    return options[options.index(value)]


def _first(kinds: list[Kind], value: Any) -> Any:
    """The value as the first kind that allows it."""
    for kind in kinds[:-1]:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return kind.parse(value)
    return kinds[-1].parse(value)


Finite: TypeAlias = Annotated[float, interval("(-inf, inf)")]
Positive: TypeAlias = Annotated[float, interval("(0, inf)")]
NonNegative: TypeAlias = Annotated[float, interval("[0, inf)")]
#: A share or a decay rate below one.
Fraction: TypeAlias = Annotated[float, interval("[0, 1)")]
#: A share that is neither nothing nor all.
OpenFraction: TypeAlias = Annotated[float, interval("(0, 1)")]
Count: TypeAlias = Annotated[int, interval("[1, inf)", int)]
NonNegativeCount: TypeAlias = Annotated[int, interval("[0, inf)", int)]


def _kind(hint: Any) -> Kind | None:
    """What an annotation allows; None for one that is not checked."""
    arguments = get_args(hint)
    if hint is bool:
        return Kind("True or False", _boolean)
    if hint is NoneType:
        return Kind("None", functools.partial(_member, (None,)))
    if Callable in (hint, get_origin(hint)):
        return function()
    if get_origin(hint) is Literal:
        return Kind(f"one of {', '.join(map(repr, arguments))}", functools.partial(_member, arguments))
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in map(_kind, arguments) if kind is not None]
        words = " or ".join(kind.words for kind in kinds)
        return Kind(words, functools.partial(_first, kinds)) if len(kinds) == len(arguments) else None
    return next((note for note in arguments[1:] if isinstance(note, Kind)), None)


def check(name: str, value: Any, hint: Any) -> Any:
    """The value in the form that an annotation asks for.

    Checked are ``bool``, ``None``, ``Literal``, ``Callable``, what has a `Kind`, and unions of those.

    Parameters
    ----------
    name : str
        What the value is, for the message.
    value : any
        To be checked.
    hint : any
        The annotation.

    Raises
    ------
    ArgumentError
        Naming the parameter and what it may be.

    Examples
    --------
    >>> check("Dropout: rate", np.float32(0.5), Fraction)
    0.5
    >>> check("Dropout: rate", 1, Fraction | None)
    Traceback (most recent call last):
        ...
    twopass.errors.ArgumentError: Dropout: rate must be a number in [0, 1) or None, not 1 ...
    """
    kind = _kind(hint)
    if kind is None:
        return value
    try:
        return kind.parse(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(compose(f"{name} must be {kind.words}, not {value!r}")) from None
