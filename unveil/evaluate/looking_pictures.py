"""The same image as it was shown in each way, with what models answered: pictures of the section ``looking``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import image_files, joined, pixels
from unveil.core.jsonl import from_json, to_json
from unveil.core.records import Dialogue, Prediction, Record, RecordError, Shown, image_path
from unveil.core.shown import altered
from unveil.evaluate import report_pictures
from unveil.evaluate.report_pictures import Picture
from unveil.evaluate.sensitivity import Looked

SEEDED: tuple[Shown, ...] = ("noise", "shuffled", "elsewhere-hidden")
"""What cannot be drawn again without its seed."""


def kept(found: Mapping[str, Mapping[Shown, Looked]], conditions: tuple[Shown, ...]) -> list[dict[str, Any]]:
    """The questions that are shown as JSON values: what each model answered to what it was shown."""
    every = [one for of in found.values() for one in of.values()]
    return [_example(name, found, conditions) for name in dict.fromkeys(name for one in every for name in one.said)]


def _example(name: str, found: Mapping[str, Mapping[Shown, Looked]], conditions: tuple[Shown, ...]) -> dict[str, Any]:
    ways: dict[str, dict[str, Any]] = {"own": {"seed": None, "answers": {}}}
    for shown in conditions:
        for model, of in found.items():
            if shown in of and name in of[shown].said:
                said = of[shown].said[name]
                way = ways.setdefault(shown, {"seed": of[shown].seed, "answers": {}})
                way["answers"][model] = {"prediction": to_json(said.other), "right": said.other_right}
                ways["own"]["answers"][model] = {"prediction": to_json(said.own), "right": said.own_right}
    return {"id": name, "ways": ways}


@dataclass(frozen=True)
class ShownSo:
    """An image in one way, and the answers to it: model, text, and whether it is right of the own image."""

    shown: str
    picture: Picture
    answers: list[tuple[str, str, bool | None]]
    of: str
    """The model whose boxes are drawn."""


def cards(
    section: dict[str, Any], records: Mapping[str, Record], dialogues: Mapping[str, Dialogue], file: Path
) -> list[dict[str, Any]]:
    """For each question that is shown its record, question and the ways in which the image was shown.

    Raises ``RecordError`` where the records or dialogues are not those that were scored.
    """
    out = []
    for one in section["examples"]:
        dialogue = dialogues.get(one["id"])
        record = records.get(dialogue.record) if dialogue else None
        if dialogue is None or record is None:
            raise RecordError(f"{file}: {one['id']}: no such dialogue or record; give the files that were scored")
        names = joined.vocabulary(records.values())
        ways = [_way(shown, way, dialogue, records, names, file) for shown, way in one["ways"].items()]
        out.append({"record": record, "question": dialogue.question, "ways": ways})
    return out


def _way(
    shown: Any,
    way: Mapping[str, Any],
    dialogue: Dialogue,
    records: Mapping[str, Record],
    names: Sequence[str],
    file: Path,
) -> ShownSo:
    record = records[dialogue.record]
    said = {model: from_json(Prediction, answer["prediction"]) for model, answer in way["answers"].items()}
    model = list(said)[-1]
    true = report_pictures.true_boxes(dialogue, record)
    boxes = report_pictures.said_boxes(dialogue, record, said[model], names)
    try:
        seen_HW3 = _seen(shown, way["seed"], record, records.get(said[model].shown_record or ""), file)
    except pixels.ImageError as error:
        picture = Picture(None, f"Image unreadable: {error}", *record.size, shown)
    else:
        picture = (
            Picture(None, "The seed of what was shown is not known: its run.json is not there.", *record.size, shown)
            if seen_HW3 is None
            else report_pictures.of_pixels(record, seen_HW3, true, boxes)
        )
    answers = [(name, said[name].answer, way["answers"][name]["right"]) for name in said]
    return ShownSo(shown, picture, answers, model)


def _seen(shown: Shown, seed: int | None, record: Record, other: Record | None, file: Path) -> NDArray[np.uint8] | None:
    """What was shown in place of a record's image; None where that cannot be drawn again."""
    if shown in SEEDED and seed is None:
        return None
    own_HW3, other_HW3 = (pixels.to_rgb(image_files.read(image_path(r, file))) if r else None for r in (record, other))
    assert own_HW3 is not None
    return altered(shown, [record], seed or 0).pixels(record.id, own_HW3, other_HW3)
