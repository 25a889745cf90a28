"""Padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)

MODES = [
    ("constant", {}),
    ("constant", {"constant_values": ((1.0, 2.0), (3.0, np.inf))}),
    ("empty", {}),
    ("edge", {}),
    ("linear_ramp", {"end_values": ((1.0, 2.0), (0.5, 3.0))}),
    ("maximum", {}),
    ("minimum", {"stat_length": 2}),
    ("mean", {"stat_length": ((1, 2), (3, 9))}),
    ("median", {}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(MODES),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=2),
)
def test_pad_is_numpys(how, shape, widths):
    mode, keywords = how
    x = np.cos(np.arange(1.0, 1 + np.prod(shape))).reshape(shape)
    expected = np.pad(x, widths, mode, **keywords)
    found, pullback = tp.vjp(lambda x: np.pad(x, widths, mode, **keywords), x)
    if mode == "empty":
        found = expected = expected[tuple(slice(b, b + n) for (b, _), n in zip(widths, shape, strict=True))]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    # The map is affine, but for the statistics that choose elements: those are piecewise so.
    direction = np.sin(np.arange(1.0, 1 + x.size)).reshape(shape) * 1e-6
    if mode != "empty" and not keywords.get("constant_values"):
        moved = np.pad(x + direction, widths, mode, **keywords) - np.pad(x - direction, widths, mode, **keywords)
        weights = np.cos(np.arange(moved.size)).reshape(moved.shape)
        slope = np.sum(weights * moved) / 2
        assert np.sum(pullback(weights)[0] * direction) == pytest.approx(slope, rel=1e-6, abs=1e-12)


def test_pad_spellings():
    agrees(lambda x: np.pad(array=x, pad_width=((1, 0), (2, 3)), mode="constant", constant_values=4), X)
    agrees(lambda x: (np.pad(x, (1,)), np.pad(x, ((1,), (2,))), np.pad(x, np.array([2, 1]), "edge")), X)
    agrees(lambda x: np.pad(x, 2, constant_values=((x[0, 0], 1.0), (x[1, 1], x[2, 2]))), X)


def test_pad_by_axis():
    try:
        np.pad(X, {-1: (1, 2)})
    except TypeError:
        pytest.skip("this NumPy has no dictionary of widths")
    agrees(lambda x: (np.pad(x, {-1: (1, 2)}), np.pad(x, {0: 1}, "wrap")), X)


def test_pad_with_a_function():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"np\.concatenate"):
        tp.grad(lambda x: np.sum(np.pad(x, 1, lambda *_: None)))(X)


WRONG = {
    "pad": lambda x: np.pad(x, 1, "no such mode"),
    "pad width": lambda x: np.pad(x, (1, 2, 3)),
    "pad keyword": lambda x: np.pad(x, 1, "edge", constant_values=1),
    "pad statistics": lambda x: np.pad(x, 1, "mean", end_values=1),
    "pad an empty axis": lambda x: np.pad(x[:0], 1, "reflect"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)
