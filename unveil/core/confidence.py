"""How sure a model is of a box that it writes, from the log-probabilities of the tokens that write it.

A detector tells P(there is an object) and P(class | object), whose product ranks its boxes (YOLO, Redmon et al. 2016,
arXiv 1506.02640, equation 1). A language model tells the probability of the tokens instead: of those that write a box's
four numbers, and of those that write its name. Here each of the two is the geometric mean of its tokens' probabilities,
so that neither a long name nor a number of many digits is less sure than a short one, and the score is their product.
Of a box whose name the question gives, it is that of the numbers alone.

A score is no probability that the box is right before it is calibrated (isotonic regression, ``evaluate``).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from unveil.core.aligned import Span
from unveil.core.answers import Parsed
from unveil.core.box_formats import numbers_in

LARGEST = 1e-3
"""A log-probability above 0 by more than rounding in half precision is none."""


class ConfidenceError(ValueError):
    """Tokens that cannot be those of an answer; the message says what is wrong with them."""


@dataclass(frozen=True)
class Confidence:
    """Mean log-probabilities of the tokens of a box's numbers and of its name (None where the answer gives none)."""

    coordinates: float
    name: float | None

    @property
    def score(self) -> float:
        """From 0 to 1; larger is surer."""
        return min(1.0, math.exp(self.coordinates + (self.name or 0.0)))


@dataclass(frozen=True)
class Tokens:
    """The tokens of an answer: where each ends in its text (it begins where the one before it ends), and its
    log-probability. Plain lists, since answers are short and many."""

    ends: list[int]
    logps: list[float]

    @classmethod
    def of(cls, text: str, tokens: Sequence[tuple[int, float]]) -> Tokens:
        """Raises ``ConfidenceError`` where the tokens cannot be those of the text."""
        ends, logps = [end for end, _ in tokens], [logp for _, logp in tokens]
        if ends != sorted(ends) or ends[0] < 0 or ends[-1] > len(text):
            raise ConfidenceError(f"tokens must end one after the other within the {len(text)} letters of the answer")
        if wrong := [logp for logp in logps if not logp <= LARGEST]:
            raise ConfidenceError(f"a token's log-probability is {wrong[0]:g}, not a number up to 0")
        return cls(ends, logps)

    def mean(self, spans: Sequence[Span]) -> float | None:
        """The mean log-probability of the tokens that write any part of the spans; None where there is none.

        A token without letters of its own, such as one for the end of the text, writes nothing.
        """
        found: set[int] = set()
        for start, end in spans:
            at = bisect_right(self.ends, start)  # the first that ends behind the start
            while at < len(self.ends) and (begins := self.ends[at - 1] if at else 0) < end:
                if begins < self.ends[at]:
                    found.add(at)
                at += 1
        return sum(self.logps[at] for at in found) / len(found) if found else None


def confidences(text: str, parsed: Parsed, tokens: Sequence[tuple[int, float]]) -> list[Confidence | None]:
    """How sure the model is of each box of ``parsed.boxes``; None where the tokens do not tell.

    ``tokens`` are (end in ``text``, log-probability) of each token of the answer; without them, None for all. Raises
    ``ConfidenceError`` where they cannot be those of the answer.
    """
    places = [at for at, (_, box) in zip(parsed.findings_at, parsed.findings, strict=True) if box is not None]
    if not tokens or not places:
        return [None] * len(places)
    own = Tokens.of(text, tokens)
    return [_confidence(text, own, name, box) for name, box in places]


def _confidence(text: str, tokens: Tokens, name: Span | None, box: Span | None) -> Confidence | None:
    coordinates = tokens.mean(numbers_in(text, *box)) if box else None
    named = tokens.mean([name]) if name else None
    if coordinates is None or (name and named is None):
        return None
    return Confidence(coordinates, named)
