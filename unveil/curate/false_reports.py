"""Reports that are wrong in one finding: one that is there is denied, or one that is not there is invented.

All other sentences stay as they are, so that the sides of a pair differ in what matters and not in style. The reader
of names (``reported``) tells which sentence finds or denies what; it reads English, and of other languages nothing is
made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from unveil.core.answers import says_nothing
from unveil.core.names import normal
from unveil.core.records import Dialogue
from unveil.core.report_sections import sentences
from unveil.core.reported import CHEST, in_english, reported

Way = Callable[[list[str], tuple[str, ...], Sequence[str], np.random.Generator], list[str] | None]


def wrong(dialogue: Dialogue, labels: tuple[str, ...], known: Sequence[str], rng: np.random.Generator) -> str | None:
    """A report with one finding denied or invented; None where no sentence can be made wrong.

    ``labels`` are the names of the data set, ``known`` those of the image's annotations, which are never invented.
    """
    if not in_english(dialogue.language, dialogue.answer):
        return None
    said = sentences(dialogue.answer)
    ways: tuple[Way, ...] = (_denied, _invented)
    for i in rng.permutation(len(ways)):
        if (made := ways[i](said, labels, known, rng)) is not None:
            return " ".join(made)
    return None


def _denied(
    said: list[str], labels: tuple[str, ...], known: Sequence[str], rng: np.random.Generator
) -> list[str] | None:
    """One sentence that finds something says in its place that there is nothing of the kind."""
    finding = [i for i, sentence in enumerate(said) if reported(sentence, labels).found]
    if not finding:
        return None
    at = int(rng.choice(finding))
    names = sorted(reported(said[at], labels).found)
    return [*said[:at], f"There is no {' or '.join(names)}.", *said[at + 1 :]]


def _invented(
    said: list[str], labels: tuple[str, ...], known: Sequence[str], rng: np.random.Generator
) -> list[str] | None:
    """A sentence that denies something finds it, else one that denies all finds something; where none does, one is put
    in before the last sentence.

    What stands alone is replaced: with the true sentence beside it the report would still say all that is true.
    """
    true = {*map(normal, known), *reported(" ".join(said), labels).found}
    denying = [(i, n) for i, one in enumerate(said) for n in sorted(reported(one, labels).denied) if n not in true]
    if denying:
        at, name = denying[int(rng.integers(len(denying)))]
        return [*said[:at], _there_is(name), *said[at + 1 :]]
    absent = [name for name in labels or CHEST if normal(name) not in true]
    if not absent:
        return None
    new = _there_is(str(rng.choice(absent)))
    if nothing := [i for i, sentence in enumerate(said) if says_nothing(sentence)]:
        return [*said[: nothing[0]], new, *said[nothing[0] + 1 :]]
    return [new] if len(said) == 1 else [*said[:-1], new, said[-1]]


def _there_is(name: str) -> str:
    return f"There is {'an' if name[0].lower() in 'aeiou' else 'a'} {name}."
