"""Arrays made like others, grids, ranges and powers."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.core.array import Array

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])

CALLS = {
    "meshgrid": lambda x: np.meshgrid(x[0], x[:, 0], [1.0, 2.0], indexing="ij", sparse=True),
    "meshgrid of scalars": lambda x: np.meshgrid(x[0, 0], x[1]),
    "linspace": lambda x: (np.linspace(0, x), np.linspace(x[0], x[1], 7, axis=1), np.linspace(x[0, 0], x[0, 0], 3)),
    "linspace with step": lambda x: np.linspace(x[0], 3, 4, endpoint=False, retstep=True),
    "linspace as single": lambda x: np.linspace(x[0], 2.0, 4, dtype=np.float32),
    "logspace": lambda x: (np.logspace(x[0], 1.0, 4), np.logspace(0.0, x[1], 3, base=2, endpoint=False)),
    "vander": lambda x: (np.vander(x[0]), np.vander(x[0], 2), np.vander(x[0], 5, True), np.vander(x[0], 1)),
    "full_like": lambda x: (np.full_like(x, x[0, 0]), np.full_like(x, x[0], np.float32), np.full_like(x, 2, shape=2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


WRONG = {
    "vander": np.vander,
    "linspace": lambda x: np.linspace(x, 1.0, -1),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)


# --- making arrays --------------------------------------------------------------------------------------------------

CREATED = {
    "zeros": lambda x: np.zeros((2, 3), like=x),
    "ones": lambda x: np.ones(3, np.float32, like=x),
    "empty": lambda x: np.empty(0, like=x),
    "full": lambda x: np.full(3, 2.5, like=x),
    "eye": lambda x: np.eye(3, 2, k=1, like=x),
    "identity": lambda x: np.identity(2, like=x),
    "tri": lambda x: np.tri(3, like=x),
    "arange": lambda x: np.arange(3.0, like=x),
    "fromfunction": lambda x: np.fromfunction(lambda i: i * 2.0, (3,), like=x),
    "fromiter": lambda x: np.fromiter(iter([1.0, 2.0]), float, like=x),
    "frombuffer": lambda x: np.frombuffer(bytes(16), like=x),
    "fromstring": lambda x: np.fromstring("1 2", sep=" ", like=x),
    "array": lambda x: np.array([1.0, 2.0], like=x),
    "asarray": lambda x: np.asarray([1.0, 2.0], np.float32, like=x),
    "asanyarray": lambda x: np.asanyarray([1.0], like=x),
    "ascontiguousarray": lambda x: np.ascontiguousarray(1.0, like=x),
    "require": lambda x: np.require([1.0, 2.0], like=x),
    "asfortranarray": lambda x: np.asfortranarray([[1.0]], like=x),
    "zeros_like": lambda x: np.zeros_like(x, shape=(2, 2)),
    "ones_like": lambda x: np.ones_like(x, np.complex64),
    "full_like": lambda x: np.full_like(x, 3),
}


@pytest.mark.parametrize("name", CREATED)
def test_created_arrays_are_traced_constants(name):
    made, plain = [], CREATED[name](V)

    def f(x):
        made.append(CREATED[name](x))
        buffer = made[-1]
        if buffer.size:
            buffer[...] = x[0] * 2
        return np.real(np.sum(buffer))

    gradient = tp.grad(f)(V)
    assert type(made[0]) is Array and made[0].shape == plain.shape and made[0].dtype == plain.dtype
    np.testing.assert_array_equal(gradient, [2 * plain.size, 0, 0])
    out, _ = tp.vjp(CREATED[name], V)
    np.testing.assert_array_equal(out, plain)


def test_created_arrays_of_integers_are_plain():
    def f(x):
        places = np.zeros(2, int, like=x)
        places[1] = 2
        mask = np.zeros_like(x, dtype=bool)
        assert type(places) is type(mask) is np.ndarray
        return np.sum(x[places] * 3) + np.sum(x[mask])

    np.testing.assert_array_equal(tp.grad(f)(V), [3, 0, 3])


def test_arrays_of_traced_values():
    def f(x):
        a = np.array([[x[0], 1.0], [x[1] * x[2], x[0]]], like=x)
        b = np.asarray((x[1], 2), dtype=np.float32, like=x)
        assert np.asarray(x, like=x) is x and np.array(x, like=x) is not x
        assert b.dtype == np.float32
        return np.sum(a**2) + np.sum(b)

    tp.check_grads(f, (V,), rtol=1e-3, atol=1e-3)


def test_a_full_array_of_traced_values_names_the_alternative():
    with pytest.raises(tp.errors.DetachedError, match=r"np\.zeros_like"):
        tp.grad(lambda x: np.sum(np.full(3, x)))(1.0)
