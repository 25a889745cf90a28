"""The derivative of a differential equation's solution, in three ways, and the fit."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest


@pytest.fixture
def example(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "examples")
    yield importlib.import_module("ode_sensitivity")
    sys.modules.pop("ode_sensitivity", None)


def test_forward_sensitivities_and_the_adjoint_agree_with_each_other_and_with_differences(example):
    found = example.gradients(example.TRUE * 1.1, example.solve(example.TRUE))
    np.testing.assert_allclose(found["forward"], found["adjoint"], rtol=1e-7)
    np.testing.assert_allclose(found["forward"], found["differences"], rtol=1e-4)


def test_the_fit_finds_the_parameters(example, capsys):
    found, deviation = example.main()
    assert np.all(np.abs(found - example.TRUE) < 3 * deviation)
    assert np.all(deviation < 0.05)
    assert "adjoint" in capsys.readouterr().out
