"""Losses for targets that are classes. All take logits: the last layer has no activation."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.checks import Fraction, NonNegative, OpenFraction, check
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.activations import log_softmax, softplus
from twopass.nn.losses.base import weighted
from twopass.nn.losses.reduction import as_array, as_floats, cast, check_values, match, reduce
from twopass.nn.losses.weights import binary_weights, categorical_weights, class_weights
from twopass.nn.types import Array

__all__ = ["binary_cross_entropy", "focal", "hinge", "softmax_cross_entropy"]


@weighted(categorical_weights)
def softmax_cross_entropy(
    prediction: Array,
    target: Any,
    *,
    label_smoothing: float = 0.0,
    class_weight: Any = None,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """``l = -Σ q log(softmax(prediction))``, where q is 1 for the class of the sample and 0 for the others.

    Computed from the logits, so that it is exact where the probabilities would round to 0 or 1.

    Parameters
    ----------
    prediction : array of shape (n_samples, n_classes)
        Logits. More axes before the last one are fine.
    target : integer array of shape (n_samples,), or float array of shape (n_samples, n_classes)
        The classes, from 0 to n_classes - 1; or the distribution q itself, with rows that sum to 1. The dtype decides.
    label_smoothing : float, default 0.0
        ε in [0, 1): q becomes ``(1 - ε) q + ε / n_classes`` [1]_.
    class_weight : array of shape (n_classes,), optional
        How much the samples of each class count: a sample weighs ``Σ q class_weight`` (q before smoothing).
    sample_weight : array of shape (n_samples,), optional
        How much each sample counts; multiplies the class weight.
    reduction : {"mean", "sum", "none"}, default "mean"
        ``sum(w l) / sum(w)``, ``sum(w l)``, or ``w l``.

    Raises
    ------
    ShapeError
        When the shapes do not fit together, or there is only one logit.
    ArgumentError
        When a target is no class, or a row of distributions does not sum to 1.

    References
    ----------
    .. [1] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture for
       computer vision", CVPR 2016, section 7.

    Examples
    --------
    >>> float(softmax_cross_entropy(np.array([[1.0, 1.0, 1.0]]), np.array([2])))
    1.0986122886681098
    >>> float(softmax_cross_entropy(np.array([[-1e4, 1e4]]), np.array([0])))
    20000.0
    """
    smoothing = check("softmax_cross_entropy: label_smoothing", label_smoothing, Fraction)
    prediction = as_floats(prediction)
    target = _classes(prediction, as_array(target))
    if class_weight is not None:
        class_weight = class_weights(class_weight, prediction.shape[-1], prediction)
    weight = categorical_weights(target, sample_weight, class_weight, prediction)
    shares = target if target.dtype.kind == "f" else target[..., np.newaxis] == np.arange(prediction.shape[-1])
    shares = cast(shares, prediction)
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / prediction.shape[-1]
    return reduce(np.sum(shares * -log_softmax(prediction), axis=-1), weight, reduction)


def _classes(prediction: Array, target: Array) -> Array:
    """The target, checked against the shape of the logits: integers, or floats for distributions."""
    n_classes = prediction.shape[-1] if prediction.ndim else 1
    if n_classes == 1:
        what = f"softmax_cross_entropy needs a logit for each class, the prediction has the shape {prediction.shape}"
        raise ShapeError(
            compose(what, instead="For one logit use binary_cross_entropy; for C classes end in Dense(C).")
        )
    if target.dtype.kind == "f" and target.shape == prediction.shape:
        if type(target) is np.ndarray and not ((target >= 0).all() and np.allclose(target.sum(axis=-1), 1, atol=1e-3)):
            what = "a row of the target is no distribution: it has a negative share or does not sum to 1"
            raise ArgumentError(compose(what, instead="Divide by target.sum(axis=-1, keepdims=True)."))
        return target
    if target.dtype.kind not in "iub":
        what = f"the target has dtype {target.dtype} and shape {target.shape}, the logits have {prediction.shape}"
        why = "Classes are integers; distributions are floats of the shape of the logits."
        instead = "Write target.astype(int), or np.unique(target, return_inverse=True)[1] for names."
        raise ArgumentError(compose(what, why=why, instead=instead))
    if target.ndim == 2 and target.shape == (*prediction.shape[:-1], 1):
        target = target[:, 0]
    if target.shape != prediction.shape[:-1]:
        what = f"the target has the shape {target.shape}, the logits have {prediction.shape}"
        instead = f"Give one class for each sample, shape {prediction.shape[:-1]}; one-hot rows must be floats."
        raise ShapeError(compose(what, instead=instead))
    wanted = f"classes from 0 to {n_classes - 1}"
    check_values(target, lambda t: (t >= 0) & (t < n_classes), wanted, "End in Dense(number of classes).")
    return target.astype(np.int64) if target.dtype.kind == "b" else target


@weighted(binary_weights)
def binary_cross_entropy(
    prediction: Array,
    target: Any,
    *,
    label_smoothing: float = 0.0,
    class_weight: Any = None,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """``l = -q log(p) - (1 - q) log(1 - p)``, where p is ``sigmoid(prediction)`` and q the target.

    Computed from the logits, so that it is exact where p would round to 0 or 1. With several outputs each is a yes-no
    question of its own.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        Logits.
    target : array of the same shape
        0 or 1, or a probability between.
    label_smoothing : float, default 0.0
        ε in [0, 1): the target becomes ``(1 - ε) target + ε / 2``.
    class_weight : array of shape (2,), optional
        How much the targets 0 and 1 count; in between the weight is interpolated.
    sample_weight : array of shape (n_samples,), optional
        How much each sample counts; multiplies the class weight.
    reduction : {"mean", "sum", "none"}, default "mean"
        ``sum(w l) / sum(w)``, ``sum(w l)``, or ``w l``.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    ArgumentError
        When a target is outside of [0, 1].

    Examples
    --------
    >>> binary_cross_entropy(np.array([0.0, 1e4, -1e4]), np.array([1, 1, 1]), reduction="none")
    array([6.93147181e-01, 0.0, 1.0e+04])
    """
    smoothing = check("binary_cross_entropy: label_smoothing", label_smoothing, Fraction)
    x, target = match(prediction, target)
    check_values(target, lambda t: (t >= 0) & (t <= 1), "0 or 1 or between", "Labels -1, 1 become (target + 1) / 2.")
    weight = binary_weights(target, sample_weight, class_weight, x)
    if smoothing:
        target = (1 - smoothing) * target + 0.5 * smoothing
    # softplus(x) - target x, without the cancellation of large terms.
    positive = x > 0
    losses = np.where(positive, (1 - target) * x, -target * x) + np.log1p(np.exp(np.where(positive, -x, x)))
    return reduce(losses, weight, reduction)


def _sides(name: str, prediction: Array, target: Any) -> tuple[Array, Array]:
    """The logits, turned so that positive is right, and the targets, which must be 0 or 1."""
    x, target = match(prediction, target)
    instead = f"{name} takes the labels of all binary losses here: write (target > 0).astype(int) for -1 and 1."
    check_values(target, lambda t: (t == 0) | (t == 1), "0 or 1", instead)
    return (2 * target - 1) * x, target


@weighted(binary_weights)
def hinge(
    prediction: Array,
    target: Any,
    *,
    class_weight: Any = None,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """``l = max(0, 1 - s prediction)``, where s is -1 for the target 0 and 1 for the target 1 [1]_.

    The derivative at the kink, a margin of exactly 1, is 0.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        Signed distances from the border: positive for class 1.
    target : array of the same shape
        0 or 1, as for `binary_cross_entropy`.
    class_weight, sample_weight, reduction
        As for `binary_cross_entropy`.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    ArgumentError
        When a target is neither 0 nor 1.

    References
    ----------
    .. [1] C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20 (1995).

    Examples
    --------
    >>> hinge(np.array([-3.0, 0.5, 2.0]), np.array([0, 1, 0]), reduction="none")
    array([0. , 0.5, 3. ])
    """
    margin, target = _sides("hinge", prediction, target)
    losses = np.where(margin >= 1, 0, 1 - margin)
    return reduce(losses, binary_weights(target, sample_weight, class_weight, losses), reduction)


@weighted(binary_weights)
def focal(
    prediction: Array,
    target: Any,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    class_weight: Any = None,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """``l = -a (1 - p)^gamma log(p)``, where p is the probability given to the true class [1]_, equation 5.

    Cross-entropy in which samples that are already classified well count less, for classes of very different size. a
    is alpha for the target 1 and 1 - alpha for the target 0.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        Logits.
    target : array of the same shape
        0 or 1.
    gamma : float, default 2.0
        At least 0; 0 gives the cross-entropy.
    alpha : float, default 0.25
        In (0, 1), or None for no such factor.
    class_weight, sample_weight, reduction
        As for `binary_cross_entropy`.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    ArgumentError
        When a target is neither 0 nor 1, or a parameter is outside its interval.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> focal(np.array([0.0, 5.0, -1e4]), np.array([1, 1, 1]), reduction="none")
    array([4.33216988e-02, 7.52022556e-08, 2.50000000e+03])
    """
    gamma = check("focal: gamma", gamma, NonNegative)
    margin, target = _sides("focal", prediction, target)
    # log(1 - p) = -softplus(margin): as an exponential, the power has a derivative also where 1 - p is 0.
    losses = np.exp(-gamma * softplus(margin)) * softplus(-margin)
    if alpha is not None:
        alpha = check("focal: alpha", alpha, OpenFraction)
        losses = losses * (1 - alpha + (2 * alpha - 1) * target)
    return reduce(losses, binary_weights(target, sample_weight, class_weight, losses), reduction)
