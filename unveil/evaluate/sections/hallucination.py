"""Hallucination: questions about what is there and what is not, in pairs, and findings that reports invent.

Pairs are after POPE (Li et al. 2023, arXiv 2305.10355), counted over what was said: an answer that is neither yes nor
no is never right, is not a no, and stands apart. The headline is the share of pairs of which both are right, which a
model that always says yes, or no, does not get. CHAIR is after Rohrbach et al. 2018 (arXiv 1809.02156), with negation:
what is denied is no mention.

Shapes: N answers or pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from unveil.core import console
from unveil.core.answers import yes_no, yes_or_no_alone
from unveil.core.grading import Case, ScoreError
from unveil.core.joined import way
from unveil.core.records import Prediction
from unveil.core.text_metrics import words
from unveil.evaluate.estimates import Array, written
from unveil.evaluate.sections.ratios import Statistic, differences, estimates, f_score, ratio
from unveil.evaluate.sections.section import Answers, Scoring, Section


class ProbeAnswer(NamedTuple):
    """What is kept of an answer: of a question of a pair, or of a report (``pair`` None)."""

    id: str
    cluster: str
    pair: str | None
    numbers: tuple[float, ...]


#: The columns of a question of a pair, and its figures; the last two columns stand once for each pair.
ONE, PRESENT, YES, HIT, RIGHT, UNREAD, PAIR, PAIR_RIGHT = range(8)
PROBES: dict[str, Statistic] = {
    "paired_accuracy": ratio(PAIR_RIGHT, PAIR),
    "accuracy": ratio(RIGHT, ONE),
    "precision": ratio(HIT, YES),
    "recall": ratio(HIT, PRESENT),
    "f1": f_score(HIT, (YES, PRESENT)),
    "yes_ratio": ratio(YES, ONE),
    "unparsable": ratio(UNREAD, ONE),
}
#: The columns of a report, and its figures.
REPORT, WITH_INVENTED, MENTIONS, INVENTED = range(4)
CHAIR: dict[str, Statistic] = {"chair_s": ratio(WITH_INVENTED, REPORT), "chair_i": ratio(INVENTED, MENTIONS)}
#: What the tables call each figure.
NAMES = {
    "paired_accuracy": "Both questions of a pair right",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "yes_ratio": "Answers that say yes",
    "unparsable": "Neither yes nor no",
    "chair_s": "Reports with an invented finding (CHAIR_s)",
    "chair_i": "Mentioned findings that are invented (CHAIR_i)",
}
_WIDTH = {True: 8, False: 4}


def keep(case: Case, prediction: Prediction) -> ProbeAnswer | None:
    """What of an answer the figures need; None of what is neither a question of a pair nor a report with a truth."""
    asked = case.dialogue
    if asked.pair is not None:
        return ProbeAnswer(asked.id, case.record.cluster, asked.pair, _probe(case))
    if asked.kind != "report" or case.reported is None or not (words(asked.answer) or case.exhaustive):
        return None
    return ProbeAnswer(asked.id, case.record.cluster, None, _chair(case))


def _probe(case: Case) -> tuple[float, ...]:
    """By words alone: "Normal." is no answer to whether there is a nodule."""
    present = yes_or_no_alone(case.dialogue.answer)
    if present is None:
        raise ScoreError(f"{case.dialogue.id}: a question of a pair is answered by yes or no; make the pairs again")
    said = yes_no(case.text)
    yes = said is True
    return 1.0, float(present), float(yes), float(yes and present), float(said is present), float(said is None)


def _chair(case: Case) -> tuple[float, ...]:
    compared = case.reported
    assert compared is not None
    true = compared.true.found | compared.known
    found = [one.name for one in compared.said.mentions if one.found]
    invented = sum(name not in true for name in found)
    return 1.0, float(invented > 0), float(len(found)), float(invented)


def summarise(answers: Answers[ProbeAnswer], scoring: Scoring) -> dict[str, Any] | None:
    """Figures of pairs by how what is absent was chosen, and of reports.

    Of a part of the questions only whole pairs are counted.
    """
    given = {model: list(rows) for model, rows in answers.asked.items()}
    rows = next(iter(given.values()), [])
    if not rows:
        return None
    asked = Counter(one.pair for one in rows if one.pair is not None)
    halves = {pair for pair, n in asked.items() if n == 1} if scoring.part else set()
    found: dict[str, Any] = {"titles": NAMES, "probes": {}, "chair": None, "half_pairs": len(halves)}
    for chosen in dict.fromkeys(way(pair) for pair in asked if pair not in halves):
        part = {
            model: [one for one in of if one.pair is not None and one.pair not in halves and way(one.pair) == chosen]
            for model, of in given.items()
        }
        found["probes"][chosen] = _figures(part, PROBES, scoring)
    reports = {model: [one for one in of if one.pair is None] for model, of in given.items()}
    if any(reports.values()):
        found["chair"] = _figures(reports, CHAIR, scoring)
    return found


def _figures(
    given: Mapping[str, Sequence[ProbeAnswer]], figures: Mapping[str, Statistic], scoring: Scoring
) -> dict[str, Any]:
    """All models' figures and their paired differences."""
    tables = {model: _table(rows) for model, rows in given.items()}
    clusters = [one.cluster for one in next(iter(given.values()))]
    sure = scoring.resamples, scoring.seed
    return {
        "n": len(clusters),
        "clusters": len(set(clusters)),
        "models": {model: {"metrics": estimates(figures, of, clusters, *sure)} for model, of in tables.items()},
        "differences": {
            b: {a: differences(figures, tables[a], tables[b], clusters, *sure) for c, a in scoring.pairs if c == b}
            for b in dict.fromkeys(b for b, _ in scoring.pairs)
        },
    }


def _table(rows: Sequence[ProbeAnswer]) -> Array:
    """The numbers of answers, (N, K), those of a pair with its first question."""
    whole = np.zeros((len(rows), _WIDTH[rows[0].pair is not None]))
    pairs: dict[str, list[int]] = {}
    for i, one in enumerate(rows):
        whole[i, : len(one.numbers)] = one.numbers
        if one.pair is not None:
            pairs.setdefault(one.pair, []).append(i)
    for name, members in pairs.items():
        if sorted(whole[members, PRESENT]) != [0.0, 1.0]:
            ids = ", ".join(rows[i].id for i in members)
            raise ScoreError(f"{name}: a pair has a question for what is there and one for what is not, not {ids}")
        whole[members[0], [PAIR, PAIR_RIGHT]] = 1.0, float(whole[members, RIGHT].all())
    return whole


def shown(section: dict[str, Any]) -> None:
    """A short table of what was told of pairs, and of reports."""
    tables = [(f"Pairs, {way}", table) for way, table in section["probes"].items()]
    tables += [("Invented findings", section["chair"])] if section["chair"] else []
    for title, table in tables:
        models = list(table["models"])
        rows = [
            [NAMES[key], str(cells[0]["n"]), *map(written, cells)]
            for key in table["models"][models[0]]["metrics"]
            if (cells := [table["models"][model]["metrics"][key] for model in models])
        ]
        console.table(title, ["", "n", *models], rows)
    if section["half_pairs"]:
        console.say(f"{section['half_pairs']} pairs are left out, of which one question is asked only (--part)")


HALLUCINATION: Section[ProbeAnswer] = Section(
    "hallucination", "Hallucination", keep, summarise, "hallucination.html.j2", shown=shown
)
