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
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from twopass.core.rule import BATCHED, IN_PLACE, METHODS, RULES, SELF_CALLING, Function, Rule
from twopass.errors import UnsupportedOperatorError, compose, name_of, spelled

__all__ = [
    "ANY",
    "COMPOSITE_EXAMPLES",
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
    "Unsupported",
    "batching",
    "bilinear",
    "call",
    "composite",
    "constant",
    "custom",
    "elementwise",
    "linear",
    "multilinear",
    "operand",
    "selection",
    "ufunc_method",
    "unsupported",
]

#: A partial derivative: a function of the output and the operands, or a constant.
Partial = Function | int | float | complex

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


# --- the kinds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Elementwise(Rule):
    """A function of each element alone, with broadcasting; see `elementwise`."""

    partials: tuple[Partial | None, ...] = ()
    reads: tuple[int, ...] = ()
    typed: ClassVar[bool] = False
    by_element: ClassVar[bool] = True

    def kept(self, slots: Sequence[int]) -> int:
        kept = 0
        for slot in slots:
            kept |= self.reads[slot]
        return kept

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        total = self.pull(slots[0], tangents[0], y, args, kwargs)
        for slot, tangent in zip(slots[1:], tangents[1:], strict=True):
            total = total + self.pull(slot, tangent, y, args, kwargs)
        return total

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        """A cotangent, or a tangent, times the partial derivative: both directions are the same."""
        partial = self.partials[slot]
        if self.selects is not None:
            return np.where(self.selects(slot, *args), cotangent, 0)
        if type(partial) is int:
            return cotangent if partial == 1 else -cotangent if partial == -1 else cotangent * partial
        if callable(partial):
            return cotangent * partial(y, *args)
        if partial is None:
            what = f"{spelled(self.function)} cannot be differentiated in argument {slot + 1}"
            raise UnsupportedOperatorError(compose(what, instead="Pass tp.stop_gradient(...) for that argument."))
        return cotangent * partial

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

    constant: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class Unsupported(Rule):
    """No rule: the call raises, and says what to write `instead`."""


# --- how they are registered ----------------------------------------------------------------------------------------


def _add(rule: Rule) -> None:
    if rule.function in RULES:
        raise ValueError(f"two rules for {rule.name}")
    RULES[rule.function] = rule


def _reads(partial: Partial | None) -> int:
    """Which of (y, operands...) a partial derivative reads: all but the parameters spelled with a leading _."""
    if not callable(partial):
        return 0
    parameters = inspect.signature(partial).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return -1
    return sum(1 << i for i, p in enumerate(parameters) if not p.name.startswith("_"))


def elementwise(
    function: Function,
    *partials: Partial | None,
    domain: Any = ANY,
    examples: Sequence[Example] = (),
    holomorphic: bool = True,
    signature: Function | None = None,
) -> None:
    """Register a function that acts on each element alone.

    Parameters
    ----------
    function : callable
        A ufunc, or another function of elements.
    *partials : callable or number or None
        Partial derivative in each operand, as ``p(y, *operands)``. A parameter whose name begins with an underscore
        is not read, so its value need not be kept for the backward pass. None raises when it is asked for.
    domain : intervals, or a sequence with intervals for each operand
        Where the conformance suite draws the operands.
    examples : sequence of Example
        Further calls for the conformance suite.
    holomorphic : bool
        Whether complex step applies.
    signature : callable, optional
        A function with the NumPy signature, for calls by keyword.
    """
    domains = [domain] * len(partials) if isinstance(domain[0][0], (int, float)) else list(domain)
    drawn = [call(*(operand(3, 4, domain=d) for d in domains))] if None not in partials else []
    _add(
        Elementwise(
            function,
            function,
            [*drawn, *examples],
            holomorphic=holomorphic,
            signature=inspect.signature(signature) if signature else None,
            arity=len(partials),
            promotes=True,
            partials=partials,
            reads=tuple(_reads(p) for p in partials),
        )
    )


def selection(function: Function, selects: Function, operands: Sequence[int], examples: Sequence[Example]) -> None:
    """Register a function that copies each element of the output from one of its operands.

    ``selects(slot, *args)`` is the mask of the elements copied from the operand at `slot`. The other elements of that
    operand contribute nothing, even where the derivative of what computed them is infinite or NaN. As in a partial
    derivative, a parameter whose name begins with an underscore is not read.
    """
    partials: list[Partial | None] = [1 if i in operands else None for i in range(max(operands) + 1)]
    # The first parameter is the slot, where a partial derivative has the output.
    reads = _reads(selects) & ~1
    _add(
        Elementwise(
            function,
            function,
            examples,
            arity=len(partials),
            partials=tuple(partials),
            selective=True,
            selects=selects,
            reads=tuple(reads for _ in partials),
        )
    )


def linear(
    function: Function,
    *,
    examples: Sequence[Example],
    call: Function | None = None,
    linear_part: Function | None = None,
    views: bool = False,
    joint: bool = False,
    structural: bool = False,
    selects: Function | None = None,
    holomorphic: bool = True,
) -> Callable[[Function], Function]:
    """Register the decorated transpose of a linear function.

    The transpose has the function's own parameters behind the cotangent, ``transpose(cotangent, a, axis=None, ...)``,
    where the operand is a `Spec` (shape and dtype only).

    Parameters
    ----------
    function : callable
        Linear in its first argument, or, if `joint`, in all its positional arguments together; the transpose then
        takes the slot first, and of the operands only that one: ``transpose(slot, cotangent, a, ...)``.
    examples : sequence of Example
        The sample domain.
    call : callable, optional
        Computes the function from its operands as leading positional arguments; by default `function` itself.
    linear_part : callable, optional
        For a function that may add a constant (``np.sum`` its ``initial``): the function without that constant.
    views : bool
        Whether the result may be a view of the operand.
    structural : bool
        Whether the matrix of the map has no negative entry, so that the elements that an output depends on can be
        found by applying the transpose to a mask.
    selects : callable, optional
        ``selects(slot, *args)``, the mask of the elements of an operand that the output depends on, or None for all.
    holomorphic : bool
        Whether the map is complex-linear (taking real parts or conjugates is only real-linear).
    """

    def register(transpose: Function) -> Function:
        parameters = list(inspect.signature(transpose).parameters.values())[1 + joint :]
        _add(
            Linear(
                function,
                call or function,
                examples,
                views=views,
                holomorphic=holomorphic,
                signature=inspect.Signature(parameters),
                arity=1 << 30 if joint else 1,
                transposes=(transpose,),
                joint=joint,
                structural=structural,
                linear_part=linear_part,
                selective=selects is not None,
                selects=selects,
            )
        )
        return transpose

    return register


def bilinear(
    function: Function, *transposes: Function, examples: Sequence[Example], signature: Function | None = None
) -> None:
    """Register a function linear in each operand, with its transpose in each: ``t(cotangent, *operands, ...)``."""
    _add(
        Linear(
            function,
            function,
            examples,
            signature=inspect.signature(signature) if signature else None,
            arity=len(transposes),
            transposes=transposes,
        )
    )


def multilinear(
    function: Function, *, examples: Sequence[Example], views: bool = False
) -> Callable[[Function], Function]:
    """Register the decorated transpose of a function of any number of operands, linear in each.

    The transpose takes the slot first: ``transpose(slot, cotangent, *operands, ...)``, where the operand at that slot
    is a `Spec`. The other parameters are keywords.
    """

    def register(transpose: Function) -> Function:
        _add(Linear(function, function, examples, views=views, transposes=(transpose,), variadic=True))
        return transpose

    return register


def custom(
    function: Function,
    *,
    push: Function,
    pull: Function,
    examples: Sequence[Example],
    call: Function | None = None,
    holomorphic: bool = True,
    outputs: bool = False,
    arity: int = 1 << 30,
    selects: Function | None = None,
    signature: Function | None = None,
) -> None:
    """Register both directions: ``push(slot, tangent, y, *args)`` and ``pull(slot, cotangent, y, *args)``.

    The first `arity` arguments may be traced; `selects` is as for `linear`. The names of the arguments are those of
    `pull`, unless `signature` is a function that has them.
    """
    parameters = list(inspect.signature(pull).parameters.values())[3:]
    _add(
        Custom(
            function,
            call or function,
            examples,
            holomorphic=holomorphic,
            signature=inspect.signature(signature) if signature else inspect.Signature(parameters),
            outputs=outputs,
            arity=arity,
            selective=selects is not None,
            selects=selects,
            push_forward=push,
            pull_back=pull,
        )
    )


def ufunc_method(method: str, *ufuncs: Function, self_calling: bool = False) -> Callable[[Function], Function]:
    """Register a method of the given ufuncs (of all, if none is given): ``handler(ufunc, *args, **kwargs)``."""

    def register(handler: Function) -> Function:
        for ufunc in ufuncs or (None,):
            METHODS[ufunc, method] = handler
            if self_calling:
                SELF_CALLING.add((ufunc, method))
        return handler

    return register


#: Examples of the composites, by function; the conformance suite checks them as it checks the rules.
COMPOSITE_EXAMPLES: dict[Function, Sequence[Example]] = {}


def composite(
    function: Function, *, examples: Sequence[Example], self_calling: bool = False, in_place: bool = False
) -> Callable[[Function], Function]:
    """Register a function written in terms of other NumPy functions; the decorated one has NumPy's signature.

    It is `self_calling` if it calls the function itself on detached operands, and `in_place` if it changes one.
    """

    def register(definition: Function) -> Function:
        if function in RULES:
            raise ValueError(f"two rules for {name_of(function)}")
        RULES[function] = definition
        if self_calling:
            SELF_CALLING.add(function)
        if in_place:
            IN_PLACE.add(function)
        COMPOSITE_EXAMPLES[function] = examples
        return definition

    return register


def batching(*functions: Function) -> Callable[[Function], Function]:
    """Register how some functions run on a whole batch; the others run example by example."""

    def register(rule: Function) -> Function:
        for function in functions:
            if function in BATCHED:
                raise ValueError(f"two batching rules for {name_of(function)}")
            BATCHED[function] = rule
        return rule

    return register


def constant(*functions: Function, traced: bool = False) -> None:
    """Register functions whose derivative is zero wherever it exists."""
    for function in functions:
        _add(Constant(function, function, traced=traced))


def unsupported(*functions: Function, instead: str) -> None:
    """Register functions that raise on traced arrays, with what to write instead."""
    for function in functions:
        _add(Unsupported(function, function, instead=instead))
