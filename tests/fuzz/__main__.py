"""The fuzzer as a command: ``python -m tests.fuzz --count 10000 --seed 0``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.campaign import campaign

KINDS = ("loop", "contraction", "scatter", "function", "gradient")


def main() -> int:
    """Run as many cases as asked, and print what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the others count up")
    parser.add_argument("--kind", choices=KINDS, action="append", help="all of them if not given")
    chosen = parser.parse_args()
    failures = 0
    for kind in chosen.kind or KINDS:
        start, wrong = time.perf_counter(), 0
        for failure in campaign(kind, chosen.seed, chosen.count):
            if failure is not None:
                wrong += 1
                print(failure, end="\n\n", flush=True)
        seconds = time.perf_counter() - start
        print(f"{kind}: {chosen.count} cases, {wrong} wrong, {seconds:.0f} s", flush=True)
        failures += wrong
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
