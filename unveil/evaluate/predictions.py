"""The files of predictions that are scored: read whatever their form, each answer to a question that was asked.

One model's answers are read after the other's, since those of all would fill the memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unveil.core import joined
from unveil.core.console import say
from unveil.core.grading import Outcome, ScoreError
from unveil.core.joined import unique
from unveil.core.records import Dialogue, Prediction, Record, Shown
from unveil.core.truths import Truth
from unveil.evaluate import sections
from unveil.evaluate.exchange import reading
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.metrics import beside
from unveil.evaluate.sensitivity import PART, Looked, check_same, examples, looked


@dataclass
class PredictionFiles:
    """Reads files of predictions, ours and others', and keeps what is to be told of those."""

    records: Mapping[str, Record]
    dialogues: Mapping[str, Dialogue]
    folder: Path
    """That of the records."""
    how: Elsewhere
    about: dict[str, Any] = field(default_factory=dict)
    """How others' files were read, by file."""
    common: Collection[str] | None = None
    """The questions that every model has answered, where only these are asked."""

    @cached_property
    def truths(self) -> dict[str, Truth]:
        """What is true of each image, which all models' answers are set beside."""
        return joined.truths(self.records)

    def read(self, name: str, path: str | Path) -> list[Prediction]:
        """A model's answers that count; raises ``ScoreError`` where one is to none of the dialogues."""
        return [p for p in self._every(name, path) if self.common is None or p.id in self.common]

    def _every(self, name: str, path: str | Path) -> list[Prediction]:
        found = reading.read(Path(path), name, self.dialogues, self.records, self.folder, self.how)
        if found.about and str(path) not in self.about:
            self.about[str(path)] = found.about
            say(reading.words(Path(path), found.about))
        joined.only_own(found.predictions, path)
        joined.asked(self.dialogues, unique(found.predictions, str(path)), str(path))
        return found.predictions

    def only_common(self, files: Mapping[str, str | Path]) -> None:
        """From now on only questions count that every one of the files has an answer to."""
        answered = [{p.id for p in self.read(name, path)} for name, path in files.items()]
        if not (common := set[str].intersection(*answered)):
            raise ScoreError("--part: there is no question that every model has answered")
        self.common = common

    def splits(self, rows: Iterable[Prediction]) -> set[str | None]:
        """The splits that answers are in."""
        return {self.dialogues[p.id].split for p in rows}

    def asked(self, splits: Collection[str | None]) -> list[Dialogue]:
        """The dialogues of splits."""
        of = (d for d in self.dialogues.values() if d.split in splits)
        return [d for d in of if self.common is None or d.id in self.common]

    def part(self, splits: Collection[str | None]) -> dict[str, int]:
        """How many questions of the splits count, of how many; empty where all do."""
        every = sum(d.split in splits for d in self.dialogues.values())
        return {} if self.common is None else {"asked": len(self.common), "of": every}

    def graded(self, name: str, path: str | Path, keep: sections.Keep) -> tuple[set[str | None], list[Outcome]]:
        """The splits that a model has answered, and its outcomes there. Its answers themselves are not kept."""
        rows = self.read(name, path)
        splits = self.splits(rows)
        return splits, self.outcomes(rows, self.asked(splits), path, keep)

    def outcomes(
        self, rows: Sequence[Prediction], asked: Sequence[Dialogue], path: str | Path, keep: sections.Keep
    ) -> list[Outcome]:
        """The outcomes of one model's answers, each of which is shown to the sections on the way."""
        joined.complete([d.id for d in asked], [p.id for p in rows], str(path), PART)
        found = []
        try:
            for case, prediction in beside(self.truths, asked, rows):
                keep(case, prediction)
                found.append(case.outcome)
        except ScoreError as error:
            raise ScoreError(f"{path}: {error}") from error
        return found

    def look_at_validation(
        self, name: str, path: str | Path, splits: Sequence[str | None], models: Collection[str], keep: sections.Keep
    ) -> None:
        """Shows a model's answers on the validation split to the sections."""
        if name not in models:
            raise ScoreError(f"--validation {name}: no model of that name is scored; there are {', '.join(models)}")
        if "val" in splits:
            raise ScoreError(
                f"--validation {path}: the validation split is scored itself, so nothing may be chosen on it"
            )
        rows = self._every(name, path)
        if (of := sorted(self.splits(rows), key=str)) != ["val"]:
            told = ", ".join(str(split) for split in of) or "none"
            raise ScoreError(f"--validation {path}: answers of the validation split are needed, not of {told}")
        answered = {p.id for p in rows}
        asked = [d for d in self.dialogues.values() if d.split == "val" and (not self.how.part or d.id in answered)]
        self.outcomes(rows, asked, path, keep)

    def without_images(
        self,
        files: Mapping[str, Sequence[Path]],
        own: Mapping[str, str | Path],
        asked: Sequence[Dialogue],
        seed: int,
    ) -> dict[str, dict[Shown, Looked]]:
        """What models answer with their images taken away, beside what they answer with them."""
        if not files:
            return {}
        if strangers := files.keys() - own.keys():
            told = f"own predictions of that name are needed; there are {', '.join(own)}"
            raise ScoreError(f"--sensitivity {', '.join(sorted(strangers))}: {told}")
        kept = examples(self.records, asked, seed)
        others = set() if self.common is None else self.dialogues.keys() - self.common
        found = {
            name: looked(name, files[name], self.read(name, path), self.records, asked, kept, self.how.part, others)
            for name, path in own.items()
            if name in files
        }
        check_same(found)
        return found
