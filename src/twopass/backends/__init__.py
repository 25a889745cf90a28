"""Targets: what makes a program run.

A target is a module or package with one function ::

    compile(program: Program, *, threads: int | None = None) -> Callable[[Sequence[ndarray]], list[ndarray]]

which is imported when it is asked for, because it may need a large library. `llvm` is machine code for this computer.
"""

from __future__ import annotations

__all__: list[str] = []
