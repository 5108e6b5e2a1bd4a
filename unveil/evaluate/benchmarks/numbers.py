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

from unveil.core import bootstrap
from unveil.core.records import Dialogue, Prediction, Record
from unveil.evaluate.estimates import divided, estimate, plain

#: A number that is no part of a word, such as the 2 of T2 or of CO2.
NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?(?![\w]|[.,]\d)")
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


def misses(records: Iterable[Record], dialogues: Iterable[Dialogue], predictions: Iterable[Prediction]) -> list[Miss]:
    """Of each open question whose true answer is nothing but a number."""
    clusters = {r.id: r.cluster for r in records}
    answers = {p.id: p.answer for p in predictions}
    found = []
    for d in dialogues:
        true = number(d.answer)
        if d.kind != "open" or true is None or not NUMBER.fullmatch(d.answer.strip()):
            continue
        said = number(answers[d.id])
        error = None if said is None else abs(said - true)
        found.append(Miss(clusters[d.record], bool(COUNTING.search(d.question)), error))
    return found


def figures(rows: Sequence[Miss], resamples: int, seed: int) -> dict[str, Mapping[str, Any]]:
    """The mean absolute error of counts and of measures, each with a 95 % interval over clusters, as JSON values."""
    found = {}
    for name, counts in (("counting_mae", True), ("regression_mae", False)):
        own = [row for row in rows if row.counts == counts]
        if own:
            found[name] = _mean(own, resamples, seed)
    return found


def _mean(rows: Sequence[Miss], resamples: int, seed: int) -> Mapping[str, Any]:
    read = [(row.cluster, row.error) for row in rows if row.error is not None]
    clusters = sorted({cluster for cluster, _ in read})
    about = {"n": len(read), "clusters": len(clusters), "unread": len(rows) - len(read)}
    if not read:
        return {"value": None, "low": None, "high": None, "reason": "no answer holds one number", **about}
    at = {cluster: i for i, cluster in enumerate(clusters)}
    sums_C2 = np.zeros((len(clusters), 2))
    for cluster, error in read:
        sums_C2[at[cluster]] += error, 1
    value = float(sums_C2[:, 0].sum() / len(read))
    [drawn_B2] = bootstrap.resampled([sums_C2], resamples, seed)
    found = estimate(value, divided(drawn_B2[:, 0], drawn_B2[:, 1]), len(read), len(clusters), highest=math.inf)
    return {"reason": None, **plain(found), "unread": len(rows) - len(read)}
