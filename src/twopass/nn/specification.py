"""Specifications: frozen dataclasses that can be written as JSON and read back.

Layers, initializers, penalties and constraints are specifications: they say what to compute and hold no state. The
JSON is plain data. Reading it makes objects of registered classes only, so a model file can run no code.

===========================================  ========================================================================
in Python                                    in JSON
===========================================  ========================================================================
``Dense(3)``                                 ``{"class": "Dense", "units": 3, ...}``, all parameters spelled out
``relu``                                     ``"relu"``
``functools.partial(leaky_relu, slope=.2)``  ``{"activation": "leaky_relu", "parameters": {"slope": 0.2}}``
``np.float32([1, 2])``                       ``{"array": [1.0, 2.0], "dtype": "float32"}``
===========================================  ========================================================================
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, Self

import numpy as np

from twopass.errors import ArgumentError, ModelError, compose
from twopass.nn.registry import REGISTRIES, unknown_name
from twopass.nn.types import Config

__all__ = ["Specification", "decode", "encode", "encode_items", "from_config"]


@dataclasses.dataclass(frozen=True, repr=False)
class Specification:
    """Base of the frozen dataclasses that describe a network.

    A subclass is found by its class name when a saved model is read (of two with one name, the newest);
    ``class Mine(Base, abstract=True)`` is not.

    Raises
    ------
    ArgumentError
        When a class takes the name of one of twopass.
    """

    classes: ClassVar[dict[str, type[Specification]]] = {}

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if abstract:
            return
        known = Specification.classes.get(cls.__name__)
        if known is not None and known.__module__.startswith("twopass.") and known.__module__ != cls.__module__:
            what = f"the class name {cls.__name__} is taken by {known.__module__}"
            why = "Saved models find classes by their names."
            raise ArgumentError(compose(what, why=why, instead="Rename the new class."))
        Specification.classes[cls.__name__] = cls

    def __repr__(self) -> str:
        shown = []
        for field in sorted(dataclasses.fields(self), key=lambda field: field.kw_only is True):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                shown.append(repr(value))
            elif value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def _set(self, **fields: Any) -> None:
        """Replace parameters by their normalised form, while a frozen dataclass is being made."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _fields(self) -> dict[str, Any]:
        """The parameters by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def _replaced(self, **changes: Any) -> Self:
        """A copy with other parameters."""
        return self._from_fields(self._fields() | changes)

    def config(self) -> Config:
        """Everything needed to make this again, as JSON can hold it; `from_config` is the inverse.

        Raises
        ------
        ModelError
            When a parameter is a function without a registered name.
        """
        if "__dataclass_fields__" not in vars(type(self)):
            what = f"{type(self).__name__} is no dataclass, so its parameters are not known"
            raise ModelError(compose(what, instead="Write @dataclass(frozen=True) above the class."))
        return {"class": type(self).__name__} | encode_items(self._fields())

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        """Make one from its decoded parameters."""
        return cls(**fields)


def encode(value: Any) -> Any:
    """A parameter as JSON can hold it.

    Raises
    ------
    ModelError
        For a function without a registered name, or an object of a foreign class.

    Examples
    --------
    >>> encode((1, np.float32(0.5), None))
    [1, 0.5, None]
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, Specification):
        return value.config()
    return _encode_function(value)


def _encode_function(value: Any) -> Any:
    parameters = value.keywords if isinstance(value, functools.partial) and not value.args else {}
    function = value.func if parameters else value
    for kind, registry in REGISTRIES.items():
        name = registry.name_of(function)
        if name is not None:
            return {kind: name, "parameters": encode_items(parameters)} if parameters else name
    what = f"{value!r} has no name to save it under"
    why = "A model file holds names and numbers, never code."
    raise ModelError(
        compose(
            what,
            why=why,
            instead="Name it with tp.nn.activations.register(name, function) (losses and initializers have the same), "
            "use functools.partial with keywords on a named function, or give the network again when loading: "
            "tp.Trainer.load(folder, net=...).",
        )
    )


def encode_items(items: dict[str, Any]) -> dict[str, Any]:
    """`encode` each value."""
    return {name: encode(value) for name, value in items.items()}


def decode(data: Any) -> Any:
    """The parameter that `encode` wrote.

    Raises
    ------
    ModelError
        When the data names a class, a function or a parameter that does not exist.
    """
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "class" in data:
        return from_config(data)
    if "array" in data:
        return np.array(data["array"], dtype=data["dtype"])
    for kind, registry in REGISTRIES.items():
        if kind in data:
            return functools.partial(registry.get(data[kind]), **_decode_items(data["parameters"]))
    what = f"{sorted(data)} are not the keys of anything that this version can read"
    raise ModelError(compose(what, instead="The file is damaged or from a newer version: pip install -U twopass."))


def _decode_items(items: dict[str, Any]) -> dict[str, Any]:
    return {name: decode(value) for name, value in items.items()}


def from_config(config: Config) -> Any:
    """Make a layer (or an initializer, a penalty, a constraint) from what its ``config()`` gave.

    Parameters
    ----------
    config : dict
        Plain data; only registered classes are made, so it cannot run code.

    Raises
    ------
    ModelError
        For an unknown class or parameter.

    Examples
    --------
    >>> from twopass import nn
    >>> nn.from_config(nn.Dense(3, activation="tanh").config())
    Dense(3, activation='tanh')
    """
    if not isinstance(config, dict) or not isinstance(config.get("class"), str):
        what = f"a layer's configuration is a dict with the key 'class', got {config!r:.80}"
        raise ModelError(compose(what, instead="Pass what layer.config() gave."))
    fields = dict(config)
    name = fields.pop("class")
    kind = Specification.classes.get(name)
    if kind is None:
        message = unknown_name("class of layers", name, list(Specification.classes))
        raise ModelError(f"{message} Import the module that defines it before the model is read.")
    try:
        return kind._from_fields(_decode_items(fields))
    except TypeError as error:
        what = f"the parameters {sorted(fields)} do not make a {name}: {error}"
        why = "The file is damaged or from another version."
        raise ModelError(compose(what, why=why, instead="Update with pip install -U twopass.")) from error
