"""Our own records.jsonl as data: all of it comes back, and what no longer holds of an image is set aside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run
from unveil.core import digests, geometry
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.provenance import OutputError
from unveil.core.records import Finding, ImagePlane, Question, Record, Source
from unveil.ingest import ingest, looking


def record(file: Path, image: str, **known: object) -> Record:
    mask = geometry.mask_from_polygons([(4.0, 2.0, 20.0, 2.0, 20.0, 12.0, 4.0, 12.0)], 40, 20)
    findings = (
        Finding("nodule", (4.0, 2.0, 20.0, 12.0), mask, {"side": "left"}, "a nodule", readers=("anna",)),
        Finding("effusion"),
    )
    everything = Record(
        *(f"ward/{Path(image).stem}", image, 40, 20, "CT", "P1", "S1", "test", findings, "exhaustive", "A nodule."),
        sections={"findings": "A nodule."},
        language="en",
        readers=("anna",),
        group="g",
        sex="female",
        age=61.0,
        plane=ImagePlane(image, 0, spacing=(0.5, 0.5)),
        questions=(Question("Is it?", "yes", "closed"),),
        source=Source("ward", "1", "CC0", "open", "a.png", digests.sha256(file.parent / image), "val", "bench"),
    )
    return replace(everything, **known)  # type: ignore[arg-type]


def placed(row: Record, file: Path) -> Record:
    """With its images where they lie."""
    assert row.plane and row.plane.file
    image, volume = ((file.parent / name).resolve().as_posix() for name in (row.image, row.plane.file))
    return replace(row, image=image, plane=replace(row.plane, file=volume))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Beside its folder of images, as corrected records are."""
    draw(tmp_path / "images/a.png")
    draw(tmp_path / "images/b.png", seed=1)
    (tmp_path / "data").mkdir()
    return tmp_path / "data/records.jsonl"


def test_all_that_stands_in_a_record_comes_back(file: Path) -> None:
    rows = [record(file, "../images/a.png"), record(file, "../images/b.png", split="train", patient="P2")]
    write_jsonl(file, rows)
    summary, read, rejected = run(file.parent.parent, "auto")
    assert summary.format == "records" and rejected == []
    assert [placed(r, summary.records_file) for r in read] == [placed(r, file) for r in rows]


def test_what_no_longer_holds_is_set_aside_with_its_row(file: Path) -> None:
    """An image that is another one, one of another size, one that is gone, an id that occurs twice, a row with a field
    that nobody knows; of a box outside its image only the finding is lost, and the image is not complete then."""
    good = record(file, "../images/a.png")
    outside = replace(record(file, "../images/b.png"), findings=(Finding("mass", (30.0, 5.0, 60.0, 20.0)),))
    write_jsonl(
        file,
        [
            *(good, outside, good),
            replace(good, id="changed", source=replace(good.source, sha256="0" * 64)),
            replace(good, id="larger", width=80, height=40, findings=()),
            replace(good, id="gone", image="../images/c.png"),
        ],
    )
    with file.open("a") as rows:
        rows.write('{"id": "x", "image": "../images/a.png", "width": 40, "height": 20, "colour": "red"}\n')
    _, read, rejected = run(file.parent.parent, "records")
    assert [(r.id, len(r.findings), r.completeness) for r in read] == [
        ("ward/a", 2, "exhaustive"),
        ("ward/b", 0, "partial"),
    ]
    said = {item["row"]: item["reason"] for item in rejected}
    assert sorted(said) == [2, 3, 4, 5, 6, 7]
    assert "leads outside" in said[2] and "ward/a stands in records.jsonl:1 too" in said[3]
    assert "not the image that was annotated" in said[4] and "80 x 40" in said[5]
    assert "c.png" in said[6] and "colour" in said[7]


def test_an_image_elsewhere_is_found_by_its_name_where_its_hash_tells_it(file: Path) -> None:
    """Without a hash nobody knows whether it is the same; a name that no file can have is none."""
    known = record(file, "../images/a.png")
    draw(file.parent / "here/a.png")
    untold = replace(known.source, sha256=None)
    gone = [replace(known, id=f"r{n}", image=name) for n, name in enumerate(("old/a.png", "old/a.png", "a" * 5000))]
    write_jsonl(file, [gone[0], replace(gone[1], source=untold), replace(gone[2], source=untold)])
    _, [read], rejected = run(file.parent.parent, "records")
    assert read.id == "r0" and Path(read.image).name == "a.png"
    assert [item["reason"][:10] for item in rejected] == ["no image '", "no image '"]


def test_images_outside_the_folder_are_decoded_by_all_processes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are rows, though the folder of the file holds none of them."""
    write_jsonl(file, [record(file, "../images/a.png"), record(file, "../images/b.png")])
    told: list[int] = []
    looked = looking.looked

    def counting(items: Any, images: int, *rest: Any) -> Any:
        told.append(images)
        return looked(items, images, *rest)

    monkeypatch.setattr(looking, "looked", counting)
    run(file.parent.parent, "records")
    assert told == [2]


def test_options_tell_what_a_record_does_not(file: Path) -> None:
    """A patient that a record has stays; a data set's name, licence and access that are given go before its own."""
    write_jsonl(file, [record(file, "../images/a.png", modality=None)])
    options = {"modality": "MR", "licence": "MIT", "splits": "none", "patient_pattern": "(.)"}
    _, [read], _ = run(file.parent.parent, "records", **options)
    assert (read.modality, read.source.licence, read.split, read.patient) == ("MR", "MIT", None, "P1")


def test_beside_other_files_the_one_that_is_named_is_read(file: Path, tmp_path: Path) -> None:
    """Dialogues beside it are questions in JSON, another form."""
    write_jsonl(file, [record(file, "../images/a.png")])
    row = {"id": "q", "record": "ward/a", "image": "../images/a.png", "question": "Is it?", "answer": "yes"}
    (file.parent / "dialogues.jsonl").write_text(json.dumps(row) + "\n")
    made = ingest.main(ingest.Config(data=file, out=tmp_path / "out"))
    assert [r.id for r in read_jsonl(made, Record)] == ["ward/a"]


def test_records_that_a_command_has_made_count_as_what_was_read(file: Path, tmp_path: Path) -> None:
    """Beside records.jsonl.run.json they are no file of the folder for its digest, and yet they are what is read."""
    write_jsonl(file, [record(file, "../images/a.png")])
    about = {"command": "curate corrections", "config": {}, "inputs": {}}
    (file.parent / "records.jsonl.run.json").write_text(json.dumps(about))
    config = ingest.Config(data=file, out=tmp_path / "out", restart=True)
    made = ingest.main(config)
    write_jsonl(file, [record(file, "../images/a.png", patient="P9")])
    ingest.main(config)
    assert [r.patient for r in read_jsonl(made, Record)] == ["P9"]
    with pytest.raises(OutputError, match="changed since"):
        write_jsonl(file, [record(file, "../images/a.png", patient="P8")])
        ingest.main(replace(config, restart=False))
