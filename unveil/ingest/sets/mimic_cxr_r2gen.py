"""MIMIC-CXR as R2Gen lays it out: one entry for each image, so that a study of two views stands twice with one report.

Reports are kept as they stand; R2Gen itself scores against 100 tokens of its own vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unveil.core.records import Record
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Incomplete, Rejected
from unveil.ingest.sets import r2gen


def found(folder: Folder) -> list[Path]:
    """The file of the reports, each of which names a patient."""
    return r2gen.files(folder, with_patients=True)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image once, with its study's report."""
    asked: set[str] = set()
    for path in filter(folder.asked, found(folder)):
        for item in r2gen.entries(folder, path, "subject_id", "study_id"):
            if isinstance(item, Rejected):
                yield item
                continue
            patient, study = str(item.entry["subject_id"]), str(item.entry["study_id"])
            yield from r2gen.records(folder, path, item, study, patient, asked)


FORMAT = Format(
    "mimic-cxr-r2gen",
    read,
    "annotation.json of reports with subject_id and study_id, beside images/",
    found,
    (".json",),
    DataSet(
        "mimic-cxr-r2gen",
        "MIMIC-CXR (R2Gen)",
        "X-ray",
        ("questions", "reports", "patients", "splits"),
        "unknown",
        "credentialed",
        None,
        "https://physionet.org/content/mimic-cxr-jpg/",
        "Johnson et al., MIMIC-CXR, a de-identified publicly available database of chest radiographs with free-text "
        "reports, 2019, doi 10.1038/s41597-019-0322-0; Chen et al., Generating Radiology Reports via Memory-driven "
        "Transformer, 2020, arXiv 2010.16056 (this form)",
        (
            Download("**/annotation.json", "the reports by split, from R2Gen's repository"),
            Download("**/{images,files}/p1*/p*/s*/*.jpg", "the images of MIMIC-CXR-JPG"),
        ),
        benchmark=True,
        notes=(
            "There is one entry for each image: a study of two views stands twice. The report is asked for at the "
            "first image of a study, so that each study counts once.",
            "R2Gen's figures are against its own cut and lower-cased text, not against these whole reports.",
            "Reports compare with earlier images, which are not given.",
        ),
    ),
)
