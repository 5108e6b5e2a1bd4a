"""NIfTI: images with masks, cut into slices by anatomy. Image and mask must lie on one grid, by their headers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unveil.core import pixels
from unveil.core.pixels import ImageError, Window
from unveil.core.records import Record
from unveil.ingest import label_maps, slices
from unveil.ingest.folder import Folder
from unveil.ingest.nifti_cases import SUFFIXES, MaskFile, VolumeCase, cases, modality
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected
from unveil.ingest.slices import SliceMark

LOOKED_FOR = "NIfTI images with masks (imagesTr and labelsTr, BIDS derivatives, X.nii.gz and X_seg.nii.gz)"


def found(folder: Folder) -> list[Path]:
    """The masks that have an image."""
    if not folder.files(*SUFFIXES):
        return []
    return [mask.path for case in cases(folder).found for mask in case.masks]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """The chosen slices of every case."""
    told = cases(folder)
    yield from told.rejected
    for path in told.alone:
        yield Rejected(folder.relative(path), None, "a mask by its name, and no image for it is here")
    for path in told.left:
        folder.note("volumes without a mask are left out: what is in them is not known", folder.relative(path))
    for case in told.found:
        masks = tuple(mask for mask in case.masks if folder.asked(mask.path))
        yield from of_case(folder, dataclasses.replace(case, masks=masks))


def of_case(folder: Folder, case: VolumeCase, usual: Window | None = None) -> Iterator[Record | Rejected | Incomplete]:
    """The chosen slices of a case with all that its masks mark there; ``usual`` is the window of its set."""
    rule = slices.rule(folder.options)
    if rule.name == "key":
        raise IngestError("--slices key: NIfTI names no key slices; take largest, every:N or all")
    groups, bad = _on_one_grid(folder, case)
    yield from bad
    of_masks = {folder.relative(mask.path) for mask in case.masks}
    lost = {None} if any(rejected.file in of_masks for rejected in bad) else set()
    for images, masks in groups:
        yield from _of_group(folder, dataclasses.replace(case, images=images, masks=masks), rule, lost, usual)


def _of_group(
    folder: Folder, case: VolumeCase, rule: slices.SliceRule, before: set[None], usual: Window | None
) -> Iterator[Record | Rejected | Incomplete]:
    """The slices of images and masks on one grid; ``before`` tells whether the case has lost a mask already."""
    marks: list[SliceMark] = []
    lost: set[int | None] = {*before}
    for mask in case.masks:
        try:
            own, ignored = _marks(folder, mask)
            marks += own
            lost |= ignored
        except (AnnotationError, ImageError) as error:
            yield Rejected(folder.relative(mask.path), None, str(error))
            lost.add(None)
    for path, channel in case.images:
        try:
            yield from _slices(folder, case, path, channel, rule, marks, lost, usual)
        except ImageError as error:
            yield Rejected(folder.relative(path), None, str(error), rows=len(marks))


Group = tuple[tuple[tuple[Path, str | None], ...], tuple[MaskFile, ...]]


def _on_one_grid(folder: Folder, case: VolumeCase) -> tuple[list[Group], list[Rejected]]:
    """Images with the masks on their grid, and what is wrong with the others; one group, unless masks belong to those
    images whose grid they share."""
    from unveil.core import nifti

    grids, bad = {}, []
    for path in (*(path for path, _ in case.images), *(mask.path for mask in case.masks)):
        try:
            grids[path] = nifti.grid(path)
        except ImageError as error:
            bad.append(Rejected(folder.relative(path), None, str(error)))
    images = [image for image in case.images if image[0] in grids]
    groups: dict[tuple[tuple[Path, str | None], ...], list[MaskFile]] = {}
    for mask in case.masks:
        if mask.path not in grids or not images:
            continue
        said = {path: grids[mask.path].differs(grids[path]) for path, _ in images}
        fitting = tuple(image for image in images if not said[image[0]])
        if fitting and (case.among or len(fitting) == len(images)):
            groups.setdefault(fitting, []).append(mask)
        else:
            path, why = next((path, why) for path, why in said.items() if why)
            reason = f"not on the grid of its image {folder.relative(path)}: {why}"
            bad.append(Rejected(folder.relative(mask.path), None, reason))
    return [(of, tuple(masks)) for of, masks in groups.items()], bad


def _marks(folder: Folder, mask: MaskFile) -> tuple[list[SliceMark], set[int | None]]:
    """What a mask marks, and the slices of which it leaves something out."""
    from unveil.core import nifti

    with nifti.opened(mask.path, folder.options.plane, folder.out) as volume:
        known = mask.kinds or label_maps.of_extension(mask.path)
        found, ignored = label_maps.read(volume, known, mask.name, folder.relative(mask.path), folder.options)
    return found, {*ignored}


def _slices(
    folder: Folder,
    case: VolumeCase,
    path: Path,
    channel: str | None,
    rule: slices.SliceRule,
    marks: list[SliceMark],
    lost: set[int | None],
    usual: Window | None,
) -> Iterator[Record | Incomplete]:
    """The chosen slices of one image file; of several volumes in it those whose channels have names, else the first.

    Unless the user tells the study, it is the case's first file: none of its slices may be learnt from where others are
    tested on.
    """
    from unveil.core import nifti

    first, _ = case.images[0]
    options, file = folder.options, folder.relative(path)
    with nifti.opened(path, options.plane, folder.out) as volume:
        taken = slices.chosen(marks, volume.frames, rule)
        named = case.channels if volume.volumes == len(case.channels) else ()
        if volume.volumes > 1 and not named:
            folder.note("of a file with several volumes, whose channels nothing names, the first is read", file)
        for number, name in enumerate(named or (channel,)):
            kind = options.modality or modality(name, path.name)
            window = usual
            if taken and not window and not kind:  # what says nothing of its modality may show it
                window = _of_air(volume.block(taken[0], taken[0] + 1, number))
            for at in taken:
                values = volume.block(at, at + 1, number)[0]
                shown = slices.window(values, kind, options, window) if values.ndim == 2 else None
                called = f"{file}#{options.plane}-{at}" + (f"-volume-{number}" if number else "")
                image = folder.open(folder.make(called, pixels.display(file, values, shown)), file=called)
                plane = dataclasses.replace(volume.place(at), frame=number * volume.frames + at, window=shown)
                damaged = at in lost or None in lost
                record = folder.record(
                    dataclasses.replace(image, modality=kind),
                    [mark.finding for mark in marks if mark.slice == at],
                    case.usual,
                    damaged,
                    patient=case.patient,
                    split=case.split or folder.split(first),
                    plane=plane,
                )
                yield dataclasses.replace(record, study=record.study or folder.relative(first))
                if damaged:
                    yield Incomplete(called)


def _of_air(values: np.ndarray) -> Window | None:
    """The window of CT for values that only CT has, where nothing tells the modality."""
    return slices.SOFT_TISSUE if values.min() < slices.AIR else None
