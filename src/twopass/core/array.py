"""The traced array: stands in for an ndarray while a function is being differentiated.

NumPy hands every function that meets one to `Array.__array_ufunc__` or `Array.__array_function__`, which look the
function up in the registry and `apply` its rule. Nothing is ever turned into a plain ndarray behind the user's back:
``__array__``, ``float()`` and their like raise.

A traced array is immutable inside: an in-place change computes a new value and puts it in the same Python object, and
views (basic indexing, ``reshape``, ``.T``, ...) remember what they are views of, so that a change is seen through all
of them, as in NumPy.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from twopass.core.operators import as_array, holds_traced
from twopass.core.rule import BATCHED, CREATORS, ENGINE, IN_PLACE, METHODS, RULES, SELF_CALLING, Rule, open_chapters
from twopass.core.trace import Trace, Unknown, snapshot
from twopass.core.views import View, check_writeable, write_through
from twopass.detaching import refuse_plain_array
from twopass.errors import (
    BUFFER,
    CaptureError,
    DetachedError,
    UnknownShapeError,
    UnsupportedOperatorError,
    compose,
    spelled,
)

__all__ = ["IN_PLACE", "Array", "apply", "dispatch", "is_differentiated", "primal_of", "stand_in"]


def _bottom(value: Any) -> Any:
    """What is below any number of traces: a plain number or array, or what is known of it."""
    while type(value) is Array:
        value._refresh()
        value = value._primal
    return value


def primal_of(value: Any) -> Any:
    """The plain number or ndarray below any number of traces; raises for a captured array, which has no value."""
    value = _bottom(value)
    if isinstance(value, Unknown):
        value.refuse("this")
    return value


def stand_in(value: Any) -> Any:
    """What is below any number of traces, to ask for its type and layout: if it is not known, an example of it."""
    value = _bottom(value)
    return value.example if isinstance(value, Unknown) else value


def is_differentiated(value: Any) -> bool:
    """Whether a derivative is computed of a value at some level: it is not merely captured or batched."""
    while type(value) is Array:
        if not value._trace.captures or value._trace.differentiates:
            return True
        value = value._primal.values if isinstance(value._primal, Unknown) else value._primal
    return False


def apply(rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operator on operands of which at least one is traced, in the newest of their traces."""
    trace: Trace | None = None
    for arg in args:
        if type(arg) is Array:
            if arg._view is not None:
                arg._refresh()
            found = arg._trace
            if found is not trace and (trace is None or found.level > trace.level):
                trace = found
    if trace is None or (kwargs and _nests(kwargs.values())) or (type(args[-1]) is tuple and _nests(args[-1])):
        inside = _capturing((args, kwargs))  # captured arrays may be in an index, or a mask in the keywords
        if inside is not None and (trace is None or inside.level > trace.level):
            trace = inside
        if trace is None:
            raise AssertionError("apply() without a traced operand")
    values = list(args)
    slots: list[int] = []
    marks: list[Any] = []
    for i, arg in enumerate(args):
        if type(arg) is Array and arg._trace is trace:
            values[i] = arg._primal
            if arg._mark is not None:
                slots.append(i)
                marks.append(arg._mark)
    if rule.constant and not trace.captures:
        return _apply_constant(rule, trace, values, kwargs)
    if slots and slots[-1] >= rule.arity:
        what = f"{spelled(rule.function)} got a traced array as argument {slots[-1] + 1}"
        raise UnsupportedOperatorError(compose(what, why="It has no derivative in it.", instead=_PLAIN))
    first = values[0]  # the trace takes the list, and keeps no more in it than the backward pass needs
    y, mark = trace.record(rule, values, kwargs, slots, marks)
    if rule.outputs:
        return tuple(map(Array, (trace,) * len(y), y, mark))
    result = Array(trace, y, mark)
    if rule.views and _shares_memory(y, first) and type(args[0]) is Array:
        # An index that gives a view cannot change; the arguments of other functions may be lists.
        further = args[1:] if rule.function is operator.getitem else snapshot(args[1:])
        result._view = View(args[0], args[0]._version, rule, further, kwargs)
    return result


def _nests(values: Any) -> bool:
    """Whether some values may be, or have in them, traced arrays."""
    return any(type(value) in _NESTING for value in values)


_PLAIN = "Pass tp.stop_gradient(x) if no derivative should flow there."


def _capturing(arguments: Any) -> Trace | None:
    """The newest trace among arrays anywhere in some arguments, if it captures."""
    found: list[Array] = []
    _find(arguments, found)
    trace = max((array._trace for array in found), key=lambda trace: trace.level, default=None)
    return trace if trace is not None and trace.captures else None


def _apply_constant(rule: Rule, trace: Trace, values: list[Any], kwargs: dict[str, Any]) -> Any:
    """Run an operator whose derivative is zero: its result is no longer traced (at this level)."""
    result = rule.call(*values, **kwargs)
    if rule.traced and result.dtype.kind in "fc":
        return Array(trace, result, None)
    return result


def _shares_memory(y: Any, operand: Any) -> bool:
    """Whether a result is a view. Traced results are asked about their primals, which hold the memory."""
    if type(y) is not np.ndarray:
        y = stand_in(y)
    if type(operand) is not np.ndarray:
        operand = stand_in(operand)
    if not (isinstance(y, np.ndarray) and isinstance(operand, np.ndarray)):
        return False
    return y is operand or (y.base is not None and np.may_share_memory(y, operand))


def dispatch(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a NumPy function on traced arrays, however its arguments are spelled."""
    rule = RULES.get(function)
    if rule is None:
        open_chapters()
        rule = RULES.get(function)
    if rule is None:
        trace = _capturing((args, kwargs))
        if trace is not None and "out" not in kwargs:
            return trace.capture(function, args, kwargs)
        what = f"{spelled(function)} has no differentiation rule"
        instead = "Write it with other NumPy functions, give it one with tp.custom_rule, or pass tp.stop_gradient(x)."
        raise UnsupportedOperatorError(compose(what, instead=instead))
    if len(args) == 1 and not kwargs and isinstance(rule, Rule) and not rule.constant and rule.instead is None:
        return apply(rule, args, kwargs)  # nothing to sort out
    out, args, kwargs = _split_out(function, args, kwargs)
    if out is not None:
        traced = _any_traced(args) or _any_traced(kwargs.values())
        return _store(out, dispatch(function, args, kwargs) if traced else function(*args, **kwargs))
    if not isinstance(rule, Rule):
        return _dispatch_composite(function, rule, args, kwargs)
    if rule.instead is not None:
        trace = _capturing((args, kwargs))
        if trace is not None:
            return trace.capture(function, args, kwargs)
        raise UnsupportedOperatorError(
            compose(f"{spelled(function)} is not supported on traced arrays", instead=rule.instead)
        )
    if rule.constant:
        return _dispatch_constant(rule, args, kwargs)
    if _any_traced(kwargs.values()):
        args, kwargs = _positional(rule, args, kwargs)
    result = apply(rule, args, kwargs)
    # dtype=int makes a step function of any function: its derivative is zero, so its result is a plain number.
    if type(result) is Array and result.dtype.kind not in "fc" and not result._trace.captures:
        return result._primal
    return result


def _dispatch_composite(
    function: Callable[..., Any], definition: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a function by its definition; if that looks at values that a capture has not, record the function itself."""
    if function in SELF_CALLING or function in BATCHED:
        trace = _capturing((args, kwargs))
        if trace is not None and (function in SELF_CALLING or trace.batches):
            return trace.capture(function, args, kwargs)
    try:
        return definition(*args, **kwargs)
    except CaptureError as error:
        trace = _capturing((args, kwargs))
        if trace is None or function in IN_PLACE or isinstance(error, UnknownShapeError):
            raise
        return trace.capture(function, args, kwargs)


@functools.cache
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of a function that may be passed by position."""
    signature = getattr(RULES[function], "signature", None)
    if signature is None:
        try:
            signature = inspect.signature(function)
        except ValueError:
            return ()
    parameters = signature.parameters.values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _split_out(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Take ``out``, by keyword or by position, out of the arguments."""
    if "out" in kwargs:
        return kwargs["out"], args, {key: value for key, value in kwargs.items() if key != "out"}
    if len(args) == 1:
        return None, args, kwargs
    names = _names(function)[: len(args)]
    if "out" not in names:
        return None, args, kwargs
    place = names.index("out")
    return args[place], args[:place], {**dict(zip(names[place + 1 :], args[place + 1 :], strict=True)), **kwargs}


def _positional(rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Move operands that were passed by keyword to their positions."""
    if rule.signature is not None:
        names = list(rule.signature.parameters)
        bound = rule.signature.bind(*args, **kwargs).arguments
        count = min(rule.arity, max(i + 1 for i, name in enumerate(names) if type(bound.get(name)) is Array))
        if all(name in bound for name in names[:count]):
            rest = {name: value for name, value in bound.items() if name not in names[:count]}
            if not any(map(_is_differentiated, rest.values())):
                return tuple(bound[name] for name in names[:count]), rest
    elif not any(map(_is_differentiated, kwargs.values())):
        return args, kwargs
    keywords = ", ".join(f"{key}=" for key, value in kwargs.items() if _is_differentiated(value))
    what = f"{spelled(rule.function)} got a traced array as {keywords}"
    raise UnsupportedOperatorError(compose(what, why="It has no derivative in it.", instead=_PLAIN))


def _dispatch_constant(rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a constant operator on operands that may sit anywhere in its arguments."""
    found: list[Array] = []
    _find(args, found)
    _find(kwargs, found)
    if not found:
        raise AssertionError(f"np.{rule.name} was dispatched without a traced operand")
    trace = max((array._trace for array in found), key=lambda trace: trace.level)
    if trace.captures:
        return trace.capture(rule.function, args, kwargs)
    return _apply_constant(rule, trace, list(_strip(args, trace)), _strip(kwargs, trace))


def _find(value: Any, found: list[Array]) -> None:
    if type(value) is Array:
        value._refresh()
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _find(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _find(item, found)
    elif isinstance(value, slice):
        _find((value.start, value.stop, value.step), found)


def _strip(value: Any, trace: Trace) -> Any:
    """Replace the arrays of one trace by their primals."""
    if type(value) is Array:
        return value._primal if value._trace is trace else value
    if isinstance(value, (tuple, list)):
        return type(value)(_strip(item, trace) for item in value)
    if isinstance(value, dict):
        return {key: _strip(item, trace) for key, item in value.items()}
    return value


def _any_traced(values: Any) -> bool:
    for value in values:  # noqa: SIM110 - several times faster than any(...), and most calls come here
        if type(value) is Array:
            return True
    return False


def _is_differentiated(value: Any) -> bool:
    """Whether a value is traced, and not merely captured."""
    return type(value) is Array and not value._trace.captures


def _store(out: Any, result: Any) -> Any:
    """Put a result, or several, where ``out=`` says."""
    if isinstance(out, tuple):
        if len(out) == 1:
            return _store(out[0], result)
        return tuple(r if o is None else _store(o, r) for o, r in zip(out, result, strict=True))
    if type(out) is Array:
        out._check_cast(result)
        return out._set(_broadcast_into(out, result))
    if type(result) is Array:
        if result._trace.captures:
            result._primal.refuse("writing into a plain array with out=")
        raise DetachedError(
            compose(
                "a traced result cannot be written into a plain ndarray with out=",
                why="Its derivative would be lost.",
                instead=f"Leave out= away, or {BUFFER}.",
            )
        )
    out[...] = result
    return out


def _broadcast_into(target: Array, value: Any) -> Any:
    """A value with the shape and dtype of the array that it is stored in."""
    shape = np.shape(value)
    if shape != target.shape:
        value = np.broadcast_to(value, target.shape)
    return value if value.dtype == target.dtype else value.astype(target.dtype)


def _laid_out(target: Array, value: Any) -> Any:
    """A value in memory as the target is, so that the functions that give a view of the one do so of the other."""
    have, want = stand_in(value), stand_in(target)
    if not (isinstance(have, np.ndarray) and isinstance(want, np.ndarray)) or have.strides == want.strides:
        return value
    slowest_first = sorted(range(want.ndim), key=lambda axis: -abs(want.strides[axis]))
    return np.transpose(np.copy(np.transpose(value, slowest_first), order="C"), np.argsort(slowest_first))


def _attribute(name: str) -> Any:
    """An attribute that is the primal's."""
    return property(operator.attrgetter(f"_primal.{name}"))


class Array:
    """A traced array. Users meet it inside the functions that they differentiate, and treat it as an ndarray.

    Shapes, dtypes, operators, methods, indexing and in-place assignment are NumPy's. Comparisons give plain booleans.
    What is a NumPy function by another name (operators, methods) is in `twopass.rules.ndarray`.
    """

    __slots__ = ("__weakref__", "_mark", "_primal", "_trace", "_version", "_view")
    __hash__ = None  # type: ignore[assignment]  # as for ndarray
    __array_priority__ = 1000.0
    #: What `twopass.pullbacks` hands calls to; `twopass.api.custom` puts it here.
    __custom_rule__: ClassVar[Any] = None

    def __init__(self, trace: Trace, primal: Any, mark: Any) -> None:
        self._trace = trace
        self._primal = primal
        self._mark = mark
        self._view: View | None = None
        self._version = 0

    # --- in-place changes and views -------------------------------------------------------------------------------

    def _clone(self) -> Array:
        """The value in another object, out of reach of in-place changes."""
        self._refresh()
        return Array(self._trace, self._primal, self._mark)

    def _refresh(self) -> None:
        """If this is a view of an array that was changed since, look again."""
        if self._view is None or self._view.seen == self._view.root._version:
            return
        chain: list[Array] = []
        array: Array = self
        while array._view is not None:
            chain.append(array)
            array = array._view.base
        for array in reversed(chain):
            view = array._view
            assert view is not None
            if view.version != view.base._version:
                base = view.base
                seen = apply(view.rule, (base._clone(), *view.args), view.kwargs)
                array._trace, array._primal, array._mark = seen._trace, seen._primal, seen._mark
                array._version += 1
                view.version = base._version
            view.seen = view.root._version

    def _become(self, value: Any) -> None:
        """Take the value of another array (or a plain one)."""
        if type(value) is not Array and self._trace.captures:
            value = self._trace.constant(value)
        if type(value) is Array:
            value._refresh()
            self._trace, self._primal, self._mark = value._trace, value._primal, value._mark
        else:
            self._primal, self._mark = value, None
        self._version += 1

    def _set(self, value: Any) -> Array:
        """Replace the whole value in place, and write it through to what this is a view of."""
        check_writeable(self._view)
        self._refresh()
        array: Array = self
        while array._view is not None:
            value = write_through(array._view, array._view.base._clone(), value)
            array = array._view.base
        if array._trace.captures:
            array._trace.check_writeable(array._primal)
        # The views on the way notice the new version, and look again when they are used.
        array._become(_laid_out(array, value))
        return self

    def _replace(self, result: Any) -> Any:
        """Take the result of an operation in place, as in ``x += y``."""
        if not isinstance(stand_in(self), np.ndarray):
            return result  # NumPy scalars are immutable: += makes a new one
        self._check_cast(result)
        if np.shape(result) != self.shape:
            what = f"an in-place operation cannot change the shape from {self.shape} to {np.shape(result)}"
            raise ValueError(compose(what, instead="Write x = x + y instead of x += y."))
        return self._set(_broadcast_into(self, result))

    def _check_cast(self, value: Any) -> None:
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if not np.can_cast(dtype, self.dtype, casting="same_kind"):
            what = f"a {dtype} result cannot be stored in an array of {self.dtype}"
            raise TypeError(compose(what, instead=f"Make the array {dtype} with .astype before the assignment."))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._refresh()
        if not isinstance(stand_in(self), np.ndarray):
            raise TypeError(compose("a NumPy scalar does not support item assignment", instead="Use np.where."))
        if isinstance(value, (list, tuple)):
            value = as_array(value)
        if type(value) is Array:
            value._refresh()
            if value._view is not None and value._view.is_current(self, index):
                return  # the second half of x[index] += y: the view has written itself through
            self._check_cast_assignment(value)
        elif not hasattr(value, "dtype"):
            value = np.asarray(value, dtype=self.dtype if np.isscalar(value) else None)
        if value.dtype != self.dtype:
            value = value.astype(self.dtype)
        if type(index) is Array and index.dtype.kind == "b" and value.ndim <= self.ndim - index.ndim:
            # A captured mask: where it is true is not known, but what the elements become is.
            mask: Any = np.reshape(index, index.shape + (1,) * (self.ndim - index.ndim))
            self._set(np.where(mask, value, self._clone()))
            return
        self._set(apply(RULES[operator.setitem], (self._clone(), value), {"index": index}))

    def _check_cast_assignment(self, value: Any) -> None:
        """A traced value must survive the assignment: an integer array would round it and lose its derivative."""
        if self.dtype.kind not in "fc" and value.dtype.kind in "fc" and is_differentiated(value):
            what = f"a traced {value.dtype} value cannot be assigned into an array of {self.dtype}"
            why = "It would be rounded, and its derivative lost."
            raise DetachedError(compose(what, why=why, instead="Make the array a float array."))

    # --- what an ndarray tells about itself -----------------------------------------------------------------------

    shape, dtype, ndim, size = map(_attribute, ("shape", "dtype", "ndim", "size"))

    def __len__(self) -> int:
        return len(self._primal)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        known = _bottom(self)
        return repr(known) if isinstance(known, Unknown) else f"Traced({known!r})"

    def __str__(self) -> str:
        known = _bottom(self)
        return repr(self) if isinstance(known, Unknown) else str(known)

    def __format__(self, spec: str) -> str:
        known = _bottom(self)
        return repr(self) if isinstance(known, Unknown) else format(known, spec)

    def __bool__(self) -> bool:
        # Truth is a comparison with zero: it has no derivative to lose.
        known = _bottom(self)
        if isinstance(known, Unknown):
            known.refuse("a decision of Python (if, while, and, or, not, assert)")
        return bool(known)

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def _detached(self) -> Any:
        """The value without this trace (and, by the operators of older traces, without them)."""
        self._refresh()
        return self._trace.detached(self)

    def __copy__(self) -> Array:
        return self._clone()

    def __deepcopy__(self, memo: Any) -> Array:
        return self._clone()

    # --- NumPy's protocols ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Run a ufunc, or a method of one."""
        if method == "__call__":
            rule = RULES.get(ufunc)
            if kwargs or not isinstance(rule, Rule) or rule.instead is not None:
                return _call_ufunc(ufunc, inputs, kwargs)
            for arg in inputs:
                if isinstance(arg, (list, tuple)):
                    return _call_ufunc(ufunc, inputs, kwargs)
            return apply(rule, inputs, kwargs)
        handler = METHODS.get((ufunc, method)) or METHODS.get((None, method))
        if handler is None or (ufunc, method) in SELF_CALLING:
            trace = _capturing((inputs, kwargs))
            if trace is not None and "out" not in kwargs:
                return trace.capture(getattr(ufunc, method), inputs, kwargs)
        if handler is None:
            what = f"{spelled(ufunc)}.{method} is not supported on traced arrays"
            raise UnsupportedOperatorError(compose(what, instead="Write it with other NumPy functions."))
        kwargs = dict(kwargs)
        out = kwargs.pop("out", None)
        result = handler(ufunc, *inputs, **kwargs)
        return result if out is None else _store(out, result)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a NumPy function that is not a ufunc."""
        if function in CREATORS:
            return self._create(function, args, kwargs)
        return dispatch(function, args, kwargs)

    def _create(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``np.zeros(shape, like=x)``: a buffer that traced values may be assigned into; integers are plain."""
        if not args or not holds_traced(args[0]):
            made = function(*args, **kwargs)
            if self._trace.captures:
                return self._trace.constant(made)
            return Array(self._trace, made, None) if made.dtype.kind in "fc" else made
        # np.array([x[0], 1.0], like=x): an array of traced values.
        source = as_array(args[0])
        dtype = kwargs.get("dtype", args[1] if len(args) > 1 else None)
        return source.astype(dtype or source.dtype, copy=function is np.array)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, but for what all examples of a batch share."""
        known = _bottom(self)
        if isinstance(known, Unknown):
            known.refuse("np.asarray, use as the index of a plain array, or assignment into one")
        if self._trace.captures:
            return np.asarray(self._primal, *args, **kwargs)
        refuse_plain_array()

    def __getitem__(self, index: Any) -> Any:
        return apply(RULES[operator.getitem], (self, index), {})

    def __getattr__(self, name: str) -> Any:
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            what = f"the ndarray attribute .{name} is not supported on traced arrays"
            raise UnsupportedOperatorError(compose(what, instead="Use a NumPy function, or tp.stop_gradient(x)."))
        raise AttributeError(f"a traced array has no attribute {name!r}")


#: Types of which a value may hold a traced array.
_NESTING = frozenset({Array, tuple, list, dict, slice})


def _call_ufunc(ufunc: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc with keywords: ``out=`` and ``where=`` are done by assignment, the others are NumPy's."""
    inputs = tuple(as_array(arg) if isinstance(arg, (list, tuple)) else arg for arg in inputs)
    kwargs = dict(kwargs)
    where = kwargs.pop("where", True)
    if where is True:
        return dispatch(ufunc, inputs, kwargs)
    out = kwargs.pop("out", None)
    if out is None:
        what = f"np.{ufunc.__name__} with where= and without out= leaves elements undefined"
        raise UnsupportedOperatorError(compose(what, instead="Pass out=np.zeros_like(x), or use np.where."))
    out = out[0]
    with np.errstate(all="ignore"):  # NumPy computes only where `where` is true, so it would not warn either
        result = dispatch(ufunc, inputs, kwargs) if _any_traced(inputs) else ufunc(*inputs, **kwargs)
    return _store(out, np.where(where, result, out._clone() if type(out) is Array else out))


ENGINE[:] = [apply]
