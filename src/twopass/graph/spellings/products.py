"""Products of matrices and tensors.

The normal form is the contraction ``einsum(subscripts, a, b)`` of two operands, with an explicit output: no letter
twice in one operand, none that one operand alone has and the output has not, and equal lengths wherever a letter is.
What sums nothing, or has no axes beside those that the operands share, is elementwise.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from twopass.graph.build import Builder
from twopass.graph.ir import Node
from twopass.graph.spellings.shapes import diagonal
from twopass.graph.spellings.table import as_node, bind, spelling

_LETTERS = string.ascii_lowercase + string.ascii_uppercase


@spelling("matmul", "linalg.matmul")
def _matmul(node: Node, builder: Builder) -> Node | None:
    a, b = (as_node(arg, builder) for arg in node.args)
    if node.kwargs:
        return None
    batch = max(a.ndim, b.ndim, 2) - 2
    names, m, k, n = _LETTERS[:batch], *list(_LETTERS[batch : batch + 3])
    left = names[batch - max(a.ndim - 2, 0) :] + (m + k if a.ndim > 1 else k)
    right = names[batch - max(b.ndim - 2, 0) :] + (k + n if b.ndim > 1 else k)
    output = names + (m if a.ndim > 1 else "") + (n if b.ndim > 1 else "")
    return _contraction(node, [left, right], [a, b], output, builder)


@spelling("dot")
def _dot(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", "b", out=None)
    a, b = (as_node(given[name], builder, node.dtype) for name in "ab")
    if not a.ndim or not b.ndim:
        return builder.call(np.multiply, a, b)
    left = _LETTERS[: a.ndim]
    fresh = _LETTERS[a.ndim : a.ndim + b.ndim]
    right = left[-1] if b.ndim == 1 else fresh[:-2] + left[-1] + fresh[-1]
    output = left[:-1] + right.replace(left[-1], "")
    return _contraction(node, [left, right], [a, b], output, builder)


@spelling("einsum")
def _einsum(node: Node, builder: Builder) -> Node | None:
    if isinstance(node.args[0], str):
        subscripts, operands, ignored = node.args[0], list(node.args[1:]), node.kwargs
    else:
        ignored = {key: value for key, value in node.kwargs.items() if key != "subscripts"}
        subscripts, operands = node.kwargs["subscripts"], list(node.args)
    if not ignored.keys() <= {"optimize"}:
        return None
    nodes = [as_node(operand, builder) for operand in operands]
    terms, output = _spelled(subscripts, [a.ndim for a in nodes])
    if len(nodes) > 2:
        return _chain(node, terms, nodes, output, builder)
    return _contraction(node, terms, nodes, output, builder)


def _spelled(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """One letter for each axis of the operands and of the output, with ellipses and the output spelled out."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    widths = [n - len(term) + 3 if "..." in term else 0 for term, n in zip(terms, ndims, strict=True)]
    unused = [letter for letter in _LETTERS if letter not in subscripts]
    ellipsis = "".join(unused[: max(widths)])
    if not arrow:
        output = "..." + "".join(
            letter for letter in sorted(set(inputs)) if letter.isalpha() and inputs.count(letter) == 1
        )
    spelled = [
        term.replace("...", ellipsis[len(ellipsis) - width :]) for term, width in zip(terms, widths, strict=True)
    ]
    return spelled, output.replace("...", ellipsis)


def _chain(node: Node, terms: list[str], operands: list[Node], output: str, builder: Builder) -> Node | None:
    """A product of more than two operands, two at a time in an order that takes few operations."""
    shapes = [np.broadcast_to(0, a.shape) for a in operands]
    path = np.einsum_path(",".join(terms) + "->" + output, *shapes, optimize="greedy")[0][1:]
    terms, operands = list(terms), list(operands)
    for places in path:
        chosen = [(terms[i], operands[i]) for i in sorted(places)]
        for i in sorted(places, reverse=True):
            del terms[i], operands[i]
        while len(chosen) > 1:
            (left, a), (right, b) = chosen.pop(), chosen.pop()
            needed = set(output).union(*terms, *(term for term, _ in chosen))
            result = "".join(letter for letter in dict.fromkeys(left + right) if letter in needed)
            product = _contraction(node, [left, right], [a, b], result, builder)
            if product is None:
                return None
            chosen.append((result, product))
        terms.append(chosen[0][0])
        operands.append(chosen[0][1])
    return _contraction(node, terms, operands, output, builder)


def _contraction(
    node: Node, terms: Sequence[str], operands: Sequence[Node], output: str, builder: Builder
) -> Node | None:
    """The contraction of one or two operands, in normal form, in the dtype of a node."""
    if node.dtype.kind == "b":
        return None  # sums of truth values are not sums
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, n in zip(term, operand.shape, strict=True):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    parts = [
        _distinct(term, builder.astype(operand, node.dtype), sizes, output, builder)
        for term, operand in zip(terms, operands, strict=True)
    ]
    found = [set(term) for term, _ in parts]
    parts = [
        _needed(term, operand, set(output).union(*found[:number], *found[number + 1 :]), builder)
        for number, (term, operand) in enumerate(parts)
    ]
    left, right = parts[0][0], parts[-1][0]
    summed = [letter for letter in left if letter in right and letter not in output]
    apart = [letter for letter in output if (letter in left) != (letter in right)]
    if summed and apart:
        product = builder.einsum(_renamed(left, right, output), parts[0][1], parts[1][1])
    else:
        axes = output + "".join(summed)
        product, *rest = [_aligned(operand, term, axes, builder) for term, operand in parts]
        for factor in rest:
            product = builder.call(np.multiply, product, factor)
        if rest and not summed and len(set("".join(terms))) > len(output) and node.dtype.kind == "f":
            # A sum of one product: it starts at 0, so it is never -0.
            product = builder.call(np.add, product, builder.constant(0.0, node.dtype))
        product = builder.reduce(np.sum, product, range(len(output), len(axes)))
    return builder.broadcast_to(product, [sizes[letter] for letter in output])


def _distinct(term: str, a: Node, sizes: dict[str, int], output: str, builder: Builder) -> tuple[str, Node]:
    """An operand whose letters are different, without those that it is stretched along, and sums of one term."""
    for letter in term:
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            a = diagonal(a, builder, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    kept = [
        i for i, letter in enumerate(term) if a.shape[i] == sizes[letter] and (letter in output or sizes[letter] != 1)
    ]
    return "".join(term[i] for i in kept), builder.reshape(a, [a.shape[i] for i in kept])


def _needed(term: str, a: Node, needed: set[str], builder: Builder) -> tuple[str, Node]:
    """An operand summed over the letters that nothing else has."""
    alone = [i for i, letter in enumerate(term) if letter not in needed]
    return "".join(letter for letter in term if letter in needed), builder.reduce(np.sum, a, alone)


def _aligned(a: Node, term: str, axes: str, builder: Builder) -> Node:
    """An operand with its axes in the order of some letters, and of length 1 where it has none."""
    order = sorted(range(len(term)), key=lambda i: axes.index(term[i]))
    missing = [i for i, letter in enumerate(axes) if letter not in term]
    return builder.insert_axes(builder.transpose(a, order), missing)


def _renamed(left: str, right: str, output: str) -> str:
    """Subscripts with the letters a, b, c, ... in the order in which they come."""
    names = dict(zip(dict.fromkeys(left + right), _LETTERS, strict=False))
    terms = ["".join(names[letter] for letter in term) for term in (left, right, output)]
    return f"{terms[0]},{terms[1]}->{terms[2]}"
