"""Tables with something wrong, what is typed, and what is said of it: the golden messages.

Each fault changes a good table, 60 rows of fruit; `message` is what the command prints, in full, after ``twopass: ``
(a refusal, status 2) or ``note: `` (the table is used, in the way that the message says).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Content = str | bytes


class Fault(NamedTuple):
    change: Callable[[list[str]], Content]
    message: str
    options: str = "--target kind"
    refused: bool = True
    file: str = "fruit.csv"


def good() -> list[str]:
    """Lines of a table in which everything is right."""
    rows = [
        f"{i * 37 % 60 + 0.5},{('red', 'green', 'blue')[i % 3]},{('yes', 'no')[i // 2 % 2]},2026-01-{i % 28 + 1:02d},"
        f"{i * 17 % 60 * 10},{('apple', 'pear')[i * 37 % 60 > 30]}"
        for i in range(60)
    ]
    return ["weight,colour,ripe,picked,price,kind", *rows]


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def cell(line: int, column: int, value: str) -> Callable[[list[str]], str]:
    """Another value in a row; lines count from 1, as people do."""

    def change(lines: list[str]) -> str:
        fields = lines[line - 1].split(",")
        fields[column] = value
        return text([*lines[: line - 1], ",".join(fields), *lines[line:]])

    return change


def row(line: int, value: str) -> Callable[[list[str]], str]:
    """Another line."""
    return lambda lines: text([*lines[: line - 1], value, *lines[line:]])


def column(index: int, value: Callable[[int, str], str]) -> Callable[[list[str]], str]:
    """Other values in all rows of a column."""

    def change(lines: list[str]) -> str:
        rows = [line.split(",") for line in lines[1:]]
        for number, fields in enumerate(rows):
            fields[index] = value(number, fields[index])
        return text([lines[0], *(",".join(fields) for fields in rows)])

    return change


def added(name: str, value: Callable[[int, list[str]], str]) -> Callable[[list[str]], str]:
    """A further column."""

    def change(lines: list[str]) -> str:
        rows = [f"{line},{value(number, line.split(','))}" for number, line in enumerate(lines[1:])]
        return text([f"{lines[0]},{name}", *rows])

    return change


LONG = "a remark that nobody has written before number"

TRAIN: dict[str, Fault] = {
    "no such file": Fault(text, "there is no such file (at fruits.csv). Check its name and folder.", file="fruits.csv"),
    "another kind of file": Fault(
        text,
        "this is not a table (at fruit.docx). The kinds of file are .csv, .tsv, .txt, .npz, .parquet.",
        file="fruit.docx",
    ),
    "an empty file": Fault(
        lambda lines: "",
        "the file holds no rows (at fruit.csv). Put a header line on top, such as a,b,y, and a row of values on each line below.",
    ),
    "a header alone": Fault(
        lambda lines: lines[0],
        "the file holds no rows (at fruit.csv). Put a header line on top, such as a,b,y, and a row of values on each line below.",
    ),
    "no header": Fault(
        lambda lines: text(["1,2,3", "4,5,6"]),
        "the first line holds numbers where the names of the columns are expected (at fruit.csv). Put a header line on top, such as a,b,y.",
    ),
    "a name twice in the header": Fault(
        row(1, "weight,colour,colour,picked,price,kind"),
        "the header names 'colour' more than once (at fruit.csv). Give every column a name of its own.",
    ),
    "no target": Fault(
        text,
        "nothing says which column of fruit.csv to predict. Add --target COLUMN; the columns are weight, colour, ripe, picked, price, kind.",
        options="",
    ),
    "a wrong target": Fault(
        text,
        "there is no column 'kinds' (at fruit.csv). Did you mean 'kind'? The columns are weight, colour, ripe, picked, price, kind.",
        options="--target kinds",
    ),
    "a wrong column to drop": Fault(
        text,
        "there is no column 'pice' (at fruit.csv). Did you mean 'price'? The columns are weight, colour, ripe, picked, price, kind.",
        options="--target kind --drop pice",
    ),
    "the target alone": Fault(
        lambda lines: text([line.split(",")[-1] for line in lines]),
        "there is nothing to predict 'kind' from (at fruit.csv). It is the only column.",
    ),
    "nothing left": Fault(
        text,
        "there is nothing to predict 'kind' from (at fruit.csv). The other columns are left out ('weight': dropped; 'colour': dropped; 'ripe': dropped; 'picked': dropped; 'price': dropped).",
        options="--target kind --drop weight --drop colour --drop ripe --drop picked --drop price",
    ),
    "a value too many": Fault(
        row(5, "1,red,yes,2026-01-01,10,apple,pear"),
        "the row has 7 values where the header has 6 names (at fruit.csv, line 5). Put a value that holds a ',' in double quotes, or correct the row.",
    ),
    "a value too few": Fault(
        row(7, "1,red,yes,2026-01-01,10"),
        "the row has 5 values where the header has 6 names (at fruit.csv, line 7). Leave an empty field for a missing value.",
    ),
    "a number with a comma": Fault(
        row(9, "1,5,red,yes,2026-01-01,10,apple"),
        "the row has 7 values where the header has 6 names (at fruit.csv, line 9). Put a value that holds a ',' in double quotes, or correct the row.",
    ),
    "an open quote": Fault(
        row(12, '1,"red,yes,2026-01-01,10,apple'),
        "this is not CSV: unexpected end of data (at fruit.csv, line 12). Check the double quotes there, or save the table as CSV again.",
    ),
    "a stray quote": Fault(
        row(12, '1,"red"dish,yes,2026-01-01,10,apple'),
        "this is not CSV: ',' expected after '\"' (at fruit.csv, line 12). Check the double quotes there, or save the table as CSV again.",
    ),
    "Latin-1": Fault(
        lambda lines: cell(4, 1, "grün")(lines).encode("latin-1"),
        "the line holds the byte 0xfc, which is not UTF-8 (at fruit.csv, line 4). Save the table in UTF-8, such as by: iconv -f latin1 -t utf-8 fruit.csv",
    ),
    "UTF-16": Fault(
        lambda lines: text(lines).encode("utf-16"),
        "the line holds a NUL byte (at fruit.csv, line 1). Save the table as CSV in UTF-8 (this may be UTF-16, or no text at all).",
    ),
    "a NUL byte": Fault(
        cell(6, 1, "r\0d"),
        "the line holds a NUL byte (at fruit.csv, line 6). Save the table as CSV in UTF-8 (this may be UTF-16, or no text at all).",
    ),
    "a picture": Fault(
        lambda lines: b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "the line holds the byte 0x89, which is not UTF-8 (at fruit.csv, line 1). Save the table in UTF-8, such as by: iconv -f latin1 -t utf-8 fruit.csv",
    ),
    "one class": Fault(
        column(5, lambda i, _: "apple"),
        "column 'kind' holds one class only, 'apple' (at fruit.csv). Choose a target that varies.",
    ),
    "one value": Fault(
        column(4, lambda i, _: "3"),
        "column 'price' holds one class only, '3' (at fruit.csv). Choose a target that varies.",
        options="--target price",
    ),
    "one row": Fault(
        lambda lines: text(lines[:2]),
        "there is 1 row, too few to learn from and to test on (at fruit.csv). Give at least 10.",
    ),
    "nine rows": Fault(
        lambda lines: text(lines[:10]),
        "there are 9 rows, too few to learn from and to test on (at fruit.csv). Give at least 10.",
    ),
    "a target that is never known": Fault(
        column(5, lambda i, _: ""),
        "there are 0 rows with a value in 'kind', too few to learn from and to test on (at fruit.csv). Give at least 10.",
    ),
    "classes without end": Fault(
        column(5, lambda i, _: f"fruit {i}"),
        "column 'kind' holds 60 different values in 60 rows, which are not classes (at fruit.csv). Choose another target or a regression.",
    ),
    "a text among numbers": Fault(
        cell(8, 0, "heavy"),
        "column 'weight' holds 'heavy', and numbers in most rows (at fruit.csv, line 8). Correct it, empty the field (missing values are fine), or add --drop weight.",
    ),
    "a text in a number to predict": Fault(
        cell(8, 4, "dear"),
        "column 'price' holds 'dear' where a number is needed (at fruit.csv, line 8). Correct it, or choose another column.",
        options="--target price",
    ),
    "an infinity": Fault(
        cell(10, 0, "inf"),
        "column 'weight' holds an infinity (at fruit.csv, line 10). Correct it, empty the field (missing values are fine), or add --drop weight.",
    ),
    "an infinity to predict": Fault(
        cell(10, 4, "-inf"),
        "column 'price' holds -inf, which is not finite (at fruit.csv, line 10). Correct it, or drop the row.",
        options="--target price",
    ),
    "1e300 to predict": Fault(
        cell(10, 4, "1e300"),
        "column 'price' holds 1e300, too far from the other values to learn it (at fruit.csv, line 10). Correct it, or drop the row.",
        options="--target price",
    ),
    "free text": Fault(
        added("remark", lambda i, _: f"{LONG} {i}"),
        "column 'remark' is text, such as 'a remark that nobody has writt', which this network does not read (at fruit.csv). Add --drop remark, or turn it into categories.",
    ),
    "a date that is none": Fault(
        cell(9, 3, "2026-02-30"),
        "column 'picked' holds '2026-02-30' where a date is needed (at fruit.csv, line 9). Write dates as 2026-01-31 or 2026-01-31T13:45.",
    ),
    "a class to regress": Fault(
        text,
        "column 'kind' holds 'apple' where a number is needed (at fruit.csv, line 2). 60 rows are like this. Correct it, or choose another column.",
        options="--target kind --task regression",
    ),
    "too much to test on": Fault(
        text,
        "--test 1.0 is no share of the rows. Write a number between 0 and 1, such as 0.1.",
        options="--target kind --test 1",
    ),
    "a validation file that is not there": Fault(
        text,
        "there is no such file (at later.csv). Check its name and folder.",
        options="--target kind --validation later.csv",
    ),
    "Parquet that is none": Fault(
        text,
        "this is not a Parquet file: parquet: File out of specification: The file must end with PAR1 or PARE (at fruit.parquet).",
        file="fruit.parquet",
    ),
    # Faults that a network can live with: it is said what becomes of them.
    "a target that is missing": Fault(cell(3, 5, ""), "1 row has no value in 'kind'; left out", refused=False),
    "1e300": Fault(
        cell(11, 0, "1e300"),
        "column 'weight' holds 1e+300 (fruit.csv, line 11), far from the others; its input is limited",
        refused=False,
    ),
    "mostly missing": Fault(
        column(0, lambda i, value: value if i % 3 == 0 else ""),
        "column 'weight' has no value in 67% of the rows",
        refused=False,
    ),
    "the target again": Fault(
        added("sort", lambda i, fields: fields[5]),
        "column 'sort' is left out: it repeats the target, so that the network would learn nothing else",
        refused=False,
    ),
    "the target in other words": Fault(
        added("sort", lambda i, fields: fields[5].upper()),
        "column 'sort' may give the target away: each of its values has one class, and each class one value. If so: --drop sort",
        refused=False,
    ),
    "the target in other units": Fault(
        added("cents", lambda i, fields: f"{fields[4]}00"),
        "column 'cents' may give the target away: it is a linear function of it. If so: --drop cents",
        "--target price",
        refused=False,
    ),
}

#: What the table of columns says of these.
COLUMNS: dict[str, Fault] = {
    "a constant": Fault(column(0, lambda i, _: "3"), "weight left out every row holds 3"),
    "a constant text": Fault(column(1, lambda i, _: "red"), "colour left out every row holds 'red'"),
    "all missing": Fault(column(1, lambda i, _: ""), "colour left out 100.0% every value is missing"),
    "an identifier": Fault(added("fruit_id", lambda i, _: f"{i + 1}"), "fruit_id left out it numbers the rows"),
    "names": Fault(added("name", lambda i, _: f"F{i:03}"), "name left out it names the rows"),
    "rare categories": Fault(
        added("shop", lambda i, _: f"S{i % 30}"), "shop left out none of its categories has 3 rows"
    ),
    "missing values": Fault(cell(4, 0, "NA"), "weight number 1.7% centred on"),
    "yes and no": Fault(text, "ripe yes or no yes is 1, no is -1"),
    "dates": Fault(text, "picked date time since 2026-01-"),
    "categories": Fault(text, "colour category one input for each of 3 categories"),
}

#: New rows for the model of the good table.
PREDICT: dict[str, Fault] = {
    "a column is missing": Fault(
        lambda lines: text([line.split(",", 1)[1] for line in lines]),
        "there is no column 'weight' (at fruit.csv). The columns are colour, ripe, picked, price, kind.",
    ),
    "no rows": Fault(
        lambda lines: lines[0],
        "the file holds no rows (at fruit.csv). Put a header line on top, such as a,b,y, and a row of values on each line below.",
    ),
    "a text in a number": Fault(
        cell(3, 0, "heavy"),
        "column 'weight' holds 'heavy' where a number is needed (at fruit.csv, line 3). Correct it, or choose another column.",
    ),
    "an infinity": Fault(
        cell(3, 0, "inf"),
        "column 'weight' holds inf, which is not finite (at fruit.csv, line 3). Correct it, or empty the field.",
    ),
    "a date that is none": Fault(
        cell(3, 3, "yesterday"),
        "column 'picked' holds 'yesterday' where a date is needed (at fruit.csv, line 3). Write dates as 2026-01-31 or 2026-01-31T13:45.",
    ),
    "a value too many": Fault(
        row(5, "1,red,yes,2026-01-01,10,apple,pear"),
        "the row has 7 values where the header has 6 names (at fruit.csv, line 5). Put a value that holds a ',' in double quotes, or correct the row.",
    ),
    "an unseen category": Fault(
        cell(4, 1, "mauve"),
        "column 'colour' holds 'mauve' (first at fruit.csv, line 4), which is new; taken as none of the known ones. 1 row is like this.",
        refused=False,
    ),
    "an unseen answer": Fault(
        cell(4, 2, "maybe"),
        "column 'ripe' holds 'maybe' (first at fruit.csv, line 4), which is new; taken as none of the known ones. 1 row is like this.",
        refused=False,
    ),
    "a value that was never missing": Fault(
        cell(4, 0, ""),
        "column 'weight' has no value (first at fruit.csv, line 4), which it always had; taken as the value in the middle. 1 row is like this.",
        refused=False,
    ),
    "a category that was never missing": Fault(
        cell(4, 1, "?"),
        "column 'colour' has no value (first at fruit.csv, line 4), which it always had; taken as no category. 1 row is like this.",
        refused=False,
    ),
}
