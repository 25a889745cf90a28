"""The data sets by name: adding one is a loader in a module of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable

from twopass.data.california import CALIFORNIA_HOUSING, load_california_housing
from twopass.data.dataset import Dataset, DatasetInfo
from twopass.data.digits import DIGITS, load_digits
from twopass.data.download import Progress
from twopass.data.mnist import FASHION_MNIST, MNIST, load_fashion_mnist, load_mnist
from twopass.errors import ArgumentError, unknown_name

__all__ = ["DATASETS", "load"]

_Loader = Callable[[Progress | None], Dataset]

_REGISTRY: list[tuple[DatasetInfo, _Loader]] = [
    (DIGITS, lambda _: load_digits()),
    (MNIST, lambda progress: load_mnist(progress=progress)),
    (FASHION_MNIST, lambda progress: load_fashion_mnist(progress=progress)),
    (CALIFORNIA_HOUSING, lambda progress: load_california_housing(progress=progress)),
]

#: What is known of each data set, by name.
DATASETS: dict[str, DatasetInfo] = {info.name: info for info, _ in _REGISTRY}


def load(name: str, *, progress: Progress | None = None) -> Dataset:
    """Load a data set by its name; see `DATASETS` for the names.

    Parameters
    ----------
    name : str
        For example ``"digits"`` or ``"mnist"``.
    progress : callable, optional
        Called during a download with (file name, bytes so far, bytes in total or None).

    Raises
    ------
    ArgumentError
        When there is no data set of this name.
    DataError
        When its files cannot be downloaded, or are not the published ones.

    Examples
    --------
    >>> load("digits")
    Dataset('digits', classification, 1437 + 360 rows, 64 features)
    """
    for info, loader in _REGISTRY:
        if info.name == name:
            return loader(progress)
    raise ArgumentError(unknown_name("data set", name, DATASETS))
