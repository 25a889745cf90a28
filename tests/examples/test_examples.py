"""The examples learn what they are to learn, and say so."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import twopass as tp

PROBLEMS = ("encoder", "parity", "symmetry", "xor")
EXAMPLES = (*PROBLEMS, "ensemble")


@pytest.fixture
def load(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Import a module of examples/ as Python does when it is run as a script."""
    monkeypatch.syspath_prepend(root / "examples")
    yield importlib.import_module
    for name in ("common", *EXAMPLES):
        sys.modules.pop(name, None)


def test_all_examples_are_tested(root):
    others = {"common", "ode_sensitivity"}
    assert {path.stem for path in (root / "examples").glob("*.py")} == {*others, *EXAMPLES}


@pytest.mark.parametrize("name", PROBLEMS)
def test_example_learns_all_patterns(load, capsys, name):
    example = load(name)
    params = example.main(["--seeds", "0"])
    problem = example.PROBLEM
    output = problem.net(params, problem.inputs)
    np.testing.assert_array_equal(np.round(output), problem.outputs)
    assert np.max(np.abs(output - problem.outputs)) <= 0.2
    report = capsys.readouterr().out
    sweeps = int(re.search(r"seed \d+ +([\d,]+) sweeps through", report)[1].replace(",", ""))
    assert 0 < sweeps < problem.limit
    assert problem.reported in report


def test_symmetry_finds_antisymmetric_weights_in_the_ratio_of_the_paper(load):
    weight = load("symmetry").main(["--seeds", "0"])[0]["weight"]
    np.testing.assert_allclose(weight, -weight[::-1], atol=0.01)
    np.testing.assert_allclose(weight[:, 0], -weight[:, 1], rtol=0.05)
    sizes = np.sort(np.abs(weight[:3, 0]))
    np.testing.assert_allclose(sizes / sizes[0], [1, 2, 4], rtol=0.03)


def test_encoder_gives_each_pattern_a_code_of_its_own(load):
    encoder = load("encoder")
    params = encoder.main(["--seeds", "0"])
    code = encoder.PROBLEM.net.layers[0](params[0], encoder.PATTERNS)
    distance = np.max(np.abs(code[:, None] - code), axis=2) + np.eye(8)
    assert code.shape == (8, 3) and distance.min() > 0.2


@pytest.mark.parametrize(("name", "rate"), [("xor", "0.5"), ("encoder", "0.25"), ("symmetry", "0.05")])
def test_most_seeds_learn(load, capsys, name, rate):
    load(name).main(["--seeds", "20", "--learning-rate", rate])
    report = capsys.readouterr().out
    found = re.search(r"20 seeds +(\d+)% learned within [\d,]+ sweeps, the median after [\d,]+", report)
    assert int(found[1]) >= 90


def test_networks_learn_together_as_they_learn_alone(load):
    common, problem = load("common"), load("xor").PROBLEM
    together = common.learn(problem, [1, 2, 3])
    for k, seed in enumerate([1, 2, 3]):
        alone = common.learn(problem, [seed])
        assert abs(int(together.sweeps[k]) - int(alone.sweeps[0])) <= 1


def test_a_network_that_has_not_learned_fails(load):
    common, xor = load("common"), load("xor")
    with pytest.raises(SystemExit, match="seed 1 has not learned the patterns after 10 sweeps"):
        common.run(dataclasses.replace(xor.PROBLEM, limit=10), ["--seed", "1"])


@pytest.mark.parametrize(("precision", "tolerance"), [([], 1e-5), (["--float64"], 1e-12)])
def test_an_ensemble_learns_together_as_its_members_learn_alone(load, capsys, precision, tolerance):
    together, alone = load("ensemble").main(["--members", "4", "--epochs", "3", *precision])
    for a, b in zip(tp.tree.leaves(together.params), tp.tree.leaves(alone.params), strict=True):
        assert a.shape == b.shape and a.shape[0] == 4 and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    report = capsys.readouterr().out
    member, mean = (float(n) for n in re.findall(r"accuracy of .*?([01]\.\d+)(?: |\n)", report))
    assert mean >= member > 0.8
    assert "one by one" in report
