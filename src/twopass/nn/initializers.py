"""Initial values of parameters.

Weights must start **different from each other**. Hidden units with equal weights compute the same output, so they get
the same gradient, so gradient descent keeps them equal for ever: a layer of 300 units then has the power of one.

>>> from twopass import nn
>>> x = np.random.default_rng(0).normal(size=(4, 3))
>>> hidden = nn.Dense(2, activation="tanh", weight_initializer=Constant(0.5))
>>> h = hidden(hidden.init(0, (3,)), x)
>>> print(h[:, 0] == h[:, 1])  # two units, one function of the inputs
[ True  True  True  True]

Random numbers break the symmetry. Their variance is what matters: a unit that sums ``n`` inputs multiplies the
variance by ``n Var(w)``, layer after layer, and the backward pass does the same with its number of outputs. Keeping
both near 1 gives ``Var(w) = scale / n``:

================================  ==========================================  ==========================  ======
names                             scale and n                                 made for                    source
================================  ==========================================  ==========================  ======
``lecun_normal, lecun_uniform``   1 / inputs                                  selu, linear                [1]_
``glorot_normal, _uniform``       1 / mean of inputs and outputs              tanh, sigmoid, softmax      [2]_
``he_normal, he_uniform``         2 / inputs: a rectifier halves the second   relu and its relatives      [3]_
                                  moment
``orthogonal``                    lengths are kept exactly                    deep and recurrent nets     [4]_
================================  ==========================================  ==========================  ======

``"auto"``, the default of `Dense`, is ``he_normal`` for relu, leaky_relu, elu, gelu, silu and mish, ``lecun_normal``
for selu [5]_, and ``glorot_uniform`` otherwise. Biases start at zero: the weights break the symmetry already.

References
----------
.. [1] Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", in Neural Networks: Tricks of the Trade,
   1998, section 4.6.
.. [2] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
   AISTATS 2010, equations 12 and 16.
.. [3] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.
.. [4] A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
   linear neural networks", ICLR 2014.
.. [5] G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from twopass.checks import Finite, Positive
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.registry import REGISTRIES, Registry
from twopass.nn.specification import Specification

__all__ = [
    "Constant",
    "Given",
    "Initializer",
    "Orthogonal",
    "VarianceScaling",
    "canonical",
    "for_activation",
    "get",
    "make",
    "names",
    "register",
]

NDArray = npt.NDArray[Any]
#: ``(generator, shape, dtype) -> array``
Function: TypeAlias = "Callable[[np.random.Generator, tuple[int, ...], Any], NDArray]"

INITIALIZERS: Registry[Function] = Registry("initializer")
REGISTRIES["initializer"] = INITIALIZERS


class Initializer(Specification, abstract=True):
    """Base of the initializers: called with a generator, a shape and a dtype, gives an array.

    Weights of a dense layer have the shape ``(inputs, outputs)``.
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray:
        """Make the initial array."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Initializer):
    """The same value everywhere. For biases; weights need different values (see the module's text).

    Parameters
    ----------
    value : float
        Finite.

    Raises
    ------
    ArgumentError
        When the value is not a finite number.

    Examples
    --------
    >>> Constant(0.1)(np.random.default_rng(0), (2,), np.float32)
    array([0.1, 0.1], dtype=float32)
    """

    value: Finite

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray:
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True, eq=False)
class Given(Initializer):
    """An array of your own: `Dense` makes one when it gets an array as initializer.

    Parameters
    ----------
    values : array
        Finite; its shape is the parameter's.

    Raises
    ------
    ArgumentError
        When the values are not finite numbers.
    ShapeError
        When the parameter has another shape.

    Examples
    --------
    >>> Given(np.eye(2))(np.random.default_rng(0), (2, 2), np.float32)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    values: NDArray

    def __post_init__(self) -> None:
        values = np.array(self.values)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise ArgumentError(compose("the given initial values are not all finite numbers"))
        values.setflags(write=False)
        self._set(values=values)

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray:
        if self.values.shape != shape:
            what = f"the given initial values have the shape {self.values.shape}, the parameter has {shape}"
            raise ShapeError(compose(what, why="Weights are (inputs, outputs)."))
        return self.values.astype(dtype)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Given)
            and self.values.dtype == other.values.dtype
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.values.shape, self.values.tobytes()))


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Random numbers of mean 0 and variance ``scale / n``.

    Parameters
    ----------
    scale : float
        Positive.
    mode : {"inputs", "outputs", "mean"}
        What n is: the number of inputs, of outputs, or the mean of both.
    distribution : {"normal", "uniform"}
        The normal one is not truncated.

    Raises
    ------
    ArgumentError
        When a parameter is none of these.

    Examples
    --------
    >>> he_normal = VarianceScaling(2.0, "inputs", "normal")
    >>> w = he_normal(np.random.default_rng(0), (1000, 100), np.float32)
    >>> print(f"{w.var():.4f}")
    0.0020
    """

    scale: Positive = 1.0
    mode: Literal["inputs", "outputs", "mean"] = "mean"
    distribution: Literal["normal", "uniform"] = "normal"

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray:
        inputs, outputs = shape[:-1], shape[-1:]
        n_in, n_out = math.prod(inputs), math.prod(outputs)
        n = {"inputs": n_in, "outputs": n_out, "mean": (n_in + n_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(n, 1))
        # Drawn in float64 whatever the dtype is, so that one seed gives one network, rounded or not.
        if self.distribution == "normal":
            return (deviation * generator.standard_normal(shape)).astype(dtype)
        limit = math.sqrt(3) * deviation
        return generator.uniform(-limit, limit, shape).astype(dtype)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    Uniform over all such matrices: the Q of a random normal matrix, with the signs of R's diagonal.

    Parameters
    ----------
    gain : float
        Positive.

    Raises
    ------
    ArgumentError
        When the gain is not a positive number.
    ShapeError
        When the parameter is not a matrix.

    Examples
    --------
    >>> w = Orthogonal()(np.random.default_rng(0), (3, 2), np.float64)
    >>> np.allclose(w.T @ w, np.eye(2))
    True
    """

    gain: Positive = 1.0

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray:
        if len(shape) != 2:
            what = f"an orthogonal matrix has two axes, the parameter has the shape {shape}"
            raise ShapeError(compose(what, instead="Use another initializer."))
        q, r = np.linalg.qr(generator.standard_normal((max(shape), min(shape))))
        q = q * np.copysign(self.gain, np.diagonal(r))
        matrix: NDArray = (q if shape[0] >= shape[1] else q.T).astype(dtype)
        return matrix


for _prefix, _normal in (
    ("glorot", VarianceScaling(1.0, "mean")),
    ("he", VarianceScaling(2.0, "inputs")),
    ("lecun", VarianceScaling(1.0, "inputs")),
):
    INITIALIZERS.register(f"{_prefix}_normal", _normal)
    INITIALIZERS.register(f"{_prefix}_uniform", replace(_normal, distribution="uniform"))
INITIALIZERS.register("orthogonal", Orthogonal())
INITIALIZERS.register("zeros", Constant(0.0))
INITIALIZERS.register("ones", Constant(1.0))

_RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "mish")
_AUTO = dict.fromkeys(_RECTIFIERS, "he_normal") | {"selu": "lecun_normal"}


get = INITIALIZERS.get
names = INITIALIZERS.names
register = INITIALIZERS.register


def canonical(initializer: Any) -> Any:
    """How a layer keeps an initializer: by name if it has one; an array becomes `Given`.

    Raises
    ------
    ArgumentError
        For what is no initializer.

    Examples
    --------
    >>> canonical(get("zeros")), canonical([1.0, 2.0])
    ('zeros', Given(array([1., 2.])))
    """
    if isinstance(initializer, (np.ndarray, list)):
        return Given(np.array(initializer))
    return INITIALIZERS.canonical(initializer)


def for_activation(activation: Any) -> Function:
    """What ``"auto"`` means before an activation, given by name (or a function without one, or None).

    Examples
    --------
    >>> for_activation("relu") is get("he_normal"), for_activation(None) is get("glorot_uniform")
    (True, True)
    """
    return get(_AUTO.get(activation, "glorot_uniform") if isinstance(activation, str) else "glorot_uniform")


def make(initializer: Any, seed: np.random.SeedSequence, shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Run an initializer, and check what it gives.

    Raises
    ------
    ShapeError
        When an initializer of the user's own gives another shape than it was asked for.

    Examples
    --------
    >>> make("zeros", np.random.SeedSequence(0), (2,), np.float32)
    array([0., 0.], dtype=float32)
    """
    values = get(initializer)(np.random.default_rng(seed), shape, dtype)
    if np.shape(values) != shape:
        what = f"the initializer {initializer!r} gave the shape {np.shape(values)} when it was asked for {shape}"
        raise ShapeError(compose(what))
    return np.asarray(values, dtype)
