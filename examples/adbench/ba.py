"""Bundle adjustment: residuals of cameras and points that explain what was seen in images, and their sparse Jacobian.

Run ``python examples/adbench/ba.py``. The objective is that of F. Šrajer, Z. Kukelova and A. Fitzgibbon, "A benchmark
of selected algorithmic differentiation tools on some problems in computer vision and machine learning", Optimization
Methods and Software 33 (2018): each observation has two residuals of reprojection, weighted, and one that keeps its
weight near 1. The two residuals of an observation depend on its own camera, point and weight only, so two backward
passes give all rows of the Jacobian: one for the first residuals of all observations, one for the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import twopass as tp


def rotate(rotation: Any, x: Any) -> Any:
    """Points turned about the axes `rotation`, by their lengths in radians (the formula of Rodrigues)."""
    squared = np.sum(rotation**2, axis=-1, keepdims=True)
    angle = np.sqrt(np.where(squared > 0, squared, 1))
    axis = rotation / angle
    along = np.sum(axis * x, axis=-1, keepdims=True) * (1 - np.cos(angle))
    turned = x * np.cos(angle) + np.cross(axis, x) * np.sin(angle) + axis * along
    return np.where(squared > 0, turned, x + np.cross(rotation, x))


def project(cameras: Any, points: Any) -> Any:
    """Where cameras see points.

    Parameters
    ----------
    cameras : array of shape (n, 11)
        Rotation (3), centre (3), focal length, principal point (2), and two coefficients of radial distortion.
    points : array of shape (n, 3)
        A point for each camera.
    """
    seen = rotate(cameras[:, :3], points - cameras[:, 3:6])
    image = seen[:, :2] / seen[:, 2:]
    squared = np.sum(image**2, axis=1, keepdims=True)
    distortion = 1 + cameras[:, 9:10] * squared + cameras[:, 10:11] * squared**2
    return image * distortion * cameras[:, 6:7] + cameras[:, 7:9]


def reprojection(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
    """Weighted distances, of shape (n_observations, 2), of projections and features, one camera and point each."""
    return weights[:, None] * (project(cameras, points) - features)


def residuals(cameras: Any, points: Any, weights: Any, camera: Any, point: Any, features: Any) -> tuple[Any, Any]:
    """Residuals of reprojection and of the weights.

    Parameters
    ----------
    cameras, points, weights : arrays of shape (n_cameras, 11), (n_points, 3) and (n_observations,)
        What is adjusted.
    camera, point : arrays of int of shape (n_observations,)
        Which camera saw which point in an observation.
    features : array of shape (n_observations, 2)
        And where.
    """
    return reprojection(cameras[camera], points[point], weights, features), 1 - weights**2


def jacobian(cameras: Any, points: Any, weights: Any, camera: Any, point: Any, features: Any) -> tuple[Any, Any, Any]:
    """The entries of the Jacobian that are not zero: rows, columns, values.

    Rows are the residuals of reprojection, observation by observation, then those of the weights; columns are the
    elements of cameras, points and weights. ``scipy.sparse.coo_array((values, (rows, columns)))`` is the matrix.
    """
    by_camera, by_point, by_weight = blocks(cameras[camera], points[point], weights, features)
    n, number = len(weights), np.arange(len(weights))[:, None]
    columns = [11 * camera[:, None] + np.arange(11), cameras.size + 3 * point[:, None] + np.arange(3)]
    last = cameras.size + points.size + number
    columns_of_row = np.repeat(np.concatenate([*columns, last], axis=1)[:, None], 2, axis=1)
    rows_of_row = np.broadcast_to(2 * number[:, :, None] + np.arange(2)[:, None], columns_of_row.shape)
    values = np.concatenate([by_camera, by_point, by_weight[..., None]], axis=2)
    return (
        np.concatenate([rows_of_row.ravel(), 2 * n + number.ravel()]),
        np.concatenate([columns_of_row.ravel(), last.ravel()]),
        np.concatenate([values.ravel(), -2 * weights]),
    )


def blocks(cameras: Any, points: Any, weights: Any, features: Any) -> tuple[Any, Any, Any]:
    """Derivatives of `reprojection`, of shape (n_observations, 2, 11), (n_observations, 2, 3), (n_observations, 2)."""
    errors, pullback = tp.vjp(lambda *adjusted: reprojection(*adjusted, features), cameras, points, weights)
    first, second = (pullback(np.broadcast_to(unit, errors.shape)) for unit in np.eye(2))
    by_camera, by_point, by_weight = (np.stack(pair, axis=1) for pair in zip(first, second, strict=True))
    return by_camera, by_point, by_weight


def instance(n_cameras: int = 49, n_points: int = 1000, n_observations: int = 4000, seed: int = 0) -> tuple[Any, Any]:
    """Cameras on a sphere that look at a cloud of points: ``(cameras, points, weights), (camera, point, features)``."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (n_points, 3))
    rotation = rng.normal(size=(n_cameras, 3))
    # A camera is at a distance of 5 from the middle, and turned so that the middle is in front of it.
    centre = -5 * rotate(-rotation, np.array([0.0, 0.0, 1.0]))
    lens = [
        rng.uniform(0.8, 1.2, (n_cameras, 1)),
        rng.normal(0, 0.01, (n_cameras, 2)),
        rng.normal(0, 0.01, (n_cameras, 2)),
    ]
    cameras = np.concatenate([rotation, centre, *lens], axis=1)
    camera, point = rng.integers(n_cameras, size=n_observations), rng.integers(n_points, size=n_observations)
    features = project(cameras[camera], points[point]) + rng.normal(0, 0.01, (n_observations, 2))
    parameters = (
        cameras + rng.normal(0, 0.01, cameras.shape),
        points + rng.normal(0, 0.01, points.shape),
        rng.uniform(0.8, 1.2, n_observations),
    )
    return parameters, (camera, point, features)


def main() -> None:
    """Residuals and Jacobian, by NumPy and compiled."""
    parameters, data = instance()
    errors, weights = residuals(*parameters, *data)
    rows, _, values = jacobian(*parameters, *data)
    _, _, compiled = tp.compile(jacobian)(*parameters, *data)
    print(f"{errors.size + weights.size:,} residuals, mean square {np.mean(errors**2):.6f}")
    shape = (int(rows.max()) + 1, sum(array.size for array in parameters))
    print(f"Jacobian of shape {shape} with {values.size:,} entries, Frobenius norm {np.sqrt(np.sum(values**2)):.4f}")
    print(f"compiled: differs by at most {np.max(np.abs(compiled - values)):.1e}")


if __name__ == "__main__":
    main()
