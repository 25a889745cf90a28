"""Predictions of exported networks equal the library's, over all layers and activations.

``TWOPASS_NETWORKS=200 pytest tests/io/exports/test_networks.py`` takes 200 random networks instead of a few.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io.exports import networks, running

from twopass import nn
from twopass.io import export_c, export_onnx

COUNT = int(os.environ.get("TWOPASS_NETWORKS", "33"))

Case = tuple[Any, tuple[Any, ...], tuple[Any, ...]]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Models, their inputs and their predictions."""
    made = []
    for seed in range(COUNT):
        model, x = networks.random_model(seed)
        # OpenBLAS looks beyond the end of a row now and then, and what it finds there may raise a flag.
        with np.errstate(invalid="ignore"):
            outputs = running.as_tuple(model.net(model.params, x))
        assert all(np.isfinite(output).all() for output in outputs)
        made.append((model, running.as_tuple(x), outputs))
    return made


def names_of(expected: tuple[Any, ...]) -> list[str]:
    return [f"y{number}" for number in range(len(expected))]


def test_c(cases: list[Case], tmp_path: Path) -> None:
    files = [
        export_c(model, tmp_path / f"net{number}.c", output_names=names_of(expected)).source
        for number, (model, _, expected) in enumerate(cases)
    ]
    library = running.compile_c(files)
    for number, (model, inputs, expected) in enumerate(cases):
        found = running.run_c(library, f"net{number}", inputs, expected)
        running.assert_close(found, expected, running.TOLERANCE[str(model.dtype)], model.net)


def test_onnx(cases: list[Case], tmp_path: Path) -> None:
    for model, inputs, expected in cases:
        export_onnx(model, tmp_path / "net.onnx", output_names=names_of(expected))
        found = running.run_onnx(tmp_path / "net.onnx", inputs)
        running.assert_close(found, expected, running.TOLERANCE[str(model.dtype)], model.net)


def test_every_layer_and_activation_is_among_200_networks() -> None:
    found = "".join(repr(networks.random_model(seed)[0].net) for seed in range(200))
    layers = [name for name in nn.__all__ if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Layer)]
    missing = [layer for layer in layers if layer != "Layer" and f"{layer}(" not in found]
    assert not missing
    synonyms = {"logistic", "swish"}
    built_in = set(nn.activations.names()) & set(nn.activations.__all__)  # other tests may have registered more
    assert not [name for name in built_in if f"'{name}'" not in found and name not in synonyms]
