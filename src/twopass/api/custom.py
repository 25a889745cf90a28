"""Derivatives of the user's own, and places where none should flow."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.reverse import vjp as differentiate_reverse
from twopass.api.tracing import Function, check_like, conjugated
from twopass.api.vmap import axes_of_leaves, one_by_one, vmap
from twopass.core.array import Array, apply, is_differentiated
from twopass.core.rule import Rule, detach
from twopass.errors import ArgumentError, CaptureError, compose, name_of
from twopass.rules.batching import Batched, Call

__all__ = ["custom_rule", "stop_gradient"]


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

    def __init__(
        self,
        f: Function,
        jvp: Callable[..., Any] | None,
        vjp: Callable[..., Any] | None,
        structure: tree.Structure,
    ) -> None:
        self.f = f
        self.jvp = jvp
        self.vjp = vjp
        self.structure = structure
        self.result = structure  # of the output, known after the run
        self.pullback: Callable[..., Any] | None = None
        self.pulled: tuple[Any, list[Any]] = (None, [])

    def args(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, from their leaves."""
        return tuple(tree.unflatten(self.structure, leaves))

    def run(self, *leaves: Any) -> tuple[Any, ...]:
        """Compute the function; the leaves of its result."""
        args = self.args(leaves)
        if self.vjp is None:
            out = _called(self.f, *args)
        else:
            try:
                out, self.pullback = _pair(self.vjp(*args), "vjp", "(output, pullback)")
            except CaptureError:
                out = _called(self.f, *args)
        flat, self.result = tree.flatten(out)
        return tuple(leaf if type(leaf) is Array else np.asarray(leaf)[()] for leaf in flat)

    def push(self, given: dict[int, Any], y: Sequence[Any], args: Sequence[Any]) -> tuple[Any, ...]:
        """Tangents of the outputs."""
        directions = self.args([given.get(i, _zeros(arg)) for i, arg in enumerate(args)])
        if self.jvp is not None:
            _, out = _pair(_called(self.jvp, self.args(args), directions), "jvp", "(output, tangent)")
        else:
            out = self._tangents(tree.unflatten(self.result, y), directions, self.args(args))
        return tuple(check_like(out, y, self.result, "tangent returned by jvp"))

    def _tangents(self, y: Any, directions: tuple[Any, ...], primals: tuple[Any, ...]) -> Any:
        """The pullback ``c -> J^T c`` is linear: its transpose applied to the tangents is ``J t``."""

        def transposed(pullback: Any, y: Any, directions: tuple[Any, ...]) -> Any:
            return differentiate_reverse(lambda c: tuple(pullback(c)), tree.map(_zeros, y))[1](directions)[0]

        if self.pullback is not None:
            with contextlib.suppress(CaptureError):
                return transposed(self.pullback, y, directions)
        # It is no NumPy code: both passes are one call that is not looked into.
        vjp: Any = self.vjp
        return _called(lambda y, ts, *xs: transposed(vjp(*xs)[1], y, ts), y, directions, *primals)

    def _cotangents(self, outward: Any, primals: tuple[Any, ...]) -> tuple[Any, ...]:
        """By the user's pullback, or the transpose of the tangents' map."""
        if self.vjp is None:

            def transposed(outward: Any, *primals: Any) -> tuple[Any, ...]:
                of_tangents = functools.partial(_tangent_of, self.jvp, primals)
                return differentiate_reverse(of_tangents, *tree.map(_zeros, primals))[1](outward)

            return tuple(_called(transposed, outward, *primals))
        if self.pullback is not None:
            with contextlib.suppress(CaptureError):
                return tuple(self.pullback(outward))
        vjp = self.vjp
        return tuple(_called(lambda ct, *xs: tuple(vjp(*xs)[1](ct)), outward, *primals))

    def pull(self, cotangent: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Cotangents of all operands. The sweep asks for them one by one, with the same cotangent: they are kept."""
        pulled = self.pulled
        if pulled[0] is not cotangent:
            self.pulled = pulled = (cotangent, self._pull(cotangent, args))
        return pulled[1]

    def _pull(self, cotangent: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        outward = tree.unflatten(self.result, [conjugated(ct) for ct in cotangent])
        pulled = self._cotangents(outward, self.args(args))
        leaves, structure = tree.flatten(pulled)
        if structure != self.structure:
            what = f"the pullback of {name_of(self.f)} returned {structure!r}, not {self.structure!r}"
            raise ArgumentError(compose(what, instead="Return a tuple with one cotangent for each argument."))
        return [conjugated(leaf if type(leaf) is Array else np.asarray(leaf)) for leaf in leaves]


@dataclass(frozen=True, eq=False)
class _UserRule(Rule):
    """The rule of one `_UserCall`."""

    user: Any = None

    def batch(self, call: Call) -> tuple[Batched, ...]:
        """The call for a batch, as the call of a function whose rule is the user's, batched."""
        user = self.user
        axes = user.args([0 if isinstance(leaf, Batched) else None for leaf in call.args])
        args = user.args([leaf.values if isinstance(leaf, Batched) else leaf for leaf in call.args])
        is_ruled = user.jvp is not None or user.vjp is not None
        function = _batched_rule(user.f, user.jvp, user.vjp, axes) if is_ruled else _for_batch(user.f, axes)
        leaves, user.result = tree.flatten(function(*args))
        return tuple(map(Batched, leaves))

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self.user.push(dict(zip(slots, tangents, strict=True)), y, args)

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self.user.pull(cotangent, args)[slot]


def _called(f: Function, *args: Any) -> Any:
    """Call a function: if it is no NumPy code, or looks at values, as one call that is not looked into."""
    try:
        return f(*args)
    except CaptureError:
        leaves, structure = tree.flatten(args)
        if not any(type(leaf) is Array for leaf in leaves) or any(map(is_differentiated, leaves)):
            raise
        return _opaque(_UserCall(f, None, None, structure), leaves)


def _opaque(user: _UserCall, leaves: Sequence[Any]) -> Any:
    """A call as one operation."""
    out = apply(_UserRule(user.f, user.run, outputs=True, user=user), tuple(leaves), {})
    return tree.unflatten(user.result, out)


def _batched_rule(f: Function, jvp: Any, vjp: Any, axes: tuple[Any, ...]) -> Function:
    """A function with a rule of the user's own, for a batch: of those arguments whose leaves have the axis 0."""

    def vjp_of_batch(*primals: Any) -> Any:
        def pullback(cotangent: Any) -> tuple[Any, ...]:
            pulled = _for_batch(lambda ct, *xs: tuple(vjp(*xs)[1](ct)), (0, *axes))(cotangent, *primals)
            structure = tree.structure(primals)
            shared = [axis is None for axis in axes_of_leaves(axes, primals, "axes")]
            parts = [np.sum(g, axis=0) if one else g for g, one in zip(tree.leaves(pulled), shared, strict=True)]
            return tuple(tree.unflatten(structure, parts))

        return _for_batch(lambda *xs: vjp(*xs)[0], axes)(*primals), pullback

    return custom_rule(
        _for_batch(f, axes),
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


def _tangent_of(jvp: Any, primals: Any, *tangents: Any) -> Any:
    return _pair(jvp(primals, tangents), "jvp", "(output, tangent)")[1]


def _zeros(arg: Any) -> Any:
    return np.zeros_like(arg) if hasattr(arg, "dtype") else np.zeros(np.shape(arg))


def _pair(value: Any, name: str, expected: str) -> Any:
    if not isinstance(value, tuple) or len(value) != 2:
        what = f"the {name} of a custom rule must return {expected}, not a {type(value).__name__}"
        raise ArgumentError(compose(what))
    return value


def custom_rule(
    f: Function, *, jvp: Callable[..., Any] | None = None, vjp: Callable[..., Any] | None = None
) -> Function:
    """The function with derivatives given by the user, for both modes and any order.

    Either direction is enough: each is a linear function, and the other one is found by transposing it. Give both
    where each has a faster form of its own.

    Parameters
    ----------
    f : callable
        Any function of positional arguments (trees of arrays). It need not be NumPy code.
    jvp : callable, optional
        ``jvp(primals, tangents) -> (out, tangent_out)``, as `twopass.jvp` has it: both arguments are tuples.
    vjp : callable, optional
        ``vjp(*primals) -> (out, pullback)``, as `twopass.vjp` has it: the pullback returns a tuple with one cotangent
        for each argument.

    Returns
    -------
    callable
        Computes what `f` does.

    Raises
    ------
    ArgumentError
        When neither direction is given, or one returns something of the wrong form.

    Notes
    -----
    Derivatives of higher order differentiate the given `jvp` or `vjp`, which must be plain NumPy code for that.

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

    @functools.wraps(f)
    def with_rule(*args: Any) -> Any:
        leaves, structure = tree.flatten(args)
        if not any(type(leaf) is Array for leaf in leaves):
            return f(*args)
        if not any(map(is_differentiated, leaves)):
            with contextlib.suppress(CaptureError):
                return f(*args)
            # It is no NumPy code, or it looks at values: one call that is not looked into, in a graph or for a batch.
        return _opaque(_UserCall(f, jvp, vjp, structure), leaves)

    return with_rule
