"""The classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_array

from twopass import nn
from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array
from twopass.sklearn.base import BaseMLP
from twopass.sklearn.categories import RARE, checked
from twopass.sklearn.classes import class_numbers, distinct_labels, stacked, weighted_classes, weights_of_columns
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Validation
from twopass.sklearn.heads import ClassHead, gradients, joint_objective, outputs_of, shown, together
from twopass.sklearn.network import activate, mean_of_questions
from twopass.sklearn.objectives import BINARY, CLASS_LOSSES, Objective, function_of

__all__ = ["MLPClassifier"]


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

    Several targets, of several classes each, are learned together: y of shape (n_samples, n_targets). Their losses add
    up. (Columns of yes and no alone are labels, as in scikit-learn.)

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
    class_weight : mapping, list of mapping, "balanced" or None, default None
        How much the samples of each class count; "balanced" is inversely proportional to their number. Of several
        targets a list: each weighs the classes in the loss of its target.
    scoring : str, callable or None, default None
        The metric on the validation samples: accuracy by default (the mean of those of several targets), a name or a
        scorer of scikit-learn, or "loss" for the negative loss.
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
    classes_ : array of shape (n_classes,), or list of those
        The classes, of each target if there are several.
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
        Number of layers with inputs and outputs, number of outputs, name of the output's activation. Of several targets
        their number, and a list of names.
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
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
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
        categorical_features: Any = None,
        embedding_size: Any = "auto",
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
        self.categorical_features = categorical_features
        self.embedding_size = embedding_size
        self.n_members = n_members
        self.backend = backend
        self.threads = threads

    # --- targets and loss ---------------------------------------------------------------------------------------------

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        rare = 1 if incremental else RARE
        how = {"dtype": (np.float64, np.float32), "multi_output": True}
        X, y = checked(self, X, y, reset=reset, rare=rare, **how)
        y = _labels(y)
        fresh = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        if _has_several_columns(y) if fresh else self._is_joint:
            return X, self._several_numbers(y, fresh)
        if fresh:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif _has_several_columns(y):
            what = f"y has {y.shape[1]} columns of classes, and the network was made for one target"
            raise ArgumentError(compose(what, instead="Begin with partial_fit(X, y, classes=[...]), a list for each."))
        else:
            self._check_classes(y)
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, y: Any) -> None:
        """Raise for classes that the network has no outputs for; with warm_start also if some are missing."""
        self._compare_classes("y", unique_labels(y), self.classes_)

    def _compare_classes(self, name: str, found: Array, known: Array) -> None:
        if self.warm_start:
            if set(found) != set(known):
                raise ValueError(
                    f"warm_start can only be used where `{name}` has the same classes as in the previous call to fit. "
                    f"Previously got {known}, `{name}` has {found}"
                )
        elif len(np.setdiff1d(found, known, assume_unique=True)):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {known}. '{name}' has {found}."
            )

    def _several_numbers(self, y: Any, fresh: bool) -> Array:
        """Several columns of classes as the numbers of the classes."""
        names = [f"y[:, {place}]" for place in range(y.shape[-1])]
        if fresh:
            self.classes_ = [distinct_labels(column, name) for column, name in zip(y.T, names, strict=True)]
        else:
            self._check_columns(y)
            for name, column, known in zip(names, y.T, self.classes_, strict=True):
                self._compare_classes(name, distinct_labels(column, name), known)
        return _numbers_of(y, self.classes_)

    def _check_columns(self, y: Any) -> None:
        if y.ndim != 2 or y.shape[1] != len(self.classes_):
            raise ValueError(f"y has the shape {y.shape}, and the network answers for {len(self.classes_)} columns.")

    def _validate_more(self, X: Any, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        X = checked(self, X, dtype=dtype)
        y = _labels(check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None))
        if X.shape[0] != y.shape[0]:
            raise ValueError(f"validation_data has {X.shape[0]} rows in X and {y.shape[0]} in y.")
        if self._is_joint:
            self._check_columns(y)
            if ((numbers := _numbers_of(y, self.classes_)) < 0).any():
                unknown = np.unique(y[numbers < 0].astype(str))
                raise ValueError(f"validation_data has classes that are not in `y`: {unknown}.")
            return X, numbers
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"validation_data has classes that are not in `y`: {unknown}.")
        return X, self._label_binarizer.transform(y).astype(bool)

    @property
    def _is_joint(self) -> bool:
        """Whether there are several targets, of several classes each."""
        return isinstance(getattr(self, "classes_", None), list)

    def _heads(self) -> tuple[ClassHead, ...]:
        return tuple(ClassHead.of(self.loss, len(classes)) for classes in self.classes_)

    @property
    def _is_multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    @property
    def _loss_function(self) -> Any:
        """The loss as a function; None for the log-loss, which goes by the activation of the output."""
        return CLASS_LOSSES[self.loss] if isinstance(self.loss, str) else self.loss

    @property
    def _is_hinge(self) -> bool:
        return function_of(self._loss_function) is nn.hinge

    @property
    def _takes_classes(self) -> bool:
        """Whether the loss takes the number of the class, and not a yes or no for each."""
        return self._is_multiclass and function_of(self._loss_function) not in BINARY

    def _objective(self, consistent: bool = False) -> Objective:
        return joint_objective(self._heads()) if self._is_joint else super()._objective(consistent)

    def _loss_and_units(self) -> tuple[Any, int, Any]:
        if self._is_joint:
            return None, sum(head.units for head in self._heads()), [head.activation for head in self._heads()]
        activation = "identity" if self._is_hinge else "softmax" if self._takes_classes else "logistic"
        return self._loss_function or activation, self.n_outputs_, activation

    def _target(self, y: Any, dtype: np.dtype[Any]) -> Array:
        if self._is_joint:
            numbers: Array = y
            return numbers
        indicators: Array = y.toarray() if hasattr(y, "toarray") else y
        return indicators.argmax(axis=1) if self._takes_classes else indicators

    def _truth(self, y: Any) -> Any:
        if self._is_joint:
            return stacked([classes[numbers] for classes, numbers in zip(self.classes_, y.T, strict=True)])
        return self._label_binarizer.inverse_transform(y)

    def _strata(self, y: Any) -> Any:
        return y if y.shape[1] == 1 and not self._is_joint else None

    def _sample_weight(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        if self._is_joint:
            return weights_of_columns(self._class_weights(), y, self.classes_, sample_weight)
        truth = self._truth(y)
        if isinstance(self.class_weight, list) and truth.ndim == 1:
            what = "class_weight is a list, and there is one target"
            raise ArgumentError(compose(what, instead="Give a mapping from its classes to their weights."))
        return weighted_classes(self.class_weight, truth, sample_weight)

    def _class_weights(self) -> list[Any]:
        """The class weights of several targets."""
        given, count = self.class_weight, len(self.classes_)
        if isinstance(given, str):
            return [given] * count
        if isinstance(given, list) and len(given) == count:
            return given
        what = f"class_weight is {given!r}, and there are {count} targets"
        raise ArgumentError(compose(what, instead="Give a list with a mapping for each target, or 'balanced'."))

    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        if self._is_joint:
            hits = self._answers(outputs) == validation.target
            return float(np.average(hits.mean(axis=1), weights=validation.weight))
        predicted = self._of_outputs(outputs)
        return float(accuracy_score(validation.truth, predicted, sample_weight=validation.weight))

    def _answers(self, outputs: Array) -> Array:
        """The numbers of the most probable classes of several targets."""
        own = outputs_of(self._heads(), outputs)
        return np.stack([head.answers(slots) for head, slots in zip(self._heads(), own, strict=True)], axis=1)

    def _of_outputs(self, outputs: Array) -> Any:
        if self._is_joint:
            return self._truth(self._answers(outputs))
        scores = activate(self.out_activation_, outputs)
        if self.n_outputs_ == 1:
            scores = scores.ravel()
        return self._label_binarizer.inverse_transform(scores, threshold=0.0 if self._is_hinge else 0.5)

    def _together(self, outputs: Any) -> Any:
        if outputs.ndim == 3 and self._is_joint:
            return together(self._heads(), outputs)
        if outputs.ndim == 3 and self._is_multiclass and self.out_activation_ == "logistic":
            return mean_of_questions(outputs)
        return super()._together(outputs)

    def _shown(self, outputs: Any) -> Any:
        return shown(self._heads(), outputs) if self._is_joint else super()._shown(outputs)

    def _of_gradients(self, found: Array) -> Any:
        return gradients(self._heads(), found) if self._is_joint else super()._of_gradients(found)

    # --- what users call ----------------------------------------------------------------------------------------------

    @available_if(BaseMLP._check_solver)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch on some samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.
        classes : array of shape (n_classes,), or list of arrays, optional
            All classes that will ever be seen, of each target if there are several; needed in the first call.

        Returns
        -------
        self : object
            The estimator.
        """
        if _is_nested(classes) or (self._is_joint and classes is not None):
            self._begin_several(classes)
        elif _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, True)

    def _begin_several(self, classes: Any) -> None:
        """The classes of several targets, in the first call of `partial_fit`; they have to be these in later ones."""
        given = [np.unique(np.asarray(labels)) for labels in classes]
        known = getattr(self, "classes_", None)
        if known is None:
            self.classes_ = given
        elif not self._is_joint or len(known) != len(given) or not all(map(np.array_equal, known, given)):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}")

    def predict(self, X: Any) -> Any:
        """The most probable class of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples,), or (n_samples, n_classes) for several labels, (n_samples, n_targets) for targets
            of several classes each
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
            and more than two classes, the answers of all classes, divided by their sum. A list of such arrays for
            several targets of several classes each.
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
        each = self._of_each(self._probabilities, outputs)
        return mean, [np.std(own, axis=1) for own in each] if isinstance(each, list) else np.std(each, axis=1)

    def predict_members(self, X: Any) -> Any:
        """The probabilities of each member, whose mean is what `predict_proba` gives.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_members, n_classes)
            With ``loss="hinge"``, what `decision_function` is the mean of. A list of such arrays for several targets of
            several classes each.
        """
        return self._of_each(self._margins if self._is_hinge else self._probabilities, self._outputs_of_all(X))

    def _probabilities(self, outputs: Array) -> Any:
        """Outputs of the network as probabilities."""
        if self._is_joint:
            own = outputs_of(self._heads(), outputs)
            return [head.probabilities(slots) for head, slots in zip(self._heads(), own, strict=True)]
        found: Array = activate(self.out_activation_, outputs)
        if self.n_outputs_ == 1:
            return np.concatenate([1 - found, found], axis=1)
        if self._is_multiclass and self.out_activation_ == "logistic":
            found = found / np.maximum(found.sum(axis=1, keepdims=True), np.finfo(found.dtype).tiny)
        return found

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(own) for own in found] if isinstance(found, list) else np.log(found)

    @available_if(_has_margins)
    def decision_function(self, X: Any) -> Any:
        """How far each sample is on the side of each class, for ``loss="hinge"``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples,) for two classes, else (n_samples, n_classes)
            A list of such arrays for several targets of several classes each.
        """
        return self._margins(self._outputs(X))

    def _margins(self, outputs: Array) -> Any:
        if self._is_joint:
            return [own[:, 0] if own.shape[1] == 1 else own for own in outputs_of(self._heads(), outputs)]
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy: the share of samples whose class, or all of whose labels or targets, are predicted.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The true classes.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.

        Returns
        -------
        float
        """
        if not self._is_joint:
            return float(super().score(X, y, sample_weight))
        y = check_array(y, dtype=None, ensure_2d=False)
        self._check_columns(y)
        predicted = self._of_outputs(self._outputs(X))
        check_consistent_length(predicted, y, sample_weight)
        return float(np.average((predicted == y).all(axis=1), weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _labels(y: Any) -> Any:
    """A column of classes as they are numbered by a LabelBinarizer."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _has_several_columns(y: Any) -> bool:
    """Whether each column is a target with classes of its own, and not one label of several."""
    if hasattr(y, "toarray") or y.ndim != 2 or y.shape[1] < 2:
        return False
    return bool(y.dtype.kind == "O" or type_of_target(y) == "multiclass-multioutput")


def _is_nested(classes: Any) -> bool:
    """Whether there are classes for each of several targets."""
    return isinstance(classes, (list, tuple)) and len(classes) > 1 and all(np.ndim(own) == 1 for own in classes)


def _numbers_of(y: Any, classes: list[Array]) -> Array:
    """Columns of classes as the numbers of the classes; -1 for unknown ones."""
    return np.stack([class_numbers(column, known) for column, known in zip(y.T, classes, strict=True)], axis=1)
