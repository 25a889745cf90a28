from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import Table, read_table
from twopass.errors import DataError


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str, name: str = "toys.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


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


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_survive_text(values: list[float]) -> None:
    table = Table({"a": np.array([repr(value) for value in values])}, "memory")
    assert table.numbers("a").tolist() == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file holds no rows"),
        ("a,b\n", "the file holds no rows"),
        ("a,b\n1,2\n3\n", r"the row has 1 values where the header has 2 names \(at toys.csv, line 3\)"),
        ("a,b\n1,2,3\n", r"the row has 3 values .* line 2"),
        ("a,b,a\n1,2,3\n", "the header names 'a' more than once"),
        ("1,2\n3,4\n", "holds numbers where the names of the columns are expected"),
        ('a,b\n"1,2\n', "this is not a CSV file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(csv, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(csv(text))


@pytest.mark.parametrize("spelling", ["", "NA", "nan", "NULL", "?"])
def test_a_missing_value_is_named_with_its_row_and_column(csv, spelling: str) -> None:
    table = read_table(csv(f"a,b\n1,x\n\n{spelling},{spelling}\n,\n"))
    for read in (table.numbers, table.texts):
        with pytest.raises(DataError, match=r"column 'a' has no value \(at toys.csv, line 4\). So do 1 more rows"):
            read("a")
    with pytest.raises(DataError, match="column 'b' has no value"):
        table.texts("b")


def test_text_and_infinity_in_a_column_of_numbers_are_named(csv) -> None:
    table = read_table(csv("a,b\n1,1\nabc,inf\n3,3\n"))
    with pytest.raises(DataError, match=r"column 'a' holds 'abc' where a number is needed \(at toys.csv, line 3\)"):
        table.numbers("a")
    with pytest.raises(DataError, match="column 'b' holds inf, which is not finite"):
        table.numbers("b")


def test_an_unknown_column_gets_a_suggestion() -> None:
    table = Table({"height": np.zeros(1), "weight": np.zeros(1)}, "people.csv")
    with pytest.raises(DataError, match=r"no column 'heigth' .*Did you mean 'height'. The columns are height, weight"):
        table.column("heigth")


def test_a_column_is_numeric_when_most_of_it_is() -> None:
    columns = {"mostly": ["1", "2", "x", "NA"], "hardly": ["1", "x", "y", ""], "never": ["x", "y", "z", "z"]}
    table = Table({name: np.array(values) for name, values in columns.items()}, "memory")
    assert [table.is_numeric(name) for name in columns] == [True, False, False]


def test_rows_keep_their_places_in_the_file(csv) -> None:
    table = read_table(csv("a\n1\n2\nx\n4\n")).rows(np.array([3, 2]))
    with pytest.raises(DataError, match=r"toys.csv, line 4\)"):
        table.numbers("a")


def test_without_drops_columns_and_names_unknown_ones() -> None:
    table = Table({"a": np.zeros(2), "b": np.ones(2)}, "memory")
    assert list(table.without(["a"]).columns) == ["b"]
    with pytest.raises(DataError, match="no column 'c'"):
        table.without(["c"])


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
        "rows.csv": "not a CSV file",
        "rows.docx": "kinds of file are .csv, .tsv, .txt, .npz",
        "none.csv": "there is no such file",
        ".": "this is not a table",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)
