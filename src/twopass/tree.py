"""Nested containers of arrays: flatten, unflatten, map.

A *tree* is a list, tuple, named tuple, dict or dataclass instance, nested to any depth; everything else is a *leaf*
and ``None`` is an empty tree (so that optional parts vanish instead of counting as numbers). Dictionaries keep their
insertion order, and two dictionaries with the same keys have the same structure whatever their order.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

from twopass.errors import ArgumentError, compose

__all__ = [
    "Structure",
    "builder",
    "children",
    "flatten",
    "flatten_with_paths",
    "leaves",
    "map",
    "reader",
    "structure",
    "unflatten",
]

Path = tuple[str | int, ...]
_map = map  # the built-in; `tree.map` below is this module's own


class Structure:
    """The shape of a tree without its leaves. Never changed once made.

    Parameters
    ----------
    kind : type or None
        Container type; None stands for a leaf.
    keys : tuple
        Dictionary keys, field names, or positions of the children.
    children : tuple of Structure
        One structure per key.

    Attributes
    ----------
    leaf_count : int
        Number of leaves below this structure.
    """

    # No dataclass: a frozen one takes three times as long to make, and every differentiating call makes some.
    __slots__ = ("children", "keys", "kind", "leaf_count")

    def __init__(self, kind: type | None, keys: tuple[Any, ...] = (), children: tuple[Structure, ...] = ()) -> None:
        self.kind = kind
        self.keys = keys
        self.children = children
        self.leaf_count: int = 1 if kind is None else sum([child.leaf_count for child in children])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        if self is other:
            return True
        if self.kind is not other.kind or len(self.keys) != len(other.keys):
            return False
        if self.keys == other.keys:
            return self.children == other.children
        mine = dict(zip(self.keys, self.children, strict=True))
        theirs = dict(zip(other.keys, other.children, strict=True))
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self.kind, frozenset(self.keys), frozenset(self.children)))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is type(None):
            return "None"
        inside = ", ".join(f"{key}: {child!r}" for key, child in zip(self.keys, self.children, strict=True))
        return f"{self.kind.__name__}({inside})"


_LEAF = Structure(None)
_EMPTY = Structure(type(None))


def _is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


@functools.lru_cache(maxsize=1024)
def _names(kind: Any) -> tuple[str, ...] | type | None:
    """How containers of a type are taken apart: by the names of their fields, as a dict or a list; None for a leaf."""
    if issubclass(kind, dict):
        return dict
    if issubclass(kind, (list, tuple)):
        return tuple(kind._fields) if _is_namedtuple(kind) else list
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def _children(node: Any) -> tuple[tuple[Any, ...], list[Any]] | None:
    """Keys and children of a container; None for a leaf."""
    names = _names(type(node))  # type: ignore[arg-type]  # mypy takes a type to be no more hashable than its instances
    if names is None:
        return None
    if names is list:
        return tuple(range(len(node))), node
    if names is dict:
        return tuple(node), list(node.values())
    assert isinstance(names, tuple)
    return names, list(node) if isinstance(node, tuple) else [getattr(node, name) for name in names]


def _child(node: Any, key: Any) -> Any:
    """The child of a container that `_children` calls `key`."""
    if isinstance(node, (dict, list)) or (isinstance(node, tuple) and isinstance(key, int)):
        return node[key]
    return getattr(node, key)


def children(tree: Any) -> dict[Any, Any] | None:
    """The parts of a container by key; None for a leaf.

    Examples
    --------
    >>> children({"w": 1.0, "b": [2.0]}), children((3.0,)), children(3.0)
    ({'w': 1.0, 'b': [2.0]}, {0: 3.0}, None)
    """
    parts = None if tree is None else _children(tree)
    return None if parts is None else dict(zip(*parts, strict=True))


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Split a tree into its leaves, in order, and its structure.

    Examples
    --------
    >>> flatten({"w": 1.0, "b": [2.0, None]})
    ([1.0, 2.0], dict(w: *, b: list(0: *, 1: None)))
    """
    found: list[Any] = []
    return found, _flatten_into(tree, found)


def _flatten_into(tree: Any, found: list[Any]) -> Structure:
    if tree is None:
        return _EMPTY
    parts = _children(tree)
    if parts is None:
        found.append(tree)
        return _LEAF
    keys, children = parts
    inside = []
    for child in children:
        # Most children are leaves: to look at them here saves a call for each.
        if child is not None and _names(type(child)) is None:  # type: ignore[arg-type]
            found.append(child)
            inside.append(_LEAF)
        else:
            inside.append(_flatten_into(child, found))
    return Structure(type(tree), keys, tuple(inside))


def unflatten(structure: Structure, leaves: Any) -> Any:
    """Rebuild a tree from its structure and its leaves; the inverse of `flatten`.

    Raises
    ------
    ArgumentError
        When the number of leaves is not the structure's.

    Examples
    --------
    >>> unflatten(structure({"w": 0, "b": [0, None]}), [1.0, 2.0])
    {'w': 1.0, 'b': [2.0, None]}
    """
    values = list(leaves)
    if len(values) != structure.leaf_count:
        what = f"a tree of {structure.leaf_count} leaves cannot be built from {len(values)}"
        raise ArgumentError(compose(what, why=f"Its structure is {structure!r}."))
    return _build(structure, iter(values))


def _build(structure: Structure, values: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(values)
    if kind is type(None):
        return None
    children = [_build(child, values) for child in structure.children]
    if issubclass(kind, dict):
        return kind(zip(structure.keys, children, strict=True))
    if _is_namedtuple(kind):
        return kind(*children)
    if issubclass(kind, (list, tuple)):
        return kind(children)
    made = object.__new__(kind)
    for name, child in zip(structure.keys, children, strict=True):
        object.__setattr__(made, name, child)
    return made


def reader(structure: Structure) -> Callable[[Any], list[Any] | None]:
    """A function that gives the leaves of trees of one structure, and None for any other tree; fast.

    Examples
    --------
    >>> read = reader(structure({"w": 1, "b": [2, None]}))
    >>> read({"w": 3, "b": [4, None]}), read({"w": 3, "b": 4})
    ([3, 4], None)
    """
    lines: list[str] = []
    found: list[str] = []
    kinds: dict[str, Any] = {}

    def visit(part: Structure, name: str) -> None:
        if part.kind is None:
            found.append(name)
            return
        if part.kind is type(None):
            lines.append(f"if {name} is not None: return None")
            return
        kind = f"kind{len(kinds)}"
        kinds[kind] = part.kind
        sized = issubclass(part.kind, (list, tuple, dict))
        length = f" or len({name}) != {len(part.keys)}" if sized else ""
        lines.append(f"if type({name}) is not {kind}{length}: return None")
        for number, (key, child) in enumerate(zip(part.keys, part.children, strict=True)):
            inside = f"{name}_{number}"
            if issubclass(part.kind, dict):
                kinds[f"key_{inside}"] = key
                lines.append(f"{inside} = {name}.get(key_{inside}, missing)")
                lines.append(f"if {inside} is missing: return None")
            else:
                by_index = issubclass(part.kind, (list, tuple)) and isinstance(key, int)
                lines.append(f"{inside} = {name}[{key}]" if by_index else f"{inside} = {name}.{key}")
            visit(child, inside)

    visit(structure, "t")
    # A leaf may be a container that the structure does not look into; the caller checks its leaves' types.
    source = "\n    ".join(["def read(t):", *lines, f"return [{', '.join(found)}]"])
    namespace: dict[str, Any] = {**kinds, "missing": object()}
    exec(source, namespace)
    read: Callable[[Any], list[Any] | None] = namespace["read"]
    return read


def builder(structure: Structure) -> Callable[[Any], Any]:
    """A function that builds trees of one structure from their leaves, like `unflatten`; fast.

    Examples
    --------
    >>> builder(structure({"w": 1, "b": [2, None]}))([3, 4])
    {'w': 3, 'b': [4, None]}
    """
    kinds: dict[str, Any] = {}
    count = 0

    def visit(part: Structure) -> str:
        nonlocal count
        if part.kind is None:
            count += 1
            return f"v[{count - 1}]"
        if part.kind in (list, tuple):
            inside = "".join(f"{visit(child)}, " for child in part.children)
            return f"[{inside}]" if part.kind is list else f"({inside})"
        if part.kind is dict:
            items = []
            for key, child in zip(part.keys, part.children, strict=True):
                name = f"key{len(kinds)}"
                kinds[name] = key
                items.append(f"{name}: {visit(child)}")
            return "{" + ", ".join(items) + "}"
        if part.kind is type(None):
            return "None"
        name = f"part{len(kinds)}"
        kinds[name] = part
        start, count = count, count + part.leaf_count
        return f"unflatten({name}, v[{start}:{count}])"

    source = f"def build(v): return {visit(structure)}"
    namespace: dict[str, Any] = {**kinds, "unflatten": unflatten}
    exec(source, namespace)
    build: Callable[[Any], Any] = namespace["build"]
    return build


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order.

    Examples
    --------
    >>> leaves(({"a": 1, "b": 2}, [3]))
    [1, 2, 3]
    """
    return flatten(tree)[0]


def structure(tree: Any) -> Structure:
    """The structure of a tree."""
    return flatten(tree)[1]


def flatten_with_paths(tree: Any) -> list[tuple[Path, Any]]:
    """Each leaf with the keys that lead to it.

    Examples
    --------
    >>> flatten_with_paths([{"w": 1.0}, 2.0])
    [((0, 'w'), 1.0), ((1,), 2.0)]
    """
    if tree is None:
        return []
    parts = _children(tree)
    if parts is None:
        return [((), tree)]
    return [((key, *path), leaf) for key, child in zip(*parts, strict=True) for path, leaf in flatten_with_paths(child)]


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function to each leaf; further trees must have the first one's structure down to its leaves.

    Raises
    ------
    ArgumentError
        When a further tree does not match, naming the place.

    Examples
    --------
    >>> map(lambda p, g: p - g, {"w": 3.0, "b": 1.0}, {"b": 0.5, "w": 1.0})
    {'w': 2.0, 'b': 0.5}
    """
    first, shape = flatten(tree)
    others = [_flatten_like(shape, other, ()) for other in rest]
    return unflatten(shape, _map(function, first, *others))


def _flatten_like(shape: Structure, tree: Any, path: Path) -> list[Any]:
    """The parts of `tree` at the places where `shape` has leaves."""
    if shape.kind is None:
        return [tree]
    parts = None if tree is None else _children(tree)
    keys = () if parts is None else parts[0]
    if (tree is None) != (shape.kind is type(None)) or set(keys) != set(shape.keys):
        at = "".join(f"[{key!r}]" for key in path) or "the top"
        what = f"the trees differ at {at}: expected {shape!r}, got {structure(tree)!r}"
        raise ArgumentError(compose(what, instead="Pass trees of one structure."))
    return [
        leaf
        for key, child in zip(shape.keys, shape.children, strict=True)
        for leaf in _flatten_like(child, _child(tree, key), (*path, key))
    ]
