"""Which image is shown to a model that answers: the question's own, or what stands in its place (``core.shown``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unveil.core import console, digests, image_files, pixels
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Prediction, Record, RecordError, image_path
from unveil.core.shown import GREY, OF_RECORDS, PATCHES, Altered, altered, perhaps_one_person
from unveil.evaluate.options import PredictOptions

if TYPE_CHECKING:
    from unveil.vlm.chat import Chat
    from unveil.vlm.inputs import EncodedExample, ImageInput


@dataclass(frozen=True)
class Images:
    """What is shown in place of the images of a file of dialogues."""

    change: Altered
    dialogues: Path
    records: Path | None

    def shown(self, asked: Sequence[Dialogue]) -> list[Dialogue]:
        """The questions on images that can be shown so; the others are left out and counted.

        Raises ``RecordError`` where a question's record is not there, or its image is already noised.
        """
        change = self.change
        if change.shown == "own":
            return list(asked)
        if noised := next((d.id for d in asked if d.noise), None):
            raise RecordError(f"{self.dialogues}: {noised} has noise of its own: --image {change.shown} would undo it")
        if self.records:
            missing = [d for d in asked if not (change.takes(d.record) or d.record in change.left_out)]
            if missing:
                raise RecordError(f"{missing[0].id}: its record is not in {self.records} ({len(missing)} are missing)")
        taken = [d for d in asked if change.takes(d.record)]
        for why, n in self._left_out(asked).items():
            console.say(f"--image {change.shown}: {n} images are left out: {why}")
        if unsure := self._unsure(taken):
            told = "it is not known whose they are or whose is shown, so both may be one person's"
            console.say(f"--image {change.shown}: of {unsure} images {told}")
        if not taken:
            raise RecordError(f"{self.dialogues}: no image that is asked about can be shown as {change.shown}")
        return taken

    def _left_out(self, asked: Sequence[Dialogue]) -> dict[str, int]:
        """How many of the images that are asked about are left out, by reason."""
        left = self.change.left_out
        return dict(
            sorted(Counter(left[name] for name in dict.fromkeys(d.record for d in asked) if name in left).items())
        )

    def _unsure(self, asked: Sequence[Dialogue]) -> int:
        """Of how many images that are asked about nothing tells that another patient's is shown."""
        records, others = self.change.records, self.change.others
        names = {d.record for d in asked} & others.keys()
        return sum(perhaps_one_person(records[name], others[name]) for name in names)

    def encoded(self, chat: Chat, batch: Sequence[Dialogue]) -> list[EncodedExample]:
        """A batch of questions as the model takes them, without their answers."""
        if self.change.shown == "own":
            return [chat.encode(d, image_path(d, self.dialogues), with_answer=False) for d in batch]
        seen: dict[str, ImageInput] = {}
        for d in batch:
            if d.record not in seen:
                seen[d.record] = self._processed(chat, d)
        return [chat.encode(d, seen[d.record], with_answer=False) for d in batch]

    def _processed(self, chat: Chat, dialogue: Dialogue) -> ImageInput:
        path = image_path(dialogue, self.dialogues)
        try:
            own_HW3 = pixels.to_rgb(image_files.read(path))
            other = self.change.others.get(dialogue.record)
            other_HW3 = pixels.to_rgb(image_files.read(image_path(other, self._file))) if other else None
            return chat.process(self.change.pixels(dialogue.record, own_HW3, other_HW3), path)
        except pixels.ImageError as error:
            raise pixels.ImageError(f"{dialogue.id}: {error}") from error

    @property
    def _file(self) -> Path:
        assert self.records
        return self.records

    def said(self, one: Prediction) -> Prediction:
        """A prediction that tells what was shown."""
        other = self.change.others.get(one.record)
        return replace(one, shown=self.change.shown, shown_record=other.id if other else None)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for answers of two runs to belong together."""
        if self.change.shown == "own":
            return {}
        records = {"records": digests.sha256(self.records)} if self.records else {}
        return {"image": self.change.shown, "image_seed": self.change.seed, **records}

    def about(self, wanted: Sequence[Dialogue], asked: Sequence[Dialogue]) -> dict[str, Any]:
        """What run.json tells of it; of the questions that were ``wanted`` these were ``asked``."""
        if self.change.shown == "own":
            return {}
        how = {"seed": self.change.seed, "grey": GREY, "patches": PATCHES}
        left_out = self._left_out(wanted)
        unsure = {"perhaps_one_person": self._unsure(asked)} if self.change.shown == "other-patient" else {}
        images = len({d.record for d in asked})
        return {"shown": {"image": self.change.shown, "images": images, **how, **unsure, "left_out": left_out}}


def images(config: PredictOptions) -> Images:
    """What ``--image`` asks to be shown; raises ``RecordError`` where it needs records and has none.

    Other patients are found among all records of the split, so that --kinds and --limit change nothing of whom one
    meets.
    """
    if config.image in OF_RECORDS and config.records is None:
        raise RecordError(f"--image {config.image}: it needs --records, which tell of patients and lesions")
    rows: list[Record] = []
    if config.image != "own" and config.records:
        rows = [r for r in read_jsonl(config.records, Record) if r.split == config.split]
    return Images(altered(config.image, rows, config.image_seed), config.dialogues, config.records)
