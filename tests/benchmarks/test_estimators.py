"""The table of the estimators says what was measured."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

from benchmarks.estimators import ALL_EPOCHS, Case, Outcome, fit


def test_a_row_compares_both() -> None:
    case = Case("digits", "MLPClassifier", 7, (("batch_size", 32),))
    outcome = Outcome(
        case,
        {"scikit-learn": [3.0, 2.0], "twopass": [0.5, 0.25]},
        {"scikit-learn": 3.0, "twopass": 1.0},
        {"scikit-learn": 97.0, "twopass": 97.0},
    )
    assert outcome.row(min) == ["digits, batch_size=32, float64", "7", "2", "0.25", "8.0x", "1", "97.00", "97.00"]


def test_both_fit_the_same() -> None:
    case = Case("digits", "MLPClassifier", 2, (("hidden_layer_sizes", (8,)),))
    scores = {fit(peer, case, 1, "process_time")[1] for peer in ("scikit-learn", "twopass")}
    assert len(scores) == 1 and ALL_EPOCHS["tol"] == 0
