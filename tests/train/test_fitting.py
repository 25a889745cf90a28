"""What goes wrong during a fit: numbers that are none, and Ctrl-C."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, regressor, same_bits, two_moons
from twopass import nn, optim, tree
from twopass.errors import NotFiniteError
from twopass.train import Callback, NaNStop, Run, Trainer


class Poison(Callback):
    """Puts a number into the weights after some steps, as a broken update would."""

    def __init__(self, step: int, value: float, leaf: int = -1) -> None:
        self.step, self.value, self.leaf = step, value, leaf
        self.before: Any = None

    def on_batch_end(self, run: Run) -> None:
        if run.step == self.step:
            self.before = run.trainer.params
            leaves, structure = tree.flatten(tree.map(np.array, run.trainer.params))
            leaves[self.leaf][...] = self.value
            run.trainer.state = type(run.trainer.state)(tree.unflatten(structure, leaves), run.trainer.state.optimizer)


def test_an_exploding_learning_rate_is_found_and_explained() -> None:
    net = nn.Sequential(nn.Dense(8), nn.Dense(8), nn.Dense(1))
    trainer = Trainer(net, "mean_squared_error", optim.SGD(1e6), seed=0)
    message = (
        r"(became inf|became nan) in epoch 1, step \d.*first thing.*is the .*(layer|params).*Lower the learning rate"
    )
    with pytest.raises(NotFiniteError, match=message):
        trainer.fit(*line())
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves(trainer.params))
    assert trainer.epoch == 0
    trainer.predict(line()[0])


def test_the_first_layer_whose_output_is_not_finite_is_named() -> None:
    net = nn.Sequential(nn.Dense(4), nn.Sequential(nn.Dense(4), nn.Dense(4)), nn.Dense(1))
    trainer = Trainer(net, "mean_squared_error", optim.SGD(0.01), seed=0)
    with pytest.raises(NotFiniteError, match=r"is the output of layer 1\.0, Dense\(4\)"):
        trainer.fit(*line(), callbacks=[Poison(1, 1e38, leaf=2)])


def test_nan_parameters_are_traced_to_the_gradient_that_made_them() -> None:
    def distance(prediction: Any, target: Any) -> Any:
        return np.mean(np.sqrt((prediction[:, 0] - target) ** 2))  # 0 / 0 where the prediction is right

    trainer = Trainer(nn.Dense(1), distance, optim.SGD(0.1), seed=0)
    with pytest.raises(NotFiniteError, match=r"became (nan|NaN).*is the gradient of params\['bias'\]"):
        trainer.fit(np.zeros((8, 2)), np.zeros(8), epochs=3, batch_size=8)
    assert np.isfinite(trainer.params["bias"]).all()


def test_a_loss_that_fails_by_itself_is_named() -> None:
    calls = []

    def loss(prediction: Any, target: Any) -> Any:
        calls.append(1)
        return np.mean((prediction[:, 0] - target) ** 2) * (np.nan if len(calls) >= 5 else 1.0)

    # A function that is not the same in every call is nothing that can be compiled.
    trainer = Trainer(nn.Dense(1), loss, optim.SGD(0.1), seed=0, backend="numpy")
    with pytest.raises(NotFiniteError, match=r"became nan in epoch 2, step 1.*is the loss, from a finite output"):
        trainer.fit(*line(), epochs=4, batch_size=32)
    assert trainer.epoch == 1


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_the_operation_and_the_line_of_a_loss_are_named(backend: str) -> None:
    def loss(prediction: Any, target: Any) -> Any:
        return np.mean(np.log(target - 1.0 + 0.0 * prediction[:, 0]))  # here

    trainer = Trainer(nn.Dense(1), loss, optim.SGD(0.1), seed=0, backend=backend)
    line = inspect.getsourcelines(loss)[1] + 1
    made = rf"There, np\.log made an infinity \(at .*test_fitting\.py:{line}\)\. It was given 0\.0, at index \(5,\)\."
    with pytest.raises(NotFiniteError, match=rf"is the loss, from a finite output of the network\. {made}"):
        trainer.fit(np.ones((8, 2)), np.array([2.0] * 5 + [1.0, 2.0, 2.0]), batch_size=8, shuffle=False)


def test_updates_that_overflow_in_the_last_step_are_found_too() -> None:
    trainer = regressor(1e38)
    with pytest.raises(NotFiniteError, match=r"became NaN or infinite.*is the (update|gradient)"):
        trainer.fit(*line(), batch_size=70)
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves(trainer.params))


def test_the_weights_before_the_bad_step_are_kept() -> None:
    poison = Poison(2, np.nan)
    trainer = classifier()
    with pytest.raises(NotFiniteError, match="epoch 1, step 3"):
        trainer.fit(*two_moons(), callbacks=[poison])
    reference = classifier()
    stop = StopAfter(1)
    reference.fit(*two_moons(), callbacks=[stop])
    assert same_bits(trainer.params, reference.params)


class StopAfter(Callback):
    """Ends the fit after some steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, run: Run) -> None:
        if run.step == self.step:
            run.stop("enough")


def test_nan_stop_ends_gracefully() -> None:
    stop, trainer = NaNStop(), classifier()
    history = trainer.fit(*two_moons(), epochs=5, callbacks=[Poison(2, np.nan), stop])
    assert "epoch 1, step 3" in str(stop.error)
    assert history == {}
    assert trainer.epoch == 0
    assert np.isfinite(trainer.predict(two_moons()[0])).all()
    trainer.fit(*two_moons(), callbacks=[stop])
    assert stop.error is None


class Interrupt(Callback):
    """Presses Ctrl-C."""

    def __init__(self, epoch: int, step: int) -> None:
        self.when = epoch, step
        self.params: Any = None

    def on_batch_end(self, run: Run) -> None:
        if (run.epoch, run.step) == self.when:
            self.params = run.trainer.params
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Who runs the tests in the background of a shell ignores Ctrl-C, and so does Python then."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_leaves_the_last_completed_step() -> None:
    trainer, interrupt = classifier(), Interrupt(2, 3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*two_moons(), epochs=5, callbacks=[interrupt])
    assert trainer.params is interrupt.params
    assert trainer.epoch == len(trainer.history["loss"]) == 1
    trainer.fit(*two_moons(), epochs=2)
    assert trainer.epoch == len(trainer.history["loss"]) == 3


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_within_a_step_leaves_the_step_before() -> None:
    calls = []

    def loss(prediction: Any, target: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return np.mean((prediction[:, 0] - target) ** 2)

    steps: list[Any] = []

    class Keep(Callback):
        def on_batch_end(self, run: Run) -> None:
            steps.append(run.trainer.state)

    trainer = Trainer(nn.Dense(1), loss, optim.Adam(0.1), seed=0, backend="numpy")
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*line(), batch_size=10, callbacks=[Keep()])
    assert len(steps) == 2
    assert trainer.state is steps[-1]


def test_warnings_of_numpy_are_not_the_users_problem() -> None:
    """The overflow on the way to the error is silent (warnings are errors in these tests)."""
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(1e30), seed=0)
    with pytest.raises(NotFiniteError):
        trainer.fit(*line(), epochs=2)
