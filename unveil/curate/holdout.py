"""What training is not to know of: to see what a model makes of what it has never been taught, or of fewer patients.

Only the training and the validation split lose anything: the test split asks what it always asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from unveil.core.names import normal
from unveil.core.records import Dialogue, Record, RecordError
from unveil.core.sampling import seed_of


def withheld(dialogues: Sequence[Dialogue], records: Sequence[Record], names: Sequence[str]) -> list[Dialogue]:
    """Without the images that have one of ``names``, which are labels, modalities or data sets, and without what names
    one.

    "There is no nodule." would teach that there never is one, so dialogues that only mention a name go too: a label in
    any case and in the plural, a modality as the records spell it ("US" is not "us"). A data set is named in no text.
    Raises ``RecordError`` for a name that no record has.
    """
    labels = {normal(f.label): f.label for r in records for f in r.findings}
    modalities = {normal(r.modality): r.modality for r in records if r.modality}
    sets = {normal(r.source.dataset): r.source.dataset for r in records}
    if strange := [name for name in names if normal(name) not in labels | modalities | sets]:
        there = ", ".join(sorted({*labels.values(), *modalities.values(), *sets.values()}))
        raise RecordError(f"--withhold: no record has {', '.join(map(repr, strange))}; there are {there}")
    wanted = {normal(name) for name in names}
    has = {r.id for r in records if wanted & {*map(normal, (r.modality or "", r.source.dataset)), *_labels(r)}}
    words = [_word(name, re.I) for name in wanted & labels.keys()]
    words += [_word(modalities[name]) for name in wanted & modalities.keys()]
    return [d for d in dialogues if d.split == "test" or not (d.record in has or _mentions(d, words))]


def _labels(record: Record) -> set[str]:
    return {normal(finding.label) for finding in record.findings}


_BETWEEN = r"[\s_-]+"


def _word(name: str, flags: int = 0) -> re.Pattern[str]:
    """A name as words, whatever stands between them, in the plural too."""
    *first, last = map(re.escape, re.split(_BETWEEN, name.strip()))
    plural = f"(?:{last}(?:s|es)?|{last[:-1]}ies)" if last.endswith("y") else f"{last}(?:s|es)?"
    return re.compile(rf"(?<!\w){_BETWEEN.join([*first, plural])}(?!\w)", flags)


def _mentions(dialogue: Dialogue, words: Sequence[re.Pattern[str]]) -> bool:
    before = [text for turn in dialogue.history for text in turn]
    said = [*before, dialogue.question, dialogue.answer, dialogue.target or ""]
    return any(word.search(text) for word in words for text in said)


def of_share(dialogues: Sequence[Dialogue], records: Sequence[Record], share: float, seed: int) -> list[Dialogue]:
    """With the training questions of a share of the training patients only, rounded up.

    A smaller share's patients are among those of a larger one. Raises ``RecordError`` unless 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise RecordError(f"a share of the training patients is above 0 and at most 1, not {share}")
    clusters = {r.id: r.cluster for r in records if r.split == "train"}
    drawn = sorted(set(clusters.values()), key=lambda cluster: seed_of(seed, "labels", cluster))
    chosen = set(drawn[: math.ceil(share * len(drawn))])
    return [d for d in dialogues if d.split != "train" or clusters.get(d.record) in chosen]
