"""Rewards of texts: what a report, or an answer in words, is worth beside its reference, by the code of the metrics."""

from __future__ import annotations

from collections.abc import Sequence

from unveil.core import radeval
from unveil.core.answered import Answered
from unveil.core.text_metrics import rouge_l, sentence_bleu, words
from unveil.core.words import overlap


def similarity(answered: Answered) -> float | None:
    """F1 of the words that the answer shares with the true one, without boxes: of a report ROUGE-L, as it is scored.

    None where a report has no reference.
    """
    true = answered.dialogue.answer
    if answered.dialogue.kind != "report":
        return overlap(answered.text, true).f1
    return rouge_l(answered.text, true).f1 if words(true) else None


def bleu(answered: Answered) -> float | None:
    """BLEU-4 of one report beside its reference, over no more orders than it has words; None of other questions."""
    true = answered.dialogue.answer
    if answered.dialogue.kind != "report" or not words(true):
        return None
    return sentence_bleu(answered.text, true)


def findings(answered: Answered) -> float | None:
    """F1 of the names that a report finds and of those that it denies, taken together, beside its reference's.

    None of other questions, where the reader cannot tell, and where neither names anything.
    """
    compared = answered.case.reported if answered.dialogue.kind == "report" else None
    if compared is None or not words(answered.dialogue.answer):
        return None
    found, denied = compared.counts[:3], compared.counts[3:]
    both, said, true = (one + other for one, other in zip(found, denied, strict=True))
    return 2 * both / (said + true) if said + true else None


def radgraph(completions: Sequence[str], answered: Sequence[Answered]) -> list[float | None]:
    """RadGraph F1 (partial: entities, and whether they have relations) of reports, by RadEval; None of all else.

    Raises ``RadEvalError`` where it is not installed.
    """
    asked = [i for i, one in enumerate(answered) if one.dialogue.kind == "report" and words(one.dialogue.answer)]
    truth, said = [answered[i].dialogue.answer for i in asked], [completions[i] for i in asked]
    worth: list[float | None] = [None] * len(answered)
    values = radeval.scores("radgraph", truth, said)["radgraph_partial"] if asked else []
    for i, value in zip(asked, values, strict=True):
        worth[i] = value
    return worth
