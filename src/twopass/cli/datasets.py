"""``twopass datasets``."""

from __future__ import annotations

from twopass.cli.display import results, table
from twopass.data import DATASETS, DatasetInfo, cache_folder

__all__ = ["datasets"]


def datasets() -> None:
    """List the data sets that can be trained on by name."""
    rows = [
        (info.name, info.task, f"{info.n_train:,} + {info.n_test:,}", f"{len(info.feature_names)}", _place(info))
        for info in DATASETS.values()
    ]
    console = results()
    numbers = ("training + test", "features")
    console.print(table(("name", "task", *numbers, "files"), rows, right=numbers))
    console.print(f"\nDownloads are kept in {cache_folder()} (set TWOPASS_DATA for another folder).", soft_wrap=True)
    console.print("Train on one: twopass train mnist")


def _place(info: DatasetInfo) -> str:
    """Where the files of a data set are."""
    if not info.files:
        return "in the package"
    if all((cache_folder() / file.path).is_file() for file in info.files):
        return "downloaded"
    return f"download, {sum(file.size for file in info.files) / 1e6:.1f} MB"
