"""scikit-learn's multilayer perceptron: an epoch is one `partial_fit`, which makes mini-batches itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.peers import Declined, Variant
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, Weights, Workload

VERSION = f"scikit-learn {sklearn.__version__}"
VARIANTS = {"training": [Variant(f"{n} thread{'s' * (n > 1)}", options={"threads": n}) for n in (1, 2)]}

#: What it is compared on: networks of the size that its users train.
SHAPES = ((784, 300, 100, 10), (20, 64, 64, 2), (8, 30, 1))


class Training:
    """Epochs of an estimator without penalty.

    The rows are put in order here, not by the estimator: one copy of all is no slower than its copies of batches.
    """

    def __init__(self, workload: Workload, model: Any, weights: Weights, shuffle: bool) -> None:
        self.model = model
        self.x, y = workload.data()
        # Two classes get one output of the logistic function unless they are given as two columns.
        self.two_columns = workload.classifies and workload.sizes[-1] == 2
        self.y = np.eye(2, dtype=int)[y] if self.two_columns else y.ravel()
        self.first = {"classes": np.unique(y)} if workload.classifies and not self.two_columns else {}
        self.first = {"classes": [0, 1]} if self.two_columns else self.first
        self.orders = workload.orders(shuffle)
        self._start(weights)

    def _start(self, weights: Weights) -> None:
        """Let the estimator allocate what it needs, then give it the weights and an optimizer without a past."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the sample is smaller than a batch
            self.model.partial_fit(self.x[:8], self.y[:8], **self.first)
        if self.two_columns:
            # Then softmax, as the other peers: it takes them for labels that exclude each other only if it is told.
            self.model.out_activation_ = "softmax"
        for i, (weight, bias) in enumerate(weights):
            self.model.coefs_[i][...], self.model.intercepts_[i][...] = weight, bias
        optimizer = self.model._optimizer
        if hasattr(optimizer, "ms"):
            optimizer.t = 0
            for moment in (*optimizer.ms, *optimizer.vs):
                moment[...] = 0

    def __call__(self, epochs: int) -> None:
        for _ in range(epochs):
            order = next(self.orders)
            self.model.partial_fit(self.x[order], self.y[order])

    def result(self) -> list[np.ndarray]:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [part.copy() for pair in pairs for part in pair]


def training(workload: Workload, weights: Weights, shuffle: bool = True, threads: int = 1) -> Training:
    """The estimator with the constants of every peer."""
    if workload.sizes not in SHAPES or workload.batch_norm or workload.dropout:
        raise Declined("is not measured on this network")
    threadpool_limits(threads, user_api="blas")
    settings = {
        "hidden_layer_sizes": workload.sizes[1:-1],
        "activation": workload.activation,
        "solver": workload.optimizer.lower(),
        # Its squared error has the factor 1/2, the others' has not.
        "learning_rate_init": workload.rate * (1 if workload.classifies else 2),
        "momentum": 0.0,
        "nesterovs_momentum": False,
        "beta_1": BETA1,
        "beta_2": BETA2,
        "epsilon": ADAM_EPSILON,
        "alpha": 0.0,
        "batch_size": workload.batch,
        "shuffle": False,
    }
    model = (MLPClassifier if workload.classifies else MLPRegressor)(**settings)
    return Training(workload, model, weights, shuffle)
