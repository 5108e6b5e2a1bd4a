"""How alike two texts are, word for word: BLEU and ROUGE-L, as scores and as rewards.

BLEU (Papineni et al. 2002) is one figure of a whole corpus. Its counts are those of sacrebleu, kept per text, so that
the corpus' figure is computed anew on any part of it; the mean of the texts' own figures is another number. ROUGE-L
(Lin 2004) is the mean over texts of the F1 of their longest common subsequence.

Shapes: K the counts of a text, ``...`` any number of axes of texts, corpora or resamples.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from unveil.core.words import Overlap

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

#: How sacrebleu cuts a text into words.
Tokeniser = Literal["13a", "zh"]
ORDER = 4
"""The longest n-gram of BLEU."""
COUNTS = 2 * ORDER + 2
"""K: n-grams that both texts hold, n-grams of the answer (1 to 4 words each), words of the answer, of the reference."""
Array = NDArray[np.float64]

_IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")


def tokeniser(reference: str) -> Tokeniser:
    """How answers to this reference are cut: "zh" where it holds Chinese characters, each of which is then a word."""
    return "zh" if _IDEOGRAPH.search(reference) else "13a"


def words(text: str) -> list[str]:
    """The words of a text for ROUGE-L: runs of letters and digits in small letters, and each Chinese character.

    Of ASCII text they are those of rouge-score 0.1.2 without its stemmer, which drops all that is not ASCII.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def rouge_l(said: str, reference: str) -> Overlap:
    """Precision, recall and F1 of the longest common subsequence of words (Lin 2004, equations 2 to 4, beta 1).

    All 0 where nothing is shared or the answer is empty. Raises ``ValueError`` for a reference without a word.
    """
    said_words, true_words = words(said), words(reference)
    if not true_words:
        raise ValueError("the reference holds no word: there is nothing to compare with")
    shared = _common(said_words, true_words)
    if not shared:
        return Overlap(0.0, 0.0, 0.0)
    lengths = len(said_words), len(true_words)
    return Overlap(shared / lengths[0], shared / lengths[1], 2 * shared / sum(lengths))


def _common(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence, by the bits of one integer (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    every = (1 << len(one)) - 1
    row = every
    for word in other:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & every
    return len(one) - row.bit_count()


@lru_cache
def _scorer(cut: Tokeniser) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(lowercase=True, tokenize=cut, effective_order=True)


def bleu_counts(said: str, reference: str) -> tuple[int, ...]:
    """What one answer adds to the corpus' BLEU, (K,): see ``COUNTS``. An empty answer adds its reference's length."""
    found: Any = _scorer(tokeniser(reference)).sentence_score(said, [reference])
    return *found.counts, *found.totals, found.sys_len, found.ref_len


def bleu(counts_K: NDArray[Any], order: int = ORDER) -> Array:
    """BLEU from 0 to 1 of summed counts (..., K), n-grams up to ``order``, smoothing "exp" as sacrebleu has it.

    NaN where there is no reference. Papineni et al. 2002, section 2.3; each order without a match counts as half of the
    one before it without a match (sacrebleu's default, after NIST's mteval-v13a).
    """
    counts_K = np.asarray(counts_K, float)
    shared_O, given_O = counts_K[..., :order], counts_K[..., ORDER : ORDER + order]
    said, true = counts_K[..., -2], counts_K[..., -1]
    smooth_O = 0.5 ** np.cumsum((shared_O == 0) & (given_O > 0), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs_O = np.log(np.where(shared_O > 0, shared_O, smooth_O) / given_O)
        brevity = np.where(said < true, np.exp(1 - true / said), 1.0)
        value: Array = brevity * np.exp(np.where(given_O > 0, logs_O, -np.inf).mean(-1))
    value = np.where((given_O > 0).all(-1) & (shared_O > 0).any(-1), value, 0.0)
    return np.where(true > 0, value, np.nan)


def sentence_bleu(said: str, reference: str) -> float:
    """BLEU-4 of one answer, from 0 to 1, over no more orders than it has words (sacrebleu's effective order)."""
    return float(_scorer(tokeniser(reference)).sentence_score(said, [reference]).score) / 100


def signature(cut: Tokeniser) -> str:
    """How the corpus' BLEU was computed, in sacrebleu's words: another signature is another number."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU(lowercase=True, tokenize=cut)
    scorer.corpus_score(["a"], [["a"]])  # it knows its references' number only then
    return str(scorer.get_signature())
