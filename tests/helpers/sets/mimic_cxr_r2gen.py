"""A small folder in the layout of R2Gen's MIMIC-CXR: an entry for each image, names and numbers made up."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.annotated import draw

#: Subject, study and images by split: the first study has two views.
STUDIES = {
    "train": ((19990001, 59990001, ("aaaa0001-00000000", "aaaa0002-00000000")), (19990002, 59990002, ("aaaa0003",))),
    "val": ((19990003, 59990003, ("aaaa0004",)),),
    "test": ((19990004, 59990004, ("aaaa0005", "aaaa0006")),),
}


def report(study: int) -> str:
    return f"Comparison is made to ___. Unchanged opacity at the left base, study {study}."


def write(folder: Path) -> None:
    """``images/p19/pSUBJECT/sSTUDY/DICOM.jpg`` and the reports by split."""
    content: dict[str, list[dict[str, object]]] = {}
    for split, studies in STUDIES.items():
        for subject, study, images in studies:
            for name in images:
                place = f"p{subject // 10**6}/p{subject}/s{study}/{name}.jpg"
                draw(folder / "images" / place, 60, 52, seed=study + int(name[4:8]))
                entry = {"id": name, "study_id": study, "subject_id": subject, "report": report(study)}
                content.setdefault(split, []).append({**entry, "image_path": [place], "split": split})
    (folder / "annotation.json").write_text(json.dumps(content))
