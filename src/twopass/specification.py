"""Specifications: dataclasses that are checked when they are made, written as JSON, and read back.

Layers, optimizers, schedules and metrics are specifications: they say what to compute. The annotation of a parameter
says what it may be (`twopass.checks`)::

    @dataclass(frozen=True)
    class Dropout(Layer):
        rate: Fraction

>>> from twopass import nn
>>> nn.Dropout(1.5)
Traceback (most recent call last):
    ...
twopass.errors.ArgumentError: Dropout: rate must be a number in [0, 1), not 1.5 ...
>>> nn.Dropout(np.float32(0.5)).config()
{'class': 'Dropout', 'frozen': False, 'rate': 0.5}

The JSON is plain data. Reading it makes objects of registered classes only, so a model file can run no code.

===========================================  ========================================================================
in Python                                    in JSON
===========================================  ========================================================================
``Dense(3)``                                 ``{"class": "Dense", "units": 3, ...}``, all parameters spelled out
``relu``                                     ``"relu"``
``functools.partial(leaky_relu, slope=.2)``  ``{"activation": "leaky_relu", "parameters": {"slope": 0.2}}``
``np.float32([1, 2])``                       ``{"array": [1.0, 2.0], "dtype": "float32"}``
``(1, None)``, or the list                   ``[1, null]``; it is read as a tuple
===========================================  ========================================================================
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from twopass.checks import check
from twopass.errors import ArgumentError, ModelError, compose, unknown_name

__all__ = ["Family", "Names", "Specification"]


class Names(Protocol):
    """Functions that are known by names (`twopass.nn.registry.Registry`)."""

    def get(self, name_or_entry: str, /) -> Any:
        """The function of a name."""

    def name_of(self, entry: Any, /) -> str | None:
        """The name of a function."""


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """The classes that are found by name when a configuration of one kind is read.

    Parameters
    ----------
    kind : str
        What they are, in the plural, for messages.
    instead : str
        What to do with a parameter that cannot be written, for the message.
    functions : mapping of str to Names
        The functions that a configuration may name, by the key under which it does if they have parameters.
    """

    kind: str
    instead: str
    functions: Mapping[str, Names] = dataclasses.field(default_factory=dict)
    classes: dict[str, type[Specification]] = dataclasses.field(default_factory=dict, init=False)

    def add(self, cls: type[Specification]) -> None:
        """Make a class known by its name; of two with one name, the newest.

        Raises
        ------
        ArgumentError
            When the name belongs to a class of twopass.
        """
        known = self.classes.get(cls.__name__, cls)
        if known.__module__.startswith("twopass.") and known.__module__ != cls.__module__:
            what = f"the class name {cls.__name__} is taken by {known.__module__}"
            why = "Saved models find classes by their names."
            raise ArgumentError(compose(what, why=why, instead="Rename the new class."))
        self.classes[cls.__name__] = cls

    def encode(self, value: Any, role: str) -> Any:
        """A parameter as JSON can hold it.

        Parameters
        ----------
        value : any
            Numbers, strings, arrays, named functions, members of the family, and sequences of those.
        role : str
            What it is, for the message.

        Raises
        ------
        ModelError
            For a function without a registered name, or an object of a foreign class.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return [self.encode(item, role) for item in value]
        if isinstance(value, np.ndarray):
            return {"array": value.tolist(), "dtype": value.dtype.name}
        if isinstance(value, Specification) and value.family is self:
            return value.config()
        return self._encode_function(value, role)

    def _encode_function(self, value: Any, role: str) -> Any:
        parameters = value.keywords if isinstance(value, functools.partial) and not value.args else {}
        function = value.func if parameters else value
        for key, names in self.functions.items():
            name = names.name_of(function)
            if name is not None:
                return {key: name, "parameters": self.encode_items(parameters, role)} if parameters else name
        what = f"{role} is {value!r}, which has no name to save it under"
        raise ModelError(compose(what, why="A model file holds names and numbers, never code.", instead=self.instead))

    def encode_items(self, items: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """`encode` each value."""
        return {name: self.encode(value, f"{owner}: {name}") for name, value in items.items()}

    def decode(self, data: Any) -> Any:
        """The parameter that `encode` wrote.

        Raises
        ------
        ModelError
            When the data names a class or a parameter that does not exist.
        """
        if isinstance(data, list):
            return tuple(map(self.decode, data))
        if not isinstance(data, dict):
            return data
        if "class" in data:
            return self.from_config(data)
        if "array" in data:
            return np.array(data["array"], dtype=data["dtype"])
        for key, names in self.functions.items():
            if key in data:
                return functools.partial(names.get(data[key]), **self._decode_items(data["parameters"]))
        what = f"{sorted(data)} are not the keys of anything that this version can read"
        raise ModelError(compose(what, instead="The file is damaged or from a newer version: pip install -U twopass."))

    def _decode_items(self, items: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.decode(value) for name, value in items.items()}

    def from_config(self, config: Any) -> Any:
        """Make what the ``config()`` of a member of the family described.

        Raises
        ------
        ModelError
            When the configuration is damaged, or names a class that does not exist.
        """
        name = config.get("class") if isinstance(config, dict) else None
        if not isinstance(name, str):
            what = f"a configuration of {self.kind} is a dict with the key 'class', not {config!r:.80}"
            raise ModelError(compose(what, instead="Pass what config() gave."))
        if name not in self.classes:
            message = unknown_name(f"class of {self.kind}", name, self.classes)
            raise ModelError(f"{message} If it is one of yours, import its module before the model is read.")
        fields = {key: value for key, value in config.items() if key != "class"}
        try:
            return self.classes[name]._from_fields(self._decode_items(fields))
        except ModelError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            what = f"the parameters {sorted(fields)} do not make a {name}"
            instead = "The file is damaged or from another version: pip install -U twopass."
            raise ModelError(compose(what, why=f"{type(error).__name__}: {error}", instead=instead)) from error


class Specification:
    """Base of the dataclasses that say what to compute.

    A base with members is made by ``class Base(Specification, abstract=True)``, and has their `Family`. What is derived
    from it, and is not itself ``abstract=True``, is found by its class name when a saved model is read.

    Raises
    ------
    ArgumentError
        When a class takes the name of one of twopass, or a parameter is not what its annotation says.
    """

    family: ClassVar[Family]

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # In the class itself, where `dataclass` leaves it alone instead of writing one that shows the defaults too.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]
        if not abstract:
            cls.family.add(cls)

    def __post_init__(self) -> None:
        self._set(**self._fields())

    def __repr__(self) -> str:
        shown = []
        for field in sorted(_parameters(type(self)), key=lambda field: field.kw_only is True):
            value = repr(getattr(self, field.name))
            if field.default is field.default_factory is dataclasses.MISSING and not field.kw_only:
                shown.append(value)
            elif value != repr(field.default):
                shown.append(f"{field.name}={value}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def _set(self, **fields: Any) -> None:
        """Check parameters, and keep them in their one form, while a frozen dataclass is being made."""
        cls: Any = type(self)
        for name, value in fields.items():
            object.__setattr__(self, name, check(f"{cls.__name__}: {name}", value, _annotations(cls).get(name)))

    def _fields(self) -> dict[str, Any]:
        """The parameters by name."""
        return {field.name: getattr(self, field.name) for field in _parameters(type(self))}

    def _replaced(self, **changes: Any) -> Self:
        """A copy with other parameters."""
        return self._from_fields(self._fields() | changes)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        """Make one from its parameters."""
        return cls(**fields)

    def config(self) -> dict[str, Any]:
        """Everything needed to make this again, as JSON can hold it; the room's ``from_config`` is the inverse.

        Raises
        ------
        ModelError
            When a parameter is a function without a registered name.
        """
        name = type(self).__name__
        if "__dataclass_fields__" not in vars(type(self)):
            what = f"{name} is no dataclass, so its parameters are not known"
            raise ModelError(compose(what, instead="Write @dataclass(frozen=True) above the class."))
        return {"class": name} | self.family.encode_items(self._fields(), name)


def _parameters(cls: type[Specification]) -> list[dataclasses.Field[Any]]:
    """The fields that the constructor takes."""
    return [field for field in dataclasses.fields(cls) if field.init] if dataclasses.is_dataclass(cls) else []


@functools.cache
def _annotations(cls: Any) -> dict[str, Any]:
    """The annotations of a class and its bases; None for what has a name that is not known at run time."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        namespace = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
        for name, hint in inspect.get_annotations(base).items():
            try:
                found[name] = eval(hint, namespace) if isinstance(hint, str) else hint
            except Exception:  # a name of a function, or imported for type checkers only: nothing to check
                found[name] = None
    return found
