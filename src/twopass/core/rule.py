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
    "METHODS",
    "NONZERO",
    "POSITIVE",
    "RULES",
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
    "bilinear",
    "call",
    "composite",
    "constant",
    "custom",
    "detach",
    "elementwise",
    "invoke",
    "is_traced",
    "linear",
    "multilinear",
    "name_of",
    "operand",
    "selection",
    "ufunc_method",
    "unsupported",
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
    """One call of an operator, with an `Operand` in the place of each differentiable argument."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


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


#: Every operator that traced arrays know, by the NumPy function that names it: a `Rule`, or a composite's function.
RULES: dict[Function, Any] = {}

#: Methods of ufuncs, such as ``np.add.reduce``, by (ufunc or None for all, name): ``handler(ufunc, *args, **kwargs)``.
METHODS: dict[tuple[Function | None, str], Function] = {}


def is_traced(value: Any) -> bool:
    """Whether a value is a traced array."""
    return hasattr(value, "_detached")


def detach(value: Any) -> Any:
    """A value without its traces: for what enters a rule as a mere constant."""
    detached = getattr(value, "_detached", None)
    return value if detached is None else detached()


#: Runs a registered operator on traced operands; set by `twopass.core.array`, which this module cannot import.
ENGINE: list[Callable[[Rule, tuple[Any, ...], dict[str, Any]], Any]] = []


def invoke(function: Function, *operands: Any, **parameters: Any) -> Any:
    """Run a rule that is keyed by a function of our own, which NumPy's protocols cannot dispatch."""
    rule = RULES[function]
    assert isinstance(rule, Rule)
    if any(map(is_traced, operands)):
        return ENGINE[0](rule, operands, parameters)
    return rule.call(*operands, **parameters)


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


def ufunc_method(method: str, *ufuncs: Function) -> Callable[[Function], Function]:
    """Register a method of the given ufuncs (of all, if none is given): ``handler(ufunc, *args, **kwargs)``."""

    def register(handler: Function) -> Function:
        for ufunc in ufuncs or (None,):
            METHODS[ufunc, method] = handler
        return handler

    return register


#: Examples of the composites, by function; the conformance suite checks them as it checks the rules.
COMPOSITE_EXAMPLES: dict[Function, Sequence[Example]] = {}


def composite(function: Function, *, examples: Sequence[Example]) -> Callable[[Function], Function]:
    """Register a function written in terms of other NumPy functions; the decorated one has NumPy's signature."""

    def register(definition: Function) -> Function:
        if function in RULES:
            raise ValueError(f"two rules for {name_of(function)}")
        RULES[function] = definition
        COMPOSITE_EXAMPLES[function] = examples
        return definition

    return register


def constant(*functions: Function, traced: bool = False) -> None:
    """Register functions whose derivative is zero wherever it exists."""
    for function in functions:
        _add(Constant(function, function, traced=traced))


def unsupported(*functions: Function, instead: str) -> None:
    """Register functions that raise on traced arrays, with what to write instead."""
    for function in functions:
        _add(Unsupported(function, function, instead=instead))
