"""How long the compiler takes, stage by stage: ``python -m benchmarks.compiling``.

What is compiled is an epoch of training, as `Trainer.fit` compiles it, for one thread. The numbers are milliseconds of
processor time, the least of some rounds. Nothing is taken from the cache, but for the last column: what the first call
in a process takes if the machine code is on the disk.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.peers.twopass_default import LOSSES, network, optimizer
from benchmarks.timing import table
from benchmarks.workloads import TRAININGS, Workload
from twopass import nn
from twopass.backends.llvm import cache
from twopass.backends.llvm.cost import worth_sharing
from twopass.backends.llvm.engine import assemble, load
from twopass.backends.llvm.module import HOT, write
from twopass.backends.llvm.schedule import plan
from twopass.backends.llvm.target import host
from twopass.graph.capture import capture
from twopass.graph.passes import run
from twopass.program.lower import lower
from twopass.train.parameters import Partition
from twopass.train.programs import make_epoch

#: In order. If the machine code is on the disk, reading it takes the place of the fourth and the fifth.
STAGES = ("capture", "passes", "lower", "write", "assemble", "load")

WORKLOADS = (
    *(workload for workload in TRAININGS if workload.name in ("mnist", "mnist-adam", "small", "wide", "deep")),
    Workload("100 layers", (64,) * 101 + (10,), batch=32, rows=16_000),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What compiling an epoch took: seconds by stage, and the size of what was made."""

    workload: Workload
    seconds: Mapping[str, float]
    lines: Mapping[int, int]

    @property
    def total(self) -> float:
        """All stages."""
        return sum(self.seconds[stage] for stage in STAGES)

    @property
    def from_disk(self) -> float:
        """With the machine code on the disk."""
        return self.total - self.seconds["write"] - self.seconds["assemble"] + self.seconds["disk"]


def arguments(workload: Workload) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function of an epoch, and what it is called with."""
    net, descent = network(workload), optimizer(workload)
    x, y = workload.data()
    dtype = np.dtype(np.float32)
    params = net.init(0, (workload.sizes[0],), dtype)
    partition = Partition.of(net, params)
    epoch = make_epoch(net, getattr(nn, LOSSES[workload.loss]), descent, partition, dtype)
    state = descent.init(partition.split(params)[0])
    rows = next(workload.orders()).reshape(workload.steps, workload.batch)
    keys = np.arange(workload.steps, dtype=np.uint64)
    return epoch, (params, state, x, y, None, rows, keys, np.array(workload.steps, np.int64))


class Stopwatch:
    """Seconds of processor time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, what: Callable[..., Any], *args: Any, **options: Any) -> Any:
        start = time.process_time()
        result = what(*args, **options)
        self.seconds[stage] = time.process_time() - start
        return result


def once(workload: Workload, epoch: Callable[..., Any], given: tuple[Any, ...]) -> Outcome:
    """Compile an epoch, without and with the disk."""
    target, clock = host(), Stopwatch()
    graph, _ = clock("capture", capture, epoch, given)
    program = clock("lower", lower, clock("passes", run, graph), target.machine())
    planned = plan(program, 1, worth_sharing(program, target))
    text = clock("write", write, program, planned, target)
    code = clock("assemble", assemble, text, target)
    clock("load", load, code, target)
    cache.object_code([workload.name], target, lambda: code)
    _, found = clock("disk", cache.object_code, [workload.name], target, lambda: code)
    assert found
    return Outcome(workload, clock.seconds, {level: part.count("\n") for level, part in text.items()})


def measure(workload: Workload, rounds: int) -> Outcome:
    """The least of some rounds, for each stage."""
    epoch, given = arguments(workload)
    outcomes = [once(workload, epoch, given) for _ in range(rounds)]
    seconds = {stage: min(outcome.seconds[stage] for outcome in outcomes) for stage in outcomes[0].seconds}
    return dataclasses.replace(outcomes[0], seconds=seconds)


def summary(outcomes: list[Outcome]) -> str:
    """Milliseconds of each stage."""
    rows = []
    for outcome in outcomes:
        times = [outcome.seconds[stage] for stage in STAGES]
        lines = f"{outcome.lines.get(HOT, 0):,} of {sum(outcome.lines.values()):,}"
        times += [outcome.total, outcome.from_disk]
        rows.append([outcome.workload.name, lines, *(f"{1e3 * seconds:.1f}" for seconds in times)])
    return table(["epoch of", "hot lines", *STAGES, "all", "from disk"], rows)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiling", description=__doc__)
    parser.add_argument("--only", action="append", choices=[workload.name for workload in WORKLOADS])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWOPASS_CACHE"] = folder
        chosen = [workload for workload in WORKLOADS if options.only is None or workload.name in options.only]
        print(summary([measure(workload, options.rounds) for workload in chosen]))
    print("\nMilliseconds of processor time, one thread.")


if __name__ == "__main__":
    main()
