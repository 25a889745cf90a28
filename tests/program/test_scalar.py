"""The operators of kernels."""

from __future__ import annotations

import numpy as np
import pytest

from twopass.backends.llvm import scalars
from twopass.program.scalar import BY_FUNCTION, DTYPES, OPERATORS, result_dtype


@pytest.mark.parametrize("name", OPERATORS)
def test_the_dtype_of_a_result_is_what_numpy_gives(name: str) -> None:
    operator = OPERATORS[name]
    tried = 0
    for dtype in sorted(DTYPES, key=str):
        operands = [dtype] * operator.operands
        operands[0] = np.dtype(bool) if operator.first else operands[0]
        operands[-1] = np.dtype(np.int32) if operator.last else operands[-1]
        result = result_dtype(name, operands)
        if result is None:
            continue
        tried += 1
        with np.errstate(all="ignore"):
            assert np.asarray(operator.function(*(np.ones(3, t) for t in operands))).dtype == result
    assert tried


def test_the_native_operators_are_these() -> None:
    assert scalars.OPERATORS.keys() - {"astype"} == OPERATORS.keys()


def test_numpy_functions_find_their_operators() -> None:
    assert BY_FUNCTION[np.divide] == "true_divide"
    assert BY_FUNCTION[np.abs] == "absolute"
    assert BY_FUNCTION[np.where] == "where"


def test_operands_of_other_dtypes_are_refused() -> None:
    f4, i4, b1 = np.dtype(np.float32), np.dtype(np.int32), np.dtype(bool)
    assert result_dtype("add", [f4, i4]) is None
    assert result_dtype("add", [f4]) is None
    assert result_dtype("where", [f4, f4, f4]) is None
    assert result_dtype("where", [b1, i4, i4]) == i4
    assert result_dtype("tanh", [i4]) is None
    assert result_dtype("add", [np.dtype(np.float16)] * 2) is None


def test_a_fused_product_is_rounded_once() -> None:
    a = np.float32(1 + 2**-12)
    exact = np.float32(float(a) * float(a) - 1)
    assert OPERATORS["fma"].function(a, a, np.float32(-1)) == exact
    assert np.float32(a * a) - np.float32(1) != exact


def test_sigmoid_does_not_overflow() -> None:
    x = np.array([-1e4, -1, 0, 1, 1e4], np.float32)
    with np.errstate(all="raise", under="ignore"):
        y = OPERATORS["sigmoid"].function(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1], rtol=1e-6)
