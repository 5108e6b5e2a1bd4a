"""Label Studio: ``tasks.json``, one task per image, and ``labels.xml``, the labelling configuration.

Boxes are per cent of the image's width and height. What the records know stands as ``annotations``, what a model has
answered as ``predictions``, from which an annotator begins. An image that nobody is known to have looked at has no
annotation, and so is still to be done; one without findings has an empty one. Masks become the boxes around them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from unveil.core.geometry import Box
from unveil.core.joined import vocabulary
from unveil.core.label_studio import BOXES, IMAGE, RECORD, SHA256, WHOLE, percent
from unveil.core.lesion_region import place
from unveil.core.records import Finding, Record
from unveil.export.left_out import LeftOut
from unveil.export.pictures import Exported, Images, put
from unveil.export.predicted import Predicted


def write(
    folder: Path,
    pictures: Sequence[Exported],
    images: Images,
    left_out: LeftOut,
    predicted: Mapping[str, Sequence[Predicted]],
    address: str,
    hashes: Mapping[str, str],
) -> int:
    """Writes them into a folder; returns how many images there are. ``address`` stands before an image's name;
    ``hashes`` are those of the records' rows by id (``decisions.hash_of``), by which corrections find them unchanged.
    """
    pictures = put(pictures, lambda _: folder / "images", images, left_out)
    partial = folder / "tasks.json"
    with partial.open("w", encoding="utf-8") as file:
        for n, picture in enumerate(pictures):  # one at a time: all of 200,000 boxes together take 700 MB
            told = task(picture, predicted.get(picture.record.id), address, hashes[picture.record.id])
            file.write(("[\n", ",\n")[n > 0] + json.dumps(told, ensure_ascii=False))
        file.write("\n]\n" if pictures else "[]\n")
    records = [picture.record for picture in pictures]
    said = {one.label for record in records for one in predicted.get(record.id, ())}
    whole = {f.label for record in records for f in record.findings if place(f) is None}
    partial = folder / "labels.xml"
    partial.write_text(configuration(sorted({*vocabulary(records), *said}), sorted(whole)), encoding="utf-8")
    return len(pictures)


def task(picture: Exported, predicted: Sequence[Predicted] | None, address: str, sha256: str) -> dict[str, Any]:
    """The task of an image; ``predicted`` is None where no model was asked about it."""
    record = picture.record
    task: dict[str, Any] = {"data": {IMAGE: address + quote(picture.name), RECORD: record.id, SHA256: sha256}}
    if record.split:
        task["data"]["split"] = record.split
    if record.report:
        task["data"]["report"] = record.report
    if record.findings or record.completeness == "exhaustive":
        task["annotations"] = [{"result": _numbered(_of_finding(finding, record) for finding in record.findings)}]
    if predicted is not None:
        by_model: dict[str, list[Predicted]] = {}
        for one in predicted:
            by_model.setdefault(one.model, []).append(one)
        task["predictions"] = [
            {
                "model_version": model,
                "score": None,
                "result": _numbered(rectangle(one.label, one.box, record) for one in rows),
            }
            for model, rows in by_model.items()
        ]
    return task


def _numbered(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": str(n)} | result for n, result in enumerate(results, 1)]


def _of_finding(finding: Finding, record: Record) -> dict[str, Any]:
    box = place(finding)
    if box is None:
        choice = {"type": "choices", "from_name": WHOLE, "to_name": IMAGE}
        return choice | {"value": {"choices": [finding.label]}}
    said = [finding.phrase] if finding.phrase else []
    said += [f"{name}: {value}" for name, value in finding.attributes.items()]
    return rectangle(finding.label, box, record) | ({"meta": {"text": said}} if said else {})


def rectangle(label: str, box: Box, record: Record) -> dict[str, Any]:
    """A box as a result of Label Studio, in per cent of the image."""
    width, height = record.size
    x1, y1, x2, y2 = box
    x, y, across, down = percent((x1, y1, x2 - x1, y2 - y1), width, height)
    return {
        "type": "rectanglelabels",
        "from_name": BOXES,
        "to_name": IMAGE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": x,
            "y": y,
            "width": across,
            "height": down,
            "rotation": 0,
            "rectanglelabels": [label],
        },
    }


def configuration(labels: Iterable[str], whole: Sequence[str]) -> str:
    """The labelling configuration: boxes with these labels, and choices where findings have no place."""
    lines = [
        "<View>",
        f'  <Image name="{IMAGE}" value="${IMAGE}" zoom="true"/>',
        f'  <RectangleLabels name="{BOXES}" toName="{IMAGE}">',
        *(f"    <Label value={quoteattr(label)}/>" for label in labels),
        "  </RectangleLabels>",
    ]
    if whole:
        lines += [
            f'  <Choices name="{WHOLE}" toName="{IMAGE}" choice="multiple">',
            *(f"    <Choice value={quoteattr(label)}/>" for label in whole),
            "  </Choices>",
        ]
    return "\n".join([*lines, "</View>", ""])
