"""Derivatives of the user's own, and places where none should flow."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from twopass import tree
from twopass.api.reverse import vjp as differentiate_reverse
from twopass.api.tracing import Function, check_like, conjugated
from twopass.api.vmap import axes_of_leaves, one_by_one, vmap
from twopass.core.array import Array, apply, is_differentiated
from twopass.core.rule import Rule, detach
from twopass.core.trace import Trace, Unknown
from twopass.errors import ArgumentError, CaptureError, DetachedError, compose, name_of
from twopass.rules.batching import Batched, Call

__all__ = ["UserFunction", "by_position", "custom_rule", "refuse_closure", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The same values, through which no derivative flows: ``d stop_gradient(x) / dx = 0``.

    Parameters
    ----------
    x : tree of arrays
        Traced or not.

    Returns
    -------
    tree of plain arrays

    Examples
    --------
    >>> import twopass as tp
    >>> tp.grad(lambda x: x * tp.stop_gradient(x))(3.0)
    3.0
    """
    return tree.map(detach, x)


class _UserCall:
    """One call of a function with derivatives of the user's own.

    The leaves of the arguments are the operands, the leaves of the result the outputs. Where only one direction was
    given, the other one is its transpose, which reverse mode finds because each is a linear function.
    """

    def __init__(self, owner: UserFunction, structure: tree.Structure, trace: Trace) -> None:
        self.owner = owner
        self.structure = structure
        self.trace = trace  # that the call belongs to
        self.result = structure  # of the output, known after the run
        self.pullback: Callable[..., Any] | None = None
        self.pulled: tuple[Any, list[Any]] = (None, [])

    def args(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, from their leaves."""
        return tuple(tree.unflatten(self.structure, leaves))

    def run(self, *leaves: Any) -> tuple[Any, ...]:
        """Compute the function; the leaves of its result."""
        args = self.args(leaves)
        if any(type(leaf) is Array for leaf in leaves):
            out = self.owner(*args)  # older traces know this rule, too
        else:
            out, self.pullback = self.owner.run(args)
        flat, self.result = tree.flatten(out)
        self.check(flat)
        # Copies: the function may keep an array that it returns, and change it.
        return tuple(leaf if type(leaf) is Array else np.array(leaf)[()] for leaf in flat)

    def push(self, given: dict[int, Any], y: Sequence[Any], args: Sequence[Any]) -> tuple[Any, ...]:
        """Tangents of the outputs."""
        if self.owner.has_push:
            directions = self.args([given.get(i, _zeros(arg)) for i, arg in enumerate(args)])
            out = _called(self.owner.push, self.args(args), directions, tree.unflatten(self.result, y))
        else:
            out = self._transposed([given.get(i, _cotangent(arg, None)) for i, arg in enumerate(args)], y, args)
        tangents = check_like(out, y, self.result, "tangent returned by jvp")
        self.check(tangents)
        return tuple(tangents)

    def _transposed(self, directions: Sequence[Any], y: Sequence[Any], args: Sequence[Any]) -> Any:
        """The pullback ``c -> J^T c`` is linear: its transpose applied to the tangents is ``J t``."""

        def transposed(pullback: Any, directions: Any, y: Any, args: Any) -> Any:
            back = functools.partial(self._leaves, pullback, args=args)
            zeros = tree.unflatten(self.result, [np.zeros_like(leaf) for leaf in y])
            return differentiate_reverse(back, zeros)[1](directions)[0]

        with contextlib.suppress(CaptureError):
            return transposed(self._pullback(y, args), directions, list(y), list(args))
        # It is no NumPy code: both passes are one call that is not looked into.
        return _called(
            lambda directions, y, args: transposed(self._new_pullback(y, args), directions, y, args),
            *(directions, list(y), list(args)),
        )

    def pull(self, cotangent: Any, y: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Cotangents of all operands. The sweep asks for them one by one, with the same cotangent: they are kept."""
        pulled = self.pulled
        if pulled[0] is not cotangent:
            self.pulled = pulled = (cotangent, self._pull(cotangent, y, args))
        return pulled[1]

    def _pull(self, cotangent: Any, y: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        outward = tree.unflatten(self.result, [conjugated(ct) for ct in cotangent])
        found = [conjugated(leaf) for leaf in self._cotangents(outward, y, args)]
        if any(self.trace in _traces(leaf) for leaf in found):
            self.refuse()
        return found

    def _cotangents(self, outward: Any, y: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Cotangents of all operands, as the user's functions give them; zeros for None."""
        if self.owner.has_pull:
            with contextlib.suppress(CaptureError):
                return self._leaves(self._pullback(y, args), outward, args)
            return _called(  # type: ignore[no-any-return]
                lambda outward, y, args: self._leaves(self._new_pullback(y, args), outward, args),
                *(outward, list(y), list(args)),
            )

        def transposed(outward: Any, y: Any, args: Any) -> Any:
            primals, out = self.args(args), tree.unflatten(self.result, y)
            zeros = self.args([_zeros(arg) for arg in args])
            pulled = differentiate_reverse(lambda *tangents: self.owner.push(primals, tangents, out), *zeros)[1](
                outward
            )
            return _flattened(primals, pulled)

        return _called(transposed, outward, list(y), list(args))  # type: ignore[no-any-return]

    def _pullback(self, y: Sequence[Any], args: Sequence[Any]) -> Any:
        """The pullback, which is made once."""
        if self.pullback is None:
            self.pullback = self._new_pullback(y, args)
        return self.pullback

    def _new_pullback(self, y: Sequence[Any], args: Sequence[Any]) -> Any:
        return self.owner.pullback(self.args(args), tree.unflatten(self.result, y))

    def _leaves(self, pullback: Any, outward: Any, args: Sequence[Any]) -> list[Any]:
        """The leaves of what a pullback gives; zeros for None."""
        return _flattened(self.args(args), self.owner.checked(pullback(outward), self.structure))

    def check(self, leaves: Sequence[Any]) -> None:
        """Raise if a result depends on traced arrays that are no arguments: the rule says nothing about them."""
        if any(trace.level >= self.trace.level for leaf in leaves for trace in _traces(leaf)):
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise for a call that uses traced arrays from outside."""
        refuse_closure(f"{name_of(self.owner.f)}, which has a custom rule,")


_RETURN = "Return a tuple with one cotangent for each argument, or None where there is none."


def refuse_closure(name: str) -> NoReturn:
    """Raise for a function whose result depends on traced arrays from outside."""
    what = f"{name} uses a traced array that is not one of its arguments"
    why = "Its derivative in that array would be lost."
    raise DetachedError(compose(what, why=why, instead="Pass the array as an argument."))


@dataclass(frozen=True, eq=False)
class _UserRule(Rule):
    """The rule of one `_UserCall`."""

    user: Any = None

    def batch(self, call: Call) -> tuple[Batched, ...]:
        """The call for a batch, as the call of a function whose rule is the user's, batched."""
        user = self.user
        axes = user.args([0 if isinstance(leaf, Batched) else None for leaf in call.args])
        args = user.args([leaf.values if isinstance(leaf, Batched) else leaf for leaf in call.args])
        leaves, user.result = tree.flatten(user.owner.batched(axes)(*args))
        return tuple(map(Batched, leaves))

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self.user.push(dict(zip(slots, tangents, strict=True)), y, args)

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self.user.pull(cotangent, y, args)[slot]


def _zeros(arg: Any) -> Any:
    """The tangent of an operand that does not move; None for what is no number."""
    if type(arg) is not Array and np.asarray(arg).dtype.kind not in "biufc":
        return None
    return np.zeros_like(arg, dtype=None if hasattr(arg, "dtype") and arg.dtype.kind in "fc" else np.float64)


def _flattened(primals: Any, pulled: Any) -> list[Any]:
    """Cotangents of all leaves of some arguments; zeros for None."""
    leaves: list[Any] = []
    tree.map(lambda arg, ct: leaves.append(_cotangent(arg, ct)), primals, pulled)
    return leaves


def _cotangent(arg: Any, found: Any) -> Any:
    """The cotangent of an operand; zeros for None."""
    if found is None:
        zeros = _zeros(arg)
        return np.zeros(()) if zeros is None else zeros
    return found if type(found) is Array else np.asarray(found)


def _pair(value: Any, name: str, expected: str) -> Any:
    if not isinstance(value, tuple) or len(value) != 2:
        what = f"the {name} of a custom rule must return {expected}, not a {type(value).__name__}"
        raise ArgumentError(compose(what))
    return value


class UserFunction:
    """A function with derivatives of the user's own, in one direction at least."""

    has_push = has_pull = True

    def __init__(self, f: Function) -> None:
        self.f = f

    def run(self, args: Any) -> tuple[Any, Callable[..., Any] | None]:
        """The result, for arguments of which no derivative is computed, and perhaps the pullback."""
        return _called(self.f, *args), None

    def push(self, args: Any, tangents: Any, out: Any) -> Any:
        """The tangent of the result."""
        raise NotImplementedError

    def pullback(self, args: Any, out: Any) -> Callable[..., Any]:
        """What makes cotangents of the arguments of that of the result."""
        raise NotImplementedError

    def checked(self, pulled: Any, structure: tree.Structure) -> tuple[Any, ...]:
        """What a pullback returned, with an argument's None in all its places."""
        count = len(structure.children)
        name = name_of(self.f)
        if not isinstance(pulled, (tuple, list)) or len(pulled) < count or any(p is not None for p in pulled[count:]):
            found = f"{len(pulled)}" if isinstance(pulled, (tuple, list)) else f"a {type(pulled).__name__}"
            what = f"the pullback of {name} returned {found}, not a tuple of {count}"
            raise ArgumentError(compose(what, instead=_RETURN))
        full = []
        for number, (part, child) in enumerate(zip(pulled, structure.children, strict=False)):
            if part is None:
                part = tree.unflatten(child, [None] * child.leaf_count)
            elif child.kind is None and tree.structure(part).kind is not None:
                what = f"the pullback of {name} returned a {type(part).__name__} for argument {number + 1}, an array"
                raise ArgumentError(compose(what, instead=_RETURN))
            full.append(part)
        return tuple(full)

    def batched(self, axes: tuple[Any, ...]) -> Function:
        """The function for a batch, of those arguments whose leaves have the axis 0."""

        def pushed(args: Any, tangents: Any) -> Any:
            out = self(*args)
            return out, self.push(args, tangents, out)

        def pulled(*args: Any) -> Any:
            out = self(*args)
            return out, self.pullback(args, out)

        return _batched_rule(self, pushed if self.has_push else None, pulled if self.has_pull else None, axes)

    def __call__(self, *args: Any) -> Any:
        leaves, structure = tree.flatten(args)
        if not any(map(is_differentiated, leaves)):
            is_traced = any(type(leaf) is Array for leaf in leaves)
            with contextlib.suppress(CaptureError) if is_traced else contextlib.nullcontext():
                out = self.f(*args)
                if any(map(is_differentiated, tree.leaves(out))):
                    refuse_closure(f"{name_of(self.f)}, which has a custom rule,")
                return out
            # It is no NumPy code, or it looks at values: one call that is not looked into, in a graph or for a batch.
        return _opaque(self, leaves, structure)


class _Plain(UserFunction):
    """A function that is not looked into, and has no derivatives."""

    has_push = has_pull = False

    def batched(self, axes: tuple[Any, ...]) -> Function:
        return _for_batch(self.f, axes)


def _called(f: Function, *args: Any) -> Any:
    """Call a function: if it is no NumPy code, or looks at values, as one call that is not looked into."""
    try:
        return f(*args)
    except CaptureError:
        leaves, structure = tree.flatten(args)
        if not any(type(leaf) is Array for leaf in leaves) or any(map(is_differentiated, leaves)):
            raise
        return _opaque(_Plain(f), leaves, structure)


def _opaque(owner: UserFunction, leaves: Sequence[Any], structure: tree.Structure) -> Any:
    """A call as one operation."""
    newest = max((leaf._trace for leaf in leaves if type(leaf) is Array), key=lambda trace: trace.level)
    user = _UserCall(owner, structure, newest)
    out = apply(_UserRule(owner.f, user.run, outputs=True, user=user), tuple(leaves), {})
    return tree.unflatten(user.result, out)


def _batched_rule(owner: UserFunction, jvp: Any, vjp: Any, axes: tuple[Any, ...]) -> Function:
    """A function with a rule of the user's own, for a batch: of those arguments whose leaves have the axis 0."""

    def pulled(ct: Any, *primals: Any) -> tuple[Any, ...]:
        parts = owner.checked(vjp(*primals)[1](ct), tree.structure(primals))
        return tuple(tree.unflatten(tree.structure(primals), _flattened(primals, parts)))

    def vjp_of_batch(*primals: Any) -> Any:
        def pullback(cotangent: Any) -> tuple[Any, ...]:
            found = _for_batch(pulled, (0, *axes))(cotangent, *primals)
            shared = [axis is None for axis in axes_of_leaves(axes, primals, "axes")]
            parts = [np.sum(g, axis=0) if one else g for g, one in zip(tree.leaves(found), shared, strict=True)]
            return tuple(tree.unflatten(tree.structure(primals), parts))

        return _for_batch(lambda *xs: vjp(*xs)[0], axes)(*primals), pullback

    return custom_rule(
        _for_batch(owner.f, axes),
        jvp=None if jvp is None else _for_batch(jvp, (axes, axes)),
        vjp=None if vjp is None else vjp_of_batch,
    )


def _for_batch(f: Function, axes: tuple[Any, ...]) -> Function:
    """`vmap`, or, of what is no NumPy code or looks at values, a loop."""

    @functools.wraps(f)
    def function(*args: Any) -> Any:
        try:
            return vmap(f, axes)(*args)
        except CaptureError:
            return one_by_one(functools.partial(_called, f), axes)(*args)

    return function


class _WithRules(UserFunction):
    """A function whose derivatives are those that `custom_rule` was given."""

    def __init__(self, f: Function, jvp: Callable[..., Any] | None, vjp: Callable[..., Any] | None) -> None:
        super().__init__(f)
        self.jvp = jvp
        self.vjp = vjp
        self.has_push = jvp is not None
        self.has_pull = vjp is not None

    def run(self, args: Any) -> tuple[Any, Callable[..., Any] | None]:
        if self.vjp is not None:
            with contextlib.suppress(CaptureError):
                return self._pair(args)  # type: ignore[no-any-return]
        return super().run(args)

    def push(self, args: Any, tangents: Any, out: Any) -> Any:
        assert self.jvp is not None
        return _pair(self.jvp(args, tangents), "jvp", "(output, tangent)")[1]

    def pullback(self, args: Any, out: Any) -> Callable[..., Any]:
        return self._pair(args)[1]  # type: ignore[no-any-return]

    def _pair(self, args: Any) -> Any:
        assert self.vjp is not None
        return _pair(self.vjp(*args), "vjp", "(output, pullback)")

    def batched(self, axes: tuple[Any, ...]) -> Function:
        return _batched_rule(self, self.jvp, self.vjp, axes)

    def with_options(self, options: dict[str, Any]) -> _WithRules:
        """The function of its positional arguments alone."""
        for name, value in options.items():
            if any(map(is_differentiated, tree.leaves(value))):
                what = f"{name_of(self.f)}, which has a custom rule, got a traced array as {name}="
                raise ArgumentError(compose(what, instead="Pass it by position, to have a derivative in it."))
        parts = [part and functools.partial(part, **options) for part in (self.jvp, self.vjp)]
        return _WithRules(functools.wraps(self.f)(functools.partial(self.f, **options)), *parts)


def _traces(value: Any) -> Iterator[Trace]:
    """The traces that an array is in, newest first."""
    while type(value) is Array:
        value._refresh()
        yield value._trace
        value = value._primal.values if isinstance(value._primal, Unknown) else value._primal


def by_position(f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Arguments in the order of the parameters, and those that can be passed by keyword only."""
    try:
        signature = inspect.signature(f)
    except ValueError:
        what = f"{name_of(f)} does not tell its parameters"
        raise ArgumentError(compose(what, instead="Pass its arguments by position.")) from None
    bound = signature.bind(*args, **kwargs)
    names = [name for name, p in signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for name in names[: max((names.index(key) for key in kwargs if key in names), default=0)]:
        if signature.parameters[name].default is not inspect.Parameter.empty:
            bound.arguments.setdefault(name, signature.parameters[name].default)
    return bound.args, bound.kwargs


def custom_rule(
    f: Function, *, jvp: Callable[..., Any] | None = None, vjp: Callable[..., Any] | None = None
) -> Function:
    """The function with derivatives given by the user, for both modes and any order.

    Either direction is enough: each is a linear function, and the other one is found by transposing it. Give both
    where each has a faster form of its own.

    Parameters
    ----------
    f : callable
        Any function of trees of arrays. It need not be NumPy code. Arguments passed by keyword take their positions;
        those that can be passed by keyword only are settings without a derivative, which `jvp` and `vjp` get by
        keyword, too. Numbers that are integers, text and functions may be arguments as well.
    jvp : callable, optional
        ``jvp(primals, tangents) -> (out, tangent_out)``, as `twopass.jvp` has it: both arguments are tuples. Tangents
        of integers are zeros, those of text and functions None.
    vjp : callable, optional
        ``vjp(*primals) -> (out, pullback)``, as `twopass.vjp` has it: the pullback returns a tuple with one cotangent
        for each argument; None says that no derivative flows.

    Returns
    -------
    callable
        Computes what `f` does.

    Raises
    ------
    ArgumentError
        When neither direction is given, or one returns something of the wrong form.
    DetachedError
        When `f` uses a traced array that is not one of its arguments: the rule has no derivative in it.

    Notes
    -----
    Derivatives of higher order differentiate the given `jvp` or `vjp`, which must be plain NumPy code for that. In
    them, call the function with its rule (not `f`) where its own derivative should be used again.

    Examples
    --------
    A logarithm of a sum of exponentials, with the softmax as gradient:

    >>> import numpy as np, twopass as tp
    >>> def logsumexp(x):
    ...     return np.max(x) + np.log(np.sum(np.exp(x - np.max(x))))
    >>> def pullback_of(x):
    ...     out = logsumexp(x)
    ...     return out, lambda cotangent: (cotangent * np.exp(x - out),)
    >>> stable = tp.custom_rule(logsumexp, vjp=pullback_of)
    >>> tp.grad(stable)(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    if jvp is None and vjp is None:
        what = "custom_rule needs a jvp or a vjp"
        raise ArgumentError(compose(what, instead="Pass vjp=lambda *primals: (out, pullback)."))

    function = _WithRules(f, jvp, vjp)

    @functools.wraps(f)
    def with_rule(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return function(*args)
        args, options = by_position(f, args, kwargs)
        return function.with_options(options)(*args) if options else function(*args)

    return with_rule


def _by_protocol(f: Function, vjp: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A call of a function that brings its own pullback; see `twopass.pullbacks`."""
    return custom_rule(f, vjp=vjp)(*args, **options)


Array.__custom_rule__ = staticmethod(_by_protocol)
