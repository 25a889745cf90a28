"""Value and gradient of whole functions, compiled: ``python -m benchmarks.autodiff``.

Each function of `benchmarks.objectives` is written once in NumPy, float64. twopass and JAX compile it, and the function
that gives its value and gradient; both are timed. All peers must agree on values and gradients to 1e-6 before they are.
What eager reverse mode costs per operation is the matter of `benchmarks.autodiff_eager`.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from benchmarks import page
from benchmarks.contest import Contest, Score, Turns, arguments, disagreement, versions
from benchmarks.objectives import ALL, NETWORKS, OBJECTIVES
from benchmarks.timing import table
from benchmarks.workers import Workers

PEERS_HERE = ["twopass", "twopass-numpy", "numpy", "autograd", "jax"]
COMPILERS = ["twopass", "numpy", "jax"]  # the function of the others is NumPy's
TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The scores of one objective.

    Parameters
    ----------
    name : str
        The objective.
    values, gradients : dict of str to Score
        Of the function, and of its derivative: value and gradient together, or the Jacobian.
    """

    name: str
    values: dict[str, Score]
    gradients: dict[str, Score]

    def cost(self, name: str) -> float | None:
        """How many times the function's time value and gradient take; None unless both were measured."""
        if name not in self.values or name not in self.gradients:
            return None
        return self.gradients[name].seconds / self.values[name].seconds

    def faster(self, name: str) -> float | None:
        """How many times the speed of a peer twopass has; None unless both were measured."""
        if "twopass" not in self.gradients or name not in self.gradients:
            return None
        return self.gradients[name].seconds / self.gradients["twopass"].seconds


def _contest(workers: Workers, name: str, task: str, names: list[str], turns: Turns) -> dict[str, Score]:
    contest = Contest(workers, names, task, (name,), f"{name}, {task.replace('_', ' ')}")
    found = disagreement(contest)
    assert found < TOLERANCE, f"{name}: the peers differ by {found:.1e}"
    return contest.run(turns)


def measure(
    workers: Workers, name: str, names: list[str], turns: Turns, functions: Sequence[str] = COMPILERS
) -> Outcome:
    """Hold both contests of one objective: all peers differentiate it, some of them compute it, too."""
    values = _contest(workers, name, "function", [peer for peer in names if peer in functions], turns)
    return Outcome(name, values, _contest(workers, name, ALL[name].task, names, turns))


def details(outcome: Outcome) -> str:
    """Everything about one objective."""
    derivative = ALL[outcome.name].task.replace("_", " ")
    rows = [
        [
            task,
            name,
            score.label,
            f"{score.median * 1e6:.1f}",
            f"{score.best * 1e6:.1f}",
            f"{score.processor * 1e6:.1f}",
            f"{score.first:.2f}",
        ]
        for task, scores in (("function", outcome.values), (derivative, outcome.gradients))
        for name, score in sorted(scores.items(), key=lambda item: item[1].seconds)
    ]
    header = ["", "peer", "its fastest variant", "median us", "best us", "CPU us", "first call, s"]
    return f"{ALL[outcome.name].title}\n{table(header, rows)}\n"


def text(value: float | None, form: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)


def summary(outcomes: list[Outcome], names: list[str]) -> str:
    """Value and gradient of every peer, and how twopass compares."""
    costs = [name for name in ("twopass", "jax") if name in names]
    rows = []
    for outcome in outcomes:
        times = [
            text(outcome.gradients[name].seconds * 1e6, ",.1f") if name in outcome.gradients else "" for name in names
        ]
        ratios = [text(outcome.faster(name), ".2f") for name in ("numpy", "jax")]
        rows.append([ALL[outcome.name].title, *times, *ratios, *(text(outcome.cost(name), ".1f") for name in costs)])
    header = ["value and gradient", *names, "numpy / twopass", "jax / twopass"]
    return table([*header, *(f"gradient / function, {name}" for name in costs)], rows)


def mean_note(outcomes: list[Outcome]) -> str:
    """The geometric mean of the ratios to JAX over the objectives that are no networks."""
    ratios = [outcome.faster("jax") for outcome in outcomes if outcome.name not in NETWORKS]
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return ""
    return f" jax / twopass over the {len(known)} last: geometric mean {statistics.geometric_mean(known):.2f}."


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, list(OBJECTIVES), PEERS_HERE, seconds=0.1)
    print(page.load_note())
    outcomes = []
    with Workers() as workers:
        libraries = versions(workers, options.peers)
        for name in options.only:
            outcomes.append(measure(workers, name, options.peers, options.turns))
            print(details(outcomes[-1]), flush=True)
    present = [name for name in PEERS_HERE if any(name in outcome.gradients for outcome in outcomes)]
    written = "\n\n".join(
        [
            summary(outcomes, present),
            f"Microseconds a call, {options.turns}.{mean_note(outcomes)} `twopass` is "
            "compiled, `twopass-numpy` eager, `numpy` written by hand.",
            page.machine(libraries),
        ]
    )
    print(written)
    if options.write:
        page.write("autodiff", written)


if __name__ == "__main__":
    main()
