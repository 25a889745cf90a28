"""What the estimators descend, and what they report: scikit-learn's losses, and those of `twopass.nn`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from twopass import nn

__all__ = ["BINARY", "CLASS_LOSSES", "NUMBER_LOSSES", "Objective", "function_of", "make_objective"]

#: The losses of classes by name; None for the log-loss, which goes by the activation of the output.
CLASS_LOSSES = {"log_loss": None, "focal": nn.focal, "hinge": nn.hinge}
#: The losses of numbers by name; those that `make_objective` scales as scikit-learn does keep theirs.
NUMBER_LOSSES = {
    "squared_error": "squared_error",
    "poisson": "poisson",
    "absolute_error": nn.mean_absolute_error,
    "huber": nn.huber,
    "log_cosh": nn.log_cosh,
    "quantile": nn.pinball,
    "pinball": nn.pinball,
    "gaussian_nll": nn.gaussian_nll,
}


class Objective:
    """A loss with scikit-learn's L2 penalty, ``alpha / 2 · Σ w² / n``, where n is the sum of the weights of the batch.

    Parameters
    ----------
    loss : callable
        One of `twopass.nn.losses`: a mean over the samples, and the outputs if it is one for each.
    reported, descended : float
        What the loss is multiplied by in the number that the user sees, and in the one that is descended. They
        differ for scikit-learn's squared error of several outputs: it reports their mean and descends their sum.
    is_poisson : bool
        Whether to report the deviance, by adding the part that depends on the targets alone.
    """

    def __init__(self, loss: Any, reported: float = 1.0, descended: float = 1.0, is_poisson: bool = False) -> None:
        self.loss = loss
        self.reported = reported
        self.descended = descended
        self.is_poisson = is_poisson

    def __call__(self, prediction: Any, target: Any, *, sample_weight: Any = None) -> Any:
        """What is reported, without the penalty."""
        return self.terms(prediction, target, sample_weight)[1]

    def objective(self, prediction: Any, target: Any, sample_weight: Any, params: Any) -> tuple[Any, Any]:
        """What is descended and what is reported, both with the penalty; see `twopass.train.step`."""
        descended, reported = self.terms(prediction, target, sample_weight)
        squares = sum(np.sum(np.square(layer["weight"])) for layer in params["net"] if "weight" in layer)
        penalty = 0.5 * params["alpha"] * squares / self._total(target, sample_weight)
        return descended + penalty, reported + penalty

    def terms(self, prediction: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        """What is descended and what is reported, without the penalty."""
        mean = self._mean(prediction, target, sample_weight)
        reported = self.reported * mean
        if self.is_poisson:
            reported = reported + self._of_targets(target, sample_weight, prediction)
        return self.descended * mean, reported

    def _mean(self, prediction: Any, target: Any, sample_weight: Any) -> Any:
        if sample_weight is None:
            return self.loss(prediction, target)
        return self.loss(prediction, target, sample_weight=sample_weight)

    def _of_targets(self, target: Any, sample_weight: Any, prediction: Any) -> Any:
        """The mean of ``Σ t log(t) - t``."""
        target = np.reshape(target, prediction.shape).astype(prediction.dtype)
        terms = np.sum(target * np.log(np.where(target > 0, target, 1)) - target, axis=-1)
        if sample_weight is None:
            return np.mean(terms)
        return np.sum(sample_weight * terms) / self._total(target, sample_weight)

    def _total(self, target: Any, sample_weight: Any) -> Any:
        """The sum of the weights of a batch; 1 if they are all 0."""
        if sample_weight is None:
            return len(target)
        total = np.sum(sample_weight)
        return np.where(total == 0, 1, total)


#: Losses that ask a yes-no question for each output.
BINARY = (nn.binary_cross_entropy, nn.focal, nn.hinge)


def function_of(loss: Any) -> Any:
    """A loss without its parameters."""
    return loss.func if isinstance(loss, functools.partial) else loss


def make_objective(loss: Any, n_outputs: int, consistent: bool = False) -> Objective:
    """The objective of a loss: the same object for the same loss, so that compiled code is found again.

    Parameters
    ----------
    loss : str, callable or tuple
        ``"softmax"``, ``"logistic"``, ``"squared_error"`` or ``"poisson"`` as scikit-learn scales them; or a function;
        or ``("quantile", levels)``.
    n_outputs : int
        Columns of the target.
    consistent : bool
        Whether what is descended has to be what is reported: a line search compares the two.
    """
    if isinstance(loss, functools.partial) and not loss.args:
        loss = ("partial", loss.func, tuple(sorted(loss.keywords.items())))  # two that are alike are equal
    try:
        return _kept_objective(loss, n_outputs, consistent)
    except TypeError:  # something in it has no hash
        return _kept_objective.__wrapped__(loss, n_outputs, consistent)


@functools.lru_cache(maxsize=64)
def _kept_objective(loss: Any, n_outputs: int, consistent: bool) -> Objective:
    match loss:
        case "softmax":
            return Objective(nn.softmax_cross_entropy)
        case "logistic":
            return Objective(nn.binary_cross_entropy, n_outputs, n_outputs)
        case "squared_error":
            return Objective(nn.mean_squared_error, 0.5, 0.5 if consistent else 0.5 * n_outputs)
        case "poisson":
            return Objective(nn.poisson, n_outputs, n_outputs, is_poisson=True)
        case ("quantile", levels):
            return Objective(functools.partial(nn.pinball, quantile=levels[0] if len(levels) == 1 else levels))
        case ("partial", function, keywords):
            loss = functools.partial(function, **dict(keywords))
    # A yes-no question for each output: as for "logistic", their losses add up.
    scale = float(n_outputs) if function_of(loss) in BINARY else 1.0
    return Objective(loss, scale, scale)
