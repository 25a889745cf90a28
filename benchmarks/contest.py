"""A contest: every peer gets ready in its own process, then they take turns.

Of a peer's variants only the fastest takes part. A peer that is not installed, declines or fails is named with its
reason and left out; only twopass may not fail.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.peers import OURS, PEERS, Declined, Prepared, Variant
from benchmarks.timing import elapsed, repetitions_for, take_turns
from benchmarks.workers import Worker, Workers

# --- in the process of a peer ---------------------------------------------------------------------------------------

_prepared: dict[int, Prepared] = {}
_numbers = itertools.count()


def _prepare(peer: str, task: str, arguments: Sequence[Any], options: dict[str, Any]) -> int:
    """Get ready for a task, and a number to call it by."""
    number = next(_numbers)
    _prepared[number] = getattr(peers.load(peer), task)(*arguments, **options)
    return number


def _clock(number: int, repetitions: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time of all threads."""
    start = time.process_time()
    return elapsed(_prepared[number], repetitions), time.process_time() - start


def _result(number: int) -> list[Any]:
    return _prepared[number].result()


def _release(number: int) -> None:
    del _prepared[number]


def _summarised(peer: str, function: Any, *arguments: Any) -> Any:
    """What the function gives; a library's exception becomes one line, as it may not survive the way to the parent."""
    try:
        return function(*arguments)
    except Declined:
        raise
    except Exception as error:
        if peer in OURS:
            raise
        lines = str(error).strip().splitlines() or [""]
        raise Declined(f"{type(error).__name__}: {lines[0][:200]}") from None


# --- in the process that measures -----------------------------------------------------------------------------------


class Contestant:
    """One variant of a peer that is ready for a task.

    Attributes
    ----------
    first : float
        Seconds of the first repetition, compilation included.
    processor : float
        Seconds of processor time, of all its threads, that the last call of `clock` took.
    """

    def __init__(self, worker: Worker, peer: str, variant: Variant, task: str, arguments: Sequence[Any]) -> None:
        self.worker, self.peer, self.variant = worker, peer, variant
        self.task, self.arguments = task, arguments
        self.number: int = self._call(_prepare, peer, task, arguments, dict(variant.options))
        self.first = self.clock(1)

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return self.worker.call(_summarised, self.peer, function, *arguments)
        except BrokenProcessPool as error:
            raise Declined("its process died") from error

    def clock(self, repetitions: int) -> float:
        """Seconds of so many repetitions."""
        seconds, self.processor = self._call(_clock, self.number, repetitions)
        return seconds

    def result(self) -> list[Any]:
        """The arrays that all peers must agree on."""
        return self._call(_result, self.number)

    def release(self) -> None:
        """Free what it holds."""
        self._call(_release, self.number)

    def again(self) -> Contestant:
        """The same from the beginning."""
        return Contestant(self.worker, self.peer, self.variant, self.task, self.arguments)


def get_ready(workers: Workers, peer: str, task: str, arguments: Sequence[Any], seconds: float = 0.1) -> Contestant:
    """The fastest of a peer's variants, by short trials of so many seconds.

    Raises
    ------
    Declined
        When none can do it.
    """
    first = workers.get(peer)
    found, reasons = [], []
    variants = first.call(peers.variants, peer, task)
    for variant in variants:
        worker = workers.get(peer, variant.environment)
        try:
            contestant = Contestant(worker, peer, variant, task, arguments)
            if len(variants) == 1:
                return contestant
            found.append((_trial(contestant, seconds), contestant))
            contestant.release()
        except Declined as reason:
            reasons.append(str(reason))
    if not found:
        raise Declined("; ".join(dict.fromkeys(reasons)))
    # The number of threads is a setting of the process: the last trial has left its own.
    return min(found, key=lambda pair: pair[0])[1].again()


def _trial(contestant: Contestant, seconds: float) -> float:
    repetitions = repetitions_for(contestant.clock, seconds)
    return min(contestant.clock(repetitions) for _ in range(3)) / repetitions


@dataclasses.dataclass(frozen=True)
class Score:
    """What a contestant achieved.

    Parameters
    ----------
    label : str
        Its variant.
    first : float
        Seconds of its first repetition, compilation included.
    times : list of float
        Seconds per repetition, one entry a round.
    processor : float
        Seconds of processor time per repetition, of all threads, in the last round. What runs on one thread would take
        this long if it had the machine for itself.
    by_best : bool
        Whether it is judged by its best round, not by the median.
    """

    label: str
    first: float
    times: list[float]
    processor: float = 0.0
    by_best: bool = False

    @property
    def seconds(self) -> float:
        """What the tables compare."""
        return self.best if self.by_best else self.median

    @property
    def median(self) -> float:
        """Half of the rounds were faster."""
        return statistics.median(self.times)

    @property
    def best(self) -> float:
        """The fastest round."""
        return min(self.times)


@dataclasses.dataclass(frozen=True)
class Turns:
    """How the contestants take turns.

    Parameters
    ----------
    rounds : int
        Turns of each.
    seconds : float
        Length of a turn.
    by_best : bool
        Whether the best rounds are compared, not the medians.
    """

    rounds: int
    seconds: float
    by_best: bool = False

    def __str__(self) -> str:
        return f"{'the best' if self.by_best else 'medians'} of {self.rounds} interleaved turns"


class Contest:
    """The contestants of one task.

    Parameters
    ----------
    workers : Workers
        Their processes.
    names : sequence of str
        Peers to ask.
    task : {"training", "prediction", "function", "value_and_grad"}
        The function of the peers' files to call.
    arguments : sequence
        Its positional arguments.
    title : str
        Printed with the names of those that are left out.
    """

    def __init__(self, workers: Workers, names: Sequence[str], task: str, arguments: Sequence[Any], title: str) -> None:
        self.contestants: dict[str, Contestant] = {}
        for name in names:
            try:
                self.contestants[name] = get_ready(workers, name, task, arguments)
            except Declined as reason:
                print(f"  {title}: {name} is left out: {reason}", flush=True)

    def run(self, turns: Turns) -> dict[str, Score]:
        """Take turns, and free what the contestants hold."""
        clocks = {name: contestant.clock for name, contestant in self.contestants.items()}
        repetitions = {name: repetitions_for(clock, turns.seconds) for name, clock in clocks.items()}
        times = take_turns(clocks, repetitions, turns.rounds)
        scores = {
            name: Score(
                contestant.variant.label,
                contestant.first,
                times[name],
                contestant.processor / repetitions[name],
                turns.by_best,
            )
            for name, contestant in self.contestants.items()
        }
        for contestant in self.contestants.values():
            contestant.release()
        return scores


def disagreement(contest: Contest) -> float:
    """The largest difference between two contestants' results, relative to the largest number of each array."""
    results = [contestant.result() for contestant in contest.contestants.values()]
    return max((difference(result, results[0]) for result in results), default=0.0)


def difference(arrays: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the largest number of each array; infinite for NaN or another shape."""
    if [np.shape(array) for array in arrays] != [np.shape(array) for array in expected]:
        return math.inf
    pairs = zip(arrays, expected, strict=True)
    found = max(float(np.max(np.abs(a - b))) / (float(np.max(np.abs(b))) or 1.0) for a, b in pairs)
    return found if math.isfinite(found) else math.inf


def best_peer(scores: dict[str, Score]) -> str | None:
    """The fastest that is not twopass, if there is one."""
    others = [name for name in scores if name not in OURS]
    return min(others, key=lambda name: scores[name].seconds, default=None)


# --- the command line -----------------------------------------------------------------------------------------------


def arguments(description: str | None, contests: Sequence[str], names: Sequence[str], seconds: float) -> Any:
    """The options that every benchmark has, parsed and checked.

    Parameters
    ----------
    description : str
        For ``--help``.
    contests, names : sequence of str
        What ``--only`` and ``--peers`` may name.
    seconds : float
        How long a turn is unless it is said.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,...", help=f"some of {', '.join(contests)}")
    parser.add_argument("--peers", metavar="NAME,...", help=f"some of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each peer (9)")
    parser.add_argument("--seconds", type=float, default=seconds, help=f"length of a turn ({seconds})")
    parser.add_argument("--best", action="store_true", help="compare best rounds: for a machine that others use too")
    parser.add_argument("--quick", action="store_true", help="short turns on fewer rows: for a first look")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    options.only = _chosen(parser, options.only, contests)
    options.peers = _chosen(parser, options.peers, names)
    options.turns = Turns(options.rounds, options.seconds / (10 if options.quick else 1), options.best)
    whole = [*contests, *names] == [*options.only, *options.peers] and not options.quick and not options.best
    if options.write and not whole:
        parser.error("--write is for a whole run: leave out --only, --peers, --best and --quick")
    return options


def _chosen(parser: argparse.ArgumentParser, text: str | None, known: Sequence[str]) -> list[str]:
    """The names in the text, or all."""
    if text is None:
        return list(known)
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            parser.error(f"there is no {name!r}; there are {', '.join(known)}")
    return [name for name in known if name in wanted]


def versions(workers: Workers, names: Sequence[str]) -> list[str]:
    """Names and versions of the libraries that are installed."""
    found = []
    for name in names:
        try:
            found.append(workers.get(name).call(peers.version, name))
        except Declined:
            continue
    return list(dict.fromkeys(found))


assert set(OURS) <= set(PEERS)
