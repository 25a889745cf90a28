from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from twopass.data import DATASETS, DatasetInfo, load
from twopass.data.mnist import read_idx
from twopass.errors import DataError


def to_idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (2, 3), (4, 3, 2), (0, 7)])
def test_read_idx_is_the_inverse_of_writing_it(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert np.array_equal(read_idx(to_idx(array)), array)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "not an IDX file"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x01", "not an IDX file"),
        (to_idx(np.zeros(4, np.uint8))[:-1], "holds 3 bytes of data where its shape"),
        (to_idx(np.zeros(4, np.uint8)) + b"!", "holds 5 bytes of data where its shape"),
    ],
)
def test_read_idx_refuses_what_is_not_idx(content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_idx(content, where="images")


@pytest.mark.parametrize(
    ("name", "mean", "deviation", "first_labels"),
    [("mnist", 0.1307, 0.3081, [5, 0, 4, 1, 9]), ("fashion-mnist", 0.2860, 0.3530, [9, 0, 0, 3, 0])],
)
def test_real_files(
    name: str, mean: float, deviation: float, first_labels: list[int], real_files: Callable[[str], None]
) -> None:
    real_files(name)
    dataset = load(name)
    assert dataset.x_train.dtype == np.float32
    assert dataset.x_train.mean() == pytest.approx(mean, abs=1e-4)
    assert np.std(dataset.x_train, dtype=np.float64) == pytest.approx(deviation, abs=1e-4)
    assert dataset.y_train[:5].tolist() == first_labels
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 1)
    assert len(dataset.validation_split(5_000)[0]) == 55_000


@pytest.mark.parametrize("info", DATASETS.values(), ids=DATASETS)
def test_descriptions_are_complete(info: DatasetInfo) -> None:
    assert info.source
    assert info.licence
    assert info.n_test < info.n_train
    assert all(len(file.sha256) == 64 and file.path.startswith(f"{info.name}/") for file in info.files)
    if info.image_shape:
        assert np.prod(info.image_shape) == len(info.feature_names)
