"""The command ``unveil convert predictions``: predictions of others as ours, or ours as those of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from unveil.core import console, jsonl, provenance
from unveil.core.grading import ScoreError
from unveil.core.joined import only_own, some, unique
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import WITH_BOXES, Dialogue, Prediction, Record
from unveil.core.registry import PluginOptions
from unveil.evaluate.exchange import reading, tables
from unveil.evaluate.exchange.forms import FORMS, Form, ToWrite, in_pixels, spoken
from unveil.evaluate.exchange.reading import Elsewhere


@dataclass(frozen=True)
class Config(PluginOptions):
    """Turn predictions that others made into ours, or write ours as MedEvalKit, lmms-eval, VLMEvalKit, LLaVA-Med or
    FLARE keep theirs; matched by id, never by order."""

    predictions: InputFile
    """File of predictions, of any of these forms."""
    dialogues: InputFile
    """dialogues.jsonl, whose questions they answer."""
    records: InputFile
    """records.jsonl of these dialogues."""
    out: OutputFile
    """File to write."""
    to: Form = "unveil"
    """Which form to write."""
    format: Literal["auto", Form] = "auto"
    """The form of the predictions; auto tells it by what they hold."""
    box_format: str | None = None
    """How boxes are written in answers that others made, such as json-1000; needed where there are any."""
    frame: str | None = None
    """What their boxes in pixels refer to: image, or the WIDTHxHEIGHT that every image was resized to."""
    name: str | None = None
    """How the model is called; by default as the file is."""
    part: bool = False
    """Write them although some questions of their split have no answer."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config) -> OutputFile:
    """Writes the predictions in the other form; returns their file."""
    inputs = [config.predictions, config.dialogues, config.records]
    with provenance.output(config.out, "convert predictions", config, inputs) as output:
        if output:
            about = _convert(config)
            output.write(**about)
    return config.out


def _convert(config: Config) -> dict[str, object]:
    dialogues = unique(jsonl.read_jsonl(config.dialogues, Dialogue), str(config.dialogues))
    records = unique(jsonl.read_jsonl(config.records, Record), str(config.records))
    how = Elsewhere(config.format, config.box_format, config.frame, config.part)
    name = config.name or config.predictions.stem
    found = reading.read(config.predictions, name, dialogues, records, config.records.parent, how)
    rows = unique(found.predictions, str(config.predictions))
    if found.about:
        console.say(reading.words(config.predictions, found.about))
    _whole(config, dialogues, rows)
    if config.to == "unveil":
        jsonl.write_jsonl(config.out, rows.values())
    else:
        form = FORMS[config.to]
        only_own(rows.values(), config.predictions)  # their forms cannot tell what was shown
        if any(dialogues[name].kind in WITH_BOXES for name in rows):
            console.say("boxes are written in pixels of the image: --box-format json-pixels --frame image reads them")
        made = (form.write(i, row) for i, row in enumerate(_answered(dialogues, records, rows)))
        tables.write(config.out, form.layout, made)
    console.say(f"{len(rows)} predictions in {config.out}")
    return {"read": found.about} if found.about else {}


def _whole(config: Config, dialogues: Mapping[str, Dialogue], rows: Mapping[str, Prediction]) -> None:
    """Raises ``ScoreError`` where a split is answered in part, unasked, or an answer is to no question."""
    if strangers := rows.keys() - dialogues.keys():
        raise ScoreError(f"{config.predictions}: predictions without a dialogue: {some(strangers)}")
    splits = {dialogues[name].split for name in rows}
    missing = {name for name, one in dialogues.items() if one.split in splits} - rows.keys()
    if missing and not config.part:
        raise ScoreError(
            f"{config.predictions}: {len(missing)} of {len(missing) + len(rows)} questions have no answer "
            f"({some(missing)}); --part takes a part"
        )


def _answered(
    dialogues: Mapping[str, Dialogue], records: Mapping[str, Record], rows: Mapping[str, Prediction]
) -> Iterator[ToWrite]:
    """The predictions with their questions, in the order of the dialogues."""
    for name, dialogue in dialogues.items():
        if name in rows:
            if dialogue.record not in records:
                raise ScoreError(f"{name}: its record {dialogue.record!r} is not among the records")
            yield ToWrite(_plain(rows[name], records[dialogue.record]), dialogue, records[dialogue.record])


def _plain(row: Prediction, record: Record) -> Prediction:
    """A prediction without thoughts, with boxes in pixels of the image: other forms tell neither format nor dialect."""
    answer = spoken(row) if row.kind not in WITH_BOXES else in_pixels(row, record.size)
    return replace(row, answer=answer)
