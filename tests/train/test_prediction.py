"""Predictions of many samples: in batches of one size, in one call of native code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.layers.test_laws import EXAMPLES as LAYERS
from nn.layers.test_laws import sample
from train.problems import same_bits
from twopass import nn, optim, tree
from twopass.errors import CaptureError, NotFiniteError
from twopass.program.ir import Launch, Repeat
from twopass.train import Trainer, evaluation
from twopass.train.evaluation import PlainPredict, evenly, predicted, windows
from twopass.train.programs import NativePredict, Programs


@given(st.integers(0, 5000), st.integers(1, 1200))
def test_windows_are_of_one_size_and_hold_each_sample_once(count: int, size: int) -> None:
    found = list(windows(count, size))
    assert [n for _, fresh in found for n in range(count)[fresh]] == list(range(count))
    lengths = {batch.stop - batch.start for batch, _ in found}
    assert len(lengths) <= 1
    assert all(length <= size for length in lengths)
    assert all(batch.start <= fresh.start and batch.stop == fresh.stop for batch, fresh in found)
    if count > 64 * len(found):  # no more is computed twice than multiples of 8 make necessary
        assert sum(batch.stop - batch.start for batch, _ in found) - count < 8 * len(found)


@given(st.integers(1, 10**7), st.integers(1, 5000))
def test_there_are_as_few_batches_as_can_be(count: int, size: int) -> None:
    assert -(-count // evenly(count, size)) == -(-count // size)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:60])
def test_every_layer_predicts_the_same_in_batches(layer: nn.Layer, shape: Any) -> None:
    x = sample(layer, shape, 11, np.float64)
    params = layer.init(0, shape, np.float64)
    expected = layer(params, x)
    for predict in (NativePredict(layer, None, None), PlainPredict(layer)):
        for size in (4, 11, 3):
            outputs, probe = predict.many(params, x, size)
            assert probe == 0
            for found, want in zip(tree.leaves(outputs), tree.leaves(expected), strict=True):
                assert found.shape == want.shape
                np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-13)


def deep(backend: str = "llvm") -> Trainer:
    net = nn.Sequential(nn.Dense(70, activation="relu"), nn.Dense(50, activation="tanh"), nn.Dense(3))
    return Trainer(net, "softmax_cross_entropy", optim.SGD(0.1), seed=0, backend=backend).init((40,))


@pytest.mark.parametrize("count", [199, 200, 201, 1003])
def test_predictions_do_not_depend_on_how_many_are_made_together(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((count, 40), np.float32)
    trainer = deep()
    whole = trainer.predict(x, batch_size=count)
    assert whole.shape == (count, 3)
    np.testing.assert_allclose(trainer.predict(x, batch_size=100), whole, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(evaluation, "_WORK", 1e6)  # several calls
    np.testing.assert_allclose(trainer.predict(x, batch_size=100), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(deep("numpy").predict(x, batch_size=100), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row", [0, 130, 299])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found_in_any_batch(row: int, value: float) -> None:
    x = np.random.default_rng(0).standard_normal((300, 40), np.float32)
    x[row, 7] = value
    for backend in ("llvm", "numpy"):
        trainer = deep(backend)
        assert predicted(trainer._predict, trainer.params, x, 100) is None
        with pytest.raises(NotFiniteError, match=rf"x is .* in row {row}, column 7"):
            trainer.predict(x, batch_size=100)


def test_a_call_is_no_longer_than_python_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, counts = deep(), []
    plain = NativePredict.many

    def many(self: Any, params: Any, x: Any, size: int) -> Any:
        counts.append(len(x))
        return plain(self, params, x, size)

    monkeypatch.setattr(NativePredict, "many", many)
    trainer.predict(np.ones((2000, 40), np.float32), batch_size=100)
    assert counts == [2000]
    weights = sum(leaf.size for leaf in tree.leaves(trainer.params))
    monkeypatch.setattr(evaluation, "_WORK", 700.0 * weights)
    trainer.predict(np.ones((2000, 40), np.float32), batch_size=100)
    assert counts == [2000, 672, 672, 672]


def test_weights_are_brought_into_panels_once() -> None:
    trainer, x = deep(), np.ones((800, 40), np.float32)
    predict = NativePredict(trainer.net, None, None)
    predict.many(trainer.params, x, 100)
    statements = predict._many.program.statements
    (place,) = (number for number, statement in enumerate(statements) if isinstance(statement, Repeat))
    packs = [number for number, item in enumerate(statements) if isinstance(item, Launch) and item.note == "pack"]
    assert packs
    assert max(packs) < place
    inside = [item.note for item in statements[place].body if isinstance(item, Launch)]
    assert "pack" not in inside


class Branch(nn.Layer):
    """Looks at a value."""

    def output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def init(self, key: Any, input_shape: Any, dtype: Any = np.float32) -> Any:
        return {}

    def apply(self, params: Any, x: Any, *, training: bool = False, key: Any = None) -> Any:
        return (x if x[0, 0] > 0 else -x), params


def test_what_cannot_be_compiled_is_left_to_numpy_once() -> None:
    x = np.ones((30, 2), np.float32)
    with pytest.raises(CaptureError):
        NativePredict(Branch(), None, None).many({}, x, 10)
    predict = NativePredict(Branch(), None, Programs())
    with pytest.warns(UserWarning, match="the network cannot be compiled"):
        outputs, probe = predict.many({}, x, 10)
    assert probe == 0
    assert same_bits(outputs, x)
    assert same_bits(predict({}, x)[0], x)  # without another warning
