"""Things that can be asked for by name: activations, initializers, losses, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twopass.errors import ArgumentError, compose, unknown_name

__all__ = ["REGISTRIES", "Registry"]

T = TypeVar("T")
Entry = TypeVar("Entry")


class Registry(Generic[T]):
    """Names of one kind of thing.

    Parameters
    ----------
    kind : str
        What the entries are, for messages and saved models: ``"activation"``, ``"loss"``, ...

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> shapes.register("square", lambda side: side * side)
    >>> shapes.get("square")(3)
    9
    >>> shapes.get("sqare")
    Traceback (most recent call last):
        ...
    twopass.errors.ArgumentError: there is no shape named 'sqare' ... Did you mean 'square'? Known names: square.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def names(self) -> list[str]:
        """All names, synonyms included.

        Examples
        --------
        >>> from twopass import nn
        >>> "huber" in nn.losses.names()
        True
        """
        return list(self._entries)

    def register(self, name: str, entry: T) -> None:
        """Give an entry a name, so that it can be asked for by name and saved with a model.

        Raises
        ------
        ArgumentError
            When another entry has the name.

        Examples
        --------
        >>> from twopass import nn
        >>> def bump(x):
        ...     return 1 / (1 + x * x)
        >>> nn.activations.register("bump", bump)
        >>> nn.Dense(3, activation=bump)
        Dense(3, activation='bump')
        """
        if self._entries.get(name, entry) is not entry:
            what = f"the {self.kind} name {name!r} is taken"
            raise ArgumentError(compose(what, instead="Choose another name."))
        self._entries[name] = entry

    def named(self, *names: str) -> Callable[[Entry], Entry]:
        """Decorator that registers what follows under a name and its synonyms."""

        def register(entry: Any) -> Any:
            for name in names:
                self.register(name, entry)
            return entry

        return register

    def get(self, name_or_entry: str | T) -> T:
        """The entry of a name; a function of your own is its own entry.

        Raises
        ------
        ArgumentError
            For an unknown name, with the nearest known ones.

        Examples
        --------
        >>> from twopass import nn
        >>> nn.initializers.get("he_normal")
        VarianceScaling(scale=2.0, mode='inputs')
        """
        if isinstance(name_or_entry, str):
            if name_or_entry not in self._entries:
                raise ArgumentError(unknown_name(self.kind, name_or_entry, self._entries))
            return self._entries[name_or_entry]
        if not callable(name_or_entry):
            what = f"{name_or_entry!r} is no {self.kind}"
            raise ArgumentError(
                compose(what, instead=f"Pass a function or one of the names {', '.join(self.names())}.")
            )
        return name_or_entry

    def name_of(self, entry: Any) -> str | None:
        """The first name under which something was registered; None for what has no name."""
        return next((name for name, known in self._entries.items() if known is entry), None)

    def canonical(self, name_or_entry: str | T) -> str | T:
        """The one way to write an entry: its first name if it has one, so that equal specifications compare equal.

        Raises
        ------
        ArgumentError
            As `get`.
        """
        entry = self.get(name_or_entry)
        return self.name_of(entry) or entry


#: The registries whose functions may appear in a saved model; each module that makes one adds it.
REGISTRIES: dict[str, Registry[Any]] = {}
