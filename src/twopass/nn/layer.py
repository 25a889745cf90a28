"""What every layer can do.

A layer is a specification: it holds no numbers that training changes. ``init`` makes those, the *parameters*, as a
plain tree of arrays, and whoever uses the layer passes them in:

>>> from twopass import nn
>>> net = nn.Sequential(nn.Dense(3, activation="relu"), nn.Dense(1))
>>> params = net.init(0, input_shape=(2,))
>>> net(params, np.ones((5, 2))).shape
(5, 1)

A layer of your own is a frozen dataclass with two methods, and three if it has parameters. It then trains, saves,
loads, and appears in summaries as the built-in ones do:

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Scale(nn.Layer):
...     start: float = 1.0
...
...     def init(self, seed, input_shape, dtype=np.float32):
...         return {"scale": np.full(input_shape, self.start, dtype)}
...
...     def output_shape(self, input_shape):
...         return input_shape
...
...     def apply(self, params, x, *, training=False, key=None):
...         return x * params["scale"], params
>>> scale = nn.from_config(Scale(start=2.0).config())
>>> scale(scale.init(0, (2,)), np.ones((1, 2)))
array([[2., 2.]])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twopass import tree
from twopass.nn.random import child_seed
from twopass.nn.specification import Specification
from twopass.nn.summary import Summary, table
from twopass.nn.types import Array, Key, Params, Seed, Shape

__all__ = ["Container", "Layer"]


@dataclass(frozen=True)
class Layer(Specification, abstract=True):
    """Base of all layers: a frozen specification, whose parameters live outside.

    Parameters
    ----------
    frozen : bool, default False
        Whether training leaves the parameters (and statistics) as they are. A frozen container freezes all that is
        in it.
    """

    frozen: bool = field(default=False, kw_only=True)

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make the initial parameters.

        Parameters
        ----------
        seed : int or numpy.random.SeedSequence
            The same seed gives the same parameters.
        input_shape : tuple of int
            Shape of one sample, without the batch axis.
        dtype : float32 or float64
            Type of the parameters.

        Returns
        -------
        dict or list
            A tree of ndarrays; ``{}`` for a layer without parameters.

        Raises
        ------
        ShapeError
            When the layer cannot take samples of that shape.
        """
        self.output_shape(input_shape)
        return {}

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample's output, from the shape of its input."""
        raise NotImplementedError

    def __call__(self, params: Params, x: Array) -> Array:
        """Predict: no dropout, running statistics.

        Parameters
        ----------
        params : tree of arrays
            As `init` made them.
        x : array of shape (n_samples, *input_shape)
            The samples, in the dtype of the parameters; others are promoted as NumPy does.

        Returns
        -------
        array of shape (n_samples, *output_shape)
        """
        return self.apply(params, x)[0]

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass.

        Parameters
        ----------
        params : tree of arrays
            As `init` made them. They are not changed.
        x : array of shape (n_samples, *input_shape)
            The samples.
        training : bool, default False
            Whether to drop units out, and to normalise by the statistics of the batch.
        key : int or 0-d integer array, optional
            Names the random numbers of this pass (`twopass.nn.random`): take another one at each step.

        Returns
        -------
        y : array of shape (n_samples, *output_shape)
        params : tree of arrays
            The given ones, except statistics that were refreshed.

        Raises
        ------
        ShapeError
            When `x` does not have the shape that the parameters were made for.
        ArgumentError
            When a layer needs a key in training and gets none.
        """
        raise NotImplementedError

    def check_values(self, x: Any) -> None:
        """Raise for numbers in the input that the layer cannot take, such as a category that there is not.

        The forward pass does that by itself where there are numbers to look at. Compiled, there are none: so
        `twopass.Trainer` calls this once with all samples. A container asks the layers that get its own input, a
        `Graph` all of them.
        """

    def trainable(self, params: Params) -> Any:
        """Which parameters gradient descent may change: a tree of bool with the structure of `params`."""
        return tree.map(lambda _: not self.frozen, params)

    def penalty(self, params: Params) -> Array:
        """What the weights add to the loss: a number, 0.0 without penalties."""
        return 0.0

    def constrain(self, params: Params) -> Params:
        """The parameters with the constraints enforced; called after each update."""
        return params

    def children(self) -> Mapping[Any, Layer]:
        """The layers inside this one, by the names under which `params` holds their parameters."""
        return {}

    def child_inputs(self, input_shape: Shape) -> dict[Any, Shape]:
        """The input shape of each of the `children`."""
        return {}

    def summary(self, input_shape: Shape | None = None, dtype: Any = np.float32) -> Summary:
        """The table of layers, output shapes, parameters and bytes.

        Parameters
        ----------
        input_shape : tuple of int, optional
            Shape of one sample, without the batch axis. Without it, what depends on it is a question mark.
        dtype : float32 or float64
            Type of the parameters, for the bytes.

        Returns
        -------
        Summary
            A text that the prompt and notebooks show by themselves; ``print`` it in a script.

        Examples
        --------
        >>> from twopass import nn
        >>> net = nn.Sequential(nn.Dense(300, activation="relu"), nn.Dropout(0.2), nn.Dense(10))
        >>> net.summary((784,))
        layer                               output shape  parameters    bytes
        ---------------------------------------------------------------------
        Sequential                          (10,)            238,510  954,040
          0  Dense(300, activation='relu')  (300,)           235,500  942,000
          1  Dropout(0.2)                   (300,)                 0        0
          2  Dense(10)                      (10,)              3,010   12,040
        ---------------------------------------------------------------------
        trainable                                            238,510  954,040
        not trainable                                              0        0
        """
        return Summary(table(self, input_shape, dtype))


@dataclass(frozen=True)
class Container(Layer, abstract=True):
    """Base of the layers that are made of layers; what they do to the parameters, they do to each child's."""

    def _assemble(self, values: dict[Any, Any]) -> Any:
        """What `params` looks like, from one value for each child."""
        return values

    def _freeze(self, layers: Mapping[Any, Layer]) -> Mapping[Any, Layer]:
        """The children as this container keeps them."""
        return {name: layer._replaced(frozen=True) for name, layer in layers.items()} if self.frozen else layers

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make the initial parameters of all layers; see `Layer.init`."""
        shapes = self.child_inputs(input_shape)
        children = self.children().items()
        made = {
            name: layer.init(child_seed(seed, index), shapes[name], dtype)
            for index, (name, layer) in enumerate(children)
        }
        return self._assemble(made)

    def trainable(self, params: Params) -> Any:
        """Which parameters gradient descent may change; see `Layer.trainable`."""
        return self._assemble({name: layer.trainable(params[name]) for name, layer in self.children().items()})

    def penalty(self, params: Params) -> Array:
        """The sum of the penalties of all layers."""
        return sum((layer.penalty(params[name]) for name, layer in self.children().items()), 0.0)

    def constrain(self, params: Params) -> Params:
        """The parameters with the constraints of all layers enforced."""
        return self._assemble({name: layer.constrain(params[name]) for name, layer in self.children().items()})
