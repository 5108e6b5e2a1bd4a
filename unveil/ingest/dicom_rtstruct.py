"""DICOM structure sets (RTSTRUCT): outlines in millimetres of the patient, on the pixels of the slices they lie in.

The centre of a slice's first pixel is its origin, so an outline through the centres of two pixels ends half a pixel
within them. Outlines of one region of interest in one slice count together: one within another is a hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unveil.core.geometry import even_odd
from unveil.core.pixels import ImageError
from unveil.ingest.dicom_series import Annotating, Headers, Lost, Series, Told, frame_numbers, meant, reported
from unveil.ingest.dicom_words import meaning
from unveil.ingest.folder import Folder
from unveil.ingest.mask_files import parts
from unveil.ingest.reading import AnnotationError, Rejected
from unveil.ingest.slices import SliceMark, masked

#: Kinds of contours that enclose an area; both are read by the same rule.
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def marks(folder: Folder, headers: Headers, struct: Annotating, series: Series) -> Iterator[Told]:
    """What a structure set marks in a series. Contours of other series that are here are passed over."""
    from unveil.core import dicom

    with reported(struct.path, "reading the DICOM structure set"):
        content = dicom.dataset_of(struct.path)
        names = {int(item.ROINumber): item for item in content.get("StructureSetROISequence") or []}
        said = {int(item.ReferencedROINumber): item for item in content.get("RTROIObservationsSequence") or []}
        regions = list(content.get("ROIContourSequence") or [])
    for region in regions:
        with reported(struct.path, "reading a region of interest"):
            number = int(region.ReferencedROINumber)
            own = names.get(number)
            label = str(own.get("ROIName") or "").strip() if own is not None else ""
            attributes = _attributes(own, said.get(number)) if label else {}
        if not label:  # which the standard allows
            contours = len(region.get("ContourSequence") or [])
            yield Rejected(folder.relative(struct.path), None, f"the region of interest {number} has no name", contours)
            yield Lost(None)
            continue
        yield from _region(folder, headers, struct, series, region, number, label, attributes)


def _attributes(own: Any, said: Any) -> dict[str, str]:
    kind = str(said.get("RTROIInterpretedType") or "").strip() if said is not None else ""
    coded = meaning(said, "RTROIIdentificationCodeSequence") if said is not None else ""
    known = {"type": kind.lower(), "code": coded, "description": str(own.get("ROIDescription") or "").strip()}
    return {name: value for name, value in known.items() if value}


def _region(
    folder: Folder,
    headers: Headers,
    struct: Annotating,
    series: Series,
    region: Any,
    number: int,
    label: str,
    attributes: dict[str, str],
) -> Iterator[Told]:
    """The slices of one region of interest, and which of its contours cannot be used."""
    file = folder.relative(struct.path)
    outlines: dict[int, list[np.ndarray]] = {}
    for row, contour in enumerate(region.get("ContourSequence") or [], 1):
        at: int | None = None
        try:
            with reported(struct.path, "reading a contour"):
                points = _points(contour)
                at = _slice(headers, series, contour, points)
                if at is None:
                    continue
                if len(points) < 3:
                    raise AnnotationError(f"a contour of {len(points)} points encloses nothing")
                frame, outline = series.frames[at], series.flat(at, points)
                if not even_odd([outline], frame.columns, frame.rows).any():
                    raise AnnotationError(_nothing(outline, frame.columns, frame.rows))
                if (outline.min(0) < -1).any() or (outline.max(0) > (frame.columns + 1, frame.rows + 1)).any():
                    folder.note("contours that lead out of their image are cut at its edge", f"{file}, {label}")
                outlines.setdefault(at, []).append(outline)
        except (AnnotationError, ImageError) as error:
            yield Rejected(file, row, f"region of interest {label!r}: {error}")
            yield Lost(at)
    for at, drawn in outlines.items():
        mask = even_odd(drawn, series.frames[at].columns, series.frames[at].rows)
        for part in parts(mask) if folder.options.components == "each" else [mask]:
            if part.any():
                yield SliceMark((struct.uid, number), at, float(part.sum()), masked(label, part, attributes))


def _nothing(outline: np.ndarray, width: int, height: int) -> str:
    (left, top), (right, bottom) = outline.min(0), outline.max(0)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return "a contour that lies outside its image"
    return "a contour that covers no pixel: it is smaller than one, or a line"


def _points(contour: Any) -> np.ndarray:
    """Millimetres towards left, back and head, (N, 3)."""
    kind = str(contour.get("ContourGeometricType") or "")
    if kind not in CLOSED:
        raise AnnotationError(f"a contour of the kind {kind or 'unknown'} encloses nothing")
    numbers = np.array(contour.get("ContourData") or [], np.float64).ravel()
    if not len(numbers) or len(numbers) % 3 or not np.isfinite(numbers).all():
        raise AnnotationError(f"a contour needs three finite numbers for each point, not {len(numbers)} numbers")
    return numbers.reshape(-1, 3)


def _slice(headers: Headers, series: Series, contour: Any, points: np.ndarray) -> int | None:
    """The slice of the image that a contour names, else the one in whose plane it lies."""
    named: list[tuple[str, int | None]] = []
    for image in contour.get("ContourImageSequence") or []:
        numbers: list[int | None] = [*frame_numbers(image)]
        named += [(str(image.ReferencedSOPInstanceUID), n) for n in numbers or [None]]
    return meant(series, headers, named, points) if named else series.at(points, series.gap / 2)
