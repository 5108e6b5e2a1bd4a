"""CIDEr-D (Vedantam, Zitnick and Parikh 2015, arXiv 1411.5726): n-grams in common, rare ones counting for more.

As the paper and coco-caption have it, with one reference each: n-grams of 1 to 4 words, weights by the logarithm of the
number of references over those that hold the n-gram, clipped to the reference's, a Gaussian penalty on the difference
in length with sigma 6, times 10. Words are those of ROUGE-L (coco-caption's Java tokeniser is not used).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unveil.core.text_metrics import words

SIGMA = 6.0
LONGEST = 4
Gram = tuple[str, ...]


@dataclass(frozen=True)
class Vectors:
    """The n-grams of one text with their weights, by n, their norms, and what the penalty takes as its length."""

    weights: list[dict[Gram, float]]
    norms: list[float]
    length: int


def grams(text: str) -> Counter[Gram]:
    """How often each n-gram of up to four words stands in a text."""
    said = words(text)
    return Counter(tuple(said[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(said) - n + 1))


class Cider:
    """CIDEr-D with the weights of a corpus of references."""

    def __init__(self, references: Sequence[str]):
        """Raises ``ValueError`` for fewer than two references: the weight of every n-gram is then 0."""
        if len(references) < 2:
            raise ValueError("CIDEr weighs n-grams by the references that hold them: it takes two references or more")
        self.references = len(references)
        self.log_references = math.log(len(references))
        self.held = Counter(gram for text in references for gram in grams(text))

    def scores(self, answers: Sequence[str], reference: str) -> list[float]:
        """From 0 to 10, of several answers to one reference; 0 too where every n-gram of the reference stands in all
        references (``blind``)."""
        true = self._vectors(grams(reference))
        return [_score(self._vectors(grams(said)), true) for said in answers]

    def blind(self, reference: str) -> bool:
        """Whether no answer to this reference can score: all its n-grams have the weight 0."""
        return all(self.held[gram] == self.references for gram in grams(reference))

    def _vectors(self, counted: Mapping[Gram, int]) -> Vectors:
        weights: list[dict[Gram, float]] = [{} for _ in range(LONGEST)]
        for gram, count in counted.items():
            weights[len(gram) - 1][gram] = count * (self.log_references - math.log(max(1, self.held[gram])))
        norms = [math.sqrt(sum(value**2 for value in of.values())) for of in weights]
        return Vectors(weights, norms, sum(count for gram, count in counted.items() if len(gram) == 2))


def _score(own: Vectors, true: Vectors) -> float:
    penalty = math.exp(-((own.length - true.length) ** 2) / (2 * SIGMA**2))
    return 10 * penalty * sum(_similarity(own, true, n) for n in range(LONGEST)) / LONGEST


def _similarity(own: Vectors, true: Vectors, n: int) -> float:
    """The clipped cosine of the n-grams of one length (equation of section 4's CIDEr-D)."""
    if not (own.norms[n] and true.norms[n]):
        return 0.0
    there = true.weights[n]
    shared = sum(min(value, there[gram]) * there[gram] for gram, value in own.weights[n].items() if gram in there)
    return shared / (own.norms[n] * true.norms[n])
