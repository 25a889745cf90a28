"""The handwritten digits that come with the package."""

from __future__ import annotations

import numpy as np

from twopass.data.dataset import Dataset, DatasetInfo, split

__all__ = ["DIGITS", "load_digits"]

DIGITS = DatasetInfo(
    name="digits",
    title="Handwritten digits, 8 x 8",
    task="classification",
    n_train=1437,
    n_test=360,
    feature_names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    target_names=tuple("0123456789"),
    image_shape=(8, 8),
    description="Digits written by 13 people, 8 x 8 pixels; comes with the package.",
    source="E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository, https://doi.org/10.24432/C50P49",
    licence="CC BY 4.0",
)


def load_digits() -> Dataset:
    """Load 1,797 images of handwritten digits, 8 by 8 pixels in [0, 1]; no download.

    The rows are the test part of the "Optical Recognition of Handwritten Digits" data set, which scikit-learn also
    ships; here 360 of them are held out for testing, the same ones every time and as many of each digit as its share.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.x_train.shape, digits.x_test.shape, digits.x_train.dtype
    ((1437, 64), (360, 64), dtype('float32'))
    >>> float(digits.x_train.min()), float(digits.x_train.max())
    (0.0, 1.0)
    """
    from importlib import resources  # here, because it is slow to import

    path = resources.files("twopass.data") / "files" / "digits.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        x = arrays["images"].astype(np.float32) / np.float32(16)
        y = arrays["labels"].astype(np.int64)
    return DIGITS.with_rows(*split(x, y, DIGITS.n_test, stratify=True))
