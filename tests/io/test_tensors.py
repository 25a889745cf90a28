from __future__ import annotations

import numpy as np
import pytest

from twopass.errors import ArgumentError, ModelError
from twopass.io import pack, unpack

PARAMS = [{"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3)}, {}, (np.int64(3), None)]


@pytest.mark.parametrize("prefix", ["", "params"])
def test_unpack_is_the_inverse_of_pack(prefix: str) -> None:
    tensors = pack(PARAMS, prefix)
    again = unpack({**tensors, "other.0": np.zeros(1)} if prefix else tensors, PARAMS, prefix)
    assert np.array_equal(again[0]["weight"], PARAMS[0]["weight"])
    assert again[1:] == [{}, (3, None)]
    assert all(name.startswith(prefix) for name in tensors)


def test_ambiguous_names_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"two tensors would be called 'a\.b'"):
        pack({"a": {"b": 1}, "a.b": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.bias": None}, r"not those of this network.*lacks 0\.bias"),
        ({"7.bias": np.zeros(3)}, r"lacks 7\.bias"),
        ({"0.bias": np.zeros(4)}, r"'0\.bias' has the shape \(4,\).*needs \(3,\)"),
        ({"0.bias": np.zeros(3, np.float32)}, r"dtype float32.*float64"),
    ],
)
def test_tensors_of_another_network_are_refused(change: dict[str, np.ndarray | None], message: str) -> None:
    tensors = {name: tensor for name, tensor in {**pack(PARAMS), **change}.items() if tensor is not None}
    with pytest.raises(ModelError, match=message):
        unpack(tensors, PARAMS)
