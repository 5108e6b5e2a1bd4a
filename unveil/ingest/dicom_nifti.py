"""NIfTI label maps of DICOM series, as programs make them that segment a series: laid on its slices by both geometries.

The map may count its voxels the other way and hold fewer or more slices; what it does not share with the series is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unveil.core.geometry import decode_mask
from unveil.core.image_plane import in_patient
from unveil.core.pixels import ImageError
from unveil.core.records import ImagePlane
from unveil.ingest import label_maps
from unveil.ingest.dicom_seg import onto
from unveil.ingest.dicom_series import ROUNDED, Annotating, Headers, Lost, Series, Told, reported
from unveil.ingest.folder import Folder
from unveil.ingest.nifti_cases import own_kinds
from unveil.ingest.reading import AnnotationError, Rejected
from unveil.ingest.slices import SliceMark, masked


def fits(one: Annotating, series: Series) -> bool:
    """Whether a slice of a map lies in an image of a series."""
    from unveil.core import nifti

    plane = series.frames[0].plane
    try:
        with nifti.opened(one.path, plane.plane) as volume:
            size = volume.header.width, volume.header.height
            return any(_slice(series, volume.place(k), *size) is not None for k in range(volume.frames))
    except (AnnotationError, ImageError):
        return False


def _slice(series: Series, place: ImagePlane, width: int, height: int) -> int | None:
    if place.origin is None:
        return None
    points = np.array([in_patient(place, x, y) for x, y in ((0, 0), (width, 0), (0, height))])
    try:
        return series.at(points, ROUNDED)
    except AnnotationError:
        return None


def marks(folder: Folder, headers: Headers, one: Annotating, series: Series) -> Iterator[Told]:
    """What a label map marks in a series; each connected region is a finding, unless the options say otherwise."""
    from unveil.core import nifti

    file = folder.relative(one.path)
    with nifti.opened(one.path, series.frames[0].plane.plane, folder.out) as volume:
        size = volume.header.width, volume.header.height
        places = [volume.place(k) for k in range(volume.frames)]
        with reported(one.path, "reading the label map"):
            known = own_kinds(folder) or label_maps.of_extension(one.path)
            found, ignored = label_maps.read(volume, known, None, file, folder.options)
    slices = [_slice(series, place, *size) for place in places]
    yield from (Lost(at) for k in sorted(ignored) if (at := slices[k]) is not None)
    beside = 0
    for mark in found:
        at = slices[mark.slice]
        if at is None or mark.finding.mask is None:
            beside += 1
            continue
        frame = series.frames[at]
        mask = onto(
            decode_mask(mark.finding.mask).astype(bool), places[mark.slice], frame.plane, frame.columns, frame.rows
        )
        if mask.any():
            yield SliceMark(mark.object, at, float(mask.sum()), masked(mark.finding.label, mask))
        else:
            beside += 1
    if beside:
        yield Rejected(file, None, f"{beside} of {len(found)} regions lie in no image of the series", rows=beside)
        yield Lost(None)
