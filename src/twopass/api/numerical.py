"""Numerical derivatives: the slow, independent reference that the exact ones are checked against."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from twopass import tree
from twopass.api.derived import assemble
from twopass.api.forward import jvp
from twopass.api.reverse import positions, vjp
from twopass.api.tracing import Function, Inputs
from twopass.core.array import primal_of
from twopass.errors import ArgumentError, GradientCheckError, compose

__all__ = ["check_grads", "finite_difference"]

Method = Literal["forward", "central", "complex-step"]
Mode = Literal["forward", "reverse"]

#: The step that balances truncation against rounding: eps^(1/2) and eps^(1/3), relative to the size of x.
_STEPS: dict[str, Callable[[float], float]] = {
    "forward": lambda eps: eps ** (1 / 2),
    "central": lambda eps: eps ** (1 / 3),
    "complex-step": lambda eps: 1e-30,  # no difference is taken, so nothing cancels
}


def finite_difference(
    f: Function, argnums: int | tuple[int, ...] = 0, method: Method = "central", step: float | None = None
) -> Function:
    """Function that approximates the derivatives of a function by evaluating it nearby.

    ========================  =========================================  =======================
    method                    formula                                    error
    ========================  =========================================  =======================
    ``"forward"``             (f(x + h) - f(x)) / h                      O(h), about 1e-8
    ``"central"``             (f(x + h) - f(x - h)) / (2 h)              O(h^2), about 1e-10
    ``"complex-step"``        Im f(x + i h) / h                          O(h^2), with h = 1e-30
    ========================  =========================================  =======================

    Parameters
    ----------
    f : callable
        Any function of real arrays; complex step needs NumPy code that is analytic (no abs, max, comparisons).
    argnums : int or tuple of int
        Position of the argument (a tree of real arrays), or of several.
    method : {"forward", "central", "complex-step"}
        The formula.
    step : float, optional
        The step h for x of order 1; it is scaled by max(1, abs(x)). By default the one with the smallest error.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns arrays of shape ``out.shape + x.shape`` as `jacobian` does (the gradient,
        for a scalar function).

    Raises
    ------
    ArgumentError
        For an unknown method, or complex arguments.

    Notes
    -----
    Complex step: W. Squire and G. Trapp, Using Complex Variables to Estimate Derivatives of Real Functions (1998).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> slope = tp.finite_difference(lambda x: np.exp(x) * np.sin(x), method="complex-step")(1.0)
    >>> abs(slope - np.exp(1) * (np.sin(1) + np.cos(1))) < 1e-15
    np.True_
    """
    if method not in _STEPS:
        instead = "Use " + ", ".join(repr(name) for name in _STEPS) + "."
        raise ArgumentError(compose(f"unknown method {method!r}", instead=instead))
    if step is not None and not step > 0:
        raise ArgumentError(compose(f"step={step!r} is not positive", instead="Leave it out, or pass about 1e-6."))

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = positions(argnums, len(args))
        inputs = Inputs()
        for number in numbers:
            inputs.add(
                primal_of(args[number]) if not _is_container(args[number]) else args[number], f"argument {number + 1}"
            )
        if any(np.iscomplexobj(leaf) for leaf in inputs.leaves):
            raise ArgumentError(compose("finite_difference takes real arguments", instead="Use tp.vjp or tp.jvp."))

        def evaluate(leaves: Sequence[Any]) -> tuple[list[Any], tree.Structure]:
            own = [leaf.copy() for leaf in leaves]  # the function may change its arguments
            replaced = dict(zip(numbers, inputs.regroup(own), strict=True))
            out, structure = tree.flatten(f(*[replaced.get(i, arg) for i, arg in enumerate(args)], **kwargs))
            return [np.asarray(leaf) for leaf in out], structure

        base, structure = evaluate(inputs.leaves)
        blocks: list[list[Any]] = [[] for _ in base]
        for position, leaf in enumerate(inputs.leaves):
            columns = [
                _difference(evaluate, inputs.leaves, position, place, base, method, step) for place in _places(leaf)
            ]
            for out, row, k in zip(base, blocks, range(len(base)), strict=True):
                stacked = [column[k] for column in columns]
                shape = (*out.shape, *np.shape(leaf))
                row.append(np.stack(stacked, axis=-1).reshape(shape) if stacked else np.zeros(shape))
        return assemble(blocks, inputs, structure, isinstance(argnums, (tuple, list)))

    return differentiated


def _is_container(value: Any) -> bool:
    return tree.structure(value).kind is not None


def _places(leaf: Any) -> Any:
    return np.ndindex(np.shape(leaf))


def _difference(
    evaluate: Any, leaves: Sequence[Any], position: int, place: Any, base: list[Any], method: str, step: float | None
) -> list[Any]:
    """Derivatives of all output leaves in one input element."""
    leaf = np.asarray(leaves[position])
    size = max(1.0, abs(float(leaf[place])))
    h = (step or _STEPS[method](float(np.finfo(leaf.dtype).eps))) * size

    def moved(amount: complex) -> list[Any]:
        dtype = np.result_type(leaf.dtype, np.complex64) if isinstance(amount, complex) else leaf.dtype
        changed = leaf.astype(dtype)
        changed[place] += amount
        out, _ = evaluate([*leaves[:position], changed[()], *leaves[position + 1 :]])
        return [np.asarray(value) for value in out]

    if method == "complex-step":
        return [np.imag(value) / h for value in moved(1j * h)]
    # The step that was really taken, after rounding of x + h.
    above = float(leaf.dtype.type(leaf[place] + h))
    if method == "forward":
        width = above - float(leaf[place])
        return [(high - low) / width for high, low in zip(moved(h), base, strict=True)]
    width = above - float(leaf.dtype.type(leaf[place] - h))
    return [(high - low) / width for high, low in zip(moved(h), moved(-h), strict=True)]


# --- check_grads ----------------------------------------------------------------------------------------------------


def check_grads(
    f: Function,
    args: tuple[Any, ...],
    order: int = 2,
    modes: tuple[Mode, ...] = ("forward", "reverse"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of a function, up to an order, with central differences along a random direction.

    Forward mode must reproduce the difference quotient, and reverse mode its product with a random cotangent:
    ``<c, J v> = <J^T c, v>``. Each is then differentiated again, in both modes, until `order`.

    Parameters
    ----------
    f : callable
        Plain NumPy code with a tree of arrays as result.
    args : tuple of trees of float or complex arrays
        Where to check; away from kinks.
    order : int
        Highest order of derivative.
    modes : tuple of {"forward", "reverse"}
        What to check.
    rtol, atol : float, optional
        Tolerances; by default 1e-6 for float64 and 2e-2 for float32, both.
    seed : int
        Of the random directions.

    Raises
    ------
    GradientCheckError
        Naming the mode and order that disagree, with both numbers.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 2.0]),))
    """
    for mode in modes:
        if mode not in ("forward", "reverse"):
            raise ArgumentError(compose(f"unknown mode {mode!r}", instead='Use "forward" or "reverse".'))
    if not isinstance(args, (tuple, list)):
        raise ArgumentError(compose("args must be a tuple of arguments", instead="Write (x,) for a single one."))
    inputs = Inputs()
    for number, arg in enumerate(args):
        inputs.add(arg, f"argument {number + 1}")
    single = any(leaf.dtype in (np.float32, np.complex64, np.float16) for leaf in inputs.leaves)
    default = 2e-2 if single else 1e-6
    tolerances = (default if rtol is None else rtol, default if atol is None else atol)
    _check(f, tuple(args), order, tuple(modes), tolerances, np.random.default_rng(seed), "")


def _random_like(value: Any, rng: np.random.Generator) -> Any:
    def draw(leaf: Any) -> Any:
        leaf = np.asarray(leaf)
        noise = rng.uniform(0.5, 1.5, leaf.shape) * rng.choice([-1.0, 1.0], leaf.shape)
        if leaf.dtype.kind == "c":
            noise = noise + 1j * rng.uniform(-1, 1, leaf.shape)
        return noise.astype(leaf.dtype if leaf.dtype.kind in "fc" else np.float64)

    return tree.map(draw, value)


def _inner(a: Any, b: Any) -> float:
    """Real inner product of two trees."""
    pairs = zip(tree.leaves(a), tree.leaves(b), strict=True)
    return float(sum(np.real(np.sum(np.conj(np.asarray(x)) * y)) for x, y in pairs))


def _quotient(f: Function, args: tuple[Any, ...], direction: tuple[Any, ...]) -> Any:
    """Central difference of `f` along a direction, extrapolated once (error O(h^4))."""
    eps = max(float(np.finfo(np.asarray(leaf).dtype).eps) for leaf in tree.leaves(args))
    scale = max([1.0, *(float(np.max(np.abs(leaf), initial=0)) for leaf in tree.leaves(args))])

    def central(h: float) -> Any:
        above = f(*tree.map(lambda x, v: x + np.asarray(h, np.asarray(v).real.dtype) * v, args, direction))
        below = f(*tree.map(lambda x, v: x - np.asarray(h, np.asarray(v).real.dtype) * v, args, direction))
        return tree.map(lambda high, low: (np.asarray(high) - low) / (2 * h), above, below)

    h = eps ** (1 / 5) * scale / 2
    return tree.map(lambda fine, coarse: (4 * fine - coarse) / 3, central(h / 2), central(h))


def _check(
    f: Function,
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    tolerances: tuple[float, float],
    rng: np.random.Generator,
    history: str,
) -> None:
    if order < 1:
        return
    direction = _random_like(args, rng)
    expected = _quotient(f, args, direction)
    for mode in modes:
        label = f"{history}{mode}"
        if mode == "forward":
            out, tangent = jvp(f, args, direction)
            for path, leaf in tree.flatten_with_paths(tangent):
                reference = dict(tree.flatten_with_paths(expected))[path]
                _compare(leaf, reference, tolerances, label)
            _check(lambda *a: jvp(f, a, direction)[1], args, order - 1, modes, tolerances, rng, label + " over ")
        else:
            out, pullback = vjp(f, *args)
            cotangent = _random_like(out, rng)
            _compare(_inner(pullback(cotangent), direction), _inner(cotangent, expected), tolerances, label)

            def gradient(*a: Any, cotangent: Any = cotangent) -> Any:
                return vjp(f, *a)[1](cotangent)

            _check(gradient, args, order - 1, modes, tolerances, rng, label + " over ")


def _compare(found: Any, expected: Any, tolerances: tuple[float, float], label: str) -> None:
    rtol, atol = tolerances
    if not np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=False):
        error = float(np.max(np.abs(np.asarray(found) - expected)))
        what = f"the {label} derivative is {found!r}, but differences give {expected!r}"
        why = f"They differ by {error:.3g} (rtol={rtol:g}, atol={atol:g})."
        instead = "Check the rule, or check away from kinks and jumps."
        raise GradientCheckError(compose(what, why=why, instead=instead))
