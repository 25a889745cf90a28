"""The comparison of the techniques: values are right, runs are counted, and what fails says why."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import twopass as tp
from twopass.api.symbolic import LARGEST, derive
from twopass.api.ways import costs

NAMES = ["forward differences", "central differences", "complex step", "forward mode", "reverse mode"]


def book(x, y):
    return x**2 * y + y + 2


def book_by_hand(x, y):
    return 2 * x * y, x**2 + 1


@pytest.fixture(scope="module")
def compared():
    return tp.techniques(book, 3.0, 4.0, manual=book_by_hand, argnums=(0, 1))


def test_all_techniques_find_the_gradient_of_the_book(compared):
    assert [row.name for row in compared.rows] == ["manual", "symbolic", *NAMES]
    for row in compared.rows:
        assert row.value == 42
        assert isinstance(row.gradient, tuple)
        np.testing.assert_allclose(row.gradient, (24, 10), rtol=1e-7)
        assert row.seconds > 0
    assert compared.exact == (24.0, 10.0)
    assert compared.reference == "SymPy, to 30 digits"
    for exact in ("manual", "symbolic", "complex step", "forward mode", "reverse mode"):
        assert compared[exact].error < 1e-15
    assert 1e-10 < compared["forward differences"].error < 1e-6
    assert 1e-14 < compared["central differences"].error < 1e-10
    with pytest.raises(KeyError):
        compared["magic"]


def test_runs_are_counted():
    """n inputs: n + 1, 2n + 1 (one for the value), n + 1, n and 1 runs."""
    runs = []

    def f(x):
        runs.append(0)
        return np.sum(np.sin(x[1:] * x[:-1]))

    compared = tp.techniques(f, np.linspace(0.5, 1.5, 10), symbolic=False)
    assert {row.name: row.evaluations for row in compared.rows} == dict(zip(NAMES, (11, 21, 11, 10, 1), strict=True))
    assert runs


def test_gradients_are_built_like_the_argument():
    params = {"w": np.array([[0.3, -0.2]]), "b": [0.5, None]}
    compared = tp.techniques(lambda p, x: np.sum(np.tanh(p["w"] @ x + p["b"][0])), params, np.ones(2))
    for row in compared.rows:
        assert row.gradient["w"].shape == (1, 2) and isinstance(row.gradient["b"][0], float)
        assert row.error < 1e-6
    assert compared["symbolic"].error < 1e-15
    assert compared["forward mode"].evaluations == 3


def test_single_precision_is_compared_in_double_precision():
    compared = tp.techniques(lambda x: np.sum(x**3), np.array([0.1, 2.0], np.float32))
    assert compared["reverse mode"].gradient.dtype == np.float64
    assert compared["reverse mode"].error < 1e-15


def test_the_error_curve_is_a_v_for_differences_and_flat_for_a_complex_step():
    compared = tp.techniques(lambda x: np.exp(np.sin(x)) / x, 3.0)
    steps, errors = compared.steps, compared.errors
    for name, best, around in (("forward differences", 1e-10, 1e-8), ("central differences", 1e-12, 1e-5)):
        curve = errors[name]
        assert np.min(curve) < 100 * best
        assert curve[steps > 0.3].min() > 1e-3 > 1e3 * curve[np.argmin(np.abs(np.log(steps / around)))]
        assert curve[steps < 1e-14].max() > 1e-3
    assert errors["complex step"][steps < 1e-8].max() < 1e-15
    assert errors["complex step"][-1] > 1e-2


# --- what is wrong, or does not work ----------------------------------------------------------------------------------


def test_a_wrong_manual_derivative_is_seen():
    row = tp.techniques(book, 3.0, 4.0, manual=lambda x, y: (2 * x * y, x**2 - 1), argnums=(0, 1))["manual"]
    assert row.error == pytest.approx(2 / 24) and row.note == "not the derivative"
    row = tp.techniques(book, 3.0, 4.0, manual=lambda x, y: 2 * x * y, argnums=(0, 1))["manual"]
    assert row.gradient is None and row.note == "does not work here: it gives 1 numbers, not 2"
    row = tp.techniques(book, 3.0, 4.0, manual=lambda x: x, argnums=(0, 1))["manual"]
    assert row.gradient is None and "does not work here" in row.note


def test_functions_that_compare_have_no_formula_and_no_complex_step():
    compared = tp.techniques(lambda x: np.sum(np.maximum(x, 0.3) * np.abs(x)), np.array([0.5, -0.7]))
    assert compared["symbolic"].gradient is None
    assert "the function compares values" in compared["symbolic"].note
    assert compared["complex step"].note == "the function is not analytic"
    assert compared["complex step"].error > 0.1
    assert compared["reverse mode"].error is None or compared["reverse mode"].error < 1e-15
    np.testing.assert_allclose(compared.exact, [1, -0.3])


def test_without_anything_more_exact_reverse_mode_is_the_reference():
    compared = tp.techniques(lambda x: np.linalg.det(x * np.eye(2) + 0.1), 0.3)
    assert compared.reference == "reverse mode"
    assert compared["reverse mode"].error is None and compared["reverse mode"].note == "taken as exact"
    assert compared["complex step"].error < 1e-14
    assert "no formula" in compared["symbolic"].note


def test_dropping_an_imaginary_part_is_no_derivative():
    compared = tp.techniques(lambda x: np.sin(x.astype(np.float64)) if hasattr(x, "astype") else 0, 0.5)
    assert compared["complex step"].gradient is None
    assert "discards the imaginary part" in compared["complex step"].note


def test_infinite_slopes():
    compared = tp.techniques(np.sqrt, 0.0)
    assert compared.exact == np.inf
    assert compared["reverse mode"].gradient == np.inf and compared["reverse mode"].error == 0
    assert compared["forward differences"].error == np.inf


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tp.techniques(np.sin, np.ones(3)), tp.errors.ShapeError, r"shape \(3,\)"),
        (lambda: tp.techniques(book, 3, 4), tp.errors.ArgumentError, "Pass 3.0"),
        (lambda: tp.techniques(np.exp, 1j), tp.errors.ArgumentError, "complex"),
        (lambda: tp.techniques(lambda x: x * 1j, 1.0), tp.errors.ArgumentError, "result is complex"),
        (lambda: tp.techniques(np.sum, np.ones(0)), tp.errors.ArgumentError, "no number"),
        (lambda: tp.techniques(lambda x: x.__setitem__(0, 1.0), np.ones(2)), ValueError, "read-only"),
        (lambda: tp.techniques(np.log, -1.0), tp.errors.ArgumentError, "the function is nan"),
        (lambda: tp.techniques(book, 3.0, 4.0, argnums=2), tp.errors.ArgumentError, "argument 2"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_sympy_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    compared = tp.techniques(book, 3.0, 4.0, argnums=(0, 1))
    assert [row.name for row in compared.rows] == NAMES
    assert compared.reference.startswith("reverse mode")
    with pytest.raises(tp.errors.MissingLibraryError, match=r"pip install 'twopass\[symbolic\]'"):
        tp.techniques(book, 3.0, 4.0, symbolic=True)


# --- formulas ---------------------------------------------------------------------------------------------------------

FORMULAS = {
    "elementary": lambda x: np.sin(x[0]) * np.exp(-x[1]) + np.log(x[2]) / np.sqrt(x[0]) - np.tanh(x[1]) ** 3,
    "inverse": lambda x: np.arctan(x[0]) + np.arcsin(x[1] / 3) - np.arccosh(1 + x[2]) + np.arctan2(x[0], x[2]),
    "exponentials": lambda x: np.exp2(x[0]) + np.expm1(x[1]) * np.log1p(x[2]) + np.log2(x[0]) - np.log10(x[1]),
    "powers": lambda x: np.cbrt(-x[0]) + np.hypot(x[1], x[2]) + 2 ** x[0] - x[1] ** 0.5 + np.square(x[2]),
    "arrays": lambda x: np.sum(np.outer(x, x) @ x) / np.mean(x) + np.prod(x) - np.abs(-x).sum() + 0.1 * (+x)[0],
    "constant": lambda x: 2.5,
    "reflected": lambda x: (1 - x[0]) * (2 / x[1]) + np.float64(3) * x[2] + (1 + -x[0]),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_agree_with_reverse_mode(name):
    f, x = FORMULAS[name], np.array([0.7, 1.1, 1.9])
    formula = derive(f, (x,), (0,))
    np.testing.assert_allclose(np.array(formula.evaluate(x), float), tp.grad(f)(x), rtol=1e-13)
    with np.errstate(invalid="ignore"):  # in the branch that is not taken
        value, *gradient = formula.compiled()(*x)
    np.testing.assert_allclose(float(value), f(x), rtol=1e-14)
    np.testing.assert_allclose(np.array(gradient, float), tp.grad(f)(x), rtol=1e-12)


def test_formulas_swell_and_are_given_up():
    """Nested functions: each level doubles the formula of the logistic map (Baydin et al., 2018, table 1)."""

    def logistic_map(levels):
        def f(x):
            for _ in range(levels):
                x = 4 * x * (1 - x)
            return x

        return f

    operations = [derive(logistic_map(n), (0.3,), (0,)).operations for n in range(1, 6)]
    assert all(later > 2 * earlier for earlier, later in itertools.pairwise(operations))
    row = tp.techniques(logistic_map(16), 0.3)["symbolic"]
    assert f"more than {LARGEST:,} operations" in row.note
    assert tp.techniques(lambda x: np.sum(x), np.ones(101))["symbolic"].note == "left out for more than 100 inputs"


# --- shown ------------------------------------------------------------------------------------------------------------


def test_the_table_is_readable(compared):
    lines = str(compared).splitlines()
    assert repr(compared) == str(compared)
    assert lines[0].split()[:3] == ["technique", "gradient", "error"]
    assert lines[1].startswith("manual") and "24, 10" in lines[1]
    assert max(map(len, lines)) < 120
    assert "SymPy, to 30 digits" in lines[-2]
    assert "operations" in lines[-1]


def test_many_numbers_are_cut_short():
    text = str(tp.techniques(lambda x: np.sum(x**2), np.ones(50)))
    assert "(50 numbers)" in text


def test_plot(compared, tmp_path: Path):
    matplotlib.use("Agg")
    error, cost = compared.plot()
    assert error.get_xlabel().startswith("step h") and cost.get_xlabel() == "number of inputs"
    assert {line.get_label() for line in cost.lines} == set(NAMES)
    error.figure.savefig(tmp_path / "techniques.svg")
    assert (tmp_path / "techniques.svg").stat().st_size > 10_000


def test_matplotlib_is_an_extra(compared, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(tp.errors.MissingLibraryError, match=r"twopass\[plot\]"):
        compared.plot()


def test_costs_are_measured_for_each_technique_and_grow_least_in_reverse_mode():
    found = costs((4, 256))
    assert list(found) == NAMES and all(list(times) == [4, 256] for times in found.values())
    growth = {name: times[256] / times[4] for name, times in found.items()}
    assert min(growth, key=growth.get) == "reverse mode"
