"""Parameters that PyTorch and Keras models have been saved with, in safetensors files.

In such a file every tensor has a name, which ends with what it is in its layer. The table below says how that is called
and laid out in both libraries; in front of it stands the name of the layer.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from twopass import nn, tree
from twopass.errors import ArgumentError, ModelError, compose

__all__ = ["read_weights"]

Array = np.ndarray[Any, np.dtype[Any]]

#: For each kind of layer, and its parameters: their names in PyTorch and in Keras.
_NAMES: dict[type[nn.Layer], dict[str, tuple[str, str]]] = {
    nn.Dense: {"weight": ("weight", "kernel"), "bias": ("bias", "bias")},
    nn.BatchNorm: {
        "scale": ("weight", "gamma"),
        "shift": ("bias", "beta"),
        "mean": ("running_mean", "moving_mean"),
        "variance": ("running_var", "moving_variance"),
    },
    nn.LayerNorm: {"scale": ("weight", "gamma"), "shift": ("bias", "beta")},
}
#: Parameters that a layer of theirs may lack, and what they are then.
_OPTIONAL = {"scale": 1, "shift": 0}
#: Tensors that are no parameters.
_IGNORED = ("num_batches_tracked", "seed_generator_state")


class _Group(NamedTuple):
    """The tensors of one layer in a file."""

    name: str
    tensors: dict[str, Array]

    @property
    def is_keras(self) -> bool:
        return bool({"kernel", "gamma", "beta", "moving_mean"} & self.tensors.keys())

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its tensors."""
        return {part: tensor.shape for part, tensor in self.tensors.items()}

    @property
    def kind(self) -> type[nn.Layer]:
        """What layer it is one of."""
        if {"running_mean", "moving_mean"} & self.tensors.keys():
            return nn.BatchNorm
        is_matrix = self.tensors.get("weight", np.empty(0)).ndim == 2
        return nn.Dense if "kernel" in self.tensors or is_matrix else nn.LayerNorm


def read_weights(
    file: str | os.PathLike[str],
    net: nn.Layer,
    input_shape: tuple[int, ...],
    *,
    names: Sequence[str] | None = None,
    dtype: Any = None,
) -> Any:
    """Parameters for a network, from a safetensors file of a PyTorch or Keras model.

    The file holds no network, so it is given: with the same layers in the same order. Each layer with parameters takes
    the next one of its kind in the file. PyTorch's weights, which are (units, inputs), are transposed.

    Parameters
    ----------
    file : path
        Written by ``safetensors.torch.save_file(model.state_dict(), file)``, or by
        ``safetensors.numpy.save_file({v.path: v.numpy() for v in model.weights}, file)`` for Keras.
    net : nn.Layer
        Of `nn.Dense`, `nn.BatchNorm` and `nn.LayerNorm`, and layers without parameters.
    input_shape : tuple of int
        Shape of one sample.
    names : sequence of str, optional
        The names of the layers in the file, in the order in which `net` has them. By default they are sorted, with
        numbers in their order: ``0, 2, 10`` and ``dense, dense_1, dense_2``. Names without an order, ``hidden`` and
        ``output``, can be left out if the shapes tell the layers apart.
    dtype : {"float32", "float64"}, optional
        Of the result; by default that of the file.

    Returns
    -------
    tree of ndarray
        What ``net.init`` makes, with these numbers.

    Raises
    ------
    ModelError
        When the file is not one, does not fit to the network, or leaves open which layer is which.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from safetensors.numpy import save_file
    >>> net = nn.Sequential(nn.Dense(1, activation="relu"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "model.safetensors")
    ...     save_file({"0.weight": np.ones((1, 3), np.float32), "0.bias": np.zeros(1, np.float32)}, file)
    ...     params = read_weights(file, net, (3,))
    >>> params[0]["weight"].shape
    (3, 1)
    """
    groups = _groups(_read(Path(file)), Path(file))
    if names is None:
        _check_order(groups, Path(file))
    else:
        groups = _in_order(groups, names, Path(file))
    found = dtype or np.result_type(np.float32, *(a for group in groups for a in group.tensors.values()))
    if np.dtype(found) not in (np.float32, np.float64):
        raise ArgumentError(compose(f"dtype must be float32 or float64, not {found}"))
    initial = net.init(0, input_shape, found)
    waiting = {kind: [group for group in groups if group.kind is kind] for kind in _NAMES}
    pieces: list[Any] = []
    for path, layer, own in _with_parameters(net, initial):
        group = _next(waiting, groups if names is not None else None, path, layer, Path(file))
        pieces += _converted(group, layer, own, Path(file))
    unused = [group.name for kind in waiting.values() for group in kind]
    if unused:
        what = f"the network has no layer for {', '.join(map(repr, unused[:3]))}"
        raise ModelError(compose(what, where=str(file), instead="Give a network with all the layers of the file."))
    return tree.unflatten(tree.structure(initial), pieces)


# --- the file ---------------------------------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, Array]:
    try:
        return safetensors.load(file.read_bytes())
    except OSError as error:
        raise ModelError(compose(f"the file cannot be read: {error.strerror}", where=str(file))) from error
    except (SafetensorError, KeyError, ValueError, AttributeError, TypeError) as error:
        what = "the file is not in the safetensors format, or holds other numbers than NumPy has"
        instead = "Save it with safetensors, in float32 or float64."
        raise ModelError(compose(what, where=str(file), why=f"{error}.", instead=instead)) from error


def _groups(tensors: Mapping[str, Array], file: Path) -> list[_Group]:
    """The layers in a file, sorted by their names."""
    groups: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        layer, part = re.fullmatch(r"(?:(.*)[./])?([^./]*)", name, re.DOTALL).groups("")  # type: ignore[union-attr]
        if part not in _IGNORED:
            groups.setdefault(layer, {})[part] = tensor
    if any(name.startswith("params.") for name in tensors):
        what = "the file belongs to a model of twopass"
        raise ModelError(compose(what, where=str(file), instead="Load its folder: tp.Trainer.load(folder)."))
    known = {name for parts in _NAMES.values() for pair in parts.values() for name in pair}
    for layer, parts in groups.items():
        strange = sorted(parts.keys() - known)
        if strange:
            what = f"the tensor {strange[0]!r} of {layer!r} is not one of a dense layer or a normalization"
            raise ModelError(compose(what, where=str(file)))
    return [_Group(name, groups[name]) for name in sorted(groups, key=_natural)]


def _natural(name: str) -> list[tuple[int, Any]]:
    """A key that sorts numbers in names by their values."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part)) if part.isdecimal() else (2, part) for part in parts if part]


def _check_order(groups: Sequence[_Group], file: Path) -> None:
    """Raise for two layers that could change places: alike, with names that no numbers put in order."""
    for one, other in itertools.combinations(groups, 2):
        if one.kind is not other.kind or one.shapes != other.shapes:
            continue
        pairs = zip(re.split("[./]", one.name), re.split("[./]", other.name), strict=False)
        first, second = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
        if re.sub(r"_?\d+$", "", first) != re.sub(r"_?\d+$", "", second):
            what = f"whether {one.name!r} or {other.name!r} comes first, the file does not say"
            why = "Both have the same shapes, and a safetensors file keeps no order."
            listed = ", ".join(repr(group.name) for group in groups)
            instead = f"Name the layers in the order of the network: names=[...], of {listed}."
            raise ModelError(compose(what, where=str(file), why=why, instead=instead))


def _in_order(groups: Sequence[_Group], names: Sequence[str], file: Path) -> list[_Group]:
    by_name = {group.name: group for group in groups}
    missing = [name for name in names if name not in by_name]
    if missing:
        what = f"there is no layer {missing[0]!r} in the file"
        raise ModelError(compose(what, where=str(file), why=f"It has {', '.join(map(repr, by_name))}."))
    rest = [group for group in groups if group.name not in names]
    return [*(by_name[name] for name in names), *rest]


# --- the network ------------------------------------------------------------------------------------------------------


def _with_parameters(layer: nn.Layer, params: Any, path: str = "") -> Iterator[tuple[str, nn.Layer, Any]]:
    """The layers with parameters, in the order of their leaves in the tree."""
    children = layer.children()
    for name, child in children.items():
        yield from _with_parameters(child, params[name], f"{path}.{name}" if path else str(name))
    if not children and params:
        yield path or "0", layer, params


def _next(
    waiting: dict[type[nn.Layer], list[_Group]],
    ordered: list[_Group] | None,
    path: str,
    layer: nn.Layer,
    file: Path,
) -> _Group:
    """The tensors for a layer of the network."""
    kind = next((kind for kind in _NAMES if isinstance(layer, kind)), None)
    if kind is None:
        what = f"layer {path} is a {type(layer).__name__}, which neither PyTorch nor Keras has"
        raise ModelError(compose(what, where=str(file), instead="Set its parameters by hand."))
    if not waiting[kind] or (ordered is not None and ordered[0] is not waiting[kind][0]):
        found = f"{ordered[0].name!r} comes next" if ordered else f"there is no {kind.__name__} left in the file"
        what = f"layer {path} of the network is {layer!r}, and {found}"
        instead = "Give a network with the layers of the file."
        raise ModelError(compose(what, where=str(file), instead=instead))
    if ordered is not None:
        ordered.pop(0)
    return waiting[kind].pop(0)


def _converted(group: _Group, layer: nn.Layer, own: Mapping[str, Array], file: Path) -> list[Array]:
    """The tensors of a layer as the network has them, in the order of its parameters."""
    kind = next(kind for kind in _NAMES if isinstance(layer, kind))
    spelled = {name: pair[group.is_keras] for name, pair in _NAMES[kind].items()}
    extra = group.tensors.keys() - {spelled[name] for name in own}
    made = []
    for name, leaf in own.items():
        found = group.tensors.get(spelled[name])
        if found is None and name in _OPTIONAL:
            found = np.full(leaf.shape, _OPTIONAL[name])
        if found is not None and kind is nn.Dense and name == "weight" and not group.is_keras:
            found = found.T
        if found is None or found.shape != leaf.shape or extra:
            shapes = ", ".join(f"{part} {list(tensor.shape)}" for part, tensor in group.tensors.items())
            wanted = ", ".join(f"{spelled[name]} for {name} {list(leaf.shape)}" for name, leaf in own.items())
            what = f"{group.name!r} does not fit to {layer!r}: it holds {shapes}"
            raise ModelError(compose(what, where=str(file), why=f"The layer needs {wanted}."))
        made.append(np.array(found, leaf.dtype, order="C"))
    return made
