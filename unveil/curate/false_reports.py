"""Reports that are wrong in one finding: one that is there is denied, or one that is not there is invented.

A sentence is replaced, and what says the contrary of the new one elsewhere, such as an impression that gives the
finding again, is left out. All other sentences stay as they are, so that the sides of a pair differ in what matters
and not in style. The reader of names (``reported``) tells which sentence finds or denies what; it reads English, and of
other languages nothing is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from unveil.core.answers import says_nothing
from unveil.core.names import normal
from unveil.core.records import Dialogue
from unveil.core.report_sections import sentences
from unveil.core.reported import CHEST, Reported, in_english, reported

Read = Sequence[tuple[str, Reported]]
"""The sentences of a report, each with what it finds and denies."""
Way = Callable[[Read, Sequence[str], frozenset[str], np.random.Generator], list[str] | None]


def wrong(dialogue: Dialogue, labels: tuple[str, ...], known: Sequence[str], rng: np.random.Generator) -> str | None:
    """A report with one finding denied or invented; None where no sentence can be made wrong.

    ``labels`` are the names of the data set, ``known`` those of the image's annotations, which are never invented.
    """
    truth = dialogue.answer
    if not in_english(dialogue.language, truth):
        return None
    found = reported(truth, labels).found
    said = [(sentence, reported(sentence, labels)) for sentence in sentences(truth)]
    ways: tuple[Way, ...] = (_denied, _invented)
    for i in rng.permutation(len(ways)):
        made = " ".join(ways[i](said, labels or tuple(CHEST), found | {*map(normal, known)}, rng) or ())
        if made and reported(made, labels).found != found:
            return made
    return None


def _denied(said: Read, _: Sequence[str], __: frozenset[str], rng: np.random.Generator) -> list[str] | None:
    """One sentence that finds something says in its place that there is nothing of the kind."""

    def again(at: int) -> list[int]:
        return [i for i, (_, one) in enumerate(said) if i != at and one.found & said[at][1].found]

    def alone(at: int) -> bool:
        return all(said[i][1].found <= said[at][1].found for i in again(at))

    finding = [at for at, (_, one) in enumerate(said) if one.found and alone(at)]
    if not finding:
        return None
    at = int(rng.choice(finding))
    return _replaced(said, at, f"There is no {' or '.join(sorted(said[at][1].found))}.", again(at))


def _invented(said: Read, labels: Sequence[str], true: frozenset[str], rng: np.random.Generator) -> list[str] | None:
    """A sentence that denies something finds it, else one that denies all finds something; where none does, one is put
    in before the last sentence.

    What stands alone is replaced: with the true sentence beside it the report would still say all that is true.
    """
    nothing = [i for i, (sentence, _) in enumerate(said) if says_nothing(sentence)]

    def again(at: int, name: str) -> list[int]:
        return [i for i, (_, one) in enumerate(said) if i != at and name in one.denied]

    def alone(at: int, name: str) -> bool:
        return all(said[i][1].denied | said[i][1].found == {name} for i in again(at, name))

    denied = [(at, name) for at, (_, one) in enumerate(said) for name in sorted(one.denied - true)]
    if denying := [place for place in denied if alone(*place)]:
        at, name = denying[int(rng.integers(len(denying)))]
        return _replaced(said, at, _there_is(name), [*again(at, name), *nothing])
    absent = [name for name in labels if normal(name) not in true | {name for _, name in denied}]
    if not absent:
        return None
    new = _there_is(str(rng.choice(absent)))
    if nothing:
        return _replaced(said, nothing[0], new, nothing[1:])
    texts = [sentence for sentence, _ in said]
    return [new] if len(texts) == 1 else [*texts[:-1], new, texts[-1]]


def _replaced(said: Read, at: int, new: str, left_out: Sequence[int]) -> list[str]:
    """The sentences with a new one in the place of one, and without some others."""
    return [new if i == at else sentence for i, (sentence, _) in enumerate(said) if i == at or i not in left_out]


def _there_is(name: str) -> str:
    return f"There is {'an' if name[0].lower() in 'aeiou' else 'a'} {name}."
