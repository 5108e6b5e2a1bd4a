"""POPE's own evaluation (github.com/AoiDragon/POPE, commit 3df3ba1; Li et al. 2023, arXiv 2305.10355)."""

from __future__ import annotations

from collections.abc import Sequence


def says_yes(text: str) -> bool:
    """How an answer is read: its first sentence without commas, no where No, no or not is one of its words. Fault: all
    else is a yes, "Normal." and an empty answer too."""
    return not {"No", "not", "no"} & {*text.partition(".")[0].replace(",", "").split(" ")}


def figures(answers: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
    """Figures of answers and truths, matched by their order. Faults: answers in another order are another score, and
    ``ZeroDivisionError`` is raised where a model never says yes."""
    said, true = list(map(says_yes, answers)), [one == "yes" for one in gold]
    pairs = list(zip(said, true, strict=False))
    hits, alarms, missed = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True)))
    precision, recall = hits / (hits + alarms), hits / (hits + missed)
    return {
        "accuracy": sum(a is b for a, b in pairs) / len(pairs),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "yes_ratio": sum(said) / len(said),
    }
