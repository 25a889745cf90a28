"""What keeps weights small: penalties that are added to the loss, and constraints applied after each update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twopass.checks import NonNegative, Positive
from twopass.nn.specification import Specification
from twopass.nn.types import Array

__all__ = ["L1", "L1L2", "L2", "Constraint", "MaxNorm", "Penalty"]


class Penalty(Specification, abstract=True):
    """Base of the penalties: called with an array, gives the number that is added to the loss."""

    def __call__(self, weight: Array) -> Array:
        """The penalty of an array."""
        raise NotImplementedError


class Constraint(Specification, abstract=True):
    """Base of the constraints: called with an array after each update, gives the nearest one that is allowed."""

    def __call__(self, weight: Array) -> Array:
        """The constrained array."""
        raise NotImplementedError


@dataclass(frozen=True)
class L1(Penalty):
    """``strength · Σ |w|`` [1]_: drives weights to exactly zero.

    Parameters
    ----------
    strength : float
        At least 0. The derivative is ``strength · sign(w)``, and 0 at w = 0.

    Raises
    ------
    ArgumentError
        When the strength is not a number of [0, inf).

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. R. Stat. Soc. B 58 (1996).

    Examples
    --------
    >>> float(L1(0.5)(np.array([1.0, -3.0])))
    2.0
    """

    strength: NonNegative

    def __call__(self, weight: Array) -> Array:
        return self.strength * np.sum(np.abs(weight))


@dataclass(frozen=True)
class L2(Penalty):
    """``strength · Σ w²`` [1]_, without a factor 1/2: the derivative is ``2 · strength · w``.

    With plain SGD this is weight decay by ``2 · strength``; with Adam and the like it is not, and AdamW is [2]_.

    Parameters
    ----------
    strength : float
        At least 0.

    Raises
    ------
    ArgumentError
        When the strength is not a number of [0, inf).

    References
    ----------
    .. [1] A. Krogh and J. A. Hertz, "A simple weight decay can improve generalization", NeurIPS 1991.
    .. [2] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> float(L2(0.5)(np.array([1.0, -3.0])))
    5.0
    """

    strength: NonNegative

    def __call__(self, weight: Array) -> Array:
        return self.strength * np.sum(np.square(weight))


@dataclass(frozen=True)
class L1L2(Penalty):
    """``l1 · Σ |w| + l2 · Σ w²``: the elastic net [1]_.

    Parameters
    ----------
    l1, l2 : float
        At least 0.

    Raises
    ------
    ArgumentError
        When a strength is not a number of [0, inf).

    References
    ----------
    .. [1] H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", J. R. Stat. Soc. B 67
       (2005).

    Examples
    --------
    >>> float(L1L2(l1=0.5, l2=0.5)(np.array([1.0, -3.0])))
    7.0
    """

    l1: NonNegative
    l2: NonNegative

    def __call__(self, weight: Array) -> Array:
        return self.l1 * np.sum(np.abs(weight)) + self.l2 * np.sum(np.square(weight))


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """The incoming weights of each unit (axis 0 of the weight matrix) have a Euclidean norm of at most `limit` [1]_.

    Longer ones are scaled down to it, all others stay as they are, to the bit.

    Parameters
    ----------
    limit : float
        Positive. The source uses 3 to 4, together with dropout.

    Raises
    ------
    ArgumentError
        When the limit is not a positive number.

    References
    ----------
    .. [1] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple way to
       prevent neural networks from overfitting", JMLR 15 (2014), section 5.1.

    Examples
    --------
    >>> MaxNorm(5.0)(np.array([[3.0, 6.0], [4.0, 8.0]]))
    array([[3., 3.],
           [4., 4.]])
    """

    limit: Positive

    def __call__(self, weight: Array) -> Array:
        norm = np.sqrt(np.sum(np.square(weight), axis=0, keepdims=True))
        return weight * (self.limit / np.maximum(norm, self.limit))
