"""MIMIC-CXR-JPG: chest radiographs with labels that programs drew from the reports (CheXpert, NegBio).

A label is 1 (there), 0 (denied), -1 (uncertain) or blank (not spoken of). What is there is a finding without a box.
What is there or denied is also a closed question, so that a denial and a blank stay apart; an uncertain label is
neither, and is counted. Of what is not spoken of nothing is known, so no image is free of findings, not even by the
label "No Finding".

Reports are a set of their own (MIMIC-CXR's ``files/p10/p10000000/s50000000.txt``) and are read where they are unpacked
here; ``___`` in them stands for what was taken out. Not verified: the column of the labels by hand (2.1.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Finding, Question, Record
from unveil.core.report_sections import refers_to_prior, sections, sentences
from unveil.core.untrusted import quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected
from unveil.ingest.rows import rows
from unveil.ingest.sets import mimic

#: Columns that are no labels.
KEYS = frozenset({"subject_id", "study_id", "dicom_id"})
NOTHING = "No Finding"

#: The labels of a study with their values.
Labels = tuple[tuple[str, int], ...]


def found(folder: Folder) -> list[Path]:
    """The table of the images."""
    return folder.named("mimic-cxr-*-metadata.csv", "mimic-cxr-*-metadata.csv.gz")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of the table that is here; how many are not is noted."""
    splits = mimic.splits(folder)
    if not splits:
        folder.note("mimic-cxr-2.0.0-split.csv is not here: no split is known")
    labels: dict[str, Labels] = {}
    yield from _enter_labels(folder, labels)
    for path in filter(folder.asked, found(folder)):
        here = absent = 0
        for row, cells in rows(folder, path, ("dicom_id", "subject_id", "study_id")):
            dicom, subject, study = cells["dicom_id"], cells["subject_id"], cells["study_id"]
            if not mimic.is_here(folder, dicom):
                absent += 1
                continue
            here += 1
            try:
                image = folder.open(folder.find(mimic.place(dicom, subject, study), path.parent))
                report = _report(folder, subject, study)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(folder.relative(path), row, str(error))
                continue
            told = labels.get(study) or labels.get(f"{subject}/{study}", ())
            yield folder.record(
                *(image, _findings(folder, told, image.file), "unknown", False),
                patient=subject, study=study, split=splits.get(dicom), questions=_questions(told),
                report=report, sections=sections(report or ""), language="en" if report else None,
            )  # fmt: skip
        if not here:
            raise IngestError(f"{folder.relative(path)}: none of its {absent} images is here; {folder.looked}")
        if absent:
            folder.note(f"{absent} of {here + absent} images of {folder.relative(path)} are not here and left out")


def _enter_labels(folder: Folder, labels: dict[str, Labels]) -> Iterator[Rejected]:
    """Enters those of programs by patient and study, and those by hand, which go before them, by study alone."""
    programs = {name: mimic.tables(folder, f"mimic-cxr-*-{name}.csv") for name in ("chexpert", "negbio")}
    chosen = next((name for name, paths in programs.items() if paths), None)
    if all(programs.values()):
        folder.note("labels of CheXpert and of NegBio are here: those of CheXpert are read")
    by_hand = mimic.tables(folder, "mimic-cxr-*-test-set-labeled.csv")
    same: dict[Labels, Labels] = {}  # a few thousand combinations, for 227,827 studies
    for path in [*(programs[chosen] if chosen else ()), *by_hand]:
        for row, cells in rows(folder, path, ("study_id",)):
            subject = cells.get("subject_id", "")
            key = cells["study_id"] if path in by_hand or not subject else f"{subject}/{cells['study_id']}"
            try:
                told = _values(cells)
            except AnnotationError as error:
                yield Rejected(folder.relative(path), row, str(error))
                continue
            labels[key] = same.setdefault(told, told)


def _values(cells: Mapping[str, str]) -> Labels:
    values = {"1": 1, "1.0": 1, "0": 0, "0.0": 0, "-1": -1, "-1.0": -1}
    told = [(name, cell) for name, cell in cells.items() if cell and name not in KEYS]
    if strange := [cell for _, cell in told if cell not in values]:
        raise AnnotationError(f"a label is 1, 0, -1 or blank, not {quoted(strange[0])}")
    return tuple((name, values[cell]) for name, cell in told)


def _findings(folder: Folder, labels: Labels, file: str) -> list[Finding]:
    for _ in [name for name, value in labels if value < 0]:
        folder.note("labels that are uncertain (-1) are neither findings nor their absence, and left out", file)
    return [Finding(name) for name, value in labels if value == 1 and name != NOTHING]


def _questions(labels: Labels) -> tuple[Question, ...]:
    return tuple(
        Question(f"Does the image show {name.lower()}?", "yes" if value else "no", "closed", f"label-{name}", (), "en")
        for name, value in labels
        if value >= 0 and name != NOTHING
    )


def _report(folder: Folder, subject: str, study: str) -> str | None:
    """The report of a study, which lies beside the study's folder of images."""
    files = [path for path in folder.named(f"s{study}.txt") if path.parent.name == f"p{subject}"]
    if not files:
        return None
    try:
        report = folder.text(files[0]).strip()
    except AnnotationError as error:
        raise AnnotationError(f"its report {folder.relative(files[0])}: {error}") from error
    if any(map(refers_to_prior, sentences(report))):
        folder.note("reports that compare with earlier images, which are not given", folder.relative(files[0]))
    return report or None


FORMAT = Format(
    "mimic-cxr-jpg",
    read,
    "mimic-cxr-2.0.0-metadata.csv beside files/",
    found,
    (".csv", ".gz"),
    DataSet(
        "mimic-cxr-jpg",
        "MIMIC-CXR-JPG",
        "X-ray",
        ("labels", "questions", "reports", "patients", "splits"),
        "unknown",
        "credentialed",
        None,
        "https://physionet.org/content/mimic-cxr-jpg/",
        "Johnson et al., MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs, 2019, "
        "arXiv 1901.07042",
        (
            Download("**/mimic-cxr-*-metadata.csv{,.gz}", "which images there are"),
            Download("**/mimic-cxr-*-split.csv{,.gz}", "the split", needed=False),
            Download("**/mimic-cxr-*-{chexpert,negbio}.csv{,.gz}", "labels drawn from reports", needed=False),
            Download("**/mimic-cxr-*-test-set-labeled.csv", "labels by hand, of 2.1.0", needed=False),
            Download("**/files/p1*/p*/s*/*.jpg", "377,110 images, or as many as you have"),
            Download("**/files/p1*/p*/s*.txt", "reports, from MIMIC-CXR (mimic-cxr-reports.zip)", needed=False),
        ),
        benchmark=True,
        notes=(
            "Programs drew the labels from reports; an uncertain label is left out, and no image counts as normal.",
            "Reports compare with earlier images, which are not given.",
            "Its agreement forbids to show the data to others, models behind an address among them.",
        ),
    ),
)
