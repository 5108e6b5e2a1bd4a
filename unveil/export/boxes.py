"""The command ``unveil export boxes``: a model's boxes given back to where the images came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from unveil.core import image_plane, jsonl
from unveil.core.image_plane import PlaneError
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.pixels import ImageError
from unveil.core.records import Record
from unveil.core.registry import PluginOptions
from unveil.export import dicom_words, file_names, output, predicted, seg, source_dicom, sr
from unveil.export.left_out import LeftOut
from unveil.export.predicted import Predicted

Given = Literal["sr", "seg", "mm"]


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Give a model's boxes back as DICOM structured reports or segmentations, or in millimetres of the patient."""

    records: InputFile
    """records.jsonl of images that came from DICOM or, for mm, from volumes."""
    dialogues: InputFile
    """dialogues.jsonl, whose questions were answered."""
    predictions: InputFile
    """predictions.jsonl, as `unveil predict` writes it."""
    form: Given
    """What is written: sr, a structured report per image (TID 1500); seg, a segmentation per image with its boxes
    filled; mm, boxes.jsonl with the corners of each box in millimetres towards the patient's left, back and head."""
    out: OutputFolder
    """Folder that is made; what made it stands beside it, in OUT.run.json. DICOM objects name the patient as their
    source does."""
    restart: bool = False
    """Write over what another run has left in `out`."""


def main(config: Config) -> Path:
    """Writes the folder and returns it."""
    if config.form != "mm":
        dicom_words.highdicom()
    inputs = [config.records, config.dialogues, config.predictions]
    what = "boxes" if config.form == "mm" else "DICOM files"
    return output.make("export boxes", config, inputs, partial(_export, config), what)


def _export(config: Config, folder: Path, left_out: LeftOut) -> int:
    rows = {row.id: row for row in jsonl.read_jsonl(config.records, Record)}
    found = predicted.read(rows, config.dialogues, config.predictions, left_out)
    pointed = [(rows[name], boxes) for name, boxes in found.items() if boxes]
    for record, _ in pointed:
        output.outside(source_dicom.file_of(record, config.records), config.out)
    if none := len(found) - len(pointed):
        left_out.add("images without a predicted box", next(name for name, boxes in found.items() if not boxes), none)
    if config.form == "mm":
        return jsonl.write_jsonl(folder / "boxes.jsonl", in_millimetres(pointed, config.records, left_out))
    stems = file_names.stems(record for record, _ in pointed)
    series: dict[str, str] = {}
    written = 0
    for record, boxes in pointed:
        try:
            made = _object(config, record, boxes, written + 1, series)
        except ImageError as error:
            left_out.add("images that cannot be reported on", str(error))
            continue
        partial = folder / f"{stems[record.id]}.{config.form}.dcm"
        partial.write_bytes(made)
        written += 1
    return written


def _object(config: Config, record: Record, boxes: Sequence[Predicted], instance: int, series: dict[str, str]) -> bytes:
    """The report on a record, or its segmentation, as a file has it; objects of one study share a series.

    Raises ``ImageError``.
    """
    source = source_dicom.header(record, config.records)
    frame = source_dicom.frame_of(record, source)
    path = source_dicom.file_of(record, config.records)
    of_study = series.setdefault(str(source.StudyInstanceUID), str(dicom_words.highdicom().UID()))
    if config.form == "seg" and frame is not None:
        raise ImageError(f"{path}: holds several frames; --form sr refers to one of them")
    if config.form == "sr":
        made = sr.report(source, path, boxes, frame, instance, of_study)
    else:
        made = seg.segmentation(source, path, boxes, instance, of_study)
    content = BytesIO()
    with dicom_words.taken_over(path):
        made.save_as(content, enforce_file_format=True)
    return content.getvalue()


def in_millimetres(
    pointed: Sequence[tuple[Record, Sequence[Predicted]]], records: Path, left_out: LeftOut
) -> Iterator[Mapping[str, Any]]:
    """Each box with its corners in the patient, as a JSON object."""
    for record, boxes in pointed:
        try:
            plane = source_dicom.plane_of(record, records)
            corners = [image_plane.corners(plane, one.box) for one in boxes]
        except (ImageError, PlaneError) as error:
            left_out.add("images of which it is not known where they lie", f"{record.id}: {error}")
            continue
        for one, points in zip(boxes, corners, strict=True):
            yield {
                "record": record.id,
                "label": one.label,
                "box": [round(v, 3) for v in one.box],
                "corners": [[round(v, 3) for v in point] for point in points],
                "axes": "LPS",
                "unit": "mm",
                "model": dicom_words.model_name(one.model),
                "dialogue": one.dialogue,
            }
