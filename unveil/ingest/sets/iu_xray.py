"""IU X-Ray as R2Gen lays it out: two radiographs and one report a study.

Reports are kept as they stand. R2Gen itself scores against what its own vocabulary leaves of them (small letters,
``<unk>``, 60 tokens), so that its figures cannot be compared with those against the whole text.
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
    """The file of the reports, of which none names a patient."""
    return r2gen.files(folder, with_patients=False)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of every study, each with the study's report."""
    asked: set[str] = set()
    for path in filter(folder.asked, found(folder)):
        for item in r2gen.entries(folder, path):
            if isinstance(item, Rejected):
                yield item
                continue
            if len(item.images) != 2:
                folder.note("studies that have not two images, which R2Gen itself cannot read", item.id)
            yield from r2gen.records(folder, path, item, item.id, None, asked)


FORMAT = Format(
    "iu-xray",
    read,
    "annotation.json of reports without patients, beside images/",
    found,
    (".json",),
    DataSet(
        "iu-xray",
        "IU X-Ray (R2Gen)",
        "X-ray",
        ("questions", "reports", "splits"),
        "unknown",
        "open",
        None,
        "https://openi.nlm.nih.gov/",
        "Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and retrieval, 2016, "
        "doi 10.1093/jamia/ocv080; Chen et al., Generating Radiology Reports via Memory-driven Transformer, 2020, "
        "arXiv 2010.16056 (the split)",
        (
            Download("**/annotation.json", "the reports by split, from R2Gen's repository"),
            Download("**/images/**/*.png", "two images a study"),
        ),
        benchmark=True,
        notes=(
            "The split is R2Gen's (2,069, 296 and 590 studies); other papers deal the studies otherwise.",
            "The report is asked for at the first image of a study, so that each study counts once.",
            "R2Gen's figures are against its own cut and lower-cased text, not against these whole reports.",
            "Nobody names the patients: that those of two splits differ is not known.",
        ),
    ),
)
