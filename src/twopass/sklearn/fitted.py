"""What fitted estimators give: outputs, activations, gradients, and files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from twopass import nn
from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array
from twopass.sklearn import saving
from twopass.sklearn.categories import checked
from twopass.sklearn.network import Architecture, activate, mean_outputs
from twopass.sklearn.objectives import Objective, function_of
from twopass.sklearn.rows import blocks
from twopass.train.sensitivity import input_gradients

__all__ = ["Fitted"]


class Fitted(BaseEstimator):
    """Base of the estimators, in what they do after a fit."""

    out_activation_: Any

    @property
    @abstractmethod
    def _architecture(self) -> Architecture:
        """Of the weights that there are, whatever the parameters say of sizes meanwhile."""

    @abstractmethod
    def _params(self) -> list[Any]:
        """The tree of the network's parameters, of the attributes that the user sees."""

    @abstractmethod
    def _objective(self) -> Objective:
        """What is descended."""

    def _outputs(self, X: Any) -> Array:
        """What the network gives for inputs of the user; of several, the mean."""
        return self._together(self._outputs_of_all(X))

    def _outputs_of_all(self, X: Any) -> Array:
        """What the network gives; of several, (n_samples, n_members, n_outputs)."""
        check_is_fitted(self)
        X = checked(self, X)
        architecture, params = self._architecture, self._params()
        widest = max(architecture.units[1:]) * architecture.n_members
        return np.concatenate([architecture.net(params, rows) for rows in blocks(X, widest)])

    def _together(self, outputs: Any) -> Any:
        """The outputs of one network; of several, outputs that stand for the mean of what they predict."""
        if outputs.ndim == 2:
            return outputs
        is_normal = function_of(self._objective().loss) is nn.gaussian_nll
        return mean_outputs(self.out_activation_, is_normal, outputs)

    @staticmethod
    def _check_members(outputs: Array) -> None:
        """Raise when there is only one network, whose predictions have no spread."""
        if outputs.ndim == 2:
            what = "return_std asks for the spread of the members, and there is one network"
            raise ArgumentError(compose(what, instead="Fit with n_members=5, or a regressor with loss='gaussian_nll'."))

    def _of_each(self, function: Callable[[Array], Any], outputs: Array) -> Any:
        """A function of outputs, of those of each member: (n_samples, n_members, ...), or a list of such arrays."""
        found = function(outputs.reshape(-1, outputs.shape[-1]))

        def apart(own: Array) -> Array:
            return own.reshape(len(outputs), -1, *own.shape[1:])

        return [apart(own) for own in found] if isinstance(found, list) else apart(found)

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
            One for each hidden layer; of several members, of shape (n_samples, n_members, n_units).
        """
        check_is_fitted(self)
        X = checked(self, X)
        architecture, params = self._architecture, self._params()
        parts = [architecture.hidden(params, rows) for rows in blocks(X, max(architecture.units))]
        return [np.concatenate(layer) for layer in zip(*parts, strict=True)]

    def gradient(self, X: Any) -> Any:
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
            A list of such arrays where `predict_proba` gives a list.
            NaN in columns of categories, between which there is nothing to go along.
        """
        check_is_fitted(self)
        X = checked(self, X, dtype=(np.float64, np.float32))
        net, params = self._architecture.net, self._params()
        widest = max(self._architecture.units)
        parts = [
            input_gradients(lambda x: self._shown(self._together(net(params, x))), rows) for rows in blocks(X, widest)
        ]
        found = np.concatenate(parts)
        if getattr(self, "is_categorical_", None) is not None:
            found[..., self.is_categorical_] = np.nan
        return self._of_gradients(found)

    def _of_gradients(self, found: Array) -> Any:
        """What `gradient` gives, of an array of shape (n_samples, columns shown, n_features)."""
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
