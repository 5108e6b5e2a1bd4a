"""Questions about what is there and what is not, in pairs, by which it is told whether a model makes findings up.

After POPE (Li et al. 2023, arXiv 2305.10355). Each pair asks about one image for a name that is there and for one that
is not, so as many answers are yes as no. What is absent is drawn at random, or is what most images have ("popular"), or
what is most often found together with what is there ("adversarial"). Absent is a name only where that is known: of
an image whose annotation is exhaustive, or where its report denies it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unveil.core import benchmarks, console, joined, jsonl, provenance, report_sections
from unveil.core.answers import says_nothing
from unveil.core.names import normal
from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Record, RecordError, Split, rebased
from unveil.core.reported import Reported, in_english, reported
from unveil.core.sampling import seed_of
from unveil.curate.rules import vocabulary

Way = Literal["random", "popular", "adversarial"]
QUESTION = "Is there {} in this image?"


@dataclass(frozen=True)
class ImageTruth:
    """What is true of one image: names that are there, and names that are known not to be."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class CoOccurrences:
    """How often names occur, and how often together, by images of one data set and modality."""

    images: tuple[frozenset[str], ...]

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(name for names in self.images for name in sorted(names))

    def with_any(self, present: Sequence[str]) -> Counter[str]:
        """In how many images each name stands beside each of ``present``, added up over these."""
        found: Counter[str] = Counter()
        for names in self.images:
            found.update({name: times for name in names if (times := len(names.intersection(present) - {name}))})
        return found


def known(record: Record, names: Sequence[str]) -> ImageTruth:
    """What is there and what is not, by the annotations, and by what a report in English finds and denies.

    ``names`` are those of the data set (``vocabulary``), none where nothing is annotated: then the report is read with
    those of chest radiographs. A name that stands within a present one, or holds it, is not called absent: "nodule"
    beside "lung nodule".
    """
    told = _told(record, names)
    present = {f.label for f in record.named if not says_nothing(f.label)} | (set() if names else told.found)
    absent = set(names) if record.completeness == "exhaustive" else _spelled(told.denied, names)
    words = [set(normal(name).split()) for name in present | _spelled(told.found, names)]
    apart = (name for name in absent if not any(_within(set(normal(name).split()), one) for one in words))
    return ImageTruth(tuple(sorted(present)), tuple(sorted(apart)))


def _told(record: Record, names: Sequence[str]) -> Reported:
    """What the image's report finds and denies; nothing where there is none in English."""
    told = report_sections.part(record, "report")
    return reported(told, tuple(names)) if told and in_english(record.language, told) else Reported(())


def _spelled(said: frozenset[str], names: Sequence[str]) -> set[str]:
    """Names as the data set spells them, where it has them."""
    return {name for name in names if normal(name) in said} if names else set(said)


def _within(one: set[str], other: set[str]) -> bool:
    return one <= other or other <= one


def probes(
    records: Sequence[Record],
    ways: Sequence[Way] = get_args(Way),
    pairs: int = 3,
    seed: int = 0,
    split: Split | None = "test",
    skipped: Counter[str] | None = None,
) -> Iterator[Dialogue]:
    """Pairs of questions on each image of a split (None: of all), at the most ``pairs`` of each way.

    How often names occur, alone and together, is counted on the training split of the same data set and modality, or on
    all images where there is none. Equals are ordered by ``seed`` and the record's id. Images without a name that is
    there, or without one that is not, are counted in ``skipped``.
    """
    skipped = Counter() if skipped is None else skipped
    names = vocabulary(records)
    true = {r.id: known(r, names[r.source.dataset, r.modality]) for r in records}
    together = _together(records, true)
    for record in records:
        if split is not None and record.split != split:
            continue
        about, image = (record.source.dataset, record.modality), true[record.id]
        if not (image.present and image.absent):
            skipped["nothing is there" if not image.present else "nothing is known to be absent"] += 1
            continue
        for way in ways:
            rng = np.random.default_rng(seed_of(seed, "probes", way, record.id))
            absent = _ordered(image, way, together[about], rng)
            present = [image.present[i] for i in rng.permutation(len(image.present))]
            for number, both in enumerate(zip(present[:pairs], absent[:pairs], strict=False)):
                yield from _pair(record, f"{way}/{record.id}/{number}", both)


def _together(records: Sequence[Record], true: Mapping[str, ImageTruth]) -> dict[tuple[str, str | None], CoOccurrences]:
    counted = [r for r in records if r.split == "train"] or records
    found: dict[tuple[str, str | None], list[frozenset[str]]] = {(r.source.dataset, r.modality): [] for r in records}
    for record in counted:
        found[record.source.dataset, record.modality].append(frozenset(true[record.id].present))
    return {about: CoOccurrences(tuple(images)) for about, images in found.items()}


def _ordered(image: ImageTruth, way: Way, together: CoOccurrences, rng: np.random.Generator) -> list[str]:
    """The absent names, the first to be asked for first."""
    drawn = [image.absent[i] for i in rng.permutation(len(image.absent))]
    if way == "random":
        return drawn
    beside = together.with_any(image.present) if way == "adversarial" else Counter[str]()
    return sorted(drawn, key=lambda name: (-beside[name], -together.counts[name]))


def _pair(record: Record, pair: str, both: tuple[str, str]) -> Iterator[Dialogue]:
    for name, answer, there in zip(both, ("Yes", "No"), ("present", "absent"), strict=True):
        yield Dialogue(
            id=f"{record.id}/probe/{joined.way(pair)}/{pair.rpartition('/')[2]}/{there}",
            record=record.id,
            image=record.image,
            split=record.split,
            kind="closed",
            question=QUESTION.format(f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"),
            answer=answer,
            target=name,
            language="en",
            benchmark=record.source.benchmark,
            pair=pair,
        )


@dataclass(frozen=True, kw_only=True)
class Config:
    """Write pairs of questions for what is in an image and for what is not, to tell how often findings are made up."""

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it; images need names of findings."""
    out: OutputFile
    """File to write the questions to, such as probes.jsonl."""
    ways: tuple[Way, ...] = field(default=get_args(Way))
    """How what is absent is chosen: random; popular, what most images have; adversarial, what is most often found
    together with what is there."""
    pairs: Count = 3
    """Pairs of each way per image, at the most; an image has no more than it has names."""
    split: Split = "test"
    """Which images are asked about."""
    seed: int = 0
    """Seed of what is drawn."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config) -> Path:
    """Writes the questions; returns their file."""
    with provenance.output(config.out, "curate probes", config, [config.records]) as output:
        if output:
            output.write(left_out=_probes(config))
    return config.out


def _probes(config: Config) -> dict[str, int]:
    skipped: Counter[str] = Counter()
    read = jsonl.read_jsonl(config.records, Record)
    rows = benchmarks.marked([rebased(record, config.records, config.out) for record in read])
    made = list(probes(rows, config.ways, config.pairs, config.seed, config.split, skipped))
    if not made:
        told = ", ".join(f"{count} x {why}" for why, count in skipped.items()) or f"no image is in {config.split}"
        raise RecordError(f"{config.records}: no pair of questions could be made: {told}")
    jsonl.write_jsonl(config.out, made)
    ways = Counter(joined.way(d.pair or "") for d in made)
    console.say(f"{len(made) // 2} pairs in {config.out}: " + ", ".join(f"{n // 2} {way}" for way, n in ways.items()))
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return dict(skipped)
