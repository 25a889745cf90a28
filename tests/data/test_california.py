from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twopass.data import load_california_housing
from twopass.data.california import CALIFORNIA_HOUSING
from twopass.errors import DataError

(FILE,) = CALIFORNIA_HOUSING.files
ROWS = b"-122.230000,37.880000,41.000000,880.000000,129.000000,322.000000,126.000000,8.325200,452600.000000\n"


def test_real_file_has_the_statistics_of_scikit_learn(real_files: Callable[[str], None]) -> None:
    real_files("california-housing")
    housing = load_california_housing()
    x = np.vstack([housing.x_train, housing.x_test]).astype(np.float64)
    y = np.hstack([housing.y_train, housing.y_test]).astype(np.float64)
    means = [3.870671, 28.639486, 5.429000, 1.096675, 1425.476744, 3.070655, 35.631861, -119.569704]
    assert x.mean(axis=0) == pytest.approx(means, abs=1e-5)
    assert x.min(axis=0) == pytest.approx([0.4999, 1, 0.846154, 0.333333, 3, 0.692308, 32.54, -124.35], rel=1e-5)
    assert x.max(axis=0) == pytest.approx([15.0001, 52, 141.909091, 34.066667, 35682, 1243.333333, 41.95, -114.31])
    assert (y.mean(), y.min(), y.max()) == pytest.approx((2.068558, 0.14999, 5.00001), abs=1e-6)
    assert housing.x_train.dtype == housing.y_train.dtype == np.float32


def test_unpacks_the_published_archive_into_the_csv_that_is_read() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        member = tarfile.TarInfo("CaliforniaHousing/cal_housing.data")
        member.size = len(ROWS)
        members.addfile(member, io.BytesIO(ROWS))
    csv = FILE.unpack(archive.getvalue())
    header, row = csv.decode().splitlines()
    assert header.startswith("longitude,latitude,housing_median_age,total_rooms")
    assert row == "-122.23,37.88,41,880,129,322,126,8.3252,452600"
    assert np.frombuffer(FILE.decode(csv), "<f8").tolist() == np.loadtxt(io.BytesIO(ROWS), delimiter=",").tolist()


def test_another_csv_in_its_place_is_refused(cache: Path) -> None:
    path = cache / FILE.path
    path.parent.mkdir(parents=True)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="the header is not longitude,latitude"):
        load_california_housing()
