from __future__ import annotations

import numpy as np
import pytest

from twopass.errors import ArgumentError
from twopass.nn.registry import Registry


def test_names() -> None:
    registry: Registry[object] = Registry("thing")
    registry.named("sine", "sin")(np.sin)
    assert registry.names() == ["sine", "sin"]
    assert registry.get("sin") is registry.get("sine") is registry.get(np.sin) is np.sin
    assert registry.name_of(np.sin) == registry.canonical("sin") == registry.canonical(np.sin) == "sine"
    assert registry.name_of(np.cos) is None
    assert registry.canonical(np.cos) is np.cos


def test_messages() -> None:
    registry: Registry[object] = Registry("thing")
    registry.register("sine", np.sin)
    with pytest.raises(ArgumentError, match=r"no thing named 'sin'.*Did you mean 'sine'.*Known names: sine"):
        registry.get("sin")
    with pytest.raises(ArgumentError, match="None is no thing"):
        registry.get(None)
    with pytest.raises(ArgumentError, match="the thing name 'sine' is taken"):
        registry.register("sine", np.cos)
