"""A prediction of twopass beside those of its peers: ``python -m benchmarks.prediction``.

The network 784-300-100-10 with ReLU, float32, for one row and for 10,000: how long a call from Python takes, from a
NumPy array to a NumPy array. All peers must predict the same before they are timed.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks import page
from benchmarks.contest import Contest, Score, Turns, arguments, best_peer, disagreement, versions
from benchmarks.peers import OURS
from benchmarks.timing import table
from benchmarks.workers import Workers
from benchmarks.workloads import TRAININGS

NETWORK = next(workload for workload in TRAININGS if workload.name == "mnist")
ROWS = {"one": 1, "many": 10_000}
PEERS_HERE = ["twopass", "twopass-numpy", "numpy", "torch", "torch.compile", "jax", "onnxruntime"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The scores for a number of rows."""

    rows: int
    scores: dict[str, Score]


def measure(workers: Workers, rows: int, names: list[str], turns: Turns) -> Outcome:
    """Hold the contest for a number of rows."""
    x = np.random.default_rng(0).standard_normal((rows, NETWORK.sizes[0]), np.float32)
    contest = Contest(workers, names, "prediction", (NETWORK, NETWORK.weights(), x), f"{rows:,} rows")
    found = disagreement(contest)
    assert found < 1e-4, f"the peers' predictions differ by {found:.1e}"
    return Outcome(rows, contest.run(turns))


def details(outcome: Outcome) -> str:
    """Everything about one number of rows."""
    rows = [
        [name, score.label, f"{score.median * 1e6:.1f}", f"{score.best * 1e6:.1f}", f"{score.processor * 1e6:.1f}"]
        for name, score in sorted(outcome.scores.items(), key=lambda item: item[1].seconds)
    ]
    return f"{outcome.rows:,} rows\n{table(['peer', 'its fastest variant', 'median us', 'best us', 'CPU us'], rows)}\n"


def summary(outcomes: list[Outcome], names: list[str]) -> str:
    """The time of every peer, and how much faster twopass is than the best of them."""
    rows = []
    for outcome in outcomes:
        scores, best = outcome.scores, best_peer(outcome.scores)
        times = [f"{scores[name].seconds * 1e6:,.1f}" if name in scores else "" for name in names]
        known = best is not None and "twopass" in scores
        ratio = f"{scores[best].seconds / scores['twopass'].seconds:.2f}x" if known else ""
        rows.append([f"{outcome.rows:,}", *times, best or "", ratio])
    return table(["rows", *names, "best peer", "faster"], rows)


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, list(ROWS), PEERS_HERE, seconds=0.2)
    print(page.load_note())
    outcomes = []
    with Workers() as workers:
        libraries = versions(workers, options.peers)
        for name in options.only:
            outcomes.append(measure(workers, ROWS[name], options.peers, options.turns))
            print(details(outcomes[-1]), flush=True)
    present = [name for name in PEERS_HERE if any(name in outcome.scores for outcome in outcomes)]
    text = "\n\n".join(
        [
            summary(outcomes, present),
            f"Microseconds a call, {options.turns}. `{OURS[0]}` is `Trainer.predict`, "
            f"`{OURS[1]}` a call of the network itself.",
            page.machine(libraries),
        ]
    )
    print(text)
    if options.write:
        page.write("prediction", text)


if __name__ == "__main__":
    main()
