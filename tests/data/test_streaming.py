"""Files read some rows at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
import pytest

from twopass.data import Table, TableFile, read_table
from twopass.errors import DataError


def test_chunks_are_the_rows_of_the_file(csv) -> None:
    path = csv("a,b\n" + "".join(f"{i},{'x' if i % 3 else ''}\n" for i in range(25)))
    chunks = list(TableFile(path, chunk=14))
    assert [len(chunk) for chunk in chunks] == [7, 7, 7, 4]
    joined = Table.joined(chunks)
    assert joined.numbers("a").tolist() == list(range(25))
    assert joined.columns["b"].tolist() == read_table(path).columns["b"].tolist()
    assert joined.place(24) == "toys.csv, line 26"


def test_it_can_be_read_again(csv) -> None:
    rows = TableFile(csv("a,b\n1,2\n3,4\n"), chunk=2)
    assert [len(chunk) for chunk in rows] == [len(chunk) for chunk in rows] == [1, 1]


def test_numbers_that_are_text_in_one_chunk_are_text_in_all(csv) -> None:
    joined = Table.joined(list(TableFile(csv("a,b\n1.0,1\n,1\nx,1\n"), chunk=2)))
    assert joined.columns["a"].tolist() == ["1", "", "x"]


def test_parquet_in_chunks(tmp_path: Path) -> None:
    polars.DataFrame({"a": range(10), "b": ["x", None] * 5}).write_parquet(tmp_path / "toys.parquet")
    chunks = list(TableFile(tmp_path / "toys.parquet", chunk=8))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert chunks[1].place(0) == "toys.parquet, row 4"
    assert np.concatenate([chunk.numbers("a") for chunk in chunks]).tolist() == list(range(10))


def test_a_fault_far_down_is_found_when_it_is_read(csv) -> None:
    rows = iter(TableFile(csv("a,b\n" + "1,2\n" * 50 + "3\n"), chunk=20))
    next(rows)
    with pytest.raises(DataError, match=r"the row has 1 values .* line 52"):
        list(rows)


def test_an_empty_file_has_no_columns(csv) -> None:
    with pytest.raises(DataError, match="the file is empty"):
        TableFile(csv(""), chunk=2)
