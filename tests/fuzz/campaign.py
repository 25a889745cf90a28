"""Many random cases, in processes of their own: one that dies tells at which seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Failure:
    """A case that went wrong, and how to run it again."""

    kind: str
    seed: int
    messages: tuple[str, ...]

    def __str__(self) -> str:
        again = f"python -m tests.fuzz --kind {self.kind} --seed {self.seed} --count 1"
        return "\n".join([f"{self.kind}, seed {self.seed}: {self.messages[0]}", *self.messages[1:], f"again: {again}"])


def campaign(kind: str, seed: int, count: int) -> Iterator[Failure | None]:
    """Check cases `seed` up to `seed + count`: for each, None or what is wrong with it."""
    following, end = seed, seed + count
    while following < end:
        reached = following - 1
        for failure in _process(kind, following, end - following):
            reached += 1
            yield failure
        following = reached + 1


def _process(kind: str, seed: int, count: int) -> Iterator[Failure | None]:
    """The results of one process, which ends early if it dies."""
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz.worker", kind, str(seed), str(count)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "TWOPASS_CACHE": "off", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        running = seed - 1
        done = running
        for line in process.stdout:
            said = json.loads(line)
            if "start" in said:
                running = said["start"]
                continue
            done = said["seed"]
            yield Failure(kind, done, tuple(said["found"])) if said["found"] else None
        errors = process.stderr.read()
    if running < seed:
        raise RuntimeError(f"the fuzzer's process did not start:\n{errors}")
    if done < seed + count - 1:
        number = -process.returncode
        name = signal.Signals(number).name if number > 0 else f"exit {process.returncode}"
        yield Failure(kind, max(running, done + 1), (f"the process died: {name}", errors[-2000:]))
