"""docs/coverage.md says what runs."""

from __future__ import annotations

import numpy as np
import pytest
from tests import coverage_table

import twopass as tp

pytest.importorskip("scipy", reason="the page covers scipy.special: pip install scipy")


@pytest.fixture(scope="module")
def rows():
    return coverage_table.rows()


def test_no_derivative_is_lost_and_nothing_fails(rows):
    wrong = [row for section in rows.values() for row in section if row.kind == "lost" or "fails" in row.cells]
    assert not wrong


def test_the_page_is_up_to_date(rows):
    text = coverage_table.PAGE.read_text()
    if coverage_table.versions() not in text:
        pytest.skip(f"the page is for other versions than {coverage_table.versions()}")
    made = coverage_table.page(rows)
    differing = [line for line in made.splitlines() if line not in text.splitlines()]
    assert made == text, f"run python -m tests.coverage_table: {differing[:10]}"


def test_functions_are_counted_once(rows):
    names = [name for section in rows.values() for row in section for name in row.name.split(", ")]
    assert not {name for name in names if names.count(name) > 1}
    assert {"np.abs", "np.linalg.det", "np.fft.fft", "x.sum", "np.add.reduce", "special.gamma"} <= set(names)
    assert len([name for name in names if name.startswith("np.")]) > 400


def test_only_what_runs_is_claimed():
    def examine(function):
        return coverage_table.examine("f", function, [lambda x: (x,)])

    assert examine(lambda x: np.tanh(x) * 2).cells == ("yes", "yes", "yes", "native", "native")
    assert examine(lambda x: np.cumsum(x)).cells[3:] == ("NumPy", "NumPy")
    assert examine(lambda x: np.array(tp.stop_gradient(x))).kind == "lost"
    assert examine(lambda x: np.unique(x)).reason.startswith("Index with positions")
    assert examine(np.shape).kind == "zero"
    assert examine(np.gcd).kind == "plain"
