"""The objective of several targets: its parts, its gradient, and what it leaves out."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import twopass as tp
from twopass.sklearn.heads import ClassHead, NumberHead, joint_objective, outputs_of
from twopass.sklearn.objectives import CLASS_LOSSES, NUMBER_LOSSES

COUNT = 12


def column_of(head, rng):
    if isinstance(head, ClassHead):
        return rng.integers(0, head.n_classes, COUNT).astype(float)
    return rng.poisson(2.0, COUNT).astype(float) if head.activation == "exp" else rng.normal(size=COUNT)


def heads(**more):
    quantiles = functools.partial(tp.nn.pinball, quantile=(0.9, 0.1))
    return [
        *(ClassHead.of(loss, count, **more) for loss in CLASS_LOSSES for count in (1, 2, 3)),
        *(NumberHead.of(loss, **more) for loss in (*NUMBER_LOSSES, quantiles)),
    ]


def example(parts, seed=0):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(COUNT, sum(head.units for head in parts)))
    return outputs, np.stack([column_of(head, rng) for head in parts], axis=1), rng


def test_the_objective_is_the_weighted_sum_of_those_of_the_heads():
    parts = [ClassHead.of("log_loss", 3, weight=2.0), NumberHead.of("huber", weight=0.5), ClassHead.of("focal", 2)]
    outputs, target, _ = example(parts)
    first, second, third = outputs_of(parts, outputs)
    by_hand = (
        2.0 * tp.nn.softmax_cross_entropy(first, target[:, 0].astype(int))
        + 0.5 * tp.nn.huber(second, target[:, 1])
        + tp.nn.focal(third, target[:, 2])
    )
    np.testing.assert_allclose(joint_objective(tuple(parts))(outputs, target), by_hand, rtol=1e-14)


@pytest.mark.parametrize("is_partial", [False, True])
def test_its_gradient_is_right(is_partial):
    parts = heads(weight=0.7, is_partial=is_partial)
    outputs, target, rng = example(parts)
    if is_partial:
        for place, head in enumerate(parts):
            target[rng.uniform(size=COUNT) < 0.4, place] = -1 if isinstance(head, ClassHead) else np.nan
    weight = rng.uniform(0.5, 2, (COUNT, 1 + len(parts)))
    objective = joint_objective(tuple(parts))
    params = {"alpha": np.array(0.1), "net": [{"weight": rng.normal(size=(3, 2))}]}

    def descended(outputs, weight):
        return objective.objective(outputs, target, weight, params)[0]

    for own in (None, weight[:, 0], weight):
        tp.check_grads(lambda outputs, own=own: descended(outputs, own), (outputs,), order=1)


@pytest.mark.parametrize("head", heads(is_partial=True), ids=lambda head: f"{head.activation}-{head.units}")
def test_what_is_unknown_is_as_if_it_were_not_there(head):
    outputs, target, rng = example([head])
    known = np.arange(COUNT) % 3 > 0
    target[~known] = -1 if isinstance(head, ClassHead) else np.nan
    objective = joint_objective((head,))
    np.testing.assert_allclose(objective(outputs, target), objective(outputs[known], target[known]), rtol=1e-13)
    weight = rng.uniform(size=COUNT)
    found = objective(outputs, target, sample_weight=weight)
    np.testing.assert_allclose(found, objective(outputs[known], target[known], sample_weight=weight[known]), rtol=1e-13)
    slope = tp.grad(lambda outputs: objective(outputs, target))(outputs)
    assert (slope[~known] == 0).all() and np.isfinite(slope).all()


def test_a_batch_of_which_nothing_is_known_changes_nothing():
    parts = tuple(heads(is_partial=True))
    outputs, target, _ = example(parts)
    target[:] = [-1 if isinstance(head, ClassHead) else np.nan for head in parts]
    objective = joint_objective(parts)
    assert objective(outputs, target) == 0
    assert (tp.grad(lambda outputs: objective(outputs, target))(outputs) == 0).all()


def test_equal_heads_have_one_objective():
    def made():
        return joint_objective(tuple(heads(weight=1.5)))

    assert made() is made()
    assert made() is not joint_objective(tuple(heads(weight=2.5)))


def test_the_whole_step_is_compiled():
    """No call is left to NumPy, whatever the losses and the weights."""
    for parts in (heads(), heads(is_partial=True)):
        outputs, target, rng = example(parts)
        for weight in (None, rng.uniform(size=(COUNT, 1 + len(parts)))):
            params = {"alpha": np.array(0.1), "net": []}
            objective = joint_objective(tuple(parts))

            def slope(outputs, target, weight, objective=objective, params=params):
                return tp.grad(lambda outputs: objective.objective(outputs, target, weight, params)[0])(outputs)

            compiled = tp.compile(slope)
            np.testing.assert_allclose(
                compiled(outputs, target, weight), slope(outputs, target, weight), rtol=1e-10, atol=1e-14
            )
            assert "nothing is left to NumPy" in compiled.explain()
