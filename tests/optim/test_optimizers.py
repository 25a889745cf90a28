"""Every optimizer against its paper's formula, against PyTorch where that is installed, and against laws."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import twopass as tp
from optim.references import REFERENCES
from twopass import optim, tree
from twopass.errors import ArgumentError

STEPS = 50


def concrete(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield from concrete(subclass)
        if subclass.__module__.startswith("twopass.") and not subclass.__name__.startswith("_"):
            yield subclass


OPTIMIZERS = sorted(concrete(optim.Optimizer), key=lambda cls: cls.__name__)
CASES = [(cls, options) for cls in OPTIMIZERS for options in REFERENCES.get(cls.__name__, (None, []))[1]]
identified = pytest.mark.parametrize(("cls", "options"), CASES, ids=lambda value: getattr(value, "__name__", None))


def start(dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(0)
    return [
        {"weight": rng.normal(size=(3, 2)).astype(dtype), "bias": rng.normal(size=2).astype(dtype)},
        {},
        {"scale": np.array(1.5, dtype), "absent": None},
    ]


def gradients(dtype: Any = np.float64) -> list[Any]:
    """Gradients of several sizes; one element's are zero for ten steps."""
    rng = np.random.default_rng(1)
    found = []
    for step in range(STEPS):
        grads = tree.map(lambda p: np.asarray(rng.normal(size=p.shape) * 10.0 ** rng.integers(-3, 2), dtype), start())
        if step < 10:
            grads[0]["weight"][0, 0] = 0.0
        found.append(grads)
    return found


def walk(optimizer: Any, dtype: Any, steps: int = STEPS) -> list[Any]:
    params = start(dtype)
    state = optimizer.init(params)
    path = []
    for grads in gradients(dtype)[:steps]:
        updates, state = optimizer.update(grads, state, params)
        params = optim.apply_updates(params, updates)
        path.append(params)
    return path


def reference_path(formula: Callable[..., Any], options: dict[str, Any], element: int) -> list[float]:
    def at(tree_: Any) -> float:
        return float(np.concatenate([np.ravel(leaf) for leaf in tree.leaves(tree_)])[element])

    walker = formula(at(start()), **options)
    next(walker)
    return [walker.send(at(grads)) for grads in gradients()]


def flat(path: list[Any]) -> np.ndarray:
    return np.array([np.concatenate([np.ravel(leaf) for leaf in tree.leaves(params)]) for params in path])


def test_every_optimizer_has_a_reference() -> None:
    assert {cls.__name__ for cls in OPTIMIZERS} == set(REFERENCES)


@identified
def test_trajectory_is_the_papers(cls: Any, options: dict[str, Any]) -> None:
    path = flat(walk(cls(**options), np.float64))
    formula = REFERENCES[cls.__name__][0]
    expected = np.transpose([reference_path(formula, options, element) for element in range(path.shape[1])])
    np.testing.assert_allclose(path, expected, rtol=1e-13, atol=1e-13)


@identified
def test_float32_stays_float32_and_follows(cls: Any, options: dict[str, Any]) -> None:
    path = walk(cls(**options), np.float32)
    assert {leaf.dtype for params in path for leaf in tree.leaves(params)} == {np.dtype(np.float32)}
    # Where the centred variance is a difference of nearly equal numbers, float32 cannot follow closely.
    atol = 5e-2 if options.get("centered") else 2e-4
    np.testing.assert_allclose(flat(path), flat(walk(cls(**options), np.float64)), rtol=1e-4, atol=atol)


def torch_optimizer(torch: Any, cls: Any, options: dict[str, Any], parameters: list[Any]) -> Any:
    names = {"learning_rate": "lr", "epsilon": "eps", "decay": "alpha"}
    translated = {names.get(key, key): value for key, value in options.items() if not key.startswith("beta")}
    if "beta1" in options:
        translated["betas"] = (options["beta1"], options["beta2"])
    name = {"RMSProp": "RMSprop"}.get(cls.__name__, cls.__name__)
    return getattr(torch.optim, name)(parameters, **translated)


@pytest.fixture
def torch() -> Iterator[Any]:
    torch = pytest.importorskip("torch", reason="PyTorch, the other reference, is not installed")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # the dtype in which NAdam keeps its product of momenta
    yield torch
    torch.set_default_dtype(before)


@identified
def test_trajectory_is_pytorchs(cls: Any, options: dict[str, Any], torch: Any) -> None:
    if not hasattr(torch.optim, {"RMSProp": "RMSprop"}.get(cls.__name__, cls.__name__)):
        pytest.skip(f"PyTorch has no {cls.__name__}")
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in tree.leaves(start())]
    other = torch_optimizer(torch, cls, options, tensors)
    path = walk(cls(**options), np.float64)
    for grads, params in zip(gradients(), path, strict=True):
        for tensor, gradient in zip(tensors, tree.leaves(grads), strict=True):
            tensor.grad = torch.tensor(gradient)
        other.step()
        for tensor, leaf in zip(tensors, tree.leaves(params), strict=True):
            np.testing.assert_allclose(leaf, tensor.detach().numpy(), rtol=1e-13, atol=1e-13)


@identified
def test_zero_gradients_at_the_start_leave_the_parameters(cls: Any, options: dict[str, Any]) -> None:
    optimizer = cls(**{**options, "weight_decay": 0.0} if "weight_decay" in options else options)
    params = start()
    updates, _ = optimizer.update(tree.map(np.zeros_like, params), optimizer.init(params), params)
    assert all(np.all(leaf == 0) for leaf in tree.leaves(updates))


@identified
def test_structure_and_shapes_are_kept(cls: Any, options: dict[str, Any]) -> None:
    params, optimizer = start(), cls(**options)
    state = optimizer.init(params)
    updates, following = optimizer.update(gradients()[0], state, params)
    assert tree.structure(updates) == tree.structure(params)
    assert tree.structure(following) == tree.structure(state)
    for before, after in zip(tree.leaves(state), tree.leaves(following), strict=True):
        assert isinstance(before, np.ndarray)
        assert (np.shape(before), before.dtype) == (np.shape(after), after.dtype)


@identified
def test_update_changes_none_of_its_arguments(cls: Any, options: dict[str, Any]) -> None:
    params, optimizer = start(), cls(**options)
    state = optimizer.update(gradients()[0], optimizer.init(params), params)[1]
    arguments = (gradients()[1], state, params)
    before = copy.deepcopy(arguments)
    for leaf in tree.leaves(arguments):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    optimizer.update(*arguments)
    assert tree.structure(arguments) == tree.structure(before)
    for now, then in zip(tree.leaves(arguments), tree.leaves(before), strict=True):
        np.testing.assert_array_equal(now, then)


@identified
def test_a_restored_state_continues_with_the_same_bits(cls: Any, options: dict[str, Any]) -> None:
    optimizer, params = cls(**options), start(np.float32)
    state = optimizer.init(params)
    for step, grads in enumerate(gradients(np.float32)):
        if step == 20:
            state = tree.map(lambda leaf: np.frombuffer(leaf.tobytes(), leaf.dtype).reshape(leaf.shape), state)
            optimizer = optim.from_config(optimizer.config())
        updates, state = optimizer.update(grads, state, params)
        params = optim.apply_updates(params, updates)
    np.testing.assert_array_equal(flat([params]), flat(walk(cls(**options), np.float32)[-1:]))


@identified
def test_update_can_be_traced(cls: Any, options: dict[str, Any]) -> None:
    """The engine runs `update` on its own arrays, which refuse to become plain ones, and differentiates it."""
    optimizer, params = cls(**options), start()
    state = optimizer.init(params)
    for grads in gradients()[:3]:
        _, state = optimizer.update(grads, state, params)

    def moved(grads: Any, slots: Any, params: Any) -> Any:
        return optimizer.update(grads, {**state, **slots}, params)

    grads, slots = gradients()[11], {slot: state[slot] for slot in optimizer.slots}
    # The direction has no component in `grads`, so that the sign of Lion's update stays where it is.
    tangents = (tree.map(np.zeros_like, grads), tree.map(np.zeros_like, slots), tree.map(np.ones_like, params))
    out, change = tp.jvp(moved, (grads, slots, params), tangents)
    assert tree.structure(change) == tree.structure(out)
    shifted = optimizer.update(grads, state, tree.map(lambda p: p + 1.0, params))
    for leaf, base, moved_leaf in zip(*map(tree.leaves, (change[0], out[0], shifted[0])), strict=True):
        np.testing.assert_allclose(leaf, moved_leaf - base, atol=1e-12)


@identified
def test_a_schedule_is_called_with_the_number_of_updates_made(cls: Any, options: dict[str, Any]) -> None:
    seen = []

    def schedule(step: Any) -> float:
        seen.append(int(step))
        return options["learning_rate"]

    constant = walk(cls(**options), np.float32, steps=3)
    scheduled = walk(cls(**{**options, "learning_rate": schedule}), np.float32, steps=3)
    assert seen == [0, 1, 2]
    np.testing.assert_array_equal(flat(scheduled), flat(constant))


@identified
def test_learning_rate_can_be_read_and_replaced(cls: Any, options: dict[str, Any]) -> None:
    decaying = cls(**options).with_learning_rate(optim.schedules.step_decay(0.5, 0.1, every=2))
    params = start()
    state = decaying.init(params)
    rates = []
    for grads in gradients()[:4]:
        rates.append(decaying.current_learning_rate(state))
        _, state = decaying.update(grads, state, params)
    assert rates == [0.5, 0.5, 0.05, 0.05]


BAD = {
    "learning_rate": [0.0, -1.0, math.nan, math.inf, "0.1", True, None],
    "momentum": [-0.1, 1.0, math.nan],
    "decay": [-0.1, 1.0],
    "beta1": [-0.1, 1.0],
    "beta2": [-0.1, 1.0, 1.5],
    "epsilon": [0.0, -1e-8, math.inf],
    "weight_decay": [-1.0, math.nan],
    "momentum_decay": [-1.0],
    "nesterov": [1, "yes"],
    "centered": [0, None],
}
BAD_CASES = [
    (cls, options, name, value)
    for cls, options in ((cls, REFERENCES[cls.__name__][1][0]) for cls in OPTIMIZERS if cls.__name__ in REFERENCES)
    for name, value in itertools.chain.from_iterable(((n, v) for v in values) for n, values in BAD.items())
    if name in options
]


@pytest.mark.parametrize(("cls", "options", "name", "value"), BAD_CASES)
def test_bad_hyper_parameters_are_refused_by_name(cls: Any, options: Any, name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{cls.__name__}: {name} must be"):
        cls(**{**options, name: value})


def test_every_hyper_parameter_has_bad_values() -> None:
    assert {name for cls in OPTIMIZERS for name in REFERENCES[cls.__name__][1][0]} == set(BAD)


def test_numpy_scalars_become_python_numbers() -> None:
    optimizer = optim.Adam(np.float64(0.1), beta1=np.float32(0.5))
    assert [type(optimizer.learning_rate), type(optimizer.beta1)] == [float, float]


def test_a_centered_variance_never_becomes_negative() -> None:
    optimizer, params = optim.RMSProp(0.01, decay=0.5, centered=True), {"w": np.ones(100, np.float32)}
    grads = {"w": np.random.default_rng(0).normal(size=100).astype(np.float32)}
    state = optimizer.init(params)
    for _ in range(100):
        updates, state = optimizer.update(grads, state, params)
        assert np.isfinite(updates["w"]).all()


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ArgumentError, match="nesterov needs a momentum"):
        optim.SGD(0.1, nesterov=True)


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, bool])
def test_parameters_that_are_not_real_are_refused(dtype: Any) -> None:
    with pytest.raises(ArgumentError, match=r"params\[0\]\['w'\] has dtype"):
        optim.Adam().init([{"w": np.zeros(2, dtype)}])


def test_trees_that_differ_are_refused() -> None:
    optimizer, params = optim.Adam(), {"w": np.zeros(2)}
    with pytest.raises(ArgumentError, match="trees differ"):
        optimizer.update({"v": np.zeros(2)}, optimizer.init(params), params)


def test_a_plain_number_can_be_optimized() -> None:
    x, optimizer = 5.0, optim.Adam(0.1)
    state = optimizer.init(x)
    for _ in range(500):
        updates, state = optimizer.update(2.0 * (x - 3.0), state, x)
        x = optim.apply_updates(x, updates)
    assert x == pytest.approx(3.0, abs=1e-3)
