"""``unveil run --dry-run``: what there is to learn from and what that takes, with nothing written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw, records_in
from tests.helpers.formats import FORMATS
from unveil import cli
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, RecordError
from unveil.ingest.reading import Options
from unveil.pipelines import preview, run
from unveil.train import throughput
from unveil.train.loop import TrainingError
from unveil.train.throughput import Device


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty images of as many patients, one box on each; nobody has split them."""
    folder = tmp_path / "ward"
    folder.mkdir()
    rows = ["image,patient,label,x_min,y_min,x_max,y_max"]
    for n in range(20):
        draw(folder / f"{n}.png", (64, 64), n)
        rows.append(f"{n}.png,p{n},nodule,10,10,30,30")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(throughput, "tried", lambda *_: Device("a clock", 1e9, 1e9, 10**10, "by hand"))
    return folder


def test_a_dry_run_says_what_a_run_would_do(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(ward.parent.rglob("*"))
    assert cli.main(["run", "--data", "ward", "--dry-run", "--compare", "aar"]) == 0
    said = capsys.readouterr().err
    assert "images      20: 14 train, 2 val, 4 test" in said and "splits computed" in said
    assert "not counted: aar" in said and said.endswith("dry run: nothing was downloaded, trained or written\n")
    assert set(ward.parent.rglob("*")) == before


def with_reports(ward: Path) -> None:
    rows = (ward / "labels.csv").read_text().splitlines()
    told = [f"{rows[0]},findings,impression", *(f"{row},A nodule. It is unchanged.,No cyst." for row in rows[1:])]
    (ward / "labels.csv").write_text("\n".join(told) + "\n")


@pytest.mark.parametrize(
    "options",
    [{}, {"train_share": 0.3}, {"withhold": ("cyst",)}, {"report_sections": ("findings", "report"), "earlier": "drop"}],
    ids=str,
)
def test_questions_are_those_that_a_run_asks(options: dict[str, Any], ward: Path) -> None:
    """Twenty images with a nodule and a report, eight of them with a cyst as well."""
    with (ward / "labels.csv").open("a") as file:
        file.writelines(f"{n}.png,p{n},cyst,40,40,60,60\n" for n in range(8))
    with_reports(ward)
    config = run.Config(data=ward, out=ward.parent / "out", **options)
    data = preview.preview(config, ward.parent / "seen")
    assert data.dealt and {r.id: r.split for r in data.records}.keys() >= {d.record for d in data.dialogues}
    made = ward.parent / "dialogues.jsonl"
    run._ask(config, data.file, made)
    assert [replace(d, image="") for d in data.dialogues] == [replace(d, image="") for d in read_jsonl(made, Dialogue)]
    reports = {d.target: d.answer for d in data.dialogues if d.kind == "report"}
    kept = {"findings": "A nodule.", "report": "A nodule. No cyst."}
    assert reports == (kept if "report_sections" in options else {})


def test_a_benchmarks_test_image_in_training_is_refused(ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the run itself would where splits stay as published; else it would deal anew."""
    rows = [
        replace(r, split="test" if n % 2 else "train", source=replace(r.source, benchmark="rad" if n == 0 else None))
        for n, r in enumerate(preview._read(run.Config(data=ward), ward.parent / "read")[0])
    ]
    monkeypatch.setattr(preview, "_read", lambda *_: (rows, None))
    config = run.Config(data=ward, out=ward.parent / "out", resplit="never")
    with pytest.raises(TrainingError, match="1 image of the test split of rad"):
        preview.preview(config, ward.parent)
    assert preview.preview(replace(config, allow_benchmark_test=True), ward.parent).dialogues
    assert preview.preview(replace(config, resplit="if-needed"), ward.parent).dialogues


def test_counts_say_how_they_are_known(ward: Path) -> None:
    data = preview.preview(run.Config(data=ward), ward.parent / "seen")
    images, questions = preview.counts(data)
    assert (images.figure, images.how) == ("20: 14 train, 2 val, 4 test", "measured: the annotations; splits computed")
    assert questions.figure.startswith(f"{len(data.dialogues)}: ")


def test_where_all_is_withheld_the_way_out_is_told(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--data", "ward", "--dry-run", "--withhold", "nodule"]) == 1
    assert "--withhold and --train-share leave no question to learn from" in capsys.readouterr().err


def test_where_nothing_is_known_the_way_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    FORMATS["coco"](tmp_path / "own", [replace(r, findings=()) for r in records_in(tmp_path / "own", 12)])
    config = run.Config(data=tmp_path / "own", reading=Options(completeness="unknown"))
    with pytest.raises(RecordError, match="--completeness exhaustive says so"):
        preview.preview(config, tmp_path / "seen")


def test_where_only_reports_are_known_it_is_told_how_to_ask_for_them(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    bare = [replace(r, findings=(), report="Clear lungs.") for r in records_in(tmp_path / "own", 12)]
    rows = [f"{r.image},{r.id},{r.report}" for r in bare]
    (tmp_path / "own" / "reports.csv").write_text("\n".join(["image,patient,report", *rows]) + "\n")
    config = run.Config(data=tmp_path / "own", format="csv", reading=Options(completeness="unknown"))
    with pytest.raises(RecordError, match="there are reports, which --report-sections report asks for"):
        preview.preview(config, tmp_path / "seen")
    asked = preview.preview(replace(config, report_sections=("report",)), tmp_path / "seen").dialogues
    assert {d.kind for d in asked} == {"report"} and len(asked) == 12


def test_published_splits_without_a_test_part_are_refused_with_the_way_out(
    ward: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run itself says so before it looks at an image."""
    text = (ward / "labels.csv").read_text().splitlines()
    (ward / "labels.csv").write_text("\n".join([f"{text[0]},split", *(f"{line},train" for line in text[1:])]))
    for more in (["--dry-run"], []):
        assert cli.main(["run", "--data", "ward", *more]) == 1
        said = capsys.readouterr().err
        assert "no image in test: `--resplit always` deals all patients anew" in said and "[check]" not in said
    assert cli.main(["run", "--data", "ward", "--dry-run", "--resplit", "always"]) == 0


def test_another_machine_is_computed_for(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--data", "ward", "--dry-run", "--device-type", "l40s"]) == 0
    said = capsys.readouterr().err
    assert "48.0 GB of a L40S" in said and "a clock" not in said


def test_few_synthetic_patients_tell_of_all(tmp_path: Path) -> None:
    data = preview.preview(run.Config(patients=48), tmp_path)
    lines = preview.counts(data)
    assert data.times == 2 and len({record.patient for record in data.records}) == 24
    assert lines[0].figure.startswith(f"{2 * len(data.records)}: ") and lines[0].how == "computed: 24 patients, drawn"


def test_answers_of_test_and_validation_are_counted_twice(ward: Path) -> None:
    """Before and after training; besides those of validation that are watched after each of two epochs."""
    config = run.Config(data=ward, out=ward.parent / "out", epochs=2.0)
    data = preview.preview(config, ward.parent / "seen")
    sizes = {split: sum(d.split == split for d in data.dialogues) for split in ("val", "test")}
    learning = run.learning_of(config, ward.parent / "out")
    watched = min(learning.validation_rows, sizes["val"])
    found = preview._answers(learning, data)
    assert sizes["val"] and 2 * sum(sizes.values()) <= found <= 2 * watched + 2 * sum(sizes.values())
