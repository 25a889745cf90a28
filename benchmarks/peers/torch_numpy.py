"""NumPy's names for PyTorch's functions, as far as ``benchmarks/edges.py`` needs them.

Each is what a user of PyTorch would write for it. A function that PyTorch does not have is not made out of others.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy
import torch
from torch.nn import functional

VERSION = f"torch {torch.__version__.split('+')[0]}"

Function = Callable[..., Any]


def tensor(value: Any) -> Any:
    """A number or an array as a tensor."""
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(numpy.asarray(value))


def _of_tensors(function: Function) -> Function:
    """A function that takes tensors only, for numbers too."""
    return lambda *args: function(*map(tensor, args))


def _extreme(whole: Function, along: Function) -> Function:
    return lambda x, axis=None: whole(x) if axis is None else along(x, dim=axis)


def _median(x: Any) -> Any:
    # torch.median of an even number of elements is the lower of the two in the middle.
    return torch.median(x) if x.numel() % 2 else torch.quantile(x, 0.5)


def _spread(function: Function) -> Function:
    return lambda x, ddof=0: function(x, correction=ddof)


def _named(module: Any, names: str) -> dict[str, Function]:
    """The functions of a module with these names."""
    return {name: getattr(module, name) for name in names.split()}


_ELEMENTWISE = (
    "maximum minimum fmax fmin hypot arctan2 logaddexp logaddexp2 heaviside copysign fmod remainder floor ceil round "
    "trunc sign abs exp expm1 log log1p sin tanh arctan arcsin arcsinh arccosh arctanh sqrt reciprocal sinc real imag "
    "conj angle isnan nan_to_num where"
)
numpy_names = SimpleNamespace(
    **{name: _of_tensors(function) for name, function in _named(torch, _ELEMENTWISE).items()},
    **_named(torch, "sum prod argmax nansum nanmean quantile reshape take broadcast_to zeros_like"),
    linalg=torch.linalg,
    inf=numpy.inf,
    int8=numpy.int8,
    uint8=numpy.uint8,
    array=lambda *args: tensor(numpy.array(*args)),
    zeros=lambda shape: torch.zeros(shape, dtype=torch.float64),
    ones=lambda shape: torch.ones(shape, dtype=torch.float64),
    clip=lambda x, low, high: torch.clamp(x, *(None if bound is None else tensor(bound) for bound in (low, high))),
    max=_extreme(torch.max, torch.amax),
    min=_extreme(torch.min, torch.amin),
    sort=lambda x: torch.sort(x).values,
    median=_median,
    nanmedian=lambda x: torch.nanquantile(x, 0.5),
    percentile=lambda x, q: torch.quantile(x, q / 100),
    std=_spread(torch.std),
    var=_spread(torch.var),
    cumsum=lambda x: torch.cumsum(x, 0),
    cumprod=lambda x: torch.cumprod(x, 0),
    concatenate=torch.cat,
    repeat=torch.repeat_interleave,
)
numpy_names.maximum.reduce = torch.amax
numpy_names.maximum.accumulate = lambda x: torch.cummax(x, 0).values
numpy_names.logaddexp.reduce = lambda x: torch.logsumexp(x, 0)

activations = SimpleNamespace(
    **_named(functional, "relu leaky_relu elu selu softplus silu mish gelu"),
    sigmoid=torch.sigmoid,
    step=lambda x: torch.heaviside(x, tensor(1.0)),
    gelu_tanh=lambda x: functional.gelu(x, approximate="tanh"),
    softmax=lambda x: functional.softmax(x, -1),
    log_softmax=lambda x: functional.log_softmax(x, -1),
)
losses = SimpleNamespace(
    mean_absolute_error=functional.l1_loss,
    huber=functional.huber_loss,
    binary_cross_entropy=functional.binary_cross_entropy_with_logits,
    softmax_cross_entropy=functional.cross_entropy,
    poisson=functional.poisson_nll_loss,
)
special = SimpleNamespace(
    **{name: _of_tensors(function) for name, function in _named(torch.special, "expit logit xlogy").items()},
    logsumexp=lambda x: torch.special.logsumexp(x, 0),
)
