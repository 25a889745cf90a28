"""Exclusive or: the smallest problem that needs hidden units (pp. 330-334 of the paper).

Run ``python examples/xor.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import Problem, bits, run

PATTERNS = bits(2)
PROBLEM = Problem(
    name="XOR",
    inputs=PATTERNS,
    outputs=PATTERNS.sum(axis=1, keepdims=True) % 2,
    hidden=2,
    learning_rate=0.5,
    initial=0.3,
    limit=5000,
    seed=1,
    reported="245 sweeps on average with η = 0.25 (p. 333); 558 with η = 0.5 for a net with one hidden unit (p. 331)",
)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Learn it, and show the truth table."""
    params = run(PROBLEM, arguments)
    hidden, output = PROBLEM.net.layers
    inside = hidden(params[0], PATTERNS)
    print("  inputs  hidden units  output")
    for pattern, units, answer in zip(PATTERNS, inside, output(params[1], inside), strict=True):
        print(f"   {pattern[0]:.0f}  {pattern[1]:.0f}    {units[0]:.2f}  {units[1]:.2f}    {answer[0]:.2f}")
    return params


if __name__ == "__main__":
    main()
