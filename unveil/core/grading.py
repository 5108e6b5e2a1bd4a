"""What is right and what is wrong about one answer.

``grade`` reads an answer once and sets it beside the truth, a ``Case``, whose ``outcome`` says what is right and wrong.
What it adds to a metric stands in ``Outcome.sums`` as a numerator and a denominator; ``metrics`` says which metrics
they make.

An answer that cannot be parsed is wrong wherever it counts, and is counted apart. Where the annotation is not
exhaustive, nothing proves that an extra finding is false: such images take no part in specificity, refusals, F1 and
false alarms (``Outcome.left_out``). Which items take part in a metric depends on the truth alone, never on the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from unveil.core import dialects, phrases
from unveil.core.answers import Parsed, parse, says_yes, yes_no, yes_or_no_alone
from unveil.core.box_formats import View, unmark
from unveil.core.choices import likeliest, read_choice
from unveil.core.geometry import Box, match, mean_iou
from unveil.core.records import Dialogue, Finding, Kind, Record
from unveil.core.reported import OF_NAMES, ReportComparison, in_english, report_sums, reported
from unveil.core.text_metrics import words
from unveil.core.truths import Named, Truth
from unveil.core.untrusted import quoted
from unveil.core.words import overlap, tokens

#: A box is in the right place from this intersection over union on (inclusive).
HIT = 0.5
EXACT = 1e-9  # so that an IoU of one half is one half after rounding too

Failure = Literal["wrong place", "wrong name", "unparsable", "missed", "false alarm"]
FAILURES: tuple[Failure, ...] = ("wrong place", "wrong name", "unparsable", "missed", "false alarm")

#: The label of what has no finding, in groups by label.
NO_FINDING = "(no finding)"

Pairs = list[tuple[int, int, float]]  # index in what was said, index in the truth, IoU


class ScoreError(ValueError):
    """Files that do not belong together or are not complete; the message says which ids and what to do."""


@dataclass(slots=True)  # to be frozen would cost a million of them four times as long
class Outcome:
    """What one answer is worth.

    ``right`` is None where there is no verdict; ``iou`` where no place was asked for. ``labels`` are the true names: of
    the finding that was asked about, else of the image. ``malformed`` counts boxes that cannot be one, ``empty`` is an
    answer without text, ``cut`` one that hit the length limit. ``left_out`` names the metrics that the item takes no
    part in because the annotation does not allow a verdict. ``sums`` holds (numerator, denominator) by ratio.
    ``language`` is the question's, None where nobody has said it.
    """

    id: str
    record: str
    cluster: str
    kind: Kind
    modality: str | None
    labels: tuple[str, ...]
    status: Literal["ok", "unparsable"]
    right: bool | None
    iou: float | None
    failures: tuple[Failure, ...]
    malformed: int = 0
    empty: bool = False
    cut: bool = False
    left_out: tuple[str, ...] = ()
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)
    language: str | None = None


@dataclass  # as above
class Case:
    """An answer beside the truth (``grade``)."""

    dialogue: Dialogue
    truth: Truth
    parsed: Parsed
    text: str
    cut: bool = False
    options: Sequence[float] = ()
    """The log-probabilities of the answers to choose from, where they are known."""

    @property
    def record(self) -> Record:
        return self.truth.record

    @property
    def names(self) -> Sequence[str]:
        return self.truth.names

    @property
    def exhaustive(self) -> bool:
        return self.truth.exhaustive

    @property
    def readable(self) -> bool:
        return self.parsed.status == "ok"

    def name(self, label: str) -> str:
        """A label in the form in which the parser gives names."""
        return self.truth.name(label)

    @property
    def places(self) -> list[Finding]:
        """The findings of the phrase that is asked for."""
        return self.truth.places(_target(self.dialogue))

    @cached_property
    def reported(self) -> ReportComparison | None:
        """What a report finds and denies beside its reference; None where the reader cannot tell (``in_english``)."""
        truth = self.dialogue.answer
        if not in_english(self.dialogue.language, truth):
            return None
        names = tuple(self.names)
        known = frozenset(self.name(f.label) for f in self.record.findings)
        return ReportComparison(reported(self.text, names), reported(truth, names), known)

    @cached_property
    def outcome(self) -> Outcome:
        """What is right and what is wrong about it."""
        return _OUTCOMES[self.dialogue.kind](self)

    def result(
        self,
        right: bool | None,
        sums: Mapping[str, tuple[float, float]],
        failures: Iterable[Failure] = (),
        iou: float | None = None,
        labels: Iterable[str] | None = None,
        left_out: tuple[str, ...] = (),
        status: Literal["ok", "unparsable"] | None = None,
    ) -> Outcome:
        """The outcome of this case; an unparsable answer has that one failure and no other."""
        d, status = self.dialogue, status or self.parsed.status
        labels = self.truth.labels if labels is None else tuple(sorted({*labels}))
        counted = {ratio: (float(p), float(q)) for ratio, (p, q) in sums.items()}
        counted["parse_failures"] = float(status != "ok"), 1.0
        if right is not None and d.kind != "diagnosis":
            counted["question_accuracy"] = float(right), 1.0
        return Outcome(
            id=d.id,
            record=d.record,
            cluster=self.record.cluster,
            kind=d.kind,
            modality=self.record.modality,
            labels=labels or (NO_FINDING,),
            status=status,
            right=right,
            iou=iou,
            failures=tuple(failures) if status == "ok" else ("unparsable",),
            malformed=self.parsed.malformed,
            empty=not self.text.strip(),
            cut=self.cut,
            left_out=left_out,
            sums=counted,
            language=d.language,
        )


def _detection(case: Case) -> Outcome:
    """Yes or no against whether the record has a finding."""
    abnormal = bool(case.record.findings)
    written = yes_no(case.dialogue.answer)
    if written is not None and written is not abnormal:
        raise ScoreError(
            f"{case.dialogue.id}: the dialogue's answer is {quoted(case.dialogue.answer)}, but its record has "
            f"{len(case.record.findings)} findings: were the dialogues made from these records?"
        )
    if not abnormal and not case.exhaustive:
        return case.result(None, {}, left_out=("specificity",))
    right = case.parsed.abnormal is abnormal
    failure: Failure = "missed" if abnormal else "false alarm"
    return case.result(right, {"sensitivity" if abnormal else "specificity": (right, 1)}, () if right else (failure,))


def _localisation(case: Case) -> Outcome:
    """All boxes of the finding that was named, or a refusal where it is absent."""
    label = case.name(_target(case.dialogue))
    places = [box for name, box in case.truth.findings if name == label]
    if not places:
        return _refusal(case, "localisation_refusal", case.readable and not case.parsed.boxes, [label])
    if len(true := [box for box in places if box]) < len(places):
        return case.result(None, {}, labels=[label], left_out=("localisation_iou",))
    return _placed(case, true, [label], "localisation_iou")


def _grounding(case: Case) -> Outcome:
    """All places of the phrase; of a phrase that no finding has, nobody says that it is absent."""
    labels, true = [case.name(f.label) for f in case.places], phrases.boxes(case.places)
    if not true:
        return case.result(None, {}, labels=labels, left_out=("grounding_iou", "grounding_iou50"))
    return _placed(case, true, labels, "grounding_iou", "grounding_iou50")


def _placed(case: Case, true: Sequence[Box], labels: Iterable[str], ratio: str, *of_hits: str) -> Outcome:
    """The boxes of an answer against all true ones; right from an IoU of one half on."""
    met = mean_iou(case.parsed.boxes, true)
    right = met >= HIT - EXACT
    failure: Failure = "wrong place" if case.parsed.boxes else "missed"
    sums = {ratio: (met, 1.0), **dict.fromkeys(of_hits, (float(right), 1.0))}
    return case.result(right, sums, () if right else (failure,), met, labels)


def _recognition(case: Case) -> Outcome:
    """The name of what lies in the region, or that nothing does. Findings in one place may each be named."""
    true = {case.name(f.label) for f in case.truth.at(_region(case.dialogue), HIT)}
    said = case.parsed.labels
    if not true:
        return _refusal(case, "recognition_refusal", case.readable and case.parsed.abnormal is False, [NO_FINDING])
    right = bool(said) and said[0] in true
    failure: Failure = "wrong name" if said else "missed"
    return case.result(right, {"recognition": (right, 1)}, () if right else (failure,), labels=true)


def _refusal(case: Case, ratio: str, right: bool, labels: list[str]) -> Outcome:
    """A question about what is not there; proven absent only where the annotation is exhaustive."""
    if not case.exhaustive:
        return case.result(None, {}, labels=labels, left_out=(ratio,))
    return case.result(right, {ratio: (right, 1)}, () if right else ("false alarm",), labels=labels)


def _target(dialogue: Dialogue) -> str:
    if dialogue.target is None:
        raise ScoreError(f"{dialogue.id}: a {dialogue.kind} question needs a target; make the dialogues again")
    return dialogue.target


def _region(dialogue: Dialogue) -> Box:
    if len(boxes := unmark(target := _target(dialogue))) != 1:
        raise ScoreError(f"{dialogue.record}: a recognition question needs one box as its target, not {quoted(target)}")
    return boxes[0]


def _diagnosis(case: Case) -> Outcome:
    """The three steps at once: is anything abnormal, where, and what is it.

    The truth is the record's findings; where one of them has no box, the image counts by name only. The answer is right
    if its first step is and no finding is wrong.

    Predicted and true boxes are paired one to one so that the summed IoU is largest (``geometry.match``; where several
    pairings are equal, as with two findings in one place, the one with more right names), and this pairing serves every
    number: ``iou``, ``iou50``, ``f1_50``, ``f1_50_named`` and the failures.
    """
    truth = case.truth.findings
    said, located = case.parsed.findings, _located(case.parsed.findings, truth)
    sums, left_out = _names_and_verdict(case, truth), [] if truth or case.exhaustive else ["diagnosis_specificity"]
    if placed := all(box for _, box in truth):
        sums |= _places(said, truth, located) if truth else {}
    else:
        left_out += ["iou", "iou50"]
    if placed and case.exhaustive:
        sums |= _hits(said, truth, located)
    else:
        left_out += ["f1_50", "f1_50_named"]
    failures = _failures(said, truth, [(i, j) for i, j, v in located if v >= HIT - EXACT], case.exhaustive)
    if not truth and not said and case.exhaustive and case.parsed.abnormal:
        failures = ["false alarm"]  # called abnormal without a finding
    right = None if not truth and not case.exhaustive else case.parsed.abnormal is bool(truth) and not failures
    return case.result(right, sums, failures, sums.get("iou", (None,))[0], left_out=tuple(left_out))


def _located(said: Sequence[Named], truth: Sequence[Named]) -> Pairs:
    """Pairs (index in said, index in truth, IoU) of boxes that touch, matched one to one."""
    rows, columns = [i for i, (_, b) in enumerate(said) if b], [j for j, (_, b) in enumerate(truth) if b]
    agree = [[said[i][0] == truth[j][0] for j in columns] for i in rows]
    pairs = match([b for _, b in said if b], [b for _, b in truth if b], agree)
    return [(rows[i], columns[j], v) for i, j, v in pairs]


def _names_and_verdict(case: Case, truth: Sequence[Named]) -> dict[str, tuple[float, float]]:
    if not truth:
        return {"diagnosis_specificity": (case.parsed.abnormal is False, 1)} if case.exhaustive else {}
    names, true = case.parsed.labels, [n for n, _ in truth if n]
    share = sum(min(names.count(name), true.count(name)) for name in {*true}) / max(len(names), len(true))
    return {"accuracy": (share, 1), "diagnosis_sensitivity": (case.parsed.abnormal is True, 1)}


def _places(said: Sequence[Named], truth: Sequence[Named], located: Pairs) -> dict[str, tuple[float, float]]:
    """The mean IoU, and the same with each matched pair counted as a hit or not."""
    boxes, true = [b for _, b in said if b], [b for _, b in truth if b]
    hits = sum(v >= HIT - EXACT for _, _, v in located)
    return {"iou": (mean_iou(boxes, true), 1), "iou50": (hits / max(len(boxes), len(true)), 1)}


def _hits(said: Sequence[Named], truth: Sequence[Named], located: Pairs) -> dict[str, tuple[float, float]]:
    """Twice the true positives, and all boxes: the F1 of the corpus is the ratio of their sums."""
    boxes = sum(b is not None for _, b in said) + len(truth)
    hits = [(i, j) for i, j, v in located if v >= HIT - EXACT]
    named = sum(said[i][0] == truth[j][0] for i, j in hits)
    return {"f1_50": (2 * len(hits), boxes), "f1_50_named": (2 * named, boxes)}


def _failures(
    said: Sequence[Named], truth: Sequence[Named], hits: Sequence[tuple[int, int]], exhaustive: bool
) -> list[Failure]:
    """What is wrong with a diagnosis, one entry for each finding, true or predicted, that is not right.

    First the pairs in the right place (IoU >= 0.5): with another name, "wrong name". Then, among what remains, pairs of
    one name: "wrong place" (nothing is wrong if the true place is not known). Then the rest: a true finding is
    "missed", a predicted one is a "false alarm" where the annotation is exhaustive.
    """
    failures: list[Failure] = ["wrong name" for i, j in hits if said[i][0] != truth[j][0]]
    rows, columns = {i for i, _ in hits}, {j for _, j in hits}
    remaining = [name for i, (name, _) in enumerate(said) if i not in rows]
    for name, box in (t for j, t in enumerate(truth) if j not in columns):
        if name in remaining:
            remaining.remove(name)
            failures += ["wrong place"] if box else []
        else:
            failures.append("missed")
    return failures + ["false alarm"] * (len(remaining) if exhaustive else 0)


def _own(case: Case) -> Outcome:
    """A question that came with the image. A gold yes or no is met by an answer that says so (``says_yes``)."""
    gold = tokens(case.dialogue.answer)
    if not gold:
        return case.result(None, {}, left_out=(case.dialogue.kind,))
    exact = tokens(case.text) == gold
    if case.dialogue.kind == "open":
        shared = overlap(case.text, case.dialogue.answer)
        return case.result(exact, {"open_recall": (shared.recall, 1), "open_f1": (shared.f1, 1), "exact": (exact, 1)})
    if (true := yes_or_no_alone(case.dialogue.answer)) is None:
        return case.result(exact, {"closed": (exact, 1), "exact": (exact, 1)})
    said = says_yes(case.dialogue.question, case.text, case.names)
    right = said is true
    status: Literal["ok", "unparsable"] = "unparsable" if said is None else "ok"
    return case.result(right, {"closed": (right, 1), "exact": (exact, 1)}, status=status)


def _choice(case: Case) -> Outcome:
    """The option that was chosen against the true one, and the likeliest; a guess among equally likely ones."""
    if (true := read_choice(case.dialogue.answer, case.dialogue.choices)) is None:
        raise ScoreError(
            f"{case.dialogue.id}: the dialogue's answer {quoted(case.dialogue.answer)} is none of its "
            f"{len(case.dialogue.choices)} choices; make the dialogues again"
        )
    right = case.parsed.choice == true
    sums: dict[str, tuple[float, float]] = {"choice": (right, 1)}
    if case.options:
        guesses = likeliest(case.options)
        sums["choice_likelihood"] = ((true in guesses) / len(guesses), 1)
    return case.result(right, sums)


def _report(case: Case) -> Outcome:
    """A report beside its reference, without a verdict. A finding that only one of them has is a failure."""
    truth, compared = case.dialogue.answer, case.reported
    if not words(truth):
        return case.result(None, {}, left_out=("report_rougeL", *OF_NAMES))
    failures: list[Failure] = ["missed"] * len(compared.missed) if compared else []
    failures += ["false alarm"] * len(compared.invented) if compared else []
    sums = report_sums(case.text, truth, compared)
    return case.result(None, sums, failures, left_out=() if compared else OF_NAMES)


_OUTCOMES: dict[Kind, Callable[[Case], Outcome]] = {
    "detection": _detection,
    "localisation": _localisation,
    "recognition": _recognition,
    "diagnosis": _diagnosis,
    "grounding": _grounding,
    "report": _report,
    "closed": _own,
    "choice": _choice,
    "open": _own,
}


def grade(dialogue: Dialogue, record: Record, text: str, view: View, names: Sequence[str], cut: bool = False) -> Case:
    """An answer beside the truth: see ``graded``. ``names`` is the vocabulary of the data set."""
    return graded(dialogue, Truth(record, names), text, view, cut)


def graded(
    dialogue: Dialogue, truth: Truth, text: str, view: View, cut: bool = False, options: Sequence[float] = ()
) -> Case:
    """An answer beside the truth: the one place where answers are read.

    ``view`` is the picture that its boxes refer to; ``cut`` tells that it hit the length limit, ``options`` how likely
    the answers to choose from were.
    """
    parsed = parse(dialogue.kind, text, view, truth.names, dialogue.target, dialogue.choices)
    return Case(dialogue, truth, parsed, dialects.answer_text(text, view.box_format), cut, options)


def score(outcome: Outcome) -> float | None:
    """One number from 0 to 1 for an answer: the mean of all its ratios; None where there is no verdict."""
    counted = {n: s for n, s in outcome.sums.items() if n not in ("parse_failures", "question_accuracy")}
    shares = [part / whole for part, whole in counted.values() if whole]
    return sum(shares) / len(shares) if shares else None
