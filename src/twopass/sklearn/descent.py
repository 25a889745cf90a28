"""A fit step by step: what the stochastic solvers train on, with which program, and when they stop."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from twopass import nn, optim
from twopass.errors import ArgumentError, NotFiniteError, compose
from twopass.nn.types import Array
from twopass.sklearn.course import Course, Validation
from twopass.sklearn.network import Architecture
from twopass.sklearn.objectives import Objective
from twopass.sklearn.rows import SparseRows, is_sparse
from twopass.sklearn.solvers import Progress, Solver, with_learning_rate
from twopass.train import Callback, Partition, Run, State, TimeBudget, Trainer
from twopass.train.fitting import fit as run_fit
from twopass.train.programs import Programs
from twopass.train.samples import Samples

if TYPE_CHECKING:
    from twopass.sklearn.base import BaseMLP

__all__ = ["NOT_FINITE", "chosen_backend", "chosen_threads", "descend"]

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
#: Steps that NumPy makes in the time in which one program is compiled, or is read from the cache.
_STEPS_OF_A_PROGRAM = 60
#: Operations in the largest product of a step for which a second thread pays, also where other programs want it.
_WORTH_THREADS = 2e6
#: Steps of an epoch from which on a second thread is awake for so long that small steps gain by it, too.
_MANY_STEPS = 500


class _Parts(NamedTuple):
    """What a trainer is made of, and the programs that were compiled for it."""

    net: nn.Layer
    objective: Objective
    transformation: optim.Transformation
    programs: Programs


@functools.lru_cache(maxsize=32)
def _kept_parts(architecture: Architecture, objective: Objective, transformation: Any, *compiled_for: Any) -> _Parts:
    """The parts of estimators that are alike but for numbers: the folds of a search, and many of its candidates.

    Programs are found again by the identity of what they were compiled of, so those compile once.
    """
    return _Parts(architecture.trained, objective, transformation, Programs())


def _parts(*key: Any) -> _Parts:
    try:
        return _kept_parts(*key)
    except TypeError:  # something in it has no hash
        return _kept_parts.__wrapped__(*key)


def descend(
    estimator: BaseMLP,
    X: Any,
    y: Any,
    sample_weight: Any,
    incremental: bool,
    validation_data: Any,
    hooks: Sequence[Callback],
) -> None:
    """Fit by a stochastic solver; sets the attributes of the estimator."""
    transformation = estimator._transformation()
    if estimator.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    if not hasattr(estimator, "loss_curve_") or (estimator.best_loss_ is None) != estimator.early_stopping:
        estimator._begin_curves()  # the weights come from a fit of another kind
    weight = estimator._sample_weight(y, sample_weight)
    rows, validation = _split(estimator, X, y, sample_weight, validation_data)
    x = SparseRows(X) if is_sparse(X) else np.ascontiguousarray(X)
    if weight is not None:
        weight = np.ascontiguousarray(weight, X.dtype)
    samples = Samples(x, np.ascontiguousarray(estimator._target(y, X.dtype)), weight, rows)
    batch_size = _batch_size(estimator, len(samples))
    backend = chosen_backend(estimator, len(samples), batch_size, incremental)
    trainer = _make_trainer(
        estimator, transformation, incremental, X.dtype, backend, chosen_threads(estimator, len(samples), batch_size)
    )
    course = Course(estimator, validation, incremental)
    callbacks: list[Callback] = [course, *hooks, *_own_callbacks(estimator)]
    if estimator.max_time is not None:
        callbacks.append(TimeBudget(float(estimator.max_time)))
    run = Run(
        trainer=trainer,
        samples=samples,
        validation=None,
        batch_size=batch_size,
        shuffle=_Orders(len(samples), estimator._random_state) if estimator.shuffle else False,
        loss_function=trainer.loss,
        first_epoch=1,
        last_epoch=1 if incremental else int(estimator.max_iter),
    )
    estimator.n_iter_ = 0
    try:
        run_fit(run, callbacks)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    except NotFiniteError as error:
        raise ValueError(f"{NOT_FINITE} {error}") from error
    else:
        if course.diverged is not None:
            what = "Training has diverged, and ends with the weights of the best validation score"
            warnings.warn(f"{what}. {course.diverged}", ConvergenceWarning, stacklevel=4)
        elif not incremental and run.stop_reason is None:
            what = f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization"
            warnings.warn(f"{what} hasn't converged yet.", ConvergenceWarning, stacklevel=4)
    estimator._optimizer = Progress(transformation, trainer.state.optimizer)
    best = estimator.early_stopping and estimator._best_params is not None
    estimator._keep(estimator._best_params if best else trainer.params)


def _own_callbacks(estimator: BaseMLP) -> list[Callback]:
    found = list(() if estimator.callbacks is None else estimator.callbacks)
    for callback in found:
        if not isinstance(callback, Callback):
            what = f"callbacks holds {callback!r}, which is no twopass.train.Callback"
            raise ArgumentError(compose(what, instead="Set those of scikit-learn by set_callbacks."))
    return found


def _split(
    estimator: BaseMLP, X: Any, y: Any, sample_weight: Any, validation_data: Any
) -> tuple[Any, Validation | None]:
    """Which rows to train on, None for all; and what to validate on."""
    rows, validation = None, None
    if validation_data is not None:
        validation = _given_validation(estimator, validation_data, X.dtype)
    elif estimator.early_stopping:
        rows, held_out = train_test_split(
            np.arange(X.shape[0]),
            random_state=estimator._random_state,
            test_size=estimator.validation_fraction,
            stratify=estimator._strata(y),
        )
        if len(held_out) < 2:
            what = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            raise ValueError(what)
        weight = None if sample_weight is None else sample_weight[held_out]
        validation = estimator._validation(X[held_out], y[held_out], weight)
    if validation is not None:
        estimator.validation_scores_ = estimator.validation_scores_ or []
        estimator.validation_loss_curve_ = estimator.validation_loss_curve_ or []
    return rows, validation


def _given_validation(estimator: BaseMLP, data: Any, dtype: np.dtype[Any]) -> Validation:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        what = f"validation_data must be a tuple (X, y) or (X, y, sample_weight), not a {type(data).__name__}"
        raise ArgumentError(compose(what))
    X, y = estimator._validate_more(data[0], data[1], dtype)
    weight = _check_sample_weight(data[2], X) if len(data) == 3 and data[2] is not None else None
    return estimator._validation(X, y, weight)


def _batch_size(estimator: BaseMLP, n_samples: int) -> int:
    if isinstance(estimator.batch_size, str):
        return min(200, n_samples)
    if estimator.batch_size > n_samples:
        what = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        warnings.warn(what, stacklevel=5)
    return int(min(estimator.batch_size, n_samples))


def chosen_backend(estimator: BaseMLP, n_samples: int, batch_size: int, incremental: bool) -> str:
    """NumPy for fits of so few steps that compiling them would take longer; a function of the calls alone."""
    if estimator.backend != "auto":
        return str(estimator.backend)
    steps = math.ceil(n_samples / batch_size)
    programs = 1 + (n_samples % batch_size > 0)
    if incremental:
        shape, made = getattr(estimator, "_steps_made", (None, 0))
        made = made + steps if shape == (n_samples, batch_size) else steps
        estimator._steps_made = (n_samples, batch_size), made
    else:
        made = steps * estimator.max_iter
    return "auto" if made > programs * _STEPS_OF_A_PROGRAM else "numpy"


def chosen_threads(estimator: BaseMLP, n_samples: int, batch_size: int) -> int | None:
    """One for short epochs of small steps, else as many as the compiler finds to pay; the result is the same."""
    largest = max(weight.size for weight in estimator.coefs_)
    small = 2.0 * batch_size * largest < _WORTH_THREADS and n_samples < _MANY_STEPS * batch_size
    return 1 if estimator.threads is None and small else estimator.threads


def _make_trainer(
    estimator: BaseMLP, transformation: Any, incremental: bool, dtype: np.dtype[Any], backend: str, threads: int | None
) -> Trainer:
    """A trainer that goes on from the estimator's weights."""
    architecture = estimator._architecture
    parts = _parts(architecture, estimator._objective(), transformation, dtype, threads)
    seed = estimator._random_state.randint(2**31) + estimator.t_ if architecture.is_random else 0
    trainer = Trainer(
        parts.net,
        parts.objective,
        parts.transformation,
        seed=int(seed),
        dtype=dtype,
        backend=backend,
        threads=threads,
    )
    trainer.programs = parts.programs
    params = architecture.with_strength(estimator.alpha, estimator._params(), dtype)
    trainer.input_shape = (estimator.n_features_in_,)
    progress: Progress | None = getattr(estimator, "_optimizer", None)
    if incremental and progress is not None and progress.transformation == transformation:
        trainer.state = State(params, progress.state)
        return trainer
    trainer.state = State(params, transformation.init(Partition.of(parts.net, params).split(params)[0]))
    if isinstance(transformation, Solver):
        trainer.state = with_learning_rate(trainer.state, float(estimator.learning_rate_init))
    return trainer


class _Orders:
    """The orders of the epochs, as scikit-learn draws them: each shuffles the one before.

    An order is asked for more than once, and must then be the same.
    """

    def __init__(self, count: int, random_state: Any) -> None:
        self._order = np.arange(count)
        self._random_state = random_state
        self._epoch = 0

    def __call__(self, epoch: int) -> Array:
        while self._epoch < epoch:
            positions = np.arange(len(self._order))
            self._random_state.shuffle(positions)
            self._order = self._order[positions]
            self._epoch += 1
        return self._order
