"""Loops read what they are given in the order in memory that their kernels expect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass.program.interpreter import interpret
from twopass.program.verify import verify

rng = np.random.default_rng(0)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_of_a_transposed_array(reverse: bool) -> None:
    def f(x: Any, weight: Any, bias: Any) -> Any:
        rows = x.T
        turned = bias.T

        def step(carry: Any, row: Any) -> Any:
            return np.tanh(row + carry @ weight + turned[1]), np.sum(turned @ turned.T)

        return tp.scan(step, 0 * rows[0], rows, reverse=reverse)

    arguments = rng.normal(size=(4, 9)), rng.normal(size=(4, 4)), rng.normal(size=(4, 3))
    special = tp.compile(f).trace(*arguments)
    verify(special.program)
    expected = f(*arguments)
    found = interpret(special.program, arguments)
    for result, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(result.reshape(right.shape), right)
    for result, right in zip(tp.compile(f)(*arguments), expected, strict=True):
        np.testing.assert_allclose(result, right)
