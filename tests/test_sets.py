"""All data sets of the table: each is told by its files, is described whole, and goes through the main job."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Access, Record, RecordError, Source
from unveil.gate import sources
from unveil.ingest.catalogue import Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import ingest
from unveil.ingest.sets import SETS
from unveil.pipelines import run

ALL = pytest.mark.parametrize("form", SETS, ids=lambda form: form.name)

#: Licence and access of each set, and whose images are true negatives where nothing is marked. A licence that was not
#: found at its source is None, whatever copies of the set say.
TERMS: dict[str, tuple[str | None, Access]] = {
    "busi": (None, "open"),
    "chest-imagenome": (None, "credentialed"),
    "deeplesion": (None, "open"),
    "flare-mllm-2d": (None, "dua"),
    "isic": (None, "open"),
    "iu-xray": (None, "open"),
    "kits23": ("CC BY-NC-SA", "open"),
    "kvasir-seg": (None, "open"),
    "llava-med": ("CC BY-NC 4.0", "open"),
    "medmnist": ("CC BY 4.0", "open"),
    "medxpertqa-mm": ("MIT", "open"),
    "mimic-cxr-jpg": (None, "credentialed"),
    "mimic-cxr-r2gen": (None, "credentialed"),
    "mmmu-med": (None, "open"),
    "ms-cxr": (None, "credentialed"),
    "nih-chestxray14": (None, "open"),
    "object-cxr": (None, "open"),
    "omnimedvqa": (None, "open"),
    "padchest-gr": (None, "dua"),
    "pathvqa": (None, "dua"),
    "pmc-vqa": (None, "open"),
    "rsna-pneumonia": (None, "dua"),
    "slake": ("CC BY 4.0", "open"),
    "tbx11k": (None, "open"),
    "vindr-cxr": (None, "dua"),
    "vqa-rad": ("CC0 1.0", "open"),
}
NEGATIVES = {"busi", "medmnist", "object-cxr", "rsna-pneumonia", "tbx11k", "vindr-cxr"}
#: The sets whose makers tell the patient. In all others (SLAKE, Kvasir-SEG, PathVQA, PMC-VQA, RSNA, VinDr, …) nobody
#: knows whether two images are of one, and the name of an image is no patient.
PATIENTS = {
    *("chest-imagenome", "deeplesion", "mimic-cxr-jpg", "mimic-cxr-r2gen", "ms-cxr", "nih-chestxray14", "padchest-gr"),
}
#: Of which all images are for testing, so that there is nothing to learn from.
TESTS_ALONE = {"omnimedvqa"}


def written(form: Format, folder: Path) -> Path:
    """A small folder in the set's layout, by the fixture of the same name."""
    import_module(f"tests.helpers.sets.{form.read.__module__.rpartition('.')[2]}").write(folder)
    return folder


@ALL
def test_its_files_tell_it(form: Format, tmp_path: Path) -> None:
    """No file of the fixture is renamed, and no option is needed; nothing of it is rejected."""
    summary = ingest(written(form, tmp_path / "set"), "auto", tmp_path / "out")
    rows = list(read_jsonl(summary.records_file, Record))
    assert summary.format == form.name and form.about is not None
    assert {row.source.dataset for row in rows} == {form.name}
    assert {(row.source.licence, row.source.access) for row in rows} == {(form.about.licence, form.about.access)}
    given = {
        "labels": any(row.findings for row in rows),
        "boxes": any(f.box for row in rows for f in row.findings),
        "masks": any(f.mask for row in rows for f in row.findings),
        "phrases": any(f.phrase for row in rows for f in row.findings),
        "questions": any(row.questions for row in rows),
        "choices": any(q.choices for row in rows for q in row.questions),
        "reports": any(row.report for row in rows),
        "patients": any(row.patient for row in rows),
        "splits": any(row.split for row in rows),
        "readers": any(row.readers for row in rows),
    }
    assert {name for name, there in given.items() if there} == set(form.about.gives)
    assert any(row.patient for row in rows) == (form.name in PATIENTS)
    assert not {row.patient for row in rows if row.patient} & {Path(row.image).stem for row in rows}
    free = any(not row.findings and row.completeness == "exhaustive" for row in rows)
    assert free == (form.name in NEGATIVES), "true negatives"


@ALL
def test_files_that_nobody_asked_for_are_not_read(form: Format, tmp_path: Path) -> None:
    """``--annotations`` with a pattern that none fits: no record, whatever else the folder holds."""
    folder = Folder.of(written(form, tmp_path / "set"), Options(annotations="none-such.*"))
    given: list[object] = []
    with suppress(IngestError):
        given += form.read(replace(folder, about=form.about, out=tmp_path / "out"))
    assert not [item for item in given if isinstance(item, Record)]


@ALL
def test_its_row_is_whole(form: Format) -> None:
    about = form.about
    assert about and about.name == form.name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", form.name)
    assert about.source.startswith("https://") and about.citation and about.parts and about.gives
    assert all(note.endswith(".") for note in about.notes)


def test_licences_are_those_of_the_sources_and_agreements_are_told() -> None:
    assert {form.name: (form.about.licence, form.about.access) for form in SETS if form.about} == TERMS


@pytest.mark.parametrize("name", [name for name, (_, access) in TERMS.items() if access != "open"])
def test_nothing_of_a_set_under_an_agreement_leaves_this_machine(name: str) -> None:
    """Unless told otherwise no image or text of it goes to a model behind an address. That of the sets on MIMIC-CXR's
    images, of VinDr and of PadChest does not go even where somebody says that they are open."""
    licence, access = TERMS[name]
    source = Source(name, licence=licence, access=access)
    assert f"{access} data, which must not be shared" in str(sources.fault(Record("a", "a.png", 9, 9, source=source)))
    known = sources.fault(Record("a", "a.png", 9, 9, source=Source(name, licence="CC0", access="open")))
    assert (known is None) == (name in {"flare-mllm-2d", "pathvqa", "rsna-pneumonia"})


@ALL
def test_the_main_job_runs_on_it(form: Format, tmp_path: Path) -> None:
    """`unveil run --data DIR` and no other option, but for where it writes to, and two passes over the data."""
    config = run.Config(data=written(form, tmp_path / "set"), out=tmp_path / "out", epochs=2, resamples=50)
    if form.name in TESTS_ALONE:
        with pytest.raises(RecordError, match="no image in train"):
            run.main(config)
        return
    report = run.main(config)
    assert form.about and form.about.name in report.read_text()
