"""Hyper-parameters as frozen dataclasses: checked when made, and written to and read from JSON-able dictionaries."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import operator
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from twopass.errors import ArgumentError, ModelError, compose

__all__ = [
    "Count",
    "Fraction",
    "Interval",
    "LearningRate",
    "NonNegative",
    "NonNegativeCount",
    "Positive",
    "Specification",
    "from_config",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """The numbers that a hyper-parameter may be, written as in mathematics.

    Examples
    --------
    >>> 1.0 in Interval(0, 1, closed="left")
    False
    >>> print(Interval(0, 1, closed="left"))
    [0, 1)
    """

    low: float
    high: float = math.inf
    closed: str = "neither"

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.closed in ("left", "both") else value > self.low
        below = value <= self.high if self.closed in ("right", "both") else value < self.high
        return above and below

    def __str__(self) -> str:
        left = "[" if self.closed in ("left", "both") else "("
        right = "]" if self.closed in ("right", "both") else ")"
        return f"{left}{self.low}, {self.high}{right}"


Positive = Annotated[float, Interval(0)]
NonNegative = Annotated[float, Interval(0, closed="left")]
#: A share or a decay rate below one.
Fraction = Annotated[float, Interval(0, 1, closed="left")]
Count = Annotated[int, Interval(1, closed="left")]
NonNegativeCount = Annotated[int, Interval(0, closed="left")]
#: A number, or a function of the step number (see `twopass.optim.schedules`).
LearningRate = Annotated[float | Callable[[Any], Any], Interval(0)]


@dataclasses.dataclass(frozen=True)
class Specification:
    """Base of the optimizers' and schedules' frozen dataclasses.

    A field annotated with one of this module's types is checked and turned into a Python number when the object is
    made. (Python numbers leave float32 arrays float32; NumPy's float64 scalars would promote them.)
    """

    _registry: ClassVar[dict[str, type[Specification]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = Specification._registry.get(cls.__name__, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            what = f"there already is a {cls.__name__} in {known.__module__}"
            raise ArgumentError(compose(what, why="Saved models name it.", instead="Choose another class name."))
        Specification._registry[cls.__name__] = cls

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for name, (kind, interval) in _constraints(cls).items():
            value = _checked(f"{cls.__name__}: {name}", getattr(self, name), kind, interval)
            object.__setattr__(self, name, value)

    def config(self) -> dict[str, Any]:
        """The class name and the hyper-parameters as JSON-able values; the inverse of `from_config`.

        Raises
        ------
        ModelError
            When a hyper-parameter is a function of the user's own.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"class": type(self).__name__, **{name: self._encoded(name, value) for name, value in fields.items()}}

    def _encoded(self, name: str, value: Any) -> Any:
        if isinstance(value, Specification):
            return value.config()
        if isinstance(value, tuple):
            return [self._encoded(name, item) for item in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        what = f"the {name} of this {type(self).__name__}, {value!r}, cannot be saved"
        instead = "Use one of twopass.optim.schedules, or a frozen dataclass derived from schedules.Schedule."
        raise ModelError(compose(what, why="Code is not written to model files.", instead=instead))

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Specification:
        return cls(**fields)


@functools.cache
def _constraints(cls: type[Any]) -> dict[str, tuple[Any, Interval | None]]:
    """Kind and interval of each field that is checked."""
    hints = get_type_hints(cls, include_extras=True)
    found: dict[str, tuple[Any, Interval | None]] = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if hint is bool:
            found[field.name] = (bool, None)
        elif get_origin(hint) is Annotated:
            kind, interval = get_args(hint)
            found[field.name] = (kind, interval)
    return found


def _checked(name: str, value: Any, kind: Any, interval: Interval | None) -> Any:
    """The value as a Python number of its kind (or the function that it is), if it is allowed."""
    if interval is None:
        if not isinstance(value, bool):
            raise ArgumentError(compose(f"{name} must be True or False, not {value!r}"))
        return value
    if kind is not int and kind is not float and callable(value):
        return value
    number = _number(value, kind)
    if number is None or number not in interval:
        noun = "a whole number" if kind is int else "a number" if kind is float else "a number (or a schedule)"
        raise ArgumentError(compose(f"{name} must be {noun} in {interval}, not {value!r}"))
    return number


def _number(value: Any, kind: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if kind is int:
        try:
            return operator.index(value)
        except TypeError:
            return None
    return float(value) if isinstance(value, numbers.Real) else None


def from_config(config: Any) -> Any:
    """Make the optimizer, transformation or schedule that a configuration describes.

    Raises
    ------
    ModelError
        When the configuration is damaged or names a class that does not exist here.

    Examples
    --------
    >>> from_config({"class": "SGD", "learning_rate": 0.1, "momentum": 0.9})
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """
    if not isinstance(config, dict) or config.get("class") not in Specification._registry:
        name = config.get("class") if isinstance(config, dict) else config
        what = f"there is no optimizer or schedule named {name!r}"
        why = f"Known are {', '.join(sorted(Specification._registry))}."
        raise ModelError(compose(what, why=why, instead="If it is a class of yours, import it before loading."))
    fields = {name: _decoded(value) for name, value in config.items()}
    cls = Specification._registry[fields.pop("class")]
    try:
        return cls._from_fields(fields)
    except (ArgumentError, KeyError, TypeError) as error:
        raise ModelError(compose(f"the configuration of {cls.__name__} is damaged", why=f"{error}.")) from error


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return from_config(value)
    return tuple(_decoded(item) for item in value) if isinstance(value, list) else value
