from __future__ import annotations

import datetime
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from twopass.data import from_frame, read_table
from twopass.errors import DataError, MissingLibraryError


@pytest.mark.parametrize(
    "text",
    [
        "size,colour\n1,red\n2.5,blue\n",
        "size;colour\r\n1;red\r\n2.5;blue\r\n",
        "size\tcolour\n1\tred\n2.5\tblue",
        '\ufeff"size" , "colour"\n 1 ,red\n\n2.5, blue \n',
    ],
    ids=["comma", "semicolon and CRLF", "tab, no final newline", "byte-order mark, quotes, spaces, blank line"],
)
def test_reads_the_usual_spellings_of_csv(csv, text: str) -> None:
    table = read_table(csv(text.replace('"size" , "colour"', '"size","colour"')))
    assert list(table.columns) == ["size", "colour"]
    assert table.numbers("size").tolist() == [1, 2.5]
    assert table.texts("colour").tolist() == ["red", "blue"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file holds no rows"),
        ("a,b\n", "the file holds no rows"),
        ("a,b\n1,2\n3\n", r"the row has 1 values where the header has 2 names \(at toys.csv, line 3\)"),
        ("a,b\n1,2,3\n", r"the row has 3 values .* line 2"),
        ("a,b,a\n1,2,3\n", "the header names 'a' more than once"),
        ("1,2\n3,4\n", "holds numbers where the names of the columns are expected"),
        ('a,b\n"1,2\n', "this is not CSV"),
    ],
)
def test_a_broken_file_is_named_with_its_line(csv, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(csv(text))


def test_npz_arrays_become_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.arange(6).reshape(3, 2), y=np.array(["a", "b", "a"]))
    table = read_table(tmp_path / "rows.npz")
    assert list(table.columns) == ["x0", "x1", "y"]
    assert table.numbers("x1").tolist() == [1, 3, 5]
    assert table.texts("y").tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, r"differ in their number of rows .*x \(3, 2\), y \(4,\)"),
        ({"x": np.zeros((3, 2, 2))}, r"'x' has the shape \(3, 2, 2\)"),
        ({"x": np.zeros(3, complex)}, "dtype complex128"),
        ({"x": np.array([{}, 1], object)}, "not an NPZ file of plain arrays"),
        ({}, "holds no rows"),
    ],
)
def test_unsuitable_npz_files_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "rows.npz")


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros(3))
    (tmp_path / "rows.npy").rename(tmp_path / "rows.npz")
    (tmp_path / "rows.csv").write_bytes(b"a,b\n\xff\xfe,2\n")
    (tmp_path / "rows.docx").touch()
    cases = {
        "rows.npz": "not an NPZ file",
        "rows.csv": "holds the byte 0xff, which is not UTF-8",
        "rows.docx": "kinds of file are .csv, .tsv, .txt, .npz, .parquet",
        "none.csv": "there is no such file",
        ".": "this is not a table",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)


def test_a_data_frame_becomes_columns() -> None:
    frame = polars.DataFrame(
        {
            "count": [1, None, 3],
            "sold": [True, False, None],
            "colour": polars.Series(["red", None, "blue"], dtype=polars.Categorical),
            "day": [datetime.date(2024, 1, 31)] * 3,
        }
    )
    table = from_frame(frame, "toys")
    assert np.array_equal(table.column("count"), [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(table.column("sold"), [1, 0, np.nan], equal_nan=True)
    assert table.column("colour").tolist() == ["red", "", "blue"]
    assert table.texts("day").tolist() == ["2024-01-31"] * 3
    with pytest.raises(DataError, match=r"column 'colour' has no value \(at toys, row 1\)"):
        table.texts("colour")


def test_what_is_no_flat_data_frame_is_refused() -> None:
    with pytest.raises(DataError, match="a list is not a data frame"):
        from_frame([1, 2])
    with pytest.raises(DataError, match="a LazyFrame is not a data frame in memory"):
        from_frame(polars.LazyFrame({"a": [1]}))
    with pytest.raises(DataError, match="column 'a' is of the type List"):
        from_frame(polars.DataFrame({"a": [[1, 2]]}))


def test_parquet_files_are_data_frames(tmp_path: Path) -> None:
    polars.DataFrame({"size": [1.5, 2.5], "colour": ["red", "blue"]}).write_parquet(tmp_path / "toys.parquet")
    table = read_table(tmp_path / "toys.parquet")
    assert table.numbers("size").tolist() == [1.5, 2.5]
    assert table.source == "toys.parquet"
    (tmp_path / "toys.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match="this is not a Parquet file"):
        read_table(tmp_path / "toys.parquet")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    (tmp_path / "toys.parquet").touch()
    with pytest.raises(MissingLibraryError, match=r"polars is not installed.* pip install 'twopass\[table\]'"):
        read_table(tmp_path / "toys.parquet")
