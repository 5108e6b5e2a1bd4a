"""NIfTI label maps of DICOM series, as programs make them that segment a series: laid on its slices by both geometries.

The map may count its voxels the other way and hold fewer or more slices; what it does not share with the series is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from unveil.core.geometry import decode_mask
from unveil.core.image_plane import in_image, in_patient
from unveil.core.pixels import Plane
from unveil.core.records import ImagePlane
from unveil.ingest import label_maps
from unveil.ingest.dicom_seg import onto
from unveil.ingest.dicom_series import ROUNDED, Annotating, Headers, Lost, Series, SeriesFrame, Told, reported
from unveil.ingest.folder import Folder
from unveil.ingest.nifti_cases import own_kinds
from unveil.ingest.reading import AnnotationError, Rejected
from unveil.ingest.slices import SliceMark, masked


def fitting(one: Annotating, every: Mapping[str, Series]) -> set[str]:
    """The series of one patient in whose images slices of a map lie, by their UIDs.

    Scans of other patients have slices at the same height too. Of several that count their millimetres from other
    origins, the map belongs to the one whose pixels are its own, then to the one nearest to it in the folders; raises
    ``AnnotationError`` where that may be several, and ``ImageError`` where the map's header is none.
    """
    from unveil.core import image_files, nifti

    cut: dict[Plane, tuple[tuple[int, int], list[ImagePlane]]] = {}
    ranks: dict[str, tuple[bool, int]] = {}
    for uid, series in every.items():
        plane = series.frames[0].plane.plane
        if plane not in cut:
            header = image_files.probe(one.path, plane=plane)
            cut[plane] = (header.width, header.height), nifti.places(one.path, plane)
        size, places = cut[plane]
        for place in places:
            if (at := _slice(series, place, *size)) is not None:
                ranks[uid] = _same(series.frames[at], place, *size), _shared(one.path, series.frames[at].path)
                break
    best = max(ranks.values(), default=None)
    origins = {every[uid].reference or uid for uid, rank in ranks.items() if rank == best}
    if len(origins) > 1:
        raise AnnotationError(f"it fits series of {len(origins)} origins, and nothing says whose it is")
    return {uid for uid in ranks if (every[uid].reference or uid) in origins}


def _same(frame: SeriesFrame, place: ImagePlane, width: int, height: int) -> bool:
    """Whether a slice of a map has the pixels of an image, in whatever order it counts them."""
    ends = np.array([in_image(frame.plane, in_patient(place, x, y))[:2] for x in (0, width) for y in (0, height)])
    away = np.abs([*ends.min(0), *(ends.max(0) - (frame.columns, frame.rows))])
    return width * height == frame.columns * frame.rows and bool(away.max() < 0.1)


def _shared(one: Path, other: Path) -> int:
    """How many folders two files lie in together."""
    return len(set(one.parents) & set(other.parents))


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
