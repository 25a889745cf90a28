"""Errors about functions of other libraries name them, and what to write instead."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp

scipy = pytest.importorskip("scipy", reason="SciPy is not installed")
X = np.array([0.7, 1.9, 4.0])


def message(f):
    with pytest.raises(tp.errors.DetachedError) as caught:
        tp.grad(lambda x: np.sum(f(x)))(X)
    assert __file__ in str(caught.value)
    return str(caught.value)


def test_the_function_that_numpy_has_too():
    import scipy.fft
    import scipy.linalg

    assert "scipy.linalg.solve would turn" in message(lambda x: scipy.linalg.solve(np.eye(3), x))
    assert "Write np.linalg.solve." in message(lambda x: scipy.linalg.solve(np.eye(3), x))
    assert "Write np.fft.fft." in message(lambda x: np.real(scipy.fft.fft(x)))


def test_others_are_named():
    import scipy.signal
    import scipy.special
    import scipy.stats

    assert "scipy.stats.zscore would turn" in message(scipy.stats.zscore)
    assert "tp.custom_rule" in message(scipy.stats.zscore)
    assert "scipy.signal.convolve would turn" in message(lambda x: scipy.signal.convolve(x, X))
    assert "a function of scipy.special would turn" in message(lambda x: scipy.special.spherical_jn(1, x))


def test_numpys_own_are_as_before():
    assert "np.array, np.asarray, or assignment" in message(np.asarray)
    assert "np.vectorize would turn" in message(np.vectorize(np.sin))


def test_a_function_that_scipy_calls_back_is_the_users():
    import scipy.optimize

    loss = lambda x: np.sum((x - 1) ** 2)  # noqa: E731
    found = scipy.optimize.minimize(loss, X, jac=tp.grad(loss))
    np.testing.assert_allclose(found.x, np.ones(3), atol=1e-6)
