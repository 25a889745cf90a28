"""An epoch as a program: what is in memory, what is updated in place, and which kernel does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from optim.test_optimizers import CASES as OPTIMIZERS
from twopass import nn, optim, tree
from twopass.program.interpreter import interpret
from twopass.program.ir import Contraction, Launch, Loop, Program, Repeat, flat
from twopass.program.lower import lower
from twopass.program.machine import Machine
from twopass.program.verify import verify
from twopass.train.parameters import Partition
from twopass.train.programs import make_epoch

MACHINE = Machine("test", vector_bytes=64, tile_vectors=3)
BATCH, INPUTS, UNITS, CLASSES = 8, 40, 70, 5


def epoch(optimizer: optim.Transformation, *, activation: str = "relu", stays: bool = False) -> tuple[Program, Repeat]:
    net = nn.Sequential(nn.Dense(UNITS, activation=activation), nn.Dense(CLASSES))
    params = net.init(0, (INPUTS,))
    partition = Partition.of(net, params)
    state = optimizer.init(partition.split(params)[0])
    run = make_epoch(net, nn.softmax_cross_entropy, optimizer, partition, np.dtype(np.float32))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, INPUTS)).astype(np.float32), rng.integers(0, CLASSES, 50)
    rows, keys = rng.integers(0, 50, (3, BATCH)), np.arange(3, dtype=np.uint64)
    graph = tp.compile(run).trace(params, state, x, y, None, rows, keys, np.array(3)).graph
    program = lower(graph, MACHINE, len(tree.leaves((params, state))) if stays else 0)
    verify(program)
    (loop,) = [statement for statement in program.statements if isinstance(statement, Repeat)]
    return program, loop


def launches(loop: Repeat) -> list[Launch]:
    found = flat(loop.body)
    assert all(isinstance(statement, Launch) for statement in found), "a step calls NumPy"
    return [statement for statement in found if isinstance(statement, Launch)]


def weight_gradient(loop: Repeat) -> Launch:
    """The product that the gradient of the first layer's weights is."""
    found = [
        launch
        for launch in launches(loop)
        if isinstance(launch.kernel, Contraction) and (launch.kernel.m, launch.kernel.n) == (INPUTS, UNITS)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("cls", "options"), OPTIMIZERS, ids=lambda value: getattr(value, "__name__", None))
def test_every_optimizer_is_the_end_of_the_product_that_gives_the_gradient(cls: Any, options: Any) -> None:
    optimizer = cls(**options)
    program, loop = epoch(optimizer)
    params = {"weight": np.zeros((INPUTS, UNITS), np.float32)}
    slots = [leaf for leaf in tree.leaves(optimizer.init(params)) if leaf.shape == (INPUTS, UNITS)]
    update = weight_gradient(loop)
    # The weights and what the optimizer keeps of each are written, and nothing else of that size: no gradient.
    assert len(update.targets) == 1 + len(slots)
    large = {buffer for buffer in program.offsets if buffer.size >= INPUTS * UNITS and buffer.dtype == np.float32}
    assert large == {argument.buffer for argument in update.targets}
    # Each is updated in place, in panels.
    assert {argument.buffer for argument in update.targets} <= {argument.buffer for argument in update.loads}
    assert all(store.access.panels is not None for store in update.kernel.stores)


def test_clipping_keeps_the_gradient_and_nothing_more() -> None:
    program, _ = epoch(optim.chain(optim.clip_by_global_norm(1.0), optim.SGD(0.1)))
    large = [buffer for buffer in program.offsets if buffer.size >= INPUTS * UNITS and buffer.dtype == np.float32]
    assert len(large) == 2  # the weights and the gradient


def test_a_step_of_plain_gradient_descent() -> None:
    _, loop = epoch(optim.SGD(0.1))
    products = [launch for launch in launches(loop) if isinstance(launch.kernel, Contraction)]
    # Two layers forward, one gradient in an input, two in weights; bias, activation and updates are their ends.
    assert len(products) == 5
    # Rows and classes are gathered, the loss and its gradient are one loop, and so is each bias's update.
    domains = [launch.kernel.domain for launch in launches(loop) if isinstance(launch.kernel, Loop)]
    assert sum(np.prod(domain) > BATCH for domain in domains) <= 6


@pytest.mark.parametrize("activation", nn.activations.names())
def test_every_activation_is_the_end_of_its_product(activation: str) -> None:
    if activation in ("softmax", "log_softmax"):
        return  # these look at all units of a layer
    _, loop = epoch(optim.SGD(0.1), activation=activation)
    products = [launch for launch in launches(loop) if isinstance(launch.kernel, Contraction)]
    assert len(products) == 5
    forward = products[0].kernel
    assert forward.body, "bias and activation are not in the kernel of the product"
    sizes = [launch.kernel.domain for launch in launches(loop) if isinstance(launch.kernel, Loop)]
    # One loop over the hidden layer: its error signal.
    assert sum(sorted(domain) == sorted((BATCH, UNITS)) for domain in sizes) <= 2


def test_weights_are_brought_into_panels_once() -> None:
    program, loop = epoch(optim.SGD(0.1))
    panelled = {
        argument.buffer
        for launch in launches(loop)
        for argument, access in zip(launch.targets, [s.access for s in launch.kernel.stores], strict=True)
        if access.panels is not None
    }
    before = [s for s in program.statements if isinstance(s, Launch) and {a.buffer for a in s.targets} & panelled]
    assert len(before) == len(panelled) >= 1
    copies = [launch.kernel for launch in launches(loop) if launch.note in ("copy", "pack")]
    assert all(isinstance(kernel, Loop) and np.prod(kernel.domain) == 1 for kernel in copies)


def test_the_arena_of_a_deep_network_does_not_grow_with_the_number_of_kernels() -> None:
    program, _ = epoch(optim.SGD(0.1))
    carried = sum(
        leaf.nbytes for leaf in tree.leaves(nn.Sequential(nn.Dense(UNITS), nn.Dense(CLASSES)).init(0, (INPUTS,)))
    )
    activations = 4 * BATCH * (INPUTS + 4 * UNITS + 6 * 16)
    assert program.arena <= 1.5 * carried + 2 * activations + 4096


@pytest.mark.parametrize(("cls", "options"), OPTIMIZERS, ids=lambda value: getattr(value, "__name__", None))
def test_a_state_may_stay_where_the_loop_works_on_it(cls: Any, options: Any) -> None:
    program, plain = epoch(cls(**options), stays=True)[0], epoch(cls(**options))[0]
    count = len(program.layouts)
    assert count > 4
    assert program.inputs[:count] == program.outputs[:count] == tuple(program.layouts)
    assert not set(program.layouts) & set(program.offsets)
    assert not any(statement.note == "begin" for statement in program.statements if isinstance(statement, Launch))
    panelled = [layout for layout in program.layouts.values() if layout.panels is not None]
    assert panelled and all(layout.shape == (INPUTS, UNITS) for layout in panelled)
    # The same numbers, wherever they are.
    rng = np.random.default_rng(1)
    arrays = [
        rng.random(buffer.size).astype(buffer.dtype) if buffer.dtype.kind == "f" else np.ones(buffer.size, buffer.dtype)
        for buffer in plain.inputs
    ]
    packed = []
    for buffer, array in zip(program.inputs, arrays, strict=True):
        layout = program.layouts.get(buffer)
        packed.append(array if layout is None else np.full(layout.size, 7, buffer.dtype))
        if layout is not None:
            layout.pack(array.reshape(layout.shape), packed[-1])
    for buffer, expected, found in zip(
        program.outputs, interpret(plain, arrays), interpret(program, packed), strict=True
    ):
        layout = program.layouts.get(buffer)
        np.testing.assert_array_equal(found if layout is None else layout.unpack(found).reshape(-1), expected)


def test_what_is_read_elsewhere_does_not_stay() -> None:
    def run(weight: Any, other: Any, unused: Any, n: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            return (carry[0] * 2, carry[1] + carry[0]), np.sum(carry[0])

        (weight_after, other_after), sums = tp.scan(step, (weight, other), np.arange(3.0), limit=n)
        return weight_after, other_after, unused + 1, sums, np.sum(weight)

    given = np.ones(40), np.ones(40), np.ones(40), np.array(2)
    graph = tp.compile(run).trace(*given).graph
    program = lower(graph, MACHINE, 3)
    verify(program)
    assert list(program.layouts) == [program.inputs[1]]
    found = interpret(program, [np.array(array).reshape(-1) for array in given])
    assert [array[0] for array in found] == [4.0, 4.0, 2.0, 40.0, 40.0]
