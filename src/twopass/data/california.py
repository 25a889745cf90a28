"""California housing: the census blocks of 1990."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from twopass.data.dataset import Dataset, DatasetInfo, split
from twopass.data.download import Progress, RemoteFile, fetch

__all__ = ["CALIFORNIA_HOUSING", "load_california_housing"]

#: Columns of the file, in its order.
_COLUMNS = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
    "median_house_value",
)


def _to_csv(archive: bytes) -> bytes:
    """StatLib's archive as a CSV file with a header."""
    import tarfile  # here, because it is slow to import and seldom needed

    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        rows = members.extractfile("CaliforniaHousing/cal_housing.data")
        table = np.loadtxt(rows or (), delimiter=",", ndmin=2)
    text = io.StringIO()
    np.savetxt(text, table, fmt="%.10g", delimiter=",", header=",".join(_COLUMNS), comments="")
    return text.getvalue().encode()


def _to_numbers(csv: bytes) -> bytes:
    """The numbers of the CSV file as little-endian float64, whatever way they are written."""
    header, _, rows = csv.decode().partition("\n")
    if tuple(header.strip().split(",")) != _COLUMNS:
        raise ValueError(f"the header is not {','.join(_COLUMNS)}")
    return np.loadtxt(io.StringIO(rows), delimiter=",", ndmin=2).astype("<f8").tobytes()


CALIFORNIA_HOUSING = DatasetInfo(
    name="california-housing",
    title="California housing, 1990 census",
    task="regression",
    n_train=16_512,
    n_test=4_128,
    feature_names=("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"),
    target_names=("MedHouseVal",),
    description="Median house value of a census block, in 100,000 US dollars, from eight of its properties.",
    source="R. K. Pace and R. Barry (1997), Sparse Spatial Autoregressions, Statistics & Probability Letters 33",
    licence="public (StatLib)",
    files=(
        RemoteFile(
            path="california-housing/california_housing.csv",
            url="https://ndownloader.figshare.com/files/5976036",
            size=441_963,
            sha256="a2f4f55ff91c67e60391318ea4d61d247d09f8fef119ec6f44a1eb727d7f1f7b",
            decode=_to_numbers,
            unpack=_to_csv,
        ),
    ),
)


def load_california_housing(*, progress: Progress | None = None) -> Dataset:
    """Load the California housing data: 20,640 census blocks, eight features, a regression.

    The features are scikit-learn's: median income (10,000 US dollars), median house age (years), rooms, bedrooms and
    occupants per household, population, latitude and longitude (degrees); the target is the median house value in
    100,000 US dollars. All float32 and not scaled. 4,128 rows are held out for testing, the same ones every time.

    Downloaded at first use (0.4 MB) and kept in `cache_folder`.

    Parameters
    ----------
    progress : callable, optional
        Called during the download with (file name, bytes so far, bytes in total or None).

    Raises
    ------
    DataError
        When the file cannot be downloaded, or is not the published one.
    """
    (file,) = CALIFORNIA_HOUSING.files
    table = np.frombuffer(fetch(file, progress), "<f8").reshape(-1, len(_COLUMNS))
    x, y = _features(dict(zip(_COLUMNS, table.T, strict=True)))
    return CALIFORNIA_HOUSING.with_rows(*split(x, y, CALIFORNIA_HOUSING.n_test))


def _features(
    column: dict[str, np.ndarray[Any, np.dtype[np.float64]]],
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float32]]]:
    """The eight features and the target, from the columns of the census."""
    households = column["households"]
    features = (
        column["median_income"],
        column["housing_median_age"],
        column["total_rooms"] / households,
        column["total_bedrooms"] / households,
        column["population"],
        column["population"] / households,
        column["latitude"],
        column["longitude"],
    )
    return np.stack(features, axis=1).astype(np.float32), (column["median_house_value"] / 100_000).astype(np.float32)
