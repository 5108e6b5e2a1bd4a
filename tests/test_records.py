"""Records go to JSON and back unchanged, errors say where, files are whole, clusters are the largest known unit."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.jsonl import MAX_LINE, from_json, read_jsonl, to_json, write_jsonl
from unveil.core.records import (
    SPLITS,
    Dialogue,
    Finding,
    Pair,
    Prediction,
    Question,
    Record,
    RecordError,
    Source,
    image_path,
    rebased,
    select,
)

text = st.text(max_size=12)
maybe = st.none() | text
number = st.floats(allow_nan=False, allow_infinity=False)
boxes = st.tuples(number, number, number, number)
masks = st.fixed_dictionaries({"size": st.lists(st.integers(1, 9), min_size=2, max_size=2), "counts": text})
split = st.sampled_from([None, *SPLITS])
finding = st.builds(Finding, text, st.none() | boxes, st.none() | masks, st.dictionaries(text, text, max_size=2))
question = st.builds(Question, text, text, st.sampled_from(["closed", "open"]), maybe)
source = st.builds(Source, text, maybe, maybe, st.sampled_from(["open", "dua", "credentialed"]), maybe, maybe)
records = st.builds(
    Record,
    id=text,
    image=text,
    width=st.integers(1, 10**6),
    height=st.integers(1, 10**6),
    modality=maybe,
    patient=maybe,
    study=maybe,
    split=split,
    findings=st.lists(finding, max_size=3).map(tuple),
    completeness=st.sampled_from(["exhaustive", "partial", "unknown"]),
    report=maybe,
    questions=st.lists(question, max_size=2).map(tuple),
    source=source,
    group=maybe,
)
dialogues = st.builds(
    Dialogue, text, text, text, split, st.sampled_from(["detection", "open"]), text, text, maybe, text
)
predictions = st.builds(
    Prediction, text, text, st.just("closed"), text, text, st.tuples(st.integers(), st.integers()), text, st.booleans()
)


# ------------------------------------------------------------------------------------------------------- there and back


@given(records | dialogues | predictions)
def test_json_and_back(row: Any) -> None:
    """Through the text of JSON, with every field that is left out coming back as its default."""
    assert from_json(type(row), json.loads(json.dumps(to_json(row), ensure_ascii=False))) == row


@given(st.lists(dialogues, max_size=4))
def test_a_file_and_back(rows: list[Dialogue]) -> None:
    """Also texts with line separators that are none for JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sub" / "rows.jsonl"
        assert write_jsonl(path, rows) == len(rows)
        assert list(read_jsonl(path, Dialogue)) == rows
        assert path.read_bytes().count(b"\n") == len(rows)


def test_defaults_are_left_out() -> None:
    row = Record("a", "a.png", 3, 4, findings=(Finding("x", (0, 1, 2, 3)),))
    assert to_json(row) == {
        "id": "a",
        "image": "a.png",
        "width": 3,
        "height": 4,
        "findings": [{"label": "x", "box": [0, 1, 2, 3]}],
    }


def test_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_jsonl(path, [Record("a", "a.png", 1, 1), Record("b", "b.png", 1, 1)])
    path.write_text("\n" + path.read_text().replace("\n", "\n\n"))
    assert [r.id for r in read_jsonl(path, Record)] == ["a", "b"]


# --------------------------------------------------------------------------------------------------------------- errors

GOOD = {"id": "a", "image": "a.png", "width": 3, "height": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": "3"}, "Record.width: int is needed, not '3'"),
        ({"width": None}, "Record.width: int is needed, not None"),
        ({"colour": 1, "size": 2}, "Record: unknown field colour, size"),
        ({"split": "training"}, "Record.split: one of 'train', 'val', 'test' is needed, not 'training'"),
        ({"findings": {}}, "Record.findings: a list is needed, not {}"),
        ({"findings": [{"label": "x", "box": [1, 2, 3]}]}, "Record.findings[0].box: 4 values are needed, not 3"),
        ({"findings": [{"label": "x"}, {"box": [1, 2, 3, "4"]}]}, "Record.findings[1]: field label is missing"),
        ({"findings": [{"label": "x", "box": [1, 2, 3, "4"]}]}, "Record.findings[0].box[3]: float is needed, not '4'"),
        ({"source": "somewhere"}, "Record.source: an object is needed, not 'somewhere'"),
        ({"findings": [{"label": "x", "attributes": []}]}, "Record.findings[0].attributes: dict is needed, not []"),
        ({"width": True}, "Record.width: int is needed, not True"),
        (
            {"findings": [{"label": "x", "attributes": {"side": 3}}]},
            "Record.findings[0].attributes.side: str is needed, not 3",
        ),
    ],
)
def test_errors_name_file_line_and_field(change: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, GOOD, {**GOOD, **change})))
    rows = read_jsonl(path, Record)
    assert [next(rows).id, next(rows).id] == ["a", "a"], "what comes before is read"
    with pytest.raises(RecordError, match=re.escape(f"{path}:3: {message}")):
        next(rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[{"id": "a"}, {"id": "b"}]', "a JSON list (LLaVA form?)"),
        (b'\n [\n  {"id": "a"}\n]', "a JSON list (LLaVA form?)"),
        (b'{\n  "id": "a"\n}\n', "one JSON value over several lines"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"PK\x03\x04", "a ZIP archive"),
        ('{"id": "a"}'.encode("utf-16"), "text in UTF-16"),
        (b"<annotation>", "XML or HTML"),
        (b"\x89PNG\r\n", "an image or a document"),
    ],
)
def test_another_file_given_for_jsonl_is_called_by_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=re.escape(f"expected one JSON object a line; this is {said}")):
        list(read_jsonl(path, Record))


def test_only_the_first_row_tells_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(GOOD) + "\n[]\n")
    with pytest.raises(RecordError, match=re.escape(f"{path}:2: Record: an object is needed, not []")):
        list(read_jsonl(path, Record))


@pytest.mark.parametrize(
    "change",
    [
        {"width": "patient " * 1000},
        {"findings": "patient " * 1000},
        {"findings": [["patient "] * 1000]},
        {"source": ["patient " * 1000]},
        {"split": "patient " * 1000},
        {"patient " * 1000: 1},
        {f"patient {i}": 1 for i in range(1000)},
        {"findings": [{"label": "x", "attributes": {"patient " * 1000: 1}}]},
    ],
)
def test_a_message_repeats_little_of_a_row(change: dict, tmp_path: Path) -> None:
    """At most 200 characters: screens and logs are read by others than those who may read a patient's report."""
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({**GOOD, **change}) + "\n")
    with pytest.raises(RecordError) as error:
        list(read_jsonl(path, Record))
    assert 10 < str(error.value).count("patient") * len("patient ") < 200


@pytest.mark.parametrize(
    "row",
    [
        '{"id": "a", "id": "b", "image": "a.png", "width": 1, "height": 1}',
        '{"id": "\\ud800", "image": "a.png", "width": 1, "height": 1}',
        '{"id": "a", "image": "a.png", "width": ' + "9" * 5000 + ', "height": 1}',
        '{"id": "a", "image": "a.png", "width": 1, "height": 1, "findings": [{"label": "x", "box": [NaN, 1, 2, 3]}]}',
        "[" * 100_000,
        '{"id": "' + "a" * MAX_LINE + '"}',
    ],
    ids=["key twice", "half a character", "digits", "nan", "nested", "huge"],
)
def test_a_row_that_cannot_be_written_again_or_read_at_all(row: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + row + "\n")
    rows = read_jsonl(path, Record)
    next(rows)
    with pytest.raises(RecordError, match=re.escape(f"{path}:2: ")):
        next(rows)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert [r.id for r in read_jsonl(path, Record)] == ["a"]


@pytest.mark.parametrize("line", ["{", "[]", "null", '"text"', '{"id": "a"}', "{} {}"])
def test_lines_that_are_no_record(line: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RecordError, match=re.escape(f"{path}:1: ")):
        list(read_jsonl(path, Record))


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(json.dumps({**GOOD, "report": "Größe"}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(RecordError, match=re.escape(f"{path}:1: ") + ".*UTF-8"):
        list(read_jsonl(path, Record))


def test_a_missing_file_is_named_and_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """A pipe that nobody writes to would keep the reader waiting for ever."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name in ("none.jsonl", "pipe.jsonl"):
        with pytest.raises(RecordError, match=f"{name}: no such file, or not a regular one"):
            list(read_jsonl(tmp_path / name, Record))


@pytest.mark.parametrize("before", [None, "old\n"])
def test_a_failed_write_leaves_the_old_file(before: str | None, tmp_path: Path) -> None:
    """Rows come from a generator that breaks off after the first: no new file, no half, no leftover."""
    path = tmp_path / "rows.jsonl"
    if before is not None:
        path.write_text(before)

    def rows() -> Any:
        yield GOOD
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_jsonl(path, rows())
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["rows.jsonl"])
    assert before is None or path.read_text() == before


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        ("a.png", "../data/a.png"),
        ("deep/a.png", "../data/deep/a.png"),
        ("../run/a.png", "a.png"),
        ("{root}/run/deep/a.png", "deep/a.png"),  # an absolute path below the new folder
        ("{root}/data/a.png", "{root}/data/a.png"),  # and one elsewhere
        ("{root}/runs/a.png", "{root}/runs/a.png"),  # which only begins alike
    ],
)
def test_an_image_is_found_from_another_file(image: str, seen: str, tmp_path: Path) -> None:
    """From data/old.jsonl to run/new.jsonl, whatever the row is; of a pair its other image too, if it has one."""
    old, new = tmp_path / "data" / "old.jsonl", tmp_path / "run" / "new.jsonl"
    image, seen = image.format(root=tmp_path), seen.format(root=tmp_path)
    pair = Pair("a", "a", image, None, "open", "?", "yes", "no", rejected_image=image)
    assert rebased(Record("a", image, 1, 1), old, new) == Record("a", seen, 1, 1)
    assert rebased(Dialogue("a", "a", image, None, "open", "?", ""), old, new).image == seen
    moved = rebased(pair, old, new)
    assert (moved.image, moved.rejected_image) == (seen, seen)
    assert rebased(dataclasses.replace(pair, rejected_image=None), old, new).rejected_image is None
    assert os.path.normpath(image_path(moved, new)) == os.path.normpath(image_path(pair, old))


def test_a_folder_is_found_by_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is typed: an image below it has a path that moves with it."""
    monkeypatch.chdir(tmp_path)
    record = Record("a", str(tmp_path / "run" / "a.png"), 1, 1)
    assert rebased(record, Path("old.jsonl"), Path("run/new.jsonl")).image == "a.png"


def test_images_lie_beside_the_file() -> None:
    assert image_path(Record("a", "images/a.png", 1, 1), "data/records.jsonl") == Path("data/images/a.png")
    assert image_path(Record("a", "/abs/a.png", 1, 1), "data/records.jsonl") == Path("/abs/a.png")


# -------------------------------------------------------------------------------------------------- clusters and splits


def test_the_cluster_is_the_largest_known_unit() -> None:
    """Group before patient before study before image; patients of two data sets with one name are two."""
    row = Record("i", "i.png", 1, 1, patient="p", study="s", source=Source("d"), group="g")
    assert row.cluster == "group:g"
    row = dataclasses.replace(row, group=None)
    assert row.cluster == "patient:d:p" != dataclasses.replace(row, source=Source("e")).cluster
    row = dataclasses.replace(row, patient=None)
    assert row.cluster == "study:d:s"
    assert dataclasses.replace(row, study=None).cluster == "image:i"
    assert dataclasses.replace(row, study="").cluster == "study:d:", "an empty name is a name"


def test_boxed_findings_come_from_left_to_right() -> None:
    places = [(5, 1, 9, 9), (0, 7, 1, 8), (0, 2, 9, 9)]
    row = Record("a", "a", 9, 9, findings=(*(Finding("x", b) for b in places), Finding("y")))
    assert [f.box for f in row.boxed] == [places[2], places[1], places[0]]
    assert row.size == (9, 9)


def test_select_takes_a_split() -> None:
    rows = [Record(str(i), "i", 1, 1, split=s) for i, s in enumerate((*SPLITS, None, "val"))]
    assert [r.id for r in select(rows, "val")] == ["1", "4"]
    assert select(rows, None) == rows
    prediction = Prediction("p", "r", "open", "", "unit", (1, 1), "m")
    assert select([prediction], "test") == [prediction]


def test_what_was_said_before_a_question() -> None:
    """Three turns, each with the name of the one before; a circle ends where it began, an unknown name at once."""
    first, second = Question("A?", "a", id="1"), Question("B?", "b", id="2", follows="1")
    third, lost = Question("C?", "c", id="3", follows="2"), Question("D?", "d", id="4", follows="9")
    record = Record("r", "a.png", 4, 4, questions=(third, first, second, lost))
    assert record.before(third) == (("A?", "a"), ("B?", "b"))
    assert record.before(first) == () == record.before(lost)
    circle = (Question("E?", "e", id="5", follows="6"), Question("F?", "f", id="6", follows="5"))
    assert Record("r", "a.png", 4, 4, questions=circle).before(circle[0]) == (("F?", "f"),)
