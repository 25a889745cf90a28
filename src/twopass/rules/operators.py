"""Python's operators and conversions, as traced arrays have them: each operator is a NumPy function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.core.array import Array, apply
from twopass.core.operators import as_array
from twopass.core.rule import RULES, Rule
from twopass.core.trace import Unknown
from twopass.detaching import refuse_detaching

# --- operators ------------------------------------------------------------------------------------------------------

_UNARY: dict[str, Any] = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}

#: Operators that also have a reflected form, and all but the last one a form in place.
_BINARY: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "divmod": np.divmod,
}

_COMPARISONS: dict[str, Any] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


def _unary(function: Any) -> Callable[[Array], Any]:
    def method(self: Array) -> Any:
        return apply(RULES[function], (self,), {})

    return method


def _binary(function: Any) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        if isinstance(other, (list, tuple)):
            other = as_array(other)
        rule = RULES[function]
        return apply(rule, (self, other), {}) if isinstance(rule, Rule) else rule(self, other)

    return method


def _reflected(function: Any) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        if isinstance(other, (list, tuple)):
            other = as_array(other)
        rule = RULES[function]
        return apply(rule, (other, self), {}) if isinstance(rule, Rule) else rule(other, self)

    return method


def _in_place(function: Any) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        return self._replace(function(self, other))

    return method


for _name, _function in _UNARY.items():
    setattr(Array, f"__{_name}__", _unary(_function))
for _name, _function in _BINARY.items():
    setattr(Array, f"__{_name}__", _binary(_function))
    setattr(Array, f"__r{_name}__", _reflected(_function))
    if _function is not np.divmod:
        setattr(Array, f"__i{_name}__", _in_place(_function))
for _name, _function in _COMPARISONS.items():
    setattr(Array, f"__{_name}__", _binary(_function))

_power = _binary(np.power)
_FAST_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}


def _pow(self: Array, other: Any) -> Any:
    # As ndarray.__pow__ does: these are several times faster, and round better.
    fast = _FAST_POWERS.get(other) if type(other) in (int, float) and self.dtype.kind in "fc" else None
    return _power(self, other) if fast is None else apply(RULES[fast], (self,), {})


def _round(self: Array, digits: int | None = None) -> Any:
    return np.round(self, digits or 0)


setattr(Array, "__pow__", _pow)  # noqa: B010 - as above, and mypy does not know the operators
setattr(Array, "__round__", _round)  # noqa: B010

# --- what would lose the derivative ---------------------------------------------------------------------------------


def _refused(name: str, method_name: str) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        if self._trace.captures:
            if isinstance(self._primal, Unknown):
                self._primal.refuse(name)
            return getattr(self._primal, method_name)(*args, **kwargs)  # all examples of a batch share it
        refuse_detaching(name)

    return method


_REFUSED = {
    "__float__": "float()",
    "__int__": "int()",
    "__complex__": "complex()",
    "__index__": "use as an index",
    "__reduce_ex__": "pickling",
    "__buffer__": "the buffer protocol",
    "__dlpack__": "DLPack",
    "item": ".item()",
    "tolist": ".tolist()",
    "tobytes": ".tobytes()",
    "tofile": ".tofile()",
    "view": ".view()",
}

for _method, _what in _REFUSED.items():
    setattr(Array, _method, _refused(_what, _method))
Array.data = property(_refused(".data", "data"))  # type: ignore[attr-defined]
