"""Formulas from the command line are parsed, never run."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from twopass.cli.expression import FUNCTIONS, parse, parse_several, parse_values
from twopass.errors import ArgumentError


def test_every_function_is_numpys_and_can_be_differentiated():
    for name, (function, count) in FUNCTIONS.items():
        names = ("x", "y")[:count]
        formula = parse(f"{name}({', '.join(names)})").function(names)
        point = (1.3,) * count if name == "arccosh" else (0.6, 0.4)[:count]
        assert formula(*point) == function(*point)
        tp.check_grads(formula, point, order=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**2*y + y + 2", 42),
        (" -x**2 ", -9),
        ("+x--y", 7),
        ("2**-x", 0.125),
        ("np.sqrt(y) / numpy.exp(0*x)", 2),
        ("1e-3*x + .5", 0.503),
        ("pi*x - x*e", 3 * np.pi - 3 * np.e),
        ("maximum(x, hypot(x, y))", 5),
        ("x**y**(1/2)", 9),
        ("((((x))))", 3),
    ],
)
def test_formulas(text, expected):
    formula = parse(text)
    assert formula.check({"x": 3.0, "y": 4.0}) == pytest.approx(expected, rel=1e-15)


def test_variables_in_the_order_in_which_they_appear():
    assert parse("b*a + sin(c)*b").names == ("b", "a", "c")
    assert parse("e*x", ("x", "e")).function(("e", "x"))(2.0, 3.0) == 6
    assert parse("θ_1*x").names == ("θ_1", "x")


def test_formulas_take_whatever_numpy_takes():
    formula = parse("x**2 * sin(x) / 3").function(("x",))
    np.testing.assert_allclose(formula(np.array([1.0, 2.0])), np.array([1.0, 2.0]) ** 2 * np.sin([1.0, 2.0]) / 3)
    assert formula(1 + 1j) == pytest.approx((1 + 1j) ** 2 * np.sin(1 + 1j) / 3)
    assert tp.grad(tp.grad(formula))(0.5) == pytest.approx(float(tp.hessian(formula)(0.5)))
    assert formula(np.longdouble(2)).dtype == np.longdouble


REFUSED = {
    "x^2": "Write x**2 for x^2",
    "2x": "2*x",
    "x**": "cannot be read",
    "": "cannot be read",
    "   ": "cannot be read",
    "x²": "invalid character",
    "sin": "Write sin(x)",
    "sinn(x)": "Did you mean 'sin'",
    "ln(x)": "NumPy calls it log",
    "sin(x, x)": "takes 1 argument",
    "hypot(x)": "takes 2 arguments",
    "sin(x=1)": "takes 1 argument",
    "sin(*x)": "is not allowed",
    "x.real": "is not allowed",
    "x[0]": "is not allowed",
    "[x]": "is not allowed",
    "(x, x)": "is not allowed",
    "x > 1": "is not allowed",
    "x and x": "is not allowed",
    "x if x else x": "is not allowed",
    "lambda: x": "is not allowed",
    "(y := x)": "is not allowed",
    "x // 2": "is not allowed",
    "x % 2": "is not allowed",
    "~x": "is not allowed",
    "not x": "is not allowed",
    "'a' * x": "is not allowed",
    "True * x": "is not allowed",
    "1j * x": "is not allowed",
    "f'{x}'": "is not allowed",
    "__import__('os').system('true')": "no function named",
    "().__class__": "is not allowed",
    "eval('x')": "no function named 'eval'",
    "np.load('x')": "no function named 'load'",
    "np.linalg.norm(x)": "no function named 'linalg.norm'",
    "9" * 400 + "*x": "too large a number",
    "(" * 300 + "x" + ")" * 300: "cannot be read",
    "-" * 250 + "x": "nested too deeply",
    "+".join(["x"] * 1999): "nested too deeply",
    "x" * 5000: "5,000 characters",
    "x\x00": "cannot be read",
    "x = 3": "cannot be read",
    "import os": "cannot be read",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_anything_else_is_refused(text):
    with pytest.raises(ArgumentError) as caught:
        parse(text)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_variables_are_named_with_what_is_allowed():
    with pytest.raises(ArgumentError, match=r"no variable 'z'. Allowed here: x, y, pi, e"):
        parse("x + z", ("x", "y"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y + log(x - 4)", r"log\(x - 4\) is not a number \(NaN\) at x=3, y=1. log has no real value for -1"),
        ("sqrt(-x)*y", r"sqrt\(-x\) is not a number"),
        ("1/(x - 3)", r"1 / \(x - 3\) is infinite at x=3\."),
        ("(y - 1)/(x - 3)", "is not a number"),
        ("(-x)**0.5", r"\(-x\) \*\* 0.5 is not a number"),
        ("exp(exp(exp(x)))", r"exp\(exp\(exp\(x\)\)\) is infinite"),
        ("9**9**9**9 * x", "is infinite"),
        ("arcsin(x) + arccosh(y/2)", r"arcsin has no real value for 3"),
    ],
)
def test_what_is_no_number_is_named(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse(text).check({"x": 3.0, "y": 1.0})


def test_values():
    assert parse_values(["x=3,y = pi/2", "z=-1e-3"]) == {"x": 3.0, "y": np.pi / 2, "z": -0.001}
    for text, message in (
        ("x", "gives no variable a value"),
        ("", "gives no variable a value"),
        ("x=", "gives no variable a value"),
        ("3=x", "gives no variable a value"),
        ("x=1,x=2", "two values"),
        ("x=foo", "no variable 'foo'"),
        ("x=1/0", "infinite"),
    ):
        with pytest.raises(ArgumentError, match=message):
            parse_values([text])


def test_several_formulas():
    found = parse_several(["2*x*y, x**2 + 1", "sin(x)"], ("x", "y"))
    assert [formula.text for formula in found] == ["2 * x * y", "x ** 2 + 1", "sin(x)"]
