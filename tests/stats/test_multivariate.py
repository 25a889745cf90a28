"""Distributions of vectors, beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import twopass as tp
from twopass import stats

RNG = np.random.default_rng(5)
FACTOR = RNG.normal(size=(3, 3))
COV = FACTOR @ FACTOR.T + np.eye(3)
MEAN = RNG.normal(size=3)
X = RNG.normal(size=(4, 3))


def test_normal():
    ours, theirs = stats.multivariate_normal, scipy.stats.multivariate_normal
    for args in (
        *((X, MEAN, COV), (X[0], MEAN, COV), (X, MEAN), (X[:, 0],)),
        *((X[:, 0], None, 2.0), (X, MEAN, np.array([1.0, 2.0, 3.0])), (X, None, COV)),
    ):
        np.testing.assert_allclose(ours.logpdf(*args), theirs.logpdf(*args), rtol=1e-12)
    np.testing.assert_allclose(ours.pdf(X, MEAN, COV), theirs.pdf(X, MEAN, COV), rtol=1e-12)
    np.testing.assert_allclose(ours.logpdf([0.1, 0.7], 0.2, 3.0), theirs.logpdf([0.1, 0.7], 0.2, 3.0), rtol=1e-12)
    tp.check_grads(ours.logpdf, (X, MEAN, COV))
    tp.check_grads(lambda factor: ours.logpdf(X, MEAN, factor @ factor.T), (FACTOR,))
    tp.check_grads(lambda x, scale: ours.logpdf(x, 0.0, scale), (X[:, 0], np.float64(1.5)))


def test_variances_of_very_different_size():
    cov = np.array([[1e-18, 3e-10], [3e-10, 1.0]])
    found = stats.multivariate_normal.logpdf(np.zeros(2), None, cov)
    assert found == pytest.approx(-np.log(2 * np.pi) - 0.5 * np.log(1e-18 * 0.91))


def test_a_covariance_that_is_none():
    for cov in (-np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros((2, 2))):
        with pytest.raises(np.linalg.LinAlgError):
            tp.grad(lambda cov: stats.multivariate_normal.logpdf(np.zeros(2), None, cov))(cov)
    with pytest.raises(tp.errors.ShapeError, match="do not fit together"):
        stats.multivariate_normal.logpdf(X, np.zeros(2), COV)
    with pytest.raises(tp.errors.ShapeError, match="vectors of length 3"):
        stats.multivariate_normal.logpdf(X[:, :2], MEAN, COV)


def test_dirichlet():
    ours, theirs = stats.dirichlet, scipy.stats.dirichlet
    alpha = np.array([0.8, 2.5, 1.0])
    x = RNG.dirichlet(alpha, size=4).T
    np.testing.assert_allclose(ours.logpdf(x, alpha), theirs.logpdf(x, alpha), rtol=1e-12)
    np.testing.assert_allclose(ours.pdf(x[:, 0], alpha), theirs.pdf(x[:, 0], alpha), rtol=1e-12)
    np.testing.assert_allclose(ours.logpdf(x[:-1], alpha), theirs.logpdf(x[:-1], alpha), rtol=1e-9)
    tp.check_grads(ours.logpdf, (np.array([[0.2, 0.4], [0.5, 0.3]]), alpha))
    outside = np.array([[0.5, -0.1, 0.0], [0.6, 1.1, 0.5], [0.0, 0.0, 0.5]])
    values, pullback = tp.vjp(lambda x: ours.logpdf(x, alpha + 1), outside)
    np.testing.assert_array_equal(values, [-np.inf, -np.inf, -np.inf])
    assert not np.isnan(pullback(np.ones(3))[0]).any()
    assert np.isnan(ours.logpdf(x, alpha - 1)).all()
    with pytest.raises(tp.errors.ShapeError, match="do not fit"):
        ours.logpdf(x, alpha[:1])


def test_multinomial():
    ours, theirs = stats.multinomial, scipy.stats.multinomial
    p = np.array([0.2, 0.5, 0.3])
    x = np.array([[1, 2, 1], [0, 4, 0], [2, 1, 0], [1, 1, 1]])
    np.testing.assert_allclose(ours.logpmf(x, 4, p), theirs.logpmf(x, 4, p), rtol=1e-12)
    np.testing.assert_allclose(ours.pmf(x[0], 4, p), theirs.pmf(x[0], 4, p), rtol=1e-12)
    logits = np.array([0.1, -0.4, 0.9])
    tp.check_grads(lambda z: ours.logpmf(x[:2], 4, tp.special.softmax(z)), (logits,))
    zero = np.array([0.0, 1.0])
    np.testing.assert_array_equal(tp.grad(lambda p: ours.logpmf([0, 3], 3, p))(zero), [0, 3])
    np.testing.assert_array_equal(tp.grad(lambda p: ours.logpmf([1, 2], 3, p))(zero), [0, 0])
    assert np.isnan(ours.logpmf(x[0], 4, np.array([0.5, 0.2, 0.2])))
