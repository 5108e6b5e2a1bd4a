"""LLaVA-Med's first evaluator, llava/eval/run_eval.py (github.com/microsoft/LLaVA-Med, commit b9a98a7).

The open "recall", F1 and "exact match" and the closed accuracy of papers that compare themselves with LLaVA-Med are
mostly these. Its accuracy over candidate answers needs a file that was never published and is not here, and its variant
for PathVQA crashes there (it calls that accuracy with two of three arguments). Contractions of two words and more
("she'd've") are left as they are written.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from unveil.core.words import Overlap

_SIGNS = ';/[]"{}()=+\\_-><@`,?!'
_DIGITS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {"none": "0"} | {word: str(n) for n, word in enumerate(_DIGITS.split())}
_ARTICLES = {"a", "an", "the"}
_NOT = "ai are ca could did does do had has have is might must need ought sha should was were wo would"
_ENDINGS = {
    "d": "he someone something there they where who you it",
    "s": "he how somebody someone that there what when where who why",
    "ll": "how it somebody someone something they what who you why",
    "ve": "could might must not should they we what who would you",
    "re": "there they what you we",
}
_CONTRACTIONS = {f"{stem}nt": f"{stem}n't" for stem in _NOT.split()} | {
    f"{stem}{ending}": f"{stem}'{ending}" for ending, stems in _ENDINGS.items() for stem in stems.split()
}
#: ``re.UNICODE`` was passed where the number of replacements belongs.
MOST_STOPS = 32
_STOP = re.compile(r"\.(?!\d)")
_THOUSANDS = re.compile(r"\d,\d")


@lru_cache(maxsize=1 << 14)
def normalised(text: str) -> str:
    """The text as it is compared. Faults: "None" becomes 0 and "two" 2, which hides a no; at most 32 full stops are
    taken out; a sign is a blank or nothing depending on whether a blank stands beside it anywhere in the text."""
    out, grouped = text, _THOUSANDS.search(text) is not None
    for sign in _SIGNS:
        if sign in text:
            beside = f"{sign} " in text or f" {sign}" in text
            out = out.replace(sign, "" if beside or grouped else " ")
    words = (_NUMBERS.get(word, word) for word in _STOP.sub("", out, count=MOST_STOPS).lower().split())
    kept = (_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
    return " ".join(kept).replace(",", "")


def closed(gold: str, predicted: str) -> float:
    """Accuracy of one closed answer. Faults: yes and no are looked for within words ("normal", "nodule", "eyes"), both
    at once are right either way, and an answer without either is wrong though it be the true one ("Left")."""
    said, true = normalised(predicted.lower()), normalised(gold.lower())
    return float(("yes" in said or "no" in said) and true in said)


def closed_pathvqa(gold: str, predicted: str) -> float | None:
    """The same in run_eval_pvqa, and in run_eval before December 2023. Fault: None, a wrong answer that
    holds yes or no, is counted nowhere, so the denominator is too small."""
    said, true = normalised(predicted.lower()), normalised(gold.lower())
    if "yes" in said or "no" in said:
        return 1.0 if true in said else None
    return 0.0


@lru_cache(maxsize=1 << 14)
def _words(text: str) -> Counter[str]:
    return Counter(normalised(normalised(text.lower())).split())  # by the evaluator, and again by each of its metrics


def open_overlap(gold: str, predicted: str) -> Overlap:
    """Precision, "recall" and F1 of the words of an open answer. Fault: a right word counts as often as the answer
    repeats it, also in the recall."""
    said, true = _words(predicted), _words(gold)
    hits = sum(n for word, n in said.items() if word in true)
    if not hits:
        return Overlap(0.0, 0.0, 0.0)
    missed = sum(n for word, n in true.items() if word not in said)
    precision, recall = hits / said.total(), hits / (hits + missed)
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall))


def open_exact(gold: str, predicted: str) -> float:
    """Its "exact match" of an open answer. Fault: it is the share of the answer's words that are the truth's."""
    said, true = _words(predicted), _words(gold)
    return sum(word in said for word in true) / said.total() if said else 0.0


def bleu(gold: str, predicted: str, order: int) -> float:
    """Its bleu_1 to bleu_3 (``nltk``, without smoothing). Fault: the weights are those of one order alone, so that it
    is no BLEU of that order, which takes in all lower ones."""
    said, true = normalised(predicted.lower()).split(), normalised(gold.lower()).split()
    if not set(said) & set(true):
        return 0.0

    def grams(words: list[str]) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))

    found = grams(said)
    precision = (found & grams(true)).total() / max(1, found.total())
    return precision * (1.0 if len(said) > len(true) else math.exp(1 - len(true) / len(said)))


def printed(rows: Iterable[tuple[str, str, str]]) -> dict[str, float]:
    """What it prints of rows (OPEN or CLOSED, gold, predicted), in per cent. Faults: the two counts stand under each
    other's name, and a benchmark without closed questions has a closed accuracy of 0."""
    rows = list(rows)
    opened = [(gold, said) for kind, gold, said in rows if kind == "OPEN"]
    hits = [closed(gold, said) for kind, gold, said in rows if kind == "CLOSED"]
    overlaps = [open_overlap(gold, said) for gold, said in opened]
    return {
        "num_open": len(hits),
        "num_close": len(opened),
        "exact match score": 100 * sum(open_exact(gold, said) for gold, said in opened) / len(opened),
        "f1 score": 100 * sum(one.f1 for one in overlaps) / len(opened),
        "precision": 100 * sum(one.precision for one in overlaps) / len(opened),
        "recall": 100 * sum(one.recall for one in overlaps) / len(opened),
        "yes/no accuracy": 100 * sum(hits) / len(hits) if hits else 0.0,
    }
