"""``unveil prefer``: a preference method by its name, from dialogues and a model to pairs and a better model.

Each method is a short list of commands that can be run one by one as well; their files stand beside one another in the
output's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from unveil.core import digests, jsonl, provenance, records
from unveil.core.options import part_of
from unveil.core.records import Dialogue, Record
from unveil.curate import candidates, hallucinate, noise, rank, relevance
from unveil.experts.expert import Expert
from unveil.pipelines.options import Method, PreferOptions
from unveil.train.options import TrainOptions
from unveil.vlm.choice import ModelChoice

Config = PreferOptions


class SideError(records.RecordError):
    """A side of a method has no pairs: ``why``, and options of this command that do without, with what they do."""

    def __init__(self, why: str, ways: Mapping[str, str]):
        super().__init__(f"{why}: {', '.join(f'{option} {does}' for option, does in ways.items())}")
        self.why, self.ways = why, ways


@dataclass(frozen=True)
class Round:
    """Pairs that are made and learnt from in one go, with the loss's terms."""

    pairs: Callable[[_Maker], Sequence[Path]]
    terms: tuple[Literal["text", "visual", "anchor"], ...] = ("text",)


def main(config: Config, expert: Expert | None = None) -> Path:
    """Makes the pairs and trains, round after round; returns the folder of the trained model.

    ``expert`` is asked instead of those that the options name.
    """
    from unveil.train import dpo

    rounds = METHODS[config.name]
    if config.rounds < 1:
        raise records.RecordError("--rounds must be 1 at least")
    _refuse_unplaced(config)
    _refuse_benchmarks(config)
    if config.name == "self-rewarding":
        rounds = rounds * config.rounds
    model = config.model
    for number, one in enumerate(rounds, 1):
        last = number == len(rounds)
        folder = config.out if last else config.out / f"round-{number}"
        maker = _Maker(config, folder, model, number, expert)
        pairs = folder / "pairs.jsonl"
        _join(one.pairs(maker), pairs, config)
        learning = dpo.Config(
            **part_of(TrainOptions, config) | maker.speaking,
            pairs=pairs,
            out=folder,
            terms=one.terms,
            spans="edited" if config.edit == "minimal" and config.edited_spans else "all",
            weighted=config.name == "mmedpo" and config.weights,
            beta=config.beta,
            sft_weight=config.sft_weight,
            seed=config.seed,
            resume=True,
            restart=config.restart,
        )
        provenance.stage("train dpo", learning, [pairs, *digests.of_model(model)], dpo.main)
        model = str(folder)
    return config.out


def _refuse_unplaced(config: Config) -> None:
    """Raises ``SideError`` where lesions are to be hidden and nothing tells where any is, before a model answers."""
    hides = config.name == "mdpo" or (config.name == "mmedpo" and "visual" in config.sides)
    if not hides or config.noise == "global" or config.map != "annotations":
        return
    if not any(f.box or f.mask for r in jsonl.read_jsonl(config.records, Record) for f in r.findings):
        why = f"{config.records}: no finding has a box or a mask, so nothing tells what to hide"
        without = {"--sides text": "does without hidden lesions"} if config.name == "mmedpo" else {}
        hiding = {"--map attention": "hides what the model attends to", "--noise global": "hides the whole image"}
        raise SideError(why, hiding | without)


def _refuse_benchmarks(config: Config) -> None:
    """Raises ``TrainingError``, as training would, for images of a benchmark's test split, before a model answers."""
    from unveil.train import benchmarks

    rows = [d for d in jsonl.read_jsonl(config.dialogues, Dialogue) if d.split in ("train", "val")]
    benchmarks.refuse(rows, config.allow_benchmark_test, config.dialogues, benchmarks.known(config.records))


def _join(parts: Sequence[Path], out: Path, config: Config) -> None:
    """Pairs of several files as one file, checked on the way."""
    from unveil.core.pairs import read_pairs

    with provenance.output(out, "prefer", config, parts, derived=True) as output:
        assert output
        read = ((pair, part) for part in parts for pair in read_pairs(part))
        jsonl.write_jsonl(out, [records.rebased(pair, part, out) for pair, part in read])
        output.write()


@dataclass(frozen=True)
class _Maker:
    """Makes the files of pairs that a round asks for, each unless it is there already."""

    config: Config
    folder: Path
    model: str
    number: int
    expert: Expert | None = None

    @property
    def speaking(self) -> dict[str, Any]:
        """The choice of this round's model; a revision is that of the first one alone."""
        revision = self.config.revision if self.model == self.config.model else None
        return part_of(ModelChoice, replace(self.config, model=self.model, revision=revision))

    @property
    def _common(self) -> dict[str, Any]:
        """What all commands are told that let the model answer."""
        c = self.config
        own = {"out": self.folder, "seed": c.seed + 1000 * (self.number - 1), **self.speaking}
        return part_of(candidates.Sampled, replace(c, **own)) | ({} if c.samples is None else {"samples": c.samples})

    def hallucinated(self, origin: Any = "sampled") -> Path:
        """Wrong answers: sampled and picked, written, or said without seeing."""
        c = self.config
        own = {"out": self.folder / f"{origin}.jsonl", "edit": c.edit if origin == "sampled" else "none"}
        asked = hallucinate.Config(**self._common | own, origin=origin, balance=c.balance)
        return self._made("curate hallucinate", asked, partial(hallucinate.main, expert=self.expert))

    def written(self) -> Path:
        """Wrong answers that the expert writes: the same in all rounds, since they do not depend on the model."""
        c = self.config
        return replace(self, folder=c.out, model=c.model, number=1).hallucinated("written")

    def ranked(self, by: Any) -> Path:
        """The model's own answers, better and worse."""
        asked = rank.Config(**self._common | {"out": self.folder / "ranked.jsonl"}, by=by)
        return self._made("curate rank", asked, partial(rank.main, expert=self.expert))

    def hidden(self, onto: Path | None = None) -> Path:
        """The truth without sight of the lesion, or pairs with that noise on their worse side."""
        c = self.config
        asked = noise.Config(
            **self.speaking,
            records=c.records,
            dialogues=c.dialogues,
            out=self.folder / "noised.jsonl",
            map="whole" if c.noise == "global" else c.map,
            kinds=c.kinds,
            limit=c.limit,
            onto=onto,
            seed=c.seed,
            restart=c.restart,
        )
        return self._made("curate noise", asked, noise.main)

    def weighed(self, parts: Sequence[Path]) -> Sequence[Path]:
        """The same pairs with clinical weights, if these are asked for."""
        c = self.config
        if not c.weights:
            return parts
        plain = self.folder / "unweighed.jsonl"
        _join(parts, plain, c)
        asked = relevance.Config(
            pairs=plain,
            records=c.records,
            out=self.folder / "weighed.jsonl",
            agents=c.agents,
            restart=c.restart,
            asked=c.asked,
        )
        do = partial(relevance.main, expert=self.expert)
        provenance.stage("curate relevance", asked, [plain, c.records], do)
        return [asked.out]

    def _made(self, command: str, asked: Any, do: Callable[[Any], Path]) -> Path:
        provenance.stage(command, asked, candidates.read_by(asked), do)
        out: Path = asked.out
        return out


SIDES = {"text": "wrong answers", "visual": "hidden lesions"}


def _mmedpo(maker: _Maker) -> Sequence[Path]:
    """Both sides, or the one that is asked for. A side without a pair is an error: learning from the other one alone is
    an ablation, which nobody is to take for the method."""
    makes: dict[str, Callable[[], Path]] = {"text": maker.hallucinated, "visual": maker.hidden}
    sides, parts = maker.config.sides, list[Path]()
    for side, other in (("text", "visual"), ("visual", "text")):
        if side in sides:
            try:
                parts.append(makes[side]())
            except candidates.NoPairError as error:
                if other not in sides:
                    raise
                why = f"{SIDES[side]} make no pair ({error})"
                raise SideError(why, {f"--sides {other}": f"learns from {SIDES[other]} alone"}) from error
    return maker.weighed(parts)


#: What each method's rounds learn from.
METHODS: dict[Method, tuple[Round, ...]] = {
    "dpo": (Round(lambda maker: [maker.hallucinated()]),),
    "self-rewarding": (Round(lambda maker: [maker.ranked("rubric")]),),
    "povid": (
        Round(lambda maker: [maker.written()]),
        Round(lambda maker: [maker.written(), maker.hallucinated("noised")]),
    ),
    "sima": (Round(lambda maker: [maker.ranked("truth")]),),
    "mdpo": (Round(lambda maker: [maker.hidden(maker.hallucinated())], ("text", "visual", "anchor")),),
    "mmedpo": (Round(_mmedpo),),
}
