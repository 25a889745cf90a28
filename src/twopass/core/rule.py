"""What the engine asks of a rule, and the registry of rules. The kinds of rules are in `twopass.rules.kinds`.

Cotangents are paired with tangents by ``Re(sum(cotangent * tangent))``, without a conjugate, so that the transpose of
a complex-linear map is its plain transpose; the public functions conjugate once on the way in and once on the way out.
"""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from twopass.errors import name_of

__all__ = [
    "BATCHED",
    "CHAPTERS",
    "CREATORS",
    "ENGINE",
    "IN_PLACE",
    "METHODS",
    "QUESTIONS",
    "RULES",
    "SELF_CALLING",
    "TEXTS",
    "Function",
    "Rule",
    "Spec",
    "detach",
    "invoke",
    "is_traced",
    "open_chapters",
]

Function = Callable[..., Any]


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
        return math.prod(self.shape)


def is_traced(value: Any) -> bool:
    """Whether a value is a traced array."""
    return hasattr(value, "_detached")


def detach(value: Any) -> Any:
    """A value without its traces: for what enters a rule as a mere constant."""
    detached = getattr(value, "_detached", None)
    return value if detached is None else detached()


@dataclass(frozen=True, eq=False)
class Rule:
    """What a trace needs to know of an operator.

    Attributes
    ----------
    function : callable
        The NumPy function (or ufunc, or operator) that names the rule.
    call : callable
        Computes the result; takes the operands as leading positional arguments.
    examples : sequence of twopass.rules.kinds.Example
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
    examples: Sequence[Any] = ()
    views: bool = False
    holomorphic: bool = True
    signature: inspect.Signature | None = None
    outputs: bool = False
    arity: int = 1 << 30
    selective: bool = False
    selects: Function | None = None
    promotes: bool = False
    preview: Function | None = None
    #: Whether the derivative is zero wherever there is one; the result is not traced then, or (`traced`) a constant.
    constant: ClassVar[bool] = False
    traced: bool = False
    #: Of an operator without a derivative: what to write instead.
    instead: str | None = None
    #: Whether the derivative asks for shapes and dtypes of operands whose values it does not read.
    typed: ClassVar[bool] = True
    #: Whether each element of the result depends on one element of each operand, with broadcasting.
    by_element: ClassVar[bool] = False

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


# --- the registry ----------------------------------------------------------------------------------------------------

#: Every operator that traced arrays know, by the NumPy function that names it: a `Rule`, or a composite's function.
RULES: dict[Function, Any] = {}

#: Methods of ufuncs, such as ``np.add.reduce``, by (ufunc or None for all, name): ``handler(ufunc, *args, **kwargs)``.
METHODS: dict[tuple[Function | None, str], Function] = {}

#: How functions run on a whole batch at once, where that is known: ``rule(call)``, see `twopass.rules.batching`.
BATCHED: dict[Function, Function] = {}

#: Composites, and methods of ufuncs as (ufunc, name), whose definition calls the function itself on detached operands:
#: where nothing is differentiated they are that function.
SELF_CALLING: set[Any] = set()

#: Composites that change an argument in place.
IN_PLACE: set[Function] = set()

#: Functions of types alone (what they tell is known even where values are not), and functions that give text.
QUESTIONS: set[Function] = set()
TEXTS: set[Function] = set()

#: Functions that make arrays out of nothing, or of lists: NumPy hands them over for their ``like=``.
CREATORS: set[Function] = set()

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
    return any(
        _hold_traced(_parts(value)) if type(value) in (tuple, list, slice) else is_traced(value) for value in values
    )


def _parts(value: Any) -> Iterable[Any]:
    return (value.start, value.stop, value.step) if isinstance(value, slice) else value
