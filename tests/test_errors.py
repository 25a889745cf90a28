"""Exceptions: each is also the built-in that callers expect, and messages point at the user's line."""

from __future__ import annotations

import inspect

import pytest

import twopass as tp
from twopass import errors


def test_every_exception_is_a_twopass_error_and_is_drawn_in_the_docstring():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    for kind in kinds:
        assert issubclass(kind, errors.TwopassError)
        assert kind.__name__ in errors.__doc__


BUILT_INS = {
    errors.UnsupportedOperatorError: TypeError,
    errors.DetachedError: TypeError,
    errors.GradientCheckError: AssertionError,
    errors.ArgumentError: ValueError,
    errors.ShapeError: ValueError,
    errors.ConvergenceError: ArithmeticError,
    errors.NotFiniteError: ArithmeticError,
    errors.DataError: ValueError,
    errors.ModelError: ValueError,
    errors.MissingLibraryError: ImportError,
}


@pytest.mark.parametrize("kind", BUILT_INS)
def test_callers_may_catch_the_built_in(kind):
    assert issubclass(kind, BUILT_INS[kind])


def test_the_message_points_at_the_users_line():
    def mine(x):
        y = x * 2
        return float(y)

    _, first = inspect.getsourcelines(mine)
    with pytest.raises(errors.DetachedError, match=f"test_errors.py:{first + 2}\\)"):
        tp.grad(mine)(1.0)


def test_compose_puts_the_parts_in_order():
    text = errors.compose("x is wrong", where="a.py:1", why="Because.", instead="Write y.")
    assert text == "x is wrong (at a.py:1). Because. Write y."


def test_the_line_is_the_users_also_below_generated_methods():
    """The `__init__` of a dataclass belongs to the library, though no file does."""
    _, first = inspect.getsourcelines(test_the_line_is_the_users_also_below_generated_methods)
    with pytest.raises(errors.ArgumentError, match=f"test_errors.py:{first + 4}\\)"):
        tp.nn.Dense(3, activation="rleu")
