"""Questions whose true answer is a number, such as counts and ages: how far off answers are.

An answer is read if it holds one number. Of others the error is not known: they take no part in it, and are counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unveil.core.grading import Case
from unveil.core.records import Dialogue, Prediction
from unveil.evaluate.sections.ratios import estimates, ratio

#: A number that is no part of a word, such as the 2 of T2 or the 19 of COVID-19.
NUMBER = re.compile(r"(?<![\w.,])(?<![^\W\d_]-)-?\d+(?:[.,]\d+)?(?![\w]|[.,]\d)")
COUNTING = re.compile(r"\b(how many|number of|count)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Miss:
    """How far off one answer is."""

    cluster: str
    counts: bool
    """Whether something was to be counted, not to be measured."""
    error: float | None
    """Absolute; None of an answer that holds no number, or several."""


def number(text: str) -> float | None:
    """The number that a text holds; None where it holds none, or several. A comma before digits is a decimal one unless
    three follow it: "1,5" is 1.5 and "1,500" is 1500."""
    found = NUMBER.findall(text)
    if len(found) != 1:
        return None
    digits = found[0]
    return float(digits.replace(",", "") if re.search(r",\d{3}$", digits) else digits.replace(",", "."))


def asks(dialogue: Dialogue) -> bool:
    """Whether the true answer is nothing but a number."""
    answer = dialogue.answer.strip()
    return dialogue.kind == "open" and number(answer) is not None and NUMBER.fullmatch(answer) is not None


def counts(dialogue: Dialogue) -> bool:
    """Whether something is to be counted."""
    return COUNTING.search(dialogue.question) is not None


def misses(answers: Iterable[tuple[Case, Prediction]]) -> list[Miss]:
    """Of each question that ``asks`` for a number."""
    found = []
    for d, case in ((case.dialogue, case) for case, _ in answers if asks(case.dialogue)):
        true, said = number(d.answer), number(case.text)
        error = None if said is None or true is None else abs(said - true)
        found.append(Miss(case.record.cluster, counts(d), error))
    return found


def figures(rows: Sequence[Miss], resamples: int, seed: int) -> dict[str, Mapping[str, Any]]:
    """The mean absolute error of counts and of measures, each with a 95 % interval over clusters, as JSON values."""
    found = {}
    for name, counting in (("counting_mae", True), ("regression_mae", False)):
        own = [row for row in rows if row.counts == counting]
        if own:
            found[name] = _mean(own, resamples, seed)
    return found


def _mean(rows: Sequence[Miss], resamples: int, seed: int) -> Mapping[str, Any]:
    read = [(row.cluster, row.error) for row in rows if row.error is not None]
    about = {"unread": len(rows) - len(read)}
    if not read:
        nothing = {"value": None, "low": None, "high": None, "reason": "no answer holds one number"}
        return {**nothing, "n": 0, "clusters": 0, **about}
    errors_N2 = np.array([(error, 1.0) for _, error in read])
    of = {"mae": ratio(0, 1, highest=math.inf)}
    found = estimates(of, errors_N2, [cluster for cluster, _ in read], resamples, seed)["mae"]
    return {"reason": None, **found, **about}
