"""The examples of scikit-learn's gallery give the scores that they give there: ``python -m benchmarks.gallery``."""

from __future__ import annotations

import pytest
from benchmarks.gallery import EXAMPLES, Example, compare

#: Like others, and left to the command for the sake of time.
ALIKE = {"iris", "circles"}


@pytest.mark.parametrize(
    ("example", "data"),
    [
        pytest.param(example, data, id=f"{example.name}-{data}")
        for example in EXAMPLES
        for data in example.data
        if not (example.slow or (example.name == "plot_mlp_training_curves" and data in ALIKE))
    ],
)
def test_scores_are_those_of_scikit_learn(example: Example, data: str) -> None:
    outcome = compare(example, data)
    assert outcome.agrees, f"{outcome.scores}: apart by {outcome.apart}"
