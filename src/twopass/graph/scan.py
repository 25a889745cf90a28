"""Loops in graphs: one node, whose body is a graph.

``scan(*consts, *carry, *xs, body=..., n_consts=..., n_carry=..., length=..., reverse=...)`` gives the last carry and
the stacked ``ys``. The body takes consts, carry and one element of each of ``xs``, and gives carry and ``y``. With
``limited=True`` the last operand is an integer: only so many steps are made, and the other ``ys`` mean nothing.

**Derivatives.** The tangents are a second loop, beside the carries of the first one. The cotangents are one that goes
the other way: each step computes the body again at the carry that it had, and pulls back (P. Werbos, "Backpropagation
through time: what it does and how to do it", 1990). So a loop that is differentiated also gives what it carried into
each step; a pass drops that where nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from twopass import tree
from twopass.core.array import Array, is_differentiated, stand_in
from twopass.core.operators import as_array, first_row
from twopass.core.rule import RULES, Rule, invoke, is_traced
from twopass.core.trace import ForwardTrace, ReverseTrace, Unknown
from twopass.errors import UnsupportedOperatorError, compose
from twopass.graph.capture import GraphTrace, running
from twopass.graph.interpreter import evaluate
from twopass.graph.ir import Graph
from twopass.rules.gauge import determined
from twopass.rules.infinitesimal import GAUGE, slope_in, standard
from twopass.rules.kinds import batching, call, operand

__all__ = ["Loop", "capture_scan", "scan"]


class Loop(NamedTuple):
    """The static part of a scan.

    Attributes
    ----------
    body : Graph
        One step.
    n_consts, n_carry : int
        How many of the body's inputs are constants of the loop, and how many are carried on.
    length : int
        Number of steps.
    reverse : bool
        Whether the last step is the first.
    stacks : int
        How many of the ``ys``, the last ones, are the carries that went into each step: none or all.
    limited : bool
        Whether there is one more operand, the number of steps.
    """

    body: Graph
    n_consts: int
    n_carry: int
    length: int
    reverse: bool = False
    stacks: int = 0
    limited: bool = False

    def parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], Any]:
        """Operands as consts, carry, xs and the limit."""
        values = list(values)
        limit = values.pop() if self.limited else None
        stop = self.n_consts + self.n_carry
        return values[: self.n_consts], values[self.n_consts : stop], values[stop:], limit

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Carry and ys, of operands that may be traced."""
        return invoke(scan, *values, **self._asdict())  # type: ignore[no-any-return]


def scan(*values: Any, **parameters: Any) -> tuple[Any, ...]:
    """Run a loop by evaluating its body step by step."""
    if any(map(is_traced, values)):
        return Loop(**parameters).run(values)
    loop = Loop(**parameters)
    consts, carry, xs, limit = loop.parts(values)
    steps = loop.length if limit is None else min(max(int(limit), 0), loop.length)
    ys: list[list[Any]] = [[None] * loop.length for _ in loop.body.outputs[loop.n_carry :]]
    for number in range(steps):
        place = loop.length - 1 - number if loop.reverse else number
        found = evaluate(loop.body, [*consts, *carry, *(x[place] for x in xs)])
        carry = found[: loop.n_carry]
        for column, part in zip(ys, found[loop.n_carry :], strict=True):
            column[place] = part
    if steps < loop.length or not loop.length:
        # What has no value has a type all the same.
        missing = evaluate(loop.body, [*consts, *carry, *map(first_row, xs)])[loop.n_carry :]
        empty = [np.zeros((0, *np.shape(part)), part.dtype) for part in missing]
        if not loop.length:
            return (*carry, *empty)
        ys = [[np.zeros_like(m) if y is None else y for y in c] for c, m in zip(ys, missing, strict=True)]
    return (*carry, *map(np.stack, ys))


#: For the body of a loop, what it gave when it was captured.
_EXAMPLES: WeakKeyDictionary[Graph, list[Any]] = WeakKeyDictionary()


def _preview(*values: Any, **parameters: Any) -> tuple[Any, ...]:
    """A result of the right type: that of one step, repeated."""
    loop = Loop(**parameters)
    consts, carry, xs, _ = loop.parts(values)
    found = _EXAMPLES.get(loop.body) or evaluate(loop.body, [*consts, *carry, *map(first_row, xs)])
    ys = [np.broadcast_to(part, (loop.length, *np.shape(part))) for part in found[loop.n_carry :]]
    return (*found[: loop.n_carry], *ys)


# --- capture ----------------------------------------------------------------------------------------------------------


class _BodyTrace(GraphTrace):
    """Captures a step; what it uses from outside becomes an input."""

    __slots__ = ("outside",)

    def __init__(self) -> None:
        super().__init__()
        #: Arrays from outside, by the identity of what they hold, with what stands for them in the body.
        self.outside: dict[int, tuple[Array, Any]] = {}

    def foreign(self, array: Array) -> Any:
        known = self.outside.get(id(array._primal))
        if known is None:
            inner = self.input(stand_in(array), f"const{len(self.outside)}")
            known = self.outside[id(array._primal)] = (array._clone(), inner._primal)
        return known[1]


def _body(
    step: Callable[[list[Array]], Sequence[Any]], examples: Sequence[Any], names: Sequence[str]
) -> tuple[Graph, list[Array]]:
    """The graph of a function of a list of arrays; its first inputs stand for the arrays from outside, given too."""
    trace = _BodyTrace()
    inputs = [trace.input(example, name) for example, name in zip(examples, names, strict=True)]
    with running(trace):
        results = [_lifted(trace, value) for value in step(inputs)]
        outputs = tuple(map(trace.node, results))  # which may come from outside
    outside = [inner.node for _, inner in trace.outside.values()]
    body = Graph((*outside, *(array._primal.node for array in inputs)), outputs)
    _EXAMPLES[body] = list(map(stand_in, results))
    return body, [array for array, _ in trace.outside.values()]


def _lifted(trace: GraphTrace, value: Any) -> Array:
    return value if isinstance(value, Array) else trace.constant(np.asarray(value))


def capture_scan(step: Any, carry: Any, xs: Any, length: int, reverse: bool, limit: Any) -> tuple[Any, Any]:
    """Make one node of a loop; see `twopass.scan`."""
    carry = tree.map(as_array, carry)
    carries, structure = tree.flatten(carry)
    rows, xs_structure = tree.flatten(tree.map(as_array, xs))
    made: list[tree.Structure] = []

    def run(arrays: list[Array]) -> list[Any]:
        before = tree.unflatten(structure, arrays[: len(carries)])
        after, y = step(before, tree.unflatten(xs_structure, arrays[len(carries) :]))
        leaves, found = tree.flatten(y)
        made.append(found)
        return [*tree.leaves(after), *leaves]

    examples = [stand_in(leaf) for leaf in carries] + [first_row(stand_in(leaf)) for leaf in rows]
    names = _names("carry", carry) + _names("x", xs)
    body, outside = _body(run, examples, names)
    loop = Loop(body, len(outside), len(carries), length, reverse)
    operands = [*outside, *carries, *rows]
    if any(map(is_differentiated, operands)):
        if limit is not None:
            what = "a scan with a limit that is an array cannot be differentiated"
            raise UnsupportedOperatorError(compose(what, instead="Cut xs to the steps that are to be made."))
        loop = _stacking(loop)
    if limit is not None:
        loop, operands = loop._replace(limited=True), [*operands, as_array(limit)]
    found = loop.run(operands)
    ys = found[len(carries) : len(found) - loop.stacks]
    return tree.unflatten(structure, found[: len(carries)]), tree.unflatten(made[-1], ys)


def _names(name: str, value: Any) -> list[str]:
    return ["_".join((name, *map(str, path))) for path, _ in tree.flatten_with_paths(value)]


def _stacking(loop: Loop) -> Loop:
    """The loop that also gives what it carried into each step."""
    if loop.stacks:
        return loop
    carried = loop.body.inputs[loop.n_consts : loop.n_consts + loop.n_carry]
    body = Graph(loop.body.inputs, (*loop.body.outputs, *carried))
    if loop.body in _EXAMPLES:
        _EXAMPLES[body] = [*_EXAMPLES[loop.body], *_EXAMPLES[loop.body][: loop.n_carry]]
    return loop._replace(body=body, stacks=loop.n_carry)


# --- batches ----------------------------------------------------------------------------------------------------------


@batching(scan)
def _batched_scan(call: Any) -> tuple[Any, ...]:
    """A loop for a batch: the carry is a batch, and what is looped over has the batch behind the steps."""
    loop = Loop(**call.kwargs)
    consts, carry, xs, limit = loop.parts(call.args)
    if isinstance(limit, Unknown):
        limit.refuse("the limit of a scan")
    is_own = [isinstance(x, Unknown) for x in (*consts, *carry, *xs)]
    stop = loop.n_consts + loop.n_carry
    is_own[loop.n_consts : stop] = [True] * loop.n_carry  # a step may give each example a carry of its own
    consts = [x.values if isinstance(x, Unknown) else x for x in consts]
    carry = [call.whole(x) for x in carry]
    xs = [np.moveaxis(x.values, 0, 1) if isinstance(x, Unknown) else x for x in xs]

    def step(arrays: list[Array]) -> list[Any]:
        found: list[Any] = call.trace.map(lambda *values: evaluate(loop.body, values), arrays, is_own)
        return found

    examples = [*map(stand_in, (*consts, *carry)), *(first_row(stand_in(x)) for x in xs)]
    body, _ = _body(step, examples, [node.name for node in loop.body.inputs])
    operands = [*consts, *carry, *xs] if limit is None else [*consts, *carry, *xs, limit]
    found = loop._replace(body=body).run(operands)
    return (*found[: loop.n_carry], *(np.moveaxis(y, 1, 0) for y in found[loop.n_carry :]))


# --- derivatives ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _ScanRule(Rule):
    """Both directions of a loop are loops."""

    def push(self, slots: Sequence[int], tangents: Sequence[Any], y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        given = dict(zip(slots, tangents, strict=True))
        return _tangent_loop(Loop(**kwargs), given, y, args)

    def pulls(self, slots: Sequence[int], cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> list[Any]:
        return _cotangent_loop(Loop(**kwargs), slots, cotangent, y, args)

    def pull(self, slot: int, cotangent: Any, y: Any, args: Sequence[Any], kwargs: Any) -> Any:
        return self.pulls([slot], cotangent, y, args, kwargs)[0]


def _carried(loop: Loop, y: Sequence[Any], args: Sequence[Any]) -> tuple[Loop, list[Any]]:
    """A loop that gives what it carried into each step, and that."""
    if not loop.stacks:
        if loop.limited:
            what = "a scan with a limit that is an array cannot be differentiated"
            raise UnsupportedOperatorError(compose(what, instead="Cut xs to the steps that are to be made."))
        loop = _stacking(loop)
        y = loop.run(args)
    return loop, list(y[len(y) - loop.stacks :]) if loop.stacks else []


def _inexact(values: Sequence[Any]) -> list[int]:
    """Which of some values have derivatives."""
    return [i for i, value in enumerate(values) if value.dtype.kind in "fc"]


def _is_absent(cotangent: Any) -> bool:
    """Whether nothing flows back: the sweep says that with zeros."""
    return type(cotangent) is np.ndarray and not cotangent.any()


def _tangent_loop(given_loop: Loop, given: dict[int, Any], y: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Tangents of the results: a loop that carries those of the carry, beside the carries of the loop itself."""
    loop, stacks = _carried(given_loop, y, args)
    consts, carry, xs, _ = loop.parts(args)
    n, moving = loop.n_consts, _inexact(carry)
    moved_consts = [i for i in range(n) if i in given]
    moved_xs = [i for i in range(len(xs)) if n + loop.n_carry + i in given]
    outputs = [i for i, node in enumerate(loop.body.outputs) if node.dtype.kind in "fc"]
    kept = [i for i in outputs if i >= loop.n_carry]
    own_consts = [*consts, *(given[i] for i in moved_consts)]
    own_carry = [given.get(n + i, np.zeros_like(carry[i])) for i in moving]
    own_xs = [*stacks, *xs, *(given[n + loop.n_carry + i] for i in moved_xs)]

    def step(arrays: list[Array]) -> list[Any]:
        parts = iter(arrays)
        consts_now, const_tangents = _take(parts, n), _take(parts, len(moved_consts))
        carry_tangents, carry_now = _take(parts, len(moving)), _take(parts, loop.n_carry)
        xs_now, x_tangents = _take(parts, len(xs)), _take(parts, len(moved_xs))
        directions = {
            **dict(zip(moved_consts, const_tangents, strict=True)),
            **{n + i: t for i, t in zip(moving, carry_tangents, strict=True)},
            **{n + loop.n_carry + i: t for i, t in zip(moved_xs, x_tangents, strict=True)},
        }
        tangents = _tangents_of(loop.body, [*consts_now, *carry_now, *xs_now], directions)
        return [tangents[i] for i in (*moving, *kept)]

    found = _derived(loop, step, own_consts, own_carry, own_xs, loop.reverse)
    made = dict(zip((*moving, *kept), found, strict=True))
    count = len(loop.body.outputs) - (loop.stacks - given_loop.stacks)
    return [made.get(i) for i in range(count)]


def _cotangent_loop(
    given_loop: Loop, slots: Sequence[int], cotangents: Sequence[Any], y: Sequence[Any], args: Sequence[Any]
) -> list[Any]:
    """Cotangents of the operands: a loop the other way, that carries those of the carry and of the consts."""
    loop, stacks = _carried(given_loop, y, args)
    consts, carry, xs, _ = loop.parts(args)
    n, moving = loop.n_consts, _inexact(carry)
    wanted_consts = [i for i in slots if i < n]
    wanted_xs = [i - n - loop.n_carry for i in slots if i >= n + loop.n_carry]
    pulled = [n + i for i in moving]
    pulled_xs = [n + loop.n_carry + i for i in wanted_xs]
    outputs = given_loop.body.outputs
    inexact = [i for i, node in enumerate(outputs) if i >= loop.n_carry and node.dtype.kind in "fc"]
    collected = [i for i in inexact if not _is_absent(cotangents[i])]
    own_carry = [*(cotangents[i] for i in moving), *(np.zeros_like(consts[i]) for i in wanted_consts)]
    own_xs = [*stacks, *xs, *(cotangents[i] for i in collected)]

    def step(arrays: list[Array]) -> list[Any]:
        parts = iter(arrays)
        consts_now = _take(parts, n)
        carry_cotangents, sums = _take(parts, len(moving)), _take(parts, len(wanted_consts))
        carry_now, xs_now, y_cotangents = (
            _take(parts, loop.n_carry),
            _take(parts, len(xs)),
            _take(parts, len(collected)),
        )
        seeds = dict(zip((*moving, *collected), (*carry_cotangents, *y_cotangents), strict=True))
        operands = [*consts_now, *carry_now, *xs_now]
        found = _cotangents_of(loop.body, operands, [*pulled, *wanted_consts, *pulled_xs], seeds)
        more = found[len(pulled) : len(pulled) + len(sums)]
        sums = [total if part is None else total + part for total, part in zip(sums, more, strict=True)]
        whole = [np.zeros_like(operands[i]) if part is None else part for i, part in zip(pulled, found, strict=False)]
        rest = [
            np.zeros_like(operands[i]) if part is None else part
            for i, part in zip(pulled_xs, found[len(pulled) + len(sums) :], strict=True)
        ]
        return [*whole, *sums, *rest]

    found = _derived(loop, step, consts, own_carry, own_xs, not loop.reverse)
    places = [*pulled, *wanted_consts, *pulled_xs]
    made = dict(zip(places, found, strict=True))
    return [made[slot] for slot in slots]


def _take(values: Any, count: int) -> list[Any]:
    return [next(values) for _ in range(count)]


def _derived(
    loop: Loop, step: Any, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any], reverse: bool
) -> tuple[Any, ...]:
    """Run a loop over the steps of another one, with the same length."""
    examples = [*map(stand_in, consts), *map(stand_in, carry), *(first_row(stand_in(x)) for x in xs)]
    names = [f"{name}{i}" for name, part in (("const", consts), ("carry", carry), ("x", xs)) for i in range(len(part))]
    body, outside = _body(step, examples, names)
    made = Loop(body, len(outside) + len(consts), len(carry), loop.length, reverse)
    operands = [*outside, *consts, *carry, *xs]
    if not any(map(is_differentiated, operands)):
        return made.run(operands)
    made = _stacking(made)
    found = made.run(operands)
    return found[: len(found) - made.stacks]


def _tangents_of(body: Graph, values: Sequence[Any], directions: dict[int, Any]) -> list[Any]:
    """Tangents of the outputs of a graph; zeros where there is no dependence."""
    trace = ForwardTrace()
    inputs = [Array(trace, v, directions[i]) if i in directions else v for i, v in enumerate(values)]
    found = []
    for output in evaluate(body, inputs):
        own = isinstance(output, Array) and output._trace is trace and output._mark is not None
        found.append(_settled(output._mark, output) if own else np.zeros_like(as_array(output)))
    trace.closed = True
    return found


def _settled(mark: Any, output: Any) -> Any:
    """A tangent for the next step, which must not depend on what a decomposition leaves open in this one."""
    return standard(determined(mark, output, slope_in(mark, GAUGE)))


def _cotangents_of(body: Graph, values: Sequence[Any], wanted: Sequence[int], seeds: dict[int, Any]) -> list[Any]:
    """Cotangents of some inputs of a graph, None where there is no dependence."""
    trace = ReverseTrace()
    inputs = list(values)
    for i in wanted:
        inputs[i] = Array(trace, values[i], trace.input(values[i]))
    marked = []
    for i, output in enumerate(evaluate(body, inputs)):
        if i in seeds and isinstance(output, Array) and output._trace is trace and output._mark is not None:
            marked.append((output._mark, seeds[i]))
    trace.closed = True
    return [standard(cotangent) for cotangent in trace.pull_back(marked, range(len(wanted)))]


def _decay(arrays: list[Any]) -> list[Any]:
    """The step of the example: a recurrence with a constant and an input."""
    rate, state, x = arrays
    state = np.tanh(rate * state) + x * state
    return [state, np.sum(state * x)]


_EXAMPLE = Loop(_body(_decay, [np.ones(3), np.ones(3), np.ones(3)], ["rate", "state", "x"])[0], 1, 1, 4)
RULES[scan] = _ScanRule(
    scan,
    scan,
    outputs=True,
    preview=_preview,
    examples=[
        call(operand(3), operand(3), operand(4, 3), **_EXAMPLE._asdict()),
        call(operand(3), operand(3), operand(4, 3), **_stacking(_EXAMPLE)._replace(reverse=True)._asdict()),
        call(operand(3), operand(3), operand(0, 3), **_EXAMPLE._replace(length=0)._asdict()),
    ],
)
