"""Records written as annotation files of every format that is read."""

from __future__ import annotations

import json
from pathlib import Path

from unveil.core.geometry import Box
from unveil.core.records import Record


def _coco(folder: Path, rows: list[Record]) -> None:
    labels = _labels(rows)
    sizes = [{"width": row.width, "height": row.height} for row in rows]
    content = {
        "images": [{"id": i, "file_name": Path(row.image).name, **sizes[i]} for i, row in enumerate(rows)],
        "categories": [{"id": i, "name": label} for i, label in enumerate(labels)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": labels.index(label), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            for n, (i, label, (x1, y1, x2, y2)) in enumerate(_boxes(rows))
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(content))


def _voc(folder: Path, rows: list[Record]) -> None:
    (folder / "Annotations").mkdir()
    for row in rows:
        name = Path(row.image)
        lines = [
            f"<filename>{name.name}</filename><size><width>{row.width}</width><height>{row.height}</height></size>"
        ]
        for _, label, box in _boxes([row]):
            corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
            lines.append(f"<object><name>{label}</name><bndbox>{corners}</bndbox></object>")
        text = "\n".join(["<annotation>", *lines, "</annotation>"])
        (folder / "Annotations" / f"{name.stem}.xml").write_text(text)


def _yolo(folder: Path, rows: list[Record]) -> None:
    labels = _labels(rows)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(json.dumps({"path": ".", "train": "images", "names": labels}))
    for row in rows:
        lines = [
            f"{labels.index(label)} {(x1 + x2) / 2 / row.width} {(y1 + y2) / 2 / row.height} "
            f"{(x2 - x1) / row.width} {(y2 - y1) / row.height}\n"
            for _, label, (x1, y1, x2, y2) in _boxes([row])
        ]
        (folder / "labels" / Path(row.image).with_suffix(".txt").name).write_text("".join(lines))


def _csv(folder: Path, rows: list[Record]) -> None:
    lines = ["image,label,x1,y1,x2,y2"]
    lines += [f"{Path(rows[i].image).name},{label},{','.join(map(str, box))}" for i, label, box in _boxes(rows)]
    lines += [f"{Path(row.image).name},normal,,,," for row in rows if not row.findings]
    (folder / "boxes.csv").write_text("\n".join([*lines, ""]))


def _labels(rows: list[Record]) -> list[str]:
    return sorted({finding.label for row in rows for finding in row.findings})


def _boxes(rows: list[Record]) -> list[tuple[int, str, Box]]:
    return [(i, f.label, f.box) for i, row in enumerate(rows) for f in row.findings if f.box]


#: The formats of annotation files, each with what writes records as such.
FORMATS = {"coco": _coco, "voc": _voc, "yolo": _yolo, "csv": _csv}
