"""The two sweeps of the chain rule: tangents forward, cotangents backward.

Un-broadcasting and accumulation live here, once, so that no rule has to think of them. Both sweeps are loops: the
depth of a computation costs memory, never Python stack.

**Elements that do not count.** ``np.where(x > 0, np.sqrt(x), 0)`` does not depend on ``sqrt(x)`` where ``x <= 0``. The
cotangent of ``sqrt(x)`` is therefore not merely the number 0 there: it is *absent*, and must not meet the infinite
slope of the root at 0 as ``0 * inf``. The backward sweep carries that as a boolean mask beside the cotangent
("alive"), from each selection through the elementwise and structural operators below it. Elements that were not read
(``np.sqrt(x)[x > 0]``) or were overwritten are absent in the same way. A cotangent that is the number 0 by
arithmetic, as in ``sqrt(x) ** 2``, has no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from twopass.core.operators import Scatter
from twopass.core.rule import Rule, Spec, is_traced

__all__ = ["Forgotten", "Node", "Pick", "backward", "fit", "tangent"]


class Node(NamedTuple):
    """One operation on the tape of a reverse-mode trace, or an input (``rule is None``)."""

    rule: Any  # a Rule, or Pick for one of several outputs; None for an input
    slots: Sequence[int]  # positions of the differentiated operands in args
    parents: Sequence[int]  # positions on the tape of the nodes that computed them
    args: Sequence[Any]  # operands and further arguments, as far as the rule reads them
    kwargs: dict[str, Any]
    y: Any  # the output, if the rule reads it
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    code: Any  # code object and instruction of the user's line
    instruction: int


class Pick(NamedTuple):
    """Stands in a node's place for a rule: output number `slots[0]` of an operator with several outputs."""

    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Forgotten:
    """Stands in a node's place for a rule: ``recall(tape, index)`` is the tape with the node there again."""

    recall: Callable[[Sequence[Node], int], Sequence[Node]]
    selective: ClassVar[bool] = True  # so that the sweep takes it out of its fast path


def _sum_to_shape(value: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the axes along which `shape` was stretched to that of `value`."""
    extra = value.ndim - len(shape)
    if value.ndim == 0:
        return _filled(value, shape)
    if extra < 0:
        # What was assigned may have leading axes of length 1 that the part it was assigned to has not.
        value = np.reshape(value, (1,) * -extra + value.shape)
    elif extra > 0:
        value = np.add.reduce(value, axis=tuple(range(extra)) if extra > 1 else 0)
    if value.shape == shape:
        return value
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and value.shape[i] != 1)
    if stretched:
        value = np.add.reduce(value, axis=stretched, keepdims=True)
    # A cotangent may also be smaller than its operand: a constant partial derivative has no shape of its own.
    return value if value.shape == shape else np.broadcast_to(value, shape)


def _filled(value: Any, shape: tuple[int, ...]) -> Any:
    """One number in every element, without memory for more than one."""
    if is_traced(value):
        return np.broadcast_to(value, shape)
    # What np.broadcast_to does, in a fifth of the time: every sum and mean comes here.
    return np.ndarray(shape, value.dtype, value, strides=(0,) * len(shape))


def fit(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Give a tangent or cotangent the shape and dtype of what it belongs to.

    A real quantity has no imaginary direction to move in, so the imaginary part of its (co)tangent is dropped: the
    pairing ``Re(sum(cotangent * tangent))`` does not see it.
    """
    if value.shape != shape:
        value = _sum_to_shape(value, shape)
    if value.dtype != dtype:
        if value.dtype.kind == "c" and dtype.kind != "c":
            value = np.real(value)
        if value.dtype != dtype:
            value = value.astype(dtype)
    return value


def tangent(rule: Rule, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """The tangent of an output, from the tangents of its operands."""
    with np.errstate(all="ignore"):
        value = rule.push(slots, tangents, y, args, kwargs)
        if rule.outputs:
            return tuple(None if t is None else fit(t, out.shape, out.dtype) for t, out in zip(value, y, strict=True))
        return fit(value, y.shape, y.dtype)


class _Cotangents:
    """Cotangents of the nodes of a tape, with the masks of those that have absent elements."""

    __slots__ = ("alive", "owned", "tape", "values")

    def __init__(self, tape: Sequence[Node]) -> None:
        self.tape = tape
        self.values: list[Any] = [None] * len(tape)
        self.alive: dict[int, Any] = {}
        #: Nodes whose cotangent and mask are in arrays that nothing else refers to, so that they may be added to.
        self.owned: set[int] = set()

    def add(self, index: int, value: Any, alive: Any) -> None:
        """Accumulate a contribution; an element is absent only if it is absent from all of them."""
        if type(value) is Scatter:
            self._add_scatter(index, value, alive)
            return
        node = self.tape[index]
        if value.shape != node.shape or value.dtype != node.dtype:
            value = fit(value, node.shape, node.dtype)
        before = self.values[index]
        if before is None:
            self.values[index] = value
            if alive is not None:
                self.alive[index] = _fit_mask(alive, node.shape)
            return
        self.values[index] = before + value
        if self.alive:
            known = self.alive.pop(index, None)
            if known is not None and alive is not None:
                either = known | _fit_mask(alive, node.shape)
                if not _is_full(either):
                    self.alive[index] = either

    def _add_scatter(self, index: int, term: Scatter, alive: Any) -> None:
        """Accumulate what is zero but at the indexed elements, without a pass over all the others."""
        reached = term._replace(values=np.True_ if alive is None else alive)
        total = self.values[index]
        if index in self.owned and type(total) is np.ndarray and not term.holds_traced():
            term.add_to(total)
            if index in self.alive:
                reached.add_to(self.alive[index])
            return
        self.add(index, term.dense(), reached.dense())
        self.owned.add(index)

    def add_output(self, index: int, output: int, specs: tuple[Spec, ...], value: Any) -> None:
        """Accumulate the cotangent of one output of an operator that has several."""
        outputs = self.values[index]
        if outputs is None:
            outputs = self.values[index] = [None] * len(specs)
        outputs[output] = value if outputs[output] is None else outputs[output] + value


def _is_full(alive: Any) -> bool:
    """Whether no element is absent; of a captured mask that is not known."""
    return not is_traced(alive) and bool(alive.all())


def _fit_mask(alive: Any, shape: tuple[int, ...]) -> Any:
    """A mask for an operand: an element that was broadcast is alive if one of its copies is."""
    if alive.shape == shape:
        return alive
    return _sum_to_shape(np.broadcast_to(alive, np.broadcast_shapes(alive.shape, shape)), shape) != 0


def backward(tape: Sequence[Node], seeds: Sequence[tuple[int, Any]], inputs: Sequence[int]) -> list[Any]:
    """Sweep cotangents from the seeds back to the inputs; None for an input that the seeds do not depend on.

    Parameters
    ----------
    tape : sequence of Node
        The operations in the order in which they ran.
    seeds : sequence of (position on the tape, cotangent)
        Cotangents of the outputs.
    inputs : sequence of int
        Positions of the input nodes on the tape.
    """
    cotangents = _Cotangents(tape)
    for index, value in seeds:
        cotangents.add(index, value, None)
    values, alive, add = cotangents.values, cotangents.alive, cotangents.add
    with np.errstate(all="ignore"):
        for index in range(max([index for index, _ in seeds], default=-1), -1, -1):
            cotangent = values[index]
            if cotangent is None:
                continue
            rule, slots, parents, args, kwargs, y, _, _, _, _ = tape[index]
            if rule is None:
                continue
            values[index] = None
            if type(rule) is Pick:
                cotangents.add_output(parents[0], slots[0], rule.specs, cotangent)
            elif rule.selective or rule.outputs or index in alive:
                _pull_with_masks(cotangents, index, cotangent, alive.pop(index, None))
                tape = cotangents.tape
            else:
                for slot, parent in zip(slots, parents):  # noqa: B905 - of one length; this loop is hot
                    add(parent, rule.pull(slot, cotangent, y, args, kwargs), None)
    return [values[index] for index in inputs]


def _pull_with_masks(cotangents: _Cotangents, index: int, cotangent: Any, alive: Any) -> None:
    """Send a cotangent to the operands of a node that is forgotten, has absent elements or several outputs."""
    node = cotangents.tape[index]
    while type(node.rule) is Forgotten:
        cotangents.tape = node.rule.recall(cotangents.tape, index)
        node = cotangents.tape[index]
    rule, y = node.rule, node.y
    if type(rule) is Pick:
        cotangents.add_output(node.parents[0], node.slots[0], rule.specs, cotangent)
        return
    if alive is not None and _is_full(alive):
        alive = None
    if rule.outputs:
        y, specs = node.y
        cotangent = [np.zeros(s.shape, s.dtype) if c is None else c for c, s in zip(cotangent, specs, strict=True)]
    values = rule.pulls(node.slots, cotangent, y, node.args, node.kwargs)
    for slot, parent, value in zip(node.slots, node.parents, values, strict=True):
        if type(value) is Scatter:
            cotangents.add(parent, value, alive)
            continue
        mask = None if alive is None else rule.carry(slot, alive, node.args, node.kwargs)
        if mask is not None and mask.shape == value.shape:
            value = np.where(mask, value, 0)
        if rule.selective:
            selected = rule.select(slot, node.args, node.kwargs)
            if selected is not None:
                mask = selected if mask is None else mask & selected
        cotangents.add(parent, value, mask)
