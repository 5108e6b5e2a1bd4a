"""METEOR as nltk computes it (Banerjee and Lavie 2005): needs nltk and WordNet's data, and is else not measured.

It is not the figure of the Java program that R2Gen and others publish (METEOR 1.5 with paraphrases). Fault of nltk's,
which is kept: synonyms are looked up by the stems of words, so that "big" is none of "large", whose stem is "larg".
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from unveil.core.text_metrics import words

#: The score of an answer beside its reference, from 0 to 1.
Scorer = Callable[[str, str], float]


def scorer() -> Scorer | str:
    """What scores an answer, or why it cannot be scored here."""
    if find_spec("nltk") is None:
        return "nltk is not installed: pip install 'unveil[reports]'"
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return "WordNet's data are not on this machine: python -m nltk.downloader wordnet"
    except (OSError, ValueError, AssertionError) as error:  # which nltk raises of files that are missing or cut
        return f"WordNet's data cannot be read: {error}"
    return scored_with(wordnet)


def scored_with(wordnet: object) -> Scorer:
    """The scorer that takes its synonyms from ``wordnet``, of which it calls ``synsets``."""
    from nltk.translate.meteor_score import single_meteor_score

    def score(said: str, reference: str) -> float:
        said_words = words(said)
        if not said_words:
            return 0.0
        return float(single_meteor_score(words(reference), said_words, wordnet=wordnet))

    return score
