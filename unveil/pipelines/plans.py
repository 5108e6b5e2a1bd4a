"""What the studies on synthetic images compare, by name: models, claims about them, and what they are measured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from unveil.pipelines.options import Variant
from unveil.pipelines.variants import BASELINES, PREFERRED, REWARDED

METRICS = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "f1_50_named": "found and named (F1)",
    "question_accuracy": "all questions",
}
Claims = tuple[tuple[str, str, str], ...]
"""Differences that a reader of the papers asks for: a method, what it is to be better than, what that would say."""

PREFERENCES: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("dpo", "sft", "preferring the truth to the model's own mistakes helps after fine-tuning"),
    ("mmedpo", "sft", "MMedPO helps after fine-tuning"),
    ("mmedpo", "dpo", "MMedPO is better than DPO"),
    ("mmedpo", "mmedpo-text", "hidden lesions add to wrong answers"),
    ("mmedpo", "mmedpo-visual", "wrong answers add to hidden lesions"),
    ("mmedpo", "mmedpo-unweighted", "clinical weights help"),
    ("mmedpo", "mmedpo-global", "local noise is better than global"),
    ("dpo-minimal", "sft", "minimal edits help after fine-tuning"),
    ("dpo-minimal", "dpo", "minimal edits are better than the truth as annotated"),
    ("selftrain", "sft-tenth", "self-training helps where a tenth of the labels is known"),
    ("selftrain", "sft", "self-training from a tenth of the labels reaches fine-tuning on all"),
)
REWARDS: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("aar", "sft", "rewards help after fine-tuning (UMed-LVLM's stage 2, GRPO)"),
    ("aar-ppo", "sft", "the same with PPO helps"),
    ("ppo", "sft", "PPO with a reward for relevance only helps"),
    ("aar", "ppo", "abnormal-aware rewards add to a reward for relevance"),
    ("aar", "aar-without-vrr", "the vision relevance reward helps (VRR)"),
    ("aar", "aar-without-alr", "the reward for the place helps (ALR)"),
    ("aar", "aar-without-relevance", "the reward for relevance helps"),
    ("aar", "aar-ppo", "GRPO is better than PPO"),
)
SEEING: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("dpo", "sft", "preferring the truth to the model's own mistakes helps after fine-tuning"),
    ("mmedpo", "dpo", "MMedPO is better than DPO"),
    ("aar", "sft", "rewards help after fine-tuning"),
    ("aar", "aar-without-vrr", "the vision relevance reward helps (VRR)"),
)
OTHERS: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("mdpo", "sft", "mDPO helps after fine-tuning"),
    ("povid", "sft", "POVID helps after fine-tuning"),
    ("sima", "sft", "SIMA helps after fine-tuning"),
    ("self-rewarding", "sft", "self-rewarding helps after fine-tuning"),
    ("aar", "sft", "rewards help after fine-tuning"),
    ("aar-tightened", "aar", "a rising threshold for the place adds to rewards (`--tighten`)"),
    ("sft-attention-loss", "sft", "attention supervision helps fine-tuning (`--attention-loss 0.1`)"),
)


@dataclass(frozen=True)
class Setting:
    """A variation of the main job beside it: what training lacks, and which test images tell what became of that."""

    name: str
    says: str
    words: tuple[str, ...]
    """Options of `unveil run`."""
    by: Literal["label", "modality"] | None = None
    """What the images that count are grouped by; None where all of them count."""
    of: tuple[str, ...] = ()
    """The groups."""


#: One category of each synthetic modality.
UNSEEN = ("abscess", "consolidation", "haemangioma", "ulcer")
SETTINGS = (
    Setting("unseen-categories", "categories never taught", ("--withhold", *UNSEEN), "label", UNSEEN),
    Setting("unseen-modality", "a modality never taught", ("--withhold", "ultrasound"), "modality", ("ultrasound",)),
    Setting("share-20", "20 % of the training patients", ("--train-share", "0.2")),
    Setting("share-50", "50 % of the training patients", ("--train-share", "0.5")),
)


#: Category accuracy as UMed-LVLM reports it (arXiv 2501.01377): mean of five sets of real images, 7 billion weights, by
#: PPO, one run, no interval.
UMED_LVLM = {
    "sft": 0.67,
    "aar": 0.75,
    "aar-without-vrr": 0.71,
    "aar-without-alr": 0.72,
    "aar-ppo": 0.75,
    "ppo": 0.69,
}


@dataclass(frozen=True)
class Plan:
    """What a study compares, by name."""

    name: str
    variants: tuple[Variant, ...]
    claims: Claims
    settings: tuple[Setting, ...] = ()
    """Variations of the main job in which ``varied`` is compared with fine-tuning."""
    varied: Variant | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    """The accuracies of the paper, which stand beside."""
    looks: bool = False
    """Whether models answer with their images taken away too (``study_looking``)."""

    @property
    def marks(self) -> tuple[str, str]:
        """The lines in a document between which its tables stand."""
        return f"<!-- study {self.name}: begin -->", f"<!-- study {self.name}: end -->"


_ABLATED = tuple(variant for variant in REWARDED if variant not in BASELINES)
PLANS = {
    "preferences": Plan("preferences", PREFERRED, PREFERENCES),
    "rewards": Plan("rewards", _ABLATED, REWARDS, SETTINGS, "aar", UMED_LVLM),
    "baselines": Plan("baselines", ("aar", *BASELINES), OTHERS),
    "looking": Plan("looking", ("dpo", "mmedpo", "aar", "aar-without-vrr"), SEEING, looks=True),
}
