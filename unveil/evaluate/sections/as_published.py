"""Closed and open questions as other code scores them (``published``), beside our own figures on the same answers.

Every figure, theirs and ours, is a ratio of sums over the same questions, so that a resample of patients gives both,
and their difference with them. Shapes: Q questions, C clusters, F figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap, console
from unveil.core.answers import yes_or_no_alone
from unveil.core.grading import Case
from unveil.core.records import Prediction
from unveil.core.words import overlap
from unveil.evaluate.estimates import divided, estimate, plain
from unveil.evaluate.published import llava_med, lmms_eval, medevalkit, pope, vlmevalkit
from unveil.evaluate.sections.section import Answers, Scoring, Section

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
#: A numerator and a denominator of each question (Q,); what takes no part has 0 in both.
Ratio = tuple[Array, Array]


class ScoredAnswer(NamedTuple):
    """What is kept of an answer to a closed or open question."""

    cluster: str
    kind: str
    values: tuple[float, ...]
    """By ``CLOSED`` or ``OPEN``."""


#: What is kept of a closed answer. Yes is 1, no 0, neither -1; a verdict is 1 or 0, -1 where there is none.
CLOSED = (
    *("gold", "ours", "right", "llava_med", "llava_med_pathvqa", "medevalkit_slake", "medevalkit_vqa_rad"),
    *("lmms_slake", "vlmevalkit", "lmms_pope", "pope"),
)
OPEN = (
    *("exact", "precision", "recall", "f1", "llava_exact", "llava_precision", "llava_recall", "llava_f1"),
    *("med_exact", "med_precision", "med_recall", "med_f1", "lmms_slake"),
)


def keep(case: Case, prediction: Prediction) -> ScoredAnswer | None:
    """What the scorings make of an answer; None for other questions, and for one without a true answer."""
    if case.dialogue.kind not in ("closed", "open") or case.outcome.right is None:
        return None
    true, said = case.dialogue.answer, case.text
    if case.dialogue.kind == "closed":
        values = (*_ours(case), *_closed(true, said))
    else:
        values = (int(bool(case.outcome.right)), *_open(true, said))
    return ScoredAnswer(case.record.cluster, case.dialogue.kind, values)


def _code(said: bool | None) -> int:
    return -1 if said is None else int(said)


def _ours(case: Case) -> tuple[float, ...]:
    gold, right = yes_or_no_alone(case.dialogue.answer), bool(case.outcome.right)
    ours = None if gold is None or case.outcome.status != "ok" else gold is right
    return _code(gold), _code(ours), int(right)


@lru_cache(maxsize=1 << 14)  # many answers are a yes or a no
def _closed(true: str, said: str) -> tuple[float, ...]:
    uncounted = llava_med.closed_pathvqa(true, said)
    word = {"yes": True, "no": False}.get(said.strip().lower())
    return (
        int(llava_med.closed(true, said)),
        -1 if uncounted is None else int(uncounted),
        int(medevalkit.closed_slake(true, said)),
        _code(medevalkit.closed_vqa_rad(true, said)),
        int(lmms_eval.slake(true, said)),
        *(_code(vlmevalkit.yes_no(said)), _code(word), int(pope.says_yes(said))),
    )


@lru_cache(maxsize=1 << 14)
def _open(true: str, said: str) -> tuple[float, ...]:
    ours, theirs, swapped = overlap(said, true), llava_med.open_overlap(true, said), medevalkit.overlap(true, said)
    return (
        *(*ours, llava_med.open_exact(true, said), *theirs),
        *(int(medevalkit.open_exact(true, said)), swapped.f1, swapped.precision, swapped.recall),
        int(lmms_eval.slake(true, said)),
    )


# ----------------------------------------------------------------------------------------------------------- figures


def _mean(column: str) -> Callable[[Columns], Ratio]:
    """The mean of a verdict or value over all questions."""
    return lambda of: (of[column], np.ones_like(of[column]))


def _counted(column: str) -> Callable[[Columns], Ratio]:
    """The mean over the questions that it counts."""
    return lambda of: (np.maximum(of[column], 0), (of[column] >= 0).astype(float))


def _over(column: str, counted: str) -> Callable[[Columns], Ratio]:
    """The mean of a verdict over the questions that another scoring counts."""
    return lambda of: (of[column] * (of[counted] >= 0), (of[counted] >= 0).astype(float))


def _agree(column: str) -> Callable[[Columns], Ratio]:
    """Accuracy of yes and no."""
    return lambda of: ((of[column] == of["gold"]) * (of["gold"] >= 0), (of["gold"] >= 0).astype(float))


def _hits(of: Columns, column: str) -> Array:
    return np.where((of[column] == 1) & (of["gold"] == 1), 1.0, 0.0)


def _says_yes(of: Columns, column: str) -> Array:
    return np.where((of[column] == 1) & (of["gold"] >= 0), 1.0, 0.0)


def _f1(column: str, missed: str = "all") -> Callable[[Columns], Ratio]:
    """2 TP / (2 TP + FP + FN). ``missed``: whether a positive with an answer that is neither is missed, or none."""

    def ratio(of: Columns) -> Ratio:
        positive = (of["gold"] == 1) & ((of[column] >= 0) | (missed == "all"))
        return 2 * _hits(of, column), _says_yes(of, column) + positive

    return ratio


def _recall(column: str, missed: str = "all") -> Callable[[Columns], Ratio]:
    def ratio(of: Columns) -> Ratio:
        return _hits(of, column), ((of["gold"] == 1) & ((of[column] >= 0) | (missed == "all"))).astype(float)

    return ratio


def _precision(column: str) -> Callable[[Columns], Ratio]:
    return lambda of: (_hits(of, column), _says_yes(of, column))


def _yes_ratio(column: str) -> Callable[[Columns], Ratio]:
    return lambda of: (_says_yes(of, column), (of["gold"] >= 0).astype(float))


class PublishedFigure(NamedTuple):
    """A figure as it is published, and ours that belongs to it."""

    name: str
    kind: str
    theirs: Callable[[Columns], Ratio]
    our_name: str
    ours: Callable[[Columns], Ratio]
    why: str
    """Why they differ, in a few words."""


_WITHIN = "yes and no are looked for within words (no in normal, yes in eyes)"
_REPEATS = "a right word counts as often as it is repeated"
_SWAPPED = "printed under another name:"
_WORD = "only the bare word counts"
_F = PublishedFigure
FIGURES = (
    _F("llava_med_closed", "closed", _mean("llava_med"), "closed", _mean("right"),
           f"{_WITHIN}; an answer with neither is wrong"),
    _F("llava_med_pathvqa_closed", "closed", _counted("llava_med_pathvqa"), "closed", _mean("right"),
           f"{_WITHIN}; a wrong answer that holds one is not counted"),
    _F("medevalkit_slake_closed", "closed", _mean("medevalkit_slake"), "closed", _mean("right"),
           'a gold "Yes" with a capital is met by that word alone'),
    _F("medevalkit_vqa_rad_closed", "closed", _counted("medevalkit_vqa_rad"), "closed, of yes and no",
           _over("right", "medevalkit_vqa_rad"), f"{_WITHIN}; both at once are wrong"),
    _F("lmms_eval_slake_closed", "closed", _mean("lmms_slake"), "closed", _mean("right"),
           "the same word after a list of synonyms; a sentence is wrong"),
    _F("vlmevalkit_yes_no_accuracy", "closed", _agree("vlmevalkit"), "closed, of yes and no", _agree("ours"),
           "only yes and no as words count, not what a sentence claims"),
    _F("vlmevalkit_pope_f1", "closed", _f1("vlmevalkit"), "yes_f1", _f1("ours"),
           "only yes and no as words count; an Unknown is a no"),
    _F("lmms_eval_pope_accuracy", "closed", _agree("lmms_pope"), "closed, of yes and no", _agree("ours"), _WORD),
    _F("lmms_eval_pope_precision", "closed", _precision("lmms_pope"), "yes_precision", _precision("ours"), _WORD),
    _F("lmms_eval_pope_recall", "closed", _recall("lmms_pope", "answered"), "yes_recall", _recall("ours"),
           "a positive whose answer cannot be read is left out"),
    _F("lmms_eval_pope_f1", "closed", _f1("lmms_pope", "answered"), "yes_f1", _f1("ours"),
           "a positive whose answer cannot be read is left out"),
    _F("lmms_eval_pope_yes_ratio", "closed", _yes_ratio("gold"), "yes_ratio", _yes_ratio("ours"),
           "the share of yes in the truth, not in the answers"),
    _F("pope_accuracy", "closed", _agree("pope"), "closed, of yes and no", _agree("ours"),
           "whatever has no no in its first sentence is a yes"),
    _F("pope_f1", "closed", _f1("pope"), "yes_f1", _f1("ours"),
           "whatever has no no in its first sentence is a yes"),
    _F("llava_med_open_recall", "open", _mean("llava_recall"), "open_recall", _mean("recall"),
           f"{_REPEATS}; None is 0; 3.5cm is not 3.5 cm"),
    _F("llava_med_open_precision", "open", _mean("llava_precision"), "open_precision", _mean("precision"),
           _REPEATS),
    _F("llava_med_open_f1", "open", _mean("llava_f1"), "open_f1", _mean("f1"), _REPEATS),
    _F("llava_med_open_exact", "open", _mean("llava_exact"), "exact", _mean("exact"),
           "the share of the answer's words that are the truth's"),
    _F("medevalkit_open_exact", "open", _mean("med_exact"), "exact", _mean("exact"), "a full stop is a difference"),
    _F("medevalkit_open_precision", "open", _mean("med_precision"), "open_precision", _mean("precision"),
           f"{_SWAPPED} it is the F1"),
    _F("medevalkit_open_recall", "open", _mean("med_recall"), "open_recall", _mean("recall"),
           f"{_SWAPPED} it is the precision"),
    _F("medevalkit_open_f1", "open", _mean("med_f1"), "open_f1", _mean("f1"), f"{_SWAPPED} it is the recall"),
    _F("lmms_eval_slake_open", "open", _mean("lmms_slake"), "exact", _mean("exact"),
           "what stands in brackets is lost, and so is a decimal point"),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- summary


def summarise(answers: Answers[ScoredAnswer], scoring: Scoring) -> dict[str, Any] | None:
    """Each figure as it is published, ours beside it and their difference, by model; None where no closed or open
    question was asked."""
    if not any(answers.asked.values()):
        return None
    clusters = sorted({row.cluster for rows in answers.asked.values() for row in rows})
    sums = [_sums(rows, clusters) for rows in answers.asked.values()]
    drawn = bootstrap.resampled(sums, scoring.resamples, scoring.seed)
    models = {name: _told(of_C, of_B) for name, of_C, of_B in zip(answers.asked, sums, drawn, strict=True)}
    known = {name for told in models.values() for name in told}
    about = {one.name: {"kind": one.kind, "ours": one.our_name, "why": one.why} for one in FIGURES if one.name in known}
    return {"figures": about, "models": models}


def _sums(rows: Sequence[ScoredAnswer], clusters: Sequence[str]) -> Array:
    """Numerators and denominators of all figures, theirs and ours, and numbers of questions, by cluster (C, 5 F)."""
    place = {cluster: i for i, cluster in enumerate(clusters)}
    sums = np.zeros((len(clusters), 5 * len(FIGURES)))
    for kind, names in (("closed", CLOSED), ("open", OPEN)):
        of_kind = [row for row in rows if row.kind == kind]
        if not of_kind:
            continue
        at_Q = np.array([place[row.cluster] for row in of_kind])
        table = np.array([row.values for row in of_kind], dtype=np.float64)
        columns = {name: table[:, i] for i, name in enumerate(names)}
        for i, figure in enumerate(FIGURES):
            if figure.kind == kind:
                parts = (*figure.theirs(columns), *figure.ours(columns), np.ones(len(of_kind)))
                for j, part_Q in enumerate(parts):
                    sums[:, 5 * i + j] = np.bincount(at_Q, part_Q, len(clusters))
    return sums


def _told(sums_C: Array, sums_B: Array) -> dict[str, Any]:
    """The figures of a model that have a question."""
    told = {}
    for i, figure in enumerate(FIGURES):
        of_C, of_B = sums_C[:, 5 * i : 5 * i + 5], sums_B[:, 5 * i : 5 * i + 5]
        if not of_C[:, 4].any():
            continue
        n, clusters = int(of_C[:, 4].sum()), int((of_C[:, 4] > 0).sum())
        theirs, ours = (float(divided(*of_C[:, k : k + 2].sum(0))) for k in (0, 2))
        theirs_B, ours_B = (divided(of_B[:, k], of_B[:, k + 1]) for k in (0, 2))
        own, other = (int((of_C[:, k] > 0).sum()) for k in (1, 3))
        found = {
            "published": estimate(theirs, theirs_B, n, clusters, own),
            "ours": estimate(ours, ours_B, n, clusters, other),
            "difference": estimate(theirs - ours, theirs_B - ours_B, n, clusters, min(own, other), lowest=-1.0),
        }
        told[figure.name] = {"n": n, "clusters": clusters, **{name: plain(one) for name, one in found.items()}}
    return told


def show(section: Mapping[str, Any]) -> None:
    """The table in the terminal: as published, and ours in brackets, where they differ; the page has all."""
    models = section["models"]
    rows = []
    for name in section["figures"]:
        cells = [f"{_number(of.get(name), 'published')} ({_number(of.get(name), 'ours')})" for of in models.values()]
        n = max(of[name]["n"] for of in models.values() if name in of)
        if any(_number(of.get(name), "published") != _number(of.get(name), "ours") for of in models.values()):
            rows.append([name, str(n), *cells])
    if rows:
        console.table("As published (ours), where they differ", ["", "n", *models], rows)


def _number(told: Mapping[str, Any] | None, key: str) -> str:
    return "-" if told is None or told[key]["value"] is None else f"{told[key]['value']:.2f}"


AS_PUBLISHED = Section(
    "as_published", "As published", keep, summarise, "as_published.html.j2", shown=show, kinds=("closed", "open")
)
