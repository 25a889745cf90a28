from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError

W = np.array([[1.0, -2.0, 0.0], [3.0, 0.5, 0.0]])
PENALTIES = [nn.L1(0.1), nn.L2(0.1), nn.L1L2(l1=0.1, l2=0.2)]


@pytest.mark.parametrize(
    ("penalty", "value", "gradient"),
    [
        (nn.L1(0.1), 0.65, 0.1 * np.sign(W)),
        (nn.L2(0.1), 1.425, 0.2 * W),
        (nn.L1L2(l1=0.1, l2=0.2), 0.65 + 2.85, 0.1 * np.sign(W) + 0.4 * W),
    ],
)
def test_value_and_gradient(penalty: nn.Penalty, value: float, gradient: Any) -> None:
    got, slope = tp.value_and_grad(penalty)(W)
    assert got == pytest.approx(value)
    np.testing.assert_allclose(slope, gradient)


@pytest.mark.parametrize("law", [*PENALTIES, nn.MaxNorm(2.0)])
def test_laws(law: Any) -> None:
    assert law(W.astype(np.float32)).dtype == np.float32
    assert nn.from_config(json.loads(json.dumps(law.config()))) == law
    assert eval(repr(law), vars(nn)) == law


def test_max_norm() -> None:
    w = np.array([[3.0, 0.3, 0.0, 0.6], [4.0, 0.4, 0.0, 0.8]], np.float32)
    limited = nn.MaxNorm(1.0)(w)
    np.testing.assert_allclose(limited, [[0.6, 0.3, 0, 0.6], [0.8, 0.4, 0, 0.8]], rtol=1e-6)
    np.testing.assert_array_equal(limited[:, 1:3], w[:, 1:3])
    np.testing.assert_allclose(nn.MaxNorm(1.0)(limited), limited, rtol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: nn.L1(-1), lambda: nn.L2(np.nan), lambda: nn.L1L2(l1=0, l2="x"), lambda: nn.MaxNorm(0)]
)
def test_bad_parameters(make: Any) -> None:
    with pytest.raises(ArgumentError, match="must be a number in"):
        make()
