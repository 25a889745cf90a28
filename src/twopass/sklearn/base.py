"""What the classifier and the regressor share: from their parameters to a trained network."""

from __future__ import annotations

import functools
import math
import os
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from twopass import nn, optim
from twopass.errors import ArgumentError, NotFiniteError, compose
from twopass.nn.types import Array
from twopass.sklearn import saving
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Course, Hooks, Validation
from twopass.sklearn.lbfgs import minimise
from twopass.sklearn.network import Architecture, Decayed, activate, frozen
from twopass.sklearn.objectives import Objective, make_objective
from twopass.sklearn.rows import SparseRows, blocks, is_sparse
from twopass.sklearn.solvers import AdamHat, Momentum, Progress, Solver, with_learning_rate
from twopass.train import Callback, Partition, Run, State, TimeBudget, Trainer
from twopass.train.fitting import fit as run_fit
from twopass.train.native import Programs
from twopass.train.samples import Samples
from twopass.train.sensitivity import input_gradients

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # pragma: no cover - older versions have no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing."""


__all__ = ["BaseMLP"]

#: Steps that NumPy makes in the time in which one program is compiled, or is read from the cache.
_STEPS_OF_A_PROGRAM = 60
#: Operations in the largest product of a step for which a second thread pays, also where other programs want it.
_WORTH_THREADS = 1e7


class _Parts(NamedTuple):
    """What a trainer is made of, and the programs that were compiled for it."""

    net: Decayed
    objective: Objective
    transformation: optim.Transformation
    programs: Programs


@functools.lru_cache(maxsize=32)
def _kept_parts(architecture: Architecture, objective: Objective, transformation: Any, *compiled_for: Any) -> _Parts:
    """The parts of estimators that are alike but for numbers: the folds of a search, and many of its candidates.

    Programs are found again by the identity of what they were compiled of, so those compile once.
    """
    return _Parts(Decayed(architecture.net), objective, transformation, Programs())


def _parts(*key: Any) -> _Parts:
    try:
        return _kept_parts(*key)
    except TypeError:  # something in it has no hash
        return _kept_parts.__wrapped__(*key)


class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators: see `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    # Lists and numbers, or None where they do not belong to the kind of the fit.
    loss_curve_: Any
    validation_scores_: Any
    validation_loss_curve_: Any
    best_loss_: Any
    best_validation_score_: Any

    # --- what the two say ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Inputs and targets, checked."""

    @abstractmethod
    def _target(self, y: Any, dtype: np.dtype[Any]) -> Array:
        """Checked targets as the loss takes them."""

    @abstractmethod
    def _loss_and_units(self) -> tuple[Any, int, str]:
        """What `make_objective` takes, the units of the last layer, and the activation of the output."""

    @abstractmethod
    def _of_outputs(self, outputs: Array) -> Any:
        """What `predict` gives, of the outputs of the network."""

    @abstractmethod
    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        """What `score` gives, of the outputs of the network."""

    def _sample_weight(self, y: Any, sample_weight: Any) -> Any:
        """Weights of the samples, those of their classes included."""
        return sample_weight

    def _strata(self, y: Any) -> Any:
        """What a validation set is stratified by; None for nothing."""
        return None

    # --- parameters ---------------------------------------------------------------------------------------------------

    def _hidden_layer_sizes(self) -> list[int]:
        if self.n_layers is not None or self.layer_width is not None:
            if tuple(np.atleast_1d(self.hidden_layer_sizes)) != (100,):
                what = "hidden_layer_sizes is given beside n_layers or layer_width"
                raise ArgumentError(compose(what, instead="Give one or the other."))
            return [100 if self.layer_width is None else int(self.layer_width)] * int(self.n_layers or 1)
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _make_architecture(self, n_features: int) -> Architecture:
        sizes = self._hidden_layer_sizes()
        _, units, _ = self._loss_and_units()
        activations = self._per_layer("activation", len(sizes))
        for activation in activations:
            nn.activations.get(activation)
        rates = self._per_layer("dropout", len(sizes))
        return Architecture((n_features, *sizes, units), activations, tuple(map(float, rates)), bool(self.batch_norm))

    def _per_layer(self, name: str, count: int) -> tuple[Any, ...]:
        """A parameter that is given once, or for each hidden layer."""
        value = getattr(self, name)
        if isinstance(value, (str, Real)) or callable(value):
            return (value,) * count
        if len(value) != count:
            what = f"{name} has {len(value)} entries, and there are {count} hidden layers"
            raise ArgumentError(compose(what, instead="Give one for all, or one for each."))
        return tuple(value)

    @property
    def _is_stochastic(self) -> bool:
        return not isinstance(self.solver, str) or self.solver != "lbfgs"

    def _check_solver(self) -> bool:
        if not self._is_stochastic:
            what = "partial_fit is only available for stochastic optimizers"
            raise AttributeError(f"{what}. {self.solver} is not stochastic.")
        return True

    def _transformation(self) -> optim.Transformation:
        if isinstance(self.solver, optim.Transformation):
            return self.solver
        if self.solver == "sgd":
            return Momentum(float(self.momentum), bool(self.nesterovs_momentum))
        return AdamHat(float(self.beta_1), float(self.beta_2), float(self.epsilon))

    def _objective(self, consistent: bool = False) -> Objective:
        loss, _, _ = self._loss_and_units()
        return make_objective(loss, self.n_outputs_, consistent)

    # --- parameters of the network ------------------------------------------------------------------------------------

    @property
    def _architecture(self) -> Architecture:
        """Of the weights that there are, whatever the parameters say of sizes meanwhile."""
        units = (self.coefs_[0].shape[0], *(weight.shape[1] for weight in self.coefs_))
        rates = tuple(map(float, self._per_layer("dropout", len(units) - 2)))
        return Architecture(units, self._per_layer("activation", len(units) - 2), rates, hasattr(self, "norms_"))

    def _params(self) -> list[Any]:
        """The tree of the network's parameters, of the attributes that the user sees."""
        return self._architecture.params(self.coefs_, self.intercepts_, getattr(self, "norms_", ()))

    def _attributes(self, params: Any) -> dict[str, Any]:
        """The attributes for the tree of the network's parameters."""
        coefs, intercepts, norms = self._architecture.lists(params["net"])
        return {"coefs_": coefs, "intercepts_": intercepts, **({"norms_": norms} if norms else {})}

    def _keep(self, params: Any) -> None:
        for name, value in self._attributes(params).items():
            setattr(self, name, value)

    def _initialize(self, architecture: Architecture, dtype: np.dtype[Any]) -> None:
        """Attributes before the first epoch, initial weights included."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(architecture.units)
        self.out_activation_ = self._loss_and_units()[2]
        self.coefs_, self.intercepts_ = architecture.draw(self._random_state, dtype)
        self.__dict__.pop("norms_", None)
        if self.batch_norm:
            self.norms_ = architecture.initial_norms(dtype)
        if self._is_stochastic:
            self._begin_curves()

    def _begin_curves(self) -> None:
        """What the stochastic solvers keep from epoch to epoch, before the first one."""
        self.loss_curve_ = []
        self._best_params: Any = None
        self._no_improvement_count = 0
        self.validation_scores_ = None
        self.validation_loss_curve_ = None
        self.best_loss_ = None if self.early_stopping else np.inf
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    # --- fit ----------------------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Any:
        """Fit the model to data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs. A float32 array is computed with, and kept, in float32; all others in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: classes, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            What to validate on after each epoch. With `early_stopping` it takes the place of the samples that would
            be held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that cannot be learned from, and when the weights cease to be finite.
        """
        return self._fit(X, y, sample_weight, False, validation_data)

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any = None) -> Any:
        self._hidden_layer_sizes()  # so that a mistake there is told first
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        context = self._callback_context(X, y, sample_weight, incremental)
        given = X, y
        X, y = self._validate_input(X, y, incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        architecture = self._make_architecture(X.shape[1])
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(architecture, X.dtype)
        if self._is_stochastic:
            hooks = [] if context is None else [Hooks(self, context, self._hook_data(*given, sample_weight))]
            self._fit_stochastic(X, y, sample_weight, incremental, validation_data, hooks)
        else:
            self._fit_lbfgs(X, y, sample_weight)
        if not all(np.isfinite(values).all() for values in (*self.coefs_, *self.intercepts_)):
            raise ValueError(_NOT_FINITE)
        if context is not None:
            data = self._hook_data(*given, sample_weight)
            context.call_on_fit_task_end(estimator=self, **data, reconstruction_attributes={})
        return self

    def _callback_context(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Any:
        """The context of scikit-learn's callbacks; None if there are none."""
        if incremental or not hasattr(self, "_init_callback_context"):
            return None
        context = self._init_callback_context(max_subtasks=self.max_iter if self._is_stochastic else 0)
        if not getattr(self, "_skl_callbacks", None):
            return None
        context.call_on_fit_task_begin(estimator=self, **self._hook_data(X, y, sample_weight))
        return context

    @staticmethod
    def _hook_data(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        return {"X": X, "y": y, "metadata": {} if sample_weight is None else {"sample_weight": sample_weight}}

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any, hooks: Sequence[Callback]
    ) -> None:
        transformation = self._transformation()
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if not hasattr(self, "loss_curve_") or (self.best_loss_ is None) != self.early_stopping:
            self._begin_curves()  # the weights come from a fit of another kind
        weight = self._sample_weight(y, sample_weight)
        rows, validation = self._split(X, y, sample_weight, validation_data)
        x = SparseRows(X) if is_sparse(X) else np.ascontiguousarray(X)
        if weight is not None:
            weight = np.ascontiguousarray(weight, X.dtype)
        samples = Samples(x, np.ascontiguousarray(self._target(y, X.dtype)), weight, rows)
        batch_size = self._batch_size(len(samples))
        backend = self._chosen_backend(len(samples), batch_size, incremental)
        trainer = self._trainer(transformation, incremental, X.dtype, backend, self._chosen_threads(batch_size))
        course = Course(self, validation, incremental)
        callbacks: list[Callback] = [course, *hooks, *self._own_callbacks()]
        if self.max_time is not None:
            callbacks.append(TimeBudget(float(self.max_time)))
        run = Run(
            trainer=trainer,
            samples=samples,
            validation=None,
            batch_size=batch_size,
            shuffle=_Orders(len(samples), self._random_state) if self.shuffle else False,
            loss_function=trainer.loss,
            first_epoch=1,
            last_epoch=1 if incremental else int(self.max_iter),
        )
        self.n_iter_ = 0
        try:
            run_fit(run, callbacks)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except NotFiniteError as error:
            raise ValueError(f"{_NOT_FINITE} {error}") from error
        else:
            if course.diverged is not None:
                what = "Training has diverged, and ends with the weights of the best validation score"
                warnings.warn(f"{what}. {course.diverged}", ConvergenceWarning, stacklevel=4)
            elif not incremental and run.stop_reason is None:
                what = f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization"
                warnings.warn(f"{what} hasn't converged yet.", ConvergenceWarning, stacklevel=4)
        self._optimizer = Progress(transformation, trainer.state.optimizer)
        best = self.early_stopping and self._best_params is not None
        self._keep(self._best_params if best else trainer.params)

    def _own_callbacks(self) -> list[Callback]:
        found = list(() if self.callbacks is None else self.callbacks)
        for callback in found:
            if not isinstance(callback, Callback):
                what = f"callbacks holds {callback!r}, which is no twopass.train.Callback"
                raise ArgumentError(compose(what, instead="Set those of scikit-learn by set_callbacks."))
        return found

    def _split(self, X: Any, y: Any, sample_weight: Any, validation_data: Any) -> tuple[Any, Validation | None]:
        """Which rows to train on, None for all; and what to validate on."""
        rows, validation = None, None
        if validation_data is not None:
            validation = self._given_validation(validation_data, X.dtype)
        elif self.early_stopping:
            rows, held_out = train_test_split(
                np.arange(X.shape[0]),
                random_state=self._random_state,
                test_size=self.validation_fraction,
                stratify=self._strata(y),
            )
            if len(held_out) < 2:
                what = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
                raise ValueError(what)
            weight = None if sample_weight is None else sample_weight[held_out]
            validation = self._validation(X[held_out], y[held_out], weight)
        if validation is not None:
            self.validation_scores_ = self.validation_scores_ or []
            self.validation_loss_curve_ = self.validation_loss_curve_ or []
        return rows, validation

    def _given_validation(self, data: Any, dtype: np.dtype[Any]) -> Validation:
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            what = f"validation_data must be a tuple (X, y) or (X, y, sample_weight), not a {type(data).__name__}"
            raise ArgumentError(compose(what))
        X, y = self._validate_more(data[0], data[1], dtype)
        weight = _check_sample_weight(data[2], X) if len(data) == 3 and data[2] is not None else None
        return self._validation(X, y, weight)

    @abstractmethod
    def _validate_more(self, X: Any, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        """Inputs and targets that have to fit to those that were learned from, checked."""

    def _validation(self, X: Any, y: Any, weight: Any) -> Validation:
        return Validation(X, self._truth(y), self._target(y, X.dtype), weight)

    def _truth(self, y: Any) -> Any:
        """Checked targets as `predict` gives them."""
        return y

    def _scorer(self, validation: Validation) -> float:
        """What the metric of the parameter `scoring` says of the current weights."""
        scorer = self.scoring if callable(self.scoring) else check_scoring(self, self.scoring)
        names = {} if validation.weight is None else {"sample_weight": validation.weight}
        with warnings.catch_warnings():
            # The names of the columns were checked with the data, and are gone.
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            return float(scorer(self, validation.x, validation.truth, **names))

    def _batch_size(self, n_samples: int) -> int:
        if isinstance(self.batch_size, str):
            return min(200, n_samples)
        if self.batch_size > n_samples:
            what = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            warnings.warn(what, stacklevel=5)
        return int(min(self.batch_size, n_samples))

    def _chosen_backend(self, n_samples: int, batch_size: int, incremental: bool) -> str:
        """NumPy for fits of so few steps that compiling them would take longer; a function of the calls alone."""
        if self.backend != "auto":
            return str(self.backend)
        steps = math.ceil(n_samples / batch_size)
        programs = 1 + (n_samples % batch_size > 0)
        if incremental:
            shape, made = getattr(self, "_steps_made", (None, 0))
            made = made + steps if shape == (n_samples, batch_size) else steps
            self._steps_made = (n_samples, batch_size), made
        else:
            made = steps * self.max_iter
        return "auto" if made > programs * _STEPS_OF_A_PROGRAM else "numpy"

    def _chosen_threads(self, batch_size: int) -> int | None:
        """One for small steps, else as many as the compiler finds to pay; the result is the same."""
        largest = max(weight.size for weight in self.coefs_)
        return 1 if self.threads is None and 2.0 * batch_size * largest < _WORTH_THREADS else self.threads

    def _trainer(
        self, transformation: Any, incremental: bool, dtype: np.dtype[Any], backend: str, threads: int | None
    ) -> Trainer:
        """A trainer that goes on from the estimator's weights."""
        architecture = self._architecture
        parts = _parts(architecture, self._objective(), transformation, dtype, threads)
        seed = self._random_state.randint(2**31) + self.t_ if architecture.is_random else 0
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
        params = frozen({"alpha": np.array(self.alpha), "net": self._params()}, dtype)
        trainer.input_shape = (architecture.units[0],)
        progress: Progress | None = getattr(self, "_optimizer", None)
        if incremental and progress is not None and progress.transformation == transformation:
            trainer.state = State(params, progress.state)
            return trainer
        trainer.state = State(params, transformation.init(Partition.of(parts.net, params).split(params)[0]))
        if isinstance(transformation, Solver):
            trainer.state = with_learning_rate(trainer.state, float(self.learning_rate_init))
        return trainer

    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any) -> None:
        architecture = self._architecture
        if architecture.is_random or self.batch_norm:
            what = "solver='lbfgs' compares the loss from step to step, and dropout and batch_norm change it"
            raise ArgumentError(compose(what, instead="Use solver='adam', or neither of the two."))
        weight = self._sample_weight(y, sample_weight)
        x = SparseRows(X) if is_sparse(X) else np.ascontiguousarray(X)
        target = np.ascontiguousarray(self._target(y, X.dtype))
        samples = Samples(x, target, None if weight is None else np.ascontiguousarray(weight, X.dtype))
        params = frozen({"alpha": np.array(self.alpha), "net": self._params()}, X.dtype)
        found = minimise(self, Decayed(architecture.net), self._objective(consistent=True), params, samples)
        self._keep(found)

    # --- prediction ---------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """What the network gives for inputs of the user."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        net, params = self._architecture.net, self._params()
        widest = max(self._architecture.units[1:])
        return np.concatenate([net(params, rows) for rows in blocks(X, widest)])

    def _shown(self, outputs: Any) -> Any:
        """The columns that `gradient` differentiates."""
        return activate(self.out_activation_, outputs)

    def hidden_activations(self, X: Any) -> list[Array]:
        """The output of each hidden layer, after its activation.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        list of array of shape (n_samples, n_units)
            One for each hidden layer.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        architecture, params = self._architecture, self._params()
        parts = [architecture.hidden(params, rows) for rows in blocks(X, max(architecture.units))]
        return [np.concatenate(layer) for layer in zip(*parts, strict=True)]

    def gradient(self, X: Any) -> Array:
        """The derivative of the output with respect to the input: what an output owes to each feature.

        The output is the prediction of a regressor, or each of its quantiles; the probabilities of a classifier, of the
        second class if there are two.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_features), or (n_samples, n_outputs, n_features) for several outputs
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False, dtype=(np.float64, np.float32))
        net, params = self._architecture.net, self._params()
        widest = max(self._architecture.units)
        parts = [input_gradients(lambda x: self._shown(net(params, x)), rows) for rows in blocks(X, widest)]
        found = np.concatenate(parts)
        return found[:, 0] if found.shape[1] == 1 else found

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a folder of safetensors and JSON, from which `load` reads it without pickle.

        `twopass.Trainer.load`, and what else reads model folders, reads its network.

        Parameters
        ----------
        folder : path
            Created when it does not exist; a model that is there is replaced.

        Raises
        ------
        NotFittedError, ModelError
            When it is not fitted, or the folder cannot be written.
        """
        check_is_fitted(self)
        saving.save(self, folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **parameters: Any) -> Self:
        """The estimator that was saved.

        Parameters
        ----------
        folder : path
            As given to `save`.
        **parameters
            In the place of the saved ones; needed for an activation, a loss or an optimizer that is code. Without
            them, a scorer, callbacks or a random state that are objects are their defaults.

        Raises
        ------
        ModelError
            When the folder holds no such estimator, a damaged one, or one that needs what was not given.
        """
        return saving.load(cls, folder, parameters)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


_NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


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
