"""MAU data, Medical Abnormalities Unveiling: from findings with boxes to questions with true answers in three steps.

UMed-LVLM (arXiv 2501.01377) lets an expert model write a diagnosis from image, category and region, and reorganise it
into detection, localisation and recognition. Here the rules are the writer: they compose the same three steps from
category, box, body part and side, and every dialogue says so (``writer="rules"``). Negatives are part of the data:
images without findings, names that are absent, regions where nothing is. They are drawn only from records whose
annotation is exhaustive, since an unlabelled place elsewhere proves nothing.

Beside them stand questions about phrases, whose answer is where a sentence is seen, those for the image's report, and
those that came with the image. That a sentence holds nowhere is never known, so phrases have no negatives.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from unveil.core import benchmarks, choices, console, jsonl, phrases, provenance, records, report_sections
from unveil.core.answers import (
    NOTHING,
    clean,
    write_detection,
    write_diagnosis,
    write_grounding,
    write_localisation,
    write_recognition,
)
from unveil.core.box_formats import mark
from unveil.core.geometry import Box, ious
from unveil.core.number_types import CountOrNone
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Finding, Kind, Record, rebased
from unveil.core.report_sections import Earlier, Part
from unveil.core.text_metrics import words
from unveil.core.wordings import filled, wordings
from unveil.curate.diagnose import corrected, diagnose, read_corrections, wanted
from unveil.curate.holdout import of_share, withheld
from unveil.curate.rules import vocabulary
from unveil.experts import options
from unveil.experts.expert import Expert, kept
from unveil.experts.options import ExpertGroup, ExpertOptions

Item = TypeVar("Item")


@dataclass(frozen=True)
class MauOptions:
    """What the rule-based writer asks about an image."""

    max_findings: int = 24
    """Images with more boxed findings get no question whose answer would have to list them all."""
    absent: CountOrNone = 1
    """Localisation questions about a name that is absent from the image, per image."""
    empty_regions: CountOrNone = 1
    """Recognition questions about a region without a finding, per image."""
    regions: CountOrNone = 4
    """Recognition questions about findings, per image at the most."""
    own_questions: bool = True
    """Whether the questions that came with the image are asked too."""
    report_sections: tuple[Part, ...] = ()
    """What of the images' reports is asked for: findings, impression, or report (both, else all of it); by default
    nothing. An image without it is left out, and counted."""
    earlier: Earlier = "keep"
    """Sentences of reports that speak of an earlier study, such as "unchanged": keep them, or drop them, since nobody
    can tell that from the image alone."""
    shuffle_choices: bool = True
    """Whether options to choose from stand in an order of each image's own in the training split, so that no letter is
    right more often; elsewhere they stand as they came."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes, such as en zh, of the questions that came with the images, of the phrases that are asked about
    and of reports; not given: all. Those of which nobody has said the language are then left out, and counted. What is
    composed of boxes and labels is in English and always asked."""


def mau(
    records: Sequence[Record],
    rules: MauOptions = MauOptions(),
    seed: int = 0,
    skipped: Counter[str] | None = None,
    told: Callable[[], object] = lambda: None,
) -> Iterator[Dialogue]:
    """Dialogues of all records, in order. What is left out is counted by reason in ``skipped``; ``told`` is called
    after each record.

    The wording of a question varies in the training split and is the first one elsewhere. Which names are absent is
    known from the training split's vocabulary of the same data set and modality; each record has a generator of its
    own, so a record's dialogues do not depend on which other records there are, except through that vocabulary.
    """
    skipped = Counter() if skipped is None else skipped
    names = vocabulary(records)
    for record in records:
        rng = np.random.default_rng([seed, int(hashlib.sha256(record.id.encode()).hexdigest()[:12], 16)])
        known = names[record.source.dataset, record.modality]
        yield from _distinct(_Writer(record, rules, rng, skipped).dialogues(known))
        told()


def _distinct(dialogues: Iterator[Dialogue]) -> Iterator[Dialogue]:
    """Numbers the dialogues of one record that would share an id (two findings in one place)."""
    seen: Counter[str] = Counter()
    for dialogue in dialogues:
        seen[dialogue.id] += 1
        again = seen[dialogue.id]
        yield dialogue if again == 1 else replace(dialogue, id=f"{dialogue.id}#{again}")


@dataclass(frozen=True)
class _Writer:
    """The rules at work on one record."""

    record: Record
    rules: MauOptions
    rng: np.random.Generator
    skipped: Counter[str]

    def dialogues(self, names: Sequence[str]) -> Iterator[Dialogue]:
        record, boxed = self.record, self.record.boxed
        complete = record.completeness == "exhaustive"
        if record.findings or complete:
            yield self._dialogue("detection", write_detection(record.findings))
        if len(boxed) > self.rules.max_findings:
            self.skipped[f"diagnosis and localisation: more than {self.rules.max_findings} findings"] += 1
        elif len(boxed) < len(record.named):
            self.skipped["diagnosis: a finding without a box"] += 1
        elif record.findings or complete:
            yield self._dialogue("diagnosis", write_diagnosis(boxed))
        yield from self._localisations(boxed, names, complete)
        yield from self._recognitions(boxed, complete)
        yield from self._groundings()
        yield from self._reports()
        if self.rules.own_questions:
            yield from self._own()

    def _localisations(self, boxed: Sequence[Finding], names: Sequence[str], complete: bool) -> Iterator[Dialogue]:
        for label in sorted({f.label for f in boxed}):
            of_label = [f for f in boxed if f.label == label]
            unboxed = any(f.label == label and f.box is None for f in self.record.findings)
            if len(of_label) <= self.rules.max_findings and not unboxed:
                yield self._dialogue("localisation", write_localisation(of_label, label), label)
        absent = sorted(set(names) - {f.label for f in self.record.findings}) if complete else []
        for label in self._some(absent, self.rules.absent):
            yield self._dialogue("localisation", write_localisation([], label), label)

    def _recognitions(self, boxed: Sequence[Finding], complete: bool) -> Iterator[Dialogue]:
        for f in self._some(boxed, self.rules.regions):
            assert f.box is not None
            yield self._dialogue("recognition", write_recognition(f), mark(f.box))
        placed = len(boxed) == len(self.record.named)  # what has no place may be in any region
        for _ in range(self.rules.empty_regions if complete and placed else 0):
            if box := self._empty_region([f.box for f in boxed if f.box]):
                yield self._dialogue("recognition", NOTHING, mark(box))

    def _empty_region(self, boxes: Sequence[Box], tries: int = 20) -> Box | None:
        """A region of a lesion's usual extent that touches no finding, or None where there is no room."""
        width, height = self.record.size
        for _ in range(tries):
            w, h = self.rng.uniform(0.1, 0.3, 2) * (width, height)
            x, y = self.rng.uniform(0, width - w), self.rng.uniform(0, height - h)
            box = (float(x), float(y), float(x + w), float(y + h))
            if not boxes or ious([box], boxes).max() == 0:
                return box
        self.skipped["empty region: no room"] += 1
        return None

    def _groundings(self) -> Iterator[Dialogue]:
        languages: dict[str, str | None] = {}
        own = {phrases.asked_as(q.text) for q in self.record.questions}
        for finding in self.record.findings:
            for language, phrase in phrases.in_languages(finding, self.record.language).items():
                if phrase not in own:
                    languages.setdefault(phrase, language)
        for number, (phrase, language) in enumerate(languages.items(), 1):
            of_phrase = phrases.of_phrase(self.record.findings, phrase)
            boxes = phrases.boxes(of_phrase)
            if not self._asked_in(language):
                self.skipped[f"grounding: {_unasked(language)}"] += 1
            elif not boxes:
                self.skipped["grounding: a phrase without a place"] += 1
            elif len(boxes) > self.rules.max_findings:
                self.skipped[f"grounding: more than {self.rules.max_findings} places"] += 1
            else:
                made = self._dialogue("grounding", write_grounding(of_phrase), phrase, language)
                yield replace(made, id=f"{self.record.id}/grounding/{number}", language=language)

    def _reports(self) -> Iterator[Dialogue]:
        language = self.record.language
        for part in self.rules.report_sections:
            told = report_sections.part(self.record, part, self.rules.earlier)
            if not words(told):
                self.skipped[f"report: no {part}"] += 1
            elif not self._asked_in(language):
                self.skipped[f"report: {_unasked(language)}"] += 1
            else:
                made = self._dialogue("report", told, part, language)
                yield replace(made, language=language, writer=self.record.source.dataset)

    def _own(self) -> Iterator[Dialogue]:
        for i, q in enumerate(self.record.questions):
            name, question, answer = q.id or f"q{i}", clean(q.text), clean(q.answer)
            language = q.language or self.record.language
            of_phrase = phrases.of_phrase(self.record.findings, question)
            places = phrases.boxes(of_phrase) or ()
            if not (question and (answer or places)):
                self.skipped["own question: empty"] += 1
            elif not self._asked_in(language):
                self.skipped[f"own question: {_unasked(language)}"] += 1
            elif len(places) > self.rules.max_findings:
                self.skipped[f"own question: more than {self.rules.max_findings} places"] += 1
            else:
                more = {"language": language, "writer": self.record.source.dataset}
                history = tuple((clean(asked), clean(said)) for asked, said in self.record.before(q))
                made = self._made(name, q.kind, question, answer, history=history, **more)
                if places:
                    said, target = write_grounding(of_phrase), phrases.asked_as(question)
                    yield replace(made, kind="grounding", answer=said, target=target)
                elif not q.choices:
                    yield made
                elif chosen := self._with_choices(made, [" ".join(clean(choice).split()) for choice in q.choices]):
                    yield chosen

    def _with_choices(self, dialogue: Dialogue, given: Sequence[str]) -> Dialogue | None:
        """A question with its options, of which its answer is one; None, counted, where that cannot be."""
        if not 2 <= len(given) <= len(choices.LETTERS):
            self.skipped[f"own question: fewer than 2 choices or more than {len(choices.LETTERS)}"] += 1
            return None
        right = choices.index_of(given, dialogue.answer)
        if right is None:
            self.skipped["own question: its answer is not one of its choices"] += 1
            return None
        shuffled = self.record.split == "train" and self.rules.shuffle_choices
        order = self.rng.permutation(len(given)).tolist() if shuffled else list(range(len(given)))
        shown = tuple(given[i] for i in order)
        question = choices.listed(dialogue.question, shown)
        answer = choices.write_choice(shown, order.index(right))
        return replace(dialogue, kind="choice", question=question, answer=answer, choices=shown)

    def _asked_in(self, language: str | None) -> bool:
        return not self.rules.languages or language in self.rules.languages

    def _some(self, items: Sequence[Item], most: int) -> list[Item]:
        if len(items) <= most:
            return list(items)
        return [items[i] for i in sorted(self.rng.choice(len(items), most, replace=False))]

    def _dialogue(self, kind: Kind, answer: str, target: str | None = None, language: str | None = None) -> Dialogue:
        forms = wordings(kind, language)
        form = forms[int(self.rng.integers(len(forms)))] if self.record.split == "train" else forms[0]
        suffix = "" if target is None else f"/{target}"
        question = filled(kind, form, target, language)
        return self._made(f"{kind}{suffix}", kind, question, answer, target=target, language="en")

    def _made(self, name: str, kind: Kind, question: str, answer: str, **more: Any) -> Dialogue:
        record, benchmark = self.record, self.record.source.benchmark
        asked = (f"{record.id}/{name}", record.id, record.image, record.split, kind, question, answer)
        return Dialogue(*asked, benchmark=benchmark, **more)


def _unsaid(config: Config) -> str:
    """What there is to do where no question could be made."""
    if config.report_sections:
        return f"nothing to ask, and no report has {' or '.join(config.report_sections)}"
    return "nothing to ask (--report-sections asks for reports)"


def _unasked(language: str | None) -> str:
    """Why a question is not asked where languages are named."""
    return f"its language is {language}" if language else "its language is not known"


@dataclass(frozen=True)
class Config(MauOptions):
    """Write questions with true answers in three steps (detection, localisation, recognition) from boxes and labels."""

    records: InputFile = field(kw_only=True)
    """records.jsonl, as `unveil ingest` writes it."""
    out: OutputFile = field(kw_only=True)
    """File to write the dialogues to, such as dialogues.jsonl."""
    corrections: InputFile | None = None
    """What people who have read the dialogues want otherwise: JSONL of id, reviewer, and answer or "drop": true."""
    withhold: tuple[str, ...] = ()
    """Labels, modalities and data sets that training and validation are to know nothing of: no image that has them, no
    question or answer that names them. The test split keeps them."""
    train_share: float = 1.0
    """Share of the training patients who are asked about."""
    asked: ExpertGroup = field(default_factory=ExpertOptions)
    """Who writes the diagnoses of abnormal training and validation images; rules compose them from category, box, body
    part and side."""
    seed: int = 0
    """Seed of wordings, absent names and empty regions."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config, expert: Expert | None = None) -> Path:
    """Writes the dialogues; returns their file. ``expert`` is asked instead of the one that the options name."""
    inputs = [config.records, *([config.corrections] if config.corrections else [])]
    with provenance.output(config.out, "curate mau", config, inputs) as output:
        if output:
            output.write(**_mau(config, expert))
    return config.out


def _mau(config: Config, expert: Expert | None) -> dict[str, Any]:
    """Writes the dialogues; returns what was left out, and what an expert has cost."""
    skipped: Counter[str] = Counter()
    read = jsonl.read_jsonl(config.records, records.Record)
    rows = benchmarks.marked([rebased(record, config.records, config.out) for record in read])
    with console.progress("mau", len(rows)) as advance:
        made = list(mau(rows, config, config.seed, skipped, advance))
    if not made:
        none = "no record has a finding or is known to have none"
        raise records.RecordError(f"{config.records}: {none}: {_unsaid(config)}")
    more: dict[str, Any] = {}
    if expert or config.asked.expert != "rules":
        expert = expert or options.bind(config.asked, config.out, rows)
        made, more["asked"] = _written_by_expert(rows, made, config.out, expert, skipped)
    if config.corrections:
        changes = read_corrections(config.corrections)
        made = list(corrected(made, changes, config.corrections))
        console.say(f"{len(changes)} dialogues corrected or dropped as {config.corrections} says")
    told = withheld(made, rows, config.withhold)
    kept = of_share(told, rows, config.train_share, config.seed)
    skipped["withheld from training and validation"] += len(made) - len(told)
    skipped[f"not of the {config.train_share:.0%} of the training patients"] += len(told) - len(kept)
    skipped, made = +skipped, kept
    jsonl.write_jsonl(config.out, made)
    kinds = Counter(d.kind for d in made)
    console.say(f"{len(made)} dialogues in {config.out}: " + ", ".join(f"{n} {k}" for k, n in kinds.items()))
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return {"left_out": dict(skipped), **more}


def _written_by_expert(
    rows: Sequence[records.Record],
    made: Sequence[records.Dialogue],
    out: Path,
    expert: Expert,
    skipped: Counter[str],
) -> tuple[list[records.Dialogue], dict[str, Any]]:
    """The dialogues with the expert's diagnoses, and what they cost."""
    names = vocabulary(rows)
    by_id = {record.id: record for record in rows}
    total = 2 * sum(wanted(d, by_id) for d in made)
    with console.progress("diagnose", total) as advance, console.keeping(kept, expert):

        def known(record: records.Record) -> list[str]:
            return names[record.source.dataset, record.modality]

        done = diagnose(rows, made, out, expert, known, skipped, advance)
    console.say(f"  {expert.name}: {expert.spent.text()}")
    return done, {expert.name: expert.account}
