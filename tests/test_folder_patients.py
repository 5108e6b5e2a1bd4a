"""Patients from DICOM headers: the same person is the same, nobody reads whose id it was."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.annotated import run
from tests.helpers.images import dicom
from unveil.core import image_files
from unveil.core.records import Record
from unveil.ingest.reading import IngestError

IDS = ("PAT-4711", "PAT-4711 ", "PAT-0815", None)


def write(data: Path, ids: tuple[str | None, ...] = IDS, patient: str = "") -> None:
    """An image for each id, and a table of them, with a column for the patient if one is given for the first."""
    data.mkdir()
    rows = ["image,label,x1,y1,x2,y2" + ",patient" * bool(patient)]
    for n, name in enumerate(ids):
        dicom(data / f"{n}.dcm", np.full((20, 40), n, np.uint8), PatientID=name)
        rows.append(f"{n}.dcm,nodule,1,1,9,9" + (f",{patient if n == 0 else ''}" if patient else ""))
    (data / "l.csv").write_text("\n".join(rows))


def patients(records: list[Record]) -> list[Any]:
    return [r.patient for r in sorted(records, key=lambda r: r.id)]


def test_the_id_is_taken_as_a_keyed_hash(tmp_path: Path) -> None:
    """HMAC-SHA256 under the key in unveil.key, which only its owner may read; its first 16 digits."""
    write(tmp_path / "data")
    summary, records, _ = run(tmp_path, "csv", patients_from="dicom")
    key = tmp_path / "out/unveil.key"
    expected = [
        hmac.new(bytes.fromhex(key.read_text()), name.strip().encode(), hashlib.sha256).hexdigest()[:16]
        if name
        else None
        for name in IDS
    ]
    assert patients(records) == expected and expected[0] == expected[1] != expected[2]
    assert key.stat().st_mode & 0o777 == 0o600
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [text for text in [*written, *summary.notes] if "4711" in text or "0815" in text]


def test_it_stays_the_same_in_a_folder_and_tells_nothing_in_another(tmp_path: Path) -> None:
    write(tmp_path / "data")
    first, again = (patients(run(tmp_path, "csv", patients_from="dicom")[1]) for _ in range(2))
    (tmp_path / "out/unveil.key").unlink()
    other = patients(run(tmp_path, "csv", patients_from="dicom")[1])
    assert first == again and not {*first[:3]} & {*other}


def test_tables_and_patterns_go_first(tmp_path: Path) -> None:
    write(tmp_path / "data", patient="7")
    summary, records, _ = run(tmp_path, "csv", patients_from="dicom")
    told = patients(records)
    assert told[0] == "7" and told[1] and told[1] != "7" and told[3] is None
    note = (
        "a column or --patient-pattern tells the patient, and goes before --patients-from: it stands in records.jsonl "
    )
    assert f"{note}as it is; `--columns patient=` leaves the column out" in summary.notes
    bare = run(tmp_path, "csv", patients_from="dicom", columns=("patient=",))
    assert patients(bare[1])[0] != "7" and not [text for text in bare[0].notes if text.startswith(note)]
    assert not [text for text in run(tmp_path, "csv")[0].notes if text.startswith(note)], "nobody asked for headers"
    assert patients(run(tmp_path, "csv", patients_from="dicom", patient_pattern=r"(\d)\.dcm")[1]) == [
        "7",
        "1",
        "2",
        "3",
    ]


def test_what_is_not_asked_for_is_said_to_be_there(tmp_path: Path) -> None:
    write(tmp_path / "data")
    summary, records, _ = run(tmp_path, "csv")
    assert patients(records) == [None] * 4 and not (tmp_path / "out/unveil.key").exists()
    hint = "images whose patient only their DICOM header tells: --patients-from dicom takes it as a keyed hash"
    assert f"{hint} (3 times, such as 0.dcm)" in summary.notes


def test_headers_that_tell_nobody(tmp_path: Path) -> None:
    """None has an id: refused. All have the same: whoever took the names out has put one word for all of them."""
    write(tmp_path / "data", (None, "", None))
    with pytest.raises(IngestError, match="--patients-from dicom: no image's header has a PatientID"):
        run(tmp_path, "csv", patients_from="dicom")
    for path in (tmp_path / "data").iterdir():
        path.unlink()
    (tmp_path / "data").rmdir()
    write(tmp_path / "data", ("ANON",) * 3)
    summary, _, _ = run(tmp_path, "csv", patients_from="dicom")
    assert "all 3 images have one patient: is the PatientID in their headers a placeholder?" in summary.notes


def test_a_header_does_not_show_its_patient(tmp_path: Path) -> None:
    """Nor does anything that prints it."""
    header = image_files.probe(dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8), PatientID="PAT-4711"))
    assert header.patient == "PAT-4711" and "4711" not in repr(header)
