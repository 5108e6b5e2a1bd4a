"""Sex and age: how texts are read, what no text may become, where they are told, and that no export writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import dicom
from tests.helpers.sets import isic, nih_chestxray14, padchest_gr, vindr_cxr
from unveil.audit.records import check
from unveil.core import subjects
from unveil.core.image_files import probe
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Record, Source
from unveil.export import records as export
from unveil.export.records import Form
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("45", 45),
        ("45.0", 45),
        ("045Y", 45),
        ("018M", 1.5),
        ("012W", 0.23),  # 84 / 365.25
        ("003D", 0.01),  # 3 / 365.25
        ("000D", 0),
        ("89", 89),
        ("90", 90),
        ("097Y", 90),
        ("120", 90),
        ("1100M", 90),  # 91.7 years
        ("90+", 90),
        (">89", 90),
        ("", None),
        ("nan", None),
    ],
)
def test_ages(text: str, years: float | None) -> None:
    assert subjects.age(text) == years


@pytest.mark.parametrize(
    "text", ["411", "411Y", "121", "0", "0.0", "000Y", "-3", "19500101", "1950-01-01", "50-60", "old"]
)
def test_no_age_is_guessed(text: str) -> None:
    """NIH's 411 years, the 0 that stands where nothing is known, dates of birth, ranges."""
    with pytest.raises(ValueError, match="an age"):
        subjects.age(text)


def test_sexes() -> None:
    """As DICOM's PatientSex has it; a number is no sex, since 1 means the one here and the other there."""
    told = {"F": "female", "male": "male", " o ": "other", "U": None, "": None, "Unknown": None}
    assert {text: subjects.sex(text) for text in told} == told
    for text in ("1", "w", "['F', 'M']"):
        with pytest.raises(ValueError, match="a sex"):
            subjects.sex(text)


@pytest.mark.parametrize(
    ("birth", "study", "told"),
    [
        ("19700331", "20200330", "049Y"),  # the day before the birthday
        ("19700331", "20200331", "050Y"),
        ("20191220", "20200109", "020D"),
        ("20200101", "20200101", None),  # all dates overwritten
        ("19000101", "20200101", None),  # no birth
        ("20210101", "20200101", None),
        ("20200231", "20200301", None),
        ("", "20200301", None),
    ],
)
def test_ages_by_dates(birth: str, study: str, told: str | None) -> None:
    assert subjects.between(birth, study) == told


def test_bands() -> None:
    """A band begins on the birthday."""
    ends = {0.0: "0-17", 17.99: "0-17", 18: "18-39", 39.9: "18-39", 40: "40-64", 64.9: "40-64", 65: "65+", 90: "65+"}
    assert {years: subjects.band(years) for years in ends} == ends


def test_a_header_tells_both_and_shows_neither(tmp_path: Path) -> None:
    """Without PatientAge the dates tell it. What is wrong there neither stops nor warns."""
    array = np.zeros((8, 8), np.uint8)
    plain = probe(dicom(tmp_path / "a.dcm", array, PatientSex="F", PatientAge="058Y"))
    assert (plain.sex, plain.age) == ("F", "058Y") and "058Y" not in repr(plain)
    dates = probe(dicom(tmp_path / "b.dcm", array, PatientBirthDate="19700331", StudyDate="20200330"))
    assert (dates.sex, dates.age) == (None, "049Y")


def read(folder: Path, form: str = "auto") -> tuple[dict[str, Record], Summary]:
    summary = ingest(folder, form, folder.parent / "out", Options(access="open"))
    rows = read_jsonl(folder.parent / "out" / "records.jsonl", Record)
    return {Path(row.source.file or "").name: row for row in rows}, summary


def test_a_table_tells_both_and_what_is_not_understood_is_noted(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in "abc":
        Image.fromarray(np.full((8, 8), ord(name), np.uint8)).save(folder / f"{name}.png")
    lines = ["image,label,gender,Patient Age", "a,mass,F,93", "a,cyst,F,93", "b,mass,1,411", "c,mass,,7.5"]
    (folder / "t.csv").write_text("\n".join([*lines, ""]))
    rows, summary = read(folder, "csv")
    assert {name: (r.sex, r.age) for name, r in rows.items()} == {
        "a.png": ("female", 90),
        "b.png": (None, None),
        "c.png": (None, 7.5),
    }
    noted = [str(note) for note in summary.notes if "is left out" in str(note)]
    assert len(noted) == 2 and all("b.png" in note and "411" not in note for note in noted)


def test_named_sets(tmp_path: Path) -> None:
    """NIH's age of 411 years and VinDr's of 000Y are none; nobody is older than 90."""
    told = {}
    for module in (nih_chestxray14, isic, padchest_gr, vindr_cxr):
        folder = tmp_path / module.__name__.rpartition(".")[2] / "set"
        module.write(folder)
        told[folder.parent.name] = {name: (r.sex, r.age) for name, r in read(folder)[0].items()}
    nih = told["nih_chestxray14"]
    assert [nih[f"0000000{n}_000.png"] for n in (1, 2, 3)] == [("male", None), ("male", 90), ("male", 58)]
    assert told["isic"]["ISIC_0000000.jpg"] == ("female", 55) and told["isic"]["ISIC_0000001.jpg"] == (None, None)
    assert set(told["padchest_gr"].values()) == {("female", 61)}
    assert [told["vindr_cxr"][f"{name}.dicom"] for name in ("0a01", "0a02")] == [("female", None), ("female", 47)]


def pictures(folder: Path, *sexes: str | None) -> Path:
    """Records of one patient, whose age is 77.25, in a file."""
    rows = []
    for n, sex in enumerate(sexes):
        image = np.random.default_rng(n).integers(0, 255, (32, 32), np.uint8)
        Image.fromarray(image).save(folder / f"{n}.png")
        source = Source("own", access="open")
        known = {"patient": "p", "source": source, "sex": sex, "age": 77.25, "completeness": "exhaustive"}
        rows.append(Record(f"r{n}", f"{n}.png", 32, 32, **known))  # type: ignore[arg-type]
    write_jsonl(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def test_two_sexes_of_one_patient(tmp_path: Path) -> None:
    """An unknown sex contradicts none; the finding names the patient, and not the sexes."""
    file = pictures(tmp_path, "female", None, "male")
    rows = list(read_jsonl(file, Record))
    found = check(rows, file, workers=1).issue("patient_of_two_sexes")
    assert found and (found.severity, found.count, found.examples) == ("warning", 1, ("own/p",))
    assert check(rows[:2], file, workers=1).issue("patient_of_two_sexes") is None


@pytest.mark.parametrize("form", ["coco", "yolo", "label-studio", "imagefolder"])
def test_no_export_writes_them(tmp_path: Path, form: Form) -> None:
    file = pictures(tmp_path, "female", "female")
    assert "77.25" in file.read_text() and '"female"' in file.read_text()
    folder = export.main(export.Config(records=file, form=form, out=tmp_path / "out"))
    written = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".png", ".jpg")]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in written)
    assert written and not any(word in texts for word in ("female", "77.25", '"age"', '"sex"'))
