"""The estimator of several targets, classes and numbers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from twopass.errors import DataError, compose
from twopass.nn.types import Array
from twopass.sklearn.base import BaseMLP
from twopass.sklearn.categories import RARE, checked
from twopass.sklearn.classes import weights_of_columns
from twopass.sklearn.constraints import CONSTRAINTS
from twopass.sklearn.course import Validation
from twopass.sklearn.heads import ClassHead, Head, NumberHead, gradients, joint_objective, outputs_of, shown, together
from twopass.sklearn.objectives import Objective
from twopass.sklearn.targets import Targets, framed, per_target, read_targets
from twopass.sklearn.tasks import TASKS, Task, classes_of, mean_and_deviation, task_of

__all__ = ["MLPMultiTask"]


def _has_quantiles(estimator: MLPMultiTask) -> bool:
    if hasattr(estimator, "tasks_") and not any(getattr(head, "levels", ()) for head in estimator._heads()):
        raise AttributeError("predict_quantiles is there for targets whose loss is 'quantile'.")
    return True


def _has_probabilities(estimator: MLPMultiTask) -> bool:
    if "classification" not in getattr(estimator, "tasks_", ["classification"]):
        raise AttributeError("predict_proba is there for targets that are classes.")
    return True


class MLPMultiTask(BaseMLP):
    """Multi-layer perceptron for several targets at once, each of which is a class or a number.

    The hidden layers are shared, and each target has a head: outputs of its own, and a loss. What is minimised is the
    sum of the losses, each times its `task_weight`; that of a target is a mean over the samples for which it is known,
    so targets may be missing (NaN, None, pandas.NA).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : str, callable, or a sequence of those for each hidden layer, default "relu"
        As for `MLPClassifier`.
    tasks : "auto", or mapping or sequence of {"auto", "classification", "regression"}, default "auto"
        What each target is. By "auto" it is a class where it is text or bool, or holds at most 20 different whole
        numbers, each of them twice on average; else a number.
    loss : "auto", or mapping or sequence of str or callable, default "auto"
        For each target, one of those of `MLPClassifier` or `MLPRegressor`; "auto" is the log-loss of classes and half
        the squared error of numbers. Quantiles are ``functools.partial(twopass.nn.pinball, quantile=(0.1, 0.5, 0.9))``.
    task_weight : mapping or sequence of float, or None, default None
        How much the loss of each target counts; 1 where nothing is said.
    scale_targets : bool, default True
        Whether the losses see numbers with mean 0 and variance 1, so that they are comparable; predictions are scaled
        back. Counts (``loss="poisson"``) are left alone.
    class_weight : "balanced", mapping or sequence, or None, default None
        For each target of classes, how much these count in its loss: a mapping, "balanced" or None.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose
        As for `MLPClassifier`.
    warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon
        As for `MLPClassifier`. The score that early stopping goes by is the mean of `task_scores`.
    n_iter_no_change, max_fun, dropout, batch_norm, scoring, max_time, callbacks, n_layers, layer_width, n_members
        As for `MLPClassifier`.
    categorical_features, embedding_size, backend, threads
        As for `MLPClassifier`.

    Attributes
    ----------
    target_names_ : list
        The columns of y: those of a data frame, or "y0", "y1", ...
    tasks_ : list of str
        "classification" or "regression", for each target.
    classes_ : list of array or None
        The classes of each target; None for numbers.
    target_means_, target_scales_ : list of float
        What the numbers are scaled by: mean and standard deviation; 0 and 1 where they are not.
    coefs_, intercepts_, norms_, loss_, best_loss_, loss_curve_, validation_scores_, validation_loss_curve_
        As for `MLPClassifier`.
    best_validation_score_, n_iter_, t_, n_layers_, n_features_in_, feature_names_in_
        As for `MLPClassifier`.
    n_outputs_ : int
        Number of targets.
    out_activation_ : list of str
        The activation of each head.

    Notes
    -----
    In a mapping, targets are named by their names or positions. `Mapping` and sequence can be left out where all
    targets have the same: ``tasks="regression"``.

    R. Caruana, Multitask Learning, Machine Learning 28 (1997).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> data = load_iris().data / 4
    >>> kinds = load_iris().target_names[load_iris().target]
    >>> x, y = data[:, :3], [[kind, width] for kind, width in zip(kinds, data[:, 3])]
    >>> y[0][0] = None  # nobody knows
    >>> model = MLPMultiTask((32,), learning_rate_init=0.01, tol=1e-3, random_state=0).fit(x, y)
    >>> model.tasks_
    ['classification', 'regression']
    >>> model.predict(x[:1])[0, 0], [name for name, score in model.task_scores(x, y).items() if score > 0.9]
    ('setosa', ['y0', 'y1'])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "tasks": [StrOptions({"auto", *TASKS}), dict, "array-like"],
        "loss": [str, callable, dict, "array-like"],
        "task_weight": [dict, "array-like", None],
        "scale_targets": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, "array-like", None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        tasks: Any = "auto",
        loss: Any = "auto",
        task_weight: Any = None,
        scale_targets: bool = True,
        class_weight: Any = None,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.tasks = tasks
        self.loss = loss
        self.task_weight = task_weight
        self.scale_targets = scale_targets
        self.class_weight = class_weight
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

    # --- targets ------------------------------------------------------------------------------------------------------

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X = checked(self, X, reset=reset, rare=1 if incremental else RARE, dtype=(np.float64, np.float32))
        targets = _targets_for(X, y)
        if not hasattr(self, "tasks_") or (not self.warm_start and not incremental):
            self._learn_targets(targets)
        else:
            self._check_targets(targets)
            if self.warm_start:
                self._check_warm_start(targets)
        self._is_partial = [not column.known.all() for column in targets.columns]
        instead = "Name all classes in the first call: partial_fit(X, y, classes={...})."
        return X, self._known_numbers(targets, "y", instead)

    def _validate_more(self, X: Any, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        X = checked(self, X, dtype=dtype)
        targets = _targets_for(X, y)
        self._check_targets(targets)
        pairs = zip(self._is_partial, targets.columns, strict=True)
        self._is_partial = [before or not column.known.all() for before, column in pairs]
        return X, self._in_units_of_the_loss(self._known_numbers(targets, "validation_data"))

    def _learn_targets(self, targets: Targets, labels: Any = None) -> None:
        """What the targets are; `labels` are the classes of each, where they are not those of the targets."""
        names = targets.names
        given = zip(
            targets.columns,
            per_target("tasks", self.tasks, names, "auto"),
            per_target("classes", labels, names, None),
            strict=True,
        )
        tasks, classes = [], []
        for column, task, own in given:
            tasks.append(task_of(column, task))
            classes.append(classes_of(column, own) if tasks[-1] == "classification" else None)
        self.target_names_, self._container, self.tasks_, self.classes_ = names, targets.container, tasks, classes
        self.target_means_, self.target_scales_ = [0.0] * len(tasks), [1.0] * len(tasks)

    def _tasks(self) -> list[Task]:
        parts = (self.target_names_, self.classes_, self.target_means_, self.target_scales_)
        return [Task(*own) for own in zip(*parts, strict=True)]

    def _check_targets(self, targets: Targets) -> None:
        """Raise for targets that are not those of the fit."""
        if len(targets.columns) != len(self.tasks_):
            what = f"y has {len(targets.columns)} columns, and the network was made for {len(self.tasks_)}"
            raise DataError(compose(what, instead=f"Pass {', '.join(map(repr, self.target_names_))}."))
        if targets.container not in ("vector", "matrix") and targets.names != self.target_names_:
            what = f"y has the columns {targets.names}, and the network was made for {self.target_names_}"
            raise DataError(compose(what, instead="Pass these, in this order."))
        for task, column in zip(self._tasks(), targets.columns, strict=True):
            task.check(column)

    def _check_warm_start(self, targets: Targets) -> None:
        for column, known in zip(targets.columns, self.classes_, strict=True):
            if known is not None and set(found := classes_of(column)) != set(known):
                raise ValueError(
                    f"warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously target {column.name!r} had {known}, it has {found}"
                )

    def _numbers(self, targets: Targets) -> Array:
        """The targets as `twopass.sklearn.heads` has them, before they are scaled."""
        pairs = zip(self._tasks(), targets.columns, strict=True)
        return np.stack([task.numbers(column) for task, column in pairs], axis=1)

    def _known_numbers(self, targets: Targets, where: str, instead: str = "") -> Array:
        """The same, of classes that the network has outputs for; others raise."""
        found = self._numbers(targets)
        for column, classes, numbers in zip(targets.columns, self.classes_, found.T, strict=True):
            if classes is not None and (strange := column.known & (numbers < 0)).any():
                what = f"{where} has {column.values[strange].tolist()[0]!r} in target {column.name!r}"
                raise DataError(compose(what, why=f"Its classes are {classes}.", instead=instead))
        return found

    def _scaled(self, y: Any, sample_weight: Any, first: bool) -> Any:
        if first:
            losses = per_target("loss", self.loss, self.target_names_, "auto")
            for place, (task, loss) in enumerate(zip(self.tasks_, losses, strict=True)):
                mean, scale = 0.0, 1.0
                if task == "regression" and self.scale_targets and loss != "poisson":
                    mean, scale = mean_and_deviation(y[:, place], sample_weight)
                self.target_means_[place], self.target_scales_[place] = mean, scale
        return self._in_units_of_the_loss(y)

    def _in_units_of_the_loss(self, numbers: Array) -> Array:
        if numbers.dtype.kind == "i":  # classes alone
            return numbers
        return (numbers - self.target_means_) / self.target_scales_

    def _framed(self, numbers: Array, index: Any = None) -> Any:
        """Targets, or predictions, as users have them."""
        columns = [task.shown(own) for task, own in zip(self._tasks(), numbers.T, strict=True)]
        return framed(self.target_names_, columns, self._container, index)

    # --- what the base asks for ---------------------------------------------------------------------------------------

    def _heads(self) -> tuple[Head, ...]:
        names = self.target_names_
        given = zip(
            self._tasks(),
            per_target("loss", self.loss, names, "auto"),
            per_target("task_weight", self.task_weight, names, 1.0),
            getattr(self, "_is_partial", [False] * len(names)),
            strict=True,
        )
        return tuple(task.head(loss, weight, is_partial) for task, loss, weight, is_partial in given)

    def _objective(self, consistent: bool = False) -> Objective:
        return joint_objective(self._heads())

    def _loss_and_units(self) -> tuple[Any, int, Any]:
        heads = self._heads()
        return None, sum(head.units for head in heads), [head.activation for head in heads]

    def _target(self, y: Any, dtype: np.dtype[Any]) -> Array:
        numbers: Array = y if y.dtype.kind == "i" else y.astype(dtype)
        return numbers

    def _truth(self, y: Any) -> Any:
        return self._framed(y)

    def _strata(self, y: Any) -> Any:
        (classes, *others) = self.classes_
        is_question = not others and classes is not None and len(classes) == 2 and not any(self._is_partial)
        return y if is_question else None  # as MLPClassifier has it

    def _sample_weight(self, y: Any, sample_weight: Any) -> Any:
        given = per_target("class_weight", self.class_weight, self.target_names_, None)
        own = [None if classes is None else weight for classes, weight in zip(self.classes_, given, strict=True)]
        return weights_of_columns(own, y, self.classes_, sample_weight)

    def _answers(self, outputs: Array) -> Array:
        heads = self._heads()
        own = zip(heads, outputs_of(heads, outputs), strict=True)
        return np.stack([head.answers(slots) for head, slots in own], axis=1)

    def _of_outputs(self, outputs: Array) -> Any:
        return self._framed(self._answers(outputs))

    def _together(self, outputs: Any) -> Any:
        return outputs if outputs.ndim == 2 else together(self._heads(), outputs)

    def _shown(self, outputs: Any) -> Any:
        return shown(self._heads(), outputs)

    def _of_gradients(self, found: Array) -> Any:
        parts = zip(gradients(self._heads(), found), self.target_scales_, strict=True)
        return self._listed([part * scale for part, scale in parts])

    def _listed(self, found: list[Any]) -> Any:
        """What there is for each target: without the list, if y was a vector."""
        return found[0] if self._container == "vector" else found

    def _score_of_outputs(self, outputs: Array, validation: Validation) -> float:
        answers, numbers = self._answers(outputs), validation.target
        if not np.isfinite(answers).all():
            return float("nan")
        known = [head.known(column) for head, column in zip(self._heads(), numbers.T, strict=True)]
        return _mean(self._scores(answers, numbers, known, validation.weight))

    def _scores(self, answers: Array, numbers: Array, known: Sequence[Array], weight: Any) -> list[float]:
        """The score of each target, over the samples for which it is known."""
        parts = zip(self._tasks(), numbers.T, answers.T, known, strict=True)
        return [task.score(truth, predicted, own, weight) for task, truth, predicted, own in parts]

    # --- what users call ----------------------------------------------------------------------------------------------

    @available_if(BaseMLP._check_solver)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch on some samples.

        The first call decides what the targets are, and what their numbers are scaled by.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like or data frame of shape (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.
        classes : mapping or sequence of arrays, optional
            For each target of classes, all that will ever be seen; in the first call, if its samples are not of all.

        Returns
        -------
        self : object
            The estimator.
        """
        if not hasattr(self, "tasks_"):
            self._learn_targets(read_targets(y), classes)
        given = per_target("classes", classes, self.target_names_, None)
        for name, known, own in zip(self.target_names_, self.classes_, given, strict=True):
            if own is not None and (known is None or not np.array_equal(np.unique(np.asarray(own)), known)):
                raise ValueError(f"`classes` of {name!r} are not those of the last call to partial_fit: {known!r}")
        return self._fit(X, y, sample_weight, True)

    def predict(self, X: Any) -> Any:
        """The most probable class, or the number, for each target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        array of shape (n_samples, n_targets), or data frame
            A data frame of the library that y came in (with the index of X, if pandas'); a vector, if y was one. An
            array of numbers, if all classes are numbers too, or of objects where they are not.
        """
        check_is_fitted(self)
        index = getattr(X, "index", None) if self._container == "pandas" and hasattr(X, "columns") else None
        return self._framed(self._answers(self._outputs(X)), index)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, for each target of classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        list of array of shape (n_samples, n_classes)
            In the order of `target_names_`, with the columns in the order of `classes_`; None for numbers, and for
            classes whose loss ("hinge") makes no probabilities. Without the list if y was a vector.
        """
        outputs = self._outputs(X)
        own = zip(self._heads(), outputs_of(self._heads(), outputs), strict=True)
        return self._listed(
            [
                head.probabilities(slots) if isinstance(head, ClassHead) and head.has_probabilities else None
                for head, slots in own
            ]
        )

    @available_if(_has_quantiles)
    def predict_quantiles(self, X: Any) -> Any:
        """All quantiles of each target that has some, sorted as by `MLPRegressor.predict_quantiles`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        list of array of shape (n_samples, n_quantiles)
            In the order of `target_names_`; None for other targets. Without the list if y was a vector.
        """
        outputs, heads = self._outputs(X), self._heads()
        found: list[Any] = []
        for task, head, own in zip(self._tasks(), heads, outputs_of(heads, outputs), strict=True):
            levels = head.quantiles(own) if isinstance(head, NumberHead) and head.levels else None
            found.append(None if levels is None else task.shown(levels))
        return self._listed(found)

    def task_scores(self, X: Any, y: Any, sample_weight: Any = None) -> dict[Any, float]:
        """The accuracy of each target of classes and the R² of each that is a number, where they are known.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like or data frame of shape (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.

        Returns
        -------
        dict of str to float
            By the names of the targets; NaN for one of which too little is known.
        """
        outputs = self._outputs(X)
        targets = _targets_for(outputs, y)
        self._check_targets(targets)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, outputs)
        known = [column.known for column in targets.columns]
        numbers = self._in_units_of_the_loss(self._numbers(targets))
        scores = self._scores(self._answers(outputs), numbers, known, weight)
        return dict(zip(self.target_names_, scores, strict=True))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The mean of `task_scores`, of those that are defined.

        Parameters
        ----------
        X, y, sample_weight
            As for `task_scores`.

        Returns
        -------
        float
        """
        return _mean(list(self.task_scores(X, y, sample_weight).values()))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.classifier_tags, tags.regressor_tags = ClassifierTags(), RegressorTags()
        return tags


def _targets_for(X: Any, y: Any) -> Targets:
    targets = read_targets(y)
    if len(targets) != X.shape[0]:
        what = f"X has {X.shape[0]} rows, and y has {len(targets)}: inconsistent numbers of samples"
        raise DataError(compose(what, instead="Pass one row for each sample in both."))
    return targets


def _mean(scores: list[float]) -> float:
    defined = [score for score in scores if not np.isnan(score)]
    return float(np.mean(defined)) if defined else float("nan")
