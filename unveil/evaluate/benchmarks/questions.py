"""Which questions a benchmark asks: those of its test split, of its kinds and language, with its words below them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from unveil.core.records import Dialogue, Record, RecordError
from unveil.core.splits import assign_splits
from unveil.evaluate.benchmarks.benchmark import Benchmark


def tested(records: Sequence[Record], seed: int = 0, whole: bool = False) -> tuple[list[Record], list[str]]:
    """The records of each data set in the splits that figures are measured in, and the sets that were dealt here.

    Of a ``whole`` test split all records of its images are, whatever split they are published in.

    Where a set publishes a test split, that is it, whatever the records were dealt to since; else the records' own
    split. A set of which no image is in a test split is dealt by patients.
    """
    sets: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        sets.setdefault(record.source.dataset, []).append(i)
    out, dealt = list(records), list[str]()
    for name, places in sets.items():
        own = [records[i] for i in places]
        if any(r.source.published == "test" for r in own):
            own = [replace(r, split=r.source.published) for r in own]
        elif not any(r.split == "test" for r in own):
            own, dealt = assign_splits(own, seed=seed), [*dealt, name]
        for i, record in zip(places, own, strict=True):
            out[i] = record
    if whole:
        images = {key for r in out if r.split == "test" for key in _image(r)}
        out = [r if images.isdisjoint(_image(r)) else replace(r, split="test") for r in out]
    return out, dealt


def asked(
    benchmark: Benchmark,
    dialogues: Iterable[Dialogue],
    limit: int | None = None,
    groups: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[Dialogue], Counter[str]]:
    """The benchmark's questions in order, and why others of the test split are none.

    ``limit`` takes the first so many, in turn of every kind and of every group that ``groups`` knows records of. Raises
    ``RecordError`` where none is left.
    """
    left: Counter[str] = Counter()
    kept = []
    for d in dialogues:
        if d.split != "test":
            continue
        if d.kind not in benchmark.kinds:
            left[f"questions of another kind ({d.kind})"] += 1
        elif benchmark.language and d.language and d.language != benchmark.language:
            left[f"questions in another language ({d.language})"] += 1
        else:
            kept.append(worded(benchmark, d))
    if not kept:
        held = ", ".join(f"{n} {why}" for why, n in left.items()) or "no question at all"
        raise RecordError(f"{benchmark.title}: its test split has none of its questions; it has {held}")
    if limit is not None and limit < len(kept):
        left[f"questions beyond {limit} (--limit)"] = len(kept) - limit
        kept = _in_turn(kept, limit, groups)
    return kept, left


def _in_turn(questions: Sequence[Dialogue], limit: int, groups: Mapping[str, str]) -> list[Dialogue]:
    before: Counter[tuple[str | None, str]] = Counter()
    turn: list[int] = []
    for d in questions:
        key = groups.get(d.record), d.kind
        turn.append(before[key])
        before[key] += 1
    first = sorted(range(len(questions)), key=turn.__getitem__)[:limit]
    return [questions[i] for i in sorted(first)]


def once(dialogues: Iterable[Dialogue], records: Iterable[Record]) -> Iterator[Dialogue]:
    """Of each study the report once, at its first image; whatever else is asked."""
    studies = {r.id: (r.source.dataset, r.study or r.id) for r in records}
    seen: set[tuple[str, str]] = set()
    for d in dialogues:
        if d.kind != "report" or studies[d.record] not in seen:
            yield d
        if d.kind == "report":
            seen.add(studies[d.record])


def worded(benchmark: Benchmark, dialogue: Dialogue) -> Dialogue:
    """A question with the benchmark's words below it, if it is of a kind that has them."""
    if not benchmark.suffix or dialogue.kind not in ("closed", "open"):
        return dialogue
    return replace(dialogue, question=f"{dialogue.question}\n{benchmark.suffix}")


def unseen(records: Sequence[Record]) -> set[str]:
    """The test records whose image no record of train or val shows: by the hash of the file, else by its path, or by
    the group that `unveil check` has put them in."""
    learnt = {key for r in records if r.split in ("train", "val") for key in _image(r)}
    return {r.id for r in records if r.split == "test" and learnt.isdisjoint(_image(r))}


def _image(record: Record) -> set[tuple[str, str]]:
    known = {"file": record.source.sha256 or record.image, "group": record.group}
    return {(what, value) for what, value in known.items() if value}
