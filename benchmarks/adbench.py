"""Gradients and Jacobians of the objectives of ADBench: ``python -m benchmarks.adbench``.

Each is plain NumPy code in ``examples/adbench``, float64. twopass runs it as it is, eagerly and compiled; autograd and
JAX run the same source with their own NumPy, PyTorch the same formulas. Of the Jacobians all peers compute what is not
zero: two backward passes for the residuals of bundle adjustment, a forward pass for each parameter of the hand's pose
and for each of the two coordinates in triangles. Before they are timed, they must agree to 1e-6.
"""

from __future__ import annotations

from benchmarks import page
from benchmarks.autodiff import Outcome, details, measure, text
from benchmarks.contest import arguments, best_peer, versions
from benchmarks.objectives import ADBENCH
from benchmarks.timing import table
from benchmarks.workers import Workers

PEERS_HERE = ["twopass", "twopass-numpy", "autograd", "torch", "torch.compile", "jax"]
FUNCTIONS = ["twopass", "twopass-numpy", "torch", "torch.compile", "jax"]


def summary(outcomes: list[Outcome], names: list[str]) -> str:
    """The derivative of every peer, how twopass compares, and what the derivative costs beside the function."""
    rows = []
    for outcome in outcomes:
        scores = outcome.gradients
        times = [text(scores[name].seconds * 1e6 if name in scores else None, ",.0f") for name in names]
        best = best_peer(scores)
        ratio = None if best is None else outcome.faster(best)
        costs = [text(outcome.cost(name), ".1f") for name in ("twopass", "twopass-numpy", "jax")]
        rows.append([ADBENCH[outcome.name].title, *times, best or "", text(ratio, ".2f"), *costs])
    header = ["derivative", *names, "best peer", "best peer / twopass"]
    return table([*header, *(f"derivative / function, {name}" for name in ("twopass", "twopass-numpy", "jax"))], rows)


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, list(ADBENCH), PEERS_HERE, seconds=0.2)
    print(page.load_note())
    outcomes = []
    with Workers() as workers:
        libraries = versions(workers, options.peers)
        for name in options.only:
            outcomes.append(measure(workers, name, options.peers, options.turns, FUNCTIONS))
            print(details(outcomes[-1]), flush=True)
    note = (
        f"Microseconds a call, {options.turns}. `twopass` is compiled, `twopass-numpy` eager: its function is NumPy's."
    )
    written = "\n\n".join([summary(outcomes, options.peers), note, page.machine(libraries)])
    print(written)
    if options.write:
        page.write("adbench", written)


if __name__ == "__main__":
    main()
