"""Names of test cases that are the same in every process."""

from __future__ import annotations

import re


def stable(value: object) -> str:
    """A case as text, without the addresses of functions: workers that share the tests must agree on their names."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))[:80]
