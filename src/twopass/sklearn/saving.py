"""An estimator in a model folder: that of its network (`twopass.Trainer.save`), and the rest as JSON beside it.

So what reads networks reads those of estimators too, and there is no code in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from twopass import nn, optim, tree
from twopass.errors import ArgumentError, ModelError, compose
from twopass.io import load_model, unpack
from twopass.sklearn.network import frozen
from twopass.sklearn.solvers import Progress
from twopass.train import Partition, State, Trainer

if TYPE_CHECKING:
    from twopass.sklearn.base import BaseMLP

__all__ = ["load", "save"]

E = TypeVar("E", bound="BaseMLP")

#: Without these an estimator is another one.
_ESSENTIAL = ("activation", "loss", "solver")
#: What `fit` leaves beside arrays.
_NUMBERS = (
    *("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_", "loss_", "best_loss_"),
    *("best_validation_score_", "loss_curve_", "validation_scores_", "validation_loss_curve_", "_no_improvement_count"),
    *("target_names_", "tasks_", "target_means_", "target_scales_", "_container"),
)


def save(estimator: BaseMLP, folder: str | os.PathLike[str]) -> None:
    """Write an estimator; see `BaseMLP.save`."""
    architecture, dtype = estimator._architecture, estimator.coefs_[0].dtype
    params = frozen(estimator._params(), dtype)
    trainable, _ = Partition.of(architecture.net, params).split(params)
    progress: Progress | None = getattr(estimator, "_optimizer", None)
    transformation: optim.Transformation = optim.SGD(float(estimator.learning_rate_init))
    optimizer = None
    if progress is not None and _is_written(progress.transformation):
        transformation = progress.transformation
        optimizer = _like(transformation.init(trainable), progress.state)
    loss = estimator._objective().loss
    trainer = Trainer(architecture.net, loss, transformation, seed=0, dtype=dtype)
    trainer.input_shape = (estimator.n_features_in_,)
    trainer.state = State(params, transformation.init(trainable) if optimizer is None else optimizer)
    if hasattr(estimator, "loss_curve_"):
        trainer.epoch, trainer.history = len(estimator.loss_curve_), {"loss": list(estimator.loss_curve_)}
    described = {
        "class": type(estimator).__name__,
        "parameters": {name: _encoded(value) for name, value in estimator.get_params(deep=False).items()},
        "attributes": {name: _encoded(getattr(estimator, name)) for name in _NUMBERS if hasattr(estimator, name)},
        "columns": list(map(str, getattr(estimator, "feature_names_in_", ()))),
        "has_optimizer_state": optimizer is not None,
    }
    if estimator.is_categorical_ is not None:
        described["categories"] = {
            "columns": np.flatnonzero(estimator.is_categorical_).tolist(),
            "values": [known.tolist() for known in estimator.categories_],
            "dtypes": ["O" if known.dtype == object else known.dtype.str for known in estimator.categories_],
            "counts": [counts.tolist() for counts in estimator._category_counts],
        }
    if hasattr(estimator, "classes_"):
        if isinstance(estimator.classes_, list):  # of several targets, with None for numbers
            described["classes"] = [None if own is None else _labels(own) for own in estimator.classes_]
        else:
            described["classes"] = {**_labels(estimator.classes_), "kind": estimator._label_binarizer.y_type_}
    trainer.save(folder, extra={"estimator": described})


def load(cls: type[E], folder: str | os.PathLike[str], given: Mapping[str, Any]) -> E:
    """Read an estimator; see `BaseMLP.load`."""
    tensors, config = load_model(folder)
    try:
        described = config["extra"]["estimator"]
        if described["class"] != cls.__name__:
            what = f"the model in {os.fspath(folder)} is a {described['class']}"
            raise ModelError(compose(what, instead=f"Write {described['class']}.load(folder)."))
        estimator = cls(**{**_decoded_parameters(described["parameters"], given), **given})
        for name, value in described["attributes"].items():
            setattr(estimator, name, _decoded(value))
        if described["columns"]:
            estimator.feature_names_in_ = np.array(described["columns"], dtype=object)
        _set_categories(estimator, described.get("categories"))
        if "classes" in described:
            _set_classes(estimator, described["classes"])
        _set_arrays(estimator, tensors, np.dtype(config["dtype"]), described["has_optimizer_state"])
    except (KeyError, TypeError, AttributeError, IndexError, ArgumentError) as error:
        what = f"the model in {os.fspath(folder)} is no estimator, or damaged"
        raise ModelError(compose(what, why=f"{type(error).__name__}: {error}.")) from error
    return estimator


def _labels(classes: Any) -> dict[str, Any]:
    return {"values": classes.tolist(), "dtype": classes.dtype.str if classes.dtype.kind != "O" else "O"}


def _as_labels(described: Mapping[str, Any]) -> Any:
    return np.array(described["values"], dtype=described["dtype"])


def _set_classes(estimator: Any, described: Any) -> None:
    if isinstance(described, list):
        estimator.classes_ = [None if own is None else _as_labels(own) for own in described]
        return
    estimator.classes_ = _as_labels(described)
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_ = estimator.classes_, described["kind"], False
    estimator._label_binarizer = binarizer


def _set_categories(estimator: Any, described: Mapping[str, Any] | None) -> None:
    estimator.is_categorical_ = None
    if described is not None:
        estimator.is_categorical_ = np.isin(np.arange(estimator.n_features_in_), described["columns"])
        listed = zip(described["values"], described["dtypes"], strict=True)
        estimator.categories_ = [np.array(values, dtype=object if dtype == "O" else dtype) for values, dtype in listed]
        estimator._category_counts = [np.array(counts, np.int64) for counts in described["counts"]]


def _set_arrays(estimator: Any, tensors: Mapping[str, Any], dtype: np.dtype[Any], has_state: bool) -> None:
    architecture = estimator._make_architecture(estimator.n_features_in_)
    like = architecture.net.init(0, (estimator.n_features_in_,), dtype)
    params = unpack({name: tensor for name, tensor in tensors.items() if name.startswith("params.")}, like, "params")
    coefs, intercepts, norms = architecture.lists(params)
    estimator.coefs_, estimator.intercepts_ = coefs, intercepts
    if norms:
        estimator.norms_ = norms
    if architecture.table is not None:
        estimator.embeddings_ = architecture.vectors(params)
    whole = architecture.with_strength(estimator.alpha, params, dtype)
    estimator._best_params = whole if estimator.early_stopping else None
    if has_state:
        transformation = estimator._transformation()
        plain = transformation.init(Partition.of(architecture.net, params).split(params)[0])
        found = tree.map(np.array, unpack(tensors, plain, "optimizer"))
        own = transformation.init(Partition.of(architecture.trained, whole).split(whole)[0])
        estimator._optimizer = Progress(transformation, _like(own, found))


def _like(structure: Any, leaves: Any) -> Any:
    """A tree with the leaves of another, which has as many."""
    return tree.unflatten(tree.structure(structure), tree.leaves(leaves))


def _is_written(transformation: optim.Transformation) -> bool:
    """Whether an optimizer can be written: it holds no code."""
    try:
        transformation.config()
    except ModelError:
        return False
    return True


# --- values as JSON ---------------------------------------------------------------------------------------------------


def _encoded(value: Any) -> Any:
    """A value as JSON can hold it; ``{"code": its repr}`` for what only code can say."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"number": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        items = [_encoded(item) for item in value]
        if _has_code(items):
            return {"code": repr(value)}
        return {"list" if isinstance(value, list) else "tuple": items}
    if isinstance(value, dict):
        pairs = [[_encoded(key), _encoded(item)] for key, item in value.items()]
        return {"code": repr(value)} if any(map(_has_code, pairs)) else {"mapping": pairs}
    try:
        if isinstance(value, optim.Transformation):
            return {"optimizer": value.config()}
        if (name := nn.activations.ACTIVATIONS.name_of(value)) is not None:
            return {"activation": name}
        return {"loss": nn.losses.config(value)}
    except (ModelError, ArgumentError):
        return {"code": repr(value)}


def _has_code(items: list[Any]) -> bool:
    return any(isinstance(item, dict) and "code" in item for item in items)


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "number":
            return float(content)
        case "list":
            return [_decoded(item) for item in content]
        case "tuple":
            return tuple(_decoded(item) for item in content)
        case "mapping":
            return {_decoded(key): _decoded(item) for key, item in content}
        case "optimizer":
            return optim.from_config(content)
        case "activation":
            return nn.activations.get(content)
        case "loss":
            return nn.losses.from_config(content)
    raise KeyError(kind)


def _decoded_parameters(parameters: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in parameters.items():
        if name in given:
            continue
        if isinstance(value, dict) and "code" in value:
            if name in _ESSENTIAL:
                what = f"the model was saved without its {name}, {value['code']}, because it is code"
                raise ModelError(compose(what, instead=f"Give it again: load(folder, {name}=...)."))
        else:
            found[name] = _decoded(value)
    return found
