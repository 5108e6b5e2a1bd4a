"""MedEvalKit (github.com/alibaba-damo-academy/MedEvalKit, commit 9b12e3b), the scoring of Lingshu and its followers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from unveil.core.words import Overlap

_LEADS = ("**answer**:", "**answer**", "*answer*:", "**answer:**", "answer is", "answer:", "答案:", "final answer")
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.S)


def boxed(text: str) -> str:
    r"""What stands in the last ``\boxed{}`` of a text; "None" where there is none."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return "None"
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0 and text[at] == "}":
            return text[start + len("\\boxed{") : at]
    return "None"


def _tagged(text: str) -> str:
    return " ".join(_ANSWER.findall(text)).strip() or text


def unwrapped(text: str) -> str:
    """The response without what its data sets take off before they score it."""
    return inner if (inner := boxed(text)) != "None" else _tagged(text) if "<answer>" in text else text


def reply(text: str) -> str:
    """What is left of a response before it is compared, in small letters. Fault: "answer is" is looked for within
    sentences, so that "The answer is no finding, as the answer is clear" is "clear"."""
    text = text.lower()
    if "boxed" in text:
        text = boxed(text)
    elif "<answer>" in text:
        text = _tagged(text)
    for lead in _LEADS:
        text = text.rpartition(lead)[2]
    return text


def _bare(text: str) -> str:
    return reply(text).replace("\n", "").replace(".", "")


def judgement(gold: str, response: str) -> bool:
    """Yes or no. Faults: they are looked for within words, so that "The lungs are normal" says no, and a yes beside
    such a word ("Yes, abnormal nodule") is wrong."""
    said = _bare(response)
    return (("yes" in said) != ("no" in said)) and gold.lower() in said


def closed_exact(gold: str, response: str) -> bool:
    """A closed answer that is no yes or no: the same letters, without full stops."""
    return _bare(response) == gold.lower()


def closed_vqa_rad(gold: str, response: str) -> bool | None:
    """VQA-RAD and PathVQA; None, counted as open, for a closed question that yes or no does not answer."""
    gold = gold.lower().strip()
    return judgement(gold, unwrapped(response).lower().strip()) if gold in ("yes", "no") else None


def closed_slake(gold: str, response: str) -> bool:
    """SLAKE. Fault: whether it is a yes or no is asked without regard to capitals, and English SLAKE writes "Yes": the
    answer must then be that word alone."""
    response = unwrapped(response)
    return judgement(gold, response) if gold in ("yes", "no") else closed_exact(gold, response)


def open_exact(gold: str, response: str) -> bool:
    """Its "em": the same letters but for capitals. Fault: a full stop is a difference."""
    return reply(unwrapped(response)) == gold.lower()


def overlap(gold: str, response: str) -> Overlap:
    """Precision, recall and F1 of the sets of words, as they ought to be called."""
    said, true = set(reply(unwrapped(response)).split()), set(gold.lower().split())
    shared = len(said & true)
    if not shared:
        return Overlap(0.0, 0.0, 0.0)
    return Overlap(shared / len(said), shared / len(true), 2 * shared / (len(said) + len(true)))


def printed_overlap(gold: str, response: str) -> Overlap:
    """The same under the names that it prints. Fault: a function returns F1, precision, recall, its caller takes them
    for precision, recall, F1. Raises ``TypeError`` where a side is empty, as it does: a bare 0 cannot be unpacked."""
    if not reply(unwrapped(response)).split() or not gold.split():
        raise TypeError("cannot unpack non-iterable int object")
    one = overlap(gold, response)
    return Overlap(precision=one.f1, recall=one.precision, f1=one.recall)


class JudgedAnswer(NamedTuple):
    """A response with the verdict of a language model."""

    kind: Literal["OPEN", "CLOSED"]
    gold: str
    response: str
    right: bool


def with_judge(rows: Sequence[JudgedAnswer], data_set: Literal["SLAKE", "VQA_RAD", "PATH_VQA"]) -> dict[str, float]:
    """Accuracies with a judge, by what is asked. Faults: SLAKE counts a closed answer that both find right twice, so
    that an accuracy may be 2; VQA-RAD does so in the total for open ones; PathVQA sets the closed ones to 0."""
    opened, closed = [row for row in rows if row.kind == "OPEN"], [row for row in rows if row.kind == "CLOSED"]
    if data_set == "SLAKE":
        by_rule = sum(closed_slake(row.gold, row.response) for row in closed)
    else:
        by_rule = sum(closed_vqa_rad(row.gold, row.response) is True for row in closed)
    by_judge = sum(row.right for row in opened)
    exact = sum(open_exact(row.gold, row.response) for row in opened)
    judged_closed = sum(row.right for row in closed)
    right = {
        "SLAKE": (by_judge, by_rule + judged_closed, by_rule + by_judge + judged_closed),
        "VQA_RAD": (by_judge, by_rule, by_rule + exact + by_judge),
        "PATH_VQA": (by_judge, 0, by_judge),
    }[data_set]
    whole = len(opened), len(closed), len(rows)
    return {name: n / of for name, n, of in zip(("open", "close", "total"), right, whole, strict=True) if of}


def report_mean(
    scores: Sequence[float | None], metric: Literal["bleu", "rouge", "meteor", "cider", "rate", "green"]
) -> float:
    """The mean over reports, None for an empty response. Fault: empty ones are skipped, and then BLEU, ROUGE and METEOR
    are divided by all reports, CIDEr, RaTEScore and GREEN by those that are not empty: two denominators in a table."""
    given = [score for score in scores if score is not None]
    return sum(given) / len(scores if metric in ("bleu", "rouge", "meteor") else given)
