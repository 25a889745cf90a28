"""A training step of twopass beside those of its peers: ``python -m benchmarks.training``.

Every peer trains the same networks from the same weights on the same rows: float32, in a new order every epoch,
gathered batch by batch in the way that is fastest for it. Each is prepared, compiled and warmed up first, in a process
of its own; then they take turns. A step of twopass is what `Trainer.fit` takes, divided by the number of steps.
"""

from __future__ import annotations

import dataclasses

from benchmarks import page
from benchmarks.contest import Contest, Score, Turns, arguments, best_peer, versions
from benchmarks.peak import Peak
from benchmarks.peers import OURS, PEERS
from benchmarks.timing import table
from benchmarks.workers import Workers
from benchmarks.workloads import TRAININGS, Workload

PEERS_HERE = [name for name in PEERS if name not in ("onnxruntime", "autograd")]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The scores of one workload, per epoch, and the limit that was measured with them."""

    workload: Workload
    scores: dict[str, Score]

    def microseconds(self, name: str) -> float | None:
        """Of a step, the median; None without a score."""
        return self.scores[name].seconds / self.workload.steps * 1e6 if name in self.scores else None

    def speed(self, name: str) -> float:
        """Operations a second in the matrix products."""
        return self.workload.operations * self.workload.steps / self.scores[name].seconds


def measure(workers: Workers, workload: Workload, names: list[str], turns: Turns) -> Outcome:
    """Hold the contest of one workload."""
    contest = Contest(workers, names, "training", (workload, workload.weights()), workload.name)
    return Outcome(workload, contest.run(turns))


def details(outcome: Outcome) -> str:
    """Everything about one workload."""
    steps = outcome.workload.steps
    rows = [
        [
            *(name, score.label, f"{score.median / steps * 1e6:.1f}", f"{score.best / steps * 1e6:.1f}"),
            f"{score.processor / steps * 1e6:.1f}",
            *(f"{outcome.speed(name) / 1e9:.1f}", f"{max(0, score.first - score.seconds):.2f}"),
        ]
        for name, score in sorted(outcome.scores.items(), key=lambda item: item[1].seconds)
    ]
    header = ["peer", "its fastest variant", "median us", "best us", "CPU us", "GFLOP/s", "first epoch, extra s"]
    return f"{outcome.workload.name}: {outcome.workload}\n{table(header, rows)}\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def summary(outcomes: list[Outcome], peak: dict[int, float]) -> str:
    """The step of twopass beside that of the best peer, and beside the limit of the machine."""
    rows = []
    for outcome in outcomes:
        ours, best = outcome.microseconds("twopass"), best_peer(outcome.scores)
        row = [str(outcome.workload), _number(ours), best or "", _number(outcome.microseconds(best or ""))]
        if ours is None:
            rows.append([*row, "", "", "", ""])
            continue
        speed = outcome.speed("twopass")
        ratio = "" if best is None else f"{outcome.scores[best].seconds / outcome.scores['twopass'].seconds:.2f}x"
        shares = [f"{speed / limit:.0%}" for limit in peak.values()]
        rows.append([*row, ratio, f"{speed / 1e9:.1f}", *shares])
    header = ["training step", "twopass", "best peer", "its time", "faster", "GFLOP/s", "of 1 core", "of 2 cores"]
    return table(header, rows)


def everyone(outcomes: list[Outcome], names: list[str]) -> str:
    """The time of every peer."""
    rows = [[outcome.workload.name, *(_number(outcome.microseconds(name)) for name in names)] for outcome in outcomes]
    return table(["microseconds a step", *names], rows)


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, [workload.name for workload in TRAININGS], PEERS_HERE, seconds=0.6)
    print(page.load_note())
    peak = Peak()
    outcomes = []
    with Workers() as workers:
        libraries = versions(workers, options.peers)
        for workload in TRAININGS:
            if workload.name in options.only:
                measured = workload.shortened() if options.quick else workload
                outcomes.append(measure(workers, measured, options.peers, options.turns))
                print(details(outcomes[-1]), flush=True)
                peak.update()
    peak.close()
    present = [name for name in PEERS_HERE if any(name in outcome.scores for outcome in outcomes)]
    others = [name for name in present if name not in OURS]
    text = "\n\n".join(
        [
            summary(outcomes, peak.operations),
            f"Microseconds, {options.turns}; {peak}.",
            everyone(outcomes, [*(name for name in OURS if name in present), *others]),
            page.machine(libraries),
        ]
    )
    print(text)
    if options.write:
        page.write("training", text)


if __name__ == "__main__":
    main()
