"""The network, the learning rule and the report of the four problems of Rumelhart, Hinton and Williams.

The problems, and the rule that solved them, are those of D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning
Internal Representations by Error Propagation", ICS Report 8506 (1985), reprinted as chapter 8 of Parallel Distributed
Processing, vol. 1 (1986), whose pages are cited here. One layer of hidden units; all units logistic; the error of a
sweep through all patterns p and output units j is ``E = ½ Σ_p Σ_j (t - o)²``; after each sweep the weights change by
``Δw(n) = -η ∂E/∂w + α Δw(n - 1)``, the "generalized delta rule" with momentum (p. 330).

The paper does not say when a pattern counts as learned. Here it does when every output is at most 0.2 from 0 or 1.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import twopass as tp

TOLERANCE = 0.2


@dataclasses.dataclass(frozen=True)
class Problem:
    """A set of patterns to learn, and how.

    Attributes
    ----------
    name : str
        Title of the report.
    inputs, outputs : array of 0 and 1, of shape (n_patterns, n_inputs) and (n_patterns, n_outputs)
        The patterns and what to answer.
    hidden : int
        Number of hidden units.
    learning_rate, momentum : float
        η and α.
    initial : float
        Weights and biases start uniformly distributed between minus this and this.
    limit : int
        Sweeps after which a network counts as stuck.
    seed : int
        What the report is about.
    reported : str
        What the paper says of this problem.
    targets : pair of float
        What stands for 0 and for 1. A logistic unit reaches neither, so the paper uses 0.1 and 0.9.
    """

    name: str
    inputs: Any
    outputs: Any
    hidden: int
    learning_rate: float
    initial: float
    limit: int
    seed: int
    reported: str
    momentum: float = 0.9
    targets: tuple[float, float] = (0.1, 0.9)

    @property
    def net(self) -> tp.nn.Sequential:
        """The network."""

        def uniform(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
            return generator.uniform(-self.initial, self.initial, shape).astype(dtype)

        return tp.nn.Sequential(
            *(
                tp.nn.Dense(units, activation="sigmoid", weight_initializer=uniform, bias_initializer=uniform)
                for units in (self.hidden, self.outputs.shape[1])
            )
        )


def bits(count: int) -> Any:
    """All patterns of `count` bits."""
    return np.array(list(np.ndindex(*[2] * count)), float)


class Result(NamedTuple):
    """What became of networks that differ in their initial weights only.

    Attributes
    ----------
    params : list of tree
        The parameters of each network.
    sweeps : array of int
        After how many sweeps it had learned all patterns; -1 if it had not at the limit.
    """

    params: list[Any]
    sweeps: Any


def learn(problem: Problem, seeds: Sequence[int]) -> Result:
    """Train one network for each seed, all at once.

    The parameters of the networks are stacked along a first axis. Their errors are added up; as each parameter
    appears in one of them only, the gradient of the sum holds the gradient of each.
    """
    net, (low, high) = problem.net, problem.targets
    target = low + (high - low) * problem.outputs
    initial = [net.init(seed, problem.inputs.shape[1:], np.float64) for seed in seeds]
    params = tp.tree.map(lambda *arrays: np.stack([np.atleast_2d(array) for array in arrays]), *initial)
    optimizer = tp.optim.SGD(problem.learning_rate, momentum=problem.momentum)
    state = optimizer.init(params)

    def error(params: Any) -> tuple[Any, Any]:
        output = net(params, problem.inputs)
        return 0.5 * np.sum((target - output) ** 2), output

    both_passes = tp.value_and_grad(error, has_aux=True)
    sweeps = np.full(len(seeds), -1)
    for sweep in range(problem.limit + 1):
        (_, output), gradient = both_passes(params)
        learned = np.all(np.abs(output - problem.outputs) <= TOLERANCE, axis=(1, 2))
        sweeps[learned & (sweeps < 0)] = sweep
        if np.all(sweeps >= 0):
            break
        updates, state = optimizer.update(gradient, state, params)
        params = tp.optim.apply_updates(params, updates)

    def one(k: int) -> Any:
        return tp.tree.map(lambda stack, like: stack[k].reshape(like.shape), params, initial[k])

    return Result([one(k) for k in range(len(seeds))], sweeps)


def run(problem: Problem, arguments: Sequence[str] | None = None) -> Any:
    """Solve a problem as the command line says, report, and give the parameters.

    Raises
    ------
    SystemExit
        When the network has not learned the patterns at the limit.
    """
    parser = argparse.ArgumentParser(description=f"{problem.name}, learned by error propagation.")
    parser.add_argument("--seed", type=int, default=problem.seed, help="of the initial weights (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=50, help="how many others to try (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=problem.learning_rate, help="η (default: %(default)s)")
    options = parser.parse_args(arguments)
    problem = dataclasses.replace(problem, learning_rate=options.learning_rate)
    sizes = (problem.inputs.shape[1], problem.hidden, problem.outputs.shape[1])
    print(f"{problem.name}: {'-'.join(map(str, sizes))} logistic units, η = {problem.learning_rate}, ", end="")
    print(f"α = {problem.momentum}, initial weights within ±{problem.initial}")
    print(f"  paper      {problem.reported}")
    (params,), (sweeps,) = learn(problem, [options.seed])
    if sweeps < 0:
        raise SystemExit(f"seed {options.seed} has not learned the patterns after {problem.limit:,} sweeps")
    print(f"  seed {options.seed:<6} {sweeps:,} sweeps through the {len(problem.inputs)} patterns")
    if options.seeds:
        print(f"  {options.seeds} seeds   {summary(problem, learn(problem, range(options.seeds)).sweeps)}")
    return params


def summary(problem: Problem, sweeps: Any) -> str:
    """Share of the networks that learned, and the median of their sweeps."""
    learned = sweeps[sweeps >= 0]
    median = f", the median after {np.median(learned):,.0f}" if len(learned) else ""
    return f"{len(learned) / len(sweeps):.0%} learned within {problem.limit:,} sweeps{median}"
