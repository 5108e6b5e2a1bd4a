"""What a model itself says to the questions of dialogues: the material of which preferences are made.

And what the commands share that make pairs of it: their options, who is asked, how pairs are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from unveil.core import console, digests, jsonl, plugins, records
from unveil.core.answers import clean_answer
from unveil.core.lesion_noise import Noise
from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.pixels import ImageError
from unveil.core.records import KINDS, Dialogue, Kind, Pair, Record, image_path
from unveil.core.sampling import Sampling
from unveil.curate.rules import Rules
from unveil.experts import options as experts
from unveil.experts.expert import Expert
from unveil.experts.options import ExpertGroup, ExpertOptions
from unveil.experts.requests import Reply, Request, RequestImage, Turn, file_hash, prompt
from unveil.vlm.choice import ModelChoice

#: The question with which conversations about an image begin.
DESCRIBE = "Can you describe the image in detail?"


@dataclass(frozen=True)
class Asking:
    """Dialogues of the training and validation split with what is needed to ask about their images."""

    dialogues: Sequence[Dialogue]
    file: Path
    records: dict[str, Record]
    skipped: Counter[str]

    @classmethod
    def of(cls, dialogues: Iterable[Dialogue], file: Path, records: Iterable[Record], skipped: Counter[str]) -> Asking:
        """Leaves out what must not be asked about, counted by reason: test images, images without a record, images that
        are no longer those that were annotated. Raises ``ImageError`` with the dialogue's id for a missing one."""
        by_id = {record.id: record for record in records}
        kept = []
        for dialogue in dialogues:
            record = by_id.get(dialogue.record)
            if record is None:
                skipped["its record is not in the records' file"] += 1
            elif "test" in (dialogue.split, record.split):
                skipped["test split"] += 1
            elif _changed(dialogue, record, file):
                skipped["its image has changed since it was annotated"] += 1
            else:
                kept.append(dialogue)
        return cls(kept, file, by_id, skipped)

    def picture(self, dialogue: Dialogue, noise: Noise | None = None) -> RequestImage:
        return RequestImage(image_path(dialogue, self.file), noise=noise)

    def question(self, dialogue: Dialogue, sampling: Sampling, name: str) -> Request:
        """A dialogue's question as the model is asked when it is measured."""
        return Request(
            id=f"{dialogue.id}/{name}",
            task="answer",
            turns=turns(dialogue),
            picture=self.picture(dialogue),
            kind=dialogue.kind,
            sampling=sampling,
            record=self.records[dialogue.record],
        )

    def judgement(self, dialogue: Dialogue, task: str, text: str, name: str = "", **more: Any) -> Request:
        """A request to the expert about a dialogue's image, by its id and, where there are several, a name."""
        return Request(
            id=f"{dialogue.id}/{name}" if name else dialogue.id,
            task=task,
            **prompt(Turn("user", text)),
            picture=self.picture(dialogue),
            record=self.records[dialogue.record],
            **more,
        )

    def answers(
        self, model: Expert, samplings: Sequence[Sampling], told: Callable[[], object] = lambda: None
    ) -> dict[str, list[str]]:
        """One answer per sampling to each dialogue by id, in that order.

        Empty ones, failures, and what is too long for the model to learn from are left out, counted. ``told`` is called
        once per answer.
        """
        longest = model.backend.longest
        texts: dict[str, dict[int, str]] = {d.id: {} for d in self.dialogues}
        for reply in model.answer(self._questions(samplings)):
            name, _, number = reply.id.rpartition("/")
            text = clean_answer(reply.value) if reply.error is None else ""
            if longest is not None and reply.tokens >= longest:
                self.skipped[
                    f"the model's answer: it has not ended within the {longest} tokens that the model takes"
                ] += 1
            elif text:
                texts[name][int(number)] = text
            else:
                self.skipped[f"the model's answer: {reply.error or 'empty'}"] += 1
            told()
        return {name: [given[i] for i in sorted(given)] for name, given in texts.items()}

    def in_order(self, replies: Iterable[Reply], told: Callable[[], object] = lambda: None) -> list[Reply]:
        """Replies in the order of the dialogues whose ids they have, in whatever order they came.

        So what is made of them is the same after a break. ``told`` is called once per reply.
        """
        place = {dialogue.id: i for i, dialogue in enumerate(self.dialogues)}
        came = []
        for reply in replies:
            told()
            came.append(reply)
        return sorted(came, key=lambda reply: place[reply.id])

    def _questions(self, samplings: Sequence[Sampling]) -> Iterator[Request]:
        for dialogue in self.dialogues:
            for i, sampling in enumerate(samplings):
                yield self.question(dialogue, sampling, str(i))


def turns(dialogue: Dialogue) -> tuple[Turn, ...]:
    """A dialogue's question behind what was said before it in its conversation."""
    before = (turn for asked, said in dialogue.history for turn in (Turn("user", asked), Turn("assistant", said)))
    return *before, Turn("user", dialogue.question)


def pair_of(dialogue: Dialogue, name: str, chosen: str, rejected: str, writer: str) -> Pair:
    """A pair for a dialogue's question."""
    return Pair(
        id=f"{dialogue.id}/{name}",
        record=dialogue.record,
        image=dialogue.image,
        split=dialogue.split,
        kind=dialogue.kind,
        question=dialogue.question,
        chosen=chosen,
        rejected=rejected,
        writer=writer,
        target=dialogue.target,
        choices=dialogue.choices,
        benchmark=dialogue.benchmark,
        history=dialogue.history,
    )


def _changed(dialogue: Dialogue, record: Record, file: Path) -> bool:
    """Whether an image file is another than the one that was annotated, where it is known which that was."""
    if record.source.sha256 is None:
        return False
    try:
        return file_hash(image_path(dialogue, file)) != record.source.sha256
    except ImageError as error:
        raise ImageError(f"{dialogue.id}: {error}") from error


def seeds(sampling: Sampling, count: int, seed: int) -> list[Sampling]:
    """The same sampling with ``count`` seeds."""
    return [replace(sampling, seed=seed * 1000 + i) for i in range(count)]


def used(reply: Reply, skipped: Counter[str]) -> bool:
    """Whether a reply can be used; else its reason is counted."""
    if reply.error is not None:
        skipped[reply.error] += 1
    return reply.error is None


def preferred(gaps: Mapping[int, float], orders: int, skipped: Counter[str]) -> int | None:
    """Which of two answers is better, 0 or 1; None, counted, for a tie, a flip or a missing verdict.

    ``gaps`` has by how much the judge finds the first one better, by the order in which the two were shown (0: as they
    are, 1: swapped). Judges lean to what stands first, so a verdict that changes with the order is none.
    """
    if len(gaps) < orders:
        return None  # counted where the reply was set aside
    if any(gap == 0 for gap in gaps.values()):
        skipped["the judge sees a tie"] += 1
    elif len({gap > 0 for gap in gaps.values()}) > 1:
        skipped["the judge's verdict flips with the order"] += 1
    else:
        return 0 if min(gaps.values()) > 0 else 1
    return None


class NoPairError(records.RecordError):
    """Of none of the questions a pair could be made."""


def write_pairs(made: Sequence[Pair], config: Any, skipped: Counter[str]) -> dict[str, Any]:
    """Writes pairs with image paths as seen from their file, and says what came to nothing. No pair is an error."""
    if not made:
        why = left_out(skipped) or "there are no such dialogues"
        raise NoPairError(f"{config.dialogues}: no pair could be made: {why}")
    jsonl.write_jsonl(config.out, [records.rebased(p, config.dialogues, config.out) for p in made])
    console.say(f"{len(made)} pairs in {config.out}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return {"left_out": dict(skipped)}


def read_by(config: Any) -> list[digests.Input]:
    """What the pairs of a command depend on."""
    files = [config.records, config.dialogues]
    if "map" in vars(config):  # of lesion neglect
        files += [*([config.onto] if config.onto else []), *plugins.files([config.map])]
    return [*files, *digests.of_model(config.model)]


@dataclass(frozen=True, kw_only=True)
class Sampled(ModelChoice):
    """What commands share that let a model answer the questions of dialogues."""

    passing: ClassVar = {"answer_batch"}
    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl; its training and validation dialogues are used."""
    out: OutputFile
    """File to write the pairs to, such as pairs.jsonl."""
    answer_batch: Count = 64
    """Questions that the model answers at a time."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds of dialogues."""
    limit: Count | None = None
    """Only the first so many dialogues of training and validation."""
    seed: int = 0
    """Seed of all draws."""
    restart: bool = False
    """Write over what another run has left in its place."""
    asked: ExpertGroup = field(default_factory=ExpertOptions)
    """Who is asked."""


def asking_of(config: Sampled, skipped: Counter[str]) -> tuple[Asking, Rules]:
    """The dialogues that may be asked, and the rules that know their records."""
    rows = list(jsonl.read_jsonl(config.records, Record))
    kinds = set(config.kinds) & set(KINDS)  # a question that the model is to put has no true answer
    dialogues = [d for d in jsonl.read_jsonl(config.dialogues, Dialogue) if d.kind in kinds]
    asking = Asking.of(dialogues, config.dialogues, rows, skipped)
    return replace(asking, dialogues=asking.dialogues[: config.limit]), Rules(rows, dialogues)


def trained_model(config: Sampled) -> Expert:
    """The model that is to be trained, its answers kept beside the output."""
    own = config.out, config.asked.replies
    return experts.checkpoint(config.model, *own, batch_size=config.answer_batch, **config.how)


def costs(*asked: Expert | None) -> dict[str, Any]:
    """What each who was asked has cost, for the screen and for run.json, and how models on this machine drew."""
    for one in filter(None, asked):
        console.say(f"  {one.name}: {one.spent.text()}")
    decoding = {one.name: dict(one.backend.decoding) for one in asked if one and one.backend.decoding}
    return {"asked": {one.name: one.account for one in asked if one}, "decoding": decoding}


def left_out(skipped: Counter[str]) -> str:
    """What came to nothing, in one line."""
    return "; ".join(f"{count} x {reason}" for reason, count in skipped.items())
