"""lmms-eval (github.com/EvolvingLMMs-Lab/lmms-eval, commit 75571cfe): SLAKE, POPE and RefCOCO."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache

from unveil.core.geometry import Box
from unveil.evaluate.published.box_iou import unguarded

# ------------------------------------------------------------------------------------------------------------- SLAKE

_BRACKETS = re.compile(r"\([^)]*\)|（[^）]*）")
_SIGNS = re.compile(f"[{re.escape(string.punctuation)}\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65。《》【】]")
_YES = {"yes", "yeah", "yep", "true", "是", "是的", "有", "包含", "可以", "能", "会", "正常"}
_NO = {"no", "nope", "false", "否", "不是", "没有", "无", "不包含", "不能", "不会", "不可以", "不正常", "异常"}


@lru_cache(maxsize=1 << 14)
def slake_normalised(answer: str) -> str:
    """The answer as it is compared. Faults: whatever stands in brackets is lost, a decimal point becomes a blank, and
    正常 ("normal") is a yes, 异常 ("abnormal") a no, whatever was asked."""
    text = " ".join(_SIGNS.sub(" ", _BRACKETS.sub(" ", answer.strip().lower())).split())
    text = "xray" if text == "x ray" else text
    return "yes" if text in _YES else "no" if text in _NO else text


def slake(gold: str, predicted: str) -> bool:
    """Whether an answer is right: the same letters after ``slake_normalised``."""
    return slake_normalised(predicted) == slake_normalised(gold)


def slake_accuracy(verdicts: Iterable[bool]) -> float:
    """The accuracy of a group. Fault: that of a group without a question is 0."""
    verdicts = list(verdicts)
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


# -------------------------------------------------------------------------------------------------------------- POPE


def pope(rows: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Figures of answers to yes-or-no questions (gold, predicted). Faults: only the bare word counts ("Yes." is wrong);
    the yes-ratio is that of the truth, not of the answers; an answer that is neither leaves the recall as it is."""
    pairs = [(gold.lower().strip(), said.lower().strip()) for gold, said in rows]
    hits, alarms, missed = (pairs.count(pair) for pair in (("yes", "yes"), ("no", "yes"), ("yes", "no")))
    precision, recall = (hits / whole if whole else 0.0 for whole in (hits + alarms, hits + missed))
    return {
        "accuracy": sum(gold == said for gold, said in pairs) / len(pairs),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "yes_ratio": sum(gold == "yes" for gold, _ in pairs) / len(pairs),
    }


# ----------------------------------------------------------------------------------------------------------- RefCOCO

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)"
_FOUR = re.compile(rf"\[{','.join([_NUMBER] * 4)}\s*\]")


def refcoco_box(text: str) -> Box:
    """The first list of four numbers, as shares of the image. Fault: a text without one is a box (0, 0, 0, 0)."""
    found = _FOUR.search(text)
    return (float(found[1]), float(found[2]), float(found[3]), float(found[4])) if found else (0.0, 0.0, 0.0, 0.0)


def refcoco_iou(predicted: Box, true: Box) -> float:
    """Intersection over union. Fault: an inverted box has a negative area; raises ``ZeroDivisionError`` where the areas
    cancel, and where two boxes without one meet."""
    return unguarded(predicted, true)


def refcoco_center(predicted: Box, true: Box) -> bool:
    """Center_ACC. Fault: the middle of what could not be read is (0, 0), which lies in a box that begins there."""
    x, y = (predicted[0] + predicted[2]) / 2, (predicted[1] + predicted[3]) / 2
    return true[0] <= x <= true[2] and true[1] <= y <= true[3]
