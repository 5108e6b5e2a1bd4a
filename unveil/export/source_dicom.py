"""The DICOM image that a record was made of: where predicted boxes are given back to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unveil.core import image_files
from unveil.core.pixels import ImageError, reported
from unveil.core.records import ImagePlane, Record, image_path

#: What names an image and its place among others.
NAMES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
#: What may be empty, and must be there to be copied.
OF_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
OF_STUDY = ("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")


def file_of(record: Record, records: Path) -> Path:
    """The file that a record's image was cut from, or its image; ``records`` is the file that the record stands in."""
    if record.plane and record.plane.file:
        return records.parent / record.plane.file
    return image_path(record, records)


def header(record: Record, records: Path) -> Any:
    """The header of the DICOM file that a record was made of, a pydicom dataset without pixels.

    Raises ``ImageError`` where it is no DICOM image, or one in whose pixels the record's boxes do not count.
    """
    from unveil.core import dicom

    path = file_of(record, records)
    found = image_files.probe(path)
    if found.format != "DICOM":
        raise ImageError(f"{path}: {found.format}, no DICOM image; of a volume, --form mm gives millimetres")
    if (found.width, found.height) != record.size:
        size = f"{record.width} x {record.height}"
        raise ImageError(f"{path}: {found.width} x {found.height}, and the record is another picture of it, {size}")
    with reported(path, "reading the DICOM header"):
        dataset = dicom.dataset_of(path)
        told = record.plane.plane if record.plane else "axial"
        if told != "axial" and (own := dicom.frame_plane(path, dataset, _index(record)).plane) != told:
            raise ImageError(f"{path}: {own}, and the record is another picture of it, {told}")
    if lacking := [name for name in NAMES if not dataset.get(name)]:
        raise ImageError(f"{path}: without {', '.join(lacking)}, by which a report would refer to it")
    for name in (*OF_PATIENT, *OF_STUDY):
        if name not in dataset:
            setattr(dataset, name, "")
    return dataset


def frame_of(record: Record, dataset: Any) -> int | None:
    """The number, from 1, of a record's frame in a file of several; None of a file with one."""
    if int(dataset.get("NumberOfFrames") or 1) == 1:
        return None
    return _index(record) + 1


def plane_of(record: Record, records: Path) -> ImagePlane:
    """Where a record lies in the patient: as it says itself, else as its DICOM file's own header does."""
    from unveil.core import dicom

    if record.plane and record.plane.origin is not None:
        return record.plane
    path, dataset = file_of(record, records), header(record, records)
    with reported(path, "reading where it lies"):
        found = dicom.frame_plane(path, dataset, _index(record))
    if found.origin is None:
        raise ImageError(f"{path}: its header does not say where the image lies in the patient")
    return found


def _index(record: Record) -> int:
    """The number, from 0, of a record's frame in its file."""
    return record.plane.frame or 0 if record.plane else 0
