"""COCO instances: one JSON file per split in ``annotations``, images in ``images``.

A box is x, y, width and height in pixels, a mask its run-length code. What COCO has no field for (phrase, attributes,
readers) stands under ``attributes``, where CVAT and others have it. An image without annotations is one without
findings; where that is not known of it, it is left out (``pictures.for_detectors``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unveil.core import geometry
from unveil.core.lesion_region import place
from unveil.core.records import SPLITS, Finding, Split
from unveil.export.left_out import LeftOut
from unveil.export.pictures import Exported, Images, for_detectors, placed_names, put


def write(folder: Path, pictures: Sequence[Exported], images: Images, left_out: LeftOut) -> int:
    """Writes them into a folder; returns how many images there are."""
    pictures = put(for_detectors(pictures, left_out), lambda _: folder / "images", images, left_out)
    numbers = {name: n for n, name in enumerate(placed_names(pictures), 1)}
    for split in (*SPLITS, None):
        if of_split := [picture for picture in pictures if picture.record.split == split]:
            (folder / "annotations").mkdir(exist_ok=True)
            partial = folder / "annotations" / file_name(split)
            partial.write_text(json.dumps(content(of_split, numbers), ensure_ascii=False), encoding="utf-8")
    return len(pictures)


def file_name(split: Split | None) -> str:
    return f"instances_{split}.json" if split else "instances.json"


def content(pictures: Iterable[Exported], numbers: dict[str, int]) -> dict[str, Any]:
    """What stands in a file; ``numbers`` are those of the categories, from 1, the same in all files."""
    licences: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, 1):
        record = picture.record
        image = {"id": number, "file_name": picture.name, "width": record.width, "height": record.height}
        if record.source.licence:
            image["license"] = licences.setdefault(record.source.licence, len(licences) + 1)
        images.append(image | {"record": record.id})
        for finding in record.findings:
            if (box := place(finding)) is not None:
                about = {"id": len(annotations) + 1, "image_id": number, "category_id": numbers[finding.label]}
                annotations.append(about | _shape(finding, box) | _more(finding))
    return {
        "info": {"description": "Research only, not for clinical care"},
        "licenses": [{"id": n, "name": name} for name, n in licences.items()],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": n, "name": name, "supercategory": ""} for name, n in numbers.items()],
    }


def _shape(finding: Finding, box: geometry.Box) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    area: float = geometry.area(box)
    if finding.mask is not None:
        area = int(geometry.decode_mask(finding.mask).sum())
    return {
        "bbox": [round(v, 6) for v in (x1, y1, x2 - x1, y2 - y1)],
        "area": area,
        "segmentation": finding.mask or [],
        "iscrowd": 0,
    }


def _more(finding: Finding) -> dict[str, Any]:
    known: dict[str, Any] = dict(finding.attributes)
    known |= {"phrase": finding.phrase} if finding.phrase else {}
    known |= {"readers": list(finding.readers)} if finding.readers else {}
    return {"attributes": known} if known else {}
