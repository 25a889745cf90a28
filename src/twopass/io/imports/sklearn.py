"""Networks of scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass import nn
from twopass.errors import ArgumentError, compose

__all__ = ["from_sklearn"]


def from_sklearn(estimator: Any) -> tuple[nn.Sequential, Any]:
    """The network of a fitted ``MLPClassifier`` or ``MLPRegressor``, and its parameters.

    The network gives what comes before the estimator's output activation: numbers for a regression, logits for a
    classification. ``estimator.out_activation_`` names what makes predictions of them: ``"softmax"``, ``"logistic"``
    for two classes (one logit) and for several labels, ``"exp"`` for a Poisson regression, or ``"identity"``.

    Parameters
    ----------
    estimator : fitted estimator
        One of scikit-learn, or of `twopass.sklearn`: what has ``coefs_``, ``intercepts_`` and ``activation``.

    Returns
    -------
    net : nn.Sequential
        Of `nn.Dense` layers.
    params : list of dict of ndarray
        Copies, in the dtype of the coefficients.

    Raises
    ------
    ArgumentError
        When it is another estimator, not fitted, or has an activation that is not one of scikit-learn's.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(activation="relu", coefs_=[np.eye(2), np.ones((2, 1))], intercepts_=[[0, 0], [0.5]])
    >>> net, params = from_sklearn(fitted)
    >>> net
    Sequential(Dense(2, activation='relu'), Dense(1))
    >>> net(params, np.array([[1.0, -3.0]]))
    array([[1.5]])
    """
    missing = [name for name in ("coefs_", "intercepts_", "activation") if not hasattr(estimator, name)]
    if missing:
        what = f"a {type(estimator).__name__} has no {missing[0]}"
        instead = "Pass an MLPClassifier or MLPRegressor after its fit(X, y)."
        raise ArgumentError(compose(what, instead=instead))
    layers: list[nn.Layer] = []
    params = []
    last = len(estimator.coefs_) - 1
    for number, (weight, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        weight = np.array(weight)
        layers.append(
            nn.Dense(weight.shape[1], activation=None if number == last else _activation(estimator.activation))
        )
        params.append({"weight": weight, "bias": np.array(bias, weight.dtype)})
    return nn.Sequential(*layers), params


def _activation(name: Any) -> Any:
    if name not in ("identity", "logistic", "tanh", "relu"):
        what = f"the activation {name!r} is not one of scikit-learn's"
        raise ArgumentError(compose(what, instead="They are identity, logistic, tanh and relu."))
    return None if name == "identity" else name
