"""The encoder: 8 patterns through 3 hidden units, which have to find a code for them (from p. 335).

Run ``python examples/encoder.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from common import Problem, run

PATTERNS = np.eye(8)
PROBLEM = Problem(
    name="Encoder",
    inputs=PATTERNS,
    outputs=PATTERNS,
    hidden=3,
    learning_rate=0.25,
    initial=0.5,
    limit=5000,
    seed=0,
    reported="number of sweeps not reported",
)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Learn it, and show the code."""
    params = run(PROBLEM, arguments)
    hidden, output = PROBLEM.net.layers
    code = hidden(params[0], PATTERNS)
    print("  input     code in the hidden units  output")
    for pattern, units, answer in zip(PATTERNS, code, output(params[1], code), strict=True):
        shown = ("".join(f"{value:.0f}" for value in row) for row in (pattern, answer))
        print("  {}  {:.2f}  {:.2f}  {:.2f}          {}".format(next(shown), *units, next(shown)))
    return params


if __name__ == "__main__":
    main()
