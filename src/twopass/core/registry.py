"""The registry of rules, and the functions that fill it: one for each kind of rule."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twopass.core.rule import (
    ANY,
    Constant,
    Custom,
    Elementwise,
    Example,
    Function,
    Linear,
    Partial,
    Rule,
    Unsupported,
    call,
    is_traced,
    name_of,
    operand,
)

__all__ = [
    "CHAPTERS",
    "COMPOSITE_EXAMPLES",
    "ENGINE",
    "METHODS",
    "RULES",
    "SELF_CALLING",
    "bilinear",
    "composite",
    "constant",
    "custom",
    "elementwise",
    "invoke",
    "linear",
    "multilinear",
    "open_chapters",
    "selection",
    "ufunc_method",
    "unsupported",
]

#: Every operator that traced arrays know, by the NumPy function that names it: a `Rule`, or a composite's function.
RULES: dict[Function, Any] = {}

#: Methods of ufuncs, such as ``np.add.reduce``, by (ufunc or None for all, name): ``handler(ufunc, *args, **kwargs)``.
METHODS: dict[tuple[Function | None, str], Function] = {}

#: Composites, and methods of ufuncs as (ufunc, name), whose definition calls the function itself on detached operands:
#: where nothing is differentiated they are that function.
SELF_CALLING: set[Any] = set()

#: Runs a registered operator on traced operands; set by `twopass.core.array`, which this module cannot import.
ENGINE: list[Callable[[Rule, tuple[Any, ...], dict[str, Any]], Any]] = []


#: Modules with the rules of other libraries, by the library's module; each is imported when there are traced arrays and
#: functions of that library.
CHAPTERS: dict[str, str] = {}


def open_chapters() -> None:
    """Import the rules of the libraries that have been imported."""
    for library, rules in list(CHAPTERS.items()):
        if library in sys.modules:
            importlib.import_module(rules)  # waits for another thread that is at it
            CHAPTERS.pop(library, None)


def invoke(function: Function, *operands: Any, **parameters: Any) -> Any:
    """Run a rule that is keyed by a function of our own, which NumPy's protocols cannot dispatch."""
    rule = RULES[function]
    assert isinstance(rule, Rule)
    if any(map(is_traced, operands)) or (parameters and _hold_traced(parameters.values())):
        return ENGINE[0](rule, operands, parameters)
    return rule.call(*operands, **parameters)


def _hold_traced(values: Iterable[Any]) -> bool:
    """Whether one of some parameters is, or has in it, a traced array: a captured index, or a mask."""
    return any(_hold_traced(value) if isinstance(value, (tuple, list)) else is_traced(value) for value in values)


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
    function: Function, *, examples: Sequence[Example], self_calling: bool = False
) -> Callable[[Function], Function]:
    """Register a function written in terms of other NumPy functions; the decorated one has NumPy's signature.

    It is `self_calling` if it calls the function itself on detached operands.
    """

    def register(definition: Function) -> Function:
        if function in RULES:
            raise ValueError(f"two rules for {name_of(function)}")
        RULES[function] = definition
        if self_calling:
            SELF_CALLING.add(function)
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
