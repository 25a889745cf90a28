from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from peers import peer
from twopass import nn
from twopass.errors import ArgumentError, ModelError
from twopass.io import read_weights

Array = np.ndarray[Any, np.dtype[Any]]

NET = nn.Sequential(
    nn.Dense(4, activation="relu"),
    nn.BatchNorm(epsilon=1e-5),
    nn.Dropout(0.5),
    nn.Residual(nn.Sequential(nn.Dense(4), nn.LayerNorm())),
    nn.Dense(2, use_bias=False),
)


def arrays(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes]


def test_a_state_dict_of_pytorch(tmp_path: Path) -> None:
    w0, b0, scale, shift, mean, variance, w1, b1, g, h, w2 = arrays(
        (4, 3), (4,), (4,), (4,), (4,), (4,), (4, 4), (4,), (4,), (4,), (2, 4)
    )
    state = {
        "0.weight": w0,
        "0.bias": b0,
        "10.weight": w2,
        "2.weight": scale,
        "2.bias": shift,
        "2.running_mean": mean,
        "2.running_var": variance,
        "2.num_batches_tracked": np.array(7),
        "4.0.weight": w1,
        "4.0.bias": b1,
        "4.1.weight": g,
        "4.1.bias": h,
    }
    save_file(state, tmp_path / "torch.safetensors")
    params = read_weights(tmp_path / "torch.safetensors", NET, (3,))
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    y = np.maximum(x @ w0.T + b0, 0)
    y = (y - mean) / np.sqrt(variance + 1e-5) * scale + shift
    z = y @ w1.T + b1
    y = y + (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5) * g + h
    np.testing.assert_allclose(NET(params, x), y @ w2.T, rtol=1e-4)
    assert {leaf.dtype for layer in params for leaf in layer.values() if hasattr(leaf, "dtype")} == {
        np.dtype("float32")
    }


def test_the_weights_of_keras(tmp_path: Path) -> None:
    names = ["dense", "dense_1", "dense_10", "dense_2"]
    weights = dict(zip(names, arrays((3, 5), (5, 5), (5, 1), (5, 5)), strict=True))
    gamma, mean, variance = arrays((5,), (5,), (5,))
    tensors = {f"sequential/{name}/kernel": weight for name, weight in weights.items()}
    tensors |= {f"sequential/{name}/bias": np.full(weights[name].shape[1], 0.5, np.float32) for name in names}
    start = "sequential/batch_normalization"
    tensors |= {f"{start}/gamma": gamma, f"{start}/moving_mean": mean, f"{start}/moving_variance": variance}
    save_file(tensors, tmp_path / "keras.safetensors")
    net = nn.Sequential(
        nn.Dense(5, activation="tanh"), nn.Dense(5, activation="tanh"), nn.BatchNorm(), nn.Dense(5), nn.Dense(1)
    )
    params = read_weights(tmp_path / "keras.safetensors", net, (3,), dtype="float64")
    x = np.random.default_rng(1).normal(size=(5, 3))
    y = np.tanh(np.tanh(x @ weights["dense"] + 0.5) @ weights["dense_1"] + 0.5)
    y = (y - mean) / np.sqrt(variance + 1e-3) * gamma
    y = (y @ weights["dense_2"] + 0.5) @ weights["dense_10"] + 0.5
    np.testing.assert_allclose(net(params, x), y, rtol=1e-6)


def test_layers_with_names_of_their_own_are_put_in_order(tmp_path: Path) -> None:
    first, second = arrays((3, 3), (3, 3))
    save_file({"out/kernel": second, "hidden/kernel": first}, tmp_path / "m.safetensors")
    net = nn.Sequential(nn.Dense(3, use_bias=False), nn.Dense(3, use_bias=False))
    ordered = read_weights(tmp_path / "m.safetensors", net, (3,), names=["out", "hidden"])
    assert (ordered[0]["weight"] == second).all() and (ordered[1]["weight"] == first).all()


@pytest.mark.parametrize(
    ("names", "clear"),
    [
        (["fc2", "fc10"], True),
        (["0", "2.0"], True),
        (["sequential_1/dense_2", "sequential_1/dense_10"], True),
        (["dense", "dense_1"], True),
        (["hidden", "out"], False),
        (["sequential_2/sequential_1/dense_4", "sequential_2/dense_6"], False),  # a model within a model, of Keras
        (["encoder.0", "decoder.0"], False),
    ],
)
def test_nothing_is_guessed_about_an_order(names: list[str], clear: bool, tmp_path: Path) -> None:
    first, second, third = arrays((3, 3), (3, 3), (3, 4))
    one, other = names
    save_file({f"{one}/kernel": first, f"{other}/kernel": second}, tmp_path / "m.safetensors")
    net = nn.Sequential(nn.Dense(3, use_bias=False), nn.Dense(3, use_bias=False))
    if clear:
        params = read_weights(tmp_path / "m.safetensors", net, (3,))
        assert (params[0]["weight"] == first).all() and (params[1]["weight"] == second).all()
        return
    with pytest.raises(ModelError, match=r"comes first, the file does not say.*names=\[\.\.\.\]"):
        read_weights(tmp_path / "m.safetensors", net, (3,))
    save_file({f"{one}/kernel": first, f"{other}/kernel": third}, tmp_path / "m.safetensors")
    net = nn.Sequential(nn.Dense(3, use_bias=False), nn.Dense(4, use_bias=False))
    if sorted(names) == names:  # the shapes tell them apart
        assert (read_weights(tmp_path / "m.safetensors", net, (3,))[1]["weight"] == third).all()


def mistakes() -> dict[str, tuple[dict[str, Array], nn.Layer, str]]:
    dense = nn.Sequential(nn.Dense(2))
    w, b = arrays((2, 3), (2,))
    return {
        "shape": ({"0.weight": w.T.copy(), "0.bias": b}, dense, "'0' does not fit to Dense.2.: it holds"),
        "bias missing": ({"0.weight": w}, dense, "does not fit"),
        "bias too many": ({"0.weight": w, "0.bias": b}, nn.Sequential(nn.Dense(2, use_bias=False)), "does not fit"),
        "too few": ({"0.weight": w, "0.bias": b}, nn.Sequential(nn.Dense(2), nn.Dense(2)), "no Dense left in the file"),
        "too many": ({"0.weight": w, "0.bias": b, "1.weight": w, "1.bias": b}, dense, "no layer for '1'"),
        "convolution": ({"0.kernel_size": w}, dense, "'kernel_size' of '0' is not one of a dense layer"),
        "twopass": ({"params.0.weight": w.T.copy(), "params.0.bias": b}, dense, "belongs to a model of twopass"),
    }


@pytest.mark.parametrize("name", mistakes())
def test_files_that_do_not_fit_are_refused(name: str, tmp_path: Path) -> None:
    tensors, net, message = mistakes()[name]
    save_file(tensors, tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match=message):
        read_weights(tmp_path / "m.safetensors", net, (3,))


def test_files_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Dense(2))
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_weights(tmp_path / "none", net, (3,))
    for content in (b"", b"PK\x03\x04 pickle", b"\x10\0\0\0\0\0\0\0{}"):
        (tmp_path / "m").write_bytes(content)
        with pytest.raises(ModelError, match="not in the safetensors format"):
            read_weights(tmp_path / "m", net, (3,))
    save_file({"0.weight": np.zeros((2, 3), np.float32)}, tmp_path / "m")
    with pytest.raises(ModelError, match=r"there is no layer 'out' in the file.* It has '0'"):
        read_weights(tmp_path / "m", net, (3,), names=["out"])
    with pytest.raises(ArgumentError, match="float32 or float64"):
        read_weights(tmp_path / "m", net, (3,), dtype="int32")


def test_a_network_of_pytorch_itself(tmp_path: Path) -> None:
    torch = peer("torch")
    from safetensors.torch import save_file as save_torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.BatchNorm1d(8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3)
    )
    model(torch.randn(50, 6))  # moves the running statistics
    save_torch(model.eval().state_dict(), tmp_path / "m.safetensors")
    net = nn.Sequential(nn.Dense(8, activation="gelu"), nn.BatchNorm(epsilon=1e-5), nn.LayerNorm(), nn.Dense(3))
    params = read_weights(tmp_path / "m.safetensors", net, (6,))
    x = torch.randn(9, 6)
    np.testing.assert_allclose(net(params, x.numpy()), model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # its own
def test_a_network_of_keras_itself(tmp_path: Path) -> None:
    keras = peer("keras")
    layers = [
        keras.layers.Dense(6, activation="gelu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        *(keras.layers.Dense(6, activation="leaky_relu") for _ in range(10)),
        keras.layers.LayerNormalization(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6,)), *layers])
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    model.compile("adam", "mean_squared_error")
    model.fit(x, np.eye(3, dtype=np.float32)[np.arange(60) % 3], epochs=2, verbose=0)  # moves the running statistics
    save_file({v.path: v.numpy() for v in model.weights}, tmp_path / "m.safetensors")
    leaky = functools.partial(nn.leaky_relu, slope=0.2)
    net = nn.Sequential(
        nn.Dense(6, activation="gelu"),
        nn.BatchNorm(),
        *(nn.Dense(6, activation=leaky) for _ in range(10)),
        nn.LayerNorm(epsilon=1e-3),
        nn.Dense(3, activation="softmax"),
    )
    params = read_weights(tmp_path / "m.safetensors", net, (6,))
    np.testing.assert_allclose(net(params, x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
