"""The classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_array, validate_data

from twopass import nn
from twopass.nn.types import Array
from twopass.sklearn.base import BaseMLP
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Validation
from twopass.sklearn.network import activate
from twopass.sklearn.objectives import BINARY, function_of

__all__ = ["MLPClassifier"]

_LOSSES = {"log_loss": None, "focal": nn.focal, "hinge": nn.hinge}


def _has_margins(estimator: MLPClassifier) -> bool:
    if not estimator._is_hinge:
        raise AttributeError("decision_function is there for loss='hinge'; use predict_proba.")
    return True


def _has_probabilities(estimator: MLPClassifier) -> bool:
    if estimator._is_hinge:
        raise AttributeError("loss='hinge' gives no probabilities; use decision_function.")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron for classification: scikit-learn's, compiled, and with more to choose from.

    With the same parameters and `random_state` it starts from the same weights as
    ``sklearn.neural_network.MLPClassifier``, takes the same batches, and arrives at the same network up to rounding.

    Parameters
    ----------
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
        Share of the samples that `early_stopping` holds out; stratified for two classes.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Of "adam".
    n_iter_no_change : int or inf, default 10
        Epochs without improvement that are tolerated.
    max_fun : int, default 15000
        Largest number of evaluations, for "lbfgs".
    loss : {"log_loss", "focal", "hinge"} or callable, default "log_loss"
        What is minimised: one of these, or a function of `twopass.nn.losses` (with parameters by
        ``functools.partial``), or one like them. With "focal" and "hinge" each of more than two classes is a question
        of its own; "hinge" gives no probabilities.
    dropout : float, or sequence of float for each hidden layer, default 0.0
        Share of the hidden units that a training step leaves out.
    batch_norm : bool, default False
        Whether to normalise each hidden layer over the batch, before its activation.
    class_weight : mapping, "balanced" or None, default None
        How much the samples of each class count; "balanced" is inversely proportional to their number.
    scoring : str, callable or None, default None
        The metric on the validation samples: accuracy by default, a name or a scorer of scikit-learn, or "loss" for
        the negative loss.
    max_time : float or None, default None
        Seconds after which the fit ends with the step it is in.
    callbacks : sequence of twopass.train.Callback or None, default None
        Called along with the training. (Scikit-learn's own are set by `set_callbacks`.)
    n_layers, layer_width : int or None, default None
        Number and width of equal hidden layers, in the place of `hidden_layer_sizes`: numbers that a search can vary.
    n_members : int, default 1
        Networks that are trained side by side, each as it would be alone; they differ in their initial weights and in
        what dropout leaves out. Predictions are the mean of theirs, and so is what is validated.
    backend : {"auto", "llvm", "numpy"}, default "auto"
        What computes the steps: machine code, or NumPy. "auto" takes NumPy for fits of few steps.
    threads : int or None, default None
        Threads of machine code; by default as many as pay. The result is the same.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes.
    coefs_, intercepts_ : list of array
        Weights ``(inputs, units)`` and biases ``(units,)`` of each layer; of several members, stacked along a new
        first axis.
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

    Notes
    -----
    Where a probability rounds to 0 or 1, scikit-learn clips it before it takes the logarithm. Here the loss is computed
    from the logits, and is right for those samples too.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> x, y = load_breast_cancer(return_X_y=True)
    >>> model = MLPClassifier((32, 32), dropout=0.2, early_stopping=True, scoring="roc_auc", random_state=0)
    >>> make_pipeline(StandardScaler(), model).fit(x, y).score(x, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss", "focal", "hinge"}), callable],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        dropout: Any = 0.0,
        batch_norm: bool = False,
        class_weight: Any = None,
        scoring: Any = None,
        max_time: float | None = None,
        callbacks: Any = None,
        n_layers: int | None = None,
        layer_width: int | None = None,
        n_members: int = 1,
        backend: str = "auto",
        threads: int | None = None,
    ) -> None:
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
        self.loss = loss
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.class_weight = class_weight
        self.scoring = scoring
        self.max_time = max_time
        self.callbacks = callbacks
        self.n_layers = n_layers
        self.layer_width = layer_width
        self.n_members = n_members
        self.backend = backend
        self.threads = threads

    # --- targets and loss ---------------------------------------------------------------------------------------------

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        y = _labels(y)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(y)
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, y: Any) -> None:
        """Raise for classes that the network has no outputs for; with warm_start also if some are missing."""
        found = unique_labels(y)
        if self.warm_start:
            if set(found) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {found}"
                )
        elif len(np.setdiff1d(found, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
            )

    def _validate_more(self, X: Any, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=dtype, reset=False)
        y = _labels(check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None))
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"validation_data has classes that are not in `y`: {unknown}.")
        if X.shape[0] != y.shape[0]:
            raise ValueError(f"validation_data has {X.shape[0]} rows in X and {y.shape[0]} in y.")
        return X, self._label_binarizer.transform(y).astype(bool)

    @property
    def _is_multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    @property
    def _loss_function(self) -> Any:
        """The loss as a function; None for the log-loss, which goes by the activation of the output."""
        return _LOSSES[self.loss] if isinstance(self.loss, str) else self.loss

    @property
    def _is_hinge(self) -> bool:
        return function_of(self._loss_function) is nn.hinge

    @property
    def _takes_classes(self) -> bool:
        """Whether the loss takes the number of the class, and not a yes or no for each."""
        return self._is_multiclass and function_of(self._loss_function) not in BINARY

    def _loss_and_units(self) -> tuple[Any, int, str]:
        activation = "identity" if self._is_hinge else "softmax" if self._takes_classes else "logistic"
        return self._loss_function or activation, self.n_outputs_, activation

    def _target(self, y: Any, dtype: np.dtype[Any]) -> Array:
        indicators: Array = y.toarray() if hasattr(y, "toarray") else y
        return indicators.argmax(axis=1) if self._takes_classes else indicators

    def _truth(self, y: Any) -> Any:
        return self._label_binarizer.inverse_transform(y)

    def _strata(self, y: Any) -> Any:
        return y if y.shape[1] == 1 else None

    def _sample_weight(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        truth = self._truth(y)
        if sample_weight is None:
            return compute_sample_weight(self.class_weight, truth)
        if self.class_weight == "balanced" and truth.ndim == 1:  # a sample of weight 2 counts as two of them
            classes, places = np.unique(truth, return_inverse=True)
            shares = np.bincount(places, sample_weight)
            return (np.sum(sample_weight) / (len(classes) * np.where(shares > 0, shares, 1)))[places] * sample_weight
        return compute_sample_weight(self.class_weight, truth) * sample_weight

    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        predicted = self._of_outputs(outputs)
        return float(accuracy_score(validation.truth, predicted, sample_weight=validation.weight))

    def _of_outputs(self, outputs: Array) -> Any:
        scores = activate(self.out_activation_, outputs)
        if self.n_outputs_ == 1:
            scores = scores.ravel()
        return self._label_binarizer.inverse_transform(scores, threshold=0.0 if self._is_hinge else 0.5)

    def _together(self, outputs: Any) -> Any:
        """The outputs of one network, whose probabilities are the mean of those of the members."""
        if outputs.ndim == 2 or not (self._is_multiclass and self.out_activation_ == "logistic"):
            return super()._together(outputs)
        # The probabilities of a member are its answers, divided by their sum: the mean is that of the quotients.
        answers = activate("logistic", outputs)
        limits = np.finfo(outputs.dtype)
        shares = answers / np.maximum(np.sum(answers, axis=-1, keepdims=True), limits.tiny)
        mean = np.clip(np.mean(shares, axis=1), limits.tiny, 1 - limits.epsneg)
        return np.log(mean) - np.log1p(-mean)

    # --- what users call ----------------------------------------------------------------------------------------------

    @available_if(BaseMLP._check_solver)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch on some samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.
        classes : array of shape (n_classes,), optional
            All classes that will ever be seen; needed in the first call.

        Returns
        -------
        self : object
            The estimator.
        """
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, True)

    def predict(self, X: Any) -> Any:
        """The most probable class of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples,), or (n_samples, n_classes) for several labels
        """
        return self._of_outputs(self._outputs(X))

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """The probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        return_std : bool, default False
            Whether to tell how far the members agree, too: the standard deviation of their probabilities.

        Returns
        -------
        probability : array of shape (n_samples, n_classes)
            Columns in the order of `classes_`. Of several members, the mean of their probabilities. With a binary loss
            and more than two classes, the answers of all classes, divided by their sum.
        std : array of shape (n_samples, n_classes)
            With `return_std`.

        Raises
        ------
        ArgumentError
            When `return_std` is asked of a single network.
        """
        outputs = self._outputs_of_all(X)
        mean = self._probabilities(self._together(outputs))
        if not return_std:
            return mean
        self._check_members(outputs)
        return mean, np.std(self._of_each(self._probabilities, outputs), axis=1)

    def predict_members(self, X: Any) -> Array:
        """The probabilities of each member, whose mean is what `predict_proba` gives.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_members, n_classes)
            With ``loss="hinge"``, what `decision_function` is the mean of.
        """
        return self._of_each(self._margins if self._is_hinge else self._probabilities, self._outputs_of_all(X))

    def _probabilities(self, outputs: Array) -> Array:
        """Outputs of the network as probabilities."""
        found: Array = activate(self.out_activation_, outputs)
        if self.n_outputs_ == 1:
            return np.concatenate([1 - found, found], axis=1)
        if self._is_multiclass and self.out_activation_ == "logistic":
            found = found / np.maximum(found.sum(axis=1, keepdims=True), np.finfo(found.dtype).tiny)
        return found

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    @available_if(_has_margins)
    def decision_function(self, X: Any) -> Array:
        """How far each sample is on the side of each class, for ``loss="hinge"``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        return self._margins(self._outputs(X))

    def _margins(self, outputs: Array) -> Array:
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _labels(y: Any) -> Any:
    """A column of classes as they are numbered by a LabelBinarizer."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
