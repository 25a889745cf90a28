"""Derivatives of the user's own, and places where none should flow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.reverse import vjp as differentiate_reverse
from twopass.api.tracing import Function, check_like, conjugated
from twopass.core.array import Array, apply
from twopass.core.rule import Rule, detach
from twopass.errors import ArgumentError, compose

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


class _UserRule(Rule):
    """One call of a function with derivatives of the user's own.

    The leaves of the arguments are the operands, the leaves of the result the outputs. Where only one direction was
    given, the other one is its transpose, which reverse mode finds because each is a linear function.
    """

    def __init__(
        self, f: Function, jvp: Callable[..., Any] | None, vjp: Callable[..., Any] | None, structure: tree.Structure
    ) -> None:
        super().__init__(f, self._run, outputs=True)
        set_ = object.__setattr__  # rules are frozen records; this one lives for a single call
        set_(self, "_jvp", jvp)
        set_(self, "_vjp", vjp)
        set_(self, "structure", structure)
        set_(self, "_pullback", None)
        set_(self, "_pulled", (None, None))

    def _args(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(tree.unflatten(self.structure, leaves))

    def _run(self, *leaves: Any) -> tuple[Any, ...]:
        args = self._args(leaves)
        if self._vjp is not None:
            out, pullback = _pair(self._vjp(*args), "vjp", "(output, pullback)")
            object.__setattr__(self, "_pullback", pullback)
        else:
            out = self.function(*args)
        flat, structure = tree.flatten(out)
        object.__setattr__(self, "result", structure)
        return tuple(leaf if type(leaf) is Array else np.asarray(leaf)[()] for leaf in flat)

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        given = dict(zip(slots, tangents, strict=True))
        directions = self._args([given.get(i, _zeros(arg)) for i, arg in enumerate(args)])
        primals = self._args(args)
        if self._jvp is not None:
            _, out = _pair(self._jvp(primals, directions), "jvp", "(output, tangent)")
        else:
            # The pullback c -> J^T c is linear: its transpose applied to the tangents is J t.
            zeros = tree.unflatten(self.result, [np.zeros_like(leaf) for leaf in y])
            out = differentiate_reverse(lambda c: tuple(self._pullback(c)), zeros)[1](directions)[0]
        leaves = check_like(out, y, self.result, "tangent returned by jvp")
        return tuple(leaves)

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        # All operands are pulled at once; the sweep asks for them one by one, with the same cotangent.
        pulled = self._pulled
        if pulled[0] is not cotangent:
            pulled = (cotangent, self._pull_all(cotangent, args))
            object.__setattr__(self, "_pulled", pulled)
        return pulled[1][slot]

    def _pull_all(self, cotangent: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        outward = tree.unflatten(self.result, [conjugated(ct) for ct in cotangent])
        primals = self._args(args)
        if self._vjp is not None:
            pulled = tuple(self._pullback(outward))
        else:
            zeros = self._args([_zeros(arg) for arg in args])
            linear = functools.partial(_tangent_of, self._jvp, primals)
            pulled = differentiate_reverse(linear, *zeros)[1](outward)
        leaves, structure = tree.flatten(pulled)
        if structure != self.structure:
            what = f"the pullback of {self.name} returned {structure!r}, not {self.structure!r}"
            raise ArgumentError(compose(what, instead="Return a tuple with one cotangent for each argument."))
        return [conjugated(leaf if type(leaf) is Array else np.asarray(leaf)) for leaf in leaves]


def _tangent_of(jvp: Callable[..., Any], primals: Any, *tangents: Any) -> Any:
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
        rule = _UserRule(f, jvp, vjp, structure)
        out = apply(rule, tuple(leaves), {})
        return tree.unflatten(rule.result, out)

    return with_rule
