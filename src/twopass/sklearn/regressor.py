"""The regressor."""

from __future__ import annotations

import functools
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array

from twopass import nn
from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array
from twopass.sklearn.base import BaseMLP
from twopass.sklearn.categories import RARE, checked
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Validation
from twopass.sklearn.network import activate
from twopass.sklearn.objectives import NUMBER_LOSSES

__all__ = ["MLPRegressor"]


def _has_quantiles(estimator: MLPRegressor) -> bool:
    if estimator._kind is not nn.pinball:
        raise AttributeError("predict_quantiles is there for loss='quantile'.")
    return True


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron for regression: scikit-learn's, compiled, and with more to choose from.

    With the same parameters and `random_state` it starts from the same weights as
    ``sklearn.neural_network.MLPRegressor``, takes the same batches, and arrives at the same network up to rounding.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll"} or callable
        What is minimised: half the squared error; the Poisson deviance, with the logarithm as its link; another loss of
        `twopass.nn.losses` ("pinball" is a synonym of "quantile"); or a function like them. Default "squared_error".
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : str, callable, or a sequence of those for each hidden layer, default "relu"
        ``"identity"``, ``"logistic"``, ``"tanh"``, ``"relu"``, another name of `twopass.nn.activations`, or a function
        of one array.
    solver : {"lbfgs", "sgd", "adam"} or Transformation, default "adam"
        L-BFGS over all samples; the stochastic solvers as scikit-learn has them; or any optimizer of `twopass.optim`,
        with its schedules, which then has its own learning rate.
    alpha : float, default 1e-4
        Strength of the L2 penalty, which is divided by the number of samples in the batch.
    batch_size : int or "auto", default "auto"
        Samples in a step; ``min(200, n_samples)`` for "auto".
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For ``solver="sgd"``: constant; ``learning_rate_init / (samples seen + 1) ** power_t``, renewed each epoch; or
        divided by 5 whenever training would stop, until it is 1e-6.
    learning_rate_init : float, default 1e-3
        The first learning rate, of "sgd" and "adam".
    power_t : float, default 0.5
        Exponent of "invscaling".
    max_iter : int, default 200
        Largest number of epochs; for "lbfgs", of iterations.
    shuffle : bool, default True
        Whether each epoch takes the samples in a new order.
    random_state : int, RandomState or None, default None
        Decides the initial weights, the validation set, the order of the samples, and dropout.
    tol : float, default 1e-4
        What counts as an improvement of loss or score.
    verbose : bool, default False
        Whether to print loss and score of each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the weights of the fit before.
    momentum : float, default 0.9
        In [0, 1], for "sgd".
    nesterovs_momentum : bool, default True
        Whether "sgd" looks ahead along the velocity.
    early_stopping : bool, default False
        Whether to validate after each epoch, to stop when the score has not improved by `tol` for more than
        `n_iter_no_change` epochs, and to return to the weights of the best one. Without it the training loss decides
        when to stop, and the last weights are kept.
    validation_fraction : float, default 0.1
        Share of the samples that `early_stopping` holds out.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Of "adam".
    n_iter_no_change : int or inf, default 10
        Epochs without improvement that are tolerated.
    max_fun : int, default 15000
        Largest number of evaluations, for "lbfgs".
    quantile : float or sequence of float, default 0.5
        What ``loss="quantile"`` predicts: one level in (0, 1), or several at once, each by an output of its own.
    dropout : float, or sequence of float for each hidden layer, default 0.0
        Share of the hidden units that a training step leaves out.
    batch_norm : bool, default False
        Whether to normalise each hidden layer over the batch, before its activation.
    scoring : str, callable or None, default None
        The metric on the validation samples: R² by default, a name or a scorer of scikit-learn, or "loss" for
        the negative loss.
    max_time : float or None, default None
        Seconds after which the fit ends with the step it is in.
    callbacks : sequence of twopass.train.Callback or None, default None
        Called along with the training. (Scikit-learn's own are set by `set_callbacks`.)
    n_layers, layer_width : int or None, default None
        Number and width of equal hidden layers, in the place of `hidden_layer_sizes`: numbers that a search can vary.
    categorical_features : "from_dtype", array-like of {bool, int, str}, or None, default None
        Which columns hold categories, text or numbers, whose vectors are learned (embeddings): names, positions or a
        mask; or those of a data frame that are text or of a categorical type. The other columns are numbers.
    embedding_size : "auto", int, or sequence of int for each of these columns, default "auto"
        Length of the vectors; "auto" is the fourth root of the number of categories, rounded up.
    n_members : int, default 1
        Networks that are trained side by side, each as it would be alone; they differ in their initial weights and in
        what dropout leaves out. Predictions are the mean of theirs, and so is what is validated.
    backend : {"auto", "llvm", "numpy"}, default "auto"
        What computes the steps: machine code, or NumPy. "auto" takes NumPy for fits of few steps.
    threads : int or None, default None
        Threads of machine code; by default as many as pay. The result is the same.

    Attributes
    ----------
    coefs_, intercepts_ : list of array
        Weights ``(inputs, units)`` and biases ``(units,)`` of each layer; of several members, stacked along a new
        first axis.
    categories_ : list of array
        With `categorical_features`: the sorted categories of each of these columns. What comes once in a fit is not
        among them: it is *other*, as what comes later and was not in the fit.
    embeddings_ : list of array of shape (n_categories + 2, embedding_size)
        With `categorical_features`: the vectors of the categories, of other ones, and of missing values; stacked as
        `coefs_` are.
    is_categorical_ : bool array of shape (n_features,) or None
        Which columns hold categories.
    norms_ : list of dict
        With `batch_norm`: ``scale``, ``shift``, ``mean`` and ``variance`` of each hidden layer.
    loss_, best_loss_ : float
        Training loss with the penalty, of the last epoch and of the best (None with early stopping).
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_scores_, validation_loss_curve_ : list of float or None
        Score and loss of each epoch on the validation samples.
    best_validation_score_ : float or None
        The best of the scores, with early stopping.
    n_iter_, t_ : int
        Epochs of the last fit, and samples that training has seen in all of them.
    n_layers_, n_outputs_, out_activation_
        Number of layers with inputs and outputs, number of outputs, name of the output's activation.
    n_features_in_, feature_names_in_
        Of the columns of X.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> x, y = make_regression(200, 4, noise=5.0, random_state=0)
    >>> y = y / y.std()
    >>> model = MLPRegressor(hidden_layer_sizes=20, solver="lbfgs", alpha=1.0, tol=1e-3, random_state=0).fit(x, y)
    >>> model.score(x, y) > 0.98
    True

    The middle and a band that should hold 80% of the targets:

    >>> levels = (0.1, 0.5, 0.9)
    >>> model = MLPRegressor("quantile", quantile=levels, learning_rate_init=0.01, tol=0.01, random_state=0).fit(x, y)
    >>> model.predict_quantiles(x).shape
    (200, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(NUMBER_LOSSES)), callable],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        quantile: Any = 0.5,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        scoring: Any = None,
        max_time: float | None = None,
        callbacks: Any = None,
        n_layers: int | None = None,
        layer_width: int | None = None,
        categorical_features: Any = None,
        embedding_size: Any = "auto",
        n_members: int = 1,
        backend: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.quantile = quantile
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.scoring = scoring
        self.max_time = max_time
        self.callbacks = callbacks
        self.n_layers = n_layers
        self.layer_width = layer_width
        self.categorical_features = categorical_features
        self.embedding_size = embedding_size
        self.n_members = n_members
        self.backend = backend
        self.threads = threads

    # --- targets and loss ---------------------------------------------------------------------------------------------

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        rare = 1 if incremental else RARE
        how = {"dtype": (np.float64, np.float32), "multi_output": True, "y_numeric": True}
        X, y = checked(self, X, y, reset=reset, rare=rare, **how)
        return X, self._checked_targets(y)

    def _validate_more(self, X: Any, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        X = checked(self, X, dtype=dtype)
        y = self._checked_targets(check_array(y, ensure_2d=False, dtype="numeric"))
        if y.shape[1:] != self._target_shape or len(y) != X.shape[0]:
            raise ValueError(f"validation_data has X of shape {X.shape} and y of shape {y.shape}, which do not fit.")
        return X, y

    def _checked_targets(self, y: Any) -> Any:
        y = y.toarray() if hasattr(y, "toarray") else y
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        if self._kind == "poisson" and (y < 0).any():
            raise ValueError(compose("loss='poisson' needs counts, and y has negative values"))
        if len(self._levels) > 1 and y.ndim > 1:
            what = f"several quantiles are predicted of one target, and y has {y.shape[1]} columns"
            raise ArgumentError(compose(what, instead="Fit one regressor for each column."))
        return y

    @property
    def _target_shape(self) -> tuple[int, ...]:
        return () if self.n_outputs_ == 1 else (self.n_outputs_,)

    @property
    def _kind(self) -> Any:
        """The loss without its parameters."""
        loss = NUMBER_LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
        return loss.func if isinstance(loss, functools.partial) else loss

    @property
    def _levels(self) -> tuple[float, ...]:
        """The quantiles, if the loss is that of quantiles."""
        if self._kind is not nn.pinball:
            return ()
        given = self.loss.keywords.get("quantile", 0.5) if isinstance(self.loss, functools.partial) else self.quantile
        levels = tuple(map(float, np.atleast_1d(given)))
        if not levels or not all(0 < level < 1 for level in levels):
            what = f"quantile must be one level in (0, 1) or several, not {given!r}"
            raise ArgumentError(compose(what, instead="Write quantile=(0.1, 0.5, 0.9)."))
        return levels

    def _loss_and_units(self) -> tuple[Any, int, str]:
        activation = "exp" if self._kind == "poisson" else "identity"
        if self._levels:
            levels = self._levels
            return ("quantile", levels), self.n_outputs_ * len(levels), activation
        loss = NUMBER_LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
        return loss, self.n_outputs_ * (2 if self._kind is nn.gaussian_nll else 1), activation

    def _target(self, y: Any, dtype: np.dtype[Any]) -> Array:
        target: Array = y.astype(dtype, copy=False)
        # What the losses of `twopass.nn` take: as many columns as outputs, or none.
        return target.reshape(-1, 1) if target.ndim == 1 and not self._levels else target

    def _shown(self, outputs: Any) -> Any:
        found = activate(self.out_activation_, outputs)
        return found[:, : self.n_outputs_] if self._kind is nn.gaussian_nll else found  # not the variances

    def _of_outputs(self, outputs: Array) -> Array:
        found: Array = self._shown(outputs)
        if len(self._levels) > 1:
            found = found[:, self._middle]
        return found.ravel() if found.ndim == 1 or found.shape[1] == 1 else found

    @property
    def _middle(self) -> int:
        """Which of the quantiles `predict` gives: the one nearest to the median."""
        return int(np.argmin(np.abs(np.array(self._levels) - 0.5)))

    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        predicted = self._of_outputs(outputs)
        if not np.isfinite(predicted).all():
            return float("nan")
        return float(r2_score(validation.truth, predicted, sample_weight=validation.weight))

    # --- what users call ----------------------------------------------------------------------------------------------

    @available_if(BaseMLP._check_solver)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on some samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.

        Returns
        -------
        self : object
            The estimator.
        """
        return self._fit(X, y, sample_weight, True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The prediction for each sample: the mean, the median or what the loss stands for.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        return_std : bool, default False
            Whether to tell how far to trust each prediction, too: the standard deviation of the predictions of the
            members; with ``loss="gaussian_nll"`` that of the target, which is the root of the mean of the variances
            that the members predict plus the variance of their means [1]_.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Of several members, the mean of their predictions. Of several quantiles, the one nearest to the median; of
            ``loss="gaussian_nll"``, the mean.
        std : array of the same shape
            With `return_std`.

        Raises
        ------
        ArgumentError
            When `return_std` is asked of a single network that predicts no variance.

        References
        ----------
        .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation
           using deep ensembles", NeurIPS 2017, section 2.4.
        """
        outputs = self._outputs_of_all(X)
        mean = self._of_outputs(self._together(outputs))
        return (mean, self._spread(outputs)) if return_std else mean

    def _spread(self, outputs: Array) -> Array:
        """The standard deviation of each prediction."""
        if self._kind is nn.gaussian_nll:
            spread: Array = np.exp(0.5 * self._together(outputs)[:, self.n_outputs_ :])
            return spread.ravel() if spread.shape[1] == 1 else spread
        self._check_members(outputs)
        return np.std(self._of_each(self._of_outputs, outputs), axis=1)

    def predict_members(self, X: Any) -> Array:
        """The predictions of each member, whose mean is what `predict` gives.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_members) or (n_samples, n_members, n_outputs)
        """
        return self._of_each(self._of_outputs, self._outputs_of_all(X))

    @available_if(_has_quantiles)
    def predict_quantiles(self, X: Any) -> Array:
        """All quantiles, for ``loss="quantile"``.

        Where the network has them cross, they are sorted, which never makes them worse: Chernozhukov, Fernández-Val and
        Galichon, Quantile and Probability Curves Without Crossing (2010).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_quantiles)
            In the order of the parameter `quantile`.
        """
        found, order = self._outputs(X), np.argsort(self._levels)
        sorted_levels = np.empty_like(found)
        sorted_levels[:, order] = np.sort(found, axis=1)
        return sorted_levels
