"""MNIST and Fashion-MNIST: 70,000 images of 28 by 28 pixels each, in the IDX format."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from twopass.data.dataset import Dataset, DatasetInfo
from twopass.data.download import Progress, RemoteFile, fetch
from twopass.errors import DataError, compose

__all__ = ["FASHION_MNIST", "MNIST", "load_fashion_mnist", "load_mnist", "read_idx"]

_PIXELS = tuple(f"pixel_{row}_{column}" for row in range(28) for column in range(28))
_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"


_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _files(folder: str, url: str, sizes: tuple[int, ...], checksums: tuple[str, ...]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(path=f"{folder}/{name}", url=f"{url}/{name}", size=size, sha256=sha256)
        for name, size, sha256 in zip(_FILES, sizes, checksums, strict=True)
    )


MNIST = DatasetInfo(
    name="mnist",
    title="MNIST handwritten digits, 28 x 28",
    task="classification",
    n_train=60_000,
    n_test=10_000,
    feature_names=_PIXELS,
    target_names=tuple("0123456789"),
    image_shape=(28, 28),
    description="Handwritten digits, 28 x 28 pixels: the classic benchmark.",
    source="Y. LeCun, C. Cortes and C. J. C. Burges (1998), The MNIST database of handwritten digits",
    licence="CC BY-SA 3.0",
    files=_files(
        "mnist",
        _MNIST_URL,
        (9_912_422, 28_881, 1_648_877, 4_542),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)

FASHION_MNIST = DatasetInfo(
    name="fashion-mnist",
    title="Fashion-MNIST articles of clothing, 28 x 28",
    task="classification",
    n_train=60_000,
    n_test=10_000,
    feature_names=_PIXELS,
    target_names=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    image_shape=(28, 28),
    description="Articles of clothing, 28 x 28 pixels: MNIST's harder twin.",
    source="H. Xiao, K. Rasul and R. Vollgraf (2017), Fashion-MNIST, https://arxiv.org/abs/1708.07747",
    licence="MIT",
    files=_files(
        "fashion-mnist",
        _FASHION_URL,
        (26_421_880, 29_515, 4_422_102, 5_148),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
)


def load_mnist(*, progress: Progress | None = None) -> Dataset:
    """Load MNIST: 60,000 + 10,000 handwritten digits, 28 by 28 pixels in [0, 1], float32, as rows of 784.

    Downloaded at first use (12 MB) and kept in `cache_folder`. For the usual 55,000 rows to train on and 5,000 to
    validate on, call ``load_mnist().validation_split(5000)``.

    Parameters
    ----------
    progress : callable, optional
        Called during the download with (file name, bytes so far, bytes in total or None).

    Raises
    ------
    DataError
        When the files cannot be downloaded, or are not the published ones.
    """
    return _load(MNIST, progress)


def load_fashion_mnist(*, progress: Progress | None = None) -> Dataset:
    """Load Fashion-MNIST: 60,000 + 10,000 articles of clothing, 28 by 28 pixels in [0, 1], float32, as rows of 784.

    Downloaded at first use (31 MB) and kept in `cache_folder`. For the usual 55,000 rows to train on and 5,000 to
    validate on, call ``load_fashion_mnist().validation_split(5000)``.

    Parameters
    ----------
    progress : callable, optional
        Called during the download with (file name, bytes so far, bytes in total or None).

    Raises
    ------
    DataError
        When the files cannot be downloaded, or are not the published ones.
    """
    return _load(FASHION_MNIST, progress)


def _load(info: DatasetInfo, progress: Progress | None) -> Dataset:
    images_train, labels_train, images_test, labels_test = (
        read_idx(fetch(file, progress), where=file.path) for file in info.files
    )
    return info.with_rows(
        _pixels(images_train), labels_train.astype(np.int64), _pixels(images_test), labels_test.astype(np.int64)
    )


def _pixels(images: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)


def read_idx(content: bytes, *, where: str | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read an array of unsigned bytes in the IDX format.

    The format, from LeCun's page on MNIST: two zero bytes, the type of the elements (0x08 for unsigned bytes), the
    number of dimensions, each dimension as a big-endian 32-bit integer, then the elements in row-major order.

    Parameters
    ----------
    content : bytes
        The decompressed file.
    where : str, optional
        Its name, for error messages.

    Raises
    ------
    DataError
        When the header is not IDX's, or the elements do not fill the shape.

    Examples
    --------
    >>> read_idx(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    n_dimensions = content[3] if len(content) >= 4 else 0
    start = 4 + 4 * n_dimensions
    if content[:3] != b"\x00\x00\x08" or len(content) < start:
        raise DataError(compose("this is not an IDX file of unsigned bytes", where=where))
    shape = struct.unpack(f">{n_dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        why = f"It holds {len(content) - start} bytes of data where its shape {shape} needs {math.prod(shape)}."
        raise DataError(compose("the IDX file is cut short or too long", where=where, why=why))
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
