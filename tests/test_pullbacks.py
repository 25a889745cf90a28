"""Functions that bring their own pullback, without knowing the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass.pullbacks import with_pullback


def _pulled(x: Any, *, power: int) -> tuple[Any, Any]:
    # Twice the derivative, so that the tests see whose it is.
    return x**power, lambda cotangent: (2 * power * cotangent * x ** (power - 1),)


@with_pullback(_pulled)
def raised(x: Any, *, power: int) -> Any:
    """A power."""
    return x**power


def test_plain_values_do_not_meet_the_engine() -> None:
    assert raised(3.0, power=2) == 9.0
    assert raised.__name__ == "raised"


def test_all_modes_take_the_pullback() -> None:
    def f(x: Any) -> Any:
        return raised(x, power=2)

    assert tp.grad(f)(3.0) == 12.0
    assert tp.jvp(f, (3.0,), (1.0,)) == (9.0, 12.0)
    assert tp.grad(tp.grad(f))(3.0) == 4.0
    np.testing.assert_array_equal(tp.vmap(tp.grad(f))(np.array([1.0, 2.0])), [4.0, 8.0])
    np.testing.assert_array_equal(tp.compile(tp.grad(f))(np.float64(3.0)), 12.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_batch_normalisation_equals_the_derivative_of_its_steps(dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    x, scale, shift, weight = (rng.normal(size=shape).astype(dtype) for shape in ((8, 3), 3, 3, (8, 3)))
    layer = tp.nn.BatchNorm()

    def ours(x: Any, scale: Any, shift: Any) -> Any:
        params = {"scale": scale, "shift": shift, "mean": np.zeros(3, dtype), "variance": np.ones(3, dtype)}
        return np.sum(weight * np.sin(layer.apply(params, x, training=True)[0]))

    def steps(x: Any, scale: Any, shift: Any) -> Any:
        deviation = np.sqrt(np.mean(np.square(x - np.mean(x, axis=0)), axis=0) + layer.epsilon)
        return np.sum(weight * np.sin((x - np.mean(x, axis=0)) / deviation * scale + shift))

    for number in range(3):
        found, expected = (tp.grad(f, number)(x, scale, shift) for f in (ours, steps))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        found, expected = (tp.hessian(f, number)(x, scale, shift) for f in (ours, steps))
        np.testing.assert_allclose(found, expected, rtol=10 * tolerance, atol=10 * tolerance)
