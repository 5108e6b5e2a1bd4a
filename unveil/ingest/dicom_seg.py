"""DICOM segmentations: BINARY, FRACTIONAL and LABELMAP, read by highdicom a frame at a time.

A frame belongs to the image that it names and lies in its plane, never to the image of the same number: writers leave
out empty frames, and sort the others as they like. Several segments may cover one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unveil.core.image_plane import in_image, in_patient
from unveil.core.pixels import ImageError
from unveil.core.records import ImagePlane
from unveil.ingest.dicom_series import ROUNDED, Annotating, Headers, Lost, Series, Told, frame_numbers, meant, reported
from unveil.ingest.dicom_words import described, highdicom
from unveil.ingest.folder import Folder
from unveil.ingest.mask_files import parts
from unveil.ingest.reading import AnnotationError, Rejected
from unveil.ingest.slices import SliceMark, masked

#: From which share of its largest value on a pixel of a FRACTIONAL segment belongs to it.
HALF = 0.5


def marks(folder: Folder, headers: Headers, seg: Annotating, series: Series) -> Iterator[Told]:
    """What a segmentation marks in a series. Frames of other series that are here are passed over."""
    from unveil.core import image_files

    file = folder.relative(seg.path)
    image_files.probe(seg.path)  # sizes are checked before anything is decoded
    with reported(seg.path, "reading the DICOM segmentation"):
        content = highdicom().seg.segread(seg.path, lazy_frame_retrieval=True)
        segments = {int(item.SegmentNumber): described(item) for item in content.SegmentSequence}
        frames = content.get("PerFrameFunctionalGroupsSequence") or []
        number = int(content.get("NumberOfFrames") or 1)
    if len(frames) != number:
        raise ImageError(
            f"{file}: {number} frames, of which {len(frames)} say what they show: tiled images are not read"
        )
    wrong: dict[str, int] = {}
    for k in range(number):
        at: int | None = None
        try:
            with reported(seg.path, "reading a frame"):
                at = _slice(content, k, series, headers)
                if at is not None:
                    yield from _frame(folder, seg, content, k, segments, series, at)
        except (AnnotationError, ImageError) as error:
            wrong[str(error)] = wrong.get(str(error), 0) + 1
            yield Lost(at)
    for reason, count in wrong.items():
        yield Rejected(file, None, f"{count} of {number} frames: {reason}", rows=count)


def _plane(content: Any, k: int) -> ImagePlane:
    from unveil.core import dicom

    return dicom.frame_plane("", content, k)


def _slice(content: Any, k: int, series: Series, headers: Headers) -> int | None:
    """The slice that a frame belongs to; None where that is of another series that is here."""
    group = content.PerFrameFunctionalGroupsSequence[k]
    shared = (content.get("SharedFunctionalGroupsSequence") or [{}])[0]
    named: list[tuple[str, int | None]] = []
    for item in group.get("DerivationImageSequence") or shared.get("DerivationImageSequence") or []:
        for source in item.get("SourceImageSequence") or []:
            numbers: list[int | None] = [*frame_numbers(source)]
            named += [(str(source.ReferencedSOPInstanceUID), n) for n in numbers or [None]]
    plane = _plane(content, k)
    corners = None if plane.origin is None else _corners(plane, content)
    if named:
        return meant(series, headers, named, corners)
    if corners is None:
        raise AnnotationError("neither names an image nor says where it lies")
    if str(content.get("FrameOfReferenceUID") or "") != series.reference:
        raise AnnotationError("names no image, and counts its millimetres from another origin than the series")
    return series.at(corners, ROUNDED)


def _corners(plane: ImagePlane, content: Any) -> np.ndarray:
    width, height = int(content.Columns), int(content.Rows)
    return np.array([in_patient(plane, x, y) for x, y in ((0, 0), (width, 0), (0, height), (width, height))])


def _frame(
    folder: Folder, seg: Annotating, content: Any, k: int, segments: dict[int, Any], series: Series, at: int
) -> Iterator[SliceMark]:
    values = np.asarray(content.get_stored_frame(k + 1))
    kind = str(content.SegmentationType)
    frame = series.frames[at]
    if kind == "LABELMAP":
        held = set(map(int, np.unique(values))) - {0, content.get("PixelPaddingValue")}
        if missing := sorted(held - segments.keys()):
            raise AnnotationError(f"it holds the segment {missing[0]}, which is not described")
        layers = [(n, values == n) for n in sorted(held)]
    else:
        group = content.PerFrameFunctionalGroupsSequence[k]
        shared = content.SharedFunctionalGroupsSequence[0] if "SegmentIdentificationSequence" not in group else group
        number = int(shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if number not in segments:
            raise AnnotationError(f"it holds the segment {number}, which is not described")
        most = int(content.get("MaximumFractionalValue") or 255)
        layers = [(number, values >= HALF * most if kind == "FRACTIONAL" else values > 0)]
    plane, hidden = _plane(content, k), False
    for number, layer in layers:
        mask = onto(layer, plane, frame.plane, frame.columns, frame.rows)
        hidden |= bool(layer.any() and not mask.any())
        label, attributes = segments[number]
        for part in parts(mask) if folder.options.components == "each" else [mask]:
            if part.any():
                finding = masked(label, part, attributes)
                yield SliceMark((seg.uid, number), at, float(part.sum()), finding)
    if hidden:
        raise AnnotationError("its region covers no pixel of the image")


def onto(mask_HW: np.ndarray, own: ImagePlane, other: ImagePlane, width: int, height: int) -> np.ndarray:
    """A mask on the pixels of another image in its plane: itself where the grids are one, else each pixel takes the
    value at its centre, and what lies outside is unmarked.

    Raises ``AnnotationError`` where neither grid is known and their sizes differ.
    """
    if own.origin is None or other.origin is None:
        if mask_HW.shape != (height, width):
            sizes = f"{mask_HW.shape[1]} x {mask_HW.shape[0]} pixels on an image of {width} x {height}"
            raise AnnotationError(f"it has {sizes}, and nothing says how they lie on one another")
        return mask_HW
    start, right, below = (np.array(in_image(own, in_patient(other, *p))[:2]) for p in ((0, 0), (1, 0), (0, 1)))
    across, down = right - start, below - start
    same = np.abs(np.concatenate([start, across - (1, 0), down - (0, 1)])) * [1, 1, *[max(width, height)] * 4]
    if mask_HW.shape == (height, width) and same.max() < 0.1:  # of a pixel, at any corner
        return mask_HW
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    columns, rows = (np.floor(start[k] + x * across[k] + y * down[k]).astype(np.int64) for k in (0, 1))
    inside = (columns >= 0) & (columns < mask_HW.shape[1]) & (rows >= 0) & (rows < mask_HW.shape[0])
    found = np.zeros((height, width), np.bool_)
    found[inside] = mask_HW[rows[inside], columns[inside]]
    return found
