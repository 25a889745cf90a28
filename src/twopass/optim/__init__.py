"""Optimizers and schedules: pure pairs of `init` and `update` that chain.

>>> import numpy as np, twopass as tp
>>> optimizer = tp.optim.chain(tp.optim.clip_by_global_norm(1.0), tp.optim.Adam(1e-3))
>>> params = {"w": np.ones(2)}
>>> state = optimizer.init(params)
>>> gradients = tp.grad(lambda params: np.sum(params["w"] ** 2))(params)
>>> updates, state = optimizer.update(gradients, state, params)
>>> tp.optim.apply_updates(params, updates)
{'w': array([0.999, 0.999])}
"""

from twopass.optim import schedules
from twopass.optim.adam import Adam, AdamW, NAdam, RAdam
from twopass.optim.adaptive import Adagrad, RMSProp
from twopass.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, weight_decay
from twopass.optim.combining import accumulate, averaged_params, moving_average, reduce_on_plateau
from twopass.optim.momentum import SGD, Lion
from twopass.optim.optimizer import Optimizer
from twopass.optim.specification import Specification, from_config
from twopass.optim.transformation import Transformation, apply_updates, chain

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSProp",
    "Specification",
    "Transformation",
    "accumulate",
    "apply_updates",
    "averaged_params",
    "chain",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "from_config",
    "moving_average",
    "reduce_on_plateau",
    "schedules",
    "weight_decay",
]
