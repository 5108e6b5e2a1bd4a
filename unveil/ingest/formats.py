"""The formats that are read, and which of them a folder is in: told by its files, never by a guess between two.

A new form is a module with a reader (as `voc`, `coco`, `yolo`, `table`) and a line of ``FORMATS``, a data set one in
`sets` with a line of ``SETS`` there; both may be plugins (docs/how-to/plugins.md).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from unveil.core import digests, faults
from unveil.core.plugins import PluginError, short, told
from unveil.core.records import Record
from unveil.core.registry import Registry
from unveil.core.untrusted import quoted
from unveil.ingest import (
    cell_boxes,
    coco,
    conversations,
    cvat,
    dicom_folder,
    dota,
    imagefolder,
    label_studio,
    labelme,
    masks,
    nifti_volumes,
    own_records,
    parquet,
    qa_json,
    supervisely,
    table,
    unread,
    via,
    voc,
    yolo,
)
from unveil.ingest.catalogue import Format
from unveil.ingest.files import below
from unveil.ingest.folder import IMAGE_SUFFIXES, Folder, Reader
from unveil.ingest.reading import Incomplete, IngestError, Rejected
from unveil.ingest.sets import SETS

#: Lets the files tell.
AUTO = "auto"
#: Draws images and reads none.
SYNTHETIC = "synthetic"


def _row(name: str, row: Any) -> Format:
    """A format that a plugin declares; raises ``PluginError`` where it cannot be called or chosen."""
    if not isinstance(row, Format):
        raise PluginError(f"a Format is needed, not {short(row)}")
    if row.name != name:
        raise PluginError(f"its own name is {row.name!r}")
    if name in (AUTO, SYNTHETIC):
        raise PluginError(f"{name} is what --format has for something else, choose another name")
    if not isinstance(row.endings, tuple) or not all(isinstance(e, str) and e[:1] == "." for e in row.endings):
        raise PluginError(f"its endings are a tuple of such as '.txt', not {short(row.endings)}")
    for what, function in (("read", row.read), ("found", row.found)):
        try:
            inspect.signature(function).bind(None)
        except TypeError as error:
            raise PluginError(f"`{what}` is called with a folder: {error}") from error
    endings = tuple(ending.lower() for ending in row.endings)
    digests.TEXTS.update(Path(f"name{ending}").suffix for ending in endings)
    return replace(row, read=_telling(name, row.read), found=_telling_found(name, row.found), endings=endings)


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Tells what goes wrong in a plugin's code with the line that it comes from."""
    try:
        yield
    except IngestError:  # which it raises to tell the user something
        raise
    except Exception as error:
        if faults.out_of_memory(error):
            raise
        raise IngestError(f"format {name}: {told(error)}") from error


def _telling(name: str, read: Reader) -> Reader:
    def reading(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
        with _errors_of(name):
            given = read(folder)
            if not isinstance(given, Iterable):
                raise IngestError(f"format {name} gave {short(given)}, not its records one after the other")
            for item in given:
                if not isinstance(item, Record | Rejected | Incomplete):
                    raise IngestError(f"format {name} gave {short(item)}, not a Record, Rejected or Incomplete")
                yield item

    return reading


def _telling_found(name: str, found: Callable[[Folder], list[Path]]) -> Callable[[Folder], list[Path]]:
    def finding(folder: Folder) -> list[Path]:
        with _errors_of(name):
            given = found(folder)
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise IngestError(f"format {name}: `found` gave {short(given)}, not a list of paths")
            files = list(given)
            for file in files:
                if not isinstance(file, Path) or below(file, folder.root) is None:
                    raise IngestError(f"format {name}: `found` gave {short(file)}, no Path below {folder.root}")
            return files

    return finding


_ROWS = {
    format.name: format
    for format in (
        Format("voc", voc.read, voc.LOOKED_FOR, voc.found, (".xml",), help="Pascal VOC's XML: boxes"),
        Format("coco", coco.read, coco.LOOKED_FOR, coco.found, (".json",), help="COCO's JSON: boxes, polygons, masks"),
        Format("yolo", yolo.read, yolo.LOOKED_FOR, yolo.found, yolo.ENDINGS, help="YOLO's texts: boxes, polygons"),
        Format(
            *("csv", table.read, table.LOOKED_FOR, table.found, (".csv", ".tsv")),
            help="labels, boxes, questions, reports",
            otherwise=table.with_reports,
        ),
        Format("cvat", cvat.read, cvat.LOOKED_FOR, cvat.found, (".xml",), help="CVAT's XML for images and for video"),
        Format("dota", dota.read, dota.LOOKED_FOR, dota.found, (".txt",), help="oriented boxes, a text file an image"),
        Format(
            *("label-studio", label_studio.read, label_studio.LOOKED_FOR, label_studio.found, (".json",)),
            help="Label Studio's JSON and JSON-MIN",
        ),
        Format("labelme", labelme.read, labelme.LOOKED_FOR, labelme.found, (".json",), help="a JSON file an image"),
        Format(
            *("supervisely", supervisely.read, supervisely.LOOKED_FOR, supervisely.found, (".json",)),
            help="Supervisely's projects: ann/*.json beside img/",
        ),
        Format("via", via.read, via.LOOKED_FOR, via.found, (".json", ".csv"), help="VGG Image Annotator: JSON, table"),
        Format(
            *("cell-boxes", cell_boxes.read, cell_boxes.LOOKED_FOR, cell_boxes.found, (".csv", ".tsv")),
            help="tables with all boxes of an image in one cell",
        ),
        Format("masks", masks.read, masks.LOOKED_FOR, masks.found, IMAGE_SUFFIXES, help="folders of masks"),
        Format(
            "dicom",
            dicom_folder.read,
            dicom_folder.LOOKED_FOR,
            dicom_folder.found,
            (".dcm", ".dicom", ".ima"),
            help="DICOM series with SEG, RTSTRUCT and SR: boxes, masks",
        ),
        Format(
            "nifti",
            nifti_volumes.read,
            nifti_volumes.LOOKED_FOR,
            nifti_volumes.found,
            (".nii", ".nii.gz"),
            help="NIfTI images with masks (nnU-Net, BIDS, folders): boxes, masks",
        ),
        imagefolder.FORMAT,
        parquet.FORMAT,
        qa_json.FORMAT,
        own_records.FORMAT,
        *conversations.DIALECTS,
        *SETS,
    )
}
FORMATS: Registry[Format] = Registry("FORMATS", _ROWS, _row)


def chosen(folder: Folder, name: str) -> Format:
    """The format of this name, or the one that the files show; the folder notes why. Files that only one data set has
    tell more than those of a form that many sets are in.

    Raises ``IngestError`` where the folder is in another format, in none, or may be in several.
    """
    if name not in (AUTO, *FORMATS):
        raise IngestError(f"format {quoted(name)} is none of {', '.join((AUTO, *FORMATS))}")
    if name != AUTO and FORMATS[name].evidence(folder):
        return FORMATS[name]
    forms = list(FORMATS.values())
    if name == AUTO and not folder.options.columns:  # which are of tables whose form a user tells
        of_sets = {format.name: said for format in forms if format.about and (said := format.evidence(folder))}
        if len(of_sets) == 1:
            [(only, said)] = of_sets.items()
            folder.note(f"read as {only}: {said}")
            return FORMATS[only]
        forms = [format for format in forms if format.name in of_sets] or forms
    shown = {format.name: said for format in forms if (said := format.evidence(folder))}
    if name == AUTO and not shown:
        shown = {format.name: said for format in forms if (said := format.evidence(folder, otherwise=True))}
    readings = "; ".join(f"--format {other} reads {said}" for other, said in shown.items())
    if name == AUTO and len(shown) == 1:
        [(only, said)] = shown.items()
        folder.note(f"read as {only}: {said}")
        return FORMATS[only]
    if name == AUTO and shown:
        raise IngestError(f"it can be read in {len(shown)} ways, say which: {readings}")
    if name == AUTO:
        held = unread.described(folder) or f"{unread.held(folder)} Give the folder that holds the annotations too."
        raise IngestError(f"nothing tells what is in the images. {held}")
    # of files that it looks at, a reader itself tells best what it misses, unless another program has written them
    own = FORMATS[name].endings
    others = readings or unread.described(folder, *(own if folder.files(*own) else ()))
    if others or not folder.files(*own):
        there = unread.keys(folder) if {".json", ".jsonl"}.intersection(own) else ""
        held = others or unread.held(folder)
        said = f"it is not {name}: looked for {FORMATS[name].looked_for}, and found none. {held}"
        raise IngestError(f"{said} {there}".rstrip())
    return FORMATS[name]
