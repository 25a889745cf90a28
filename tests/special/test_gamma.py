"""Functions about factorials, beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import twopass as tp
from twopass import special

X = np.array([0.7, 1.9, 4.0])


def test_values_are_scipys():
    for d in (1, 2, 5):
        np.testing.assert_allclose(special.multigammaln(X + 3, d), scipy.special.multigammaln(X + 3, d), rtol=1e-14)
    for n in (0, 1, 3, np.array([0, 1, 2])):
        np.testing.assert_allclose(special.polygamma(n, X), scipy.special.polygamma(n, X), rtol=1e-14)
    counts, chosen = np.array([-1.0, 3.0, 5.0, 2.5]), np.array([[0.0], [2.0], [4.0], [-1.0], [1.5]])
    for name in ("comb", "perm"):
        expected = getattr(scipy.special, name)(counts, chosen)
        np.testing.assert_allclose(getattr(special, name)(counts, chosen), expected, rtol=1e-13)
    np.testing.assert_allclose(special.comb(4, 3, repetition=True), scipy.special.comb(4, 3, repetition=True))
    np.testing.assert_allclose(special.factorial(counts), scipy.special.factorial(counts, extend="zero"), rtol=1e-14)


def test_derivatives():
    tp.check_grads(lambda x: special.multigammaln(x + 3, 3), (X,))
    for n in (0, 1, 4):
        tp.check_grads(lambda x: special.polygamma(n, x), (X + 1,))  # noqa: B023 - used at once
    tp.check_grads(special.comb, (X + 3, np.array([0.3, 2.0, 2.5])))
    tp.check_grads(special.perm, (X + 3, np.array([0.3, 2.0, 2.5])))
    tp.check_grads(special.factorial, (X,))


def test_wrong_arguments():
    for call in (
        lambda: special.multigammaln(3.0, 0),
        lambda: special.multigammaln(3.0, 2.5),
        lambda: special.multigammaln(0.5, 2),
        lambda: special.polygamma(-1, 2.0),
        lambda: special.polygamma(0.5, 2.0),
        lambda: special.comb(5, 2, exact=True),
    ):
        with pytest.raises(tp.errors.ArgumentError):
            call()


def test_scipys_own_functions_name_these():
    for name, args in (("multigammaln", (2,)), ("comb", (2.0,)), ("perm", (2.0,))):
        with pytest.raises(tp.errors.DetachedError, match=rf"Write twopass\.special\.{name}"):
            tp.grad(lambda x: getattr(scipy.special, name)(x, *args))(5.0)  # noqa: B023
    with pytest.raises(tp.errors.DetachedError, match=r"Write twopass\.special\.polygamma"):
        tp.grad(lambda x: scipy.special.polygamma(1, x))(5.0)
    # What is not here is named, too.
    with pytest.raises(tp.errors.DetachedError, match=r"scipy\.special\.diric would turn"):
        tp.grad(lambda x: scipy.special.diric(x, 3))(5.0)


def test_other_names_are_scipys():
    assert special.gammaln is scipy.special.gammaln
    with pytest.raises(AttributeError):
        special.no_such_function  # noqa: B018


def test_vectorized_functions_say_what_to_write():
    with pytest.raises(tp.errors.DetachedError, match=r"np\.vectorize would turn.*np\.stack"):
        tp.grad(lambda x: np.sum(np.vectorize(lambda v: v * v)(x)))(X)
