"""What the models of a run have answered, with images and places: drawn in training, and to the questions of a split.

Items have numbers; ids of records and names of files are sent only where that was asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unveil.core import run_folder
from unveil.core.box_formats import BOX_FORMATS, View, neutral
from unveil.core.jsonl import to_json
from unveil.core.pixels import ImageError
from unveil.core.records import Prediction
from unveil.core.untrusted import JsonError, parse_json
from unveil.review import inside
from unveil.review.images import payload
from unveil.review.items import Items, ReviewItem
from unveil.review.run_logs import number as number_of
from unveil.review.run_reading import ANSWERS, SAMPLES, FoundRun
from unveil.review.server import Refused, Unknown

TITLES = {SAMPLES: "drawn in training", ANSWERS[0]: "validation", ANSWERS[1]: "test split"}
#: Files of answers that are kept open.
MOST_OPEN = 4
#: Samples that are sent at once.
MOST_AT_ONCE = 100
#: Bytes of a file of samples.
MOST_BYTES = 2**28


@dataclass(frozen=True)
class SampleFile:
    """A file of answers of a run."""

    run: FoundRun
    part: str
    """The model's folder in the run's."""
    file: str

    @property
    def key(self) -> str:
        """How the page names it, held against what is known of the run and never opened as such."""
        return f"{self.part}/{self.file}"

    @property
    def name(self) -> PurePosixPath:
        return self.run.folder / self.part / self.file


def sources(root: Path, run: FoundRun) -> list[SampleFile]:
    """The files of answers of a run: what was drawn in training first, and of the model first that was trained last."""
    found = [SampleFile(run, part.name, file) for file in TITLES for part in reversed(run.parts) if file in part.files]
    return [source for source in found if source.file != SAMPLES or _size(root / source.name)]


class RunSamples:
    """Answers of the runs below a folder."""

    def __init__(self, root: Path, identifiers: bool = False) -> None:
        self.root, self.identifiers = root, identifiers
        self._open: OrderedDict[tuple[Any, ...], Items] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, run: FoundRun, key: str, start: int, count: int) -> dict[str, Any]:
        """Samples from a number on, and how many there are. A negative ``start`` counts from the end.

        Raises ``Unknown`` and ``Refused``.
        """
        source = self._source(run, key)
        with self._lock:
            if source.file == SAMPLES:
                rows = self._drawn(source)
                first, last = _range(start, count, len(rows))
                shown = [self._of_training(n, rows[n]) for n in range(first, last)]
                return {"total": len(rows), "start": first, "rows": shown}
            items = self._items(source)
            first, last = _range(start, count, len(items))
            return {"total": len(items), "start": first, "rows": [self._answer(items, n) for n in range(first, last)]}

    def image(self, run: FoundRun, key: str, number: int) -> bytes:
        """The image of a sample as the page reads it. Raises ``Unknown``, ``Refused`` and ``ImageError``."""
        source = self._source(run, key)
        with self._lock:
            if source.file == SAMPLES:
                rows = self._drawn(source)
                if not 0 <= number < len(rows):
                    raise Unknown(f"there is no sample {number + 1}")
                picture = rows[number].get("picture")
                name = self._within(self.root / source.run.folder / source.part / str(picture))
                if name.suffix != ".png":
                    raise Refused("its picture is none that a training has drawn")
                path, record = self._checked(name), None
            else:
                items = self._items(source)
                if not 0 <= number < len(items):
                    raise Unknown(f"there is no answer {number + 1}")
                item = self._item(items, number)
                path, record = self._checked(self._within(item.image)), item.record
        try:
            return payload(path, record)
        except ImageError as error:
            raise Refused(self._words(error, "its image cannot be shown")) from error

    def close(self) -> None:
        with self._lock:
            for items in self._open.values():
                items.close()
            self._open.clear()

    # --------------------------------------------------------------------------------------------------------- reading

    def _source(self, run: FoundRun, key: str) -> SampleFile:
        found = next((source for source in sources(self.root, run) if source.key == key), None)
        if found is None:
            raise Unknown("this run has no such samples")
        return found

    def _drawn(self, source: SampleFile) -> list[dict[str, Any]]:
        """What a training has written of the answers that it drew; half a line at the end is left out."""
        try:
            lines = inside.read(self.root, source.name, MOST_BYTES).split(b"\n")[:-1]
            rows = [parse_json(line, lenient=True) for line in lines]
        except (OSError, inside.Outside, JsonError) as error:
            raise Refused(self._words(error, f"{source.file} cannot be read")) from error
        return [row if isinstance(row, dict) else {} for row in rows]

    def _items(self, source: SampleFile) -> Items:
        """Answers with their questions and records, all of them in the folder that is shown."""
        run = self.root / source.run.folder
        key = source.name, _changed(self.root / source.name)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        records, dialogues = run_folder.records_of(run), run / "dialogues.jsonl"
        try:
            paths = [self._checked(self._within(path)) for path in (self.root / source.name, records, dialogues)]
            items = Items(*paths)
            if items.subject != "prediction":
                raise Refused(f"{source.file} holds no answers")
        except (OSError, ValueError) as error:
            raise Refused(self._words(error, f"{source.file} cannot be shown")) from error
        self._open[key] = items
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return items

    def _within(self, path: Path) -> PurePosixPath:
        try:
            return inside.within(self.root, path)
        except inside.Outside as error:
            raise Refused(f"{_what(path)} is not opened: {error}") from error

    def _checked(self, name: PurePosixPath) -> Path:
        """A file's path, after it was opened without following a link."""
        try:
            return inside.checked(self.root, name)
        except (OSError, inside.Outside) as error:
            why = str(error) if isinstance(error, inside.Outside) else (error.strerror or "it cannot be read").lower()
            raise Refused(f"{_what(Path(name))} is not opened: {why}") from error

    def _item(self, items: Items, number: int) -> ReviewItem:
        try:
            return items.item(number)
        except ValueError as error:
            raise Refused(self._words(error, f"answer {number + 1} cannot be shown")) from error

    # ----------------------------------------------------------------------------------------------------------- shown

    def _of_training(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        rewards = row.get("rewards")
        worth = [found for one in rewards if (found := number_of(one)) is not None] if isinstance(rewards, list) else []
        texts = [
            ("Question", row.get("question")),
            ("Best answer", row.get("best")),
            ("Worst answer", row.get("worst")),
        ]
        return {
            "number": number,
            "name": f"sample {number + 1}",
            "step": row.get("step") if isinstance(row.get("step"), int) else None,
            "rewards": worth,
            "texts": [{"title": title, "text": text} for title, text in texts if isinstance(text, str)],
            "drawn": True,
            **({"id": str(row.get("id"))} if self.identifiers else {}),
        }

    def _answer(self, items: Items, number: int) -> dict[str, Any]:
        item = self._item(items, number)
        row = item.row
        assert isinstance(row, Prediction) and item.dialogue
        texts = [("Question", item.dialogue.question), ("Answer", _neutral(row, item)), ("Truth", item.dialogue.answer)]
        try:
            said, truth = to_json(item.said), to_json(item.truth)
        except ValueError as error:  # an image that is to be measured first, as there is no record of it
            raise Refused(self._words(error, f"answer {number + 1} cannot be shown")) from error
        return {
            "number": number,
            "name": f"item {number + 1}",
            "kind": row.kind,
            "modality": item.record.modality if item.record else None,
            "cut": row.cut,
            "texts": [{"title": title, "text": text} for title, text in texts],
            "said": said,
            "truth": truth,
            "drawn": False,
            **({"id": row.id, "record": row.record} if self.identifiers else {}),
        }

    def _words(self, error: Exception, what: str) -> str:
        """What is wrong; in detail, which may name records and files, only where identifiers are shown."""
        if isinstance(error, Refused):
            return str(error)
        return f"{what}: {error}" if self.identifiers or isinstance(error, inside.Outside | JsonError) else what


def _neutral(row: Prediction, item: ReviewItem) -> str:
    """An answer with its boxes in the markup that questions and true answers have."""
    if item.record is None or row.box_format not in BOX_FORMATS:
        return row.answer
    return neutral(row.answer, View(BOX_FORMATS[row.box_format], item.record.size, row.frame))


def _range(start: int, count: int, total: int) -> tuple[int, int]:
    first = min(max(0, start if start >= 0 else total + start), total)
    return first, min(first + min(max(0, count), MOST_AT_ONCE), total)


def _changed(path: Path) -> tuple[int, int]:
    about = path.lstat()
    return about.st_mtime_ns, about.st_size


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone since it was seen
        return 0


def _what(path: Path) -> str:
    return path.name if path.suffix in (".jsonl", ".json") else "the image"
