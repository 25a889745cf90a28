"""Complex numbers: the convention of docs/kinks.md, holomorphic functions, real functions of complex parameters."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp

Z = np.array([0.6 + 0.8j, -1.2 + 0.3j, 0.4 - 1.1j])

#: Holomorphic functions of each element, and their derivatives.
HOLOMORPHIC = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda z: 1 / z),
    "sin": (np.sin, np.cos),
    "tan": (np.tan, lambda z: 1 / np.cos(z) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "arcsin": (np.arcsin, lambda z: 1 / np.sqrt(1 - z**2)),
    "arcsinh": (np.arcsinh, lambda z: 1 / np.sqrt(1 + z**2)),
    "arctan": (np.arctan, lambda z: 1 / (1 + z**2)),
    "sqrt": (np.sqrt, lambda z: 0.5 / np.sqrt(z)),
    "reciprocal": (np.reciprocal, lambda z: -1 / z**2),
    "cube": (lambda z: z**3, lambda z: 3 * z**2),
    "real power": (lambda z: z**0.7, lambda z: 0.7 * z**-0.3),
    "complex power": (lambda z: z ** (1 + 2j), lambda z: (1 + 2j) * z**2j),
    "power of a number": (lambda z: (2 - 1j) ** z, lambda z: np.log(2 - 1j) * (2 - 1j) ** z),
    "Möbius": (lambda z: (2 * z + 1j) / (z - 3), lambda z: (-6 - 1j) / (z - 3) ** 2),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_a_holomorphic_function_has_one_derivative(name):
    """In every direction the tangent is f' times it, the Cauchy-Riemann equations; the pullback conjugates f'."""
    f, slope = HOLOMORPHIC[name]
    expected = slope(Z)
    for direction in (1, 1j, 0.3 - 2j):
        pushed = tp.jvp(f, (Z,), (np.full_like(Z, direction),))[1]
        np.testing.assert_allclose(pushed, expected * direction, rtol=1e-13)
    cotangent = np.array([1.0, 2j, -1 + 1j])
    (pulled,) = tp.vjp(f, Z)[1](cotangent)
    np.testing.assert_allclose(pulled, np.conj(expected) * cotangent, rtol=1e-13)


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_the_gradient_of_a_real_part(name):
    """Of Re f it is the conjugate of f', of Im f that times i; of |f|² 2 f times the conjugate of f'."""
    f, slope = HOLOMORPHIC[name]
    conjugate = np.conj(slope(Z))
    np.testing.assert_allclose(tp.grad(lambda z: np.sum(np.real(f(z))))(Z), conjugate, rtol=1e-13)
    np.testing.assert_allclose(tp.grad(lambda z: np.sum(np.imag(f(z))))(Z), 1j * conjugate, rtol=1e-13)
    np.testing.assert_allclose(tp.grad(lambda z: np.sum(np.abs(f(z)) ** 2))(Z), 2 * f(Z) * conjugate, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "along_one", "along_i"),
    [
        (np.conj, lambda z: 1 + 0j * z, lambda z: -1j + 0j * z),
        (np.real, lambda z: 1 + 0 * z.real, lambda z: 0 * z.real),
        (np.imag, lambda z: 0 * z.real, lambda z: 1 + 0 * z.real),
        (np.abs, lambda z: z.real / np.abs(z), lambda z: z.imag / np.abs(z)),
        (np.angle, lambda z: -z.imag / np.abs(z) ** 2, lambda z: z.real / np.abs(z) ** 2),
        (  # z / |z| turns with the angle
            np.sign,
            lambda z: -1j * z.imag / np.abs(z) ** 3 * z,
            lambda z: 1j * z.real / np.abs(z) ** 3 * z,
        ),
    ],
    ids=["conj", "real", "imag", "abs", "angle", "sign"],
)
def test_functions_that_are_not_holomorphic(f, along_one, along_i):
    """They have a derivative along the real and one along the imaginary axis."""
    for direction, expected in ((1, along_one(Z)), (1j, along_i(Z))):
        pushed = tp.jvp(f, (Z,), (np.full_like(Z, direction),))[1]
        np.testing.assert_allclose(pushed, expected, rtol=1e-13, atol=1e-14)


def test_pushing_and_pulling_are_adjoint():
    """Re<c, J t> = Re<J^H c, t>, for a function that is neither holomorphic nor real."""

    def f(z):
        return np.abs(z) * np.exp(1j * z) + np.conj(z) ** 2

    t, c = np.array([1 - 2j, 0.5j, 3.0 + 0j]), np.array([2j, 1 + 1j, -1.0 + 0j])
    pushed, (pulled,) = tp.jvp(f, (Z,), (t,))[1], tp.vjp(f, Z)[1](c)
    assert np.real(np.vdot(c, pushed)) == pytest.approx(np.real(np.vdot(pulled, t)), rel=1e-13)


def test_a_real_function_of_complex_parameters_descends():
    """Gradient descent finds the complex least-squares solution."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(12, 3)) + 1j * rng.normal(size=(12, 3))
    target = a @ np.array([1 + 2j, -0.5j, 3.0])

    def loss(z):
        return np.mean(np.abs(a @ z - target) ** 2)

    z = np.zeros(3, complex)
    for _ in range(400):
        z = z - 0.2 * tp.grad(loss)(z)
    np.testing.assert_allclose(z, [1 + 2j, -0.5j, 3.0], atol=1e-9)


def test_real_parameters_beside_complex_ones_have_real_gradients():
    def signal(parameters):
        amplitude, frequency = parameters["amplitude"], parameters["frequency"]
        wave = amplitude * np.exp(1j * frequency * np.arange(5.0))
        return np.sum(np.abs(wave - 1.0) ** 2)

    at = {"amplitude": 0.7 - 0.4j, "frequency": 0.3}
    gradient = tp.grad(signal)(at)
    assert isinstance(gradient["frequency"], float) and isinstance(gradient["amplitude"], complex)
    h = 1e-6
    moved = [signal({**at, "amplitude": at["amplitude"] + step}) for step in (h, -h, 1j * h, -1j * h)]
    expected = (moved[0] - moved[1] + 1j * (moved[2] - moved[3])) / (2 * h)
    assert gradient["amplitude"] == pytest.approx(expected, rel=1e-8)
    tp.check_grads(signal, (at,))


def test_second_derivatives():
    """The Hessian of |z|⁴ times t is 4 |z|² t + 8 Re(conj(z) t) z."""

    def f(z):
        return np.sum(np.abs(z) ** 4)

    t = np.array([1 - 2j, 0.5j, 3.0 + 0j])
    expected = 4 * np.abs(Z) ** 2 * t + 8 * np.real(np.conj(Z) * t) * Z
    np.testing.assert_allclose(tp.hvp(f, (Z,), (t,))[0], expected, rtol=1e-12)
    (reverse,) = tp.vjp(tp.grad(f), Z)[1](t)
    np.testing.assert_allclose(reverse, expected, rtol=1e-12)


@pytest.mark.parametrize("derivative", [tp.grad, tp.elementwise_grad, tp.jacobian, tp.hessian])
def test_what_has_no_meaning_for_complex_results_raises(derivative):
    with pytest.raises(tp.errors.ArgumentError, match=r"real.*tp\.vjp"):
        derivative(lambda z: np.sum(z**2))(Z)


def test_single_precision_stays():
    gradient = tp.grad(lambda z: np.sum(np.abs(np.exp(z)) ** 2))(Z.astype(np.complex64))
    assert gradient.dtype == np.complex64
    np.testing.assert_allclose(gradient, 2 * np.exp(Z) * np.conj(np.exp(Z)), rtol=1e-5)
