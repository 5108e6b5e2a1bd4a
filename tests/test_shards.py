"""A file in parts, and Parquet, are read as the one JSONL file is, by everybody who reads rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from unveil.audit import check
from unveil.core import digests, paths, shards
from unveil.core.jsonl import each_written, from_json, read_jsonl, to_line, write_jsonl
from unveil.core.records import Finding, ImagePlane, Question, Record, RecordError, Source
from unveil.review.rows import Rows

FULL = Record(
    "a/1", "1.png", 30, 20, "CT", "p1", "s1", "train",
    (Finding("Knoten é", (1.0, 2.0, 3.5, 4.0), None, {"side": "left"}, "a nodule", {"de": "ein Knoten"}, ("R1",)),),
    "exhaustive", "report\nwith lines", {"findings": "x"}, "en", ("R1", "R2"), ImagePlane(spacing=(0.5, 0.25)),
    (Question("q", "a", "closed", choices=("a", "b")),), Source("a", "1", "CC0", "open", "1.png", "00", "train"), "g",
)  # fmt: skip
ROWS = [FULL, *(Record(f"a/{n}", f"{n}.png", 30, 20) for n in range(2, 6))]


def sharded(path: Path, rows: list[Record], each: int) -> list[str]:
    assert shards.write(path, (to_line(row).encode() for row in rows), each) == len(rows)
    return sorted(file.name for file in path.parent.iterdir())


def test_parts_are_read_as_one_file(tmp_path: Path) -> None:
    """Five rows by two are three parts; what is left of an earlier, longer file goes."""
    file = tmp_path / "records.jsonl"
    assert len(sharded(file, ROWS, 1)) == 5
    assert sharded(file, ROWS, 2) == [f"records-0000{n}.jsonl" for n in (1, 2, 3)]
    assert list(read_jsonl(file, Record)) == ROWS
    assert list(read_jsonl(tmp_path / "records-00003.jsonl", Record)) == ROWS[4:]
    whole = tmp_path / "one.jsonl"
    write_jsonl(whole, ROWS)
    assert digests.digest(file) == digests.digest(whole) != digests.digest(tmp_path / "records-00003.jsonl")
    config = check.Config(file)
    paths.check(config)
    assert sharded(file, ROWS[:4], 2) == ["one.jsonl", *(f"records-0000{n}.jsonl" for n in (1, 2))]
    assert sharded(file, [], 2) == ["one.jsonl", "records-00001.jsonl"]
    assert list(read_jsonl(file, Record)) == []


def test_each_row_comes_with_the_line_that_it_is_written_as(tmp_path: Path) -> None:
    """As somebody has spaced it, over parts and empty lines; of Parquet the line that was reviewed."""
    lines = ['{"a":  1}\n', '{"a": 2}\n', '{"a": 3 }']
    (tmp_path / "x-00001.jsonl").write_text(lines[0] + "\n")
    (tmp_path / "x-00002.jsonl").write_text("".join(lines[1:]))
    found = list(each_written(tmp_path / "x.jsonl", lambda value, number: (value["a"], number)))
    assert [line.decode() for line, _ in found] == lines and [made[0] for _, made in found] == [1, 2, 3]
    write_jsonl(tmp_path / "y.parquet", ROWS)
    shown = Rows(tmp_path / "y.parquet", lambda value, _: from_json(Record, value))
    found_rows = list(each_written(tmp_path / "y.parquet", lambda value, _: from_json(Record, value)))
    assert [row for _, row in found_rows] == ROWS
    assert [line for line, _ in found_rows] == [shown.line(n) for n in range(len(ROWS))]
    shown.close()


def test_a_part_that_is_missing_or_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    sharded(file, ROWS, 2)
    (tmp_path / "records-00002.jsonl").write_text('\n{"id": 3}\n')
    with pytest.raises(RecordError, match=r"records-00002.jsonl:2: Record"):
        list(read_jsonl(file, Record))
    (tmp_path / "records-00002.jsonl").unlink()
    for look in (lambda: list(read_jsonl(file, Record)), lambda: digests.digest(file)):
        with pytest.raises(ValueError, match=r"records-00002\.jsonl is missing, of 3 parts"):
            look()
    with pytest.raises(RecordError, match="no such file"):
        list(read_jsonl(tmp_path / "other.jsonl", Record))


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    """A column for each field: numbers are numbers for whoever else reads it, and what is not told is empty."""
    file = tmp_path / "records.parquet"
    assert write_jsonl(file, ROWS) == 5
    assert list(read_jsonl(file, Record)) == ROWS
    table = pyarrow.parquet.read_table(file)
    assert table.column("width").to_pylist() == [30] * 5 and table.column("modality").to_pylist() == ["CT"] + [None] * 4
    assert json.loads(table.column("findings").to_pylist()[0])[0]["box"] == [1, 2, 3.5, 4]
    assert table.column("completeness").to_pylist() == ["exhaustive"] + ["unknown"] * 4
    assert check.main(check.Config(file, json=tmp_path / "check.json")) is False  # there are no such images
    assert "5 images cannot be read" in (tmp_path / "check.json").read_text()
    with pytest.raises(RecordError, match="there is none"):
        write_jsonl(tmp_path / "none.parquet", [])


def test_parquet_that_lies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A billion rows of nothing take some hundred kilobytes; text of one letter shrinks a thousandfold."""
    file = tmp_path / "records.parquet"
    file.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(RecordError, match=r"records\.parquet: no Parquet, or a damaged one"):
        list(read_jsonl(file, Record))
    pyarrow.parquet.write_table(pyarrow.table({"id": pyarrow.nulls(2**21)}), file)
    with pytest.raises(RecordError, match="is not read: it announces 2097152 rows in"):
        list(read_jsonl(file, Record))
    monkeypatch.setattr("unveil.core.parquet.ALLOWED", 2**16)
    rows = pyarrow.table({"id": ["x" * 2**18 + str(n) for n in range(9)]})
    pyarrow.parquet.write_table(rows, file, compression="zstd")
    with pytest.raises(RecordError, match="is not read: it would grow to"):
        list(read_jsonl(file, Record))
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a", "b"], "extra": [1, 2]}), file)
    with pytest.raises(RecordError, match=r"records\.parquet:1: Record"):
        list(read_jsonl(file, Record))


def test_parquet_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(RecordError, match=r"pip install 'unveil\[parquet\]'"):
        write_jsonl(tmp_path / "records.parquet", ROWS)
