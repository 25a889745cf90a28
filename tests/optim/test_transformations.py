"""What stands around an optimizer: chains, clipping, decay, accumulation, averaging, plateaus, configurations."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import twopass as tp
from twopass import optim, tree
from twopass.errors import ArgumentError, ModelError

EXAMPLES = [
    optim.clip_by_value(0.5),
    optim.clip_by_norm(0.5),
    optim.clip_by_global_norm(0.5),
    optim.weight_decay(0.1, min_ndim=1),
    optim.accumulate(3, optim.Adam(0.01)),
    optim.moving_average(0.9),
    optim.reduce_on_plateau(factor=0.5, patience=1),
    optim.chain(optim.clip_by_norm(1.0), optim.chain(optim.NAdam(0.1), optim.moving_average(0.5))),
    optim.SGD(optim.schedules.warmup(optim.schedules.piecewise_constant((5,), (0.1, 0.01)), 3), momentum=0.9),
]
each = pytest.mark.parametrize("transformation", EXAMPLES, ids=repr)
floats = arrays(np.float64, (3, 2), elements=st.floats(-1e6, 1e6))


def params() -> Any:
    return {"w": np.array([[1.0, -2.0], [3.0, 0.5]]), "b": np.array([0.1, 0.2])}


def concrete(cls: type[Any]) -> set[type[Any]]:
    below = [found for subclass in cls.__subclasses__() for found in concrete(subclass)]
    return {found for found in (cls, *below) if found.__module__.startswith("twopass.optim.")}


def test_every_transformation_is_tested() -> None:
    others = concrete(optim.Transformation) - concrete(optim.Optimizer) - {optim.Transformation}
    assert others == {type(example) for example in EXAMPLES} - {optim.SGD}


@each
def test_survives_json(transformation: Any) -> None:
    assert optim.from_config(json.loads(json.dumps(transformation.config()))) == transformation


@each
def test_repr_is_its_constructor(transformation: Any) -> None:
    namespace = {**vars(optim.schedules), **vars(optim)}
    assert eval(repr(transformation), namespace) == transformation


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_pure_and_keeps_structure_and_dtypes(transformation: Any, dtype: Any) -> None:
    values = tree.map(lambda leaf: leaf.astype(dtype), params())
    state = transformation.init(values)
    for leaf in tree.leaves((values, state)):
        leaf.flags.writeable = False
    updates, following = transformation.update(values, state, values)
    assert tree.structure(following) == tree.structure(state)
    for before, after in zip(tree.leaves((values, state)), tree.leaves((updates, following)), strict=True):
        assert (before.shape, before.dtype) == (np.shape(after), after.dtype)


@each
def test_update_can_be_traced(transformation: Any) -> None:
    values = params()
    state = transformation.init(values)
    tangent = tree.map(np.ones_like, values)
    _, change = tp.jvp(lambda g: transformation.update(g, state, values)[0], (values,), (tangent,))
    assert tree.structure(change) == tree.structure(values)


@given(floats, floats, st.floats(1e-3, 1e3))
def test_clipping_by_norm(weight: np.ndarray, bias: np.ndarray, limit: float) -> None:
    grads = {"w": weight, "b": bias}
    by_norm = optim.clip_by_norm(limit).update(grads, {}, None)[0]
    together = optim.clip_by_global_norm(limit).update(grads, {}, None)[0]
    for name, gradient in grads.items():
        norm = np.linalg.norm(gradient)
        np.testing.assert_allclose(by_norm[name], gradient * (limit / norm if norm > limit else 1.0))
    norm = np.hypot(np.linalg.norm(weight), np.linalg.norm(bias))
    scale = limit / norm if norm > limit else 1.0
    np.testing.assert_allclose(together["w"], weight * scale)
    np.testing.assert_allclose(together["b"], bias * scale)


@given(floats, st.floats(1e-3, 1e3))
def test_clipping_by_value(gradient: np.ndarray, limit: float) -> None:
    clipped = optim.clip_by_value(limit).update([gradient], {}, None)[0][0]
    np.testing.assert_array_equal(clipped, np.clip(gradient, -limit, limit))


def test_clipping_leaves_small_gradients_alone_to_the_bit() -> None:
    for clip in (optim.clip_by_norm(100.0), optim.clip_by_global_norm(100.0), optim.clip_by_value(100.0)):
        for clipped, gradient in zip(*map(tree.leaves, (clip.update(params(), {}, None)[0], params())), strict=True):
            np.testing.assert_array_equal(clipped, gradient)


def test_clipping_huge_float32_gradients_keeps_their_direction() -> None:
    grads = {"w": np.array([3e30, 4e30], np.float32)}
    np.testing.assert_allclose(optim.clip_by_global_norm(1.0).update(grads, {}, None)[0]["w"], [0.6, 0.8], rtol=1e-6)


def test_weight_decay_is_the_gradient_of_an_l2_penalty() -> None:
    values = params()
    penalty = tp.grad(lambda p: 0.05 * sum(np.sum(leaf**2) for leaf in tree.leaves(p)))(values)
    decayed = optim.weight_decay(0.1).update(tree.map(np.zeros_like, values), {}, values)[0]
    for found, expected in zip(tree.leaves(decayed), tree.leaves(penalty), strict=True):
        np.testing.assert_allclose(found, expected)
    before = optim.chain(optim.weight_decay(0.1), optim.SGD(0.5, momentum=0.9))
    inside = optim.SGD(0.5, momentum=0.9, weight_decay=0.1)
    for one, other in zip(*(tree.leaves(run(o, [values] * 3)[0]) for o in (before, inside)), strict=True):
        np.testing.assert_array_equal(one, other)


def run(optimizer: Any, grads: list[Any]) -> tuple[Any, Any]:
    values = params()
    state = optimizer.init(values)
    for gradient in grads:
        updates, state = optimizer.update(gradient, state, values)
        values = optim.apply_updates(values, updates)
    return values, state


def random_gradients(count: int) -> list[Any]:
    rng = np.random.default_rng(3)
    return [tree.map(lambda leaf: rng.normal(size=leaf.shape), params()) for _ in range(count)]


@pytest.mark.parametrize("optimizer", [optim.SGD(0.1, momentum=0.9), optim.Adam(0.1), optim.AdamW(0.1)], ids=repr)
def test_accumulated_micro_batches_equal_the_big_batch(optimizer: Any) -> None:
    micro = random_gradients(12)
    big = [tree.map(lambda *leaves: sum(leaves) / 4, *micro[i : i + 4]) for i in (0, 4, 8)]
    accumulated, _ = run(optim.accumulate(4, optimizer), micro)
    expected, _ = run(optimizer, big)
    for found, leaf in zip(tree.leaves(accumulated), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, leaf, rtol=1e-14)


def test_accumulation_changes_nothing_between_updates() -> None:
    values, state = run(optim.accumulate(4, optim.AdamW(0.1)), random_gradients(3))
    assert state["optimizer"]["step"] == 0
    for found, leaf in zip(tree.leaves(values), tree.leaves(params()), strict=True):
        np.testing.assert_array_equal(found, leaf)


def test_accumulation_counts_updates_for_the_schedule() -> None:
    optimizer = optim.accumulate(2, optim.SGD(optim.schedules.step_decay(1.0, 0.5, every=1)))
    rates = [optimizer.current_learning_rate(run(optimizer, random_gradients(n))[1]) for n in range(5)]
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_moving_average_is_the_weighted_mean_of_the_parameters() -> None:
    optimizer, grads = optim.SGD(0.1, momentum=0.5), random_gradients(6)
    path = [run(optimizer, grads[: n + 1])[0] for n in range(6)]
    _, state = run(optim.chain(optimizer, optim.moving_average(0.8)), grads)
    weights = 0.8 ** np.arange(5, -1, -1)
    for name, leaf in optim.averaged_params(state).items():
        expected = np.average([values[name] for values in path], axis=0, weights=weights)
        np.testing.assert_allclose(leaf, expected, rtol=1e-13)


def test_averages_that_do_not_exist_are_explained() -> None:
    with pytest.raises(ArgumentError, match="holds no average"):
        optim.averaged_params(optim.Adam().init(params()))
    with pytest.raises(ArgumentError, match="empty"):
        optim.averaged_params(optim.moving_average(0.9).init(params()))


def observed(optimizer: Any, losses: list[float]) -> list[float]:
    state, scales = optimizer.init(params()), []
    for loss in losses:
        state = optimizer.observe(state, loss)
        scales.append(optimizer.current_learning_rate(state))
    return scales


def test_plateau_reduces_after_patience_and_rests_during_cooldown() -> None:
    plateau = optim.reduce_on_plateau(factor=0.5, patience=1, cooldown=2, minimum=0.2)
    losses = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1]
    assert observed(plateau, losses) == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_plateau_threshold_is_relative_and_works_below_zero() -> None:
    plateau = optim.reduce_on_plateau(factor=0.5, patience=0, threshold=0.1)
    assert observed(plateau, [1.0, 0.95, 0.8]) == [1.0, 0.5, 0.5]
    assert observed(plateau, [-1.0, -1.05, -1.2]) == [1.0, 0.5, 0.5]


def test_plateau_takes_nan_for_no_improvement() -> None:
    assert observed(optim.reduce_on_plateau(factor=0.5, patience=0), [1.0, float("nan"), 0.5]) == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(("cooldown", "patience"), [(0, 0), (0, 2), (3, 1)])
def test_plateau_is_pytorchs(cooldown: int, patience: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the other reference, is not installed")
    losses = np.random.default_rng(5).random(60) + np.linspace(2, 1, 60)
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.7, patience=patience, cooldown=cooldown, eps=0.0)
    expected = []
    for loss in losses:
        other.step(loss)
        expected.append(sgd.param_groups[0]["lr"])
    plateau = optim.reduce_on_plateau(factor=0.7, patience=patience, cooldown=cooldown)
    np.testing.assert_allclose(observed(plateau, losses.tolist()), expected)


def test_a_plateau_scales_what_its_chain_does() -> None:
    optimizer = optim.chain(optim.SGD(0.5), optim.reduce_on_plateau(factor=0.1, patience=0))
    state = optimizer.init(params())
    for loss in (1.0, 1.0):
        state = optimizer.observe(state, loss)
    updates, _ = optimizer.update(params(), state, params())
    np.testing.assert_allclose(updates["b"], -0.05 * params()["b"])
    assert optimizer.current_learning_rate(state) == pytest.approx(0.05)
    inside = optim.accumulate(2, optimizer)
    state = inside.observe(inside.observe(inside.init(params()), 1.0), 1.0)
    assert inside.current_learning_rate(state) == pytest.approx(0.05)


def test_a_chain_without_optimizer_has_no_learning_rate() -> None:
    clip = optim.chain(optim.clip_by_value(1.0))
    assert clip.current_learning_rate(clip.init(params())) is None


def test_chains_refuse_what_is_no_transformation() -> None:
    with pytest.raises(ArgumentError, match="takes transformations"):
        optim.chain(optim.Adam)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class": "Adamm"}, "no class of optimizers and schedules named 'Adamm'.* Did you mean 'Adam'"),
        ("Adam", "a configuration of optimizers and schedules is a dict"),
        ({"class": "SGD", "learning_rate": -1.0}, "do not make a SGD.* learning_rate must be a number"),
        ({"class": "chain"}, "do not make a chain"),
        ({"class": "Transformation"}, "named 'Transformation'"),
    ],
)
def test_damaged_configurations_are_explained(config: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        optim.from_config(config)


def test_own_transformations_are_found_by_name() -> None:
    @dataclasses.dataclass(frozen=True)
    class Doubling(optim.Transformation):
        factor: float = 2.0

        def update(self, grads: Any, state: Any, params: Any) -> Any:
            return tree.map(lambda gradient: self.factor * gradient, grads), state

    assert optim.from_config(Doubling(3.0).config()) == Doubling(3.0)
