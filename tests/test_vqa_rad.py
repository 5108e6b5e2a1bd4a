"""VQA-RAD in its layouts: answers of several types, and a split of questions that shares its images."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.helpers.annotated import draw, run
from tests.helpers.real import DATA, needs_data
from tests.helpers.sets import vqa_rad
from unveil.ingest.reading import Options
from unveil.ingest.runner import ingest
from unveil.ingest.sets.vqa_rad import FORMAT


def test_answers_of_all_types_are_text_and_types_have_no_spaces(tmp_path: Path) -> None:
    """Integers, floats and text, with spaces behind them; "CLOSED " is closed."""
    vqa_rad.write(tmp_path / "data")
    summary, records, _ = run(tmp_path, "auto")
    questions = {q.text: (q.answer, q.kind) for r in records for q in r.questions}
    assert summary.format == "vqa-rad" and questions == {
        "Is there a nodule?": ("Yes", "closed"),
        "How many?": ("2", "open"),
        "Is the heart enlarged?": ("no", "closed"),
        "Which side?": ("Left", "closed"),
        "Is there air?": ("yes", "closed"),
        "What plane is this?": ("axial", "open"),
        "Is this axial?": ("yes", "closed"),
        "What size, in cm?": ("1.5", "open"),
        "Is it larger than 1 cm?": ("Yes", "closed"),
    }


def test_an_image_of_both_splits_is_a_record_in_each(tmp_path: Path) -> None:
    """Questions were dealt to the splits, not images: `check` sees the leak only where both have a record. Nothing may
    be learnt from an image of the test split, whichever question is asked, and no question is in both."""
    vqa_rad.write(tmp_path / "data")
    _, records, _ = run(tmp_path, "auto")
    both = [(r.id.rpartition("/")[2], r.split, len(r.questions), r.source.benchmark) for r in records if "@" in r.id]
    assert both == [
        ("synpic5.jpg@train", "train", 1, "vqa-rad"),
        ("synpic5.jpg@test", "test", 1, "vqa-rad"),
        ("synpic6.jpg@train", "train", 1, "vqa-rad"),
        ("synpic6.jpg@test", "test", 1, "vqa-rad"),
    ]


def test_without_published_splits_the_test_images_are_still_known(tmp_path: Path) -> None:
    vqa_rad.write(tmp_path / "data")
    _, records, _ = run(tmp_path, "auto", splits="none")
    assert [(r.split, r.source.benchmark, len(r.questions)) for r in records[-2:]] == [(None, "vqa-rad", 2)] * 2
    assert records[0].source.published == "train" and records[0].source.benchmark is None


def test_a_question_that_stands_twice_counts_once(tmp_path: Path) -> None:
    """The published questions hold a few triplets of image, question and answer again."""
    vqa_rad.write(tmp_path / "data")
    file = tmp_path / "data" / "VQA_RAD Dataset Public.json"
    file.write_text(json.dumps([*vqa_rad.rows(), {**vqa_rad.rows()[0], "qid": 99}]))
    summary, records, _ = run(tmp_path, "auto")
    assert [q.text for q in records[0].questions] == ["Is there a nodule?", "How many?"]
    assert any("counted once" in note for note in summary.notes)


def test_the_split_of_mevf(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for n in range(1, 7):
        draw(data / "images" / f"synpic{n}.jpg", seed=n)
    rows = vqa_rad.rows()
    for split in ("train", "test"):
        of_split = [row for row in rows if str(row["phrase_type"]).startswith("test") == (split == "test")]
        (data / f"{split}set.json").write_text(json.dumps(of_split))
    summary, records, _ = run(tmp_path, "auto")
    assert summary.format == "vqa-rad" and [r.split for r in records].count("test") == 2


def test_an_answer_type_that_is_not_stated_is_noted_as_inferred(tmp_path: Path) -> None:
    vqa_rad.write(tmp_path / "data")
    file = tmp_path / "data" / "VQA_RAD Dataset Public.json"
    rows = [{k: v for k, v in row.items() if k != "answer_type"} for row in vqa_rad.rows()]
    file.write_text(json.dumps([*rows, {**rows[0], "answer": " "}]))
    summary, records, rejected = run(tmp_path, "auto")
    kinds = {q.text: q.kind for r in records for q in r.questions}
    assert (kinds["Is there a nodule?"], kinds["Which side?"]) == ("closed", "open")
    assert any("no file states" in note and "9 times" in note for note in summary.notes)
    assert [item["reason"] for item in rejected] == ["a question without an answer"]


def test_paths_of_windows_and_one_copy_of_each_image(tmp_path: Path) -> None:
    """Three questions, three paths, two images: the table says which image each path means."""
    data = tmp_path / "data"
    for n in (1, 2):
        draw(data / "images" / "train" / f"image_0000{n}.jpg", seed=n)
    said = {"train": [1, 3], "test": [1]}
    copies = {("train", 1): 1, ("train", 3): 2, ("test", 1): 1}
    with (data / "qa_images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["split", "row", "image_path_in_json", "exported_image", "image_md5"])
        for (split, n), kept in copies.items():
            table.writerow([split, 0, f"images\\{split}\\image_0000{n}.jpg", f"images/train/image_0000{kept}.jpg", ""])
    for split, numbers in said.items():
        rows = [
            {"image_path": f"images\\{split}\\image_0000{n}.jpg", "question": f"What is {n}?", "answer": "x"}
            for n in numbers
        ]
        stated = [{**row, "question_type": "OTHER", "answer_type": "OPEN"} for row in rows]
        (data / f"{split}.json").write_text(json.dumps(stated))
    summary, records, _ = run(tmp_path, "auto")
    assert summary.format == "vqa-rad" and [(r.source.file, r.split) for r in records] == [
        ("images/train/image_00001.jpg", "train"),
        ("images/train/image_00001.jpg", "test"),
        ("images/train/image_00002.jpg", "train"),
    ]


def test_the_copy_on_the_hub_is_told_by_its_card(tmp_path: Path) -> None:
    """One image in both splits, by its bytes; the types of the answers are inferred."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    image = {"bytes": draw(tmp_path / "a.png").read_bytes(), "path": None}
    (tmp_path / "data/data").mkdir(parents=True)
    (tmp_path / "data/README.md").write_text(
        "---\npaperswithcode_id: vqa-rad\n---\n# Dataset Card for VQA-RAD\nPathVQA"
    )
    for split in ("train", "test"):
        table = pa.Table.from_pylist([{"image": image, "question": f"{split}?", "answer": "yes"}])
        pq.write_table(table, tmp_path / f"data/data/{split}-00000-of-00001-abc.parquet")
    summary, records, _ = run(tmp_path, "auto")
    assert summary.format == "vqa-rad" and [(r.split, r.source.benchmark) for r in records] == [
        ("test", "vqa-rad"),
        ("train", "vqa-rad"),
    ]
    assert any("no file states" in note for note in summary.notes)


@needs_data
def test_the_published_half(tmp_path: Path) -> None:
    """904 + 229 questions on 157 images, of which all 102 test images are training images."""
    summary = ingest(DATA / "vqa_rad", "auto", tmp_path / "out", Options(decode=False))
    assert summary.format == FORMAT.name and (summary.records, summary.rejected) == (157 + 102, 0)
    assert summary.splits == {"train": 157, "test": 102}
