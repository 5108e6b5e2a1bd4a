"""A small folder in MIMIC-CXR-JPG's layout, with two reports of MIMIC-CXR. All numbers, names and texts are made up."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.helpers.annotated import draw

LABELS = ("Atelectasis", "Cardiomegaly", "No Finding", "Support Devices")
#: Subject, study, split, values of the labels, images.
STUDIES = (
    (19990001, 59990001, "train", ("1.0", "0.0", "", "1.0"), ("aaaa0001", "aaaa0002")),
    (19990001, 59990002, "train", ("", "-1.0", "", ""), ("aaaa0003",)),
    (19990002, 59990003, "train", ("", "1.0", "", ""), ("aaaa0004",)),
    (19990003, 59990004, "validate", ("0.0", "", "1.0", ""), ("aaaa0005",)),
    (19990004, 59990005, "test", ("1.0", "", "", ""), ("aaaa0006",)),
)
REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PORTABLE AP)

 COMPARISON:  ___

 FINDINGS:  Unchanged atelectasis at the left base.

 IMPRESSION:  Atelectasis.
"""


def place(subject: int, study: int) -> str:
    return f"files/p{subject // 10**6}/p{subject}/s{study}"


def write(folder: Path) -> None:
    """Tables packed with gzip, images in folders of patients and studies, reports beside the studies' folders."""
    metadata = ["dicom_id,subject_id,study_id,ViewPosition,Rows,Columns"]
    splits, labels = ["dicom_id,study_id,subject_id,split"], [",".join(["subject_id", "study_id", *LABELS])]
    for subject, study, split, values, images in STUDIES:
        labels.append(",".join([str(subject), str(study), *values]))
        for name in images:
            draw(folder / place(subject, study) / f"{name}.jpg", 56, 60, seed=int(name[4:]))
            metadata.append(f"{name},{subject},{study},AP,60,56")
            splits.append(f"{name},{study},{subject},{split}")
        if study < 59990003:
            (folder / place(subject, study)).with_suffix(".txt").write_text(REPORT)
    for name, lines in (("metadata", metadata), ("split", splits), ("chexpert", labels)):
        with gzip.open(folder / f"mimic-cxr-2.0.0-{name}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
