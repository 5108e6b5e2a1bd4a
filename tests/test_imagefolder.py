"""The folder for publication: images, metadata, dataset card, Croissant."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, PngImagePlugin

from tests.helpers.exporting import BOX, OPEN, L, export, record
from unveil.core.records import Question, Record

QUESTION = Question("What is it?", "A nodule.", "closed", "q1", ("A nodule.", "A cyst."), "en")


def rows_of(root: Path) -> list[Record]:
    common = {"patient": "Canary Ann", "study": "canary-7", "report": "A nodule.", "questions": (QUESTION,)}
    return [
        record(root, "canary/1.png", L, BOX, split="train", modality="X-ray", **common),
        record(root, "canary/2.png", BOX, split="val", **common),
        record(root, "3.png", L, split="test", patient="Canary Bob", report="None.", questions=(QUESTION,)),
    ]


def metadata(root: Path, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "out" / split / "metadata.jsonl").read_text().splitlines()]


def front(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "out/README.md").read_text().split("---\n")[1])


def test_a_row_by_hand(tmp_path: Path) -> None:
    assert export(tmp_path, rows_of(tmp_path), "imagefolder") == 0
    [row] = metadata(tmp_path, "train")
    assert row["objects"] == {
        "bbox": [[4, 2, 3, 3], [30.25, 5.5, 9.75, 14.5]],
        "category": ["nodule", "größere Masse"],
        "mask": [L.mask["counts"] if L.mask else "", ""],
        "phrase": ["A nodule on the left.", ""],
    }
    assert (row["findings"], row["modality"], row["completeness"]) == (
        ["nodule", "größere Masse"],
        "X-ray",
        "exhaustive",
    )
    assert row["report"] == "A nodule." and "language" not in row, "what is empty everywhere is left out"
    assert row["questions"] == [
        {"question": "What is it?", "answer": "A nodule.", "kind": "closed", "choices": ["A nodule.", "A cyst."],
         "language": "en"}
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out/validation").iterdir()) == sorted(
        [metadata(tmp_path, "validation")[0]["file_name"], "metadata.jsonl"]
    )


def test_nobody_is_named(tmp_path: Path) -> None:
    """Not in names of files, nor beside the pixels; the same patient has the same pseudonym in all splits."""
    rows = rows_of(tmp_path)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Canary")
    Image.new("L", (40, 20)).save(tmp_path / "images/3.png", pnginfo=info)
    export(tmp_path, rows, "imagefolder")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 8 and not [
        p for p in files if b"canary" in p.read_bytes().lower() or "canary" in str(p).lower()
    ]
    train, val, test = (metadata(tmp_path, split)[0]["patient"] for split in ("train", "validation", "test"))
    assert train == val != test and len(train) == 16
    assert (tmp_path / "unveil.key").exists() and not (tmp_path / "out/unveil.key").exists()


def test_texts_can_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, rows_of(tmp_path), "imagefolder")
    assert "texts of 3 images stand as they are" in capsys.readouterr().err
    assert "visual-question-answering" in front(tmp_path)["task_categories"]
    assert "Texts stand as they were" in (tmp_path / "out/README.md").read_text()
    export(tmp_path, rows_of(tmp_path), "imagefolder", "--no-reports", "--restart")
    [row] = metadata(tmp_path, "train")
    assert not {"report", "questions", "language"} & row.keys() and "phrase" not in row["objects"]
    tasks = ["image-classification", "image-segmentation", "object-detection"]
    assert front(tmp_path)["task_categories"] == tasks and "language" not in front(tmp_path)
    assert "Texts" not in (tmp_path / "out/README.md").read_text()
    assert "reports" not in (tmp_path / "out/croissant.json").read_text()


def test_a_phrase_alone_is_a_text_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, [record(tmp_path, "a.png", L)], "imagefolder")
    assert "texts of 1 images stand as they are" in capsys.readouterr().err


@pytest.mark.parametrize("access", [None, "dua", "credentialed"])
def test_data_that_are_not_open_are_refused(access: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One image is enough. With the flag the card says so, and run.json keeps it; the strictest access wins."""
    rows = rows_of(tmp_path)
    rows[1] = replace(rows[1], source=replace(OPEN, dataset="closed", licence=None, access=access))
    assert export(tmp_path, rows, "imagefolder") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"closed ({access or 'unknown'}, 1 images)" in said and "--restricted" in said
    assert not (tmp_path / "out").exists()
    assert export(tmp_path, rows, "imagefolder", "--restricted") == 0
    assert json.loads((tmp_path / "out.run.json").read_text())["config"]["restricted"] is True
    card = (tmp_path / "out/README.md").read_text()
    assert f"strictest source: **{access or 'unknown'}**" in card and "**Do not publish**" in card
    assert "| closed | 1 | 1 | unknown |" in card and "| ward | 1 | 2 | CC BY 4.0 | open |" in card
    assert front(tmp_path)["license"] == ["cc-by-4.0", "unknown"]


def test_the_card_tells_what_it_is(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    rows[2] = replace(rows[2], completeness="partial", source=replace(OPEN, dataset="synthetic", licence="Apache-2.0"))
    export(tmp_path, rows, "imagefolder")
    values, card = front(tmp_path), (tmp_path / "out/README.md").read_text()
    assert values["license"] == ["apache-2.0", "cc-by-4.0"] and values["size_categories"] == ["n<1K"]
    assert values["task_categories"] == [
        "image-classification", "image-segmentation", "image-to-text", "object-detection", "visual-question-answering"
    ]  # fmt: skip
    assert values["language"] == ["en"] and "synthetic" in values["tags"]
    for said in (
        "Not a medical device, not for diagnosis and not for clinical care",
        "3 images with 4 findings",
        "| validation | 1 |",
        "Synthetic data: yes, 1 of 3 images are drawn",
        "2 images are annotated exhaustively, 1 images are annotated in part",
        "Derived from synthetic, ward by `unveil export records`",
        "strictest source: **open**",
    ):
        assert said in card, said


def test_a_name_cannot_write_into_the_card(tmp_path: Path) -> None:
    evil = replace(OPEN, dataset="x | y\n---\nlicense: mit\n# <b>")
    export(tmp_path, [record(tmp_path, "a.png", L, source=evil)], "imagefolder")
    card = (tmp_path / "out/README.md").read_text()
    assert "\\| y --- license: mit \\# \\<b\\>" in card and "\n# <b>" not in card
    assert front(tmp_path)["license"] == ["cc-by-4.0"]


def test_croissant_is_valid_and_leads_to_the_rows(tmp_path: Path) -> None:
    croissant = pytest.importorskip(
        "mlcroissant", reason="Croissant is validated by mlcroissant, which is not installed"
    )
    export(tmp_path, rows_of(tmp_path), "imagefolder")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = croissant.Dataset(jsonld=tmp_path / "out/croissant.json")
        [row] = dataset.records("validation")
    assert not dataset.metadata.issues.errors
    assert row["validation/file_name"].decode() == metadata(tmp_path, "validation")[0]["file_name"]
    assert row["validation/width"] == 40


def test_croissant_tells_how_the_data_came_about(tmp_path: Path) -> None:
    rows = [replace(row, source=replace(OPEN, dataset="synthetic")) for row in rows_of(tmp_path)]
    export(tmp_path, rows, "imagefolder")
    told = json.loads((tmp_path / "out/croissant.json").read_text())
    assert told["rai:hasSyntheticData"] is True and told["license"] == ["CC BY 4.0"]
    assert [source["name"] for source in told["prov:wasDerivedFrom"]] == ["synthetic"]
    assert "completeness" in told["rai:dataAnnotationProtocol"] and "clinical care" in told["description"]


def loaded(root: Path) -> Any:
    datasets = pytest.importorskip("datasets", reason="the folder is loaded by datasets, which is not installed")
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return datasets.load_dataset("imagefolder", data_dir=str(root / "out"), cache_dir=str(root / "cache"))


def test_datasets_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    export(tmp_path, rows_of(tmp_path), "imagefolder")
    found = loaded(tmp_path)
    assert {name: len(rows) for name, rows in found.items()} == {"train": 1, "validation": 1, "test": 1}
    assert found["train"][0]["image"].size == (40, 20)
    assert found["train"][0]["objects"]["bbox"] == [[4, 2, 3, 3], [30.25, 5.5, 9.75, 14.5]]


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    rows = [record(tmp_path, "a.png", L, split="train"), record(tmp_path, "b.png", split="test")]
    assert export(tmp_path, rows, "imagefolder") == 1
    assert "pip install 'unveil[parquet]'" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_split_of_negatives_alone_is_loaded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON tells no type of what is empty, Parquet does."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("pyarrow")
    rows = [record(tmp_path, "a.png", L, split="train"), record(tmp_path, "b.png", split="test")]
    assert export(tmp_path, rows, "imagefolder") == 0
    assert not list((tmp_path / "out").rglob("*.jsonl"))
    found = loaded(tmp_path)
    assert found["test"][0]["objects"]["bbox"] == [] and found["train"][0]["findings"] == ["nodule"]
