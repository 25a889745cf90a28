"""The code for PyTorch and Keras in docs/model-format.md, where those are installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twopass as tp
from peers import peer

PAGE = Path(__file__).parents[2] / "docs" / "model-format.md"


@pytest.mark.filterwarnings("ignore")  # their own
@pytest.mark.parametrize("library", ["torch", "keras"])
def test_the_folder_is_read(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer(library)
    monkeypatch.chdir(tmp_path)
    digits = tp.data.load_digits()
    net = tp.nn.Sequential(tp.nn.Dense(32, activation="relu"), tp.nn.BatchNorm(), tp.nn.Dense(10))
    trainer = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), seed=0)
    trainer.fit(digits.x_train, digits.y_train, epochs=1)
    trainer.save("digits-model")
    (code,) = (
        text for text in re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.M | re.S) if f"import {library}" in text
    )
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    if library == "torch":
        found = names["model"](names["torch"].tensor(digits.x_test)).detach().numpy()
    else:
        found = names["model"].predict(digits.x_test, verbose=0)
    np.testing.assert_allclose(found, trainer.predict(digits.x_test), rtol=1e-3, atol=1e-4)
