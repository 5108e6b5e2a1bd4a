"""A language model's verdicts on answers: asked in both orders, each answer counted once, two judges compared.

Shapes: B resamples, C clusters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.core.records import Dialogue, Prediction, Record
from unveil.evaluate.estimates import divided, estimate, plain
from unveil.evaluate.sections import ratios
from unveil.experts.expert import Expert
from unveil.experts.requests import Request, Strict, Turn, prompt
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill

Array = NDArray[np.float64]
Verdict = Literal["right", "wrong", "order", "none", "empty"]
#: What a verdict means; all but "none" count, and only "right" as right.
MEANINGS: dict[Verdict, str] = {
    "right": "right in both orders",
    "wrong": "wrong in both orders",
    "order": "right in one order only, so wrong",
    "none": "no usable reply in one of the orders, so left out",
    "empty": "an answer without text, wrong without being asked about",
}

_REFERENCE = "The reference:\n{truth}"
_ANSWER = "The answer:\n{answer}"
_ASK = """Question about a medical image, which you are not shown:
{question}
%s
%s
Is the answer right? It is where it says what the reference says about what was asked, in whatever words, and nothing \
that contradicts it. More detail than the reference has is no mistake. Reply with "right", true or false."""
ORDERS = (_ASK % (_REFERENCE, _ANSWER), _ASK % (_ANSWER, _REFERENCE))


class RightOrWrong(Strict):
    """Whether an answer is right."""

    right: bool


@dataclass(frozen=True)
class JudgedPrediction:
    """A verdict on one model's answer to one question."""

    model: str
    id: str
    cluster: str
    verdict: Verdict


def judged(
    expert: Expert,
    predictions: Mapping[str, Sequence[Prediction]],
    dialogues: Mapping[str, Dialogue],
    records: Mapping[str, Record],
    told: Callable[[], object] = lambda: None,
) -> list[JudgedPrediction]:
    """Verdicts on all answers of all models. Equal answers to one question are asked about once, in two orders.

    ``told`` is called once per reply.
    """
    asked: dict[tuple[str, str], str] = {}
    for rows in predictions.values():
        for row in rows:
            if row.answer.strip():
                asked.setdefault((row.id, row.answer), f"{row.id}#{len(asked)}")

    def requests() -> Iterable[Request]:
        for (name, answer), key in asked.items():
            for order in range(len(ORDERS)):
                yield _request(dialogues[name], records[dialogues[name].record], answer, f"{key}/{order}", order)

    replies: dict[str, dict[str, bool | None]] = defaultdict(dict)
    for reply in expert.answer(requests()):
        key, _, order = reply.id.rpartition("/")
        replies[key][order] = reply.value.right if reply.error is None else None
        told()
    return [
        JudgedPrediction(
            model,
            row.id,
            records[row.record].cluster,
            _verdict(replies[asked[row.id, row.answer]]) if row.answer.strip() else "empty",
        )
        for model, rows in predictions.items()
        for row in rows
    ]


def requests_of(predictions: Mapping[str, Sequence[Prediction]]) -> int:
    """How many replies are needed."""
    return len(ORDERS) * len(
        {(row.id, row.answer) for rows in predictions.values() for row in rows if row.answer.strip()}
    )


def _request(dialogue: Dialogue, record: Record, answer: str, name: str, order: int) -> Request:
    parts = {"question": dialogue.question, "truth": dialogue.answer, "answer": answer}
    text = fill(ORDERS[order], **{key: quoted(value) for key, value in parts.items()})
    return Request(id=name, task="judge an answer", **prompt(Turn("user", text)), schema=RightOrWrong, record=record)


def _verdict(by_order: Mapping[str, bool | None]) -> Verdict:
    said = [by_order.get(str(order)) for order in range(len(ORDERS))]
    if None in said:
        return "none"
    return "right" if all(said) else "order" if any(said) else "wrong"


# ----------------------------------------------------------------------------------------------------------- figures


def summary(rows: Sequence[JudgedPrediction], resamples: int, seed: int) -> dict[str, Any]:
    """By model the share of right answers with its interval, over answers with a verdict, and the verdicts counted."""
    told = {}
    for model in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == model]
        counted = [row for row in own if row.verdict != "none"]
        sums_C2, clusters = _sums([(row.cluster, (row.verdict == "right", 1.0)) for row in counted], 2)
        value, values_B = _resampled(sums_C2, resamples, seed, _share)
        counts = {name: n for name in MEANINGS if (n := sum(row.verdict == name for row in own))}
        right = plain(estimate(value, values_B, len(counted), clusters))
        told[model] = {"right": right, "n": len(counted), "verdicts": counts}
    return told


def differences(rows: Sequence[JudgedPrediction], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """How much more each model is right than each earlier one: by both names, the later one first.

    Over the answers on which both have a verdict, on the same resamples of patients; ``n`` is their number.
    """
    names = dict.fromkeys(row.model for row in rows)
    counted = {name: {row.id: row for row in rows if row.model == name} for name in names}
    return {
        b: {a: _apart(counted[a], counted[b], resamples, seed) for a in list(counted)[:i]}
        for i, b in enumerate(counted)
        if i
    }


def _apart(
    first: Mapping[str, JudgedPrediction], second: Mapping[str, JudgedPrediction], resamples: int, seed: int
) -> dict[str, Any]:
    both = [i for i in first if i in second and "none" not in (first[i].verdict, second[i].verdict)]
    if not both:
        return {"value": None, "low": None, "high": None, "n": 0, "reason": "no answer of both has a verdict"}
    first_N2, second_N2 = (np.array([(one[i].verdict == "right", 1.0) for i in both]) for one in (first, second))
    clusters = [first[i].cluster for i in both]
    right = {"right": ratios.ratio(0, 1)}
    return ratios.differences(right, first_N2, second_N2, clusters, resamples, seed)["right"]


def agreement(
    first: Sequence[JudgedPrediction], second: Sequence[JudgedPrediction], resamples: int, seed: int
) -> dict[str, Any]:
    """Cohen's kappa (1960, doi 10.1177/001316446002000104) of two judges' verdicts, right or not, with its interval,
    and the share on which they agree with its; over the answers on which both have a verdict.

    Of a kappa that no resample moves, such as 1, no interval is known: an exact one would rest on how often a verdict
    agrees by chance. That of the share on which judges agree is the one to read."""
    other = {(row.model, row.id): row.verdict == "right" for row in second if row.verdict not in ("none", "empty")}
    pairs = [
        (row.cluster, (row.verdict == "right", other[row.model, row.id]))
        for row in first
        if row.verdict not in ("none", "empty") and (row.model, row.id) in other
    ]
    cells = [(cluster, [float((a, b) == cell) for cell in _CELLS]) for cluster, (a, b) in pairs]
    table_C4, clusters = _sums(cells, 4)
    value, values_B = _resampled(table_C4, resamples, seed, kappa)
    same, same_B = _resampled(table_C4, resamples, seed, _agreeing)
    return {
        "kappa": plain(estimate(value, values_B, len(pairs), clusters, lowest=-1.0, highest=np.inf)),
        "n": len(pairs),
        "agree": plain(estimate(same, same_B, len(pairs), clusters)),
    }


_CELLS = ((True, True), (True, False), (False, True), (False, False))


def kappa(table_B4: Array) -> Array:
    """Cohen's kappa of tables of verdicts (both right, first only, second only, neither); NaN where both judges always
    say the same, so that all agreement may be chance."""
    both, first, second, neither = table_B4.T
    n = table_B4.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (both + neither) / n
        chance = ((both + first) * (both + second) + (second + neither) * (first + neither)) / n**2
        return np.where(chance < 1, (seen - chance) / (1 - chance), np.nan)


def _agreeing(table_B4: Array) -> Array:
    return divided(table_B4[:, [0, 3]].sum(1), table_B4.sum(1))


def _share(sums_B2: Array) -> Array:
    return divided(sums_B2[:, 0], sums_B2[:, 1])


def _sums(rows: Sequence[tuple[str, Sequence[float]]], width: int) -> tuple[Array, int]:
    """The rows added up by cluster, sorted, and the number of clusters."""
    place = {name: i for i, name in enumerate(sorted({cluster for cluster, _ in rows}))}
    sums = np.zeros((max(1, len(place)), width))
    for cluster, values in rows:
        sums[place[cluster]] += values
    return sums, len(place)


def _resampled(sums_C: Array, resamples: int, seed: int, of: Callable[[Array], Array]) -> tuple[float, Array]:
    (drawn_B,) = bootstrap.resampled([sums_C], resamples, seed)
    return float(of(sums_C.sum(0, keepdims=True))[0]), of(drawn_B)
