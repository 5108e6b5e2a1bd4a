"""Reports beside their references: words in common, names found and denied, and two of them as examples.

Every metric has the same answers: all whose question has a reference. An answer without text counts 0 in each and is
counted apart. References in Chinese are cut into words otherwise, so they stand in a table of their own.

Shapes: N answers, K columns, M models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unveil.core import console, radeval
from unveil.core import text_metrics as text
from unveil.core.grading import Case, ScoreError
from unveil.core.records import Prediction
from unveil.core.reported import ReportComparison
from unveil.evaluate import meteor
from unveil.evaluate.cider import Cider
from unveil.evaluate.estimates import Array, written
from unveil.evaluate.sections.ratios import Statistic, differences, estimates, f_score, ratio
from unveil.evaluate.sections.section import Answers, Scoring, Section


class KeptReport(NamedTuple):
    """What is kept of an answer. ``numbers`` are BLEU's counts, ROUGE-L and the counts of names, in this order."""

    id: str
    cluster: str
    said: str
    reference: str
    cut: bool
    compared: ReportComparison | None
    numbers: NDArray[np.float32]


#: What the tables call each figure; others are called by their key.
NAMES = {
    **{f"bleu{n}_sacre": f"BLEU-{n}" for n in range(1, text.ORDER + 1)},
    "rougeL": "ROUGE-L (F1)",
    "ciderD": "CIDEr-D (0 to 10)",
    "meteor_nltk": "METEOR (nltk)",
    "found_precision": "Findings named: precision",
    "found_recall": "Findings named: recall",
    "found_f1": "Findings named: F1",
    "denied_precision": "Findings denied: precision",
    "denied_recall": "Findings denied: recall",
    "denied_f1": "Findings denied: F1",
}
_ROUGE, _NAMED, _ONE = text.COUNTS, text.COUNTS + 1, text.COUNTS + 7
_WIDTH = _ONE + 1


def keep(case: Case, prediction: Prediction) -> KeptReport | None:
    """What of an answer the figures need; None of a question for something else."""
    if case.dialogue.kind != "report":
        return None
    said, reference = case.text, case.dialogue.answer
    numbers = np.zeros(_WIDTH if text.words(reference) else 0, np.float32)
    if len(numbers):
        numbers[:_ROUGE] = text.bleu_counts(said, reference)
        numbers[_ROUGE] = case.outcome.sums["report_rougeL"][0]
        numbers[_NAMED:_ONE] = case.reported.counts if case.reported else 0
        numbers[_ONE] = 1
    return KeptReport(case.dialogue.id, case.record.cluster, said, reference, case.cut, case.reported, numbers)


def summarise(answers: Answers[KeptReport], scoring: Scoring) -> dict[str, Any] | None:
    """The tables by how references are cut, what could not be measured and why, and two examples."""
    given = {model: list(rows) for model, rows in answers.asked.items()}
    asked = next(iter(given.values()), [])
    if not asked:
        if scoring.radeval:
            raise ScoreError(f"--radeval {' '.join(scoring.radeval)}: no question that was answered asks for a report")
        return None
    whole = [i for i, one in enumerate(asked) if len(one.numbers)]
    found: dict[str, Any] = {"without_reference": len(asked) - len(whole), "tables": {}, "unmeasured": {}}
    found["titles"] = NAMES
    for cut in ("13a", "zh"):
        at = [i for i in whole if text.tokeniser(asked[i].reference) == cut]
        if at:
            part = {model: [rows[i] for i in at] for model, rows in given.items()}
            found["tables"][cut] = _table(part, cut, scoring, found["unmeasured"])
    last = [list(given.values())[-1][i] for i in whole]
    found["examples"] = [_example(given, i) for i in _chosen(last, whole)]
    return found


# ----------------------------------------------------------------------------------------------------------- figures


class _Columns:
    """The figures of a table, each with the column or columns that it is made of."""

    def __init__(self, english: bool) -> None:
        whole = (text.COUNTS - 1,)
        self.figures = {f"bleu{n}_sacre": Statistic(partial(_bleu, order=n), whole) for n in range(1, text.ORDER + 1)}
        self.figures["rougeL"] = ratio(_ROUGE, _ONE)
        self.more: dict[str, Callable[[KeptReport], float]] = {}
        self.batches: dict[str, radeval.Metric] = {}
        self.width = _WIDTH
        if english:
            for i, name in enumerate(("found", "denied")):
                both, said, true = range(_NAMED + 3 * i, _NAMED + 3 * i + 3)
                self.figures[f"{name}_precision"] = ratio(both, said)
                self.figures[f"{name}_recall"] = ratio(both, true)
                self.figures[f"{name}_f1"] = f_score(both, (said, true))

    def add(self, name: str, highest: float = 1.0) -> None:
        """A figure that is the mean of a further column."""
        self.figures[name] = ratio(self.width, _ONE, highest=highest)
        self.width += 1


def _bleu(sums_K: Array, order: int) -> Array:
    return text.bleu(sums_K[..., : text.COUNTS], order)


def _table(
    given: Mapping[str, Sequence[KeptReport]], cut: text.Tokeniser, scoring: Scoring, unmeasured: dict[str, str]
) -> dict[str, Any]:
    """All models' figures and paired differences of references that are cut in one way."""
    rows = next(iter(given.values()))
    clusters = [one.cluster for one in rows]
    english = any(one.compared for one in rows)
    columns = _Columns(english)
    if not english:
        unmeasured[f"names found and denied ({cut})"] = "the reader of names reads English"
    tables = {model: _numbers(of) for model, of in given.items()}
    blind: dict[str, int] = {}
    for name, highest, values in _further(given, cut, scoring, unmeasured, blind):
        columns.add(name, highest)
        tables = {model: np.hstack([table, values[model][:, None]]) for model, table in tables.items()}
    sure = scoring.resamples, scoring.seed

    return {
        "signature": text.signature(cut),
        "n": len(rows),
        "clusters": len(set(clusters)),
        "references": len({one.reference for one in rows}),
        "models": {
            model: {"metrics": estimates(columns.figures, table, clusters, *sure), "counts": _counts(given[model])}
            for model, table in tables.items()
        },
        "differences": {
            b: {
                a: differences(columns.figures, tables[a], tables[b], clusters, *sure)
                for c, a in scoring.pairs
                if c == b
            }
            for b in dict.fromkeys(b for b, _ in scoring.pairs)
        },
        "blind": blind,
        "corpus": _corpus(given, scoring) if cut == "13a" else {},
    }


def _corpus(given: Mapping[str, Sequence[KeptReport]], scoring: Scoring) -> dict[str, dict[str, float]]:
    """CheXbert's F1 over the corpus by model, as RadEval gives it: without an interval."""
    if "f1chexbert" not in scoring.radeval:
        return {}
    texts = {model: ([one.reference for one in rows], [one.said for one in rows]) for model, rows in given.items()}
    return {model: radeval.corpus("f1chexbert", *of) for model, of in texts.items()}


def _numbers(rows: Sequence[KeptReport]) -> Array:
    return np.array([one.numbers for one in rows], float)


def _counts(rows: Sequence[KeptReport]) -> dict[str, int]:
    """Answers without text, cut ones, and those of which the reader of names found nothing in answer or reference."""
    read = [one.compared for one in rows if one.compared]
    return {
        "empty": sum(not one.said.strip() for one in rows),
        "cut": sum(one.cut for one in rows),
        "not_read": len(rows) - len(read),
        "no_name_in_answer": sum(not one.said.mentions for one in read),
        "no_name_in_reference": sum(not one.true.mentions for one in read),
        "no_finding_in_either": sum(not (one.said.found or one.true.found) for one in read),
    }


def _further(
    given: Mapping[str, Sequence[KeptReport]],
    cut: str,
    scoring: Scoring,
    unmeasured: dict[str, str],
    blind: dict[str, int],
) -> list[tuple[str, float, dict[str, Array]]]:
    """Name, highest value and values of metrics that need more than the answer and its reference, (N,) by model."""
    found: list[tuple[str, float, dict[str, Array]]] = []
    references = [one.reference for one in next(iter(given.values()))]
    if len(set(references)) < 2:
        unmeasured[f"ciderD ({cut})"] = "it weighs words by how many references hold them: there is one only"
    else:
        cider = Cider(references)
        blind["ciderD"] = sum(map(cider.blind, references))
        said = zip(*(map(_said, rows) for rows in given.values()), strict=True)
        values_NM = np.array([cider.scores(answers, true) for answers, true in zip(said, references, strict=True)])
        found.append(("ciderD", 10.0, dict(zip(given, values_NM.T, strict=True))))
    if cut != "13a":
        unmeasured |= {f"{metric} ({cut})": "RadEval's metrics read English" for metric in scoring.radeval}
    scorer = meteor.scorer() if cut == "13a" else "WordNet is English"
    if isinstance(scorer, str):
        unmeasured[f"meteor_nltk ({cut})"] = scorer
    else:
        found.append(("meteor_nltk", 1.0, _each(given, scorer)))
    for metric in scoring.radeval if cut == "13a" else ():
        values = {model: radeval.scores(metric, references, [one.said for one in of]) for model, of in given.items()}
        for score in radeval.SCORES[metric]:
            own = {model: np.array(of[score.key]) for model, of in values.items()}
            found.append((score.key, 1.0, own))
            if score.edge is not None:
                blind[score.key] = max(int((of == score.edge).sum()) for of in own.values())
    return found


def _said(one: KeptReport) -> str:
    return one.said


def _each(given: Mapping[str, Sequence[KeptReport]], score: Callable[[str, str], float]) -> dict[str, Array]:
    return {model: np.array([score(one.said, one.reference) for one in rows]) for model, rows in given.items()}


# ---------------------------------------------------------------------------------------------------------- examples


def _chosen(rows: Sequence[KeptReport], ids: Sequence[int]) -> list[int]:
    """Two answers of the last model: the one that invents most, and the one in the middle by ROUGE-L."""
    by_rouge = sorted(range(len(rows)), key=lambda i: (float(rows[i].numbers[_ROUGE]), rows[i].id))
    if not by_rouge:
        return []
    worst = max(by_rouge, key=lambda i: _invented(rows[i]))
    middle = by_rouge[len(by_rouge) // 2]
    return [ids[i] for i in dict.fromkeys((worst, middle))]


def _invented(one: KeptReport) -> int:
    return len(one.compared.invented) if one.compared else 0


def _example(given: Mapping[str, Sequence[KeptReport]], at: int) -> dict[str, Any]:
    """A reference and the first and the last model's answer to it, in pieces with what is told of each."""
    models = list(dict.fromkeys([next(iter(given)), list(given)[-1]]))
    one = given[models[0]][at]
    answers = [{"model": m, "pieces": pieces(given[m][at].said, given[m][at].compared)} for m in models]
    return {"id": one.id, "reference": pieces(one.reference, one.compared, truth=True), "answers": answers}


def pieces(whole: str, compared: ReportComparison | None, truth: bool = False) -> list[dict[str, Any]]:
    """A text in pieces, each plain or a name: found, denied, invented, or denied though it is there ("missed")."""
    made: list[dict[str, Any]] = []
    end = 0
    for one in (compared.true if truth else compared.said).mentions if compared else ():
        made += [{"text": whole[end : one.start], "mark": None}] if one.start > end else []
        made.append({"text": whole[one.start : one.end], "mark": _mark(one.name, one.found, compared, truth)})
        end = one.end
    return [*made, {"text": whole[end:], "mark": None}] if whole[end:] else made


def _mark(name: str, found: bool, compared: ReportComparison | None, truth: bool) -> str:
    plain = "found" if found else "denied"
    if truth or compared is None:
        return plain
    if found:
        return "invented" if name in compared.invented else plain
    return "missed" if name in compared.true.found and name not in compared.said.found else plain


# ---------------------------------------------------------------------------------------------------------- terminal


def shown(section: dict[str, Any]) -> None:
    """A short table of the most important figures."""
    for table in section["tables"].values():
        models = list(table["models"])
        rows = []
        for name in ("bleu4_sacre", "rougeL", "ciderD", "found_f1", "denied_f1"):
            cells = [table["models"][m]["metrics"].get(name) for m in models]
            if any(cells):
                rows.append([NAMES[name], str(table["n"]), *(written(cell, 3) for cell in cells)])
        empty = [str(table["models"][m]["counts"]["empty"]) for m in models]
        rows.append(["answers without text", str(table["n"]), *empty])
        console.table(f"Reports ({table['signature']})", ["", "n", *models], rows)
    for name, why in section["unmeasured"].items():
        console.say(f"not measured: {name}: {why}")
    if section["without_reference"]:
        console.say(f"{section['without_reference']} questions for a report have no reference and are in no figure")


REPORTS = Section("reports", "Reports", keep, summarise, "reports.html.j2", shown=shown, kinds=("report",))
