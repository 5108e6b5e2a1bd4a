"""PathVQA: pickles that are never run, names of images that the splits share, and the copy on the Hub."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run
from tests.helpers.sets import pathvqa
from unveil.ingest.reading import IngestError


def test_images_are_those_of_their_split(tmp_path: Path) -> None:
    """img_0001 is another image in each split."""
    pathvqa.write(tmp_path / "data")
    summary, records, _ = run(tmp_path, "auto")
    told = {r.source.file: (r.split, len(r.questions), r.source.benchmark) for r in records}
    assert summary.format == "pathvqa" and told == {
        "pvqa/images/train/img_0001.jpg": ("train", 2, None),
        "pvqa/images/train/img_0002.jpg": ("train", 1, None),
        "pvqa/images/train/img_0003.jpg": ("train", 1, None),
        "pvqa/images/val/img_0001.jpg": ("val", 1, None),
        "pvqa/images/test/img_0001.jpg": ("test", 1, "pathvqa"),
        "pvqa/images/test/img_0002.jpg": ("test", 1, "pathvqa"),
    }
    assert {(r.patient, r.source.licence, r.source.access) for r in records} == {(None, None, "dua")}
    assert [q.kind for q in records[0].questions] == ["closed", "open"]


def test_one_bad_row_stops_nothing(tmp_path: Path) -> None:
    """It is rejected with what it has; a first row without a key is of another layout."""
    pathvqa.write(tmp_path / "data")
    [file] = tmp_path.rglob("train_qa.pkl")
    first, second, _, fourth = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps([first, {"image": second["image"], "question": second["question"]}, "?", fourth]))
    _, _, rejected = run(tmp_path, "auto", allow_rejected=1.0)
    assert [(item["row"], item["reason"]) for item in rejected] == [
        (2, "the row has no answer; it has image, question"),
        (3, "a question with image, question, answer is needed, not '?'"),
    ]


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_a_program_is_refused(tmp_path: Path) -> None:
    pathvqa.write(tmp_path / "data")
    rows = [*pathvqa.rows("train"), Canary(tmp_path / "canary")]
    (tmp_path / "data/pvqa/qas/train/train_qa.pkl").write_bytes(pickle.dumps(rows))
    with pytest.raises(IngestError, match=r"train_qa\.pkl: this pickle is not opened: "):
        run(tmp_path, "auto")
    assert not (tmp_path / "canary").exists() and not (tmp_path / "out/records.jsonl").exists()


def test_a_pickle_of_something_else_says_what_is_missing(tmp_path: Path) -> None:
    pathvqa.write(tmp_path / "data")
    (tmp_path / "data/pvqa/qas/val/val_qa.pkl").write_bytes(pickle.dumps([{"image": "img_0001", "question": "?"}]))
    with pytest.raises(IngestError, match=r"val_qa\.pkl: row 1 has no answer"):
        run(tmp_path, "auto")


def test_the_copy_on_the_hub_is_told_by_its_card(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    image = {"bytes": draw(tmp_path / "a.png").read_bytes(), "path": None}
    table = pa.Table.from_pylist([{"image": image, "question": "is it?", "answer": "yes"}])
    (tmp_path / "data/data").mkdir(parents=True)
    (tmp_path / "data/README.md").write_text("---\npretty_name: PathVQA\n---\n")
    pq.write_table(table, tmp_path / "data/data/test-00000-of-00001-abc.parquet")
    summary, [record], _ = run(tmp_path, "auto")
    assert summary.format == "pathvqa" and (record.split, record.source.benchmark) == ("test", "pathvqa")
