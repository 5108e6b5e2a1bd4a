"""What training is not to know of: to see what a model makes of what it has never been taught, or of fewer patients.

Only the training and the validation split lose anything: the test split asks what it always asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from unveil.records import Dialogue, Record, RecordError
from unveil.sampling import seed_of
from unveil.wording import normal


def withheld(dialogues: Sequence[Dialogue], records: Sequence[Record], names: Sequence[str]) -> list[Dialogue]:
    """Without the images that have one of ``names``, which are labels or modalities, and without what names one.

    "There is no nodule." would teach that there never is one, so questions and answers that only mention a name go too.
    Raises ``RecordError`` for a name that no record has.
    """
    known = {normal(name): name for r in records for name in ("", r.modality or "", *(f.label for f in r.findings))}
    del known[""]
    if strange := [name for name in names if normal(name) not in known]:
        there = ", ".join(sorted(known.values()))
        raise RecordError(f"--withhold: no record has {', '.join(map(repr, strange))}; there are {there}")
    wanted = {normal(name) for name in names}
    has = {r.id for r in records if wanted & {normal(r.modality or ""), *(normal(f.label) for f in r.findings)}}
    return [d for d in dialogues if d.split == "test" or not (d.record in has or _mentions(d, wanted))]


def _mentions(dialogue: Dialogue, names: set[str]) -> bool:
    said = normal(f"{dialogue.question} {dialogue.answer} {dialogue.target or ''}")
    return any(re.search(rf"(?<!\w){re.escape(name)}(?:s|es)?(?!\w)", said) for name in names)


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
