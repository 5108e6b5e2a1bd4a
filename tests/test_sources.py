"""What ``--data`` may name besides a folder, and what is said of what it may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.annotated import WRITERS, draw, every_format, write_coco
from unveil import cli
from unveil.core.jsonl import read_jsonl
from unveil.core.provenance import about_run
from unveil.core.records import Record
from unveil.ingest import sources
from unveil.ingest.reading import IngestError, Options
from unveil.pipelines import run


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("format", "file", "images"),
    [("csv", "labels.csv", 2), ("coco", "annotations/instances_train2017.json", 1), ("yolo", "data.yaml", 2)],
)
def test_an_annotation_file_stands_for_its_folder(
    format: str, file: str, images: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other annotations in the folder are not read, nor those of the same name below; of COCO the images lie apart."""
    monkeypatch.chdir(tmp_path)
    Path("hosp").mkdir()
    WRITERS[format](Path("hosp"))
    Path("hosp/other.csv").write_text("image,label\nb.png,mass\n")
    old = Path("hosp", file).parent / "old" / Path(file).name
    old.parent.mkdir()
    old.write_text(Path("hosp", file).read_text().replace("nodule", "old"))
    apart = ["--images", "hosp/images"] if format == "coco" else []
    assert cli.main(["ingest", "--data", f"hosp/{file}", "--out", "out", *apart]) == 0
    records = list(read_jsonl(Path("out/records.jsonl"), Record))
    assert len(records) == images and "old" not in {f.label for r in records for f in r.findings}
    about = about_run(Path("out/run.json"))
    assert about and about["config"]["data"] == str(Path("hosp", file).parent), "what was read is what is noted"
    assert about["config"]["reading"]["annotations"] == f"/{Path(file).name}"
    assert cli.main(["ingest", "--data", f"hosp/{file}", "--out", "out", *apart]) == 0, "the same again"


def test_signs_of_a_pattern_in_a_files_name_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "l[1].csv").write_text("")
    data, options = sources.located(tmp_path / "l[1].csv", Options())
    assert data == tmp_path and Path("/l[1].csv").match(options.annotations or "")
    assert sources.located(tmp_path / "l[1].csv", Options(annotations="*.csv"))[1].annotations == "*.csv"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("annotations.xml", "<annotations><version>1.1</version></annotations>", "is a file: give its folder"),
        ("a.xml", "<annotation/>", "is a file: give its folder"),
        ("a.png", "", "is a file: give its folder"),
        ("set.tar.gz", "", "is an archive; unpack it, and give its folder"),
    ],
)  # fmt: skip
def test_other_files_are_said_to_be_what_they_are(name: str, text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(IngestError, match=why):
        sources.located(tmp_path / name, Options())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("C:\\Users\\me\\ct", "under WSL it is /mnt/c/Users/me/ct"),
        ("d:/ct", "under WSL it is /mnt/d/ct"),
        ("C:Usersmect", "the shell takes its backslashes"),
    ],
)
@pytest.mark.parametrize("command", ["run", "ingest"])
def test_what_is_not_there(
    command: str, data: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--data", data, "--out", str(tmp_path / "out")]) == 1
    assert why in said(capsys) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("data", "goes_to"), [("ct/labels.csv", "runs/ct"), ("ct.zip", "runs/ct")])
def test_a_run_is_named_after_the_data(
    data: str, goes_to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ct").mkdir()
    Path(data).write_text("")
    seen: list[run.Config] = []
    monkeypatch.setattr(run, "_run", lambda config, out, output: seen.append(config) or out)
    assert cli.main(["run", "--data", data]) == 0
    assert seen[0].out == Path(goes_to) and seen[0].data == (Path("ct") if data.endswith("csv") else Path(data))


def test_what_other_programs_wrote_is_named_whatever_format_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Conversations in LLaVA's form, of which one has no turns: no circle of formats that it is not."""
    (tmp_path / "data").mkdir()
    draw(tmp_path / "data/a.png")
    (tmp_path / "data/chat.json").write_text('[{"id": 1, "image": "a.png", "conversations": []}]')
    for format in ("auto", "coco", "voc", "yolo", "csv"):
        arguments = ["--data", str(tmp_path / "data"), "--format", format, "--out", str(tmp_path / "o")]
        assert cli.main(["ingest", *arguments]) == 1
        told = said(capsys)
        assert ("chat.json, row 1" if format == "auto" else "--format llava reads") in told and "looks like" not in told


@every_format
def test_an_image_that_is_not_there_is_told_with_where_it_was_looked_for(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, as where a set came without its images; in YOLO labels belong to images of their name."""
    (tmp_path / "data").mkdir()
    WRITERS[format](tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.png"):
        path.rename(path.with_name(f"p7_{path.name}"))
    assert cli.main(["ingest", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "o")]) == 1
    told = said(capsys)
    assert (re.search(r"no image '[ab]\.png'", told) is not None) == (format != "yolo")
    assert re.search(rf"; looked below {tmp_path}/data, which holds 2 images, such as \S*p7_[ab]\.png\)", told)


def test_images_that_lie_apart_are_said_to_be_missing_with_the_option_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path)
    file = str(tmp_path / "annotations/instances_train2017.json")
    assert cli.main(["ingest", "--data", file, "--out", str(tmp_path / "o")]) == 1
    assert "which holds 0 images; --images says where they lie" in said(capsys)
