"""Options in a file: ``--config run.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer

from twopass.errors import ArgumentError, compose, unknown_name

__all__ = ["read_config"]


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of a TOML file as the defaults of a command; what is typed wins.

    A key is the name of an option without its dashes, such as ``batch-size``; also ``source``.

    Raises
    ------
    ArgumentError
        When the file cannot be read, or sets what is no option.
    """
    if path is None:
        return None
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(compose(f"--config cannot be read: {error.strerror}", where=str(path))) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        instead = 'Write lines such as target = "price" or epochs = 50.'
        raise ArgumentError(compose(f"--config is not TOML: {error}", where=str(path), instead=instead)) from error
    names = {str(parameter.name) for parameter in context.command.params} - {"config", "help"}
    defaults: dict[str, Any] = {}
    for key, value in found.items():
        name = str(key).replace("-", "_")
        if name not in names:
            message = unknown_name("option", str(key), (known.replace("_", "-") for known in names))
            raise ArgumentError(f"{path}: {message}")
        if isinstance(value, dict) or (isinstance(value, list) and name != "drop"):
            what = f"{key} is {value!r}"
            raise ArgumentError(compose(what, where=str(path), instead=f"Give it one value: {key} = ..."))
        defaults[name] = [str(part) for part in value] if isinstance(value, list) else value
        if name == "drop" and isinstance(value, str):
            defaults[name] = [value]
    context.default_map = {**(context.default_map or {}), **defaults}
    return path
