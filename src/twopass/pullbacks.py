"""Plain NumPy functions that bring a pullback of their own, without knowing the engine.

The class of a traced array has a function ``__custom_rule__(f, vjp, args, options)``, as it has NumPy's
``__array_function__``: whoever finds it hands the call over. Any library can do so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["with_pullback"]

Function = Callable[..., Any]


def with_pullback(vjp: Function) -> Callable[[Function], Function]:
    """Give a function of arrays a pullback: ``vjp(*args, **options) -> (out, pullback)``, as `custom_rule` takes it.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> from twopass.pullbacks import with_pullback
    >>> def pulled(x):
    ...     return np.square(x), lambda cotangent: (2 * cotangent * x,)
    >>> @with_pullback(pulled)
    ... def square(x):
    ...     return np.square(x)
    >>> tp.grad(square)(3.0)
    6.0
    """

    def decorate(f: Function) -> Function:
        @functools.wraps(f)
        def function(*args: Any, **options: Any) -> Any:
            for arg in args:
                custom_rule = getattr(type(arg), "__custom_rule__", None)
                if custom_rule is not None:
                    return custom_rule(f, vjp, args, options)
            return f(*args, **options)

        return function

    return decorate
