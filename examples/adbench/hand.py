"""Hand tracking: a hand of bones and skin that is to fit points in space, and the Jacobian of what it misses them by.

Run ``python examples/adbench/hand.py``. The objectives are those of F. Šrajer, Z. Kukelova and A. Fitzgibbon, "A
benchmark of selected algorithmic differentiation tools on some problems in computer vision and machine learning",
Optimization Methods and Software 33 (2018), after J. Taylor et al., "User-specific hand modeling from monocular depth
sequences", CVPR (2014): 26 numbers pose a skeleton, the vertices of a mesh follow its bones (linear blend skinning),
and a residual is the vector from a point to its place on the mesh. In the simple variant that is a vertex; in the
complicated one a place in a triangle, whose two coordinates are parameters, too.

The benchmark's own hand is a data file that does not come with this package. `hand` builds another one from tubes, with
the same number of parameters, 16 bones and 440 vertices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import twopass as tp

FINGERS, JOINTS = 5, 3
POSE = 3 + 3 + FINGERS * (1 + JOINTS)


class Hand(NamedTuple):
    """A hand at rest.

    Attributes
    ----------
    offsets : array of shape (5, 3, 4, 4)
        For each joint of each finger the transformation from its own coordinates to those of the bone before it.
    inverses : array of shape (5, 3, 4, 4)
        The transformations from the coordinates of the hand to those of each joint.
    vertices : array of shape (n_vertices, 4)
        Points of the skin, in homogeneous coordinates.
    weights : array of shape (n_vertices, 16)
        How much of each vertex follows each bone: the palm, then finger by finger. Rows add up to 1.
    triangles : array of int of shape (n_triangles, 3)
        The vertices at the corners of each piece of the skin.
    """

    offsets: Any
    inverses: Any
    vertices: Any
    weights: Any
    triangles: Any


# --- from a pose to points ------------------------------------------------------------------------------------------


def rotation(about: Any) -> Any:
    """The matrix that turns about an axis, by its length in radians (the formula of Rodrigues)."""
    squared = np.sum(about**2)
    angle = np.sqrt(np.where(squared > 0, squared, 1))
    x, y, z = about
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y]), np.stack([z, zero, -x]), np.stack([-y, x, zero])])
    bent = np.where(squared > 0, (1 - np.cos(angle)) / angle**2, 0.5)
    return np.eye(3) + np.where(squared > 0, np.sin(angle) / angle, 1) * cross + bent * np.matmul(cross, cross)


def flexion(angle: Any) -> Any:
    """The matrices, of shape (n, 4, 4), that turn about the x axis."""
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [[one, zero, zero, zero], [zero, cos, -sin, zero], [zero, sin, cos, zero], [zero, zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def abduction(angle: Any) -> Any:
    """The matrices, of shape (n, 4, 4), that turn about the z axis."""
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [[cos, -sin, zero, zero], [sin, cos, zero, zero], [zero, zero, one, zero], [zero, zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def bones(angles: Any, hand: Hand) -> Any:
    """What moves each bone, of shape (16, 4, 4): the palm stays, a finger is a chain of three joints.

    Parameters
    ----------
    angles : array of shape (5, 4)
        Of each finger: to the side, and three times inwards.
    hand : Hand
        The hand.
    """
    moved = np.matmul(hand.offsets[:, 0], abduction(angles[:, 0]))
    chain = [np.matmul(moved, flexion(angles[:, 1]))]
    for joint in range(1, JOINTS):
        chain.append(np.matmul(np.matmul(chain[-1], hand.offsets[:, joint]), flexion(angles[:, 1 + joint])))
    fingers = np.matmul(np.stack(chain, axis=1), hand.inverses)
    return np.concatenate([np.eye(4)[None], np.reshape(fingers, (FINGERS * JOINTS, 4, 4))])


def skin(pose: Any, hand: Hand) -> Any:
    """The vertices of a posed hand, of shape (n_vertices, 3).

    Parameters
    ----------
    pose : array of shape (26,)
        Rotation and translation of the whole, then the angles of each finger.
    hand : Hand
        The hand.
    """
    moves = bones(np.reshape(pose[6:], (FINGERS, 1 + JOINTS)), hand)[:, :3]
    blended = np.tensordot(hand.weights, moves, 1)
    posed = np.sum(blended * hand.vertices[:, None], axis=2)
    return np.matmul(posed, rotation(pose[:3]).T) + pose[3:6]


def simple(pose: Any, hand: Hand, points: Any, vertex: Any) -> Any:
    """Residuals, of shape (n_points, 3), from the vertices that are to be at the points."""
    return points - skin(pose, hand)[vertex]


def complicated(pose: Any, places: Any, hand: Hand, points: Any, triangle: Any) -> Any:
    """Residuals, of shape (n_points, 3), from places in triangles: `places` are of shape (n_points, 2)."""
    corners = skin(pose, hand)[hand.triangles[triangle]]
    u, v = places[:, :1], places[:, 1:]
    return points - (u * corners[:, 0] + v * corners[:, 1] + (1 - u - v) * corners[:, 2])


# --- derivatives ----------------------------------------------------------------------------------------------------


def simple_jacobian(pose: Any, hand: Hand, points: Any, vertex: Any) -> Any:
    """The Jacobian of `simple` in the pose, of shape (n_points, 3, 26)."""
    return tp.jacobian(simple, mode="forward")(pose, hand, points, vertex)


def complicated_jacobian(pose: Any, places: Any, hand: Hand, points: Any, triangle: Any) -> tuple[Any, Any]:
    """The Jacobian of `complicated`: in the pose, and of each residual in the two coordinates of its own place.

    Each residual depends on its own place only, so that two tangents, one for each coordinate of all places, give all
    of the second part, of shape (n_points, 3, 2).
    """

    def of_places(places: Any) -> Any:
        return complicated(pose, places, hand, points, triangle)

    own = [tp.jvp(of_places, (places,), (np.broadcast_to(unit, places.shape),))[1] for unit in np.eye(2)]
    whole = tp.jacobian(complicated, mode="forward")(pose, places, hand, points, triangle)
    return whole, np.stack(own, axis=-1)


# --- a hand ---------------------------------------------------------------------------------------------------------


def tube(
    middle: Any, axis: Any, length: float, width: float, thickness: float, rings: int, around: int
) -> tuple[Any, Any]:
    """Vertices on ellipses along an axis in the plane of the palm, and the triangles between neighbours."""
    along = np.linspace(0, length, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    across = np.array([axis[1], -axis[0], 0.0])
    circle = width * np.cos(turn)[:, None] * across + thickness * np.sin(turn)[:, None] * np.array([0, 0, 1.0])
    vertices = middle + (along * axis)[:, None] + circle
    here = np.arange(rings * around).reshape(rings, around)
    beside = np.roll(here, -1, axis=1)
    halves = [here[:-1], beside[:-1], beside[1:], here[:-1], beside[1:], here[1:]]
    return vertices.reshape(-1, 3), np.stack(halves, axis=-1).reshape(-1, 3)


def hand(rings: int = 12, around: int = 6) -> Hand:
    """A hand, one unit wide: a palm of 80 vertices, and five fingers of ``rings · around`` vertices each."""
    fan = np.array([0.9, 0.25, 0.05, -0.15, -0.35])  # angles of the fingers at rest, from the thumb
    knuckle = np.array([[-0.5, 0.35, 0], [-0.35, 1, 0], [-0.1, 1.05, 0], [0.15, 1, 0], [0.4, 0.9, 0]])
    lengths = np.array([[0.4, 0.3, 0.25], [0.45, 0.3, 0.2], [0.5, 0.32, 0.22], [0.45, 0.3, 0.2], [0.35, 0.25, 0.18]])
    offsets = np.tile(np.eye(4), (FINGERS, JOINTS, 1, 1))
    offsets[:, 0] = abduction(fan)
    offsets[:, 0, :3, 3] = knuckle
    offsets[:, 1:, 1, 3] = lengths[:, :-1]  # a bone lies along the y axis of its joint
    absolute = [offsets[:, 0]]
    for joint in range(1, JOINTS):
        absolute.append(absolute[-1] @ offsets[:, joint])
    vertices, triangles = tube(np.zeros(3), np.array([0, 1.0, 0]), 1.0, 0.5, 0.15, 8, 10)
    parts, pieces = [vertices], [triangles]
    weights = [np.eye(1, 1 + FINGERS * JOINTS).repeat(len(vertices), axis=0)]
    for finger in range(FINGERS):
        axis = absolute[0][finger, :3, 1]
        length = lengths[finger].sum()
        vertices, triangles = tube(knuckle[finger], axis, length, 0.11, 0.1, rings, around)
        pieces.append(triangles + sum(map(len, parts)))
        parts.append(vertices)
        along = np.linspace(0, length, rings).repeat(around)
        weights.append(_blend(along, lengths[finger], finger))
    skinned = np.concatenate(parts)
    homogeneous = np.concatenate([skinned, np.ones((len(skinned), 1))], axis=1)
    inverses = np.linalg.inv(np.stack(absolute, axis=1))
    return Hand(offsets, inverses, homogeneous, np.concatenate(weights), np.concatenate(pieces))


def _blend(along: Any, lengths: Any, finger: int) -> Any:
    """How much of the vertices at some distances along a finger follow which bone: near a joint, two share."""
    joints = np.cumsum(lengths) - lengths
    beyond = np.clip((along[:, None] - joints) / 0.2 + 0.5, 0, 1)  # by how much a vertex is beyond each joint
    shares = beyond - np.concatenate([beyond[:, 1:], np.zeros((len(along), 1))], axis=1)
    weights = np.zeros((len(along), 1 + FINGERS * JOINTS))
    weights[:, 0] = 1 - beyond[:, 0]
    weights[:, 1 + finger * JOINTS : 1 + (finger + 1) * JOINTS] = shares
    return weights


def _pose(rng: np.random.Generator) -> Any:
    return np.concatenate([rng.normal(0, 0.3, 6), rng.uniform(0, 0.5, FINGERS * (1 + JOINTS))])


def simple_instance(n: int = 200, seed: int = 0) -> tuple[Any, Any]:
    """A pose, and points near the vertices of another one: ``(pose,), (hand, points, vertex)``."""
    rng = np.random.default_rng(seed)
    model, pose = hand(), _pose(rng)
    vertex = rng.integers(len(model.vertices), size=n)
    points = skin(pose, model)[vertex] + rng.normal(0, 0.01, (n, 3))
    return (pose + rng.normal(0, 0.05, POSE),), (model, points, vertex)


def complicated_instance(n: int = 200, seed: int = 0) -> tuple[Any, Any]:
    """A pose and places, and points near others: ``(pose, places), (hand, points, triangle)``."""
    rng = np.random.default_rng(seed)
    model, pose = hand(), _pose(rng)
    triangle = rng.integers(len(model.triangles), size=n)
    places = rng.dirichlet(np.ones(3), n)[:, :2]
    points = -complicated(pose, places, model, np.zeros((n, 3)), triangle) + rng.normal(0, 0.01, (n, 3))
    return (pose + rng.normal(0, 0.05, POSE), np.full((n, 2), 1 / 3)), (model, points, triangle)


def main() -> None:
    """Residuals and Jacobians of both variants, by NumPy and compiled."""
    for name, instance, function, derivative in (
        ("simple", simple_instance, simple, simple_jacobian),
        ("complicated", complicated_instance, complicated, complicated_jacobian),
    ):
        parameters, data = instance()
        errors, found = function(*parameters, *data), derivative(*parameters, *data)
        compiled = tp.compile(derivative)(*parameters, *data)
        pairs = zip(tp.tree.leaves(compiled), tp.tree.leaves(found), strict=True)
        difference = max(np.max(np.abs(a - b)) for a, b in pairs)
        shapes = ", ".join(str(part.shape) for part in tp.tree.leaves(found))
        print(f"{name:<12}{errors.size} residuals, root mean square {np.sqrt(np.mean(errors**2)):.4f}; ", end="")
        print(f"Jacobian of shape {shapes}; compiled, it differs by at most {difference:.1e}")


if __name__ == "__main__":
    main()
