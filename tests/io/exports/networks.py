"""Random networks over all layers and activations, for both kinds of exports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from twopass import nn, tree

#: Each activation, and functions of the user's own.
ACTIVATIONS = [*nn.activations.names(), np.sin, lambda x: np.sqrt(x * x + 1) - np.minimum(x, 0.5)]


def random_model(seed: int) -> tuple[Any, Any]:
    """A network with random parameters, as the exporters take it; and inputs for it."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(["float32", "float64"][seed % 2])
    shape: Any = tuple(int(n) for n in rng.integers(1, 6, rng.choice([1, 1, 2, 3])))
    net = FORMS[seed % len(FORMS)](rng, shape)
    if FORMS[seed % len(FORMS)] is two_ways:
        shape = (shape, shape)
    params = tree.map(lambda leaf: perturbed(rng, leaf), net.init(seed, shape, dtype))
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    inputs = [(2 * rng.normal(size=(9, *one))).astype(dtype) for one in shapes]
    put_categories(rng, net, inputs[0])
    model = SimpleNamespace(net=net, params=params, input_shape=shape, dtype=dtype)
    return model, tuple(inputs) if isinstance(shape[0], tuple) else inputs[0]


def perturbed(rng: np.random.Generator, leaf: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A parameter that is no special number; a variance stays positive."""
    return (leaf + rng.uniform(0, 0.3, leaf.shape)).astype(leaf.dtype)


def put_categories(rng: np.random.Generator, net: nn.Layer, x: np.ndarray[Any, Any]) -> None:
    """Let an input hold categories where the first layer wants them."""
    first = net.layers[0] if isinstance(net, nn.Sequential) and net.layers else net
    if isinstance(first, nn.Embedding):
        x[...] = rng.integers(0, first.n_categories, x.shape)
    if isinstance(first, nn.EmbeddedColumns):
        for column, embedding in zip(first.columns, first.embeddings, strict=True):
            x[..., column] = rng.integers(0, embedding.n_categories, x.shape[:-1])


def activation(rng: np.random.Generator) -> Any:
    return ACTIVATIONS[rng.integers(len(ACTIVATIONS))]


def layer(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """Any layer that takes such samples."""
    units = int(rng.integers(1, 7))
    makers = [
        lambda: nn.Dense(units, activation=activation(rng), use_bias=bool(rng.integers(2))),
        lambda: nn.Dense(units, activation=activation(rng)),
        lambda: nn.Activation(activation(rng)),
        lambda: nn.Dropout(0.4),
        lambda: nn.BatchNorm(epsilon=0.01),
        lambda: nn.LayerNorm(),
        lambda: nn.Flatten(),
        lambda: nn.Residual(nn.Sequential(nn.Dense(units, activation=activation(rng)), nn.Dense(shape[-1]))),
        lambda: nn.Residual(nn.Dense(units, activation="tanh"), nn.Dense(units, use_bias=False)),
        lambda: nn.Ensemble(nn.Dense(units, activation=activation(rng)), int(rng.integers(1, 4))),
        lambda: nn.Ensemble(nn.Sequential(nn.BatchNorm(), nn.Dense(units), nn.LayerNorm(), nn.Dense(2)), 3),
    ]
    made: nn.Layer = makers[rng.integers(len(makers))]()
    return made


def chain(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """Some layers, one after the other; a part of them in a Sequential of their own."""
    layers: list[nn.Layer] = []
    for _ in range(rng.integers(1, 6)):
        layers.append(layer(rng, shape))
        shape = layers[-1].output_shape(shape)
    cut = int(rng.integers(len(layers) + 1))
    return nn.Sequential(nn.Sequential(*layers[:cut]), *layers[cut:]) if cut else nn.Sequential(*layers)


def tied(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """An autoencoder that decodes with the weights of its encoder."""
    return nn.Graph(
        lambda net, x: net.encode(x) @ net.encode.params["weight"].T + x, encode=nn.Dense(3, activation=activation(rng))
    )


def two_ways(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """Two inputs, a layer that is used twice, joined features, and two outputs."""

    def forward(net: Any, inputs: Any) -> Any:
        a, b = (net.shared(x) for x in inputs)
        both = np.concatenate([a, b[..., ::-1], a[..., :1] * b], axis=-1)
        return net.out(both), np.max(both, axis=-1)

    return nn.Graph(forward, shared=nn.Dense(4, activation=activation(rng)), out=nn.Dense(2, activation="softmax"))


def attention(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """A layer that lets the parts of a sample look at each other: products of two values that both come from it."""

    def forward(net: Any, x: Any) -> Any:
        x = x.reshape(len(x), -1, x.shape[-1])
        scores = nn.softmax(net.ask(x) @ np.swapaxes(net.answer(x), 1, 2), axis=-1)
        mixed = np.einsum("nij,njk->nik", scores, x)
        return mixed - np.mean(mixed, axis=(1, 2), keepdims=True)

    return nn.Graph(forward, ask=nn.Dense(3), answer=nn.Dense(3))


def embedding(rng: np.random.Generator) -> nn.Embedding:
    return nn.Embedding(int(rng.integers(2, 9)), int(rng.integers(1, 5)))


def words(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """A vector for each number of a sample, and layers after it."""
    first = embedding(rng)
    return nn.Sequential(first, *chain(rng, first.output_shape(shape)).layers)


def categories(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """A table in which some columns hold categories, and layers after it."""
    columns = rng.permutation(shape[-1])[: rng.integers(1, shape[-1] + 1)].tolist()
    first = nn.EmbeddedColumns(tuple(columns), tuple(embedding(rng) for _ in columns))
    return nn.Sequential(first, *chain(rng, first.output_shape(shape)).layers)


FORMS = [chain, chain, chain, tied, chain, words, chain, two_ways, chain, categories, chain, attention, chain]
