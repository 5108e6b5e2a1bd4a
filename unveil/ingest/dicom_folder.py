"""DICOM as it leaves an archive: series of images with segmentations, structure sets and reports on them.

Files may lie in any folders, under any names. Everything is joined by the UIDs in the headers and by where it lies in
the patient; a DICOMDIR is not read, since it only says again what the headers say, and may name any file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from pathlib import Path

from unveil.core.pixels import ImageError
from unveil.core.records import ImagePlane, Record
from unveil.ingest import dicom_nifti, dicom_rtstruct, dicom_seg, dicom_series, dicom_sr, slices
from unveil.ingest.dicom_series import Annotating, Headers, Lost, Series, SeriesFrame, Told
from unveil.ingest.folder import Folder
from unveil.ingest.nifti_cases import SUFFIXES, cases
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected
from unveil.ingest.slices import SliceMark

LOOKED_FOR = "SEG, RTSTRUCT, SR or NIfTI label maps beside DICOM images"

_READERS = {
    "SEG": dicom_seg.marks,
    "RTSTRUCT": dicom_rtstruct.marks,
    "SR": dicom_sr.marks,
    "NIFTI": dicom_nifti.marks,
}


def found(folder: Folder) -> list[Path]:
    """The files that annotate images, told by their first bytes, and NIfTI label maps beside DICOM images."""
    return folder.showing(dicom_series.annotating) + _maps(folder)


def _maps(folder: Folder) -> list[Path]:
    if not folder.files(*SUFFIXES) or not any(True for _ in dicom_series.files(folder)):
        return []
    return cases(folder).alone


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """The chosen slices of each series that something annotates, with all that is marked there."""
    rule = slices.rule(folder.options)
    headers = dicom_series.headers(folder)
    headers.objects += [Annotating(path, "NIFTI", str(path), frozenset(), None) for path in _maps(folder)]
    headers.objects = [one for one in headers.objects if folder.asked(one.path)]
    yield from headers.rejected
    if rule.name == "key" and not headers.keys:
        raise IngestError("--slices key: no DICOM key object selection is here that names images")
    annotated, strays = _annotated(folder, headers)
    yield from strays
    said = _said_of_segments(folder, headers)
    told: set[Rejected] = set()
    for uid, objects in annotated.items():
        series = headers.series[uid]
        marks: list[SliceMark] = []
        lost: set[int | None] = set()
        for item in _told(folder, headers, objects, series):
            if isinstance(item, SliceMark):
                more = said.get(item.object, {})
                marks.append(_more(item, more) if more else item)
            elif isinstance(item, Lost):
                lost.add(item.slice)
            elif item not in told:  # an object of several series is read for each of them
                told.add(item)
                yield item
        key = {at for at, frame in enumerate(series.frames) if (frame.uid, frame.number) in headers.keys}
        for at in slices.chosen(marks, len(series.frames), rule, key):
            findings = [mark.finding for mark in marks if mark.slice == at]
            damaged = at in lost or None in lost
            try:
                image, plane = _image(folder, series, series.frames[at])
            except (ImageError, AnnotationError) as error:
                file = folder.relative(series.frames[at].path)
                yield Rejected(file, None, str(error), rows=len(findings))
                continue
            study = folder.pseudonym(series.study)
            yield folder.record(image, findings, "unknown", damaged, study=study, plane=plane)
            if damaged:
                yield Incomplete(image.file)
    if others := len(headers.series) - len(annotated):
        folder.note(f"{others} of {len(headers.series)} series have no annotation here and are left out")


def _more(mark: SliceMark, more: dict[str, str]) -> SliceMark:
    finding = mark.finding
    known = {name: value for name, value in more.items() if value != finding.label}
    return dataclasses.replace(mark, finding=dataclasses.replace(finding, attributes={**known, **finding.attributes}))


def _annotated(folder: Folder, headers: Headers) -> tuple[dict[str, list[Annotating]], list[Rejected]]:
    """The objects of each series: those that name it or an image of it, or without any name have its frame of
    reference, as no other series does. What refers to no series that is here is rejected."""
    objects: dict[str, list[Annotating]] = {}
    strays = []
    segmentations = {one.uid for one in headers.objects if one.kind == "SEG"}
    for one in headers.objects:
        here = {uid for uid in one.series if uid in headers.series}
        here = here or {headers.series_of[uid] for uid in one.images if uid in headers.series_of}
        if not here and not one.series and one.reference:
            near = {uid for uid, series in headers.series.items() if series.reference == one.reference}
            here = near if len(near) == 1 else set()
        if one.kind == "NIFTI":
            try:
                here = dicom_nifti.fitting(one, headers.series)
            except (AnnotationError, ImageError) as error:
                strays.append(Rejected(folder.relative(one.path), None, str(error)))
                continue
        if not here and not one.images & segmentations:  # a report may speak of segments only
            named = f"{len(one.series)} series, none of which is here" if one.series else "no image that is here"
            strays.append(Rejected(folder.relative(one.path), None, f"it refers to {named}"))
        for uid in sorted(here):
            objects.setdefault(uid, []).append(one)
    return objects, strays


def _said_of_segments(folder: Folder, headers: Headers) -> dict[Hashable, dict[str, str]]:
    """What reports say of segments; a report that cannot be read is told where its regions are."""
    said: dict[Hashable, dict[str, str]] = {}
    for report in headers.objects:
        if report.kind == "SR":
            try:
                said.update(dicom_sr.segments(folder, report))
            except (ImageError, AnnotationError):
                folder.note("reports that cannot be read in full", folder.relative(report.path))
    return said


def _told(folder: Folder, headers: Headers, objects: list[Annotating], series: Series) -> Iterator[Told]:
    for one in objects:
        try:
            yield from _READERS[one.kind](folder, headers, one, series)
        except (ImageError, AnnotationError) as error:
            yield Rejected(folder.relative(one.path), None, str(error))
            yield Lost(None)


def _image(folder: Folder, series: Series, frame: SeriesFrame) -> tuple[Image, ImagePlane]:
    """The picture of a slice: the file itself where it holds one frame that shows itself as it should, else a PNG."""
    from unveil.core import image_files

    options, file = folder.options, folder.relative(frame.path)
    header = image_files.probe(frame.path)
    window = None
    if options.window or (frame.plane.window is None and series.modality in ("CT", "MR")):
        values = image_files.read(frame.path, frame=frame.number, windowed=False).array
        window = slices.window(values, series.modality, options) if values.ndim == 2 else None
    if header.frames == 1 and window is None:
        return folder.open(frame.path, file=file), frame.plane
    name = file if header.frames == 1 else f"{file}#frame-{frame.number + 1}"
    picture = image_files.read(frame.path, frame=frame.number, window=window)
    image = folder.open(folder.make(name, picture.array), file=name)
    image = dataclasses.replace(image, modality=series.modality, patient=header.patient, sex=header.sex, age=header.age)
    return image, dataclasses.replace(frame.plane, window=window or frame.plane.window)
