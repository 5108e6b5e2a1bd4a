"""YOLO: ``data.yaml``, and beside each image of ``images/SPLIT`` a text of its boxes in ``labels/SPLIT``.

A row is the class's number from 0, and the centre and extent of the box as shares of the image's width and height. An
empty text says that there is nothing to find; an image of which that is not known is left out. A mask becomes the box
around it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unveil.core import geometry
from unveil.core.lesion_region import place
from unveil.core.records import SPLITS, Record
from unveil.export.left_out import LeftOut
from unveil.export.pictures import Exported, Images, for_detectors, placed_names, put

#: The folder of images that are in no split.
UNSPLIT = "unsplit"


def write(folder: Path, pictures: Sequence[Exported], images: Images, left_out: LeftOut) -> int:
    """Writes them into a folder; returns how many images there are."""

    def of_split(side: str, picture: Exported) -> Path:
        return folder / side / (picture.record.split or UNSPLIT)

    pictures = put(for_detectors(pictures, left_out), lambda picture: of_split("images", picture), images, left_out)
    names = placed_names(pictures)
    numbers = {name: n for n, name in enumerate(names)}
    for picture in pictures:
        partial = of_split("labels", picture) / f"{picture.stem}.txt"
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(rows(picture.record, numbers), encoding="utf-8")
    partial = folder / "data.yaml"
    partial.write_text(description(names, {picture.record.split for picture in pictures}), encoding="utf-8")
    return len(pictures)


def rows(record: Record, numbers: dict[str, int]) -> str:
    """The text of an image's boxes."""
    boxes = [(numbers[f.label], box) for f in record.findings if (box := place(f)) is not None]
    return "".join(_row(number, geometry.scale(box, record.size, (1.0, 1.0))) for number, box in boxes)


def _row(number: int, box: geometry.Box) -> str:
    x1, y1, x2, y2 = box
    shares = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    return " ".join([str(number), *(f"{share:.8f}" for share in shares)]) + "\n"


def description(names: Sequence[str], splits: set[str | None]) -> str:
    """The text of ``data.yaml``; a name is written as JSON has it, which YAML reads."""
    places = [f"{split}: images/{split}" for split in SPLITS if split in splits]
    classes = [f"  {n}: {json.dumps(name, ensure_ascii=False)}" for n, name in enumerate(names)]
    return "\n".join([*places, f"nc: {len(names)}", "names:" if names else "names: {}", *classes, ""])
