"""``twopass techniques``: the comparison, its files, and mistakes in it."""

from __future__ import annotations

import json

import pytest

BOOK = ("techniques", "x**2*y + y + 2", "--at", "x=3,y=4")
NAMES = ["symbolic", "forward differences", "central differences", "complex step", "forward mode", "reverse mode"]


def test_the_example_of_the_book(twopass):
    outcome = twopass(*BOOK, "--manual", "2*x*y", "--manual", "x**2 + 1")
    assert outcome.status == 0 and outcome.err == ""
    fields = dict(line.split(None, 1) for line in outcome.out.splitlines()[:5])
    assert fields == {"f": "x**2*y + y + 2", "at": "x = 3, y = 4", "value": "42", "∂f/∂x": "24", "∂f/∂y": "10"}
    for name in ["manual", *NAMES]:
        assert f"\n{name} " in outcome.out
    assert "SymPy, to 30 digits" in outcome.out


def test_json(twopass):
    found = json.loads(twopass(*BOOK, "--manual", "2*x*y, x**2", "--json").out)
    assert found["at"] == {"x": 3.0, "y": 4.0} and found["value"] == 42 and found["gradient"] == {"x": 24.0, "y": 10.0}
    rows = {row["technique"]: row for row in found["techniques"]}
    assert list(rows) == ["manual", *NAMES]
    assert rows["reverse mode"]["gradient"] == {"x": 24.0, "y": 10.0} and rows["reverse mode"]["evaluations"] == 1
    assert rows["manual"]["note"] == "not the derivative"
    assert rows["forward differences"]["step"] == pytest.approx(1.5e-8, rel=0.01)
    infinite = json.loads(twopass("techniques", "sqrt(x)", "--at", "x=0", "--json").out)
    assert infinite["gradient"] == {"x": None}  # JSON has no infinity


def test_plot(twopass, tmp_path):
    outcome = twopass(*BOOK, "--plot", "techniques.png")
    assert outcome.status == 0 and "techniques.png" in outcome.err
    assert (tmp_path / "techniques.png").read_bytes().startswith(b"\x89PNG")


MISTAKES = {
    "x^2 --at x=1": "Write x**2 for x^2",
    "x+z --at x=1": "there is no variable 'z'",
    "x --at x=1,y=2": "--at gives a value to y, which is not in the expression. Its variables: x.",
    "3 --at x=1": "Its variables: none",
    "log(x-4) --at x=3": "log(x - 4) is not a number (NaN) at x=3",
    "1e400*x --at x=1": "the function is inf",
    "x --at x": "Write --at x=3,y=4",
    "x --at x=1 --manual 1,2": "--manual gives 2 derivatives, for 1 variables (x)",
    "x --at x=1 --manual y": "there is no variable 'y'",
    "x --at x=1 --plot curve.txt": "End its name with .png",
    "x --at x=1 --plot nowhere/curve.png": "the folder of the picture does not exist (at nowhere)",
    "x": "Missing option '--at'",
    "": "Missing argument",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_gets_one_line_and_status_2(twopass, arguments):
    outcome = twopass("techniques", *arguments.split())
    assert outcome.status == 2 and outcome.out == ""
    assert outcome.err.startswith("twopass: ") and len(outcome.err.splitlines()) == 1
    assert MISTAKES[arguments] in outcome.err
    assert ".py" not in outcome.err


def test_functions_without_a_formula_or_a_complex_step_say_so(twopass):
    outcome = twopass("techniques", "maximum(x, 0)*abs(x)", "--at", "x=2")
    assert outcome.status == 0
    assert "symbolic: no formula" in outcome.out
