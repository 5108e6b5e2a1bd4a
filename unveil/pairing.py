"""The commands that make preference pairs: each a flat frozen dataclass, and what is done with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from unveil.core import console, plugins, provenance, records
from unveil.core.records import KINDS, Dialogue, Kind, Pair, Record
from unveil.curate.candidates import Asking
from unveil.curate.hallucinate import Hallucinations, balanced, hallucinate, left_out
from unveil.curate.noise import MapSource, hidden, users
from unveil.curate.rank import Ranking, rank
from unveil.curate.relevance import Reading, scored, weighted
from unveil.curate.rules import Rules
from unveil.curate.selftrain import SelfTraining, selftrain
from unveil.experts import options as experts
from unveil.experts.expert import Expert
from unveil.experts.options import Asked, ExpertOptions
from unveil.vlm.resolution import Limited, Resolution


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Make preference pairs of lesion neglect: a true answer is worse where noise hides what it speaks of (MMedPO)."""

    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl; its training and validation dialogues are used."""
    out: Path
    """pairs.jsonl."""
    map: str = "annotations"
    """Where the lesion is: annotations (masks, else boxes); whole (the whole image, as global noise); attention (where
    --model looks while it gives the true answer); or a function of yours, FILE.py:FUNCTION, from a record and its image
    (height, width, 3) to a map with values from 0 to 1, or to a map and how sure it is of it."""
    model: str = "tiny"
    """attention: hub id or local folder of the model."""
    revision: str | None = None
    """attention: revision of a hub model."""
    box_syntax: str | None = None
    """attention: how the model writes boxes, for models that do not declare it."""
    limits: Limited = field(default_factory=Resolution)
    """attention: what an image may cost."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "recognition")
    """Kinds of dialogues."""
    step: int = 500
    """Steps of diffusion out of 1000; 500 leaves 74 % of the variance under the map to the image."""
    most: float = 0.5
    """Share of an image that a map may cover; a larger one is set aside."""
    limit: int | None = None
    """Only the first so many dialogues of training and validation."""
    onto: Path | None = None
    """Pairs of `curate hallucinate` or `curate rank` on these dialogues: they are written out again with the noise on
    their worse side, as mDPO wants them, instead of pairs of two equal answers."""
    seed: int = 0
    """Seed of the noise."""
    restart: bool = False
    """Write over what another run has left in its place."""


def curate_noise(config: NoiseConfig) -> None:
    with provenance.output(config.out, "curate noise", config, read_by(config)) as output:
        if output:
            output.write(**_noise(config))


def _noise(config: NoiseConfig) -> dict[str, Any]:
    skipped: Counter[str] = Counter()
    rows = list(records.read_jsonl(config.records, Record))
    asked = [d for d in records.read_jsonl(config.dialogues, Dialogue) if d.kind in config.kinds]
    if config.limit is not None:
        asked = [d for d in asked if d.split != "test"][: config.limit]
    source = _map_source(config)
    options: dict[str, Any] = {"whole": config.map == "whole", "step": config.step, "most": config.most}
    options["seed"] = config.seed
    with console.progress("noise", sum(d.split != "test" for d in asked)) as advance:
        made = list(hidden(rows, asked, config.dialogues, source=source, skipped=skipped, told=advance, **options))
    if config.onto:
        made = _put_onto(made, config.onto, config.dialogues, skipped)
    about = _written(made, config, skipped)
    shares = sorted(pair.rejected_noise.share for pair in made if pair.rejected_noise)
    console.say(f"half of them hide {shares[len(shares) // 2]:.1%} of the image or more")
    return about


def _map_source(config: NoiseConfig) -> MapSource | None:
    if config.map in ("annotations", "whole"):
        return None
    if config.map == "attention":
        from unveil.vlm import attention_maps

        return attention_maps.source(config.model, config.revision, config.box_syntax, config.limits)
    return users(plugins.function(config.map))


def _put_onto(made: Sequence[Pair], onto: Path, dialogues: Path, skipped: Counter[str]) -> list[Pair]:
    """Pairs of a file with the noise of the pair on the same dialogue."""
    from unveil.core.pairs import read_pairs

    drawn = {pair.id.rpartition("/")[0]: pair.rejected_noise for pair in made}
    pairs = read_pairs(onto)
    fitting = [p for p in pairs if p.id.rpartition("/")[0] in drawn]
    if len(fitting) < len(pairs):
        skipped["nothing to hide for the pair"] += len(pairs) - len(fitting)
    moved = [replace(p, **moved_images(p, onto, dialogues)) for p in fitting]
    return [replace(p, rejected_noise=drawn[p.id.rpartition("/")[0]]) for p in moved]


def _written(made: Sequence[Pair], config: Any, skipped: Counter[str]) -> dict[str, Any]:
    """Writes pairs with image paths as seen from their file, and says what came to nothing. No pair is an error."""
    if not made:
        why = "; ".join(f"{count} x {reason}" for reason, count in skipped.items()) or "there are no such dialogues"
        raise records.RecordError(f"{config.dialogues}: no pair could be made: {why}")
    records.write_jsonl(config.out, [replace(p, **moved_images(p, config.dialogues, config.out)) for p in made])
    console.say(f"{len(made)} pairs in {config.out}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return {"left_out": dict(skipped)}


def read_by(config: Sampled | NoiseConfig) -> list[provenance.Input]:
    """What a command's pairs depend on."""
    files = [config.records, config.dialogues]
    if isinstance(config, NoiseConfig):
        files += [*([config.onto] if config.onto else []), *plugins.files([config.map])]
    return [*files, *provenance.of_model(config.model)]


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What commands share that let a model answer the questions of dialogues."""

    passing: ClassVar = {"answer_batch"}
    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl; its training and validation dialogues are used."""
    out: Path
    """pairs.jsonl."""
    model: str = "tiny"
    """The model that is to be trained: hub id or local folder."""
    revision: str | None = None
    """Revision of a hub model."""
    box_syntax: str | None = None
    """How the model writes boxes, for models that do not declare it."""
    limits: Limited = field(default_factory=Resolution)
    """What an image may cost."""
    answer_batch: int = 64
    """Questions that the model answers at a time."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds of dialogues."""
    limit: int | None = None
    """Only the first so many dialogues of training and validation."""
    seed: int = 0
    """Seed of all draws."""
    restart: bool = False
    """Write over what another run has left in its place."""
    asked: Asked = field(default_factory=ExpertOptions)
    """Who is asked."""


def _asking(config: Sampled, skipped: Counter[str]) -> tuple[Asking, Rules]:
    """The dialogues that may be asked, and the rules that know their records."""
    rows = list(records.read_jsonl(config.records, Record))
    kinds = set(config.kinds) & set(KINDS)  # a question that the model is to put has no true answer
    dialogues = [d for d in records.read_jsonl(config.dialogues, Dialogue) if d.kind in kinds]
    asking = Asking.of(dialogues, config.dialogues, rows, skipped)
    return replace(asking, dialogues=asking.dialogues[: config.limit]), Rules(rows, dialogues)


def _model(config: Sampled) -> Expert:
    """The model that is to be trained, its answers kept beside the output."""
    how: Any = {"revision": config.revision, "syntax": config.box_syntax, "limits": config.limits}
    return experts.checkpoint(config.model, config.out, config.asked.replies, batch_size=config.answer_batch, **how)


@dataclass(frozen=True, kw_only=True)
class HallucinateConfig(Sampled, Hallucinations):
    """Make preference pairs of a true answer and a plausible wrong one (MMedPO's D_t, POVID, minimal edits)."""


def curate_hallucinate(config: HallucinateConfig) -> None:
    with provenance.output(config.out, "curate hallucinate", config, read_by(config)) as output:
        if output:
            output.write(**_hallucinate(config))


def _hallucinate(config: HallucinateConfig) -> dict[str, Any]:
    skipped = Counter[str]()
    if config.edit == "minimal" and config.origin != "sampled":
        raise records.RecordError("--edit minimal corrects the model's own answers: it goes with --origin sampled")
    asking, rules = _asking(config, skipped)
    model = None if config.origin == "written" else _model(config)
    expert = experts.bind(config.asked, config.out, asking.records.values())
    steps = {"sampled": config.samples + 1, "written": 1, "noised": 1}[config.origin]
    with console.progress("hallucinate", steps * len(asking.dialogues)) as advance:
        made = list(hallucinate(asking, rules, model, expert, config, config.seed, advance))
    if config.balance and config.origin != "noised":
        made = balanced(made, config.seed, skipped)
    return _written(made, config, skipped) | _costs(expert, model)


def _costs(*asked: Expert | None) -> dict[str, Any]:
    """What each who was asked has cost, for the screen and for run.json, and how models on this machine drew."""
    for one in filter(None, asked):
        console.say(f"  {one.name}: {one.spent.text()}")
    decoding = {one.name: dict(one.backend.decoding) for one in asked if one and one.backend.decoding}
    return {"asked": {one.name: one.account for one in asked if one}, "decoding": decoding}


@dataclass(frozen=True, kw_only=True)
class RankConfig(Sampled, Ranking):
    """Make preference pairs of the model's own answers (Self-Rewarding, SIMA); the papers' judge is the model itself,
    --expert local:MODEL."""


def curate_rank(config: RankConfig) -> None:
    with provenance.output(config.out, "curate rank", config, read_by(config)) as output:
        if output:
            output.write(**_rank(config))


def _rank(config: RankConfig) -> dict[str, Any]:
    skipped = Counter[str]()
    asking, rules = _asking(config, skipped)
    model, judge = _model(config), experts.bind(config.asked, config.out, asking.records.values())
    steps = 2 * config.samples if config.by == "rubric" else 3 + config.both_orders
    with console.progress("rank", steps * len(asking.dialogues)) as advance:
        made = list(rank(asking, rules, model, judge, config, config.seed, advance))
    return _written(made, config, skipped) | _costs(judge, model)


@dataclass(frozen=True, kw_only=True)
class SelftrainConfig(Sampled, SelfTraining):
    """Make preference pairs from the model's own questions and answers, judged by an expert (STLLaVA-Med, stage 2)."""

    images: int | None = None
    """Only the first so many images."""


def curate_selftrain(config: SelftrainConfig) -> None:
    with provenance.output(config.out, "curate selftrain", config, read_by(config)) as output:
        if output:
            output.write(**_selftrain(config))


def _selftrain(config: SelftrainConfig) -> dict[str, Any]:
    skipped = Counter[str]()
    asking, rules = _asking(config, skipped)
    asking = replace(asking, dialogues=list({d.record: d for d in asking.dialogues}.values())[: config.images])
    model, judge = _model(config), experts.bind(config.asked, config.out, asking.records.values())
    steps = 1 + config.questions * (3 + 1 + config.both_orders)
    with console.progress("selftrain", steps * len(asking.dialogues)) as advance:
        made = list(selftrain(asking, rules, model, judge, config, config.seed, advance))
    return _written(made, config, skipped) | _costs(judge, model)


@dataclass(frozen=True, kw_only=True)
class QuestionsConfig:
    """Add to dialogues the conversations from which a model learns to describe and to ask (STLLaVA-Med, stage 1)."""

    records: Path
    """records.jsonl; reports are the descriptions."""
    dialogues: Path
    """dialogues.jsonl."""
    out: Path
    """dialogues.jsonl with a description for each image and the questions to be put; see `train sft
    --self-questions`."""
    restart: bool = False
    """Write over what another run has left in its place."""


def curate_questions(config: QuestionsConfig) -> None:
    with provenance.output(config.out, "curate questions", config, [config.records, config.dialogues]) as output:
        if output:
            output.write(left_out=_questions(config))


def _questions(config: QuestionsConfig) -> dict[str, int]:
    """Writes the conversations; returns what was left out."""
    from unveil.curate.questions import conversations

    skipped = Counter[str]()
    rows = list(records.read_jsonl(config.records, Record))
    given = list(records.read_jsonl(config.dialogues, Dialogue))
    if any(d.kind == "self-question" for d in given):
        raise records.RecordError(f"{config.dialogues}: it holds questions to be put already: name the file before")
    made = list(conversations(rows, given, skipped))
    if not made:
        raise records.RecordError(f"{config.dialogues}: no conversation could be made: {left_out(skipped)}")
    moved = [replace(d, image=records.beside(d.image, config.dialogues, config.out)) for d in [*given, *made]]
    records.write_jsonl(config.out, moved)
    asked = sum(d.kind == "self-question" for d in made)
    console.say(f"{len(given)} dialogues, {len(made) - asked} descriptions, {asked} questions to put in {config.out}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return dict(skipped)


@dataclass(frozen=True, kw_only=True)
class RelevanceConfig:
    """Give preference pairs their weights: clinical relevance by consensus of several agents (MMedPO)."""

    pairs: Path
    """pairs.jsonl."""
    records: Path
    """records.jsonl."""
    out: Path
    """pairs.jsonl with weights."""
    agents: tuple[str, ...] = ()
    """Who scores, in turn, each as for --expert; by default the one of --expert alone."""
    rounds: int = 5
    """Rounds of all agents until they must agree, else the mean of their scores counts."""
    reading: Reading = "spread"
    """How scores become weights. spread: mean 1 and variance 0.1 over all pairs of a kind, in [0.75, 1.25]; literal: as
    the paper prints it, by which all weights are 0.75; raw: the scores themselves, as the paper's code has it."""
    restart: bool = False
    """Write over what another run has left in its place."""
    asked: Asked = field(default_factory=ExpertOptions)
    """Who is asked."""


def curate_relevance(config: RelevanceConfig) -> None:
    with provenance.output(config.out, "curate relevance", config, [config.pairs, config.records]) as output:
        if output:
            output.write(**_relevance(config))


def _relevance(config: RelevanceConfig) -> dict[str, Any]:
    """Writes the weighted pairs; returns what was left out, all scores, and what they have cost."""
    from unveil.core.pairs import read_pairs

    skipped = Counter[str]()
    pairs = read_pairs(config.pairs)
    rules = Rules(list(records.read_jsonl(config.records, Record)))
    names = config.agents or (config.asked.expert,)
    agents = [experts.bind(replace(config.asked, expert=name), config.out, rules.records.values()) for name in names]
    text = [pair for pair in pairs if pair.rejected_noise is None]
    with console.progress("relevance", len(text) * len(agents)) as advance:
        found = scored(text, agents, rules, config.rounds, skipped, advance)
    made = list(weighted(pairs, found, config.reading))
    if not made:
        raise records.RecordError(f"{config.pairs}: no pair could be scored: {left_out(skipped)}")
    records.write_jsonl(config.out, [replace(p, **moved_images(p, config.pairs, config.out)) for p in made])
    weights = [pair.weight for pair in made]
    agreed = sum(one.agreed for one in found.values())
    console.say(f"{len(made)} pairs in {config.out}; weights {min(weights):.2f} to {max(weights):.2f}")
    if len(agents) > 1:
        console.say(f"  the agents agreed on {agreed} of {len(found)}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    history = {name: one.history for name, one in found.items()}
    return {"left_out": dict(skipped), "scores": history, **_costs(*agents)}


@dataclass(frozen=True)
class PairsConfig:
    """Turn preference pairs into TRL's prompt, chosen, rejected, images, or such a file into pairs."""

    pairs: Path
    """File of pairs, ours or TRL's."""
    out: Path
    """File to write; images stay where they are."""
    to: Literal["trl", "unveil"] = "trl"
    """Which form to write."""
    box_syntax: str | None = None
    """trl: write boxes in this syntax of a model (images are then opened for their size); else they stay markup."""
    restart: bool = False
    """Write over what another run has left in its place."""


def convert_pairs(config: PairsConfig) -> None:
    with provenance.output(config.out, "convert pairs", config, [config.pairs]) as output:
        if output:
            _convert(config)
            output.write()


def _convert(config: PairsConfig) -> None:
    from unveil.core.pairs import read_pairs, write_trl

    rows = read_pairs(config.pairs)
    moved = [replace(pair, **moved_images(pair, config.pairs, config.out)) for pair in rows]
    if config.to == "unveil":
        records.write_jsonl(config.out, moved)
    else:
        write_trl(config.out, moved, _views(rows, config) if config.box_syntax else {})
    console.say(f"{len(moved)} pairs in {config.out}")


def _views(pairs: Sequence[Pair], config: PairsConfig) -> dict[str, Any]:
    """What the numbers of a box refer to on both sides of each pair, by pair id."""
    from unveil.core import box_formats, pixels

    chosen = box_formats.SYNTAXES.get(config.box_syntax or "")
    fitting = [name for name, s in box_formats.SYNTAXES.items() if s.grid is not None]
    if chosen is None:
        raise records.RecordError(f"no box syntax {config.box_syntax!r}: one of {', '.join(fitting)}")
    if chosen.grid is None:
        raise records.RecordError(
            f"{chosen.name} counts pixels of the picture that a model's processor has resized, which is unknown here: "
            f"leave --box-syntax out for neutral markup, or use one of {', '.join(fitting)}"
        )
    views: dict[Path, box_formats.View] = {}

    def view(side: Dialogue) -> box_formats.View:
        path = records.image_path(side, config.pairs)
        if path not in views:
            try:
                header = pixels.probe(path)
            except pixels.ImageError as error:
                raise pixels.ImageError(f"{side.id}: {error}") from error
            size = (header.width, header.height)
            views[path] = box_formats.View(chosen, size, size)
        return views[path]

    return {pair.id: tuple(map(view, pair.sides())) for pair in pairs}


def moved_images(pair: Pair, old: Path, new: Path) -> dict[str, Any]:
    """A pair's image paths as they hold from the folder of another file."""
    other = pair.rejected_image and records.beside(pair.rejected_image, old, new)
    return {"image": records.beside(pair.image, old, new), "rejected_image": other}
