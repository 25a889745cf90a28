"""Differentiation rules: each derivative is written once and serves both modes.

A rule belongs to a NumPy function, which is the operator's only name. There are four kinds:

==============  ==========================================================================  =========================
kind            stated as                                                                   for example
==============  ==========================================================================  =========================
`elementwise`   partial derivatives ``p(y, *operands)``                                     ``tanh``, ``multiply``
`linear`        the transpose ``(cotangent, *arguments) -> cotangent of the operand``       ``sum``, ``reshape``
`bilinear`      one transpose for each operand (`multilinear`: one that is told which)      ``matmul``, ``einsum``
`custom`        a push-forward and a pull-back                                              ``prod``, ``max``
==============  ==========================================================================  =========================

and three ways to do without one: `composite` (written in terms of other NumPy functions), `constant` (the derivative
is zero wherever it exists: comparisons, rounding, integer results) and `unsupported` (raises, and says what to write
instead). Rules are plain NumPy code: applied to traced arrays they are differentiated in turn.

Cotangents are paired with tangents by ``Re(sum(cotangent * tangent))``, without a conjugate, so that the transpose of
a complex-linear map is its plain transpose; the public functions conjugate once on the way in and once on the way out.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from twopass.errors import UnsupportedOperatorError, compose

__all__ = [
    "ANY",
    "NONZERO",
    "POSITIVE",
    "UNIT",
    "Constant",
    "Custom",
    "Elementwise",
    "Example",
    "Linear",
    "Operand",
    "Partial",
    "Rule",
    "Spec",
    "Unsupported",
    "call",
    "detach",
    "is_traced",
    "name_of",
    "operand",
]

Function = Callable[..., Any]
#: A partial derivative: a function of the output and the operands, or a constant.
Partial = Function | int | float | complex


class Spec(NamedTuple):
    """Shape and dtype of an operand whose value the backward pass does not need."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


# --- sample domains: what the conformance suite feeds to each rule -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Operand:
    """A random array that an example asks for: its shape and the interval (or intervals) that it is drawn from."""

    shape: tuple[int, ...]
    intervals: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One call of an operator, with an `Operand` in the place of each differentiable argument.

    What has a derivative may be a function `of` the result only: of eigenvectors, what does not depend on their signs
    and phases.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    of: Function | None = None

    def seen_by(self, of: Function) -> Example:
        """The same call, of whose result only a function is differentiated."""
        return Example(self.args, self.kwargs, of)


ANY = ((-2.0, 2.0),)
POSITIVE = ((0.2, 2.0),)
NONZERO = ((-2.0, -0.2), (0.2, 2.0))
UNIT = ((-0.9, 0.9),)


def operand(*shape: int, domain: tuple[tuple[float, float], ...] = ANY) -> Operand:
    """An operand of an example, drawn from `domain`."""
    return Operand(shape, domain)


def call(*args: Any, **kwargs: Any) -> Example:
    """An example call."""
    return Example(args, kwargs)


def name_of(function: Function) -> str:
    """The name of a NumPy function, ufunc or operator as users write it, without the ``np.``.

    Examples
    --------
    >>> name_of(np.tanh), name_of(np.linalg.norm)
    ('tanh', 'linalg.norm')
    """
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    parts = [part for part in module.split(".")[1:] if not part.startswith("_")]
    return ".".join([*parts, name]) if module.startswith("numpy") else name


def is_traced(value: Any) -> bool:
    """Whether a value is a traced array."""
    return hasattr(value, "_detached")


def detach(value: Any) -> Any:
    """A value without its traces: for what enters a rule as a mere constant."""
    detached = getattr(value, "_detached", None)
    return value if detached is None else detached()


# --- the kinds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rule:
    """What a trace needs to know of an operator.

    Attributes
    ----------
    function : callable
        The NumPy function (or ufunc, or operator) that names the rule.
    call : callable
        Computes the result; takes the operands as leading positional arguments.
    examples : sequence of Example
        The sample domain. The conformance suite fails for a rule without one.
    views : bool
        Whether the result may share memory with the first operand.
    holomorphic : bool
        Whether `call` accepts complex operands and is complex-differentiable, so that complex step applies.
    signature : inspect.Signature or None
        Names of the operands, for calls that pass them by keyword.
    outputs : bool
        Whether `call` returns a tuple of arrays.
    arity : int
        How many leading arguments may be traced.
    selective : bool
        Whether the output does not depend on some elements of some operands; `select` then tells which.
    selects : callable or None
        ``selects(slot, *args)``, what `select` returns, for a selective rule.
    promotes : bool
        Whether the derivative computes with the operands themselves, so that integers among them must become floats.
    preview : callable or None
        Gives some result of the type that `call` gives, at little cost; for a `call` that takes long.
    """

    function: Function
    call: Function
    examples: Sequence[Example] = ()
    views: bool = False
    holomorphic: bool = True
    signature: inspect.Signature | None = None
    outputs: bool = False
    arity: int = 1 << 30
    selective: bool = False
    selects: Function | None = None
    promotes: bool = False
    preview: Function | None = None
    constant: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """The operator's name as users write it."""
        return name_of(self.function)

    def kept(self, slots: Sequence[int]) -> int:
        """Bit mask of what the backward pass reads: bit 0 the output, bit ``i + 1`` argument ``i``."""
        return -1

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        """Tangent of the output, from the tangents of the operands at `slots`."""
        raise NotImplementedError

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        """Cotangent of the operand at `slot`, before un-broadcasting."""
        raise NotImplementedError

    def pulls(self, slots: Sequence[int], cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> list[Any]:
        """Cotangents of several operands."""
        return [self.pull(slot, cotangent, y, args, kwargs) for slot in slots]

    def select(self, slot: int, args: Sequence[Any], kwargs: Any) -> Any:
        """Boolean mask of the elements of an operand, as broadcast, that the output depends on; None for all."""
        assert self.selects is not None
        return self.selects(slot, *args, **kwargs)

    def carry(self, slot: int, alive: Any, args: Sequence[Any], kwargs: Any) -> Any:
        """Which elements of the operand reach an output element that is `alive`; None if that is not known."""
        return None


@dataclass(frozen=True, eq=False)
class Elementwise(Rule):
    """A function of each element alone, with broadcasting; see `elementwise`."""

    partials: tuple[Partial | None, ...] = ()
    reads: tuple[int, ...] = ()

    def kept(self, slots: Sequence[int]) -> int:
        if len(slots) == 1:
            return self.reads[slots[0]]
        return functools.reduce(operator.or_, [self.reads[slot] for slot in slots])

    def _times_partial(self, slot: int, factor: Any, y: Any, args: Sequence[Any]) -> Any:
        """A tangent or cotangent times the partial derivative in one operand: the same in both directions."""
        if self.selects is not None:
            return np.where(self.selects(slot, *args), factor, 0)
        partial = self.partials[slot]
        if type(partial) is int:
            return factor if partial == 1 else -factor if partial == -1 else factor * partial
        if callable(partial):
            return factor * partial(y, *args)
        if partial is None:
            what = f"np.{self.name} cannot be differentiated in argument {slot + 1}"
            raise UnsupportedOperatorError(compose(what, instead="Pass tp.stop_gradient(...) for that argument."))
        return factor * partial

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        total = self._times_partial(slots[0], tangents[0], y, args)
        for slot, tangent in zip(slots[1:], tangents[1:], strict=True):
            total = total + self._times_partial(slot, tangent, y, args)
        return total

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self._times_partial(slot, cotangent, y, args)

    def carry(self, slot: int, alive: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return alive


@dataclass(frozen=True, eq=False)
class Linear(Rule):
    """A function linear in its operands, together or one by one; see `linear`, `bilinear` and `multilinear`."""

    transposes: tuple[Function, ...] = ()
    joint: bool = False
    variadic: bool = False
    structural: bool = False
    linear_part: Function | None = None

    def kept(self, slots: Sequence[int]) -> int:
        # A jointly linear map needs no operand at all (its parameters are keywords); any other, for each slot, all the
        # arguments but that one.
        if self.joint:
            return 0
        return ~(1 | 1 << slots[0] + 1) if len(slots) == 1 else ~1

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        if self.joint:
            given = dict(zip(slots, tangents, strict=True))
            operands = [given.get(i, np.zeros_like(arg)) for i, arg in enumerate(args)]
            return self.call(*operands, **kwargs)
        apply = self.linear_part or self.call
        total = None
        for slot, tangent in zip(slots, tangents, strict=True):
            term = apply(*args[:slot], tangent, *args[slot + 1 :], **kwargs)
            total = term if total is None else total + term
        return total

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        if self.joint:
            return self.transposes[0](slot, cotangent, args[slot], **kwargs)
        if self.variadic:
            return self.transposes[0](slot, cotangent, *args, **kwargs)
        return self.transposes[slot](cotangent, *args, **kwargs)

    def carry(self, slot: int, alive: Any, args: Sequence[Any], kwargs: Any) -> Any:
        if not self.structural:
            return None
        return self.pull(slot, alive.astype(np.float64), None, args, kwargs) != 0


@dataclass(frozen=True, eq=False)
class Custom(Rule):
    """Both directions spelled out; see `custom`."""

    push_forward: Function | None = None
    pull_back: Function | None = None

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        assert self.push_forward is not None
        total = None
        for slot, tangent in zip(slots, tangents, strict=True):
            term = self.push_forward(slot, tangent, y, *args, **kwargs)
            if total is None:
                total = term
            elif self.outputs:
                total = tuple(a + b for a, b in zip(total, term, strict=True))
            else:
                total = total + term
        return total

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        assert self.pull_back is not None
        return self.pull_back(slot, cotangent, y, *args, **kwargs)


@dataclass(frozen=True, eq=False)
class Constant(Rule):
    """Zero derivative wherever there is one: the result is not traced (or, if `traced`, a constant of the trace)."""

    traced: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "constant", True)


@dataclass(frozen=True, eq=False)
class Unsupported(Rule):
    """No rule: the call raises, and says what to write instead."""

    instead: str = ""
