"""From answers to numbers: the outcomes of a model's answers, and the metrics that follow from them.

Each metric is a ratio of sums over outcomes, or the mean of two such ratios (``METRICS``), so it is recomputed, not
averaged, on any part or resample of the outcomes, and without a model. A group without items has no value, never 0.
What each answer adds to the sums is decided in ``grading``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from unveil.core import joined
from unveil.core.grading import FAILURES, Case, Outcome
from unveil.core.joined import unique
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.truths import Truth

Key = TypeVar("Key", bound=Hashable)


def outcomes(
    records: Iterable[Record], dialogues: Iterable[Dialogue], predictions: Iterable[Prediction]
) -> list[Outcome]:
    """The outcomes of one model's answers, in the order of the dialogues; raises ``ScoreError`` as ``cases`` does."""
    return [case.outcome for case, _ in cases(records, dialogues, predictions)]


def cases(
    records: Iterable[Record], dialogues: Iterable[Dialogue], predictions: Iterable[Prediction]
) -> Iterator[tuple[Case, Prediction]]:
    """As ``beside``, given records."""
    return beside(joined.truths(unique(records, "records")), dialogues, predictions)


def beside(
    truths: Mapping[str, Truth], dialogues: Iterable[Dialogue], predictions: Iterable[Prediction]
) -> Iterator[tuple[Case, Prediction]]:
    """One model's answers beside the truth, matched to dialogues and records by id, in the order of the dialogues.

    Raises ``ScoreError`` where an id occurs twice, or a dialogue or a prediction is without its counterpart.
    """
    asked, answers = unique(dialogues, "dialogues"), unique(predictions, "predictions")
    joined.asked(asked, answers)
    joined.complete(asked.keys(), answers.keys())
    joined.known(asked.values(), truths)
    for dialogue in asked.values():
        prediction = answers[dialogue.id]
        yield joined.case(dialogue, truths, prediction), prediction


# ----------------------------------------------------------------------------------------------------------- metrics


def metric(name: str, rows: Iterable[Outcome]) -> tuple[float | None, int]:
    """The value of a metric and its number of items; None where a part of it has no item or counts nothing."""
    rows = list(rows)
    parts = [[o.sums[ratio] for o in rows if ratio in o.sums] for ratio in METRICS[name]]
    n = sum(map(len, parts))
    totals = [(sum(p for p, _ in part), sum(q for _, q in part)) for part in parts]
    if not all(q for _, q in totals):
        return None, n
    return sum(p / q for p, q in totals) / len(totals), n


def groups(rows: Iterable[Outcome], by: Literal["modality", "label", "language"]) -> dict[str, list[Outcome]]:
    """Outcomes by modality, by true label or by the question's language; an image with several labels stands in the
    group of each."""
    found: dict[str, list[Outcome]] = {}
    for row in rows:
        for key in row.labels if by == "label" else (getattr(row, by) or "unknown",):
            found.setdefault(key, []).append(row)
    return dict(sorted(found.items()))


def counts(rows: Sequence[Outcome]) -> dict[str, Any]:
    """What went wrong and what was left out, in numbers of answers (failures: of findings; malformed: of boxes)."""
    kinds = _tally(o.kind for o in rows)
    by_kind = _tally((o.kind, f) for o in rows for f in o.failures)
    every = _tally(f for o in rows for f in o.failures)
    return {
        "items": kinds,
        "failures": {f: every[f] for f in FAILURES if f in every},
        "failures_by_kind": {k: {f: n for (of, f), n in by_kind.items() if of == k} for k in kinds},
        "unparsable": _tally(o.kind for o in rows if o.status == "unparsable"),
        "malformed_boxes": sum(o.malformed for o in rows),
        "empty": sum(o.empty for o in rows),
        "cut": sum(o.cut for o in rows),
        "left_out": _tally(m for o in rows for m in o.left_out),
    }


def named_by_place(rows: Iterable[Outcome]) -> list[tuple[str, list[float]]]:
    """The shares of findings that diagnoses of abnormal images name rightly, by ranges of the IoU of their places.

    One share for each image, under the range that its IoU falls into (``PLACES``), as UMed-LVLM (arXiv 2501.01377)
    tells diagnosis accuracy over IoU.
    """
    return [(name, [o.sums["accuracy"][0] for o in of]) for name, of in met_by_place(rows)]


def met_by_place(rows: Iterable[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """The diagnoses of abnormal images by ranges of the IoU of their places."""
    met = [o for o in rows if {"iou", "accuracy"} <= o.sums.keys()]
    return [(name, [o for o in met if low <= o.sums["iou"][0] < high]) for name, low, high in PLACES]


#: Ranges of the IoU: name, from, up to.
PLACES = (
    ("not met", 0.0, 1e-9),
    ("up to 0.25", 1e-9, 0.25),
    ("0.25 to 0.5", 0.25, 0.5),
    ("0.5 to 0.75", 0.5, 0.75),
    ("0.75 and more", 0.75, 2.0),
)


def _tally(keys: Iterable[Key]) -> dict[Key, int]:
    return dict(Counter(keys))


#: Each metric is the mean of the ratios of sums named here. Larger is better, but for ``parse_failures``.
METRICS: dict[str, tuple[str, ...]] = {
    # the diagnosis of abnormal images: names, place, place at IoU >= 0.5
    "accuracy": ("accuracy",),
    "iou": ("iou",),
    "iou50": ("iou50",),
    # the diagnosis of all images with exhaustive annotation, over the corpus
    "f1_50": ("f1_50",),
    "f1_50_named": ("f1_50_named",),
    # yes or no; "detection" is the balanced accuracy
    "sensitivity": ("sensitivity",),
    "specificity": ("specificity",),
    "detection": ("sensitivity", "specificity"),
    # the same from the diagnosis' first step
    "diagnosis_sensitivity": ("diagnosis_sensitivity",),
    "diagnosis_specificity": ("diagnosis_specificity",),
    "diagnosis_detection": ("diagnosis_sensitivity", "diagnosis_specificity"),
    # the place for a given name or phrase, the name for a given place; a refusal is right where nothing is
    "localisation_iou": ("localisation_iou",),
    "localisation_refusal": ("localisation_refusal",),
    "grounding_iou": ("grounding_iou",),
    "grounding_iou50": ("grounding_iou50",),
    "recognition": ("recognition",),
    "recognition_refusal": ("recognition_refusal",),
    # reports: words in common (ROUGE-L); names that are found, and denied, as in the reference (F1)
    "report_rougeL": ("report_rougeL",),
    "report_found": ("report_found",),
    "report_denied": ("report_denied",),
    # questions that came with the images; "exact" over closed and open ones
    "closed": ("closed",),
    "choice": ("choice",),
    "choice_likelihood": ("choice_likelihood",),  # the likeliest option, where these are known
    "open_recall": ("open_recall",),
    "open_f1": ("open_f1",),
    "exact": ("exact",),
    # all questions with a verdict but the diagnosis (localisation and grounding: IoU >= 0.5, or a right
    # refusal; open: exact)
    "question_accuracy": ("question_accuracy",),
    "parse_failures": ("parse_failures",),
}

#: All ratios, in a fixed order.
RATIOS: tuple[str, ...] = tuple(dict.fromkeys(ratio for ratios in METRICS.values() for ratio in ratios))
