"""A small folder in PadChest-GR's layout, as third parties describe it. Numbers and sentences are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 50
#: The first has one sentence of two labels and two readers, one without a box, and one that denies.
SENTENCES: tuple[dict[str, Any], ...] = (
    {
        "sentence_en": "Left basal opacity with effusion.",
        "sentence_es": "Opacidad basal izquierda con derrame.",
        "abnormal": True,
        "boxes": [[0.5, 0.5, 0.75, 0.8], [0.1, 0.5, 0.25, 0.8]],
        "extra_boxes": [[0.5, 0.6, 0.75, 0.9]],
        "labels": ["opacity", "pleural effusion"],
        "locations": ["left", "basal"],
        "progression": None,
    },
    {"sentence_en": "Scoliosis.", "sentence_es": "Escoliosis.", "abnormal": True, "boxes": [], "extra_boxes": [],
     "labels": ["scoliosis"], "locations": []},
    {"sentence_en": "No cardiomegaly.", "sentence_es": "Sin cardiomegalia.", "abnormal": False, "boxes": [],
     "extra_boxes": [], "labels": ["Normal"], "locations": []},
)  # fmt: skip
SPLITS = ("train", "train", "train", "validation", "test", "test")


def write(folder: Path) -> None:
    """Sentences, the table of patients and splits, and images of 16 bits."""
    (folder / "Padchest_GR_files").mkdir(parents=True)
    table, content = ["StudyID,PatientID,ImageID,sentence_en,split,PatientSex_DICOM,PatientAge"], []
    rng = np.random.default_rng(0)
    for n, split in enumerate(SPLITS):
        name = f"9000{n}_abc{n}.png"
        grey = rng.integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
        Image.fromarray(grey).save(folder / "Padchest_GR_files" / name)
        own = list(SENTENCES) if n == 0 else [SENTENCES[2], {**SENTENCES[0], "labels": ["opacity"], "extra_boxes": []}]
        content.append({"StudyID": f"7000{n}", "ImageID": name, "PreviousStudyID": None, "findings": own})
        table += [f"7000{n},800{n // 2},{name},{sentence['sentence_en']},{split},F,61" for sentence in own]
    (folder / "grounded_reports_20240819.json").write_text(json.dumps(content))
    (folder / "master_table.csv").write_text("\n".join(table) + "\n")
