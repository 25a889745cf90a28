"""Exported ensembles, and what their members predict together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.io.exports import networks, running

from twopass import nn, tree
from twopass.io import export_c, export_onnx

LOSSES = ["softmax_cross_entropy", "binary_cross_entropy", "poisson", "gaussian_nll", "mean_squared_error"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mean_of_the_members(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    net = nn.Ensemble(
        nn.Sequential(nn.Dense(7, activation="tanh"), nn.BatchNorm(), nn.Dropout(0.2), nn.Dense(4)), n_members=5
    )
    params = tree.map(lambda leaf: networks.perturbed(rng, leaf), net.init(0, (3,), dtype))
    model = SimpleNamespace(net=net, params=params, input_shape=(3,), dtype=np.dtype(dtype))
    x = rng.normal(size=(9, 3)).astype(dtype)

    def together(outputs):
        return tuple(nn.losses.mean_prediction(loss, outputs) for loss in LOSSES)

    expected = together(net(params, x))
    export_onnx(model, tmp_path / "net.onnx", after=together, output_names=LOSSES)
    found = running.run_onnx(tmp_path / "net.onnx", [x])
    running.assert_close(found, expected, running.TOLERANCE[dtype])
    file = export_c(model, tmp_path / "net.c", after=together, output_names=LOSSES).source
    found = running.run_c(running.compile_c([file]), "net", [x], expected)
    running.assert_close(found, expected, running.TOLERANCE[dtype])
