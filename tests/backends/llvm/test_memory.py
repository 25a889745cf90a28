"""Memory for temporaries."""

from __future__ import annotations

import pytest

from twopass.backends.llvm.memory import zeros


@pytest.mark.parametrize(
    ("nbytes", "alignment"), [(0, 64), (1, 64), (1000, 64), (1 << 20, 2 << 20), (5 << 20, 2 << 20)]
)
def test_memory_is_zero_and_aligned(nbytes: int, alignment: int) -> None:
    memory = zeros(nbytes)
    assert memory.nbytes == nbytes and memory.flags.writeable and not memory.any()
    assert memory.__array_interface__["data"][0] % alignment == 0 or nbytes == 0
    memory[:] = 1
    assert int(memory.sum()) == nbytes
