"""Matrices with equal, vanishing or no singular values and the like: compiled and batched code never know more.

Where eager code raises or gives NaN, because a derivative does not exist or depends on a basis that LAPACK happens to
choose, compiled code and `vmap` give NaN; where they give a number, it is the eager one.
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp


def compiled(f):
    return tp.compile(f, backend="numpy")


def batched(f):
    """The last of two examples, of which the first is a matrix without peculiarities."""

    def run(a):
        regular = a + np.random.default_rng(3).normal(size=a.shape)
        return tp.tree.map(lambda leaf: leaf[-1], tp.vmap(f)(np.stack([regular, a])))

    return run


WAYS = {"compiled": compiled, "batched": batched}
EACH_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def generator(*seed):
    return np.random.default_rng(zlib.crc32(repr(seed).encode()))


def draw(rng, shape, kind):
    return rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == "complex" else 0)


def derivatives(f, direction, way=None):
    """First and second derivatives along a direction, in both modes; not all that take long to compile."""

    def push(g):
        return lambda a: tp.jvp(g, (a,), (direction,))[1]

    def pull(g):
        return lambda a: np.sum(np.real(np.conj(direction) * tp.grad(g)(a)))

    orders = {"forward": push, "reverse": pull}
    found = {name: order(f) for name, order in orders.items()}
    if way is not compiled:
        found |= {f"{a} over {b}": orders[a](orders[b](f)) for a in orders for b in orders}
    return found


def eager(f, a):
    """What eager code gives, or NaN where it raises."""
    try:
        return f(a)
    except tp.errors.TwopassError:
        return np.nan


def knows_no_more(f, eager_f, a):
    """Raise if a derivative is a number where the eager one is none, or is another number."""
    found, expected = f(a), eager(eager_f, a)
    if not np.isnan(found) and not abs(expected) > 1e9:  # such a number has lost its digits anyway
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    return found, expected


def weighted(x):
    weights = np.cos(np.arange(1.0, 1 + x.size)).reshape(x.shape)
    return np.sum(weights * np.real(x)) + np.sum(weights[::-1] * np.imag(x))


def adjoint(x):
    return np.conj(x.mT)


# --- further columns ------------------------------------------------------------------------------------------------


def further(a):
    """The columns of both square factors that belong to no singular value."""
    u, s, vh = np.linalg.svd(a)
    return u[:, s.shape[-1] :], adjoint(vh)[:, s.shape[-1] :]


DETERMINED = {
    "projectors": lambda a: sum(weighted(n @ adjoint(n)) for n in further(a)),
    "distances": lambda a: sum(np.sum(np.abs(adjoint(n) @ np.ones(n.shape[0])) ** 2) for n in further(a)),
}
OPEN = {
    "columns": lambda a: sum(weighted(n) for n in further(a)),
    "fourth powers": lambda a: sum(np.sum(np.abs(n) ** 4) for n in further(a)),
}


@pytest.mark.parametrize(("shape", "kind"), [((4, 2), "real"), ((2, 4), "complex")], ids=["tall", "wide"])
@EACH_WAY
def test_further_columns_of_svd(way, shape, kind):
    rng = generator(shape, kind)
    a, direction = draw(rng, shape, kind), draw(rng, shape, kind)
    for f in DETERMINED.values():
        for derivative in derivatives(f, direction, way).values():
            assert way(derivative)(a) == pytest.approx(derivative(a), rel=1e-9, abs=1e-9)
    for f in OPEN.values():
        for derivative in derivatives(f, direction, way).values():
            assert np.isnan(way(derivative)(a))
            assert np.isnan(eager(derivative, a))


@pytest.mark.parametrize("order", derivatives(abs, 1.0))
def test_compiled_derivatives_of_second_order(order):
    rng = generator(order)
    a, direction = rng.normal(size=(3, 1)), rng.normal(size=(3, 1))
    determined, raw = (
        derivatives(f[name], direction)[order] for f, name in ((DETERMINED, "projectors"), (OPEN, "columns"))
    )
    assert compiled(determined)(a) == pytest.approx(determined(a), rel=1e-9, abs=1e-9)
    assert np.isnan(compiled(raw)(a))


def test_machine_code_of_a_batch():
    rng = generator("machine code")
    a, direction = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    both = [derivatives(f[name], direction)["forward"] for f, name in ((DETERMINED, "projectors"), (OPEN, "columns"))]
    right, lost = tp.compile(lambda a: [batched(f)(a) for f in both])(a)
    assert right == pytest.approx(both[0](a), rel=1e-9, abs=1e-9)
    assert np.isnan(lost)


@EACH_WAY
def test_hessians_in_a_batch(way):
    a = generator("hessian").normal(size=(3, 1))
    projector, raw = DETERMINED["projectors"], OPEN["columns"]
    for of in (tp.hessian, lambda f: tp.jacobian(tp.grad(f), mode="forward")):
        np.testing.assert_allclose(way(of(projector))(a), of(projector)(a), rtol=1e-9, atol=1e-9)
        assert np.all(np.isnan(way(of(raw))(a)))


def test_jacobians_in_forward_mode():
    """Many columns go through the function as a batch."""
    a = generator("jacobian").normal(size=(4, 2))
    assert np.all(np.isnan(tp.jacobian(lambda a: np.linalg.svd(a)[0][:, 2:], mode="forward")(a)))
    found, expected = (
        tp.jacobian(lambda a: (lambda n: n @ n.T)(further(a)[0]), mode=mode)(a) for mode in ("forward", "reverse")
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


@EACH_WAY
def test_a_basis_that_the_result_is_stationary_in(way):
    a = np.eye(4, 2) * [[2.0, 1.0]]
    for f in (lambda a: np.sum(np.linalg.svd(a)[0] ** 3), lambda a: np.sum(further(a)[0] ** 4)):
        with pytest.raises(tp.errors.GaugeError):
            tp.grad(f)(a)
        assert np.all(np.isnan(way(tp.grad(f))(a)))


def test_columns_that_are_a_constant_of_the_derivative():
    """What is only captured does not turn."""

    def f(a, x):
        n = np.linalg.svd(a)[0][:, 2:]
        distance = lambda x: np.sum((x @ n) ** 2)  # noqa: E731
        return tp.jvp(distance, (x,), (x,))[1], tp.grad(distance)(x), tp.hessian(distance)(x)

    rng = generator("constant")
    a, x = rng.normal(size=(5, 2)), rng.normal(size=5)
    for found, expected in zip(tp.compile(f)(a, x), f(a, x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    for found, expected in zip(tp.vmap(f)(a[None], x[None]), f(a, x), strict=True):
        np.testing.assert_allclose(found[0], expected, atol=1e-12)


def moved_by_projector(c, rate):
    n = np.linalg.svd(c)[0][:, 2:]
    return c + rate * (n @ n.T) @ c[::-1], c[0, 0]


def moved_by_columns(c, rate):
    n = np.linalg.svd(c)[0][:, 2:]
    return c + rate * n[:, :2], c[0, 0]


@EACH_WAY
def test_loops(way):
    rng = generator("loop")
    a, direction = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))

    def last(step):
        return lambda a: weighted(tp.scan(step, a, np.array([0.1, 0.2]))[0])

    determined = derivatives(last(moved_by_projector), direction)
    for order in ("forward", "reverse", "forward over forward", "reverse over forward"):
        derivative = determined[order]
        assert way(derivative)(a) == pytest.approx(derivative(a), rel=1e-9, abs=1e-9)
    for derivative in derivatives(last(moved_by_columns), direction, compiled).values():
        assert np.isnan(way(derivative)(a)) and np.isnan(eager(derivative, a))


@pytest.mark.parametrize("name", OPEN)
def test_nan_has_no_derivative(name):
    """Of a derivative that is NaN, further ones are NaN, not those of a constant."""
    rng = generator(name)
    a, direction = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    rate = derivatives(OPEN[name], direction)["forward"]
    for f in (rate, compiled(rate), lambda a: tp.vmap(rate)(a[None])[0]):
        assert np.isnan(tp.jvp(f, (a,), (direction,))[1])
        assert np.all(np.isnan(tp.grad(f)(a)))


# --- other decompositions -------------------------------------------------------------------------------------------

PHASES = {
    "eigh": (lambda a: np.linalg.eigh(a)[1], np.diag([1.0, 2.0, 4.0]).astype(complex)),
    "svd": (lambda a: np.linalg.svd(a)[0], np.diag([1.0, 2.0, 4.0]).astype(complex)),
    "eig": (lambda a: np.linalg.eig(a)[1], np.array([[0.0, 1.0], [-1.0, 0.0]])),
}


@pytest.mark.parametrize("name", PHASES)
@EACH_WAY
def test_phases_that_are_not_fixed(way, name):
    vectors, a = PHASES[name]
    direction = draw(generator(name), a.shape, "complex" if a.dtype == complex else "real")
    direction = direction + np.conj(direction.T)
    for order in derivatives(abs, direction, way):
        for part in (np.real, np.imag):
            f = derivatives(lambda a: weighted(part(vectors(a))), direction)[order]  # noqa: B023
            found, expected = knows_no_more(way(f), f, a)
            # In forward mode, a result that is stationary in the phase has the derivative of any choice.
            assert order != "reverse" or (np.isnan(found) and np.isnan(expected))
        f = derivatives(lambda a: weighted(np.abs(vectors(a)) ** 2), direction)[order]
        knows_no_more(way(f), f, a)
        if "over" not in order:
            assert np.isfinite(way(f)(a))


@EACH_WAY
def test_matrices_without_enough_eigenvectors(way):
    for a in (np.eye(3) + np.diag([1.0, 0.0], 1), np.diag([1.0, 1.0], 1)):
        for f in (lambda a: np.sum(np.abs(np.linalg.eigvals(a)) ** 2), lambda a: weighted(np.linalg.eig(a)[0])):
            for derivative in derivatives(f, np.ones_like(a), way).values():
                assert np.isnan(eager(derivative, a))
                assert np.isnan(way(derivative)(a))


@EACH_WAY
def test_further_columns_of_qr(way):
    """They are LAPACK's, but where a column has zeros only below the diagonal."""
    a, direction = generator("qr").normal(size=(2, 4, 2))
    triangular = np.eye(4, 2) * [[2.0, 1.0]]

    def f(a):
        return weighted(np.linalg.qr(a, "complete")[0])

    for derivative in derivatives(f, direction, way).values():
        assert way(derivative)(a) == pytest.approx(derivative(a), rel=1e-9, abs=1e-9)
        assert np.isnan(way(derivative)(triangular)) and np.isnan(eager(derivative, triangular))
    np.testing.assert_array_equal(way(lambda a: np.linalg.qr(a, "complete")[0])(triangular), np.eye(4))


@EACH_WAY
def test_condition_numbers_of_singular_matrices(way):
    for p in ("fro", 1, np.inf, None):
        assert way(lambda a: np.linalg.cond(a, p))(np.ones((2, 2))) > 1e15  # noqa: B023
        assert np.all(np.isnan(way(tp.grad(lambda a: np.linalg.cond(a, p)))(np.ones((2, 2)))))  # noqa: B023
        a = np.array([[2.0, 1.0], [0.5, 3.0]])
        f = tp.grad(lambda a: np.linalg.cond(a, p))  # noqa: B023
        np.testing.assert_allclose(way(f)(a), f(a), atol=1e-12)


# --- anything -------------------------------------------------------------------------------------------------------


def composed(u, s, vh):
    k = s.shape[-1]
    return weighted((u[:, :k] * (s**3 + s)) @ vh[:k])


ON_RECTANGLES = {
    "svd": lambda a: weighted(np.linalg.svd(a)[0]) + weighted(np.linalg.svd(a)[2]),
    "thin svd": lambda a: weighted(np.linalg.svd(a, full_matrices=False)[0]),
    "null spaces": DETERMINED["projectors"],
    "of a matrix": lambda a: composed(*np.linalg.svd(a)),
    "polar": lambda a: weighted((lambda u, s, vh: u @ vh)(*np.linalg.svd(a, full_matrices=False))),
    "svdvals": lambda a: np.sum(np.linalg.svdvals(a) ** 4),
    "nuclear": lambda a: np.linalg.norm(a, "nuc"),
    "spectral": lambda a: np.linalg.norm(a, 2),
    "cond": np.linalg.cond,
    "pinv": lambda a: weighted(np.linalg.pinv(a)),
    "pinv, cut off": lambda a: weighted(np.linalg.pinv(a, 0.3)),
    "lstsq": lambda a: weighted(np.linalg.lstsq(a, np.ones(a.shape[0]))[0]),
    "qr": lambda a: weighted(np.linalg.qr(a)[0]) + weighted(np.linalg.qr(a)[1]),
    "complete qr": lambda a: weighted(np.linalg.qr(a, "complete")[0]),
}
ON_SQUARES = {
    "eig": lambda a: weighted(np.linalg.eig(a)[1]),
    "eigvals": lambda a: np.sum(np.abs(np.linalg.eigvals(a)) ** 4),
    "eigh": lambda a: weighted(np.linalg.eigh(a)[1]),
    "of a symmetric matrix": lambda a: weighted((lambda w, v: (v * np.exp(w)) @ adjoint(v))(*np.linalg.eigh(a))),
    "of its first vector": lambda a: weighted((lambda v: v @ adjoint(v))(np.linalg.eigh(a)[1][:, :1])),
    "eigvalsh": lambda a: np.sum(np.linalg.eigvalsh(a) ** 4),
    "hermitian svd": lambda a: composed(*np.linalg.svd(a, hermitian=True)),
    "hermitian pinv": lambda a: weighted(np.linalg.pinv(a, hermitian=True)),
    "det": lambda a: np.real(np.linalg.det(a)),
    "poly": lambda a: weighted(np.poly(a)),
    "roots": lambda a: np.sum(np.abs(np.roots(np.poly(a))) ** 2),
}
SPECTRA = {
    "distinct": [3.0, 2.0, 1.0],
    "a pair": [2.0, 2.0, 1.0],
    "a pair and its negative": [2.0, -2.0, 1.0],
    "all equal": [2.0, 2.0, 2.0],
    "one is 0": [2.0, 1.0, 0.0],
    "two are 0": [2.0, 0.0, 0.0],
    "zero": [0.0, 0.0, 0.0],
    "1e-13 apart": [2.0 + 1e-13, 2.0, 1.0],
    "almost 0": [2.0, 1e-12, 1e-12],
}


def with_spectrum(name, rng, shape, kind, symmetric):
    left, right = (np.linalg.qr(draw(rng, (n, n), kind))[0] for n in shape)
    k = min(shape)
    return (left[:, :k] * np.array(SPECTRA[name][:k])) @ adjoint((left if symmetric else right)[:, :k])


@pytest.mark.parametrize("name", [*ON_RECTANGLES, *ON_SQUARES])
def test_any_function_at_any_matrix(name):
    """In a batch, one derivative at each; compiled, some of them."""
    f = ON_RECTANGLES.get(name) or ON_SQUARES[name]
    for spectrum in SPECTRA:
        rng = generator(name, spectrum)
        kind = ("real", "complex")[rng.integers(2)]
        shape = (3, 3) if name in ON_SQUARES else ((3, 3), (4, 2), (3, 5), (4, 3))[rng.integers(4)]
        a = with_spectrum(spectrum, rng, shape, kind, symmetric=name in ON_SQUARES)
        direction = draw(rng, shape, kind)
        found = derivatives(f, direction)
        derivative = found[str(rng.choice(list(found)))]
        knows_no_more(lambda a: tp.vmap(derivative)(a[None])[0], derivative, a)  # noqa: B023
        if rng.uniform() < 0.15:
            knows_no_more(compiled(found["reverse"]), found["reverse"], a)
