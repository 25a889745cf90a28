"""Parity of 4 bits: is the number of ones odd? The most similar patterns need different answers (pp. 334-335).

Run ``python examples/parity.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import Problem, bits, run

PATTERNS = bits(4)
PROBLEM = Problem(
    name="Parity of 4 bits",
    inputs=PATTERNS,
    outputs=PATTERNS.sum(axis=1, keepdims=True) % 2,
    hidden=4,
    learning_rate=0.5,
    initial=1.0,
    limit=5000,
    seed=1,
    reported="2,825 sweeps with η = 0.5 (p. 335)",
)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Learn it, and show what the hidden units make of the number of ones."""
    params = run(PROBLEM, arguments)
    hidden, output = PROBLEM.net.layers
    inside = hidden(params[0], PATTERNS)
    answers = output(params[1], inside)
    print("  ones  hidden units, on average  outputs")
    for ones in range(5):
        chosen = PATTERNS.sum(axis=1) == ones
        units = "  ".join(f"{unit:.2f}" for unit in inside[chosen].mean(axis=0))
        print(f"  {ones}     {units}    from {answers[chosen].min():.2f} to {answers[chosen].max():.2f}")
    return params


if __name__ == "__main__":
    main()
