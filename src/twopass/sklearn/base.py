"""What the classifier and the regressor share: from their parameters to a trained network."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from twopass import nn, optim
from twopass.data.vocabulary import automatic_size
from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array
from twopass.sklearn.categories import Categories, Encoded
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Hooks, Validation
from twopass.sklearn.descent import NOT_FINITE, descend
from twopass.sklearn.fitted import Fitted
from twopass.sklearn.lbfgs import minimise_each
from twopass.sklearn.network import Architecture
from twopass.sklearn.objectives import Objective, make_objective
from twopass.sklearn.rows import SparseRows, is_sparse
from twopass.sklearn.solvers import AdamHat, Momentum
from twopass.train.samples import Samples

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # pragma: no cover - older versions have no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing."""


__all__ = ["BaseMLP"]


class BaseMLP(CallbackSupportMixin, Fitted):
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
    def _loss_and_units(self) -> tuple[Any, int, Any]:
        """What `make_objective` takes, the units of the last layer, and the activation of the output."""

    @abstractmethod
    def _of_outputs(self, outputs: Array) -> Any:
        """What `predict` gives, of the outputs of the network."""

    @abstractmethod
    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        """What `score` gives, of the outputs of the network."""

    def _scaled(self, y: Any, sample_weight: Any, first: bool) -> Any:
        """Checked targets in the units of the loss; in a first fit, after these have been found."""
        return y

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
        rates = tuple(map(float, self._per_layer("dropout", len(sizes))))
        table, n_members = self._make_table(), int(self.n_members)
        inputs = n_features if table is None else table.output_shape((n_features,))[0]
        return Architecture((inputs, *sizes, units), activations, rates, bool(self.batch_norm), table, n_members)

    def _make_table(self) -> nn.EmbeddedColumns | None:
        """The layer that embeds the categories, with the sizes that the parameters say; None without categories."""
        if self.is_categorical_ is None:
            return None
        known = self.categories_
        sizes = [automatic_size(len(own)) for own in known]
        if not isinstance(self.embedding_size, str):
            sizes = np.ravel(self.embedding_size).tolist()
            sizes = sizes * len(known) if np.ndim(self.embedding_size) == 0 else sizes
            if len(sizes) != len(known):
                what = f"embedding_size has {len(sizes)} entries, and there are {len(known)} columns of categories"
                raise ArgumentError(compose(what, instead="Give one for all, or one for each."))
        return Categories.of(self).table(sizes)

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
        *members, inputs, _ = self.coefs_[0].shape
        units = (inputs, *(weight.shape[-1] for weight in self.coefs_))
        rates = tuple(map(float, self._per_layer("dropout", len(units) - 2)))
        vectors = getattr(self, "embeddings_", ())
        table = Categories.of(self).table([own.shape[-1] for own in vectors]) if vectors else None
        activations = self._per_layer("activation", len(units) - 2)
        return Architecture(units, activations, rates, hasattr(self, "norms_"), table, *members)

    def _params(self) -> list[Any]:
        """The tree of the network's parameters, of the attributes that the user sees."""
        norms, vectors = getattr(self, "norms_", ()), getattr(self, "embeddings_", ())
        return self._architecture.params(self.coefs_, self.intercepts_, norms, vectors)

    def _attributes(self, params: Any) -> dict[str, Any]:
        """The attributes for the tree of the network's parameters."""
        architecture = self._architecture
        coefs, intercepts, norms = architecture.lists(params["net"])
        vectors = architecture.vectors(params["net"])
        more = {"norms_": norms, "embeddings_": vectors}
        return {"coefs_": coefs, "intercepts_": intercepts, **{name: own for name, own in more.items() if own}}

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
        for name in ("norms_", "embeddings_", "_category_counts"):
            self.__dict__.pop(name, None)
        if self.batch_norm:
            self.norms_ = architecture.initial_norms(dtype)
        if architecture.table is not None:
            self.embeddings_ = architecture.draw_vectors(self._random_state, dtype)
            self._category_counts = [np.zeros(own.shape[-2], np.int64) for own in self.embeddings_]
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
        y = self._scaled(y, sample_weight, first)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        architecture = self._make_architecture(X.shape[1])
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(architecture, X.dtype)
        if self._is_stochastic:
            hooks = [] if context is None else [Hooks(self, context, self._hook_data(*given, sample_weight))]
            descend(self, X, y, sample_weight, incremental, validation_data, hooks)
        else:
            self._fit_lbfgs(X, y, sample_weight)
        if not all(np.isfinite(values).all() for values in (*self.coefs_, *self.intercepts_)):
            raise ValueError(NOT_FINITE)
        if isinstance(X, Encoded):
            self._fill_vectors(X)
        if context is not None:
            data = self._hook_data(*given, sample_weight)
            context.call_on_fit_task_end(estimator=self, **data, reconstruction_attributes={})
        return self

    def _fill_vectors(self, X: Encoded) -> None:
        """Give what no sample has had, such as a missing value, the mean vector of what the samples have had."""
        counts = Categories.of(self).counts(X)
        self._category_counts = [old + new for old, new in zip(self._category_counts, counts, strict=True)]
        for vectors, own in zip(self.embeddings_, self._category_counts, strict=True):
            mean = np.average(vectors, axis=-2, weights=own)
            vectors[..., own == 0, :] = mean[..., np.newaxis, :]

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

    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any) -> None:
        architecture = self._architecture
        if architecture.is_random or self.batch_norm:
            what = "solver='lbfgs' compares the loss from step to step, and dropout and batch_norm change it"
            raise ArgumentError(compose(what, instead="Use solver='adam', or neither of the two."))
        weight = self._sample_weight(y, sample_weight)
        x = SparseRows(X) if is_sparse(X) else np.ascontiguousarray(X)
        target = np.ascontiguousarray(self._target(y, X.dtype))
        samples = Samples(x, target, None if weight is None else np.ascontiguousarray(weight, X.dtype))
        params = architecture.with_strength(self.alpha, self._params(), X.dtype)
        self._keep(minimise_each(self, architecture, self._objective(consistent=True), params, samples))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.categorical_features is None or isinstance(self.categorical_features, str)
        return tags
