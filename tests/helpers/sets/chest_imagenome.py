"""A small folder in Chest ImaGenome's layout with images in MIMIC-CXR-JPG's. All numbers and sentences are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw
from tests.helpers.sets.mimic_cxr_jpg import place

WIDTH, HEIGHT = 64, 48
#: Places of the body by their corners in the image; the last leads over its edge.
ANATOMY = {"right lung": (4, 6, 28, 40), "left lung": (34, 6, 60, 40), "left lower lung zone": (34, 26, 60, 40),
           "mediastinum": (24, 4, 40, 44), "spine": (28, 0, 36, 60)}  # fmt: skip
SPLITS = ("train", "train", "valid", "test", "images_to_avoid")


def graph(dicom: str, subject: int, study: int) -> dict[str, Any]:
    """One sentence that says something and is tied to a lung and its zone, one that denies, one of a normal place."""
    said = [["anatomicalfinding|yes|lung opacity", "disease|yes|pneumonia", "nlp|yes|abnormal", "severity|yes|mild"]]
    denied = [["anatomicalfinding|no|pneumothorax", "nlp|yes|normal"]]
    return {
        "image_id": dicom,
        "viewpoint": "AP",
        "patient_id": subject,
        "study_id": study,
        "gender": "F",
        "age_decile": "50-60",
        "objects": [
            {"object_id": f"{dicom}_{name}", "x1": 1, "y1": 1, "x2": 9, "y2": 9, "width": 8, "height": 8,
             "bbox_name": name, "name": name, "original_x1": x1, "original_y1": y1, "original_x2": x2,
             "original_y2": y2, "original_width": x2 - x1, "original_height": y2 - y1}
            for name, (x1, y1, x2, y2) in ANATOMY.items()
        ],
        "attributes": [
            *({"bbox_name": name, name: True, "attributes": said, "phrases": ["Mild left basal opacity.\n"],
               "phrase_IDs": ["1"]} for name in ("left lung", "left lower lung zone")),
            {"bbox_name": "right lung", "right lung": True, "attributes": denied, "phrases": ["No pneumothorax."]},
            {"bbox_name": "spine", "spine": True, "attributes": [["anatomicalfinding|yes|scoliosis"]],
             "phrases": ["Scoliosis."]},
        ],
        "relationships": [],
    }  # fmt: skip


def write(folder: Path) -> None:
    """Scene graphs, splits and images; the last image is of the gold set."""
    (folder / "silver_dataset" / "scene_graph").mkdir(parents=True)
    (folder / "silver_dataset" / "splits").mkdir()
    tables: dict[str, list[str]] = {name: [",subject_id,study_id,dicom_id,path,ViewPosition"] for name in SPLITS}
    for n, split in enumerate(SPLITS):
        dicom, subject, study = f"aaaa000{n}", 19990000 + n, 59990000 + n
        path = f"{place(subject, study)}/{dicom}"
        draw(folder / f"{path}.jpg", WIDTH, HEIGHT, seed=n)
        content = json.dumps(graph(dicom, subject, study))
        (folder / "silver_dataset" / "scene_graph" / f"{dicom}_SceneGraph.json").write_text(content)
        tables[split].append(f"{n},{subject},{study},{dicom},{path}.dcm,AP")
    for name, lines in tables.items():
        (folder / "silver_dataset" / "splits" / f"{name}.csv").write_text("\n".join(lines) + "\n")
