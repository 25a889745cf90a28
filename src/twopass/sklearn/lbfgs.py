"""Minimisation over all samples at once, by L-BFGS of SciPy."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

from twopass import nn, tree
from twopass.compiler import compile
from twopass.sklearn.entering import Entered, through_sparse
from twopass.sklearn.network import Architecture, Decayed
from twopass.sklearn.objectives import Objective
from twopass.sklearn.rows import SparseRows
from twopass.train import Partition
from twopass.train.samples import Samples
from twopass.train.step import make_gradient
from twopass.train.threads import blas_threads

if TYPE_CHECKING:
    from twopass.sklearn.base import BaseMLP

__all__ = ["minimise", "minimise_each"]

#: From here up to scikit-learn's wrapper of `fit`: a filter by ``module="sklearn"`` is meant for that.
_FRAMES = 6
#: Evaluations that NumPy makes in the time in which the gradient is compiled.
_FEW = 40


def minimise_each(
    estimator: BaseMLP, architecture: Architecture, objective: Objective, params: Any, samples: Samples
) -> Any:
    """The same of each member of an ensemble, one after the other: how far a step goes is decided for each.

    `loss_` is the mean of theirs, and `n_iter_` the largest.
    """
    net = Decayed(architecture.member)
    if architecture.n_members == 1:
        return minimise(estimator, net, objective, params, samples)
    found, losses, iterations = [], [], []
    for index in range(architecture.n_members):
        member = tree.map(lambda leaf, index=index: leaf[index], params)
        found.append(minimise(estimator, net, objective, member, samples))
        losses.append(estimator.loss_)
        iterations.append(estimator.n_iter_)
    estimator.loss_, estimator.n_iter_ = float(np.mean(losses)), max(iterations)
    return tree.map(lambda *leaves: np.stack(leaves), *found)


def minimise(estimator: BaseMLP, net: Decayed, objective: Objective, params: Any, samples: Samples) -> Any:
    """The parameters at which the objective of all samples is smallest; sets the estimator's `loss_` and `n_iter_`.

    Byrd, Lu, Nocedal and Zhu, A Limited Memory Algorithm for Bound Constrained Optimization (1995). The gradient is
    that of the loss that the line search sees, also for several outputs.
    """
    partition = Partition.of(net, params)
    sparse = isinstance(samples.x, SparseRows)
    if sparse:
        net = Entered.of(net)
    if estimator.backend == "llvm" or (estimator.backend == "auto" and estimator.max_iter > _FEW):
        gradient = _compiled_gradient(net, objective, partition, sparse, estimator.threads)
    else:
        gradient = make_gradient(net, objective, partition, sparse)
    if sparse:
        gradient = through_sparse(gradient)
    trainable, rest = partition.split(params)
    dtype = tree.leaves(trainable)[0].dtype

    def evaluate(packed: Any) -> tuple[float, Any]:
        at = _unpacked(packed, trainable, dtype)
        (value, _), slopes = gradient(at, rest, samples.x, samples.y, samples.weight, 0)
        return float(value), _packed(slopes)

    def show(intermediate_result: Any) -> None:
        show.iterations += 1  # type: ignore[attr-defined]
        print(f"Iteration {show.iterations}, loss = {intermediate_result.fun:.8f}")  # type: ignore[attr-defined]

    show.iterations = 0  # type: ignore[attr-defined]
    threads = blas_threads(estimator.threads, trainable, len(samples))
    with threads, np.errstate(over="ignore", invalid="ignore"):  # a step too far: the line search goes back
        result = scipy.optimize.minimize(
            evaluate,
            _packed(trainable),
            method="L-BFGS-B",
            jac=True,
            callback=show if estimator.verbose else None,
            options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
        )
    estimator.n_iter_ = min(int(result.nit), int(estimator.max_iter))
    estimator.loss_ = float(result.fun)
    if result.status != 0:
        message = result.message if isinstance(result.message, str) else result.message.decode("latin1")
        warnings.warn(_not_converged(estimator, result, message), ConvergenceWarning, stacklevel=_FRAMES)
    return partition.join(_unpacked(result.x, trainable, dtype), rest)


@functools.lru_cache(maxsize=32)
def _kept_gradient(
    net: nn.Layer, objective: Objective, partition: Partition, of_inputs: bool, threads: int | None
) -> Any:
    return compile(make_gradient(net, objective, partition, of_inputs), threads=threads)


def _compiled_gradient(*key: Any) -> Any:
    """The compiled gradient; the one of another estimator, if it is the same."""
    try:
        return _kept_gradient(*key)
    except TypeError:  # something in it has no hash
        return _kept_gradient.__wrapped__(*key)


def _not_converged(estimator: BaseMLP, result: Any, message: str) -> str:
    remedy = f"Increase the number of iterations (max_iter={estimator.max_iter})"
    if result.status == 1 and result.nit < estimator.max_iter:
        remedy = f"Increase the number of evaluations (max_fun={estimator.max_fun})"
    return (
        f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}):\n{message}\n\n"
        f"{remedy} to improve the convergence, or scale the data (sklearn.preprocessing.StandardScaler)."
    )


def _packed(parts: Any) -> Any:
    """One vector of all weights, then all biases, as scikit-learn orders them; then the vectors of categories."""
    return np.concatenate([np.ravel(owner[name]) for owner, name in _places(parts["net"])]).astype(np.float64)


def _unpacked(vector: Any, like: Any, dtype: np.dtype[Any]) -> Any:
    """The tree of which `_packed` makes the vector."""
    start, parts = 0, tree.map(lambda leaf: leaf, like)
    for owner, name in _places(parts["net"]):
        size = owner[name].size
        piece = vector[start : start + size].astype(dtype, copy=False)
        owner[name] = np.ascontiguousarray(piece).reshape(owner[name].shape)
        start += size
    return parts


def _places(layers: list[Any]) -> list[tuple[Any, str]]:
    """Where the arrays are: the dictionary, and the name in it."""
    dense = [layer for layer in layers if layer and isinstance(layer, dict)]
    tables = [table for layer in layers if isinstance(layer, list) for table in layer]
    return [(own, name) for name in ("weight", "bias") for own in dense] + [(own, "weight") for own in tables]
