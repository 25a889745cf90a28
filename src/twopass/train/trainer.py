"""The trainer: a network with its parameters, its optimizer's state, and how far it has come."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twopass import nn, optim
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.train import checkpoint
from twopass.train.arguments import as_count, as_dtype, as_metrics, as_net, as_optimizer, as_seed, as_validation, takes
from twopass.train.callbacks import Callback, Progress
from twopass.train.evaluation import Forward, PlainPredict, Predict, evaluate, joined, outputs, predicted
from twopass.train.fitting import Run, fit
from twopass.train.history import History
from twopass.train.inputs import check_feature_names, feature_names
from twopass.train.native import check_backend
from twopass.train.parameters import Partition, State, conforming, read_only
from twopass.train.plan import Shuffle
from twopass.train.programs import Programs
from twopass.train.resident import AnyState
from twopass.train.samples import Samples, as_arrays, as_samples, check_targets, input_shape
from twopass.train.weights import weighted_loss

__all__ = ["Trainer"]


class Trainer:
    """Train a network, and use it.

    Parameters
    ----------
    net : nn.Layer
        The network; often an `nn.Sequential`. An `nn.Ensemble` has the loss of each member in training, whose mean is
        reported; on validation data, loss and metrics are those of the mean of what its members predict.
    loss : str or callable
        A name of `twopass.nn.losses`, or a function ``(prediction, target) -> mean of the batch``.
    optimizer : optim.Transformation
        How gradients become updates.
    metrics : sequence of str, Metric or callable
        What `evaluate`, and `fit` on the validation data, report beside the loss.
    seed : int, optional
        Decides the initial parameters, the order of the batches and the random numbers of the layers: the same seed
        on the same machine gives the same bits. Without one, a seed is drawn; it is `trainer.seed`, and is saved.
    dtype : {"float32", "float64"}
        Of the parameters and all computation. Batches are converted; the data set is not.
    backend : {"auto", "llvm", "numpy"}
        What computes steps and predictions: machine code that LLVM makes, or NumPy. "auto" is machine code, and NumPy
        (with a warning that says why) for what cannot be compiled, such as a loss that branches on values. Losses and
        layers that are compiled are called once, and have to be functions of their arguments alone.
    threads : int, optional
        Threads of `fit`, `evaluate` and `predict`; by default as many as pay. Machine code gives the same bits with
        any number. With NumPy it is the number of the matrix products' threads, during `fit`.

    Attributes
    ----------
    epoch : int
        Number of epochs trained so far, over all fits.
    history : dict of str to list of float
        One entry an epoch: ``loss`` (mean over the training samples, as the weights changed, without penalties),
        ``val_loss`` and ``val_<metric>`` (if there were validation data), ``learning_rate`` (at the epoch's start)
        and ``seconds`` (of the training steps).
    state : State
        Parameters and optimizer state. Assign a kept one to go back to it.
    feature_names : list of str or None
        The columns of the data frame that the network was first trained on. Data frames have to have them, in that
        order, from then on; they are saved with the model.

    Raises
    ------
    ArgumentError
        For an unknown loss, metric, dtype or backend, or a bad seed.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
    >>> net = tp.nn.Sequential(tp.nn.Dense(16, activation="tanh"), tp.nn.Dense(2))
    >>> trainer = Trainer(net, "softmax_cross_entropy", tp.optim.Adam(0.01), metrics=["accuracy"], seed=0)
    >>> history = trainer.fit(x, y, epochs=60)
    >>> trainer.evaluate(x, y)["accuracy"] > 0.95
    True
    >>> trainer.predict(x).shape
    (200, 2)
    """

    def __init__(
        self,
        net: nn.Layer,
        loss: Any,
        optimizer: optim.Transformation,
        metrics: Sequence[Any] = (),
        *,
        seed: int | None = None,
        dtype: Any = "float32",
        backend: str = "auto",
        threads: int | None = None,
    ) -> None:
        check_backend(backend)
        self.net = as_net(net)
        self.loss = nn.losses.get(loss)
        self.optimizer = as_optimizer(optimizer)
        self.metrics = as_metrics(metrics)
        self.seed = as_seed(seed)
        self.dtype = as_dtype(dtype)
        self.backend = backend
        self.threads = None if threads is None else as_count("threads", threads)
        self.epoch = 0
        self.history: History = {}
        self.input_shape: Any = None
        self.feature_names: list[str] | None = None
        self.programs = Programs()
        self._state: AnyState | None = None

    def __repr__(self) -> str:
        return f"Trainer({self.net!r}, epoch={self.epoch}, seed={self.seed})"

    def init(self, input_shape: Any) -> Trainer:
        """Make the initial parameters, for samples of this shape; `fit` does it by itself.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one sample, without the batch axis.

        Raises
        ------
        ShapeError
            When the network cannot take such samples, or the parameters were made for other ones.
        """
        self._check_shape(input_shape)
        if self._state is None:
            params = read_only(self.net.init(self.seed, input_shape, self.dtype))
            trainable, _ = Partition.of(self.net, params).split(params)
            self._state = State(params, self.optimizer.init(trainable))
            self.input_shape = input_shape
        return self

    def _check_shape(self, found: Any) -> None:
        """Raise unless the network takes samples of this shape."""
        if self._state is not None and found != self.input_shape:
            what = f"the samples have the shape {found}, and the network was made for {self.input_shape}"
            raise ShapeError(compose(what, instead="Pass the same columns in the same order, or make a new trainer."))

    @property
    def state(self) -> State:
        """Parameters and optimizer state.

        Raises
        ------
        ArgumentError
            When there are none yet.
        """
        return self.live.copied()

    @state.setter
    def state(self, state: State) -> None:
        self.live = state

    @property
    def live(self) -> AnyState:
        """The state that `fit` works on: that of a large network goes on changing; see `resident`."""
        if self._state is None:
            what = "the network has no parameters yet"
            raise ArgumentError(compose(what, instead="Call trainer.fit(...), or trainer.init(input_shape)."))
        return self._state

    @live.setter
    def live(self, state: AnyState) -> None:
        self._state = state

    @property
    def params(self) -> Any:
        """The parameters: a tree of read-only arrays. What is assigned is checked and copied.

        The optimizer's state stays as it is.

        Raises
        ------
        ArgumentError, ShapeError, NotFiniteError
            When assigned parameters have another structure, another shape, or are not finite.
        """
        return self.live.params

    @params.setter
    def params(self, params: Any) -> None:
        self.state = State(conforming(params, self.params), self.state.optimizer)

    @property
    def averaged_params(self) -> Any:
        """The parameters with the averages of an `optim.moving_average` in the trainable places.

        Raises
        ------
        ArgumentError
            When the optimizer keeps no average.
        """
        partition = Partition.of(self.net, self.params)
        return partition.join(optim.averaged_params(self.state.optimizer), partition.rest(self.params))

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; NaN if the optimizer has none."""
        rate = self.optimizer.current_learning_rate(self.live.outline)
        return math.nan if rate is None else rate

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int = 1,
        batch_size: int = 32,
        *,
        shuffle: Shuffle = True,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = False,
    ) -> History:
        """Train for some epochs more.

        The order of the batches, and the random numbers of the layers, depend on the seed and the number of the epoch
        alone; so training that is saved, loaded and continued gives the bits of training that was not interrupted.

        Parameters
        ----------
        x : array-like of shape (n_samples, ...), or tuple of array-likes for a network with several inputs
            Inputs: an ndarray, a memory map (never copied as a whole), a list; an array of PyTorch, JAX or another
            library that speaks DLPack, in main memory (not copied either); a data frame of pandas, Polars or PyArrow,
            whose columns are numbers.
        y : array-like of shape (n_samples, ...)
            Targets, as the loss wants them; also a column of a data frame.
        epochs : int
            Passes over the samples.
        batch_size : int
            Samples in a step; the last batch of an epoch may be smaller.
        shuffle : bool or callable
            Whether each epoch takes the samples in a new order; or a function that gives the order, a permutation,
            from the number of the epoch.
        validation_data : tuple (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch.
        validation_split : float, optional
            Share of the samples, drawn by the seed, to hold out as validation data instead.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts in the training loss.
        class_weight : mapping of int to float, sequence of float, or "balanced", optional
            How much the samples of each class count in the training loss; 1 for classes that a mapping leaves out.
        callbacks : sequence of Callback
            Called in this order.
        progress : bool
            Whether to show progress on standard error: short for a `Progress` callback.

        Returns
        -------
        dict of str to list of float
            `history`, over all fits.

        Raises
        ------
        ArgumentError, DataError, ShapeError
            When the samples do not fit together, to the network or to the loss; before anything is trained.
        NotFiniteError
            When a sample is not finite; and when the loss or a parameter ceases to be. The trainer then holds the
            weights of the last finite loss. Compiled code changes a state of more than 4 MiB in place: then it holds
            the weights of the first loss that was not finite, and if a gradient was infinite where the loss was not,
            they are not finite either.
        """
        epochs, batch_size = as_count("epochs", epochs), as_count("batch_size", batch_size)
        samples = self.check_samples(x, y, sample_weight)
        validation = None
        if validation_data is not None:
            validation = self.check_samples(*as_validation(validation_data, validation_split))
        elif validation_split is not None:
            samples, validation = samples.split(validation_split, self.seed)
        loss = self.loss
        if class_weight is not None:
            loss = weighted_loss(loss, class_weight, samples, self._judged_shape(self.input_shape)[-1])
        run = Run(
            trainer=self,
            samples=samples,
            validation=validation,
            batch_size=batch_size,
            shuffle=shuffle,
            loss_function=loss,
            first_epoch=self.epoch + 1,
            last_epoch=self.epoch + epochs,
        )
        fit(run, [*callbacks, Progress()] if progress else list(callbacks))
        return self.history

    def check_samples(self, x: Any, y: Any, sample_weight: Any = None) -> Samples:
        """Samples that fit to the network and the loss; the first ones decide the shape of the network's input."""
        names = feature_names(x)
        check_feature_names(names, self.feature_names)
        samples = as_samples(x, y, sample_weight, self.dtype)
        shape = input_shape(samples.x)
        self._check_shape(shape)
        if samples.weight is not None and not takes(self.loss, "sample_weight"):
            what = "sample_weight is given, and the loss does not take it"
            raise ArgumentError(compose(what, instead="Write loss(prediction, target, *, sample_weight=None)."))
        self.net.check_values(samples.x)
        check_targets(self.loss, self.metrics, self._judged_shape(shape), samples, self.dtype)
        self.init(shape)  # last, so that a mistake above decides nothing
        if self.epoch == 0 and self.feature_names is None:
            self.feature_names = names
        return samples

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None, batch_size: int = 1024) -> dict[str, float]:
        """The loss (without penalties) and the metrics, exact over all samples.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`.
        batch_size : int
            Samples that are in memory together.

        Returns
        -------
        dict of str to float
            ``"loss"``, then one entry for each metric.

        Raises
        ------
        ArgumentError, DataError, ShapeError, NotFiniteError
            As `fit`, before anything is evaluated.
        """
        return self.evaluate_samples(self.check_samples(x, y, sample_weight), as_count("batch_size", batch_size))

    def evaluate_samples(self, samples: Samples, batch_size: int = 1024) -> dict[str, float]:
        """`evaluate` for samples that have been checked."""
        return evaluate(self._judged, self.params, self.loss, self.metrics, samples, batch_size, self.dtype)

    def _judged_shape(self, shape: Any) -> Any:
        """The shape of what the loss and the metrics see of a sample, from that of its input."""
        return (self.net.net if isinstance(self.net, nn.Ensemble) else self.net).output_shape(shape)

    @property
    def _judged(self) -> Forward:
        """What the loss and the metrics see: the outputs; of an ensemble, the mean of what its members predict."""
        predict, loss = self._predict, self.loss
        if not isinstance(self.net, nn.Ensemble):
            return predict

        def judged(params: Any, x: Any) -> tuple[Any, Any]:
            outputs, probe = predict(params, x)
            return nn.losses.mean_prediction(loss, outputs), probe

        return judged

    def predict(self, x: Any, *, batch_size: int = 1024) -> Any:
        """The network's output for each sample: logits, for the losses of classes.

        Parameters
        ----------
        x : array-like of shape (n_samples, ...), or tuple of array-likes
            Inputs.
        batch_size : int
            Samples that are in memory together.

        Returns
        -------
        array of shape (n_samples, *output_shape)
            Of an `nn.Ensemble` (n_samples, n_members, ...); `nn.losses.mean_prediction` makes one prediction of them.

        Raises
        ------
        ArgumentError
            When the network has no parameters yet.
        DataError, ShapeError, NotFiniteError
            When `x` does not fit to the network.
        """
        if self._is_simple(x, batch_size):
            self.net.check_values(x)
            found = predicted(self._predict, self.params, x, batch_size)
            if found is not None:
                return found
        check_feature_names(feature_names(x), self.feature_names)
        inputs, params = as_arrays(x, "x", self.dtype), self.params
        self._check_shape(input_shape(inputs))
        self.net.check_values(inputs)
        size = as_count("batch_size", batch_size)
        found = [output for _, output in outputs(self._predict, params, Samples(inputs, ()), size, self.dtype)]
        return joined(found) if found else np.zeros((0, *self.net.output_shape(self.input_shape)), self.dtype)

    def _is_simple(self, x: Any, batch_size: Any) -> bool:
        """Whether nothing has to be done to some inputs: a quick look, for the sake of single rows."""
        return (
            type(x) is np.ndarray
            and type(batch_size) is int
            and x.dtype == self.dtype
            and x.ndim > 0
            and x.shape[1:] == self.input_shape
            and len(x) > 0
            and batch_size > 0
        )

    @property
    def _predict(self) -> Predict:
        """The network, on the trainer's backend."""
        if self.backend == "numpy":
            return PlainPredict(self.net)
        return self.programs.predict(self.net, self.threads, self.backend)

    def summary(self) -> nn.Summary:
        """The table of layers, shapes, parameters and bytes, and how the network is trained.

        The prompt and notebooks show it by themselves; ``print(trainer.summary())`` does in a script.

        Raises
        ------
        ArgumentError
            When the network has no parameters yet.
        """
        _ = self.live
        layers = self.net.summary(self.input_shape, self.dtype)
        loss = f"loss {getattr(self.loss, '__name__', self.loss)}, {self.optimizer!r}"
        return nn.Summary(f"{layers}\n{loss}\nseed {self.seed}, {self.dtype}, {self.epoch} epochs trained")

    def explain(self) -> str:
        """How the last `fit` computed its steps: the kernels of the compiled program, their work, and its memory.

        Raises
        ------
        ArgumentError
            When nothing was compiled: before a fit, and on the backend "numpy".
        """
        for compiled in self.programs.training:  # for full batches; for the last one, if there was no other
            with contextlib.suppress(ArgumentError):
                return compiled.explain()
        what = "no training step has been compiled"
        raise ArgumentError(compose(what, instead="Call trainer.fit(...) first, on the backend 'auto' or 'llvm'."))

    def save(self, folder: str | os.PathLike[str], *, extra: Mapping[str, Any] | None = None) -> None:
        """Write everything that is needed to predict, and to continue training with the same bits, to a folder.

        That is parameters, optimizer state, network, loss, optimizer, metrics, seed, epoch and history; no code. What
        is code (a `Graph`, a function of your own) is left out, and has to be given to `load` again. A crash at any
        moment leaves the old model or the new one.

        Parameters
        ----------
        folder : path
            Created when it does not exist; a model that is there is replaced, other files are not.
        extra : mapping, optional
            What else belongs to the model, as JSON can hold it: how its inputs are scaled, what its classes are
            called. ``twopass.io.load_model(folder).config["extra"]`` gives it back.

        Raises
        ------
        ArgumentError, ModelError
            When the network has no parameters yet, or the folder cannot be written.
        """
        checkpoint.save(self, folder, extra)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        net: nn.Layer | None = None,
        loss: Any = None,
        optimizer: optim.Transformation | None = None,
        metrics: Sequence[Any] | None = None,
        backend: str = "auto",
        threads: int | None = None,
    ) -> Trainer:
        """The trainer that was saved.

        Parameters
        ----------
        folder : path
            As given to `save`.
        net, loss, optimizer, metrics
            In the place of the saved ones; needed for those that are code.
        backend, threads
            As for the constructor: where a model was trained does not matter.

        Raises
        ------
        ModelError
            When the folder holds no model, a damaged one, or one that needs what was not given.
        """
        given = {"net": net, "loss": loss, "optimizer": optimizer, "metrics": metrics}
        return checkpoint.load(cls, folder, given, {"backend": backend, "threads": threads})
