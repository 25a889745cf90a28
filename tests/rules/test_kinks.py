"""The written policy of docs/kinks.md, line by line, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules import edges

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the functions themselves divide by zero, overflow


def total(edge):
    """The sum of an edge's expression, or of its derivative."""
    f = edge.function(**edges.names())

    def first(x):
        return np.sum(f(x))

    return first if edge.order == 1 else lambda x: np.sum(tp.grad(first)(x))


def units(x):
    """The directions of the coordinates."""
    steps = (1, 1j) if np.iscomplexobj(x) else (1,)
    for place in np.ndindex(np.shape(x)):
        unit = np.zeros(np.shape(x), np.result_type(x))
        found = []
        for step in steps:
            unit[place] = step
            found.append(unit.copy() if np.ndim(x) else unit[()])
        yield place, found


@pytest.mark.parametrize("edge", edges.EDGES, ids=lambda edge: edge.name)
def test_edge(edge):
    if not edge.available:
        pytest.skip("special functions need SciPy")
    f, x = total(edge), edge.point()
    if edge.raises:
        kind = getattr(tp.errors, edge.derivative, None) or getattr(np.linalg, edge.derivative, ValueError)
        with pytest.raises(kind, match=r"integer|no derivative|does not exist|zero-size|Singular"):
            tp.grad(f)(x)
        return
    expected = edge.expected()
    gradient = np.asarray(tp.grad(f)(x))
    assert gradient.shape == np.shape(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6 if gradient.dtype == np.float32 else 1e-13)
    forward = np.zeros(np.shape(x), np.result_type(expected, gradient))
    for place, steps in units(x):
        slopes = [tp.jvp(f, (x,), (step,))[1] for step in steps]
        forward[place] = slopes[0] if len(slopes) == 1 else slopes[0] + 1j * slopes[1]
    np.testing.assert_allclose(forward, expected, rtol=1e-6 if gradient.dtype == np.float32 else 1e-13)


#: Edges that compiled code does not share: it refuses, or treats subnormal numbers as 0 (docs/kinks.md).
NOT_COMPILED = {
    "np.piecewise(x, [x > 0], [np.sqrt, 0.0]) at [4.0, 0.0]": "the shapes depend on values",
    "np.sqrt(x)[x > 0] at [4.0, 0.0]": "the shape depends on values",
    "x * x at np.float32([1e-42])": "subnormal numbers are 0",
    "np.sqrt(x) at np.float32([1e-42])": "subnormal numbers are 0",
    "np.linalg.det(np.reshape(x, (2, 2))) at [0.0, 0.0, 0.0, 0.0], second derivative": "a singular matrix is refused",
}


@pytest.mark.parametrize("section", edges.SECTIONS)
def test_compiled_code_gives_the_same(section):
    """All edges of a section, in one function that is compiled."""
    chosen = [
        edge for edge in edges.SECTIONS[section] if not (edge.raises or edge.name in NOT_COMPILED) and edge.available
    ]
    points = [np.asarray(edge.point())[()] for edge in chosen]

    def gradients(points):
        return [tp.grad(total(edge))(x) for edge, x in zip(chosen, points, strict=True)]

    for edge, found in zip(chosen, tp.compile(gradients)(points), strict=True):
        tolerance = 1e-6 if np.result_type(found) == np.float32 else 1e-12
        np.testing.assert_allclose(found, edge.expected(), rtol=tolerance, err_msg=edge.name)


def test_there_are_many_edges_and_none_twice():
    names = [edge.name for edge in edges.EDGES]
    assert len(set(names)) == len(names) >= 60


def test_the_page_lists_exactly_these():
    text = edges.PAGE.read_text()
    assert edges.page(text) == text, "run python -m tests.rules.edges"


@pytest.mark.parametrize("edge", [edge for edge in edges.EDGES if not edge.raises], ids=lambda edge: edge.name)
def test_what_is_said_to_be_a_subgradient_holds_ours(edge):
    """The answer is in the convex hull of those that others may give, unless the page says that it is not right."""
    if np.isnan(edge.expected()).any():
        return
    assert edges.is_right(edge, edge.expected())
