"""Training in MLflow's records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twopass.errors import MissingLibraryError, compose
from twopass.train.callbacks.base import Callback

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["MLflowLog"]

_LONGEST = 500  # characters of a parameter that every store of MLflow takes


class MLflowLog(Callback):
    """Record a fit with MLflow: how the network is trained as parameters, the quantities of the history as metrics.

    Where MLflow keeps them is its own affair: ``mlflow.set_tracking_uri``, ``mlflow.set_experiment`` or the variables
    of its environment. A run that is active is continued, and left open; otherwise the fit is a run of its own, which
    ends as finished, failed or killed. ``pip install 'twopass[mlflow]'`` installs what is needed.

    Parameters
    ----------
    run_name : str, optional
        Of the run, if there is no active one.
    tags : mapping of str to str, optional
        What else MLflow is to know of the run.

    Raises
    ------
    MissingLibraryError
        When MLflow is not installed.

    Examples
    --------
    ::

        trainer.fit(x, y, epochs=20, callbacks=[MLflowLog("first try")])
    """

    def __init__(self, run_name: str | None = None, tags: Mapping[str, str] | None = None) -> None:
        self.run_name = run_name
        self.tags = dict(tags or {})
        self._mlflow = _library()
        self._own = False

    def on_fit_begin(self, run: Run) -> None:
        trainer = run.trainer
        self._own = self._mlflow.active_run() is None
        if self._own:
            self._mlflow.start_run(run_name=self.run_name)
        if self.tags:
            self._mlflow.set_tags(self.tags)
        parameters = {
            "network": trainer.net,
            "loss": getattr(trainer.loss, "__name__", trainer.loss),
            "optimizer": trainer.optimizer,
            "seed": trainer.seed,
            "dtype": trainer.dtype,
            "batch_size": run.batch_size,
            "samples": len(run.samples),
        }
        if run.first_epoch > 1:  # parameters of a run are written once, and a second fit may have others
            parameters = {f"{name}_from_epoch_{run.first_epoch}": value for name, value in parameters.items()}
        self._mlflow.log_params({name: str(value)[:_LONGEST] for name, value in parameters.items()})

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        # Some of its stores refuse NaN.
        finite = {name: float(value) for name, value in record.items() if math.isfinite(value)}
        self._mlflow.log_metrics(finite, step=run.epoch)

    def on_fit_end(self, run: Run) -> None:
        if run.stop_reason is not None:
            self._mlflow.set_tag("stopped", run.stop_reason)
        if self._own:
            status = "FINISHED"
            if run.error is not None:
                status = "FAILED" if isinstance(run.error, Exception) else "KILLED"
            self._mlflow.end_run(status)
        self._own = False


def _library() -> Any:
    try:
        import mlflow
    except ImportError as error:
        what = "MLflow is not installed, and MLflowLog writes with it"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[mlflow]'.")) from error
    return mlflow
