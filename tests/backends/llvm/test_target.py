import numpy as np
import pytest

from twopass.backends.llvm.target import TARGETS, host, row_for, target
from twopass.errors import ArgumentError


def test_the_host_has_a_row_and_the_names_of_its_processor():
    here = host()
    assert here.name in TARGETS
    assert here.cpu and here.triple
    assert here.vector_bytes == TARGETS[here.name].vector_bytes


def test_the_most_capable_row_is_chosen():
    avx2 = dict.fromkeys(["sse2", "avx2", "fma"], True)
    assert row_for(avx2).name == "avx2"
    assert row_for(avx2 | {"fma": False}).name == "sse2"
    assert row_for(avx2 | dict.fromkeys(["avx512f", "avx512vl", "avx512bw", "avx512dq"], True)).name == "avx512"
    assert row_for({"neon": True}).name == "neon"
    assert row_for({}).name == "generic"


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'avx512'"):
        target("avx51")


@pytest.mark.parametrize("row", TARGETS.values(), ids=TARGETS)
def test_a_machine_has_the_tiles_of_its_target(row):
    machine = row.machine()
    assert machine.lanes(np.dtype(np.float32)) == row.lanes(np.dtype(np.float32)) == row.vector_bytes // 4
    assert machine.tile_vectors == len(row.tiles)


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse2", "neon"])
def test_llvm_knows_the_processor(name):
    assert target(name).llvm().triple.split("-")[0] == target(name).triple.split("-")[0]
