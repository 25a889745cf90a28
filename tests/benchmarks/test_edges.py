"""The edges in other libraries: what is judged right, and what the page says."""

from __future__ import annotations

import numpy as np
import pytest
from tests.rules.edges import EDGES, Edge, is_right

from benchmarks import edges as benchmark


def test_a_subgradient_is_right_and_nothing_else():
    tie = Edge("np.max(x)", "[1.0, 1.0]", "[1/2, 1/2]", "", "[[1, 0], [0, 1]]")
    for answer in ([0.5, 0.5], [1, 0], [0.25, 0.75]):
        assert is_right(tie, np.array(answer))
    for answer in ([1, 1], [0, 0], [1.5, -0.5], [np.nan, 0.5], [0.5]):
        assert not is_right(tie, np.array(answer))


def test_a_derivative_is_the_only_answer():
    square = Edge("x ** 2", "3.0", "6", "")
    assert is_right(square, 6.0)
    assert not is_right(square, 5.9) and not is_right(square, np.nan)


def test_where_there_is_nothing_right_nothing_is_wrong():
    angle = Edge("np.arctan2(x[0], x[1])", "[0.0, 0.0]", "[nan, nan]", "")
    assert is_right(angle, np.zeros(2)) and is_right(angle, np.full(2, np.nan))
    sigmoid = Edge("1 / (1 + np.exp(-x))", "-800.0", "nan", "", "[0]")
    assert is_right(sigmoid, 0.0) and not is_right(sigmoid, np.nan)


def test_answers_are_told_apart():
    library = benchmark.of_twopass()
    assert benchmark.answer(library, Edge("x ** 2", "3.0", "6", "")) == ("right", "6")
    assert benchmark.answer(library, Edge("x ** 2", "3.0", "7", "")) == ("wrong", "6")
    assert benchmark.answer(library, Edge("np.sqrt(x) ** 2", "0.0", "1", "")).outcome == "NaN"
    assert benchmark.answer(library, Edge("np.unique(x)", "[1.0]", "[1]", "")).outcome == "not there"
    assert benchmark.answer(library, Edge("x * 2", "3", "ArgumentError", "")) == ("right", "ArgumentError")
    assert benchmark.answer(library, Edge("x * 2", "3.0", "ArgumentError", "")).outcome == "wrong"


@pytest.mark.filterwarnings("error")
def test_the_page_counts_and_lists_every_edge():
    page = benchmark.report({"twopass": benchmark.of_twopass()})
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(EDGES)
    assert [row.split("`")[1] for row in rows] == [edge.code for edge in EDGES]
    marked = [row for row in rows if "| **" in row]
    assert len(marked) == 1 and "nan" in marked[0]  # the one that the policy owns up to


def test_a_peer_that_is_not_installed_is_named(monkeypatch, tmp_path, capsys):
    def missing():
        raise ModuleNotFoundError("No module named 'peer'", name="peer")

    monkeypatch.setattr(benchmark, "LIBRARIES", {"twopass": benchmark.of_twopass, "peer": missing})
    monkeypatch.setattr(benchmark, "PAGE", tmp_path / "edges.md")
    benchmark.main()
    assert "peer is left out: peer is not installed" in capsys.readouterr().out
    assert "twopass" in (tmp_path / "edges.md").read_text()
