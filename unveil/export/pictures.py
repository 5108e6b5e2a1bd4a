"""The images of an export: copied or linked as they are, or drawn as PNG where a tool could not open them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from unveil.core import console, geometry, image_files
from unveil.core.geometry import Box, BoxError, MaskError
from unveil.core.lesion_region import place
from unveil.core.pixels import ImageError
from unveil.core.records import Finding, Record, image_path
from unveil.export.left_out import LeftOut

Images = Literal["copy", "link", "none"]
#: Formats that every tool of images opens, with the ending that they are given.
KEPT = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}
#: Of these, what a browser does not show.
NOT_IN_BROWSERS = frozenset({"TIFF"})


@dataclass(frozen=True)
class Exported:
    """The image of a record and the name that it is given."""

    record: Record
    source: Path
    """Where it is."""
    name: str
    """How it is called, without a folder."""
    drawn: bool
    """Whether it is written anew, as PNG: as models see it, without what the file tells beside its pixels."""

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]


def planned(
    records: Iterable[Record], file: Path, stems: Mapping[str, str], drawn: Collection[str] | None, left_out: LeftOut
) -> list[Exported]:
    """The pictures of the records of a ``file``; left out are those that cannot be opened, and those with a box or mask
    that cannot be one, of which what is left would be written as all that there is.

    ``drawn`` are formats that are drawn, beside DICOM and NIfTI; None: all are.
    """
    pictures = []
    for record in records:
        source = image_path(record, file)
        try:
            header = image_files.probe(source)
            if (header.width, header.height) != record.size:
                raise ImageError(f"{source}: {header.width} x {header.height}, its record says {record.size}")
        except ImageError as error:
            left_out.add("images whose file is not as the record says", str(error))
            continue
        try:
            record = replace(record, findings=tuple(_usable(finding, record) for finding in record.findings))
        except (BoxError, MaskError) as error:
            why = "an annotation that cannot be one (`unveil check` lists them)"
            left_out.add(f"images with {why}", f"{record.id}: {error}")
            continue
        keep = header.format in KEPT and header.frames == 1 and drawn is not None and header.format not in drawn
        name = stems[record.id] + (KEPT[header.format] if keep else ".png")
        pictures.append(Exported(record, source, name, not keep))
    return pictures


def _usable(finding: Finding, record: Record) -> Finding:
    """The finding, its box within the image; raises ``BoxError`` or ``MaskError`` where it cannot be."""
    box, mask_HW = finding.box, None
    if finding.mask is not None:
        mask_HW, _ = geometry.checked_mask(finding.mask, *record.size)
    if box is not None:
        box = geometry.checked(box, *record.size)
    elif mask_HW is not None:
        box = geometry.box_of_mask(mask_HW)
    return finding if box == finding.box else replace(finding, box=box)


def put(
    pictures: Sequence[Exported], folder: Callable[[Exported], Path], how: Images, left_out: LeftOut
) -> list[Exported]:
    """Puts each picture into its folder, and returns those that are there; one that cannot be decoded is left out.

    What is drawn is never a link.
    """
    there = []
    with console.progress("images", len(pictures), show=how != "none") as advance:
        for picture in pictures:
            try:
                if how != "none":
                    _put(picture, folder(picture) / picture.name, how)
                there.append(picture)
            except ImageError as error:
                left_out.add("images whose pixels cannot be read", str(error))
            advance()
    return there


def _put(picture: Exported, target: Path, how: Images) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if picture.drawn:
        Image.fromarray(image_files.read(picture.source).array).save(target, "PNG")
    elif how == "link":
        target.symlink_to(picture.source.resolve())
    else:
        shutil.copyfile(picture.source, target)


def placed_names(pictures: Iterable[Exported]) -> list[str]:
    """The names of all findings that have a place, sorted."""
    return sorted({f.label for picture in pictures for f in picture.record.findings if place(f) is not None})


def for_detectors(pictures: Iterable[Exported], left_out: LeftOut) -> list[Exported]:
    """Those of which a detector may learn, which takes an unmarked image for one without findings: images with a
    marked finding, and those that are known to have none. A detector also takes two equal boxes for two objects: what
    is said of one in several phrases is one finding."""
    kept = []
    for picture in pictures:
        record = _once(picture.record)
        placed = sum(place(finding) is not None for finding in record.findings)
        if placed < len(record.findings):
            left_out.add("findings without a place", record.id, len(record.findings) - placed)
        if placed or (not record.findings and record.completeness == "exhaustive"):
            kept.append(replace(picture, record=record))
        else:
            why = "that nothing is marked in and that are not known to be free of findings"
            left_out.add(f"images {why}", record.id)
    return kept


def _once(record: Record) -> Record:
    """The record with ``Record.named`` as its findings, each with all of its phrases, a line for each."""
    named = record.named
    if len(named) == len(record.findings):
        return record
    said: dict[tuple[str, Box | None], list[str]] = {}
    for finding in record.findings:
        said.setdefault((finding.label, finding.box), []).extend([finding.phrase] if finding.phrase else [])
    phrases = ("\n".join(dict.fromkeys(said[finding.label, finding.box])) for finding in named)
    findings = (replace(finding, phrase=phrase or None) for finding, phrase in zip(named, phrases, strict=True))
    return replace(record, findings=tuple(findings))
