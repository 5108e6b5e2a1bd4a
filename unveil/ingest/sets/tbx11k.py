"""TBX11K: signs of tuberculosis in radiographs of the chest, and radiographs of healthy people and of other patients.

An image of ``health`` without a box is free of findings. One of ``sick`` is free of tuberculosis and yet not healthy:
it has a finding of that name without a place. ``test`` has no labels, so that figures are measured on the images that
are published for validation. ``extra`` is made of other sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import list_name, measured
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number, parse_all

#: The annotations of the set, and in turn the files that hold all of its training and validation.
OWN = ("TBX11K_train.json", "TBX11K_val.json", "TBX11K_trainval.json")
WHOLE = (OWN[:2], OWN[2:], OWN[:1], OWN[1:2])
#: The same with the images of other sets, and those without labels.
ALL = ("all_train.json", "all_val.json", "all_trainval.json", "all_test.json")
#: What an image of ``sick`` shows.
SICK = "sick but non-TB"


def found(folder: Folder) -> list[Path]:
    """The annotations, those with the images of other sets last."""
    return [*own, *folder.named(*ALL)] if (own := folder.named(*OWN)) else []


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of training and validation; with other files, such as those of ``extra``, if ``--annotations`` names
    them."""
    seen: set[Path] = set()
    for path in _chosen(folder):
        file, content = folder.relative(path), folder.json(path)
        labels, images, marked = _parts(file, content)
        for n, entry in enumerate(images, 1):
            rows = marked.pop(str(entry.get("id")), []) if isinstance(entry, dict) else []
            try:
                place = _place(folder, entry, path)
                seen.add(place)
                yield from _record(folder, file, entry, rows, labels, place, path)
            except (AnnotationError, pixels.ImageError) as error:
                name = entry.get("file_name") if isinstance(entry, dict) else entry
                yield Rejected(file, n, f"image {quoted(name)}: {error}", max(1, len(rows)))
        for rows in marked.values():
            for row, _ in rows:
                yield Rejected(file, row, "its image_id is that of no image")
    yield from folder.unlisted(seen)


def _chosen(folder: Folder) -> list[Path]:
    """The files that are read: those that ``--annotations`` names, else as few as hold all of training and validation,
    without the images of other sets."""
    if folder.options.annotations is not None:
        return folder.annotations(".json")
    here = folder.named(*OWN)
    names = {path.name.lower() for path in here}
    whole = next((some for some in WHOLE if {name.lower() for name in some} <= names), None)
    if whole is None:
        raise IngestError(f"none of {', '.join(OWN)} is here; --annotations names the files to read")
    if folder.named(*ALL):
        folder.note("images of `extra` are those of other sets, left out: --annotations names the files to read")
    return [path for path in here if path.name.lower() in {name.lower() for name in whole}]


def _parts(file: str, content: Any) -> tuple[dict[Any, str], list[Any], dict[str, list[tuple[int, Any]]]]:
    """The names of the categories by their ids, the images, and the annotations with their rows by the images' ids."""
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        has = listed(content) if isinstance(content, dict) else quoted(content)
        raise IngestError(f"{file}: the lists {listed(keys)} are needed; it has {has}")
    categories = [c for c in content["categories"] if isinstance(c, dict) and "id" in c and "name" in c]
    marked: dict[str, list[tuple[int, Any]]] = {}
    for row, entry in enumerate(content["annotations"], 1):
        of = entry.get("image_id") if isinstance(entry, dict) else None
        marked.setdefault(str(of), []).append((row, entry))
    return {str(c["id"]): str(c["name"]) for c in categories}, content["images"], marked


def _place(folder: Folder, entry: Any, path: Path) -> Path:
    """``file_name`` counts from imgs/, which lies beside annotations/."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
        raise AnnotationError("an object with a file_name is needed")
    near = [parent / "imgs" for parent in (path.parent, *path.parents[1:3]) if parent.is_relative_to(folder.root)]
    return folder.find(entry["file_name"], *near, path.parent)


def _record(
    folder: Folder,
    file: str,
    entry: dict[str, Any],
    rows: Sequence[tuple[int, Any]],
    labels: dict[Any, str],
    place: Path,
    path: Path,
) -> Iterator[Record | Rejected]:
    size = (number(entry["width"]), number(entry["height"])) if {"width", "height"} <= entry.keys() else None
    image = folder.open(place, size, file)
    findings, bad = parse_all(rows, lambda row: _finding(row, labels, image), file)
    yield from bad
    kind, withheld = place.parent.name.lower(), "test" in (place.parent.name.lower(), path.stem.lower()[-4:])
    if kind == "sick" and not findings and not bad:
        findings = [Finding(SICK)]
    elif kind == "tb" and not findings:
        folder.note("images of tb without a box: not known to be free of it", image.file)
    unknown = withheld or (not findings and kind not in ("health", "sick"))
    record = folder.record(
        image,
        findings,
        "unknown" if unknown else "exhaustive",
        bool(bad),
        split=_split(folder, place, path),
    )
    yield measured(record, {"train", "val"})


def _split(folder: Folder, place: Path, path: Path) -> Split | None:
    """As lists name it, else as the file of the annotations is called: both as it is published."""
    named = list_name(Path(path.stem.partition("_")[2] + ".txt"))
    return folder.lists.split.get(place) or (named[1] if named else None)


def _finding(row: Any, labels: dict[Any, str], image: Image) -> Finding:
    if not isinstance(row, dict) or not isinstance(row.get("bbox"), list) or len(row["bbox"]) != 4:
        raise AnnotationError("an object with a bbox of four numbers is needed")
    if (label := labels.get(str(row.get("category_id")))) is None:
        raise AnnotationError(f"category_id {quoted(row.get('category_id'))} is that of no category")
    x, y, width, height = (number(value, "bbox") for value in row["bbox"])
    return boxed(label, geometry.from_xywh(x, y, width, height), image)


FORMAT = Format(
    "tbx11k",
    read,
    "TBX11K_….json",
    found,
    (".json",),
    DataSet(
        "tbx11k",
        "TBX11K",
        "X-ray",
        ("labels", "boxes", "splits"),
        "exhaustive",
        "open",
        None,
        "https://mmcheng.net/tb/",
        "Liu et al., Rethinking Computer-aided Tuberculosis Diagnosis, 2020, doi 10.1109/CVPR42600.2020.00272",
        (
            Download("**/annotations/json/TBX11K_train.json", "the boxes of training"),
            Download("**/annotations/json/TBX11K_val.json", "the boxes of validation"),
            Download("**/imgs/{health,sick,tb}/*.png", "the images"),
        ),
        notes=(
            "The licence was not found at its source; torchxrayvision calls it CC BY-NC-SA 2.0.",
            "Images without a box are free of tuberculosis; those of `sick` have a finding without a place.",
            "Labels of the test images are withheld, so that the images published for validation are the test split.",
            "Images of `extra` come from other sets (DA, DB, Montgomery, Shenzhen), and are left out.",
        ),
    ),
)
