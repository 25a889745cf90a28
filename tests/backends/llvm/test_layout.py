"""Where arrays keep their fields."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from backends.llvm import programs
from backends.llvm.programs import F4
from twopass.backends import llvm
from twopass.backends.llvm import layout, runtime
from twopass.backends.llvm.layout import Layout, find_layout


def test_this_interpreter_is_laid_out_as_expected() -> None:
    found = find_layout()
    assert found is not None
    array = np.arange(6.0).reshape(2, 3)
    assert ctypes.c_void_p.from_address(id(array) + found.data).value == array.ctypes.data
    assert ctypes.c_int.from_address(id(array) + found.ndim).value == 2


@pytest.mark.parametrize("field", [field.name for field in fields(Layout)])
def test_a_field_at_another_place_is_noticed(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = layout._expected()
    # Where something else is: the reference count, or another field.
    elsewhere = usual.dtype if field != "dtype" else usual.data
    if field in ("length", "items"):
        elsewhere = 0
    if field == "shape":
        elsewhere = usual.data
    monkeypatch.setattr(layout, "_expected", lambda: replace(usual, **{field: elsewhere}))
    assert find_layout.__wrapped__() is None


def test_other_interpreters_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert find_layout.__wrapped__() is None


def test_programs_run_without_looking_into_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    text = runtime.text(None, system=sys.platform, architecture="x86_64")
    assert "@enter_pointers(" in text and "@enter(" not in text
    monkeypatch.setattr(runtime.Runtime, "entry", lambda self, frame: None)
    run = llvm.compile(programs.sums(2))
    arrays: list[Any] = [np.full(64, k, F4) for k in range(3)]
    assert [out[0] for out in run(arrays)] == [1, 3]
    assert [out[0] for out in run([a.tolist() and np.repeat(a, 2)[::2] for a in arrays])] == [1, 3]
