"""Distributions of one variable, beside SciPy's: values everywhere, derivatives in everything, edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import twopass as tp
from twopass import stats

RNG = np.random.default_rng(8)
INF = np.inf

#: Shape parameters of each continuous distribution, and which of them its cumulative functions differentiate in.
CONTINUOUS = {
    "norm": ((), ()), "halfnorm": ((), ()), "lognorm": ((0.8,), (0,)), "skewnorm": ((1.3,), (0,)),
    "truncnorm": ((-0.7, 1.9), (0, 1)), "expon": ((), ()), "gamma": ((2.3,), ()), "invgamma": ((2.3,), ()),
    "chi2": ((3.1,), ()), "beta": ((2.2, 1.4), ()), "f": ((3.2, 5.5), ()), "t": ((3.7,), ()), "cauchy": ((), ()),
    "halfcauchy": ((), ()), "laplace": ((), ()), "logistic": ((), ()), "gumbel_r": ((), ()), "gumbel_l": ((), ()),
    "rayleigh": ((), ()), "weibull_min": ((1.7,), (0,)), "pareto": ((2.5,), (0,)), "uniform": ((), ()),
}  # fmt: skip
DISCRETE = {"bernoulli": (0.3,), "binom": (5, 0.3), "geom": (0.3,), "nbinom": (2.5, 0.4), "poisson": (2.2,)}


def cumulative(name):
    return () if name == "skewnorm" else ("cdf", "sf", "logcdf", "logsf")


def inner(name, count=3):
    """Points of the support, away from its ends."""
    return np.linspace(0.3, 0.9, count), getattr(scipy.stats, name)(*CONTINUOUS[name][0], loc=0.4, scale=1.7)


def test_every_distribution_is_tested():
    classes = (stats.Continuous, stats.Discrete)
    found = {name for name in stats.__all__ if isinstance(getattr(stats, name), classes)}
    assert found == {*CONTINUOUS, *DISCRETE}
    assert all(getattr(stats, name).name == name for name in found)
    assert all(
        getattr(stats, name).shapes
        == tuple(
            (getattr(scipy.stats, name).shapes or "").replace(" ", "").split(",")
            if getattr(scipy.stats, name).shapes
            else ()
        )
        for name in found
    )


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_values(name):
    shapes = CONTINUOUS[name][0]
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    x = np.concatenate([np.linspace(-12, 12, 97), [0.4, 2.1, -INF, INF, np.nan, 30.0, -300.0, 1e5]])
    for function in ("logpdf", "pdf", *cumulative(name)):
        with np.errstate(all="ignore"):
            expected = getattr(theirs, function)(x, *shapes, loc=0.4, scale=1.7)
        found = getattr(ours, function)(x, *shapes, 0.4, scale=1.7)
        assert np.isnan(found).tolist() == np.isnan(x).tolist()
        # SciPy's formulas have no limit at infinity, and some take the logarithm of what underflows.
        found = np.where(np.isinf(x) & np.isnan(expected), np.nan, found)
        found = np.where((found < -700) & np.isneginf(expected), -INF, found)
        np.testing.assert_allclose(found, expected, rtol=2e-13, atol=1e-300, err_msg=function)
    # Parameters broadcast, and those without a meaning give NaN.
    scale = np.array([[1.0], [0.0], [-1.0]])
    for function in ("logpdf", *cumulative(name)[:1]):
        with np.errstate(all="ignore"):
            expected = getattr(theirs, function)([0.3, 1.0], *shapes, scale=scale)
        np.testing.assert_allclose(getattr(ours, function)([0.3, 1.0], *shapes, scale=scale), expected, rtol=1e-13)
    if shapes and name not in ("skewnorm", "truncnorm"):
        assert np.isnan(ours.logpdf(0.5, *(-1.0 for _ in shapes)))
    assert ours.logpdf(np.float32(0.5), *shapes).dtype == np.float64


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_derivatives(name):
    shapes, differentiable = CONTINUOUS[name]
    ours = getattr(stats, name)
    shares, theirs = inner(name)
    x = theirs.ppf(shares)
    x = np.where(np.abs(x - 0.4) < 1e-3, 0.6, x)
    parameters = [np.float64(p) for p in (*shapes, 0.4, 1.7)]
    tp.check_grads(ours.logpdf, (x, *parameters))
    tp.check_grads(ours.pdf, (x, *parameters), order=1)
    for function in cumulative(name):
        method = getattr(ours, function)

        def probability(x, loc, scale, *some, method=method):
            given = dict(zip(differentiable, some, strict=True))
            return method(x, *(given.get(i, p) for i, p in enumerate(shapes)), loc=loc, scale=scale)

        tp.check_grads(probability, (x, *parameters[-2:], *(np.float64(shapes[i]) for i in differentiable)), order=1)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_of_the_support_the_gradient_is_zero(name):
    shapes = CONTINUOUS[name][0]
    low, high = getattr(scipy.stats, name).support(*shapes)
    # Outside, at the ends, and at infinity.
    x = np.array([v for v in (low - 1, low, high, high + 1, -INF, INF) if not np.isnan(v)])
    ours = getattr(stats, name)
    parameters = [np.full(x.shape, p, dtype=float) for p in (*shapes, 0.0, 1.0)]
    values = ours.logpdf(x, *parameters)
    gradients = tp.grad(lambda *args: np.sum(ours.logpdf(*args)), argnums=tuple(range(len(parameters) + 1)))
    tangents = tp.jvp(ours.logpdf, (x, *parameters), (np.ones_like(x),) * (1 + len(parameters)))[1]
    for gradient in (*gradients(x, *parameters), tangents):
        assert not np.isnan(gradient).any()
        assert (gradient[np.isinf(values)] == 0).all()
    x = np.where(np.isinf(x), np.sign(x) * 1e6, x)
    for function in cumulative(name)[:2]:
        gradient = tp.grad(lambda x: np.sum(getattr(ours, function)(x, *parameters)))(x)  # noqa: B023 - used at once
        assert not np.isnan(gradient).any()


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_values(name):
    shapes = DISCRETE[name]
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    k = np.array([-3.0, -1.0, 0.0, 1.0, 2.0, 2.5, 3.0, 5.0, 6.0, 40.0])
    for function in ("logpmf", "pmf", "cdf", "sf"):
        for loc in (0, 1):
            expected = getattr(theirs, function)(k, *shapes, loc=loc)
            np.testing.assert_allclose(getattr(ours, function)(k, *shapes, loc=loc), expected, rtol=1e-12)
    # Every k of any dtype; parameters without a meaning.
    np.testing.assert_allclose(ours.logpmf(np.arange(4), *shapes), theirs.logpmf(np.arange(4), *shapes), rtol=1e-12)
    assert np.isnan(ours.logpmf(1, *(-1.0 for _ in shapes)))


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_derivatives(name):
    *counts, p = DISCRETE[name]
    ours = getattr(stats, name)
    k = np.array([-1.0, 0.0, 1.0, 2.0, 2.5, 4.0])
    tp.check_grads(lambda p: ours.pmf(k, *counts, p), (np.float64(p),))
    some = k[ours.pmf(k, *counts, p) > 0]
    tp.check_grads(lambda p: ours.logpmf(some, *counts, p), (np.float64(p),))
    for function in ("cdf", "sf"):
        tp.check_grads(lambda p: getattr(ours, function)(k, *counts, p), (np.float64(p),))  # noqa: B023
    gradient = tp.grad(lambda k: np.sum(np.exp(ours.logpmf(k, *counts, p)) * k))(k)
    np.testing.assert_array_equal(gradient, ours.pmf(k, *counts, p))  # in k itself, the probability is constant


def test_the_number_of_failures_is_real():
    tp.check_grads(lambda n: stats.nbinom.logpmf(np.arange(4), n, 0.3), (np.float64(2.5),))


@pytest.mark.parametrize(
    ("log_probability", "p", "value", "slope"),
    [
        (lambda p: stats.bernoulli.logpmf(1, p), 1.0, 0, 1),
        (lambda p: stats.bernoulli.logpmf(0, p), 1.0, -INF, 0),
        (lambda p: stats.binom.logpmf(0, 3, p), 0.0, 0, -3),
        (lambda p: stats.binom.logpmf(2, 3, p), 0.0, -INF, 0),
        (lambda p: stats.geom.logpmf(1, p), 1.0, 0, 1),
        (lambda p: stats.poisson.logpmf(0, p), 0.0, 0, -1),
        (lambda p: stats.poisson.logpmf(3, p), 0.0, -INF, 0),
        (lambda p: stats.nbinom.logpmf(0, 2.0, p), 1.0, 0, 2),
    ],
)
def test_certain_and_impossible_events(log_probability, p, value, slope):
    assert log_probability(p) == pytest.approx(value, abs=1e-15)
    assert tp.grad(log_probability)(p) == pytest.approx(slope, abs=1e-15)


def test_tails_keep_their_digits():
    x = np.array([30.0, 38.0])
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(stats.norm.logsf(x)))(x), -(x + 1 / x - 2 / x**3), rtol=1e-5)
    np.testing.assert_allclose(stats.norm.sf(x[0]), scipy.stats.norm.sf(x[0]), rtol=1e-12)
    assert stats.laplace.logsf(1e-20) == pytest.approx(-np.log(2))
    assert stats.truncnorm.logpdf(40.5, 40, 41) == pytest.approx(scipy.stats.truncnorm.logpdf(40.5, 40, 41))
    half_open = tp.grad(lambda a: stats.truncnorm.logpdf(0.5, a, INF))
    assert half_open(-1.0) == pytest.approx(scipy.stats.norm.pdf(-1) / scipy.stats.norm.sf(-1))
    assert tp.grad(lambda b: stats.truncnorm.logpdf(0.5, -INF, b))(1.0) == pytest.approx(-0.2876, abs=1e-4)


def test_a_cumulative_distribution_that_is_not_here():
    with pytest.raises(tp.errors.ArgumentError, match="cumulative distribution of skewnorm"):
        stats.skewnorm.cdf(0.3, 1.0)


def test_students_distribution_with_infinite_degrees_is_normal():
    assert stats.t.logpdf(0.3, INF) == stats.norm.logpdf(0.3)
    assert tp.grad(lambda x: stats.t.logpdf(x, INF))(0.3) == pytest.approx(-0.3)


def test_the_second_derivative_of_the_logistic_density_at_its_middle():
    assert tp.grad(tp.grad(stats.logistic.logpdf))(0.0) == -0.5
    assert tp.grad(stats.laplace.logpdf)(0.0) == 0


def test_a_fit_by_its_gradient():
    x = scipy.stats.gamma.rvs(3.0, scale=2.0, size=400, random_state=RNG)

    def loss(theta):
        return -np.mean(stats.gamma.logpdf(x, np.exp(theta[0]), scale=np.exp(theta[1])))

    theta = np.log([2.0, 2.0])
    for _ in range(8):
        theta = theta - np.linalg.solve(tp.hessian(loss)(theta), tp.grad(loss)(theta))
    shape, _, scale = scipy.stats.gamma.fit(x, floc=0)
    np.testing.assert_allclose(np.exp(theta), [shape, scale], rtol=1e-6)


def test_compiled():
    x = np.array([0.3, 1.2, 2.0])
    loss = lambda mean, scale: -np.sum(stats.norm.logpdf(x, mean, scale))  # noqa: E731
    step = tp.compile(tp.grad(loss, argnums=(0, 1)))
    np.testing.assert_allclose(step(0.5, 1.5), tp.grad(loss, argnums=(0, 1))(0.5, 1.5), rtol=1e-14)


@pytest.mark.parametrize("call", [
    lambda d: d.logpdf(0.3),
    lambda d: d.logpdf(0.3, 1.0, 0.0, 1.0, 2.0),
    lambda d: d.logpdf(0.3, 1.0, a=2.0),
    lambda d: d.logpdf(0.3, 1.0, sigma=2.0),
    lambda d: d.logpdf(0.3 + 1j, 1.0),
    lambda d: d.logpdf("x", 1.0),
])  # fmt: skip
def test_wrong_arguments(call):
    with pytest.raises(TypeError):
        call(stats.gamma)


def test_a_distribution_shows_its_parameters():
    assert repr(stats.beta) == "<Continuous beta(a, b, loc=0, scale=1)>"
    assert repr(stats.poisson) == "<Discrete poisson(mu, loc=0)>"


def test_scipys_own_distributions_name_these():
    frozen = scipy.stats.norm(0.0, 1.0)
    for call, instead in (
        (lambda x: scipy.stats.norm.logpdf(x), "norm.logpdf"),
        (lambda x: scipy.stats.gamma.logpdf(0.3, x), "gamma.logpdf"),
        (lambda x: frozen.cdf(x), "norm.cdf"),
        (lambda x: scipy.stats.poisson.logpmf(3, x), "poisson.logpmf"),
        (lambda x: scipy.stats.multivariate_normal.logpdf(x, [0.0]), "multivariate_normal.logpdf"),
    ):
        with pytest.raises(tp.errors.DetachedError, match=rf"Write twopass\.stats\.{instead}") as caught:
            tp.grad(call)(0.5)
        assert __file__ in str(caught.value)


def test_what_needs_scipy_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.special", None)
    assert stats.norm.logpdf(0.0) == pytest.approx(-0.9189385)
    assert stats.norm.cdf(0.0) == 0.5
    with pytest.raises(tp.errors.MissingLibraryError, match="pip install scipy"):
        stats.gamma.logpdf(1.0, 2.0)
