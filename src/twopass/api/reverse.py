"""Reverse mode: one forward pass, one backward pass."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.tracing import Function, Traced, check_like, conjugated, handed_out, trace_reverse
from twopass.core.sweep import backward
from twopass.errors import ArgumentError, ShapeError, compose

__all__ = ["elementwise_grad", "grad", "value_and_grad", "vjp"]


def positions(argnums: Any, count: int) -> tuple[int, ...]:
    """`argnums` as a tuple of positions among `count` arguments."""
    try:
        numbers = tuple(operator.index(n) for n in (argnums if isinstance(argnums, (tuple, list)) else (argnums,)))
    except TypeError:
        what = f"argnums must be an integer or a tuple of integers, not {argnums!r}"
        raise ArgumentError(compose(what, instead="Write argnums=0 or argnums=(0, 1).")) from None
    if not numbers:
        raise ArgumentError(compose("argnums is empty", instead="Name at least one argument."))
    for n in numbers:
        if not -count <= n < count:
            what = f"argnums={argnums!r} names argument {n}, but {count} positional arguments were passed"
            raise ArgumentError(compose(what, instead="Pass the differentiated arguments by position."))
    resolved = tuple(n % count for n in numbers)
    if len(set(resolved)) != len(resolved):
        raise ArgumentError(compose(f"argnums={argnums!r} names an argument twice"))
    return resolved


def pull(traced: Traced, cotangents: Sequence[Any]) -> list[Any]:
    """Cotangents of the differentiated arguments, for cotangents of the output leaves."""
    seeds = [(mark, conjugated(ct)) for mark, ct in zip(traced.marks, cotangents, strict=True) if mark is not None]
    found = backward(traced.tape, seeds, range(len(traced.inputs.leaves)))
    return traced.inputs.results([None if ct is None else conjugated(ct) for ct in found])


def vjp(f: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Value of a function, and its pullback: cotangent of the output to cotangents of the arguments.

    For a function with Jacobian J the pullback is ``c -> conj(J)^T c``, the adjoint; it costs a small multiple of the
    function, whatever the number of inputs. It may be called any number of times.

    Parameters
    ----------
    f : callable
        Plain NumPy code of positional arguments, with a tree of arrays as result.
    *primals : trees of float or complex arrays
        Where to evaluate.

    Returns
    -------
    out : tree
        ``f(*primals)``.
    pullback : callable
        Takes a cotangent built like `out`; returns a tuple with one tree for each primal.

    Raises
    ------
    ArgumentError
        For a primal that has no derivative (an integer, a string).
    UnsupportedOperatorError, DetachedError
        Where `f` does what cannot be differentiated.

    Notes
    -----
    Reverse-mode automatic differentiation: S. Linnainmaa (1970); P. Werbos, Beyond Regression (1974); D. Rumelhart,
    G. Hinton and R. Williams, Learning Internal Representations by Error Propagation (1985).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> out, pullback = tp.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), 3.0)
    >>> out
    array([3., 6.])
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 30.]), 21.0)
    """
    traced = trace_reverse(f, primals, range(len(primals)))
    # The pullback may run much later: what the caller does to the output meanwhile must not reach the tape.
    out = tree.unflatten(traced.structure, [handed_out(leaf) for leaf in traced.leaves])

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return tuple(pull(traced, check_like(cotangent, traced.leaves, traced.structure, "cotangent")))

    return out, pullback


def _check_scalar(traced: Traced, name: str) -> None:
    """Raise unless the output is one real number."""
    leaf = traced.leaves[0] if len(traced.leaves) == 1 else None
    if leaf is None or (leaf.shape if hasattr(leaf, "shape") else np.shape(leaf)) != ():
        shapes = [np.shape(leaf) for leaf in traced.leaves]
        shape = f"of shape {shapes[0]}" if len(shapes) == 1 else f"with {len(shapes)} leaves"
        what = f"{name} needs a function with one scalar result, not one {shape}"
        raise ShapeError(compose(what, instead="Sum it, or use tp.jacobian, tp.vjp or tp.elementwise_grad."))
    if isinstance(leaf, complex) or (hasattr(leaf, "dtype") and leaf.dtype.kind == "c"):
        what = f"{name} needs a real result, not a complex one"
        raise ArgumentError(compose(what, instead="Take np.real or np.abs of it, or use tp.vjp."))


def value_and_grad(f: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """Function that computes the value of a scalar function and its gradient, with one forward and one backward pass.

    Parameters
    ----------
    f : callable
        Plain NumPy code with one real scalar as result; with `has_aux`, a pair of that and any tree.
    argnums : int or tuple of int
        Position of the argument (a tree of float arrays), or of several, to differentiate in.
    has_aux : bool
        Whether `f` returns auxiliary data beside the scalar.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns ``(value, gradient)``, or ``((value, aux), gradient)``. The gradient is a
        tree built like the argument, with its shapes and dtypes (a tuple of trees if `argnums` is a tuple).

    Raises
    ------
    ShapeError, ArgumentError
        When the result is not one real scalar, or an argument has no derivative.
    UnsupportedOperatorError, DetachedError
        Where `f` does what cannot be differentiated.

    Notes
    -----
    For a complex argument z = x + iy the gradient is ``df/dx + i df/dy``, the direction of steepest ascent, so that
    ``z - learning_rate * gradient`` descends.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> f = lambda x, y: x**2 * y + y + 2
    >>> tp.value_and_grad(f, argnums=(0, 1))(3.0, 4.0)
    (42.0, (24.0, 10.0))
    """
    numbers_of = functools.cache(functools.partial(positions, argnums))

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = numbers_of(len(args))
        traced = trace_reverse(functools.partial(f, **kwargs) if kwargs else f, args, numbers, has_aux)
        _check_scalar(traced, "a gradient")
        value = traced.leaves[0]
        gradients = pull(traced, [value.dtype.type(1) if isinstance(value, np.generic) else np.ones_like(value)])
        gradient = tuple(gradients) if isinstance(argnums, (tuple, list)) else gradients[0]
        value = float(value) if type(value) is np.float64 else value
        return ((value, traced.aux) if has_aux else value), gradient

    return differentiated


def grad(f: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """Function that computes the gradient of a scalar function, in reverse mode.

    Parameters, errors and the complex convention are those of `value_and_grad`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns the gradient, or ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.grad(lambda w: np.sum(np.tanh(w["a"]) * w["b"]))({"a": np.zeros(2), "b": np.array([1.0, 2.0])})
    {'a': array([1., 2.]), 'b': array([0., 0.])}
    >>> tp.grad(tp.grad(tp.grad(lambda x: x**4)))(2.0)
    48.0
    """
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def elementwise_grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Derivative of each element of the output in the matching element of the input, for an elementwise function.

    It is the gradient of ``sum(f(x))``, so it is the elementwise derivative only if element i of the output depends
    on element i of the input alone.

    Parameters
    ----------
    f : callable
        Elementwise plain NumPy code with a real result.
    argnums : int or tuple of int
        Which arguments to differentiate in.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.elementwise_grad(np.square)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """

    @functools.wraps(f)
    def total(*args: Any, **kwargs: Any) -> Any:
        return np.sum(f(*args, **kwargs))

    return grad(total, argnums)
