"""Timing that is fair on a noisy machine: the contestants take turns, and medians are compared."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def interleaved(contestants: dict[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """Median seconds of each contestant, over rounds in which each runs once."""
    for run in contestants.values():
        run()  # caches, lazy imports, memory
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def elapsed(run: Callable[[int], object], repetitions: int) -> float:
    """Seconds that ``run(repetitions)`` takes."""
    start = time.perf_counter()
    run(repetitions)
    return time.perf_counter() - start


def repetitions_for(clock: Callable[[int], float], seconds: float) -> int:
    """How many repetitions fill this time, by a clock that says how long a number of them takes.

    The number doubles until the time is long enough to extrapolate from.
    """
    repetitions, taken = 1, clock(1)
    while taken < seconds / 4:
        repetitions *= 2
        taken = clock(repetitions)
    return max(1, round(repetitions * seconds / taken))


def settle(most: float = 1.0) -> None:
    """Wait until the processors are idle, at most so many seconds.

    The threads of some libraries go on spinning when their turn is over, on a processor that the next one needs.
    """
    until = time.perf_counter() + most
    while busy_processors(0.02) > 0.25 and time.perf_counter() < until:
        pass


def busy_processors(seconds: float) -> float:
    """How many processors are busy while this process sleeps; 0 where the system does not say."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    idle, total = (b - a for a, b in zip(before, after, strict=True))
    return (os.cpu_count() or 1) * (total - idle) / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """Idle ticks, and all ticks, of all processors together since the system started."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return 0, 0
    ticks = [int(number) for number in line.split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def take_turns(
    clocks: Mapping[str, Callable[[int], float]], repetitions: Mapping[str, int], rounds: int
) -> dict[str, list[float]]:
    """Seconds per repetition of each contestant in each round.

    Parameters
    ----------
    clocks : mapping of str to callable
        ``clock(n)`` runs a contestant n times and gives the seconds.
    repetitions : mapping of str to int
        How often each runs in one turn.
    rounds : int
        Turns of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in clocks}
    for _ in range(rounds):
        for name, clock in clocks.items():
            settle()
            seconds[name].append(clock(repetitions[name]) / repetitions[name])
    return seconds


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, rows)])
