"""What training takes of the memory: what it says, and no more the longer it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux tells how much memory a process had at most"
)

#: Resident memory of this process now, and at most since `forget`, in bytes.
MEASURE = """
import gc, re
import numpy as np, twopass as tp

def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

def forget():
    gc.collect()
    open("/proc/self/clear_refs", "w").write("5")

def data(rows, inputs, classes):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, inputs)).astype(np.float32), rng.integers(0, classes, rows)

def trainer(*sizes, optimizer=tp.optim.SGD(0.01)):
    layers = [tp.nn.Dense(size, activation="relu") for size in sizes[:-1]]
    return tp.Trainer(tp.nn.Sequential(*layers, tp.nn.Dense(sizes[-1])), "softmax_cross_entropy", optimizer, seed=0)
"""


def measured(program: str) -> list[float]:
    # Without the cache, the first fit loads the code generator as well.
    environment = {**os.environ, "TWOPASS_CACHE": "off"}
    run = subprocess.run(
        [sys.executable, "-c", MEASURE + program], capture_output=True, text=True, check=False, env=environment
    )
    assert run.returncode == 0, run.stderr
    return [float(number) for number in re.findall(r"-?[\d.]+", run.stdout)]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("hidden", [(300, 100), (1024, 1024), (2048, 2048)])
def test_a_fit_takes_what_its_parameters_state_and_data_take(hidden: tuple[int, int], optimizer: str) -> None:
    # Large states are changed where they are; the 32 MB are room for the copies of small ones.
    peak, planned = measured(
        f"""
hidden = {hidden}
x, y = data(1280, 784, 10)
trainer(20, 10).fit(x, y)  # LLVM itself has been loaded
before = status("VmRSS")
large = trainer(*hidden, 10, optimizer=tp.optim.{optimizer}(1e-3)).init((784,))
state = sum(leaf.nbytes for leaf in tp.tree.leaves((large.params, large.state.optimizer)))
forget()
large.fit(x, y, epochs=3, batch_size=256)
activations = 4 * 256 * (784 + 3 * sum(hidden))
print(status("VmHWM") - before, state + activations)
"""
    )
    assert peak <= planned + 32e6


def test_a_long_training_takes_no_more_memory_than_a_short_one() -> None:
    (growth,) = measured(
        """
x, y = data(64, 8, 3)
small = trainer(4, 3)
small.fit(x, y, epochs=500)
forget()
before = status("VmRSS")
small.fit(x, y, epochs=10_000)
print(status("VmRSS") - before - 8 * 4 * 10_000 * 4)  # the history has four Python floats an epoch
"""
    )
    assert growth < 1e6
