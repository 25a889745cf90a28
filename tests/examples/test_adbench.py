"""The objectives of ADBench: what they compute, and that their derivatives are those of finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from examples.adbench import ba, gmm, hand, lstm

import twopass as tp


def close(found, expected, tolerance):
    for a, b in zip(tp.tree.leaves(found), tp.tree.leaves(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.max(np.abs(b))))


def differences(function, parameters, *data):
    """The Jacobian, by finite differences, in each of the parameters."""
    return tp.finite_difference(function, argnums=tuple(range(len(parameters))))(*parameters, *data)


# --- Gaussian mixture -----------------------------------------------------------------------------------------------


def test_mixture_is_the_density_of_its_formula():
    (alphas, means, factors), (x,) = gmm.instance(d=3, k=2, n=5)
    weights = np.exp(alphas) / np.sum(np.exp(alphas))
    total = 0.0
    matrices = []
    for logs, below in zip(factors[:, :3], factors[:, 3:], strict=True):
        q = np.diag(np.exp(logs))
        q[1, 0], q[2, 0], q[2, 1] = below
        matrices.append(q)
    for row in x:
        density = 0.0
        for weight, mean, q in zip(weights, means, matrices, strict=True):
            distance = (row - mean) @ q.T @ q @ (row - mean)
            density += weight * np.linalg.det(q) * (2 * math.pi) ** -1.5 * math.exp(-distance / 2)
        total += math.log(density)
    np.testing.assert_allclose(gmm.triangular(factors[:, :3], factors[:, 3:]), matrices, rtol=1e-15)
    stats = pytest.importorskip("scipy.stats", reason="the Wishart density is SciPy's: pip install scipy")
    prior = gmm.Wishart(gamma=1.5, excess=2)
    # The prior is the density of Qᵀ Q, not that of the numbers which Q is made of.
    total += sum(stats.wishart.logpdf(q.T @ q, df=6, scale=np.eye(3) / 1.5**2) for q in matrices)
    assert gmm.log_posterior(alphas, means, factors, x, prior) == pytest.approx(total, rel=1e-12)


def test_mixture_stays_finite_far_away():
    (alphas, means, factors), (x,) = gmm.instance(d=2, k=3, n=4)
    value, gradient = tp.value_and_grad(gmm.log_posterior, argnums=(0, 1, 2))(alphas, means, factors, x + 1e4)
    assert np.isfinite(value) and all(np.all(np.isfinite(part)) for part in gradient)


def test_gradient_of_the_mixture():
    parameters, (x,) = gmm.instance(d=3, k=4, n=20)
    gradient = tp.grad(gmm.log_posterior, argnums=(0, 1, 2))
    close(gradient(*parameters, x), differences(gmm.log_posterior, parameters, x), 1e-7)
    close(tp.compile(gradient)(*parameters, x), gradient(*parameters, x), 1e-12)
    tp.check_grads(lambda *adjusted: gmm.log_posterior(*adjusted, x), parameters, order=2)


# --- bundle adjustment ----------------------------------------------------------------------------------------------


def test_cameras_see_what_is_in_front_of_them():
    camera = np.zeros((1, 11))
    camera[0, 6] = 2.0
    np.testing.assert_allclose(ba.project(camera, np.array([[1.0, -2.0, 4.0]])), [[0.5, -1.0]])
    camera[0, [2, 7, 9, 10]] = math.pi / 2, 3.0, 0.5, 0.25  # a quarter turn, a shifted image, distortion
    r = 5 / 16
    expected = np.array([[1.0, 0.5]]) * (1 + 0.5 * r + 0.25 * r**2) + [[3.0, 0.0]]
    np.testing.assert_allclose(ba.project(camera, np.array([[1.0, -2.0, 4.0]])), expected, rtol=1e-14)


def test_rotations_have_a_derivative_where_they_are_none():
    x = np.array([0.3, -0.4, 0.5])
    found = tp.jacobian(ba.rotate)(np.zeros(3), x)
    np.testing.assert_allclose(found, np.cross(np.eye(3), x).T, atol=1e-15)
    close(tp.jacobian(hand.rotation)(np.zeros(3)), tp.finite_difference(hand.rotation)(np.zeros(3)), 1e-9)
    np.testing.assert_allclose(hand.rotation(np.array([0.1, -0.7, 0.4])) @ x, ba.rotate(np.array([0.1, -0.7, 0.4]), x))


def test_sparse_jacobian_of_bundle_adjustment():
    parameters, data = ba.instance(n_cameras=3, n_points=5, n_observations=7)
    rows, columns, values = ba.jacobian(*parameters, *data)
    assert len(set(zip(rows, columns, strict=True))) == len(values) == 7 * (2 * 15 + 1)
    dense = np.zeros((21, 33 + 15 + 7))
    dense[rows, columns] = values

    def flat(*adjusted):
        return np.concatenate([part.ravel() for part in ba.residuals(*adjusted, *data)])

    expected = np.concatenate([part.reshape(21, -1) for part in differences(flat, parameters)], axis=1)
    close(dense, expected, 1e-7)
    exact = tp.jacobian(flat, argnums=(0, 1, 2))(*parameters)
    close(dense, np.concatenate([part.reshape(21, -1) for part in exact], axis=1), 1e-13)
    close(tp.compile(ba.jacobian)(*parameters, *data)[2], values, 1e-12)


# --- hand tracking --------------------------------------------------------------------------------------------------


def test_a_hand_at_rest_is_its_mesh():
    model = hand.hand()
    np.testing.assert_allclose(hand.skin(np.zeros(hand.POSE), model), model.vertices[:, :3], atol=1e-15)
    np.testing.assert_allclose(np.sum(model.weights, axis=1), 1)
    assert np.all(model.weights >= 0) and set(model.triangles.ravel()) == set(range(440))


def test_fingers_bend_without_growing():
    model = hand.hand()
    pose = np.zeros(hand.POSE)
    pose[6 + 4 : 6 + 8] = 0.2, 0.9, 0.8, 0.7
    moved = np.linalg.norm(hand.skin(pose, model) - model.vertices[:, :3], axis=1) > 1e-9
    finger = (model.weights[:, 4:7] > 0).any(axis=1)
    assert np.all(moved[finger]) and not np.any(moved[~finger])
    tip = np.flatnonzero(finger)[-6:]  # the last ring follows one bone, so it keeps its shape
    gaps = [np.diff(points, axis=0) for points in (hand.skin(pose, model)[tip], model.vertices[tip, :3])]
    np.testing.assert_allclose(*(np.linalg.norm(gap, axis=1) for gap in gaps))


def test_jacobian_of_the_simple_hand():
    parameters, data = hand.simple_instance(n=8)
    found = hand.simple_jacobian(*parameters, *data)
    close(found, differences(hand.simple, parameters, *data)[0], 1e-8)
    close(tp.compile(hand.simple_jacobian)(*parameters, *data), found, 1e-12)


def test_jacobian_of_the_complicated_hand():
    parameters, data = hand.complicated_instance(n=8)
    whole, own = hand.complicated_jacobian(*parameters, *data)
    by_pose, by_places = differences(hand.complicated, parameters, *data)
    close(whole, by_pose, 1e-8)
    full = np.zeros_like(by_places)
    full[np.arange(8), :, np.arange(8)] = own
    close(full, by_places, 1e-8)
    close(tp.compile(hand.complicated_jacobian)(*parameters, *data), (whole, own), 1e-12)


# --- long short-term memory -----------------------------------------------------------------------------------------


def test_gates_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    weights, biases, (h, c, x) = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)), rng.normal(size=(3, 5))

    def logistic(z):
        return 1 / (1 + np.exp(-z))

    after = logistic(x * weights[0] + biases[0]) * c + logistic(h * weights[1] + biases[1]) * np.tanh(
        h * weights[3] + biases[3]
    )
    close(lstm.unit(weights, biases, h, c, x), (logistic(x * weights[2] + biases[2]) * np.tanh(after), after), 1e-14)


@pytest.mark.parametrize("scan", [lstm.loop, tp.scan], ids=["loop", "scan"])
def test_gradient_of_the_memory(scan):
    (main, extra), (state, sequence) = lstm.instance(layers=2, characters=6, units=3)

    def loss(main, extra):
        return lstm.loss(main, extra, state, sequence, scan)

    gradient = tp.grad(loss, argnums=(0, 1))
    close(gradient(main, extra), differences(loss, (main, extra)), 1e-8)
    close(tp.compile(gradient)(main, extra), gradient(main, extra), 1e-12)
    assert loss(main, extra) == pytest.approx(lstm.loss(main, extra, state, sequence), rel=1e-14)


@pytest.mark.parametrize("example", [gmm, ba, hand, lstm], ids=lambda module: module.__name__.split(".")[-1])
def test_examples_run(example, capsys):
    example.main()
    assert "compiled" in capsys.readouterr().out
