"""``unveil prefer``: a preference method by its name, from dialogues and a model to pairs and a better model.

Each method is a short list of commands that can be run one by one as well; their files stand beside one another in the
output's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from unveil.core import digests, provenance, records
from unveil.core.pairs import moved_images
from unveil.core.records import Kind
from unveil.curate import candidates, hallucinate, noise, rank, relevance
from unveil.experts.options import Asked, ExpertOptions
from unveil.vlm.resolution import Limited, Resolution

Method = Literal["dpo", "self-rewarding", "povid", "sima", "mdpo", "mmedpo"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a model by preferences with a method of the literature: makes its pairs, weighs them, and trains."""

    passing: ClassVar = (  # of pairs; training has these among its own settings
        {"method", "epochs", "batch_size", "beta", "sft_weight", "learning_rate", "precision"}
        | {"accumulate", "answer_batch", "edited_spans"}
    )
    name: Method
    """dpo: the truth against a plausible wrong answer. mmedpo: the same, and the truth without sight of the lesion,
    with clinical weights. mdpo: both on each pair, and an anchor. povid: wrong answers that the expert writes, then
    what the model says without seeing. self-rewarding: the model's answers by a judge's rubric. sima: its greedy answer
    against a drawn one."""
    records: Path
    """records.jsonl."""
    dialogues: Path
    """dialogues.jsonl; its training dialogues are used, and those of validation to watch."""
    out: Path
    """Folder for the pairs and the trained model."""
    model: str = "tiny"
    """Hub id or local folder of the model to start from: one that has been fine-tuned (train sft) knows the form of an
    answer, and its mistakes are worth learning from."""
    revision: str | None = None
    """Revision of a hub model."""
    box_syntax: str | None = None
    """How the model writes boxes, for models that do not declare it."""
    limits: Limited = field(default_factory=Resolution)
    """What an image may cost."""
    sides: tuple[Literal["text", "visual"], ...] = ("text", "visual")
    """mmedpo: wrong answers (text), hidden lesions (visual), or both."""
    weights: bool = True
    """mmedpo: clinical weights."""
    agents: tuple[str, ...] = ()
    """mmedpo: who weighs, in turn, each as for --expert; by default the one of --expert alone."""
    noise: Literal["local", "global"] = "local"
    """mmedpo, mdpo: noise on the lesion, or on the whole image."""
    map: str = "annotations"
    """mmedpo, mdpo: where the lesion is, as for `curate noise`: annotations, attention, or FILE.py:FUNCTION."""
    edit: Literal["none", "minimal"] = "none"
    """dpo, mdpo, mmedpo: the better answer is the annotated one, or the model's own with the fewest changes."""
    balance: bool = True
    """dpo, mdpo, mmedpo, povid: as many pairs that overlook as pairs that invent; off as the papers have it."""
    edited_spans: bool = False
    """edit minimal: only the tokens that were edited count in the loss."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "recognition", "closed", "open")
    """Kinds of dialogues."""
    limit: int | None = None
    """Only the first so many dialogues of training and validation."""
    samples: int | None = None
    """Answers drawn per question; by default as the method has it."""
    rounds: int = 1
    """self-rewarding: times that pairs are made and learnt from, each time with the model of the time before."""
    method: Literal["auto", "lora", "full"] = "auto"
    """Train adapters, or all weights; auto takes all weights of models under 50 million."""
    epochs: float = 1.0
    """Passes over the pairs."""
    batch_size: int = 16
    """Pairs per forward pass."""
    accumulate: int = 1
    """Forward passes per update."""
    beta: float = 0.1
    """How strongly the policy is held to the reference."""
    sft_weight: float = 0.0
    """Weight of the better answers' negative log-likelihood per token, added to the loss."""
    learning_rate: float | None = None
    """Peak learning rate; by default one that fits the training method and the size of the model."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """What training computes in; auto takes bf16 where the device computes in it, else float32."""
    answer_batch: int = 64
    """Questions that the model answers at a time."""
    checkpoint_every: int = 200
    """Updates between checkpoints; 0 never."""
    workers: int | None = None
    """Processes that decode images while training."""
    restart: bool = False
    """Write over what was made with other settings or from other data; what is as it would be now is kept."""
    seed: int = 0
    """Seed of all draws."""
    asked: Asked = field(default_factory=ExpertOptions)
    """Who is asked."""


@dataclass(frozen=True)
class Round:
    """Pairs that are made and learnt from in one go, with the loss's terms."""

    pairs: Callable[[_Maker], Sequence[Path]]
    terms: tuple[Literal["text", "visual", "anchor"], ...] = ("text",)


def main(config: Config) -> Path:
    """Makes the pairs and trains, round after round; returns the folder of the trained model."""
    from unveil.train import dpo

    rounds = METHODS[config.name]
    if config.rounds < 1:
        raise records.RecordError("--rounds must be 1 at least")
    if config.name == "self-rewarding":
        rounds = rounds * config.rounds
    model = config.model
    for number, one in enumerate(rounds, 1):
        last = number == len(rounds)
        folder = config.out if last else config.out / f"round-{number}"
        maker = _Maker(config, folder, model, number)
        pairs = folder / "pairs.jsonl"
        _join(one.pairs(maker), pairs, config)
        learning = dpo.Config(
            pairs=pairs,
            out=folder,
            model=model,
            revision=config.revision if model == config.model else None,
            box_syntax=config.box_syntax,
            limits=config.limits,
            method=config.method,
            terms=one.terms,
            spans="edited" if config.edit == "minimal" and config.edited_spans else "all",
            weighted=config.name == "mmedpo" and config.weights,
            beta=config.beta,
            sft_weight=config.sft_weight,
            epochs=config.epochs,
            batch_size=config.batch_size,
            accumulate=config.accumulate,
            learning_rate=config.learning_rate,
            precision=config.precision,
            checkpoint_every=config.checkpoint_every,
            workers=config.workers,
            seed=config.seed,
            resume=True,
            restart=config.restart,
        )
        provenance.stage(folder, "train dpo", learning, [pairs, *digests.of_model(model)], partial(dpo.main, learning))
        model = str(folder)
    return config.out


def _join(parts: Sequence[Path], out: Path, config: Config) -> None:
    """Pairs of several files as one file, checked on the way."""
    from unveil.core.pairs import read_pairs

    with provenance.output(out, "prefer", config, parts, derived=True) as output:
        assert output
        read = ((pair, part) for part in parts for pair in read_pairs(part))
        records.write_jsonl(out, [replace(pair, **moved_images(pair, part, out)) for pair, part in read])
        output.write()


@dataclass(frozen=True)
class _Maker:
    """Makes the files of pairs that a round asks for, each unless it is there already."""

    config: Config
    folder: Path
    model: str
    number: int

    @property
    def _common(self) -> dict[str, Any]:
        c = self.config
        return {
            "records": c.records,
            "dialogues": c.dialogues,
            "model": self.model,
            "revision": c.revision if self.model == c.model else None,
            "box_syntax": c.box_syntax,
            "limits": c.limits,
            "answer_batch": c.answer_batch,
            "kinds": c.kinds,
            "limit": c.limit,
            "seed": c.seed + 1000 * (self.number - 1),
            "restart": c.restart,
            "asked": c.asked,
        }

    def hallucinated(self, origin: Any = "sampled") -> Path:
        """Wrong answers: sampled and picked, written, or said without seeing."""
        c = self.config
        drawn: dict[str, Any] = {} if c.samples is None else {"samples": c.samples}
        edit = c.edit if origin == "sampled" else "none"
        out = self.folder / f"{origin}.jsonl"
        asked = hallucinate.Config(out=out, origin=origin, edit=edit, balance=c.balance, **drawn, **self._common)
        return self._made("curate hallucinate", asked, hallucinate.main)

    def written(self) -> Path:
        """Wrong answers that the expert writes: the same in all rounds, since they do not depend on the model."""
        c = self.config
        return replace(self, folder=c.out, model=c.model, number=1).hallucinated("written")

    def ranked(self, by: Any) -> Path:
        """The model's own answers, better and worse."""
        drawn: dict[str, Any] = {} if self.config.samples is None else {"samples": self.config.samples}
        asked = rank.Config(out=self.folder / "ranked.jsonl", by=by, **drawn, **self._common)
        return self._made("curate rank", asked, rank.main)

    def hidden(self, onto: Path | None = None) -> Path:
        """The truth without sight of the lesion, or pairs with that noise on their worse side."""
        c = self.config
        asked = noise.Config(
            records=c.records,
            dialogues=c.dialogues,
            out=self.folder / "noised.jsonl",
            map="whole" if c.noise == "global" else c.map,
            model=self.model,
            revision=c.revision if self.model == c.model else None,
            box_syntax=c.box_syntax,
            limits=c.limits,
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
        provenance.stage(asked.out, "curate relevance", asked, [plain, c.records], lambda: relevance.main(asked))
        return [asked.out]

    def _made(self, command: str, asked: Any, do: Callable[[Any], None]) -> Path:
        provenance.stage(asked.out, command, asked, candidates.read_by(asked), lambda: do(asked))
        return asked.out


def _mmedpo(maker: _Maker) -> Sequence[Path]:
    sides = maker.config.sides
    parts = [maker.hallucinated()] if "text" in sides else []
    return maker.weighed([*parts, *([maker.hidden()] if "visual" in sides else [])])


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
