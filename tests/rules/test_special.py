"""SciPy's special functions at their edges; the laws of `test_conformance.py` hold for each."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import scipy.special as sp

import twopass as tp
from rules.against import agrees

INF = np.inf
ROOT_PI = math.sqrt(math.pi)


def slope(f, x):
    """The derivative in both modes, which agree."""
    x = np.float64(x)
    reverse, forward = tp.grad(f)(x), tp.jvp(f, (x,), (np.float64(1),))[1]
    np.testing.assert_array_equal(reverse, forward)
    return reverse


#: Function, point, derivative.
EDGES = {
    "expit far right": (sp.expit, 800.0, 0.0),
    "expit far left": (sp.expit, -800.0, 0.0),
    "expit where it rounds to 1": (sp.expit, 40.0, math.exp(-40)),
    "log_expit far left": (sp.log_expit, -800.0, 1.0),
    "log_expit far right": (sp.log_expit, 40.0, math.exp(-40)),
    "xlogy of two zeros, first": (lambda x: sp.xlogy(x, 0.0), 0.0, -INF),
    "xlogy of two zeros, second": (lambda y: sp.xlogy(0.0, y), 0.0, 0.0),
    "xlog1py of zero and -1": (lambda y: sp.xlog1py(0.0, y), -1.0, 0.0),
    "entr at 0": (sp.entr, 0.0, INF),
    "entr below 0": (sp.entr, -1.0, 0.0),
    "rel_entr of 0, second": (lambda y: sp.rel_entr(0.0, y), 0.0, 0.0),
    "rel_entr of 0, first": (lambda x: sp.rel_entr(x, 2.0), 0.0, -INF),
    "rel_entr undefined": (lambda x: sp.rel_entr(x, 1.0), -1.0, 0.0),
    "kl_div of 0": (lambda y: sp.kl_div(0.0, y), 2.0, 1.0),
    "kl_div undefined": (lambda y: sp.kl_div(1.0, y), -1.0, 0.0),
    "huber at delta": (lambda r: sp.huber(1.0, r), 1.0, 1.0),
    "huber in delta": (lambda d: sp.huber(d, 3.0), 1.0, 2.0),
    "huber of a negative delta": (lambda r: sp.huber(-1.0, r), 1.0, 0.0),
    "pseudo_huber in a large delta": (lambda d: sp.pseudo_huber(d, 1e-3), 10.0, 2.499999975e-16),
    "boxcox with power 0": (lambda p: sp.boxcox(2.0, p), 0.0, math.log(2) ** 2 / 2),
    "inv_boxcox with power 0": (lambda p: sp.inv_boxcox(0.5, p), 0.0, -0.125 * math.exp(0.5)),
    "exprel at 0": (sp.exprel, 0.0, 0.5),
    "rgamma at 0": (sp.rgamma, 0.0, 1.0),
    "rgamma at -1": (sp.rgamma, -1.0, -1.0),
    "rgamma at -4": (sp.rgamma, -4.0, 24.0),
    "binom where it is 0, in k": (lambda k: sp.binom(3.0, k), 4.0, -0.25),
    "binom where it is 0, in n": (lambda n: sp.binom(n, 2.0), 1.0, 0.5),
    "log_ndtr far left": (sp.log_ndtr, -1e3, 1e3 + 1e-3 - 2e-9),
    "erfcx far right": (sp.erfcx, 1e8, -1e-16 / ROOT_PI),
    "dawsn far right": (sp.dawsn, 1e6, -0.5e-12),
    "Faddeeva's function far up": (lambda y: np.real(sp.wofz(1j * y)), 1e6, -1e-12 / ROOT_PI),
    "i0e at its kink": (sp.i0e, 0.0, 0.0),
    "j1 at 0": (sp.j1, 0.0, 0.5),
    "bei' at 0": (sp.beip, 0.0, 0.5),
    "k0e far right": (sp.k0e, 1e12, -0.5 * math.sqrt(math.pi / 2) * 1e-18),
    "ellipk at 0": (sp.ellipk, 0.0, math.pi / 8),
    "ellipe at 0": (sp.ellipe, 0.0, -math.pi / 8),
    "ellipkm1 at 1": (sp.ellipkm1, 1.0, -math.pi / 8),
    "spence at 1": (sp.spence, 1.0, -1.0),
    "the sine integral at 0": (lambda x: sp.sici(x)[0], 0.0, 1.0),
    "lambertw at 0": (lambda x: np.real(sp.lambertw(x)), 0.0, 1.0),
    "expn of order 0": (lambda x: sp.expn(0, x), 1.0, -2 / math.e),
    "legendre at its end": (lambda x: sp.eval_legendre(3, x), 1.0, 6.0),
    "chebyshev at its end": (lambda x: sp.eval_chebyt(4, x), -1.0, -16.0),
    "a constant polynomial": (lambda x: sp.eval_hermite(0, x), 0.3, 0.0),
    "an even polynomial": (lambda x: sp.eval_genlaguerre(1, 0.5, x), 0.3, -1.0),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    f, x, expected = EDGES[name]
    with np.errstate(all="ignore"):
        assert slope(f, x) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_second_derivatives_where_a_factor_is_zero():
    for function in (sp.xlogy, sp.xlog1py):
        offset = 1.0 if function is sp.xlog1py else 0.0
        mixed = tp.hessian(lambda v: function(v[0], v[1]))(np.array([0.0, 2.0]))  # noqa: B023 - used at once
        np.testing.assert_allclose(mixed, [[0, 1 / (2 + offset)], [1 / (2 + offset), 0]])


def test_poles_are_not_finite():
    with np.errstate(all="ignore"):
        for f, x in ((sp.gamma, -1.0), (sp.gammaln, 0.0), (sp.psi, -2.0), (sp.logit, 1.0), (sp.ellipk, 1.0)):
            assert not np.isfinite(tp.grad(f)(x))


def test_complex_arguments():
    z = np.array([0.3 + 0.4j, -1.2 + 0.3j, 2.0 - 1.0j, -7.5 + 0.1j])
    for f in (
        sp.gamma,
        sp.loggamma,
        sp.rgamma,
        sp.psi,
        sp.erf,
        sp.erfcx,
        sp.dawsn,
        sp.wofz,
        sp.ndtr,
        sp.expi,
        sp.spence,
    ):
        agrees(f, z[:3])
    for f in (sp.jv, sp.yv, sp.iv, sp.kv, sp.hankel1, sp.jve, sp.yve, sp.ive, sp.kve, sp.hankel2e):
        agrees(lambda z: f(1.5, z), z[:3])  # noqa: B023
    # The trigamma function left and right of its line of reflection.
    h = 1e-5
    np.testing.assert_allclose(
        tp.jvp(sp.psi, (z,), (np.ones_like(z),))[1], (sp.psi(z + h) - sp.psi(z - h)) / (2 * h), rtol=1e-8
    )


def test_functions_of_python_code_that_end_in_ufuncs():
    x = np.array([0.7, 1.9])
    agrees(lambda x: sp.zeta(3.0, x), x)
    agrees(lambda x: sp.ivp(1, x), x)
    agrees(lambda x: sp.jvp(2.5, x), x)
    agrees(lambda x: sp.softplus(x), x)
    agrees(lambda x: np.real(sp.lambertw(x)), x)
    agrees(sp.sinc, x)


def test_broadcasting_out_and_where():
    x = np.array([[0.3], [1.2]])
    agrees(lambda x, y: sp.xlogy(x, y), x, np.array([0.5, 2.0, 3.0]))
    agrees(lambda x: sp.gammaln(x, out=np.zeros_like(x)), x)
    agrees(lambda x: sp.erf(x, out=np.zeros_like(x), where=np.array([[True], [False]])), x)
    agrees(lambda x: sp.gammaln(x), np.array([3, 4]) * 1.0)


@pytest.mark.parametrize("call", [
    lambda x: sp.gammainc(x, 1.0),
    lambda x: sp.betainc(1.0, x, 0.5),
    lambda x: sp.jv(x, 1.0),
    lambda x: sp.ellipkinc(0.5, x),
    lambda x: sp.hyp2f1(x, 1.0, 2.0, 0.3),
    lambda x: sp.ellipj(0.5, x)[0],
    lambda x: sp.zeta(x, 2.0),
    lambda x: sp.ive(x, 2.0),
    lambda x: sp.eval_jacobi(2, x, 1.0, 0.3),
])  # fmt: skip
def test_no_derivative_in_a_parameter_is_said_by_name(call):
    for derivative in (lambda: tp.grad(call)(0.5), lambda: tp.jvp(call, (0.5,), (1.0,))):
        with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"scipy\.special\.\w+ .*argument"):
            derivative()


def test_functions_without_a_rule_raise_by_name():
    functions = [f for f in (getattr(sp, name) for name in dir(sp)) if isinstance(f, np.ufunc)]
    assert len(functions) > 200
    for function in functions:
        args = np.ones(function.nin) * 0.5
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                function(*args)
            except TypeError:
                continue  # integers only
            try:
                tp.grad(lambda x, rest=args[:-1], f=function: (f(*rest, x), x)[1])(0.5)
            except tp.errors.UnsupportedOperatorError as error:
                assert f"scipy.special.{function.__name__.lstrip('_')} " in str(error)  # noqa: PT017


def test_the_chapter_is_loaded_when_it_is_needed(run_python):
    program = """
import sys, numpy as np, twopass as tp
tp.grad(np.sin)(0.5)
print("scipy" in sys.modules, "twopass.rules.special" in sys.modules)
import scipy.special
print("twopass.rules.special" in sys.modules)
print(tp.grad(scipy.special.erf)(0.0))
"""
    assert run_python(program).split() == ["False", "False", "False", "1.1283791670955126"]


def test_compiled():
    x = np.array([0.3, 1.2, 2.0])
    loss = lambda x: np.sum(sp.gammaln(x) * sp.erf(x) + sp.jv(2, x))  # noqa: E731
    np.testing.assert_allclose(tp.compile(tp.grad(loss))(x), tp.grad(loss)(x), rtol=1e-14)
