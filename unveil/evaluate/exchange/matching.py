"""Answers of others matched to questions: by id, else by image and question, never by their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from unveil.core import pseudonyms
from unveil.core.box_formats import unmark
from unveil.core.grading import ScoreError
from unveil.core.records import Dialogue, Record
from unveil.core.untrusted import quoted
from unveil.core.words import tokens
from unveil.evaluate.exchange.forms import Given, plain_question


@dataclass
class Matched:
    """Answers by the ids of the questions that they are to, and what could not be matched."""

    answers: dict[str, Given] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    """Where answers stand that are to no question of ours."""
    ambiguous: list[str] = field(default_factory=list)
    """Where answers stand that may be to several."""
    repeated: int = 0
    """Answers that stand twice, word for word."""


def folded(text: str) -> str:
    return " ".join(tokens(text))


class KnownQuestions:
    """The questions by all that others may call them. ``key`` makes the pseudonyms of exported benchmarks."""

    def __init__(
        self, dialogues: Mapping[str, Dialogue], records: Mapping[str, Record], key: bytes | None = None
    ) -> None:
        self._all, self._records = dialogues, records
        self._named: dict[str, list[Dialogue]] = defaultdict(list)
        self._worded: dict[str, list[Dialogue]] = defaultdict(list)
        self._bare: dict[str, list[Dialogue]] = defaultdict(list)
        self._hidden = {pseudonyms.of_question(key, name): one for name, one in dialogues.items()} if key else {}
        for one in dialogues.values():
            self._named[one.id.removeprefix(f"{one.record}/")].append(one)
            for wording in {folded(one.question), folded(plain_question(one))}:
                self._worded[wording].append(one)
            if bare := _above(one):
                self._bare[bare].append(one)

    def match(self, rows: Iterable[Given], name: str) -> Matched:
        """All rows matched; raises ``ScoreError`` where two different answers are to one question."""
        found, open_rows = Matched(), defaultdict[tuple[str, ...], list[Given]](list)
        for row in rows:
            candidates = self._candidates(row)
            if not candidates:
                found.unknown.append(self._told(row))
            elif len(candidates) == 1:
                _put(found, candidates[0].id, row, name)
            else:
                open_rows[tuple(sorted(one.id for one in candidates))].append(row)
        for ids, several in open_rows.items():
            self._settle(found, ids, several)
        return found

    def _settle(self, found: Matched, ids: Sequence[str], rows: Sequence[Given]) -> None:
        """Answers to several like questions: matched where it makes no difference which is whose, as all are equal."""
        free = [name for name in ids if name not in found.answers]
        if len(free) == len(rows) and len({row.answer for row in rows}) == 1:
            found.answers.update(zip(free, rows, strict=True))
        else:
            found.ambiguous += [self._told(row) for row in rows]

    def _candidates(self, row: Given) -> list[Dialogue]:
        for name in row.ids:
            if (one := self._all.get(name) or self._hidden.get(name)) and _of_one_question(one, row):
                return [one]
        for name in row.ids:
            if named := [one for one in self._named.get(name, []) if self._agrees(one, row)]:
                return _by_gold(named, row)
        wordings = list(dict.fromkeys(folded(text) for text in (row.question, *_lines(row.question)) if text))
        for known in (self._worded, self._bare):
            for wording in wordings:
                if same := [one for one in known.get(wording, []) if self._same_image(one, row.image)]:
                    return _by_gold(same, row)
        return []

    def _agrees(self, one: Dialogue, row: Given) -> bool:
        """Whether question and image, as far as the row tells them, are those of a question of the same name."""
        return _of_one_question(one, row) and self._same_image(one, row.image)

    def _same_image(self, one: Dialogue, image: str) -> bool:
        if not image:
            return True
        record = self._records.get(one.record)
        known = {one.image, record.image if record else "", (record.source.file if record else None) or ""}
        return any(_ends(own, image) for own in known if own)

    def _told(self, row: Given) -> str:
        what = ", ".join(row.ids) or (quoted(row.question, 40) if row.question else "neither id nor question")
        named = next((one for name in row.ids if (one := self._all.get(name) or self._hidden.get(name))), None)
        other = "" if named is None or _of_one_question(named, row) else f": it asks {quoted(row.question, 40)}"
        return f"{row.place} ({what}{other})"


def _above(one: Dialogue) -> str:
    """A closed or open question without the last line below it, which says how to answer: others ask it without; ""
    where it has one line."""
    return folded(one.question.rpartition("\n")[0]) if one.kind in ("closed", "open") else ""


def _of_one_question(one: Dialogue, row: Given) -> bool:
    """Whether the question of a row, as far as it tells one, is ours or is part of it, whatever stands around it."""
    if not (words := folded(row.question)) or unmark(one.question):  # which others write in their own way
        return True
    said = f" {words} "
    owns = (f" {own} " for own in (folded(plain_question(one)), _above(one)) if own)
    return any(own in said or said in own for own in owns)


def _lines(question: str) -> list[str]:
    """The first and the last line, where others stand around them: a prompt around the question."""
    lines = [line.strip() for line in question.splitlines() if line.strip()]
    return [lines[0], lines[-1]] if len(lines) > 1 else []


def _ends(a: str, b: str) -> bool:
    """Whether one path ends as the other one is written, case apart."""
    one, other = (PurePosixPath(path.replace("\\", "/").lower()).parts for path in (a, b))
    least = min(len(one), len(other))
    return one[-least:] == other[-least:]


def _by_gold(found: list[Dialogue], row: Given) -> list[Dialogue]:
    """Of several those whose true answer is the row's, if there are such."""
    if len(found) < 2 or not row.gold:
        return found
    return [one for one in found if folded(one.answer) == folded(row.gold)] or found


def _put(found: Matched, name: str, row: Given, file: str) -> None:
    if (before := found.answers.get(name)) is None:
        found.answers[name] = row
    elif before.answer == row.answer:
        found.repeated += 1
    else:
        raise ScoreError(
            f"{file}: {before.place} and {row.place} give different answers to {name}; keep the one that counts"
        )
