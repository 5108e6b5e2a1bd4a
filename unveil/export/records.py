"""The command ``unveil export records``: records in the forms of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote

from unveil.core import access, console, digests, jsonl, pseudonyms
from unveil.core.decisions import hash_of
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.records import Record, RecordError, Split, image_path, select
from unveil.core.registry import PluginOptions
from unveil.export import coco, file_names, imagefolder, label_studio, output, pictures, predicted, yolo
from unveil.export.card import About, has_texts
from unveil.export.left_out import LeftOut
from unveil.export.pictures import Images

Form = Literal["coco", "yolo", "label-studio", "imagefolder"]


@dataclass(frozen=True, kw_only=True)
class Config(PluginOptions):
    """Write records as COCO, YOLO or Label Studio tasks, or as a folder of images for publication with a dataset card
    and Croissant metadata."""

    seldom: ClassVar[tuple[str, ...]] = ("image_address", "restricted", "reports")

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    form: Form
    """What is written: coco, yolo, label-studio, or imagefolder, which Hugging Face `datasets` reads."""
    out: OutputFolder
    """Folder that is made; what made it stands beside it, in OUT.run.json, so that it can be given on as it is."""
    split: Split | None = None
    """Images of this split only."""
    images: Images = "copy"
    """Copy images, link to them, or none: annotations alone, for images that an earlier export has copied. What the
    form's tools do not open, such as DICOM, is drawn as PNG; imagefolder draws all."""
    predictions: InputFile | None = None
    """label-studio: predictions.jsonl of a model, whose boxes an annotator begins from."""
    dialogues: InputFile | None = None
    """label-studio: dialogues.jsonl, whose questions these predictions answer."""
    image_address: str | None = None
    """label-studio: what stands before an image's name where it asks for one. Not given: its storage of local files,
    with the folder above OUT as its root."""
    restricted: bool = False
    """imagefolder: write it although not all data are said to be open, for those who may see them; the card says so."""
    reports: bool = True
    """imagefolder: write reports, phrases and questions, which stand as they are: look through them for names."""
    restart: bool = False
    """Write over what another run has left in `out`."""


def main(config: Config) -> Path:
    """Writes the folder and returns it."""
    if (config.predictions is None) != (config.dialogues is None):
        raise RecordError("--predictions and --dialogues go together: boxes stand in the one, questions in the other")
    if config.predictions and config.form != "label-studio":
        raise RecordError(f"--predictions are for label-studio; {config.form} has no place for them")
    inputs = [path for path in (config.records, config.predictions, config.dialogues) if path]
    return output.make("export records", config, inputs, partial(_export, config), "images")


def _export(config: Config, folder: Path, left_out: LeftOut) -> int:
    every = list(jsonl.read_jsonl(config.records, Record))
    rows = _rows(config, every)
    count = _write(config, folder, rows, every, left_out)
    _note(config, rows)
    return count


def _rows(config: Config, every: Sequence[Record]) -> list[Record]:
    """Those that are asked for."""
    rows = select(every, config.split)
    if not rows:
        raise RecordError(f"{config.records}: no image{f' of the split {config.split}' if config.split else ''}")
    if len({row.id for row in every}) < len(every):
        raise RecordError(f"{config.records}: an id occurs more than once; ids must be unique")
    for row in rows:
        output.outside(image_path(row, config.records), config.out)
    if config.form == "imagefolder":
        access.refuse(rows, config.restricted)
    return rows


def _write(config: Config, folder: Path, rows: Sequence[Record], every: Sequence[Record], left_out: LeftOut) -> int:
    """Writes ``rows`` of ``every`` record; returns how many images there are."""
    stems = file_names.stems(rows)
    if config.form == "imagefolder":
        key = pseudonyms.key(config.records.parent)
        planned = pictures.planned(rows, config.records, imagefolder.names(rows, key), None, left_out)
        about = About(config.out.name, digests.sha256(config.records), config.restricted)
        return imagefolder.write(folder, planned, config.images, left_out, key, config.reports, about)
    drawn = pictures.NOT_IN_BROWSERS if config.form == "label-studio" else frozenset[str]()
    planned = pictures.planned(rows, config.records, stems, drawn, left_out)
    if config.form == "coco":
        return coco.write(folder, planned, config.images, left_out)
    if config.form == "yolo":
        return yolo.write(folder, planned, config.images, left_out)
    said = {}
    if config.predictions and config.dialogues:
        said = predicted.read({row.id: row for row in every}, config.dialogues, config.predictions, left_out)
    address = config.image_address
    if address is None:
        address = f"/data/local-files/?d={quote(config.out.absolute().name)}/images/"
    lines = jsonl.each_written(config.records, lambda value, _: str(value["id"]))
    hashes = {name: hash_of(line) for line, name in lines}
    return label_studio.write(folder, planned, config.images, left_out, said, address, hashes)


def _note(config: Config, rows: Sequence[Record]) -> None:
    """Says what deserves a thought and is no reason to stop."""
    if config.form != "imagefolder" and (found := access.closed(rows)):
        console.say(f"note: not said to be open, so keep what is written on this machine: {found}")
    if config.form == "yolo" and not {"train", "val"} <= {row.split for row in rows}:
        console.say("note: YOLO trainers ask for a train and a val split: `unveil check --resplit` deals them")
    if config.form == "imagefolder" and config.reports and (n := sum(map(has_texts, rows))):
        console.say(f"note: texts of {n} images stand as they are, and may name people: --no-reports leaves them out")
