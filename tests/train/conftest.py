"""What several tests of training look at."""

from __future__ import annotations

from typing import Any

import pytest

from twopass import compiler


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The functions that are captured, in order."""
    found: list[Any] = []
    plain = compiler.Compiled._specialize

    def specialize(self: Any, *args: Any) -> Any:
        found.append(self)
        return plain(self, *args)

    monkeypatch.setattr(compiler.Compiled, "_specialize", specialize)
    return found
