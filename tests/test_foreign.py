"""Arrays of other libraries: taken over without a copy, or refused with the way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn, optim
from twopass.errors import ArgumentError, DataError
from twopass.foreign import as_numpy

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)


class Lender:
    """An array that speaks DLPack and nothing else, in a memory of one's choice."""

    requires_grad = False

    def __init__(self, array: np.ndarray, device: int = 1) -> None:
        self.array, self.device = array, device

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.device, 0)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("no implicit copies")


def trained(x: Any, y: Any) -> tp.Trainer:
    trainer = tp.Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(0.01), seed=0)
    trainer.fit(x, y, epochs=3)
    return trainer


def test_dlpack_shares_the_memory() -> None:
    assert np.shares_memory(as_numpy(Lender(X), "x"), X)


def test_a_trainer_takes_dlpack_everywhere() -> None:
    expected, y = trained(X, X[:, 0]), Lender(X[:, 0].copy())
    trainer = trained(Lender(X), y)
    np.testing.assert_array_equal(trainer.predict(Lender(X)), expected.predict(X))
    assert trainer.evaluate(Lender(X), y) == expected.evaluate(X, X[:, 0])
    assert trainer.feature_names is None


def test_derivatives_are_numpy_arrays() -> None:
    f = lambda x: np.sum(x**3)  # noqa: E731
    gradient = tp.grad(f)(Lender(X))
    assert type(gradient) is np.ndarray
    np.testing.assert_allclose(gradient, 3 * X**2)
    _, tangent = tp.jvp(f, (Lender(X),), (np.ones_like(X),))
    assert tangent == pytest.approx(float(np.sum(3 * X**2)))
    with pytest.raises(ArgumentError, match="dtype int64, which has no derivative"):
        tp.grad(f)(Lender(np.arange(3)))


def test_later_changes_of_shared_memory_do_not_reach_the_derivative() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = tp.vjp(lambda x: x**2, Lender(x))
    x[:] = 9.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_another_device_is_named_with_the_way_out() -> None:
    for use in (lambda x: trained(x, X[:, 0]), lambda x: tp.grad(np.sum)(x)):
        with pytest.raises(DataError, match=r"Lender in the memory of another device \(CUDA\).*device='cpu'"):
            use(Lender(X, device=2))
    ndarray = type("ndarray", (Lender,), {"__module__": "cupy"})
    with pytest.raises(DataError, match=r"x is a cupy.ndarray .*Write x.get\(\)"):
        trained(ndarray(X, device=2), X[:, 0])


def test_another_librarys_graph_is_not_cut_silently() -> None:
    tensor = type("Tensor", (Lender,), {"__module__": "torch", "requires_grad": True})
    with pytest.raises(DataError, match=r"requires a gradient of torch, which would be lost.*x\.detach\(\)"):
        trained(tensor(X), X[:, 0])


def test_what_cannot_be_read_says_why() -> None:
    class Stubborn(Lender):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("bfloat16 has no place here.")

    with pytest.raises(DataError, match=r"cannot be read.*bfloat16 has no place here\. Convert"):
        as_numpy(Stubborn(X), "x")


def test_masked_values_are_not_used_as_numbers() -> None:
    assert as_numpy(np.ma.masked_array(X), "x") is not None
    with pytest.raises(DataError, match=r"1 of its values are masked.*filled"):
        trained(np.ma.masked_array(X, X == 4.0), X[:, 0])


def test_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.from_numpy(X.copy())
    np.testing.assert_array_equal(trained(x, x[:, 0]).predict(x), trained(X, X[:, 0]).predict(X))
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(x**2))(x), 2 * X)
    with pytest.raises(DataError, match=r"x\.detach\(\)"):
        trained(x.clone().requires_grad_(), X[:, 0])
    with pytest.raises(DataError, match="float32"):
        trained(x.bfloat16(), X[:, 0])


def test_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    x = jax.numpy.asarray(X)
    np.testing.assert_array_equal(trained(x, x[:, 0]).predict(x), trained(X, X[:, 0]).predict(X))
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(x**2))(x), 2 * X)


def test_the_array_api_standard() -> None:
    xp = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    x = xp.asarray(X)
    np.testing.assert_array_equal(trained(x, x[:, 0]).predict(x), trained(X, X[:, 0]).predict(X))
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(x**2))(x), 2 * X)


def test_arguments_that_are_not_differentiated_are_numpy_arrays_too() -> None:
    f = lambda x, w: np.sum(x * w + np.where(w > 1, x, 0))  # noqa: E731
    x, w = np.arange(3.0), np.array([0.5, 1.5, 2.5])
    np.testing.assert_array_equal(tp.grad(f)(x, Lender(w)), [0.5, 2.5, 3.5])


def test_a_compiled_function_sees_what_the_memory_holds_now() -> None:
    f = tp.compile(lambda tree: np.sum(tree["x"] * 2.0))
    x = np.ones(3)
    lent = Lender(x)
    assert f({"x": lent}) == 6.0
    x[:] = 5.0
    assert f({"x": lent}) == 30.0 == f({"x": x})
    with pytest.raises(DataError, match="another device"):
        f({"x": Lender(x, device=2)})
