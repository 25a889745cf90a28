"""Several networks side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass import tree
from twopass.checks import Count
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.layer import Layer
from twopass.nn.random import child_seed, fold_in
from twopass.nn.types import Array, Key, Params, Seed, Shape

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble(Layer):
    """Several networks of one form, which differ in their parameters: ``y[:, i] = net(params[i], x)`` [1]_.

    All of them get the same samples, and are computed at once: their products of matrices are stacked products. The
    outputs of the members stay apart, because what to make of them depends on what they mean: the mean of
    probabilities is not that of logits (`nn.losses.mean_prediction`), and their spread says how far to trust them.

    As the network of a `Trainer`, each member is trained exactly as it would be alone on these batches: the losses of
    the members are added, so that no member's gradient depends on another member. `evaluate` judges the mean.

    Parameters
    ----------
    net : Layer
        The form of the members.
    n_members : int
        How many there are.
    frozen : bool, default False
        Whether training leaves the parameters and statistics of all members as they are.

    Raises
    ------
    ArgumentError
        When `net` is no layer, or `n_members` no whole number from 1.
    ShapeError
        When the parameters are those of another number of members.

    Notes
    -----
    Parameters: those of `net`, stacked along a new first axis. Member i starts from the i-th child of the seed, and in
    training gets the key ``fold_in(key, i)``.

    An optimizer that acts on each number by itself, as most do, treats each member as it would alone. What looks at all
    numbers together, such as `optim.clip_by_global_norm`, sees all members.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using
       deep ensembles", NeurIPS 2017, section 2.4: the members differ in their initial parameters.

    Examples
    --------
    >>> from twopass import nn
    >>> net = nn.Ensemble(nn.Sequential(nn.Dense(8, activation="relu"), nn.Dense(2)), n_members=5)
    >>> params = net.init(0, input_shape=(3,))
    >>> params[0]["weight"].shape
    (5, 3, 8)
    >>> x = np.ones((4, 3), np.float32)
    >>> y = net(params, x)
    >>> y.shape
    (4, 5, 2)
    >>> np.allclose(y[:, 1], net.net(net.member(params, 1), x))
    True
    """

    net: Layer
    n_members: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.net, Layer):
            what = f"Ensemble: net must be a layer, got {self.net!r}"
            raise ArgumentError(compose(what, instead="Write nn.Ensemble(nn.Sequential(...), n_members=5)."))
        if self.frozen:
            self._set(net=self.net._replaced(frozen=True))

    def children(self) -> Mapping[Any, Layer]:
        """The layers of a member: their parameters have the same names, and one axis more."""
        return self.net.children()

    def child_inputs(self, input_shape: Shape) -> dict[Any, Shape]:
        """What the layers of a member get."""
        return self.net.child_inputs(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(...) -> (n_members, ...)``, for each output of the members."""
        return self._stacked(self.net.output_shape(input_shape))

    def _stacked(self, shape: Shape) -> Shape:
        if any(isinstance(part, tuple) for part in shape):
            return tuple(map(self._stacked, shape))
        return (self.n_members, *shape)

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make the parameters of all members; see `Layer.init`."""
        members = [self.net.init(child_seed(seed, index), input_shape, dtype) for index in range(self.n_members)]
        return tree.map(lambda *leaves: np.stack(leaves), *members)

    def member(self, params: Params, index: int) -> Params:
        """The parameters of one member, with which ``ensemble.net`` computes what it does.

        Parameters
        ----------
        params : tree of arrays
            Those of all.
        index : int
            Which one, from 0.
        """
        return tree.map(lambda leaf: leaf[index], params)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""

        def one(params: Params, number: Any) -> tuple[Array, Params]:
            own_key = None if key is None else fold_in(key, number)
            y, refreshed = self.net.apply(params, x, training=training, key=own_key)
            return y, refreshed if training else {}

        y, refreshed = self._each(one, params, out_axes=(1, 0))
        return y, refreshed if training else params

    def check_values(self, x: Any) -> None:
        """All members get the input; see `Layer.check_values`."""
        self.net.check_values(x)

    def trainable(self, params: Params) -> Any:
        """Which parameters gradient descent may change; see `Layer.trainable`."""
        return self.net.trainable(params)

    def penalty(self, params: Params) -> Array:
        """The sum of the penalties of the members."""
        return np.sum(self._each(lambda params, _: self.net.penalty(params), params))

    def constrain(self, params: Params) -> Params:
        """The parameters with the constraints of the members enforced."""
        return self._each(lambda params, _: self.net.constrain(params), params)

    def _each(self, f: Callable[[Params, Any], Any], params: Params, out_axes: Any = 0) -> Any:
        """``f(own parameters, number)`` of all members at once."""
        from twopass.api.vmap import vmap  # only here: all else in this room is plain NumPy

        if any(leaf.shape[:1] != (self.n_members,) for leaf in tree.leaves(params)):
            found = sorted({leaf.shape[:1] for leaf in tree.leaves(params)})
            what = f"an Ensemble of {self.n_members} members got parameters whose first axes are {found}"
            raise ShapeError(compose(what, instead="Make them with params = net.init(seed, input_shape)."))
        return vmap(f, out_axes=out_axes)(params, np.arange(self.n_members))
