"""CSV tables: bytes written, types read, and damage told in one line."""

from pathlib import Path

import pytest

from lookback.csv_tables import as_csv, read_table, write_table
from lookback.errors import LookbackError

TYPES = {"name": str, "n": int, "share": float}


def test_values_are_quoted_where_they_must_be_and_none_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [("a, b", 1, 0.5), ('say "é"', None, "0.50")]
    write_table(path, TYPES, rows)
    written = 'name,n,share\n"a, b",1,0.5\n"say ""é""",,0.50\n'
    assert path.read_bytes() == written.encode()
    assert as_csv(TYPES, rows) == written
    assert as_csv(TYPES, []) == "name,n,share\n"


def test_values_are_read_in_their_types(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("other,share,n,name\nx,0.1,3,NA\nx,,,\n", encoding="utf-8")
    found = read_table(path, TYPES, "make")
    assert found == [{"name": "NA", "n": 3, "share": 0.1}, {"name": None, "n": None, "share": None}]
    assert read_table(path, {"n": int}, "make", {"n": -1}) == [{"n": 3}, {"n": -1}]
    with pytest.raises(LookbackError, match=r"table\.csv: line 3: n is '', which is not a number"):
        read_table(path, {"n": int}, "make", {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: no column 'name'"),
        (b"name,share\na,1\n", "line 1: no column 'n'"),
        (b"name,n,share\na,1,2\na,1.5,2\n", "line 3: n is '1.5', which is not a number"),
        (b'name,n,share\n"a\nb",1,2\na,1,x\n', "line 4: share is 'x', which is not a number"),
        (b"name,n,share\na,1\n", "line 2: the number of values differs from the number of columns"),
        (b"name,n,share\na,1,2,3\n", "line 2: the number of values differs from the number of columns"),
        (b"name,n,share\n\xff,1,2\n", "not a CSV file in UTF-8"),
    ],
)
def test_damage_is_told_in_one_line_with_its_place(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(LookbackError) as error:
        read_table(path, TYPES, "make@demo")
    assert str(error.value).startswith(f"{path}: {message}")
    assert str(error.value).endswith("; run make@demo again to rewrite the file")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_told_with_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(LookbackError, match=r"none\.csv: no such file; make writes it"):
        read_table(tmp_path / "none.csv", TYPES, "make")
