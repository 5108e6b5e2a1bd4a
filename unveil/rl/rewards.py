"""Rewards: what an answer is worth, as functions of the answer, the record, and where the model looked.

The rewards of UMed-LVLM (arXiv 2501.01377) are ``localisation`` (its ALR), ``vision`` (VRR) and ``relevance``. A reward
gives a number, mostly from 0 to 1, or None where there is nothing to judge, such as a place where no place is known:
None is neither a success nor a failure, is counted, and moves nothing. Parsing and geometry are those of the metrics
(``grading``). A new reward is a function here and a line of ``REWARDS``; a user's own is ``FILE.py:FUNCTION``, or of a
plugin (``own_rewards``).

Shapes: Q questions, G answers to each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unveil.core import plugins
from unveil.core.answered import Answered
from unveil.core.geometry import attended, match, mean_giou, mean_iou
from unveil.core.grading import EXACT, score
from unveil.core.plugins import short, told
from unveil.core.registry import Registry
from unveil.rl.own_rewards import FormError, Own, check_name, read
from unveil.rl.text_rewards import bleu, findings, radgraph, similarity

Combination = Literal["max", "z", "sum"]
UNUSABLE = "unusable"
"""What stands for an answer that cannot be used, among the shares of rewards."""
FLAT = 1e-9
"""A spread, or a largest value, that is none."""


class RewardError(ValueError):
    """A reward that cannot be used: it raised, or gave no number. The message names it and the item."""


Function = Callable[[Answered], float | None]


# ------------------------------------------------------------------------------------------------------ the functions


def localisation(answered: Answered) -> float | None:
    """IoU, matched one to one and divided by the larger number of boxes; 1 where there is none and none was said."""
    true = answered.true_boxes
    return None if true is None else mean_iou(answered.case.parsed.boxes, true)


def giou(answered: Answered) -> float | None:
    """As ``localisation``, of (1 + GIoU) / 2: it also tells apart boxes that do not touch the true one."""
    true = answered.true_boxes
    return None if true is None else mean_giou(answered.case.parsed.boxes, true)


def hits(threshold: float) -> Function:
    """As ``localisation``, each matched pair counted 1 from an IoU of ``threshold`` on, else 0 (MedGround-R1)."""

    def localisation(answered: Answered) -> float | None:
        true, said = answered.true_boxes, answered.case.parsed.boxes
        if true is None:
            return None
        most = max(len(true), len(said))
        return sum(v >= threshold - EXACT for _, _, v in match(said, true)) / most if most else 1.0

    return localisation


def vision(answered: Answered) -> float | None:
    """The share of the attention to the image that words naming a category pay to its boxes, mean over categories.

    A category that is there and not named counts 0, and so does one that is named and not there: else it would pay to
    name them all. None where attention was not read, and where there is no true box.
    """
    true = answered.true_boxes
    if answered.attention is None or not true or answered.dialogue.kind != "diagnosis":
        return None
    labels = sorted({*_labels(answered), *answered.case.parsed.labels})
    return float(np.mean([_attended(answered, label)[0] for label in labels]))


def vision_lift(answered: Answered) -> float | None:
    """How many times more than by chance: attention to the boxes over their share of the image, 1 if spread evenly.

    Of the categories that are named only. For watching and for reports; as a reward it favours small boxes.
    """
    true = answered.true_boxes
    if not answered.attention or not true:
        return None
    found = [_attended(answered, label) for label in _labels(answered) if label in answered.attention]
    lifts = [share / even for share, even in found if even > 0]
    return float(np.mean(lifts)) if lifts else None


def _labels(answered: Answered) -> list[str]:
    return sorted({answered.case.name(f.label) for f in answered.findings or ()})


def _attended(answered: Answered, label: str) -> tuple[float, float]:
    """Attention of the words for ``label`` to its boxes, and what it would be if spread evenly."""
    attention = (answered.attention or {}).get(label)
    if attention is None or label not in _labels(answered):
        return 0.0, 0.0
    boxes = [f.box for f in answered.findings or () if f.box and answered.case.name(f.label) == label]
    return attended(attention.shares_P, attention.places_P4, boxes)


def relevance(answered: Answered) -> float | None:
    """The judge's score; without a judge, how much of what was asked the answer names rightly, by the annotations.

    Of a diagnosis that is the mean of ``detection`` and ``category``: the place has a reward of its own.
    """
    if answered.judged:
        return answered.relevance
    if answered.dialogue.kind != "diagnosis":
        return score(answered.outcome)
    named, seen = category(answered), detection(answered)
    return None if named is None or seen is None else (named + seen) / 2


def category(answered: Answered) -> float | None:
    """Names: those that are right over the larger number of names; 1 where there is nothing and nothing was said."""
    if answered.dialogue.kind == "recognition":
        return None if answered.outcome.right is None else float(answered.outcome.right)
    if answered.dialogue.kind != "diagnosis" or answered.findings is None:
        return None
    said, true = Counter(answered.case.parsed.labels), Counter(answered.case.name(f.label) for f in answered.findings)
    most = max(said.total(), true.total())
    return (said & true).total() / most if most else float(not answered.case.parsed.findings)


def detection(answered: Answered) -> float | None:
    """Whether it was seen that something, or nothing, is abnormal."""
    if answered.dialogue.kind not in ("detection", "diagnosis") or answered.findings is None:
        return None
    return float(answered.case.parsed.abnormal is bool(answered.findings))


def form(answered: Answered) -> float | None:
    """The form that was asked for: readable to the end, no broken box, and in a diagnosis a name for each box."""
    parsed = answered.case.parsed
    fits = answered.dialogue.kind != "diagnosis" or len(parsed.boxes) == len(parsed.labels)
    return float(answered.usable and not parsed.malformed and fits)


# ------------------------------------------------------------------------------------------------------- their weights


@dataclass(frozen=True)
class Reward:
    """A reward by name; weight 0 only watches it. ``scaled`` rewards are divided by the best of a group ("max")."""

    name: str
    function: Function | Own
    weight: float = 1.0
    scaled: bool = True

    def of(self, group: Sequence[Answered]) -> list[float]:
        """Its values for the answers to one question, NaN for none; raises ``RewardError`` where it fails."""
        where = f"{group[0].dialogue.id}: reward {self.name}"
        try:
            if isinstance(self.function, Own):
                values = self.function(group)
            else:
                values = [self.function(answered) for answered in group]
        except Exception as error:  # whatever a user's function raises is told with the item
            lacking = self.function.lacking(error) if isinstance(self.function, Own) else ""
            raise RewardError(f"{where} raised {told(error)}{lacking}") from error
        if len(values) != len(group):
            raise RewardError(f"{where} gave {len(values)} values for {len(group)} answers")
        return [_value(value, where) for value in values]

    def __call__(self, answered: Answered) -> float:
        """Its value for one answer."""
        return self.of([answered])[0]


def _value(value: Any, where: str) -> float:
    """A number, also numpy's or torch's; NaN for None."""
    if value is None:
        return math.nan
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    if not isinstance(plain, int | float) or not math.isfinite(plain):
        raise RewardError(f"{where} gave {short(value)}, not a finite number or None")
    return float(plain)


_FUNCTIONS: dict[str, Function | Own] = {
    "localisation": localisation,
    "vision": vision,
    "vision-lift": vision_lift,
    "relevance": relevance,
    "category": category,
    "detection": detection,
    "form": form,
    "giou": giou,
    "similarity": similarity,
    "bleu": bleu,
    "findings": findings,
    "radgraph": Own(radgraph, "texts"),
}


def _fit(name: str, function: Any) -> Own:
    """A user's function under a name that tells it from all else; raises ``FormError``."""
    check_name(name)
    return read(function)


REWARDS: Registry[Function | Own] = Registry("REWARDS", _FUNCTIONS, _fit)


def named(name: str, weight: float) -> Reward:
    """A reward of ``REWARDS``, ``hits@0.5``, or a user's FILE.py:FUNCTION (``own_rewards``)."""
    if ":" in name:
        label = plugins.label(name)
        try:
            return Reward(label, _fit(label, plugins.function(name)), weight)
        except FormError as error:
            raise RewardError(f"reward {label}: {error}") from error
    base, _, threshold = name.partition("@")
    if base == "hits" and threshold:
        least = _number(threshold)
        if least is None or not 0 < least <= 1:
            raise RewardError(f"{name!r}: a threshold is a number above 0 and up to 1, as in hits@0.5")
        return Reward(name, hits(least), weight)
    if name not in REWARDS:
        raise RewardError(f"no reward {name!r}: one of {', '.join(REWARDS)}, hits@THRESHOLD, or FILE.py:FUNCTION")
    return Reward(name, REWARDS[name], weight, scaled=name != "relevance")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def weighted(text: str) -> Reward:
    """A reward as options name it: its name, or NAME=WEIGHT."""
    name, sign, weight = text.rpartition("=")
    if not sign:
        return named(text, 1.0)
    number = _number(weight)
    if number is None or not math.isfinite(number):
        raise RewardError(f"{text!r}: a weight is a number, as in form=0.5")
    return named(name, number)


def tightened(mean: float, low: float = 0.3, high: float = 0.75) -> float:
    """The threshold for hits that a running mean of IoU asks for: the mean itself, within bounds.

    As the model improves the threshold rises, so that there are always answers on either side of it (after MedLoc-R1,
    arXiv 2603.28120).
    """
    return min(high, max(low, mean))


# ------------------------------------------------------------------------------------------------------------ the sum


def shares(
    parts_QG: Mapping[str, Float[ndarray, "Q G"]],
    rewards: Sequence[Reward],
    usable_QG: Bool[ndarray, "Q G"],
    how: Combination = "max",
) -> dict[str, Float[ndarray, "Q G"]]:
    """What each reward adds to each answer's total, (Q, G), by its name; their sum is the total.

    - "max" (UMed-LVLM): each part over the largest of its group (in size, where it is negative), but the relevance as
      it is; 0 where all are 0;
    - "z": each part with mean 0 and standard deviation 1 in its group, 0 where all are alike;
    - "sum": as they are.

    A part that is None for an answer counts as the mean of its group there. An answer that cannot be used (nothing, not
    readable, cut) never scores above one that can: it gets the least of its group, and at most 0. That stands under
    ``UNUSABLE``, and no reward adds to it.
    """
    out: dict[str, Float[ndarray, "Q G"]] = {}
    for reward in rewards:
        if not reward.weight:
            continue
        values_QG = np.where(usable_QG | np.isnan(parts_QG[reward.name]), parts_QG[reward.name], 0.0)
        known_QG = ~np.isnan(values_QG)
        mean_Q1 = np.where(known_QG, values_QG, 0.0).sum(1, keepdims=True) / known_QG.sum(1, keepdims=True).clip(1)
        values_QG = np.where(known_QG, values_QG, mean_Q1)
        scaled_QG = _SCALES[how if reward.scaled or how != "max" else "sum"](values_QG)
        out[reward.name] = np.where(usable_QG, reward.weight * scaled_QG, 0.0)
    total_QG = sum(out.values(), np.zeros(usable_QG.shape))
    least_Q1 = np.where(usable_QG, total_QG, np.inf).min(1, keepdims=True)
    return {**out, UNUSABLE: np.where(usable_QG, 0.0, np.minimum(least_Q1, 0.0))}


def _over_largest(values_QG: Float[ndarray, "Q G"]) -> Float[ndarray, "Q G"]:
    largest_Q1 = np.abs(values_QG).max(1, keepdims=True)
    scaled_QG = np.zeros_like(values_QG)
    np.divide(values_QG, largest_Q1, out=scaled_QG, where=largest_Q1 > FLAT)
    return scaled_QG


def _standardised(values_QG: Float[ndarray, "Q G"]) -> Float[ndarray, "Q G"]:
    spread_Q1 = values_QG.std(1, keepdims=True)
    apart_QG = values_QG - values_QG.mean(1, keepdims=True)
    scaled_QG = np.zeros_like(values_QG)
    np.divide(apart_QG, spread_Q1, out=scaled_QG, where=spread_Q1 > FLAT)
    return scaled_QG


_SCALES: dict[str, Callable[[ndarray], ndarray]] = {
    "max": _over_largest,
    "z": _standardised,
    "sum": lambda values_QG: values_QG,
}


def watched(
    parts_QG: Mapping[str, Float[ndarray, "Q G"]], usable_QG: Bool[ndarray, "Q G"]
) -> dict[str, tuple[float, float]]:
    """What is logged of each part, as sums and counts: mean and mean square, shares of zeros and of those without a
    verdict, and the share of groups of which it told no two usable answers apart."""
    out: dict[str, tuple[float, float]] = {}
    for name, values_QG in parts_QG.items():
        known = values_QG[~np.isnan(values_QG)]
        judged_QG = usable_QG & ~np.isnan(values_QG)
        most_Q, least_Q = (np.where(judged_QG, sign * values_QG, -np.inf).max(1) for sign in (1, -1))
        out |= {
            name: (known.sum(), known.size),
            f"{name}_squared": ((known**2).sum(), known.size),
            f"{name}_zero": ((known == 0).sum(), known.size),
            f"{name}_none": (np.isnan(values_QG).sum(), values_QG.size),
            f"{name}_alike": ((most_Q + least_Q <= FLAT).sum(), len(values_QG)),
        }
    return {name: (float(total), float(count)) for name, (total, count) in out.items()}


def spread(mean: Mapping[str, float]) -> dict[str, float]:
    """The figures with standard deviations in the place of mean squares."""
    out = dict(mean)
    for name in [name for name in mean if name.endswith("_squared")]:
        own = name.removesuffix("_squared")
        variance = out.pop(name) - mean[own] ** 2
        out[f"{own}_spread"] = variance**0.5 if variance > FLAT**1.5 else 0.0  # rounding makes none
    return out
