"""Parquet and Arrow files as the Hub distributes them: bytes in cells, numbered classes, and footers that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.annotated import draw, run
from unveil.ingest import parquet
from unveil.ingest.parquet import _check
from unveil.ingest.reading import AnnotationError, IngestError


def cell(folder: Path, seed: int, name: str | None = None) -> dict[str, Any]:
    return {"bytes": draw(folder / f"{seed}.png", seed=seed).read_bytes(), "path": name}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "data").mkdir(parents=True)
    return tmp_path / "data" / "data"


def write(path: Path, rows: list[dict[str, Any]], features: dict[str, Any] | None = None) -> None:
    table = pa.Table.from_pylist(rows)
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()} if features else None
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=2)


def test_questions_of_one_image_are_joined_by_its_bytes(data: Path, tmp_path: Path) -> None:
    """Three rows, two images; the second image is in test too, where nothing else says so."""
    first, second = cell(tmp_path, 1), cell(tmp_path, 2)
    rows = [
        {"image": first, "question": "Is it?", "answer": "yes"},
        {"image": first, "question": "Where?", "answer": "left"},
        {"image": second, "question": "Is it?", "answer": "no"},
    ]
    write(data / "train-00000-of-00001.parquet", rows)
    write(data / "test-00000-of-00001-0ab1.parquet", [rows[2]])
    summary, records, _ = run(tmp_path, "auto")
    assert summary.format == "parquet" and [(r.split, len(r.questions), "@" in r.id) for r in records] == [
        ("test", 1, True),
        ("train", 1, True),
        ("train", 2, False),
    ]
    assert len({r.image for r in records}) == 2


def test_a_loading_script_is_never_run(data: Path, tmp_path: Path) -> None:
    """Sets on the Hub may hold a program called as their folder, which other tools would run to read them."""
    write(data / "train.parquet", [{"image": cell(tmp_path, 1), "question": "Q?", "answer": "a"}])
    for name in ("data/data.py", "data.py", "data/dataset_infos.py"):
        (tmp_path / "data" / name).write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    _, [record], _ = run(tmp_path, "auto")
    assert record.questions[0].answer == "a" and not (tmp_path / "canary").exists()


def test_objects_are_corner_and_extent_with_numbered_categories(data: Path, tmp_path: Path) -> None:
    """(4, 2) with 16 x 10 is (4, 2, 20, 12); category 1 is a mass, as the features say; without objects, negative."""
    rows = [
        {"image": cell(tmp_path, 1, "a.png"), "objects": {"bbox": [[4.0, 2.0, 16.0, 10.0]], "category": [1]}},
        {"image": cell(tmp_path, 2, "b.png"), "objects": {"bbox": [], "category": []}},
    ]
    names = {"_type": "ClassLabel", "names": ["nodule", "mass"]}
    features = {"objects": {"feature": {"bbox": {"_type": "Sequence"}, "category": names}, "_type": "Sequence"}}
    write(data / "train.parquet", rows, features)
    _, (one, two), _ = run(tmp_path, "auto")
    assert [(f.label, f.box) for f in one.findings] == [("mass", (4, 2, 20, 12))]
    assert (two.findings, two.completeness) == ((), "exhaustive")
    assert one.source.file == "data/train.parquet#a.png" and (tmp_path / "out" / one.image).is_file()


def test_labels_choices_and_reports(data: Path, tmp_path: Path) -> None:
    rows = [
        {"image": cell(tmp_path, 1), "label": 0, "report": "Clear lungs.", "patient_id": "p1"},
        {"image": cell(tmp_path, 2), "label": 1, "report": None, "patient_id": None},
    ]
    write(data / "train.parquet", rows, {"label": {"_type": "ClassLabel", "names": ["normal", "effusion"]}})
    _, (one, two), _ = run(tmp_path, "parquet")
    assert (one.findings, one.completeness, one.report, one.patient) == ((), "exhaustive", "Clear lungs.", "p1")
    assert [f.label for f in two.findings] == ["effusion"] and two.completeness == "unknown"
    choice = {"image": cell(tmp_path, 3), "question": "Which?", "choices": ["A: CT", "B: MR"], "answer": "B"}
    write(data / "train.parquet", [choice])
    _, (record,), _ = run(tmp_path, "parquet")
    assert (record.questions[0].answer, record.questions[0].choices) == ("MR", ("CT", "MR"))


def test_a_folder_of_save_to_disk(tmp_path: Path) -> None:
    """A stream of Arrow in a folder called as its split; a path in the cell leads to a file of the folder."""
    draw(tmp_path / "data/images/a.png")
    table = pa.Table.from_pylist([{"image": {"bytes": None, "path": "images/a.png"}, "question": "Q?", "answer": "no"}])
    (tmp_path / "data/validation").mkdir()
    file = str(tmp_path / "data/validation/data-00000-of-00001.arrow")
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "data/loader.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    _, [record], _ = run(tmp_path, "auto")
    assert (record.split, record.source.file, len(record.questions)) == ("val", "images/a.png", 1)
    assert not (tmp_path / "canary").exists()  # scripts beside the data are never run


def test_rows_without_an_image_or_with_several_are_rejected(data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image": [cell(tmp_path, 1)], "question": "Q?", "answer": "a"},
        {"image": [cell(tmp_path, 2), cell(tmp_path, 3)], "question": "Q?", "answer": "a"},
        {"image": [], "question": "Q?", "answer": "a"},
        {"image": [cell(tmp_path, 4)], "question": "Q?", "answer": None},
    ]
    write(data / "a.parquet", rows)
    _, records, rejected = run(tmp_path, "auto", allow_rejected=1.0)
    assert len(records) == 1 and [item["row"] for item in rejected] == [2, 3, 4]


class Footer:
    """What a footer says, as pyarrow gives it."""

    def __init__(self, rows: int, unpacked: int, packed: int, counted: int | None = None) -> None:
        self.num_rows, self.num_row_groups, self.num_columns = rows if counted is None else counted, 1, 1
        self.total_byte_size, self.total_compressed_size = unpacked, packed
        self._rows = rows

    def row_group(self, number: int) -> Any:
        return Footer(self._rows, self.total_byte_size, self.total_compressed_size)

    def column(self, number: int) -> Footer:
        return self


@pytest.mark.parametrize(
    ("footer", "said"),
    [
        (Footer(10**12, 100, 100), "counts 1000000000000 rows"),
        (Footer(5, 100, 100, counted=6), "counts 6 rows, its parts 5"),
        (Footer(5, 2**40, 100), "would grow to 1.1e"),
        (Footer(5, 100, 10**9), "counts 1000000000 bytes of columns in a file of 5000"),
    ],
)
def test_absurd_sizes_are_refused_before_reading(footer: Footer, said: str) -> None:
    with pytest.raises(AnnotationError, match=said):
        _check(footer, 5000)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1", "a.parquet: "),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("a.arrow", b"nonsense", "a.arrow: "),
    ],
)
def test_damaged_files_are_named(name: str, content: bytes, said: str, data: Path, tmp_path: Path) -> None:
    (data / name).write_bytes(content)
    with pytest.raises(IngestError, match=said):
        run(tmp_path, "auto")


def test_a_file_cut_short_says_after_which_row(data: Path, tmp_path: Path) -> None:
    """The footer is whole, the first page is not."""
    write(data / "a.parquet", [{"image": cell(tmp_path, n), "question": "Q?", "answer": "a"} for n in range(4)])
    content = bytearray((data / "a.parquet").read_bytes())
    content[4:200] = bytes(196)
    (data / "a.parquet").write_bytes(content)
    with pytest.raises(IngestError, match="damaged after row 0"):
        run(tmp_path, "auto")


def test_columns_that_say_nothing_are_told(data: Path, tmp_path: Path) -> None:
    write(data / "a.parquet", [{"image": cell(tmp_path, 1), "caption": "x"}])
    with pytest.raises(IngestError, match="no question, objects, label or report; its columns are image, caption"):
        run(tmp_path, "auto")


def test_a_table_without_images_is_no_second_reading(data: Path, tmp_path: Path) -> None:
    """Beside questions in JSON, a table of hospitals."""
    write(data / "hospitals.parquet", [{"hospital": "1", "city": "Bonn"}])
    draw(data / "a.png")
    (data / "q.json").write_text(json.dumps([{"image": "a.png", "question": "Q?", "answer": "a"}]))
    assert run(tmp_path, "auto")[0].format == "qa-json"


def test_without_pyarrow_the_extra_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(parquet.__dict__["__builtins__"], "__import__", _refusing(__import__))
    with pytest.raises(IngestError, match=r"pip install 'unveil\[parquet\]'"):
        run(tmp_path, "auto")


def _refusing(usual: Any) -> Any:
    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return usual(name, *rest)

    return refuse


def test_a_class_that_is_withheld_is_no_label(data: Path, tmp_path: Path) -> None:
    """``datasets`` writes -1 where the labels of a test part are not published; a number beyond the names is wrong."""
    rows = [{"image": cell(tmp_path, n), "label": label} for n, label in enumerate((1, -1, 2))]
    write(data / "test.parquet", rows, {"label": {"_type": "ClassLabel", "names": ["normal", "mass"]}})
    _, records, [rejected] = run(tmp_path, "auto")
    assert [([f.label for f in r.findings], r.completeness) for r in records] == [
        (["mass"], "unknown"),
        ([], "unknown"),
    ]
    assert rejected["reason"] == "class 2 is not among the 2 names"


def test_a_choice_that_a_row_lacks_is_none(data: Path, tmp_path: Path) -> None:
    """Of an object of letters, each is a column: a question with fewer choices has empty ones."""
    rows = [
        {"image": cell(tmp_path, 1), "question": "Q?", "choices": {"A": "CT", "B": "MR", "C": None}, "answer": "B"},
        {"image": cell(tmp_path, 1), "question": "R?", "choices": {"A": "x", "B": "y", "C": "z"}, "answer": "C"},
    ]
    write(data / "train.parquet", rows)
    _, [record], _ = run(tmp_path, "auto")
    assert [(q.answer, q.choices) for q in record.questions] == [("MR", ("CT", "MR")), ("z", ("x", "y", "z"))]


def test_what_datasets_leaves_beside_its_files_is_left_out(tmp_path: Path) -> None:
    """A shuffled part has the order of its rows in a file beside it, a mapped one all rows again."""
    where = tmp_path / "data/train"
    where.mkdir(parents=True)
    rows = pa.Table.from_pylist([{"image": cell(tmp_path, 1, "1.png"), "label": "mass"}])
    order = pa.table({"indices": [0]})
    for name, table in (("data-00000-of-00001", rows), ("cache-0ab1", order), ("cache-2c_00000_of_00001", rows)):
        with pa.ipc.new_stream(str(where / f"{name}.arrow"), table.schema) as out:
            out.write_table(table)
    _, [record], rejected = run(tmp_path, "auto")
    assert not rejected and record.source.file == "train/data-00000-of-00001.arrow#1.png"


def test_a_list_of_one_image_is_that_image_whatever_it_is_called(data: Path, tmp_path: Path) -> None:
    rows = [{"frames": [cell(tmp_path, n) for n in range(count)], "question": "Q?", "answer": "a"} for count in (1, 2)]
    write(data / "train.parquet", rows)
    _, records, [rejected] = run(tmp_path, "auto")
    assert len(records) == 1 and rejected["reason"].startswith("several images")
