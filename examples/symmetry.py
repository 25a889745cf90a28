"""Symmetry: is a pattern of 6 bits its own mirror image? Two hidden units are enough.

The settings and the number of sweeps are those of the same authors' letter "Learning representations by
back-propagating errors", Nature 323 (1986), figure 1. With half the learning rate every seed tried learns it.

Run ``python examples/symmetry.py``, or ``python examples/symmetry.py --learning-rate 0.05``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from common import Problem, bits, run

PATTERNS = bits(6)
PROBLEM = Problem(
    name="Symmetry of 6 bits",
    inputs=PATTERNS,
    outputs=np.all(PATTERNS[:, ::-1] == PATTERNS, axis=1, keepdims=True).astype(float),
    hidden=2,
    learning_rate=0.1,
    initial=0.3,
    limit=10_000,
    seed=4,
    targets=(0.0, 1.0),
    reported="1,425 sweeps with η = 0.1 and α = 0.9 (Nature 323, p. 534)",
)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Learn it, and show the weights.

    Mirrored inputs have opposite weights, so that a symmetric pattern sends 0 to both hidden units. The weights of a
    side are in the ratio 1 : 2 : 4, in some order, so that each of its eight patterns sends another sum, which only the
    mirror image cancels. (One seed in four finds 2 : 3 : 4 instead, of which the same is true.)
    """
    params = run(PROBLEM, arguments)
    for unit, weights in enumerate(params[0]["weight"].T, start=1):
        ratio = np.sort(np.abs(weights[:3])) / np.min(np.abs(weights[:3]))
        print(f"  weights to hidden unit {unit}  " + "  ".join(f"{weight:6.2f}" for weight in weights))
        print("    left half in the ratio  " + " : ".join(f"{part:.2f}" for part in ratio))
        print(f"    largest sum of two mirrored  {np.max(np.abs(weights + weights[::-1])):.2f}")
    return params


if __name__ == "__main__":
    main()
