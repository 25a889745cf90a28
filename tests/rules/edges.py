"""The edges of docs/kinks.md, as data: each line is a test of twopass and a row of the page.

An edge is an expression, a point, and the derivative of the expression's sum there. The expressions are written in
NumPy; ``benchmarks/edges.py`` runs the same ones through other libraries. Everything is text, so that the page shows
what is tested:  ``python -m tests.rules.edges`` writes its tables anew.
"""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "kinks.md"


class Edge(NamedTuple):
    """One line of the policy.

    Parameters
    ----------
    code : str
        An expression in ``x``; the names are NumPy's, `set_at`, `add_at`, ``nn`` (`twopass.nn.activations`) and
        ``losses`` (`twopass.nn.losses`), ``special`` (`twopass.special`).
    at : str
        The point: a number or an array.
    derivative : str
        Derivative of the sum of the expression in x, or the name of the exception that it raises.
    because : str
        Why it is that one.
    subgradients : str
        Where there is no derivative: points whose convex hull is what another library may answer. Where there is one
        that twopass does not give: that one.
    order : int
        1, or 2 for the derivative of the sum of the derivative.
    """

    code: str
    at: str
    derivative: str
    because: str
    subgradients: str = ""
    order: int = 1

    @property
    def name(self) -> str:
        """What the edge is called in tests and tables."""
        second = ", second derivative" if self.order == 2 else ""
        return f"{self.code} at {self.at}{second}"

    @property
    def raises(self) -> bool:
        """Whether the derivative is an exception."""
        return self.derivative.endswith("Error")

    @property
    def available(self) -> bool:
        """Whether what the expression uses is installed: special functions need SciPy."""
        return "special." not in self.code or "special" in names()

    def point(self) -> Any:
        """Where the derivative is taken."""
        value = eval(self.at, {"np": np, **NUMBERS})
        return np.array(value) if isinstance(value, list) else value

    def function(self, **names: Any) -> Callable[[Any], Any]:
        """The expression as a function of x, with these names: ``np`` and what else it uses."""
        return eval(f"lambda x: {self.code}", {**NUMBERS, **names})

    def expected(self) -> Any:
        """The derivative as numbers."""
        return np.asarray(eval(self.derivative, {"np": np, **NUMBERS}))

    def is_free(self) -> bool:
        """Whether nothing is wrong: the value is NaN, or there is neither a derivative nor a subgradient."""
        if not self.available:
            return False
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = np.sum(self.function(**names())(np.array(self.point())[()]))
        return bool(np.isnan(value)) or (not self.subgradients and bool(np.isnan(self.expected()).any()))

    def right(self) -> Any:
        """Points whose convex hull holds the right answers, one a row."""
        points = eval(self.subgradients or f"[{self.derivative}]", {"np": np, **NUMBERS})
        return np.array([np.ravel(point) for point in points])


NUMBERS = {"nan": np.nan, "inf": np.inf, "ln2": np.log(2), "pi": np.pi, "sqrt2": np.sqrt(2)}


def set_at(array: Any, index: Any, value: Any) -> Any:
    """``array[index] = value``, as an expression."""
    array[index] = value
    return array


def add_at(array: Any, index: Any, value: Any) -> Any:
    """``np.add.at(array, index, value)``, as an expression."""
    np.add.at(array, index, value)
    return array


def names() -> dict[str, Any]:
    """What the expressions refer to, for twopass."""
    from twopass.nn import activations, losses

    known = {"np": np, "nn": activations, "losses": losses, "set_at": set_at, "add_at": add_at}
    if importlib.util.find_spec("twopass.special") and importlib.util.find_spec("scipy"):
        known["special"] = importlib.import_module("twopass.special")
    return known


E = Edge
UNIT = "[0, 1]"
SIGNS = "[-1, 1]"

SECTIONS: dict[str, list[Edge]] = {
    "Ties": [
        E("np.maximum(x, 1.0)", "1.0", "1/2", "neither argument comes first", UNIT),
        E("np.maximum(1.0, x)", "1.0", "1/2", "in either order", UNIT),
        E("np.minimum(x, 1.0)", "1.0", "1/2", "the same", UNIT),
        E("np.fmax(x, 1.0)", "1.0", "1/2", "the same", UNIT),
        E("np.fmin(x, 1.0)", "1.0", "1/2", "the same", UNIT),
        E("np.maximum(x[0], x[1])", "[1.0, 1.0]", "[1/2, 1/2]", "the same, in both", "[[1, 0], [0, 1]]"),
        E("np.maximum(x, -x)", "0.0", "0", "½ − ½: as |x|", SIGNS),
        E("np.max(x)", "[2.0, 2.0, 1.0]", "[1/2, 1/2, 0]", "k equal extremes get 1/k each", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.min(x)", "[1.0, 2.0, 1.0]", "[1/2, 0, 1/2]", "the same", "[[1, 0, 0], [0, 0, 1]]"),
        E("x.max()", "[2.0, 2.0, 1.0]", "[1/2, 1/2, 0]", "in every spelling", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.maximum.reduce(x)", "[2.0, 2.0, 1.0]", "[1/2, 1/2, 0]", "in every spelling", "[[1, 0, 0], [0, 1, 0]]"),
        E(
            "np.max(np.reshape(x, (2, 2)), axis=(0, 1))",
            "[2.0, 2.0, 2.0, 1.0]",
            "[1/3, 1/3, 1/3, 0]",
            "over several axes at once, too",
            "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]",
        ),
        E("np.max(x, initial=2.0)", "[2.0, 1.0]", "[1/2, 0]", "`initial` is one of the equals", "[[0, 0], [1, 0]]"),
        E("np.ptp(x)", "[1.0, 1.0]", "[0, 0]", "½ − ½", "[[-1, 1], [1, -1]]"),
        E("x[np.argmax(x)]", "[2.0, 2.0, 1.0]", "[1, 0, 0]", "the index names one element: the first"),
        E(
            "np.sort(x)[0]",
            "[1.0, 1.0, 2.0]",
            "[1/2, 1/2, 0]",
            "the order among equals is an accident",
            "[[1, 0, 0], [0, 1, 0]]",
        ),
        E("np.sort(x)[::-1][0]", "[2.0, 1.0, 2.0]", "[1/2, 0, 1/2]", "the same", "[[1, 0, 0], [0, 0, 1]]"),
        E("np.partition(x, 1)[1]", "[1.0, 1.0, 0.0]", "[1/2, 1/2, 0]", "the same", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.median(x)", "[1.0, 1.0, 1.0]", "[1/3, 1/3, 1/3]", "the same", "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"),
        E(
            "np.median(x)",
            "[1.0, 1.0, 2.0, 3.0]",
            "[1/4, 1/4, 1/2, 0]",
            "the mean of two places, one of them shared",
            "[[1/2, 0, 1/2, 0], [0, 1/2, 1/2, 0]]",
        ),
        E("np.quantile(x, 0.5)", "[1.0, 1.0, 2.0]", "[1/2, 1/2, 0]", "the same", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.percentile(x, 0)", "[1.0, 1.0, 2.0]", "[1/2, 1/2, 0]", "as the minimum", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.maximum.accumulate(x)", "[1.0, 1.0, 0.0]", "[2, 1, 0]", "1 + ½ + ½ and ½ + ½", "[[3, 0, 0], [1, 2, 0]]"),
        E(
            "np.linalg.norm(x, np.inf)",
            "[1.0, -1.0]",
            "[1/2, -1/2]",
            "a maximum of absolute values",
            "[[1, 0], [0, -1]]",
        ),
        E("np.clip(x, -1.0, 1.0)", "1.0", "1", "a value at the bound is one that has not been clipped", UNIT),
        E("np.clip(x, -1.0, 1.0)", "-1.0", "1", "the same", UNIT),
        E("np.clip(x, -1.0, 1.0)", "2.0", "0", "clipped"),
        E("np.clip(x[0], x[1], 2.0)", "[1.0, 1.0]", "[1, 0]", "the bound gets the rest", "[[1, 0], [0, 1]]"),
        E("np.clip(x[0], 0.0, x[1])", "[1.0, 1.0]", "[1, 0]", "the same", "[[1, 0], [0, 1]]"),
        E("np.clip(x, 1.0, 1.0)", "1.0", "0", "between equal bounds it is a constant"),
        E("np.clip(x, None, 1.0)", "1.0", "1", "with one bound, too", UNIT),
        E(
            "np.clip(x[0], x[1], x[2])",
            "[1.0, 1.0, 1.0]",
            "[0, 0, 1]",
            "bounds in no order: the upper one",
            "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]",
        ),
        E("np.interp(x, np.arange(3.0), np.array([0.0, 1.0, 3.0]))", "1.0", "3/2", "the mean of both sides", "[1, 2]"),
        E("np.interp(x, np.arange(3.0), np.array([0.0, 1.0, 3.0]))", "0.0", "1", "as `clip` at its bound", UNIT),
    ],
    "Zeros": [
        E("np.abs(x)", "0.0", "0", "the middle of [−1, 1]", SIGNS),
        E("np.fabs(x)", "0.0", "0", "the same", SIGNS),
        E("x * np.abs(x)", "0.0", "0", "it has a derivative"),
        E("np.sign(x)", "0.0", "0", "constant on both sides"),
        E("x * np.sign(x)", "0.0", "0", "as |x|", SIGNS),
        E(
            "np.linalg.norm(x)",
            "[0.0, 0.0]",
            "[0, 0]",
            "the middle of the unit ball",
            "[[2, 0], [-2, 0], [0, 2], [0, -2]]",
        ),
        E(
            "np.linalg.norm(np.reshape(x, (2, 2)))",
            "[0.0, 0.0, 0.0, 0.0]",
            "[0, 0, 0, 0]",
            "the same",
            "[[0, 0, 0, 0]]",
        ),
        E("np.linalg.norm(x, 1)", "[0.0, 2.0]", "[0, 1]", "a sum of absolute values", "[[-1, 1], [1, 1]]"),
        E(
            "np.linalg.norm(x, 3)",
            "[0.0, 0.0]",
            "[0, 0]",
            "the middle of the unit ball",
            "[[2, 0], [-2, 0], [0, 2], [0, -2]]",
        ),
        E("np.linalg.norm(x) ** 2", "[0.0, 0.0]", "[0, 0]", "it has a derivative"),
        E("np.hypot(x, 0.0)", "0.0", "0", "the middle of [−1, 1]", SIGNS),
        E(
            "np.hypot(x[0], x[1])",
            "[0.0, 0.0]",
            "[0, 0]",
            "the middle of the unit ball",
            "[[1, 0], [-1, 0], [0, 1], [0, -1]]",
        ),
        E("np.std(x)", "[3.0, 3.0, 3.0]", "[0, 0, 0]", "a norm of deviations", "[[0, 0, 0]]"),
        E("np.std(x, ddof=1)", "[3.0, 3.0]", "[0, 0]", "the same", "[[0, 0], [1, -1], [-1, 1]]"),
        E("np.std(x)", "[3.0]", "[0]", "constant"),
        E("np.var(x)", "[3.0, 3.0, 3.0]", "[0, 0, 0]", "it has a derivative"),
        E("np.sqrt(x)", "0.0", "inf", "the slope is infinite"),
        E("np.cbrt(x)", "0.0", "inf", "the slope is infinite"),
        E("np.log(x)", "0.0", "inf", "the slope is infinite"),
        E("np.reciprocal(x)", "0.0", "-inf", "the slope on both sides"),
        E("np.arcsin(x)", "1.0", "inf", "the slope is infinite"),
        E("np.arccosh(x)", "1.0", "inf", "the slope is infinite"),
        E("np.arctanh(x)", "1.0", "inf", "the slope is infinite"),
        E("x ** 0", "0.0", "0", "constant, at 0 too"),
        E("x ** 0.0", "0.0", "0", "the same"),
        E("x ** 1", "0.0", "1", "it has a derivative"),
        E("x ** 2", "0.0", "0", "it has a derivative"),
        E("x ** 2.0", "0.0", "0", "it has a derivative"),
        E("x ** 3", "-2.0", "12", "an integer power of a negative number"),
        E("x ** -2", "-2.0", "1/4", "the same"),
        E("x ** 0.5", "0.0", "inf", "as the root"),
        E("x ** np.array([0.0, 1.0, 2.0])", "[0.0, 0.0, 0.0]", "[0, 1, 0]", "each exponent by itself"),
        E("x ** np.array([0.0, 1.0, 2.0])", "[-1.0, -1.0, -1.0]", "[0, 1, -2]", "the same"),
        E("0.0 ** x", "2.0", "0", "`0 ** p` is 0 for every p > 0"),
        E("0.0 ** x", "0.0", "0", "the same beside a jump"),
        E("x[0] ** x[1]", "[0.0, 2.0]", "[0, 0]", "both of these"),
        E("x ** np.array([2.0])", "[-2.0]", "[-4]", "the same, of an array"),
        E("(-2.0) ** x", "2.0", "nan", "powers of a negative number exist at integers only"),
        E("np.prod(x)", "[0.0, 2.0, 3.0]", "[6, 0, 0]", "the product of the others, without a division"),
        E("np.prod(x)", "[0.0, 0.0, 3.0]", "[0, 0, 0]", "the same"),
        E("np.cumprod(x)", "[2.0, 0.0, 3.0]", "[1, 8, 0]", "the same, running"),
        E("np.sinc(x)", "0.0", "0", "the removable singularity is removed"),
        E("np.sinc(x)", "1e-9", "-pi**2 / 3 * 1e-9", "and nothing cancels beside it"),
        E(
            "np.arctan2(x[0], x[1])",
            "[0.0, 0.0]",
            "[nan, nan]",
            "no limit, no subgradient: a singularity is not hidden",
        ),
        E("x / np.abs(x)", "0.0", "nan", "0/0 is not a number, nor is its derivative"),
        E("np.sqrt(x) ** 2", "0.0", "nan", "∞ · 0: the root has no slope to give back"),
        E(
            "np.linalg.det(np.reshape(x, (2, 2)))",
            "[1.0, 2.0, 2.0, 4.0]",
            "[4, -2, -2, 1]",
            "the adjugate, also of a singular matrix",
        ),
        E("np.linalg.det(np.reshape(x, (2, 2)))", "[0.0, 0.0, 0.0, 0.0]", "[0, 0, 0, 0]", "the same"),
        E(
            "np.linalg.det(np.reshape(x, (3, 3)))",
            "[1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0]",
            "[0, 0, 0, 0, 0, 0, 0, 0, 2]",
            "the same",
        ),
    ],
    "Matrices": [
        E(
            "np.linalg.inv(np.reshape(x, (2, 2)))",
            "[1.0, 2.0, 2.0, 4.0]",
            "LinAlgError",
            "as NumPy: a singular matrix has no inverse",
        ),
        E(
            "np.linalg.norm(np.reshape(x, (2, 2)), 2)",
            "[1.0, 0.0, 0.0, 1.0]",
            "[1/2, 0, 0, 1/2]",
            "a maximum of equal singular values",
            "[[1, 0, 0, 0], [0, 0, 0, 1]]",
        ),
        E(
            "np.linalg.norm(np.reshape(x, (2, 2)), 'nuc')",
            "[1.0, 0.0, 0.0, 1.0]",
            "[1, 0, 0, 1]",
            "the sum of equal singular values has a derivative",
        ),
        E(
            "np.linalg.eigvalsh(np.reshape(x, (2, 2)))",
            "[1.0, 0.0, 0.0, 1.0]",
            "[1, 0, 0, 1]",
            "the sum of equal eigenvalues has a derivative",
        ),
        E("np.linalg.eigvalsh(np.reshape(x, (2, 2))) ** 2", "[1.0, 0.0, 0.0, 1.0]", "[2, 0, 0, 2]", "the same"),
        E(
            "np.linalg.eigh(np.reshape(x, (2, 2)))[1][0, 0]",
            "[1.0, 0.0, 0.0, 1.0]",
            "GaugeError",
            "the basis of equal eigenvalues is arbitrary",
        ),
    ],
    "Infinities and overflow": [
        E("np.exp(x)", "1000.0", "inf", "the value is"),
        E("np.exp(x)", "-1000.0", "0", "underflow"),
        E("np.expm1(x)", "-1000.0", "0", "underflow"),
        E("np.log1p(x)", "-1.0", "inf", "the slope is infinite"),
        E("np.log(x)", "inf", "0", "the limit"),
        E("np.tanh(x)", "[-800.0, 800.0]", "[0, 0]", "saturated"),
        E("np.tanh(x)", "inf", "0", "the limit"),
        E("np.arctan(x)", "inf", "0", "the limit"),
        E("np.arctan(x)", "1e200", "0", "the limit, though x² overflows"),
        E("np.arcsinh(x)", "1e200", "1e-200", "x² overflows, the derivative does not"),
        E("np.hypot(x[0], x[1])", "[1e200, 1e200]", "[1/sqrt2, 1/sqrt2]", "x² overflows, the derivative does not"),
        E("np.hypot(x[0], x[1])", "[3e-200, 4e-200]", "[0.6, 0.8]", "x² underflows, the derivative does not"),
        E("np.linalg.norm(x)", "[3e-150, 4e-150]", "[0.6, 0.8]", "small is not 0"),
        E("np.arctan2(x[0], x[1])", "[1e-200, 1e-200]", "[5e199, -5e199]", "x² underflows, the derivative does not"),
        E("np.arctan2(x[0], x[1])", "[1e200, 1e200]", "[5e-201, -5e-201]", "x² overflows, the derivative does not"),
        E("np.logaddexp(x[0], x[1])", "[1000.0, 0.0]", "[1, 0]", "the larger one's share"),
        E("np.logaddexp(x[0], x[1])", "[-inf, -inf]", "[1/2, 1/2]", "a tie, without NaN", "[[1, 0], [0, 1]]"),
        E("np.logaddexp(x[0], x[1])", "[inf, inf]", "[1/2, 1/2]", "a tie, without NaN", "[[1, 0], [0, 1]]"),
        E("np.logaddexp(x[0], x[1])", "[inf, 1.0]", "[1, 0]", "the larger one's share"),
        E("np.logaddexp(x[0], x[1])", "[-inf, 1.0]", "[0, 1]", "the larger one's share"),
        E("np.logaddexp2(x[0], x[1])", "[-inf, -inf]", "[1/2, 1/2]", "a tie, without NaN", "[[1, 0], [0, 1]]"),
        E("np.logaddexp.reduce(x)", "[-inf, -inf]", "[1/2, 1/2]", "a tie, without NaN", "[[1, 0], [0, 1]]"),
        E("np.logaddexp.reduce(x)", "[-inf, -inf, 0.0]", "[0, 0, 1]", "shares, again"),
        E("nn.softplus(x)", "[-1000.0, 1000.0]", "[0, 1]", "no overflow"),
        E("nn.sigmoid(x)", "[-800.0, 800.0]", "[0, 0]", "no overflow"),
        E("nn.log_softmax(x)[0]", "[1e4, -1e4]", "[0, 0]", "no overflow"),
        E("nn.log_softmax(x)[1]", "[1e4, -1e4]", "[-1, 1]", "no overflow"),
        E("special.logsumexp(x)", "[-inf, -inf]", "[1/2, 1/2]", "a tie, without NaN", "[[1, 0], [0, 1]]"),
        E("special.expit(x)", "[-800.0, 800.0]", "[0, 0]", "no overflow"),
        E("special.logit(x)", "0.0", "inf", "the slope is infinite"),
        E("special.xlogy(x, 0.0)", "0.0", "-inf", "the slope is infinite"),
        E("np.log(x) - np.log1p(-x)", "0.0", "inf", "the logit at its ends"),
        E("np.log(x) - np.log1p(-x)", "1.0", "inf", "the same"),
        E("1 / (1 + np.exp(-x))", "-800.0", "nan", "the function overflows on its way: write `nn.sigmoid`", "[0]"),
        E("1 / x", "np.float32([1e-30])", "[-inf]", "float32: the derivative overflows, the value does not"),
        E("x * x", "np.float32([1e-42])", "[2 * np.float32(1e-42)]", "float32: subnormal numbers are numbers"),
        E("np.sqrt(x)", "np.float32([1e-42])", "[0.5 / np.sqrt(np.float32(1e-42))]", "float32: the same"),
        E("np.exp(x)", "np.float32([100.0])", "[inf]", "float32 overflows early"),
        E("nn.softplus(x)", "np.float32([-200.0, 200.0])", "[0, 1]", "float32: no overflow"),
        E(
            "np.hypot(x[0], x[1])",
            "np.float32([1e30, 1e30])",
            "[1/sqrt2, 1/sqrt2]",
            "float32: x² overflows, the derivative does not",
        ),
        E(
            "np.arctan2(x[0], x[1])",
            "np.float32([1e-30, 1e-30])",
            "[5e29, -5e29]",
            "float32: x² underflows, the derivative does not",
        ),
    ],
    "The branch not taken, and NaN": [
        E("np.where(x > 0, np.sqrt(x), 0)", "[4.0, 0.0]", "[1/4, 0]", "the branch not taken contributes nothing"),
        E("np.where(x > 0, np.log(x), 0)", "[2.0, 0.0]", "[1/2, 0]", "the same"),
        E("np.where(x == 0, 1, np.sin(x) / x)", "[0.0]", "[0]", "the same, NaN in the value too"),
        E("np.where(x > 0, x * np.log(x), 0)", "[1.0, 0.0]", "[1, 0]", "the same"),
        E("np.where(x > 0, np.where(x > 1, np.sqrt(x - 1), x), 0)", "[5.0, 1.0, -1.0]", "[1/4, 1, 0]", "nested"),
        E("np.where(np.isnan(x), 0, x)", "[nan, 1.0]", "[0, 1]", "the same"),
        E("np.select([x > 0], [np.sqrt(x)], 0.0)", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("np.choose(np.array([1, 0]), [np.zeros(2), np.sqrt(x)])", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("np.piecewise(x, [x > 0], [np.sqrt, 0.0])", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("np.sqrt(x)[x > 0]", "[4.0, 0.0]", "[1/4, 0]", "what is not read contributes nothing"),
        E("np.sum(np.sqrt(x), where=x > 0)", "[4.0, 0.0]", "[1/4, 0]", "what is left out contributes nothing"),
        E("np.mean(np.sqrt(x), where=x > 0)", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("np.prod(np.sqrt(x), where=x > 0)", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("np.max(np.sqrt(x), where=x > 0, initial=0.0)", "[4.0, 0.0]", "[1/4, 0]", "the same"),
        E("set_at(np.sqrt(x), x == 0, 0.0)", "[4.0, 0.0]", "[1/4, 0]", "what is overwritten contributes nothing"),
        E("np.maximum(x, nan)", "1.0", "0", "the value is NaN whatever x is", "[0]"),
        E("np.fmax(x, nan)", "1.0", "1", "the operand that is a number"),
        E("np.max(x)", "[1.0, nan]", "[0, 0]", "no element is the extreme", "[[0, 0], [0, 1]]"),
        E("np.nanmax(x)", "[2.0, 2.0, nan]", "[1/2, 1/2, 0]", "NaN is not there", "[[1, 0, 0], [0, 1, 0]]"),
        E("np.nanmax(x)", "[nan, nan]", "[0, 0]", "no element is the extreme", "[[0, 0]]"),
        E("np.nansum(x)", "[1.0, nan]", "[1, 0]", "NaN is not there"),
        E("np.nanmean(x)", "[1.0, nan, 3.0]", "[1/2, 0, 1/2]", "NaN is not there"),
        E("np.nanvar(x)", "[1.0, nan, 3.0]", "[-1, 0, 1]", "NaN is not there"),
        E(
            "np.nanstd(x)",
            "[2.0, nan, 2.0]",
            "[0, 0, 0]",
            "NaN is not there",
            "[[0, 0, 0], [1/2, 0, -1/2], [-1/2, 0, 1/2]]",
        ),
        E("np.nanprod(x)", "[2.0, nan, 3.0]", "[3, 0, 2]", "NaN is not there"),
        E("np.nanmedian(x)", "[1.0, nan, 3.0]", "[1/2, 0, 1/2]", "NaN is not there"),
        E("np.nancumsum(x)", "[1.0, nan, 3.0]", "[3, 0, 1]", "NaN is not there"),
        E("np.nan_to_num(x)", "[nan, inf, 1.0]", "[0, 0, 1]", "replaced by constants"),
    ],
    "Jumps": [
        E("np.floor(x)", "1.0", "0", "constant on both sides"),
        E("np.ceil(x)", "1.0", "0", "constant on both sides"),
        E("np.round(x)", "0.5", "0", "constant on both sides"),
        E("np.trunc(x)", "1.0", "0", "constant on both sides"),
        E("np.heaviside(x, 0.5)", "0.0", "0", "constant on both sides"),
        E("x // 2.0", "4.0", "0", "constant on both sides"),
        E("x * (x > 0)", "0.0", "0", "a comparison is a constant: here 0", UNIT),
        E("np.remainder(x, 2.0)", "4.0", "1", "1 on both sides"),
        E("np.remainder(x[0], x[1])", "[4.0, 2.0]", "[1, -2]", "the quotient is that of the side that NumPy evaluates"),
        E("np.fmod(x[0], x[1])", "[-5.0, 2.0]", "[1, 2]", "the quotient is rounded towards 0"),
        E("np.modf(x)[0]", "1.0", "1", "1 on both sides"),
        E("np.unwrap(x)", "[0.0, pi]", "[1, 1]", "the turns are constant"),
        E("np.unwrap(x)", "[0.0, 4.0]", "[1, 1]", "the turns are constant"),
        E("np.copysign(x, -1.0)", "0.0", "0", "−|x|", SIGNS),
        E("x.astype(int) * 1.0", "[1.0, 2.5]", "[0, 0]", "an integer is a constant"),
    ],
    "Empty arrays and arrays without axes": [
        E("np.sum(x)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.prod(x)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.max(x)", "np.zeros(0)", "ValueError", "as NumPy"),
        E("np.max(x, initial=0.0)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.linalg.norm(x)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.sort(x)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.cumsum(x)", "np.zeros(0)", "[]", "nothing to give"),
        E("np.concatenate([x, np.zeros(0)])", "[1.0, 2.0]", "[1, 1]", "nothing beside"),
        E("np.zeros((2, 0)) @ np.reshape(x, (0, 3))", "np.zeros(0)", "[]", "a product of nothing"),
        E("np.ones((0, 2)) @ x", "[1.0, 2.0]", "[0, 0]", "a result of nothing"),
        E("x[3:]", "[1.0, 2.0]", "[0, 0]", "nothing is read"),
        E("np.sum(x)", "np.array(3.0)", "1", "an array without axes"),
        E("np.max(x)", "np.array(3.0)", "1", "an array without axes"),
        E("np.std(x)", "np.array(3.0)", "0", "an array without axes"),
        E("x[()] * x[...]", "np.array(3.0)", "6", "an array without axes"),
    ],
    "Integers and booleans": [
        E("x * 2", "3", "ArgumentError", "an integer has no derivative: the message says to pass 3.0", "[2]"),
        E("np.sum(x)", "np.array([1, 2])", "ArgumentError", "the same", "[[1, 1]]"),
        E("np.sum(x)", "np.array([True])", "ArgumentError", "the same", "[[1]]"),
        E("x * np.array([1, 2])", "[0.5, 0.5]", "[1, 2]", "integers are promoted"),
        E("x * np.array([True, False])", "[0.5, 0.5]", "[1, 0]", "a mask is 1 and 0"),
        E(
            "x * np.array([100, -100], np.int8) * np.array([100, 100], np.int8)",
            "[1.0, 1.0]",
            "[1e4, -1e4]",
            "promoted before they overflow",
        ),
        E("x ** np.array([0, 1, 2])", "[0.0, 0.0, 0.0]", "[0, 1, 0]", "integer exponents"),
        E("2 ** x", "3.0", "8 * ln2", "an integer base"),
        E("np.maximum(x, 1)", "1.0", "1/2", "a tie with an integer", UNIT),
        E("x - np.array([1, 2], np.uint8)", "[0.0, 0.0]", "[1, 1]", "unsigned integers are promoted"),
    ],
    "Indices, strides and broadcasting": [
        E("x[np.array([0, 0, 1])]", "[1.0, 2.0]", "[2, 1]", "an element that is read twice counts twice"),
        E("np.take(x, np.array([0, 0, 1]))", "[1.0, 2.0]", "[2, 1]", "the same"),
        E("x[np.array([-1, 1])]", "[1.0, 2.0]", "[0, 2]", "the same, by two names"),
        E(
            "set_at(np.zeros_like(x), np.array([0, 0]), x)",
            "[1.0, 2.0]",
            "[0, 1]",
            "of values for one element, the last wins",
        ),
        E("add_at(np.zeros_like(x), np.array([0, 0]), x)", "[1.0, 2.0]", "[1, 1]", "`np.add.at` keeps both"),
        E("np.reshape(x, (1, 2)) * np.ones((3, 1))", "[1.0, 2.0]", "[3, 3]", "summed over what was stretched"),
        E("np.reshape(x, (2, 1)) * np.reshape(x, (1, 2))", "[1.0, 2.0]", "[6, 6]", "the same, from both sides"),
        E("np.broadcast_to(x, (3, 2))", "[1.0, 2.0]", "[3, 3]", "the same"),
        E("x[::-1] * np.array([1.0, 2.0, 3.0])", "[1.0, 1.0, 1.0]", "[3, 2, 1]", "negative strides"),
        E(
            "np.reshape(x, (2, 2)).T[1] * np.array([1.0, 2.0])",
            "[1.0, 1.0, 1.0, 1.0]",
            "[0, 1, 0, 2]",
            "a row of a transpose",
        ),
        E("np.repeat(x, np.array([0, 3]))", "[1.0, 2.0]", "[0, 3]", "not at all, and three times"),
    ],
    "Activations": [
        E("nn.relu(x)", "0.0", "0", "the unit is off", UNIT),
        E("np.maximum(x, 0)", "0.0", "1/2", "a tie between two arguments, not a unit that is off", UNIT),
        E("nn.leaky_relu(x)", "0.0", "0.01", "from the left", "[0.01, 1]"),
        E("nn.elu(x)", "0.0", "1", "it has a derivative"),
        E("nn.elu(x, 2.0)", "0.0", "2", "from the left", "[1, 2]"),
        E("nn.elu(x)", "[-1000.0, 1000.0]", "[0, 1]", "no overflow"),
        E(
            "nn.selu(x)",
            "0.0",
            "1.0507009873554804934 * 1.6732632423543772848",
            "from the left",
            "[1.0507009873554804934, 1.7580993408473766]",
        ),
        E("nn.step(x)", "0.0", "0", "constant on both sides"),
        E("nn.sigmoid(x)", "0.0", "1/4", "it has a derivative"),
        E("nn.softplus(x)", "0.0", "1/2", "it has a derivative"),
        E("nn.silu(x)", "[-1000.0, 0.0, 1000.0]", "[0, 1/2, 1]", "it has a derivative"),
        E("nn.mish(x)", "[-1000.0, 0.0, 1000.0]", "[0, 0.6, 1]", "it has a derivative"),
        E("nn.gelu(x)", "[-1000.0, 0.0, 1000.0]", "[0, 1/2, 1]", "it has a derivative"),
        E("nn.gelu_tanh(x)", "[-1000.0, 0.0, 1000.0]", "[0, 1/2, 1]", "it has a derivative"),
        E(
            "nn.softmax(x)[0]",
            "[1e4, 1e4, -1e4]",
            "[1/4, -1/4, 0]",
            "no overflow, and the tie of its maximum leaves no trace",
        ),
    ],
    "Losses": [
        E("losses.mean_absolute_error(x, np.zeros(1))", "[0.0]", "[0]", "as |x|", SIGNS),
        E("losses.huber(x, np.zeros(1))", "[1.0]", "[1]", "it has a derivative"),
        E("losses.huber(x, np.zeros(1))", "[0.0]", "[0]", "it has a derivative"),
        E("losses.log_cosh(x, np.zeros(3), reduction='sum')", "[-1e4, 0.0, 1e4]", "[-1, 0, 1]", "no overflow"),
        E(
            "losses.pinball(x, np.zeros(1), quantile=0.9)",
            "[0.0]",
            "[-0.4]",
            "the middle of −0.9 and 0.1",
            "[[-0.9], [0.1]]",
        ),
        E("losses.hinge(x, np.ones(1))", "[1.0]", "[0]", "outside of the margin, as a unit that is off", "[[-1], [0]]"),
        E(
            "losses.binary_cross_entropy(x, np.ones(3), reduction='sum')",
            "[-1e4, 0.0, 1e4]",
            "[-1, -1/2, 0]",
            "no overflow",
        ),
        E("losses.focal(x, np.ones(2), alpha=None, reduction='sum')", "[-1e4, 1e4]", "[-1, 0]", "no overflow"),
        E(
            "losses.softmax_cross_entropy(np.reshape(x, (1, 2)), np.array([0]))",
            "[-1e4, 1e4]",
            "[-1, 1]",
            "no overflow",
        ),
        E("losses.poisson(x, np.zeros(1), log_input=False)", "[0.0]", "[1]", "a count of 0 asks for no logarithm"),
    ],
    "Second derivatives": [
        E("x ** 2", "0.0", "2", "it has one", order=2),
        E("x ** 1", "0.0", "0", "it has one", order=2),
        E("x ** 3", "0.0", "0", "it has one", order=2),
        E("np.abs(x)", "0.0", "0", "0 on both sides", order=2),
        E("np.sinc(x)", "0.0", "-pi**2 / 3", "it has one", order=2),
        E("np.prod(x)", "[0.0, 0.0, 3.0]", "[3, 3, 0]", "products of the others, without a division", order=2),
        E(
            "np.where(x > 0, np.sqrt(x), 0)",
            "[4.0, 0.0]",
            "[-1/32, 0]",
            "the branch not taken contributes nothing",
            order=2,
        ),
        E("np.logaddexp(x, 0.0)", "[-1000.0, 0.0, 1000.0]", "[0, 1/4, 0]", "it has one", order=2),
        E("nn.softplus(x)", "[-1000.0, 0.0, 1000.0]", "[0, 1/4, 0]", "it has one", order=2),
        E("nn.sigmoid(x)", "0.0", "0", "it has one", order=2),
        E("np.var(x)", "[3.0, 3.0]", "[0, 0]", "it has one: the rows of the Hessian cancel", order=2),
        E("np.linalg.det(np.reshape(x, (2, 2)))", "[0.0, 0.0, 0.0, 0.0]", "[1, -1, -1, 1]", "it has one", order=2),
    ],
    "Complex numbers": [
        E("np.abs(x)", "0j", "0", "the middle of the unit disc", "[1, -1, 1j, -1j]"),
        E("np.abs(x)", "3 + 4j", "0.6 + 0.8j", "away from 0"),
        E("np.abs(x) ** 2", "0j", "0", "it has one"),
        E("np.abs(x) ** 2", "3 + 4j", "6 + 8j", "2 z"),
        E("np.real(x * np.conj(x))", "3 + 4j", "6 + 8j", "the same"),
        E("np.real(x)", "3 + 4j", "1", "∂/∂x"),
        E("np.imag(x)", "3 + 4j", "1j", "i ∂/∂y"),
        E("np.real(x ** 2)", "3 + 4j", "6 - 8j", "the conjugate of f′, for the real part of a holomorphic f"),
        E("np.imag(x ** 2)", "3 + 4j", "8 + 6j", "i times the conjugate of f′"),
        E("np.real(x ** 2)", "0j", "0", "the same at 0"),
        E("np.angle(x)", "1j", "-1", "counterclockwise is up"),
        E("np.angle(x)", "-1 + 0j", "-1j", "on the cut: the side that NumPy takes"),
        E("np.angle(x)", "0j", "nan", "no limit: a singularity is not hidden"),
        E("np.real(np.sqrt(x))", "-1 + 0j", "0.5j", "on the cut: the side that NumPy takes"),
        E(
            "np.imag(np.sqrt(x))",
            "complex(-1.0, -0.0)",
            "0.5",
            "and the other side, by the sign of the zero",
            "[0.5, -0.5]",
        ),
        E("np.imag(np.log(x))", "-1 + 0j", "-1j", "on the cut: as the angle"),
        E("np.real(np.log(x))", "-1 + 0j", "-1", "on the cut: as the logarithm of the modulus"),
        E("np.real(np.exp(x))", "0j", "1", "holomorphic"),
    ],
}

EDGES = [edge for section in SECTIONS.values() for edge in section]


def is_right(edge: Edge, answer: Any) -> bool:
    """Whether an answer is the derivative or, where there is none, a subgradient."""
    if edge.raises:  # an answer is not wrong if it owns up to being none, or is what the exception asks for
        return bool(np.isnan(answer).all()) or (bool(edge.subgradients) and in_hull(answer, edge.right()))
    return edge.is_free() or in_hull(answer, edge.right())


def in_hull(answer: Any, points: Any) -> bool:
    """Whether an answer is in the convex hull of some points; or equal to the only one."""
    answer = np.ravel(answer)
    if answer.shape != points.shape[1:]:
        return False
    if len(points) == 1:
        return np.allclose(answer, points[0], rtol=1e-5, atol=0, equal_nan=True)
    if not np.isfinite(answer).all():
        return False
    # In the convex hull of the points: by Caratheodory's theorem in that of some n + 1 of them, with weights >= 0.
    columns = np.vstack([points.real.T, points.imag.T, np.ones(len(points))])
    target = np.concatenate([answer.real, answer.imag, [1.0]])
    for size in range(1, len(points) + 1):
        for chosen in itertools.combinations(range(len(points)), size):
            part = columns[:, chosen]
            weights = np.linalg.lstsq(part, target)[0]
            if (weights > -1e-9).all() and np.allclose(part @ weights, target, atol=1e-6):
                return True
    return False


def tables() -> str:
    """The tables of the page."""
    parts = []
    for title, edges in SECTIONS.items():
        lines = [f"### {title}", "", "| expression | at x = | derivative | because |", "|---|---|---|---|"]
        for edge in edges:
            second = " (second)" if edge.order == 2 else ""
            lines.append(f"| `{edge.code}` | `{edge.at}` | `{edge.derivative}`{second} | {edge.because} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


BEGIN, END = "<!-- edges:begin (written by python -m tests.rules.edges) -->", "<!-- edges:end -->"


def page(text: str) -> str:
    """The page with its tables up to date."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"the page has no {BEGIN}"
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
