"""Derivatives of what is defined by an equation: roots and fixed points.

A solver's steps need not be differentiated, nor need it be NumPy code. If ``F(x, θ) = 0`` defines x, then

    ∂F/∂x dx + ∂F/∂θ dθ = 0,    so    dx = -(∂F/∂x)⁻¹ ∂F/∂θ dθ,

and the cotangent of x goes the other way, with ``-(∂F/∂θ)ᵀ (∂F/∂x)⁻ᵀ``. Both are a rule for the solver, as
`custom_rule` makes them, written with derivatives of F; so they can be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.custom import UserFunction, by_position, refuse_closure
from twopass.api.derived import jacobian
from twopass.api.flat import Layout, ravel
from twopass.api.forward import jvp
from twopass.api.reverse import vjp
from twopass.api.tracing import Function
from twopass.core.array import is_differentiated
from twopass.core.rule import detach, is_traced
from twopass.errors import ArgumentError, ConvergenceError, DifferentiationError, ShapeError, compose, name_of

__all__ = ["fixed_point", "implicit_root"]

#: ``linear_solve(matvec, b) -> x`` with ``matvec(x) = b``.
LinearSolve = Callable[[Callable[[Any], Any], Any], Any]


def implicit_root(
    residual: Function,
    solve: Function | None = None,
    *,
    linear_solve: LinearSolve | None = None,
    tolerance: float | None = None,
) -> Function:
    """The solver of an equation, with the derivatives of its solution by the implicit function theorem.

    For ``residual(x, *args) = 0`` they are ``dx/dargs = -(∂residual/∂x)⁻¹ ∂residual/∂args``, whatever way the solver
    has found x.

    Parameters
    ----------
    residual : callable
        ``residual(x, *args)``: plain NumPy code, with as many elements in its result as x has.
    solve : callable
        ``solve(*args) -> x``: any code, such as a call of SciPy. It gets plain arrays, and its result is a tree of real
        arrays. Without it, the result is a decorator for the solver.
    linear_solve : callable, optional
        ``linear_solve(matvec, b)`` returns the vector v with ``matvec(v) = b``, for a function that multiplies with the
        Jacobian or its transpose. By default the Jacobian is computed and factorised, which needs memory for the square
        of the number of unknowns.
    tolerance : float, optional
        How large the residual may be at the solution, relative to the largest element of x or 1; by default 1e-6, or
        1e-3 if it is in single precision.

    Returns
    -------
    callable
        Takes the arguments of `solve`; returns its result, which has derivatives in the arguments, in both modes and to
        any order.

    Raises
    ------
    ConvergenceError
        When the residual is not zero at what `solve` returned; it tells how large it is. Also when `linear_solve` has
        not solved its equations.
    DifferentiationError
        When the Jacobian of the residual is singular at the solution, which then has no derivative.
    DetachedError
        When `residual` or `solve` uses a traced array that is not one of its arguments.
    ArgumentError, ShapeError
        When the solution is not real, or residual and solution differ in size.

    Notes
    -----
    In compiled code a call of the solver is a call of Python. The derivative is as exact as the solution is.

    A. Griewank and A. Walther, Evaluating Derivatives (2008), chapter 15; M. Blondel et al., Efficient and Modular
    Implicit Differentiation (2022).

    Examples
    --------
    The cube root as the solution of x³ = a, found by bisection:

    >>> import numpy as np, twopass as tp
    >>> @tp.implicit_root(lambda x, a: x**3 - a)
    ... def cube_root(a):
    ...     low, high = 0.0, 1.0 + a
    ...     while high - low > 1e-14:
    ...         middle = (low + high) / 2
    ...         low, high = (low, middle) if middle**3 > a else (middle, high)
    ...     return low
    >>> tp.value_and_grad(cube_root)(8.0)
    (2.0, 0.0833)
    >>> tp.grad(tp.grad(cube_root))(8.0)
    -0.0069
    """
    if solve is None:
        return functools.partial(implicit_root, residual, linear_solve=linear_solve, tolerance=tolerance)
    equation = _Equation(residual, solve, linear_solve, tolerance)

    @functools.wraps(solve)
    def root(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args, options = by_position(solve, args, kwargs)
            if options:
                what = f"{name_of(solve)} takes {', '.join(options)} by keyword only, which the residual cannot get"
                raise ArgumentError(compose(what, instead="Give solver and residual the same arguments, in one order."))
        return equation(*args)

    return root


def fixed_point(step: Function, x0: Any, *args: Any, tolerance: float | None = None, max_steps: int = 1000) -> Any:
    """The fixed point ``x = step(x, *args)``, found by iteration, with its derivatives in the arguments.

    The iteration ``x ← step(x, *args)`` starts at `x0`. The derivatives are those of the fixed point, not of the steps:
    a second iteration, ``v ← Jv + b`` with the Jacobian J of the step in x (or its transpose), solves for them, and
    converges as fast as the first one. Nothing of the iteration is kept.

    Parameters
    ----------
    step : callable
        ``step(x, *args)``: plain NumPy code, whose result is built like x.
    x0 : tree of arrays
        Where to start. The fixed point has no derivative in it.
    *args : trees
        What else the step needs.
    tolerance : float, optional
        The iteration has converged when no element changes by more than this, relative to the largest element that x
        has had; by default ``eps**(2/3)``, 4e-11 in double precision.
    max_steps : int
        After how many steps to give up.

    Returns
    -------
    tree
        The fixed point.

    Raises
    ------
    ConvergenceError
        When it has not converged, or its derivatives have not, which tells how large the last change was.
    DetachedError
        When `step` uses a traced array that is not one of its arguments.

    Notes
    -----
    B. Christianson, Reverse accumulation and attractive fixed points (1994).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> root = lambda a: tp.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)
    >>> tp.value_and_grad(root)(9.0)
    (3.0, 0.16667)
    """
    if not max_steps > 0:
        raise ArgumentError(compose(f"max_steps={max_steps!r} is not positive", instead="Leave it out, or pass 1000."))
    start = tree.map(_as_float, tree.map(detach, x0))
    changes = functools.partial(_iterate, tolerance=tolerance, max_steps=max_steps)

    def solve(x: Any, *args: Any) -> Any:
        return changes(lambda x: step(x, *args), x, f"{name_of(step)} has not reached a fixed point")

    def residual(x: Any, _: Any, *args: Any) -> Any:
        return tree.map(lambda a, b: a - b, x, step(x, *args))

    def linear_solve(matvec: Callable[[Any], Any], b: Any) -> Any:
        what = f"the derivatives of the fixed point of {name_of(step)} have not converged"
        return changes(lambda v: v + (b - matvec(v)), np.zeros_like(b), what)

    # The iterations say themselves whether they have converged.
    return _Equation(residual, solve, linear_solve, np.inf)(start, *args)


def _as_float(leaf: Any) -> Any:
    if is_traced(leaf):
        return leaf
    leaf = np.asarray(leaf)
    return (leaf if leaf.dtype.kind in "fc" else leaf.astype(np.float64))[()]


def _iterate(step: Function, x: Any, what: str, tolerance: float | None, max_steps: int) -> Any:
    """Repeat a step until it changes nothing."""
    change, size = np.inf, float(np.max(np.abs(ravel(x)), initial=0))
    for _ in range(max_steps):
        before, x = x, step(x)
        if tree.structure(x) != tree.structure(before) or any(map(is_differentiated, tree.leaves(x))):
            _check_step(before, x)
        old, new = ravel(before), ravel(x)
        size = max(size, float(np.max(np.abs(new), initial=0)))
        change = float(np.max(np.abs(new - old), initial=0))
        if not np.isfinite(change):
            break
        if change <= (np.finfo(new.dtype).eps ** (2 / 3) if tolerance is None else tolerance) * size:
            return x
    why = f"After {max_steps} steps an element still changes by {change:.3g}."
    if not np.isfinite(change):
        why = "It has become infinite or not a number."
    instead = "The step must be a contraction; find the root of x - step(x) by another way, with tp.implicit_root."
    raise ConvergenceError(compose(what, why=why, instead=instead))


def _check_step(before: Any, after: Any) -> None:
    if any(map(is_differentiated, tree.leaves(after))):
        refuse_closure("the step of a fixed point")
    what = f"the step of a fixed point takes {tree.structure(before)!r} and gives {tree.structure(after)!r}"
    raise ArgumentError(compose(what, instead="Return x in the containers that it came in."))


class _Equation(UserFunction):
    """``residual(x, *args) = 0``, as the function of the arguments that its solution is."""

    def __init__(
        self,
        residual: Function,
        solve: Function,
        linear_solve: LinearSolve | None,
        tolerance: float | None,
        scale: Callable[..., float] = lambda x, *args: max(1.0, float(np.max(np.abs(x), initial=0))),
    ) -> None:
        super().__init__(functools.wraps(solve)(functools.partial(_Equation._solved, self)))
        self.residual = residual
        self.solve = solve
        self.linear_solve = linear_solve
        self.tolerance = tolerance
        self.scale = scale  # what a residual is large or small in comparison with

    def push(self, args: Any, tangents: Any, out: Any) -> Any:
        return _Linearised(self, out, args).push(tangents)

    def pullback(self, args: Any, out: Any) -> Callable[..., Any]:
        return _Linearised(self, out, args).pull

    def _solved(self, *args: Any) -> Any:
        x = self.solve(*args)
        self.check(x, args)
        return tree.map(_as_float, x)

    def check(self, x: Any, args: Any) -> None:
        """Raise unless x is a solution."""
        if any(map(is_differentiated, tree.leaves(x))):
            refuse_closure(f"{name_of(self.solve)}, which solves an equation,")
        layout = Layout(x, "the solution")
        found = self.residual(tree.map(_as_float, x), *args)
        if any(map(is_differentiated, tree.leaves(found))):
            refuse_closure(f"{name_of(self.residual)}, the residual of an equation,")
        Layout(found, "the residual")
        found, x = ravel(found), ravel(x)
        if found.size != layout.size:
            what = f"the residual has {found.size} elements, but the solution has {layout.size}"
            raise ShapeError(compose(what, instead="Return one equation for each unknown."))
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = 1e-6 if found.dtype == np.float64 else 1e-3
        size, scale = np.max(np.abs(found), initial=0), self.scale(x, *args)
        if np.isnan(size) or size > tolerance * max(scale, np.finfo(float).tiny):
            what = f"{name_of(self.solve)} has not solved its equation: the largest residual is {float(size):.3g}"
            why = f"At most {tolerance * scale:.3g} is allowed; the derivatives would be those of another point."
            raise ConvergenceError(compose(what, why=why, instead="Solve more exactly, or pass tolerance=."))


class _Linearised:
    """An equation at its solution: products with the derivatives of its residual."""

    def __init__(self, equation: _Equation, x: Any, args: Any) -> None:
        self.equation = equation
        self.layout = Layout(x, "the solution")
        self.x = ravel(x)
        self.args = args

    def residual(self, x: Any, *args: Any) -> Any:
        """Residual of a vector, as a vector."""
        return ravel(self.equation.residual(self.layout.unravel(x), *args))

    # --- in the arguments ---------------------------------------------------------------------------------------------

    def push(self, tangents: Any) -> Any:
        """``-(∂F/∂x)⁻¹ ∂F/∂args`` times tangents of the arguments."""
        places, leaves, of_leaves = self._of_leaves()
        flat: list[Any] = []
        tree.map(lambda _, tangent: flat.append(tangent), self.args, tangents)
        pushed = jvp(of_leaves, leaves, tuple(flat[place] for place in places))[1]
        return self.layout.unravel(-self.divide(pushed, transposed=False))

    def pull(self, cotangent: Any) -> Any:
        """``-(∂F/∂args)ᵀ (∂F/∂x)⁻ᵀ`` times the cotangent of x."""
        places, leaves, of_leaves = self._of_leaves()
        adjoint = self.divide(ravel(cotangent), transposed=True)
        pulled = dict(zip(places, vjp(of_leaves, *leaves)[1](-adjoint), strict=True))
        count, structure = tree.structure(self.args).leaf_count, tree.structure(self.args)
        return tree.unflatten(structure, [pulled.get(place) for place in range(count)])

    def _of_leaves(self) -> tuple[list[int], tuple[Any, ...], Function]:
        """The residual as a function of the leaves of the arguments that have derivatives: where they are, and it."""
        everything, structure = tree.flatten(self.args)
        places = [place for place, leaf in enumerate(everything) if _is_inexact(leaf)]

        def of_leaves(*leaves: Any) -> Any:
            replaced = list(everything)
            for place, leaf in zip(places, leaves, strict=True):
                replaced[place] = leaf
            return self.residual(self.x, *tree.unflatten(structure, replaced))

        return places, tuple(everything[place] for place in places), of_leaves

    # --- in the solution ----------------------------------------------------------------------------------------------

    def divide(self, b: Any, transposed: bool) -> Any:
        """The solution v of ``∂F/∂x v = b``, or of the transposed equations."""
        b = b if b.dtype == self.x.dtype else b.astype(self.x.dtype)
        if self.equation.linear_solve is not None:
            return self._divide_by_products(b, transposed)
        return np.linalg.solve(np.transpose(self.matrix) if transposed else self.matrix, b)

    @functools.cached_property
    def matrix(self) -> Any:
        """``∂F/∂x``."""
        matrix = jacobian(lambda x: self.residual(x, *self.args))(self.x)
        check_regular(matrix)
        return matrix

    def _divide_by_products(self, b: Any, transposed: bool) -> Any:
        """The same by the user's solver, which is the solution of an equation itself: so it can be differentiated."""
        solver = self.equation.linear_solve
        assert solver is not None

        def product(x: Any, args: Any) -> Callable[[Any], Any]:
            of_x = functools.partial(_residual_of, self, args)
            if transposed:
                pullback = vjp(of_x, x)[1]
                return lambda v: pullback(v)[0]
            return lambda v: jvp(of_x, (x,), (v,))[1]

        equation = _Equation(
            lambda v, b, x, args: product(x, args)(v) - b,
            lambda b, x, args: solver(product(x, args), b),
            solver,
            self.equation.tolerance,
            lambda v, b, x, args: float(np.max(np.abs(b), initial=0)),
        )
        return equation(b, self.x, self.args)


def _residual_of(at: _Linearised, args: Any, x: Any) -> Any:
    return at.residual(x, *args)


def _is_inexact(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype.kind in "fc" if dtype is not None else isinstance(leaf, (float, complex))


def check_regular(matrix: Any) -> None:
    """Raise if the Jacobian of an equation is singular, as far as its numbers tell."""
    value = detach(matrix)
    if is_traced(value):
        return  # it is being captured, and has no numbers yet
    with np.errstate(all="ignore"):
        condition = np.linalg.cond(value) if np.all(np.isfinite(value)) else np.inf
    if not condition < 1 / np.finfo(value.dtype).eps:
        what = f"the Jacobian of the residual is singular at the solution (its condition number is {condition:.3g})"
        why = "The solution is no differentiable function of the arguments there, or not the only one nearby."
        raise DifferentiationError(compose(what, why=why, instead="Write the residual with independent equations."))
