"""Trees: flatten and unflatten are inverse, map keeps the structure, mismatches are named."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass import tree
from twopass.errors import ArgumentError

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: object
    bias: object = None


leaves = st.integers() | st.text(max_size=3)
trees = st.recursive(
    leaves | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Pair(*pair))
        | st.tuples(inner, inner).map(lambda pair: Layer(*pair))
        | st.dictionaries(st.text(max_size=2), inner, max_size=2).map(OrderedDict)
    ),
    max_leaves=12,
)


@given(trees)
def test_unflatten_inverts_flatten(value):
    found, structure = tree.flatten(value)
    assert tree.unflatten(structure, found) == value
    assert type(tree.unflatten(structure, found)) is type(value)
    assert structure.leaf_count == len(found) == len(tree.leaves(value))
    assert structure == tree.structure(value) and hash(structure) == hash(tree.structure(value))


@given(trees)
def test_map_applies_to_each_leaf_in_order(value):
    assert tree.leaves(tree.map(lambda leaf: (leaf,), value)) == tree.leaves(value)
    assert tree.leaves(tree.map(lambda a, b: [a, b], value, value)) == [
        leaf for leaf in tree.leaves(value) for _ in range(2)
    ]


@given(trees)
def test_paths_lead_to_the_leaves(value):
    pairs = tree.flatten_with_paths(value)
    assert [leaf for _, leaf in pairs] == tree.leaves(value)
    for path, leaf in pairs:
        node = value
        for key in path:
            node = (
                getattr(node, key)
                if isinstance(key, str) and hasattr(node, key) and not isinstance(node, dict)
                else node[key]
            )
        assert node == leaf


def test_dictionaries_match_by_key_whatever_their_order():
    a, b = {"x": 1, "y": 2}, {"y": 20, "x": 10}
    assert tree.structure(a) == tree.structure(b)
    assert tree.map(lambda p, q: p + q, a, b) == {"x": 11, "y": 22}


def test_a_further_tree_may_have_containers_where_the_first_has_leaves():
    assert tree.map(lambda a, b: (a, b), {"w": 1}, {"w": [2, 3]}) == {"w": (1, [2, 3])}


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        ({"w": 1, "b": 2}, {"w": 1}, "the top"),
        ([{"w": (1, 2)}], [{"w": (1,)}], r"\[0\]\['w'\]"),
        ([1, None], [1, 2], r"\[1\]"),
        ({"w": [1]}, {"w": 3}, r"\['w'\]"),
    ],
)
def test_mismatches_name_the_place(first, second, place):
    with pytest.raises(ArgumentError, match=place):
        tree.map(lambda a, b: a, first, second)


def test_unflatten_counts():
    with pytest.raises(ArgumentError, match="2 leaves cannot be built from 3"):
        tree.unflatten(tree.structure([1, 2]), [1, 2, 3])
