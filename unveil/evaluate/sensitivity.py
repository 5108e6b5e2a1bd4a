"""What a model answers where its image was taken away, beside what it answers with it: counts by patient.

Files of ``predict --image`` are read one after the other, and of each no more is kept than sums by cluster, of which
all figures are made (``sections.looking``). What is right about an answer is decided in ``grading``; here is added
whether an answer changed, and whether it should have.

Shapes: C clusters, K columns (``COLUMNS``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unveil.core import digests, joined
from unveil.core.answers import says_yes, yes_or_no_alone
from unveil.core.box_formats import MARKUP, View
from unveil.core.geometry import mean_iou
from unveil.core.grading import EXACT, HIT, Case, ScoreError, grade
from unveil.core.joined import some, unique, vocabulary
from unveil.core.jsonl import read_jsonl
from unveil.core.lesion_region import lacks
from unveil.core.records import Dialogue, Prediction, Record, Shown
from unveil.core.shown import altered, as_shown, perhaps_one_person
from unveil.core.truths import Truth
from unveil.core.words import tokens
from unveil.evaluate.metrics import METRICS, RATIOS, cases

#: Of the first of these kinds that there are, so many questions are shown in pictures.
KINDS_SHOWN = ("diagnosis", "localisation", "grounding", "detection", "closed", "choice", "open", "recognition")
SHOWN_IN_PICTURES = 2
#: What to do where a file lacks answers.
PART = "finish predicting, or let `unveil score --part` score what is answered (as after predict --limit)"

#: Shares of answers. ``changed``: of all, those that say something else than with the own image. ``due_changed`` and
#: ``due_right``: of those to questions whose truth is another for what is shown, those that change, and those that are
#: right about what is shown. ``undue_changed``: of those whose truth is the same, those that change.
SHARES = ("changed", "due_changed", "due_right", "undue_changed")
COLUMNS = (*RATIOS, *SHARES)
_COLUMN = {name: i for i, name in enumerate(COLUMNS)}
#: Of which columns each figure is the mean of ratios.
PARTS = {name: [_COLUMN[r] for r in ratios] for name, ratios in METRICS.items()} | {s: [_COLUMN[s]] for s in SHARES}


@dataclass(frozen=True)
class Counts:
    """Numerators, denominators and numbers of items by cluster, each (C, K)."""

    numerators_CK: NDArray[np.float64]
    denominators_CK: NDArray[np.float64]
    items_CK: NDArray[np.float64]

    @classmethod
    def empty(cls, clusters: int) -> Counts:
        return cls(*np.zeros((3, clusters, len(COLUMNS))))

    def add(self, row: int, sums: Mapping[str, tuple[float, float]]) -> None:
        for name, (numerator, denominator) in sums.items():
            k = _COLUMN[name]
            self.numerators_CK[row, k] += numerator
            self.denominators_CK[row, k] += denominator
            self.items_CK[row, k] += 1


@dataclass(frozen=True)
class Looked:
    """One model's answers to the same questions with their own images and with what was shown instead."""

    own: Counts
    altered: Counts
    on_lesions: Counts
    """Of ``altered``, the images whose lesion can be hidden."""
    questions: int
    images: int
    perhaps_one_person: int = 0
    """Of the images those of which nothing tells that what was shown is another patient's."""
    seed: int | None = None
    """Of what was shown, as the file's run.json tells; None where there is none."""
    said: Mapping[str, SaidTwice] = field(default_factory=dict)
    """The answers to the questions that the page shows, by id."""
    asked: int = 0
    """A number by which it is told whether two files answer the same questions."""
    asked_of_lesions: int = 0
    """The same of the questions on images whose lesion can be hidden."""


@dataclass(frozen=True)
class SaidTwice:
    """A model's answer with its own image and with what was shown instead, and whether each is right of the former."""

    own: Prediction
    own_right: bool | None
    other: Prediction
    other_right: bool | None


def looked(
    name: str,
    files: Sequence[Path],
    own: Iterable[Prediction],
    records: Mapping[str, Record],
    dialogues: Sequence[Dialogue],
    kept: Collection[str] = (),
    part: bool = False,
    others: Collection[str] = (),
) -> dict[Shown, Looked]:
    """What a model's ``files`` show beside its ``own`` predictions, by what was shown.

    ``dialogues`` are those that are scored, ``kept`` the ids of those whose answers the page shows. With ``part`` a
    file need not have answers to all, and may have some to ``others``, the ids of questions that are not scored. Raises
    ``ScoreError`` where a file is mixed, of another set, of the own images or incomplete, and where two are of the same
    images.
    """
    found: dict[Shown, Looked] = {}
    with_image = {p.id: p for p in own}
    for path in files:
        every = list(unique(read_jsonl(path, Prediction), str(path)).values())
        shown = _shown(path, every)
        if shown in found:
            raise ScoreError(f"--sensitivity {name}: {path} is a second file of images shown as {shown}")
        if not (rows := [row for row in every if row.id not in others]):
            raise ScoreError(f"{path}: it has no answer to a question that every model has answered (--part)")
        asked = _asked(path, shown, rows, records, dialogues, part)
        beside = [with_image[d.id] for d in asked]
        found[shown] = _counted(path, shown, rows, beside, records, dialogues, asked, kept)
    return found


def _shown(path: Path, rows: Sequence[Prediction]) -> Shown:
    """What all rows of a file were shown."""
    kinds = Counter(row.shown for row in rows)
    if len(kinds) > 1:
        told = ", ".join(f"{n} {shown}" for shown, n in kinds.items())
        raise ScoreError(f"{path}: answers to images that were shown in several ways ({told}): one file for each")
    (shown,) = kinds
    if shown == "own":
        raise ScoreError(f"{path}: the model was shown its own images; --sensitivity takes files of predict --image")
    return shown


def _asked(
    path: Path,
    shown: Shown,
    rows: Sequence[Prediction],
    records: Mapping[str, Record],
    dialogues: Sequence[Dialogue],
    part: bool,
) -> list[Dialogue]:
    """The dialogues that a file must answer: of the groups that it has (``_group``), all on images that can be shown
    so; of a ``part`` those that it answers."""
    asked, answered = {d.id: d for d in dialogues}, {row.id: row for row in rows}
    if strangers := answered.keys() - asked.keys():
        raise ScoreError(f"{path}: answers of another set or split: {some(strangers)} are not among those scored")
    groups = {_group(asked[name]) for name in answered}
    splits = {d.split for d in dialogues}  # as ``predict``: others are shown though nothing is asked about them
    change = altered(shown, (record for record in records.values() if record.split in splits))
    wanted = [d for d in dialogues if _group(d) in groups and change.takes(d.record)]
    if part:
        wanted = [d for d in wanted if d.id in answered]
    joined.complete({d.id for d in wanted}, answered.keys(), str(path), PART)
    if more := answered.keys() - {d.id for d in wanted}:
        raise ScoreError(f"{path}: {some(more)} cannot have been shown as {shown} by these records")
    if shown == "other-patient" and (lost := [row.id for row in rows if row.shown_record not in records]):
        raise ScoreError(f"{path}: {some(lost)}: whose image was shown is not among the records")
    return wanted


def _group(dialogue: Dialogue) -> tuple[str, str | None]:
    """What is asked in one go: a kind of questions, and pairs of probes by how what is absent was chosen, since they
    are made apart and may have been asked with the own images alone."""
    return dialogue.kind, None if dialogue.pair is None else joined.way(dialogue.pair)


def _counted(
    path: Path,
    shown: Shown,
    rows: Sequence[Prediction],
    own: Sequence[Prediction],
    records: Mapping[str, Record],
    dialogues: Sequence[Dialogue],
    asked: Sequence[Dialogue],
    kept: Collection[str],
) -> Looked:
    row_of = clusters(records, dialogues)
    with_image, without, on_lesions = (Counts.empty(len(row_of)) for _ in range(3))
    truth = TruthOfShown(shown, records, dialogues)
    lesions = _with_lesions(records, asked)
    said: dict[str, SaidTwice] = {}
    for (one, own_prediction), (other, prediction) in _pairs(path, records, asked, own, rows):
        at = row_of[one.record.cluster]
        sums = other.outcome.sums | truth.shares(one, other, prediction)
        with_image.add(at, one.outcome.sums)
        without.add(at, sums)
        if other.record.id in lesions:
            on_lesions.add(at, sums)
        if prediction.id in kept:
            said[prediction.id] = SaidTwice(own_prediction, one.outcome.right, prediction, other.outcome.right)
    images = len({d.record for d in asked})
    others = {row.record: row.shown_record for row in rows if row.shown_record}
    unsure = sum(perhaps_one_person(records[name], records.get(other)) for name, other in others.items())
    ids, of_lesions = (hash(frozenset(d.id for d in asked if d.record in of)) for of in (records, lesions))
    return Looked(with_image, without, on_lesions, len(asked), images, unsure, _seed(path), said, ids, of_lesions)


def check_same(found: Mapping[str, Mapping[Shown, Looked]]) -> None:
    """Raises ``ScoreError`` where figures that are subtracted from each other would be of different questions: of two
    models with the same thing shown, and of one model's images with the lesion hidden, another place hidden, the lesion
    alone, and blank."""
    files = [(model, shown, one) for model, of in found.items() for shown, one in of.items()]
    for (a, shown_a, one), (b, shown_b, other) in combinations(files, 2):
        beside = a == b and {shown_a, shown_b} in _SUBTRACTED
        if (one.asked != other.asked and shown_a == shown_b) or (
            beside and one.asked_of_lesions != other.asked_of_lesions
        ):
            told = f"{a}, {shown_a}, answers other questions than {b}, {shown_b}"
            raise ScoreError(
                f"--sensitivity: {told}, so nothing can be subtracted; predict with the same --kinds and --limit"
            )


_SUBTRACTED = ({"lesion-hidden", "elsewhere-hidden"}, {"lesion-only", "blank"})


def _seed(path: Path) -> int | None:
    """The seed of what was shown, as the run.json beside the file tells."""
    about = digests.about_run(path.with_name(f"{path.name}.run.json")) or {}
    seed = about.get("config", {}).get("image_seed")
    return seed if isinstance(seed, int) else None


def examples(records: Mapping[str, Record], dialogues: Iterable[Dialogue], seed: int) -> list[str]:
    """The questions whose pictures are shown, drawn at random: diagnoses of images whose lesion can be hidden, else
    other questions on them, one an image."""
    known = [d for d in dialogues if d.record in records]
    able = _with_lesions(records, known)
    rows = [d for d in known if d.record in able]
    kinds = {d.kind for d in rows}
    kind = next((k for k in KINDS_SHOWN if k in kinds), None)
    by_image = {d.record: d.id for d in rows if d.kind == kind}
    ids = [by_image[name] for name in sorted(by_image)]
    return [ids[i] for i in np.random.default_rng(seed).permutation(len(ids))[:SHOWN_IN_PICTURES]]


def _with_lesions(records: Mapping[str, Record], dialogues: Iterable[Dialogue]) -> set[str]:
    """The records asked about whose lesion can be hidden, each looked at once."""
    return {name for name in {d.record for d in dialogues} if lacks(records[name]) is None}


def clusters(records: Mapping[str, Record], dialogues: Iterable[Dialogue]) -> dict[str, int]:
    """Rows of the clusters that are asked about, sorted, so that a seed draws the same ones."""
    return {name: i for i, name in enumerate(sorted({records[d.record].cluster for d in dialogues}))}


def _pairs(
    path: Path,
    records: Mapping[str, Record],
    asked: Sequence[Dialogue],
    own: Sequence[Prediction],
    rows: Sequence[Prediction],
) -> Iterator[tuple[tuple[Case, Prediction], tuple[Case, Prediction]]]:
    try:
        yield from zip(cases(records.values(), asked, own), cases(records.values(), asked, rows), strict=True)
    except ScoreError as error:
        raise ScoreError(f"{path}: {error}") from error


# ----------------------------------------------------------------------------------------------- what should change


class TruthOfShown:
    """What is true of what was shown in an image's place, as far as records and dialogues tell."""

    def __init__(self, shown: Shown, records: Mapping[str, Record], dialogues: Iterable[Dialogue]):
        self.shown = shown
        self.records = records
        self.names = vocabulary(records.values())
        self.questions = {(d.record, d.kind, d.question, d.choices): d for d in dialogues}

    def shares(self, own: Case, other: Case, prediction: Prediction) -> dict[str, tuple[float, float]]:
        """What a pair of answers adds to ``SHARES``."""
        changes = float(differs(own, other))
        found = {"changed": (changes, 1.0)}
        if (asked := self.asked(own, prediction.shown_record)) is None:
            return found
        dialogue, record = asked
        still = grade(dialogue, record, own.dialogue.answer, View(MARKUP, record.size, record.size), self.names)
        if still.outcome.right is None:
            return found
        if still.outcome.right:
            return found | {"undue_changed": (changes, 1.0)}
        right = replace(other, dialogue=dialogue, truth=Truth(record, other.names)).outcome.right
        return found | {"due_changed": (changes, 1.0), "due_right": (float(bool(right)), 1.0)}

    def asked(self, own: Case, other: str | None) -> tuple[Dialogue, Record] | None:
        """The question as it is about what was shown; None where nobody knows its answer.

        Of a question that came with the images the answer is known where the other image came with the same one.
        """
        dialogue = own.dialogue
        if dialogue.kind in ("closed", "choice", "open"):
            if self.shown == "elsewhere-hidden":
                return dialogue, own.record
            same = self.questions.get((other or "", dialogue.kind, dialogue.question, dialogue.choices))
            return (same, self.records[same.record]) if same else None
        record = as_shown(own.record, self.shown, self.records.get(other or ""))
        return (replace(dialogue, answer="", record=record.id), record) if record else None


def differs(one: Case, other: Case) -> bool:
    """Whether two answers to a question say different things: by verdict, option, names and places, else by words.

    Of reports the names count that they find and deny, where one of them gives any. Places differ where their mean IoU
    is below one half. Of answers that cannot be read the words are compared.
    """
    if not (one.readable and other.readable):
        return tokens(one.text) != tokens(other.text)
    kind, a, b = one.dialogue.kind, one.parsed, other.parsed
    if kind == "choice":
        return a.choice != b.choice
    if kind == "report":
        return _reported(one, other)
    if kind in ("closed", "open"):
        return _said(one) != _said(other)
    if kind == "detection":
        return a.abnormal != b.abnormal
    if kind == "recognition":
        return (a.abnormal, a.labels[:1]) != (b.abnormal, b.labels[:1])
    apart = bool(a.boxes or b.boxes) and mean_iou(a.boxes, b.boxes) < HIT - EXACT
    if kind in ("localisation", "grounding"):
        return apart
    return apart or (a.abnormal, sorted(a.labels)) != (b.abnormal, sorted(b.labels))


def _reported(one: Case, other: Case) -> bool:
    """Whether two reports to one reference find or deny different names, else whether their words differ."""
    if one.reported and other.reported and (one.reported.said.mentions or other.reported.said.mentions):
        a, b = one.reported.said, other.reported.said
        return (a.found, a.denied) != (b.found, b.denied)
    return tokens(one.text) != tokens(other.text)


def _said(case: Case) -> object:
    """Yes or no where that was asked and is said, else the words."""
    if case.dialogue.kind == "closed" and yes_or_no_alone(case.dialogue.answer) is not None:
        yes = says_yes(case.dialogue.question, case.text, case.names)
        return tokens(case.text) if yes is None else yes
    return tokens(case.text)
