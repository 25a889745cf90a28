"""An ensemble of networks, trained in one compiled step: ``tp.compile(tp.vmap(step))``.

The step is written for one network. `twopass.vmap` makes it a step of many, which differ in their initial weights and
in the order in which they see the rows; their parameters are stacked along a first axis. The mean of what the members
believe is more often right than a member is (L. K. Hansen and P. Salamon, "Neural network ensembles", IEEE Transactions
on Pattern Analysis and Machine Intelligence 12, 1990).

Run ``python examples/ensemble.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import twopass as tp

NET = tp.nn.Sequential(tp.nn.Dense(32, activation="relu"), tp.nn.Dense(10))
OPTIMIZER = tp.optim.Adam(2e-3)


def step(params: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """One step of one network on one batch: its next parameters, its optimizer's next state, and its loss."""

    def loss(params: Any) -> Any:
        return tp.nn.softmax_cross_entropy(NET(params, x), y)

    value, gradient = tp.value_and_grad(loss)(params)
    updates, state = OPTIMIZER.update(gradient, state, params)
    return tp.optim.apply_updates(params, updates), state, value


class Trained(NamedTuple):
    """Parameters of all networks, stacked, and the median time of a step of all of them, in microseconds."""

    params: Any
    microseconds: float


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of arrays as one tree of arrays with one more axis, the first."""
    return tp.tree.map(lambda *arrays: np.stack(arrays), *trees)


def batches(members: int, rows: int, batch_size: int, epochs: int, seed: int) -> list[Any]:
    """Which rows each member sees in each step: an order of its own in every epoch. Arrays (members, batch_size)."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(epochs):
        order = generator.permuted(np.tile(np.arange(rows), (members, 1)), axis=1)
        found += [order[:, start : start + batch_size] for start in range(0, rows - batch_size + 1, batch_size)]
    return found


def train_together(initial: Sequence[Any], x: Any, y: Any, plan: Sequence[Any]) -> Trained:
    """All networks in one call a step."""
    step_of_all = tp.compile(tp.vmap(step))
    params = stacked(initial)
    state = tp.vmap(OPTIMIZER.init)(params)
    times = []
    for rows in plan:
        given, target = x[rows], y[rows]
        start = time.perf_counter()
        params, state, _ = step_of_all(params, state, given, target)
        times.append(time.perf_counter() - start)
    return Trained(params, 1e6 * float(np.median(times)))


def train_one_by_one(initial: Sequence[Any], x: Any, y: Any, plan: Sequence[Any]) -> Trained:
    """One network after the other in each step, by the compiled step of one."""
    step_of_one = tp.compile(step)
    networks: list[Any] = [(params, OPTIMIZER.init(params)) for params in initial]
    times = []
    for rows in plan:
        given, target = x[rows], y[rows]
        networks = tp.tree.map(np.asarray, networks)  # a count that is an array and no scalar makes calls quicker
        start = time.perf_counter()
        networks = [step_of_one(*network, *data)[:2] for network, *data in zip(networks, given, target, strict=True)]
        times.append(time.perf_counter() - start)
    return Trained(stacked([params for params, _ in networks]), 1e6 * float(np.median(times)))


def accuracies(params: Any, x: Any, y: Any) -> tuple[Any, float]:
    """Accuracy of each member, and that of the mean of their probabilities."""
    beliefs = tp.vmap(lambda params: np.exp(tp.nn.log_softmax(NET(params, x))))(params)
    return np.mean(np.argmax(beliefs, axis=2) == y, axis=1), float(
        np.mean(np.argmax(beliefs.mean(axis=0), axis=1) == y)
    )


def main(arguments: Sequence[str] | None = None) -> tuple[Trained, Trained]:
    """Train the ensemble both ways, and report."""
    parser = argparse.ArgumentParser(description="An ensemble of networks on the handwritten digits.")
    parser.add_argument("--members", type=int, default=32, help="how many networks (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the digits (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="rows of a step (default: %(default)s)")
    parser.add_argument("--float64", action="store_true", help="compute in double precision")
    parser.add_argument("--seed", type=int, default=0, help="of weights and orders (default: %(default)s)")
    options = parser.parse_args(arguments)
    dtype = np.float64 if options.float64 else np.float32
    digits = tp.data.load_digits()
    x, y, x_test = digits.x_train.astype(dtype), digits.y_train, digits.x_test.astype(dtype)
    initial = [NET.init(options.seed + member, x.shape[1:], dtype) for member in range(options.members)]
    plan = batches(options.members, len(x), options.batch_size, options.epochs, options.seed)
    together = train_together(initial, x, y, plan)
    alone = train_one_by_one(initial, x, y, plan)
    apart = max(
        float(np.max(np.abs(a - b)))
        for a, b in zip(tp.tree.leaves(together.params), tp.tree.leaves(alone.params), strict=True)
    )
    members, mean = accuracies(together.params, x_test, digits.y_test)
    print(
        f"{options.members} networks 64-32-10, {len(plan):,} steps of {options.batch_size} rows each, {dtype.__name__}"
    )
    print(f"  accuracy of a member   {members.mean():.4f} on average, from {members.min():.4f} to {members.max():.4f}")
    print(f"  accuracy of their mean {mean:.4f}")
    print(
        f"  a step of all          {together.microseconds:,.0f} µs, one by one {alone.microseconds:,.0f} µs: ", end=""
    )
    print(f"{alone.microseconds / together.microseconds:.1f} times faster together")
    print(f"  parameters             differ by at most {apart:.1e}")
    return together, alone


if __name__ == "__main__":
    main()
