"""DICOM reports of measurements (SR, template TID 1500), read by highdicom: regions in pixels of an image, in
millimetres of the patient, or by the segment of a segmentation."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from unveil.core.geometry import even_odd
from unveil.core.pixels import ImageError
from unveil.core.untrusted import quoted
from unveil.ingest.dicom_series import ROUNDED, Annotating, Headers, Lost, Series, Told, frame_numbers, meant, reported
from unveil.ingest.dicom_words import highdicom, side
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Rejected
from unveil.ingest.slices import SliceMark, masked

#: Corners that stand for a circle or an ellipse: their area is 0.1 % less.
CORNERS = 96


def groups(folder: Folder, report: Annotating) -> list[Any]:
    """The measurement groups with a region; raises ``ImageError`` where it is no such report."""
    with reported(report.path, "reading the DICOM report"):
        document = highdicom().sr.srread(report.path)
        content = document.content
        if not hasattr(content, "get_planar_roi_measurement_groups"):
            raise ImageError(f"{folder.relative(report.path)}: no report of measurements (TID 1500)")
        return [*content.get_planar_roi_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]


def segments(folder: Folder, report: Annotating) -> dict[Hashable, dict[str, str]]:
    """What a report says of segments, by the SOP instance of their segmentation and their number."""
    said: dict[Hashable, dict[str, str]] = {}
    for group in groups(folder, report):
        with reported(report.path, "reading a group of measurements"):
            for reference in _references(group):
                label, attributes = _words(group)
                known = {"finding": label, **attributes}
                for number in np.ravel(reference.ReferencedSegmentNumber):
                    said[str(reference.ReferencedSOPInstanceUID), int(number)] = known
    return said


def _references(group: Any) -> Iterator[Any]:
    """References to segments in a group."""
    for item in (item for container in group for item in container.get("ContentSequence") or []):
        for reference in item.get("ReferencedSOPSequence") or []:
            if "ReferencedSegmentNumber" in reference:
                yield reference


def marks(folder: Folder, headers: Headers, report: Annotating, series: Series) -> Iterator[Told]:
    """What the regions of a report mark in a series; groups that name a segment are told by the segmentation."""
    file = folder.relative(report.path)
    segmentations = {one.uid for one in headers.objects if one.kind == "SEG"}
    for row, group in enumerate(groups(folder, report), 1):
        try:
            with reported(report.path, "reading a group of measurements"):
                if references := list(_references(group)):
                    if missing := [one for one in references if str(one.ReferencedSOPInstanceUID) not in segmentations]:
                        raise AnnotationError(f"the segmentation of {len(missing)} segments that it names is not here")
                    continue
                label, attributes = _words(group)
                regions = group.roi if isinstance(group.roi, list) else [group.roi]
                name = str(group.tracking_uid or "") or (report.uid, row)
        except (AnnotationError, ImageError) as error:
            yield Rejected(file, row, f"group {row}: {error}")
            yield Lost(None)
            continue
        for region in regions:
            at: int | None = None
            try:
                with reported(report.path, "reading a region"):
                    at, outline = _outline(headers, series, region)
                    if at is None:
                        continue
                    frame = series.frames[at]
                    mask = even_odd([outline], frame.columns, frame.rows)
                    if not mask.any():
                        raise AnnotationError("its region covers no pixel of the image")
                    yield SliceMark(name, at, float(mask.sum()), masked(label, mask, attributes))
            except (AnnotationError, ImageError) as error:
                yield Rejected(file, row, f"group {row}: {error}")
                yield Lost(at)


def _words(group: Any) -> tuple[str, dict[str, str]]:
    """Label and attributes: what was found, its category, where and on which side."""
    kind, category, sites = group.finding_type, group.finding_category, list(group.finding_sites)
    tracking = str(group.tracking_identifier or "").strip()
    label = str(kind.meaning).strip() if kind is not None else tracking
    if not label:
        raise AnnotationError("it says neither what was found nor how it is called")
    laterality = sites[0].laterality if sites else None
    known = {
        "category": str(category.meaning) if category is not None else "",
        "tracking": tracking,
        "body_part": str(sites[0].value.meaning) if sites else "",
        "side": side(str(laterality.meaning)) if laterality is not None else "",
    }
    return label, {name: value for name, value in known.items() if value and value != label}


def _outline(headers: Headers, series: Series, region: Any) -> tuple[int | None, np.ndarray]:
    """The slice of a region, or None for one of another series, and its corners x, y in pixels (N, 2)."""
    if region is None:
        raise AnnotationError("it has no region")
    kind = getattr(getattr(region, "graphic_type", None), "value", "")
    values = np.array(getattr(region, "value", np.zeros((0, 2))), np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise AnnotationError("its region has no points")
    if values.shape[1] == 2:  # the upper left corner of the first pixel is (0, 0), as here
        images = [item.ReferencedSOPSequence[0] for item in region.ContentSequence if item.get("ReferencedSOPSequence")]
        named: list[tuple[str, int | None]] = []
        for image in images:
            numbers: list[int | None] = [*frame_numbers(image)]
            named += [(str(image.ReferencedSOPInstanceUID), n) for n in numbers or [None]]
        return meant(series, headers, named, None), _corners(kind, values)
    reference = str(region.get("ReferencedFrameOfReferenceUID") or "")
    if reference not in {one.reference for one in headers.series.values()}:
        raise AnnotationError("it counts its millimetres from another origin than the images")
    if reference != series.reference:
        return None, values
    at = series.at(values, max(ROUNDED, series.gap / 2))
    return at, _corners(kind, series.flat(at, values))


def _corners(kind: str, points: np.ndarray) -> np.ndarray:
    """A closed outline of a region: circles by centre and a point of the edge, ellipses by the ends of their axes."""
    if kind == "CIRCLE" and len(points) == 2:
        radius = float(np.linalg.norm(points[1] - points[0]))
        return _ellipse(points[0], np.array([radius, 0.0]), np.array([0.0, radius]))
    if kind == "ELLIPSE" and len(points) == 4:
        return _ellipse(points[:2].mean(0), (points[1] - points[0]) / 2, (points[3] - points[2]) / 2)
    if kind in ("POLYLINE", "POLYGON") and len(points) >= 3:
        return points
    raise AnnotationError(f"a region of the kind {quoted(kind)} with {len(points)} points encloses nothing")


def _ellipse(centre: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    corners: np.ndarray = centre + np.outer(np.cos(angles), one) + np.outer(np.sin(angles), other)
    return corners
