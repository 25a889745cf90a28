"""Memory for temporaries."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from twopass.backends.llvm import memory
from twopass.backends.llvm.memory import Region, trim, zeros


@pytest.mark.parametrize(
    ("nbytes", "alignment"), [(0, 64), (1, 64), (1000, 64), (1 << 20, 2 << 20), (5 << 20, 2 << 20)]
)
def test_memory_is_zero_and_aligned(nbytes: int, alignment: int) -> None:
    found = zeros(nbytes)
    assert found.nbytes == nbytes and found.flags.writeable and not found.any()
    assert found.__array_interface__["data"][0] % alignment == 0 or nbytes == 0
    found[:] = 1
    assert int(found.sum()) == nbytes


@pytest.mark.parametrize("nbytes", [10_000, 5 << 20])
def test_regions_are_given_back_piece_by_piece(nbytes: int) -> None:
    region = Region(nbytes)
    region.bytes[:] = 1
    first, last = nbytes // 5, nbytes // 2
    region.forget(first, last)
    assert region.bytes[:first].all()
    assert region.bytes[last:].all()
    region.bytes[:] = 2  # it is there again when it is touched
    assert int(region.bytes.sum(dtype=int)) == 2 * nbytes


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


only_linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what is resident")


@only_linux
def test_forgotten_memory_is_the_systems() -> None:
    region = Region(32 << 20)
    region.bytes[:] = 1
    before = resident()
    region.forget(0, 32 << 20)
    assert resident() < before - (30 << 20)


@only_linux
@pytest.mark.skipif(memory._trimmer() is None, reason="this C library has no malloc_trim")
def test_freed_memory_is_the_systems_after_a_trim() -> None:
    kept = [np.ones(100_000, np.uint8) for _ in range(400)]  # on the heap, and not maps of their own
    last = np.ones(100_000, np.uint8)  # no end of the heap, to which it would be cut
    del kept
    before = resident()
    trim()
    assert resident() < before - (20 << 20)
    assert last.all()
