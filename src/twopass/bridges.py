"""Functions in the form that other libraries want them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from twopass.api import hessian, hvp, jacobian, value_and_grad
from twopass.api.flat import Layout, ravel
from twopass.compiler import compile as compiled
from twopass.errors import ArgumentError, ShapeError, compose, unknown_name

__all__ = ["SciPyProblem", "scipy"]

Function = Callable[..., Any]
Vector = np.ndarray[Any, np.dtype[np.float64]]

KINDS = ("minimize", "least_squares", "root")

#: The methods of `scipy.optimize.minimize` that take no gradient, products with the Hessian, and the Hessian.
_WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_WITH_PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_WITH_HESSIAN = {"dogleg", "trust-exact"}


class SciPyProblem(dict[str, Any]):
    """The arguments of a function of `scipy.optimize`, by name; `unravel` makes parameters of its result."""

    def __init__(self, arguments: dict[str, Any], layout: Layout | None) -> None:
        super().__init__(arguments)
        self._layout = layout

    def unravel(self, x: Any) -> Any:
        """The parameters that a vector, such as ``result.x``, holds: in the containers of ``x0``."""
        return np.asarray(x) if self._layout is None else self._layout.unravel(np.asarray(x))


def scipy(
    f: Function,
    x0: Any = None,
    *args: Any,
    kind: Literal["minimize", "least_squares", "root"] = "minimize",
    method: str | None = None,
    compile: bool = False,
) -> SciPyProblem:
    """A function and its exact derivatives as the arguments of a solver of SciPy.

    ``scipy.optimize.minimize(**tp.scipy(f, x0))`` minimises f from x0 on. The parameters may be any tree of arrays:
    SciPy works on a vector of all their elements, and ``problem.unravel(result.x)`` makes parameters of its result.

    ===================  ===============================================================================
    kind                 arguments
    ===================  ===============================================================================
    ``"minimize"``       ``fun`` with value and gradient, ``jac=True``; ``hessp`` or ``hess`` if `method`
                         wants it; ``fun`` alone if the method takes no gradient
    ``"least_squares"``  ``fun``, all elements of the result of f, and ``jac``, their Jacobian
    ``"root"``           the same
    ===================  ===============================================================================

    Parameters
    ----------
    f : callable
        ``f(parameters, *args)``: plain NumPy code. Its result is one real number for ``"minimize"``, else a tree of
        real arrays.
    x0 : tree of arrays, optional
        Where to start. Without it f takes the vector itself, and the caller gives SciPy its ``x0``.
    *args : trees
        Further arguments of f, such as data.
    kind : {"minimize", "least_squares", "root"}
        Which function of ``scipy.optimize`` the arguments are for.
    method : str, optional
        The solver's method, which becomes one of the arguments.
    compile : bool
        Whether to run all of it as machine code; see `twopass.compile`.

    Returns
    -------
    SciPyProblem
        A dict of the arguments. Everything in it is float64, whatever the dtypes of `x0`.

    Raises
    ------
    ArgumentError
        For an unknown kind, or parameters that are not real.
    ShapeError
        When called, if the function to minimise has not one number as result.

    Examples
    --------
    >>> import numpy as np, scipy.optimize, twopass as tp
    >>> def rosenbrock(p):
    ...     return 100 * (p["y"] - p["x"] ** 2) ** 2 + (1 - p["x"]) ** 2
    >>> problem = tp.scipy(rosenbrock, {"x": -1.2, "y": 1.0}, method="BFGS")
    >>> result = scipy.optimize.minimize(**problem)
    >>> {name: round(float(value), 4) for name, value in problem.unravel(result.x).items()}
    {'x': 1.0, 'y': 1.0}
    """
    if kind not in KINDS:
        raise ArgumentError(unknown_name("kind of problem", kind, KINDS))
    layout = None if x0 is None else Layout(x0, "x0", np.dtype(np.float64))

    def of_vector(x: Any, *args: Any) -> Any:
        return f(x if layout is None else layout.unravel(x), *args)

    def prepared(function: Function) -> Function:
        ready = compiled(function) if compile else function
        return lambda *vectors: ready(*(np.asarray(v, np.float64) for v in vectors), *args)

    found: dict[str, Any] = {} if layout is None else {"x0": np.asarray(ravel(x0), np.float64)}
    if method is not None:
        found["method"] = method
    if kind == "minimize":
        found.update(_minimize(of_vector, prepared, (method or "").lower()))
    else:
        found["fun"] = _as_vector(prepared(lambda x, *args: ravel(of_vector(x, *args))))
        found["jac"] = _as_vector(prepared(jacobian(lambda x, *args: ravel(of_vector(x, *args)))))
    return SciPyProblem(found, layout)


def _as_vector(f: Function) -> Callable[[Vector], Vector]:
    return lambda x: np.asarray(f(x), np.float64)


def _minimize(f: Function, prepared: Callable[[Function], Function], method: str) -> dict[str, Any]:
    """What `scipy.optimize.minimize` wants to know of a function of a vector."""
    if method in _WITHOUT_GRADIENT:
        value_of = prepared(f)
        return {"fun": lambda x: _number(value_of(x))}
    both = prepared(value_and_grad(f))

    def value_and_gradient(x: Vector) -> tuple[float, Vector]:
        value, gradient = both(x)
        return float(value), np.asarray(gradient, np.float64)

    found: dict[str, Any] = {"fun": value_and_gradient, "jac": True}
    if method in _WITH_PRODUCTS:
        product = prepared(lambda x, v, *args: hvp(lambda x: f(x, *args), (x,), (v,))[0])
        found["hessp"] = lambda x, v: np.asarray(product(x, v), np.float64)
    elif method in _WITH_HESSIAN:
        found["hess"] = _as_vector(prepared(hessian(f)))
    return found


def _number(value: Any) -> float:
    if np.shape(value) != ():
        what = f"the function to minimise gives an array of shape {np.shape(value)}, not a number"
        raise ShapeError(compose(what, instead='Sum it, or pass kind="least_squares" to minimise its squares.'))
    return float(value)
