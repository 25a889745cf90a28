"""Sums over the steps of a loop are made after it, all at once.

The gradient of a weight that every step uses is a sum of one matrix product a step. Where a loop carries such a sum
along, and does nothing else with it, the factors are collected instead: one product of large matrices does the work of
many small ones, and the sum is not read and written in each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from twopass.graph.build import Builder, axes_of, labels_of
from twopass.graph.ir import Constant, Graph, Node, Type, pick
from twopass.graph.passes.rewriting import count_uses, rewrite
from twopass.graph.scan import Loop, scan

__all__ = ["LIMIT", "defer"]

#: Bytes that the collected factors of one loop may take.
LIMIT = 1 << 26


class _Sum(NamedTuple):
    """A term of a sum over steps: its factors, and how to make the sum of what they were in all steps."""

    factors: tuple[Node, ...]
    total: Callable[[Builder, Sequence[Node]], Node]


def defer(graph: Graph) -> Graph:
    """Make sums that loops carry along after the loops."""
    results: dict[int, dict[int, int | Node]] = {}

    def change(node: Node, _original: Node) -> Node:
        if node.function is scan:
            node, found = _without_sums(node)
            results[id(node)] = found
        elif node.function is pick and results.get(id(node.args[0])):
            loop, number = node.args
            result = results[id(loop)][number]
            return result if isinstance(result, Node) else _picked(loop, result)
        return node

    return rewrite(graph, change)


def _picked(loop: Node, number: int) -> Node:
    return Node(pick, (loop, number), {}, loop.type[number], pick, loop.line)


def _without_sums(node: Node) -> tuple[Node, dict[int, int | Node]]:
    """A loop without its sums, and what its results are now."""
    loop = Loop(**node.kwargs)
    sums = {} if loop.limited or not loop.length else _sums(loop)
    fresh = _collected(loop, [factor for term in sums.values() for factor in term.factors])
    if not sums or loop.length * sum(factor.size * factor.dtype.itemsize for factor in fresh) > LIMIT:
        return node, {}
    first = loop.n_consts
    carried = [i for i in range(loop.n_carry) if i not in sums]
    body = loop.body
    inputs = [*range(first), *(first + i for i in carried), *range(first + loop.n_carry, len(body.inputs))]
    old = [*carried, *range(loop.n_carry, len(body.outputs))]
    outputs = (*(body.outputs[i] for i in old), *fresh)
    types = [node.type[i] for i in old] + [Type((loop.length, *factor.shape), factor.dtype) for factor in fresh]
    smaller = loop._replace(body=Graph(tuple(body.inputs[i] for i in inputs), outputs), n_carry=len(carried), stacks=0)
    made = Node(scan, tuple(node.args[i] for i in inputs), smaller._asdict(), tuple(types), node.call, node.line)
    stacks = {id(factor): _picked(made, len(old) + number) for number, factor in enumerate(fresh)}
    stacks |= {id(body.inputs[i]): node.args[i] for i in range(first + loop.n_carry, len(body.inputs))}
    builder = Builder(node.line)
    found: dict[int, int | Node] = {number: place for place, number in enumerate(old)}
    for i, term in sums.items():
        total = term.total(builder, [stacks[id(factor)] for factor in term.factors])
        found[i] = builder.call(np.add, node.args[first + i], total)
    return made, found


def _collected(loop: Loop, factors: Sequence[Node]) -> list[Node]:
    """The factors that a loop must collect: those that are not there as ``xs``."""
    given = {id(node) for node in loop.body.inputs[loop.n_consts + loop.n_carry :]}
    return list({id(factor): factor for factor in factors if id(factor) not in given}.values())


def _sums(loop: Loop) -> dict[int, _Sum]:
    """The carries that are sums, each with its term."""
    body, uses = loop.body, count_uses(loop.body)
    found = {}
    for i in range(loop.n_carry):
        carry, output = body.inputs[loop.n_consts + i], body.outputs[i]
        if output.function is not np.add or uses[id(carry)] != 1 or uses[id(output)] != 1:
            continue
        terms = [_without_zero(arg) for arg in output.args if arg is not carry]
        if len(terms) == 1 and terms[0].shape == output.shape and output.dtype.kind == "f":
            term = _product(loop, terms[0]) or _row_sum(loop, terms[0]) or _outer(loop, terms[0])
            if term is not None:
                found[i] = term
    return found


def _without_zero(term: Node) -> Node:
    """What 0.0 was added to, as is done to a sum of one product so that it is never -0: the sum of many starts at 0."""
    is_zero = term.function is np.add and isinstance(term.args[1], Constant) and not term.args[1].value.any()
    return term.args[0] if is_zero else term


def _changes(loop: Loop, *factors: Node) -> bool:
    """Whether factors are other ones in each step, as far as can be seen."""
    constant = {id(node) for node in loop.body.inputs[: loop.n_consts]}
    return not any(isinstance(factor, Constant) or id(factor) in constant for factor in factors)


def _product(loop: Loop, term: Node) -> _Sum | None:
    """A contraction: the steps are one more axis that is summed."""
    if term.function is not np.einsum or len(term.args) != 3 or not _changes(loop, *term.args[1:]):
        return None
    subscripts, *factors = term.args
    (left, right), output = labels_of(subscripts)

    def total(builder: Builder, stacks: Sequence[Node]) -> Node:
        a, b = stacks
        if left[0] == right[0] and left[0] not in output:
            # The rows of all steps, one under the other.
            a, b = (builder.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])) for x in (a, b))
            return builder.einsum(subscripts, a, b)
        step = next(letter for letter in "zyxwvutsrqponm" if letter not in subscripts)
        return builder.einsum(f"{step}{left},{step}{right}->{output}", a, b)

    return _Sum(tuple(factors), total)


def _row_sum(loop: Loop, term: Node) -> _Sum | None:
    """A sum over axes: the steps are one more."""
    axes = axes_of(term)
    if term.function is not np.sum or axes is None or not _changes(loop, term.args[0]):
        return None

    def total(builder: Builder, stacks: Sequence[Node]) -> Node:
        return builder.reduce(np.sum, stacks[0], (0, *(axis + 1 for axis in axes)))

    return _Sum((term.args[0],), total)


def _outer(loop: Loop, term: Node) -> _Sum | None:
    """A column times a row: the sum of such products is a matrix product."""
    if term.function is not np.multiply or term.ndim != 2:
        return None
    column, row = sorted(term.args, key=lambda factor: factor.shape[-1:] != (1,))
    rows, columns = term.shape
    if column.shape != (rows, 1) or row.size != columns or 1 in term.shape:
        return None
    factors = tuple(_flat(factor) for factor in (column, row))
    if not _changes(loop, *factors):
        return None

    def total(builder: Builder, stacks: Sequence[Node]) -> Node:
        a, b = (builder.reshape(stack, (loop.length, math.prod(stack.shape[1:]))) for stack in stacks)
        return builder.einsum("ab,ac->bc", a, b)

    return _Sum(factors, total)


def _flat(factor: Node) -> Node:
    """What a factor was before axes of length 1 were put in."""
    return factor.args[0] if factor.function is np.reshape and isinstance(factor.args[0], Node) else factor
