"""What comes after fine-tuning in the main job: rewards, preference methods, ablations, self-training, side by side.

All start from the same fine-tuned model (self-training from one that knows a tenth of the labels), learn from the
training split, and are measured on the same questions of the test split.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from unveil.core import digests, jsonl, options, provenance, records
from unveil.core.records import Dialogue, Kind
from unveil.curate import candidates, questions, selftrain
from unveil.curate.holdout import of_share
from unveil.experts.options import ExpertOptions
from unveil.pipelines import prefer
from unveil.pipelines.options import RunOptions, Variant

USUAL: tuple[Variant, ...] = ("aar", "dpo", "mmedpo")
REWARDED: tuple[Variant, ...] = (
    "aar",
    "aar-without-vrr",
    "aar-without-alr",
    "aar-without-relevance",
    "aar-ppo",
    "ppo",
    "aar-tightened",
)
"""Learning from rewards; `unveil study rewards` compares those of them that are no baselines."""
BASELINES: tuple[Variant, ...] = ("mdpo", "povid", "sima", "self-rewarding", "aar-tightened", "sft-attention-loss")
"""Methods of others and options, measured for comparison; `unveil study baselines` does so."""
PREFERRED: tuple[Variant, ...] = tuple(
    variant for variant in get_args(Variant) if variant not in (*REWARDED, *BASELINES)
)
"""Preference methods, their ablations, and self-training; `unveil study preferences` compares them."""
FULL: tuple[Variant, ...] = ("aar", *PREFERRED)


@dataclass(frozen=True)
class Comparison:
    """What all variants have in common."""

    records: Path
    dialogues: Path
    out: Path
    """Folder in which each variant has a folder of its own name, and in which the fine-tuned model is ``sft``."""
    sft: Any
    """The configuration that fine-tuning had."""
    answer_batch: int
    expert: str = "rules"
    limit: int | None = None
    """Dialogues that pairs are made of."""
    rewarded: int | None = None
    """Questions that rewards are earned with."""

    def train(self, variant: Variant) -> Path:
        """Trains a variant unless it is there already; returns the folder of its model."""
        return VARIANTS[variant](self)

    @property
    def shared(self) -> dict[str, Any]:
        """What all are trained with as the fine-tuned model was."""
        names = ["method", "train_tower", "precision", "checkpoint_every", "workers", "seed", "restart", "plugins"]
        names += ["lora_rank", "lora_alpha", "optimizer", "gradient_checkpointing", "offload_activations", "memory"]
        names += ["max_length", "allow_benchmark_test"]
        return {name: getattr(self.sft, name) for name in names}

    def batches(self, usual: int) -> dict[str, Any]:
        """The usual rows of an update in forward passes no larger than those of fine-tuning."""
        size = min(usual, self.sft.batch_size)
        return {"batch_size": size, "accumulate": math.ceil(usual / size)}

    @property
    def asked(self) -> ExpertOptions:
        return ExpertOptions(expert=self.expert, replies=self.out / "replies.sqlite")


def _preferred(variant: Variant, **options: Any) -> Callable[[Comparison], Path]:
    def train(comparison: Comparison) -> Path:
        return prefer.main(
            prefer.Config(
                records=comparison.records,
                dialogues=comparison.dialogues,
                out=comparison.out / variant,
                model=str(comparison.out / "sft"),
                kinds=kinds(comparison.dialogues),
                limit=comparison.limit,
                **comparison.shared,
                **comparison.batches(prefer.Config.batch_size),
                answer_batch=comparison.answer_batch,
                asked=comparison.asked,
                **options,
            )
        )

    return train


def kinds(dialogues: Path) -> tuple[Kind, ...]:
    """Diagnoses, where there are any, and reports; without diagnoses phrases too, and the questions that came with the
    images."""
    return asked_kinds(jsonl.read_jsonl(dialogues, Dialogue))


def asked_kinds(dialogues: Iterable[Dialogue]) -> tuple[Kind, ...]:
    """The same of dialogues that were read."""
    asked = {d.kind for d in dialogues}
    if "diagnosis" in asked:
        return ("diagnosis", "report") if "report" in asked else ("diagnosis",)
    own: tuple[Kind, ...] = ("report", "closed", "choice", "open")
    return ("grounding", *own) if "grounding" in asked else own


def _tenth(comparison: Comparison) -> Path:
    """Fine-tuning on the images of a tenth of the training patients, with the turns in which a model learns to ask."""
    from unveil.train import sft

    folder = comparison.out / "sft-tenth"
    part = folder / "tenth.jsonl"
    jsonl.write_jsonl(part, _some(comparison, part, 0.1))
    again = comparison.sft.restart
    talk = questions.Config(records=comparison.records, dialogues=part, out=folder / "dialogues.jsonl", restart=again)
    inputs = [talk.records, talk.dialogues]
    provenance.stage("curate questions", talk, inputs, questions.main)
    learning = replace(comparison.sft, dialogues=talk.out, out=folder, epochs=comparison.sft.epochs * TENTH_EPOCHS)
    learnt_from = [comparison.records, talk.out, *digests.of_model(learning.model)]
    provenance.stage("train sft", learning, learnt_from, sft.main)
    return folder


def _attending(comparison: Comparison) -> Path:
    """Fine-tuning with attention supervision, otherwise as the model that it is compared with."""
    from unveil.train import sft

    folder = comparison.out / "sft-attention-loss"
    learning = replace(comparison.sft, out=folder, attention_loss=ATTENTION_LOSS)
    inputs = [comparison.records, learning.dialogues, *digests.of_model(learning.model)]
    provenance.stage("train sft", learning, inputs, sft.main)
    return folder


#: Weight of the attention loss, as docs/explanation/log.md tried it on other synthetic images.
ATTENTION_LOSS = 0.1

#: Times more passes over a tenth of the data: fewer than ten, since it is learnt by heart long before.
TENTH_EPOCHS = 2


def _some(comparison: Comparison, beside: Path, share: float) -> Sequence[Dialogue]:
    """The training dialogues of a share of the patients, rounded up, and all of validation."""
    asked = [d for d in jsonl.read_jsonl(comparison.dialogues, Dialogue) if d.split in ("train", "val")]
    kept = of_share(asked, list(jsonl.read_jsonl(comparison.records, records.Record)), share, comparison.sft.seed)
    return [records.rebased(d, comparison.dialogues, beside) for d in kept]


def _selftrained(comparison: Comparison) -> Path:
    """Self-training of the model that knows a tenth of the labels, on images of the whole training split."""
    from unveil.train import dpo

    folder, model = comparison.out / "selftrain", _tenth(comparison)
    making = selftrain.Config(
        records=comparison.records,
        dialogues=comparison.dialogues,
        out=folder / "pairs.jsonl",
        model=str(model),
        images=SELF_IMAGES,
        answer_batch=comparison.answer_batch,
        ask_temperature=1.0,  # the paper's 1.2 leaves nothing of a model this small, whose vocabulary top-k 300 spans
        answer_temperature=1.0,
        describe_tokens=128,
        ask_tokens=48,
        answer_tokens=128,
        seed=comparison.sft.seed,
        restart=comparison.sft.restart,
        asked=comparison.asked,
    )
    provenance.stage("curate selftrain", making, candidates.read_by(making), selftrain.main)
    learning = dpo.Config(
        pairs=making.out,
        out=folder,
        model=str(model),
        **comparison.shared,
        epochs=1.0,
        **comparison.batches(prefer.Config.batch_size),
        resume=comparison.sft.resume,
    )
    provenance.stage("train dpo", learning, [making.out, *digests.of_model(model)], dpo.main)
    return folder


def _rewarded(variant: Variant, **options: Any) -> Callable[[Comparison], Path]:
    """Abnormal-aware rewarding of the fine-tuned model."""

    def train(comparison: Comparison) -> Path:
        from unveil.rl import aar

        folder, model = comparison.out / variant, str(comparison.out / "sft")
        learning = aar.Config(
            records=comparison.records,
            dialogues=comparison.dialogues,
            out=folder,
            model=model,
            kinds=kinds(comparison.dialogues),
            limit=comparison.rewarded,
            **comparison.shared,
            **comparison.batches(aar.Config.batch_size),
            max_new_tokens=comparison.sft.max_new_tokens,
            resume=comparison.sft.resume,
            judge=comparison.asked,
            **{**SMALL_RUN, **options},
        )
        inputs = [comparison.records, comparison.dialogues, *digests.of_model(model)]
        provenance.stage("train aar", learning, inputs, aar.main)
        return folder

    return train


#: Variants that are such options of `unveil prefer --name mmedpo`.
_MMEDPO: dict[str, Variant] = {
    "--sides text": "mmedpo-text",
    "--sides visual": "mmedpo-visual",
    "--noise global": "mmedpo-global",
}


def why_not(variant: Variant, error: Exception) -> str:
    """Why a variant could not be trained, with what can be done about it in a comparison: an inner command's advice is
    of options that a comparison may not have."""
    if isinstance(error, prefer.SideError):
        named = _MMEDPO if variant in ("mmedpo", "mmedpo-visual") else {}
        method = "mmedpo" if variant.startswith("mmedpo") else variant
        ways = (
            f"--compare {named[option]}" if option in named else f"`unveil prefer --name {method} {option}`"
            for option in error.ways
        )
        told = (f"{way} {does}" for way, does in zip(ways, error.ways.values(), strict=True))
        return f"{error.why}: {', '.join(told)}"
    known = {option.flag for option in options.every(RunOptions)}
    typed = re.findall(r"(?<![\w-])--[a-z][\w-]*(?:\.[\w-]+)*", re.sub(r"`[^`]*`", "", str(error)))
    if lacking := [flag for flag in dict.fromkeys(typed) if flag not in known]:
        return f"{error} (`unveil {_COMMANDS.get(variant, 'prefer')}` has {', '.join(lacking)}, `unveil run` has not)"
    return str(error)


#: What trains a variant by itself, where it is not ``prefer``.
_COMMANDS: dict[Variant, str] = {
    **dict.fromkeys(REWARDED, "train aar"),
    "sft-tenth": "train sft",
    "sft-attention-loss": "train sft",
    "selftrain": "curate selftrain",
}


#: Settings of the rewards in the main job, chosen among the trials in docs/explanation/log.md (drawings of seed 99).
SMALL_RUN: dict[str, Any] = {
    "epochs": 2.0,
    "combination": "sum",
    "keep_best": False,  # they change little, so that validation of so few images would choose by chance
    "validate_every": 42,
    "samples_every": 42,
}


#: Images that the self-trained model puts questions about.
SELF_IMAGES = 150

VARIANTS: dict[Variant, Callable[[Comparison], Path]] = {
    "dpo": _preferred("dpo", name="dpo"),
    "mmedpo": _preferred("mmedpo", name="mmedpo"),
    "mmedpo-text": _preferred("mmedpo-text", name="mmedpo", sides=("text",)),
    "mmedpo-visual": _preferred("mmedpo-visual", name="mmedpo", sides=("visual",)),
    "mmedpo-unweighted": _preferred("mmedpo-unweighted", name="mmedpo", weights=False),
    "mmedpo-global": _preferred("mmedpo-global", name="mmedpo", noise="global"),
    "dpo-minimal": _preferred("dpo-minimal", name="dpo", edit="minimal", edited_spans=True),
    "sft-tenth": _tenth,
    "selftrain": _selftrained,
    "aar": _rewarded("aar"),
    "aar-without-vrr": _rewarded("aar-without-vrr", without=("vrr",)),
    "aar-without-alr": _rewarded("aar-without-alr", without=("alr",)),
    "aar-without-relevance": _rewarded("aar-without-relevance", without=("relevance",)),
    "aar-ppo": _rewarded("aar-ppo", algorithm="ppo"),
    "ppo": _rewarded("ppo", algorithm="ppo", without=("vrr", "alr")),
    "mdpo": _preferred("mdpo", name="mdpo"),
    "povid": _preferred("povid", name="povid"),
    "sima": _preferred("sima", name="sima"),
    "self-rewarding": _preferred("self-rewarding", name="self-rewarding"),
    "aar-tightened": _rewarded("aar-tightened", tighten=True),
    "sft-attention-loss": _attending,
}
