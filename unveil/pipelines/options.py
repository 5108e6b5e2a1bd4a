"""What `unveil run` and `unveil prefer` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tyro.conf import Positional

from unveil.core.number_types import Count, CountOrNone
from unveil.core.path_types import Input, InputFile, OutputFile, OutputFolder
from unveil.core.records import Kind
from unveil.core.report_sections import Earlier, Part
from unveil.experts.options import ExpertGroup, ExpertOptions
from unveil.ingest.ingest import Format, Reading
from unveil.ingest.reading import Options
from unveil.train.options import DryRunOptions, TrainOptions
from unveil.vlm.choice import TINY, ModelChoice, Precision

Variant = Literal[
    "dpo",
    "mmedpo",
    "mmedpo-text",
    "mmedpo-visual",
    "mmedpo-unweighted",
    "mmedpo-global",
    "dpo-minimal",
    "sft-tenth",
    "selftrain",
    "aar",
    "aar-without-vrr",
    "aar-without-alr",
    "aar-without-relevance",
    "aar-ppo",
    "ppo",
    "mdpo",
    "povid",
    "sima",
    "self-rewarding",
    "aar-tightened",
    "sft-attention-loss",
]
Method = Literal["dpo", "self-rewarding", "povid", "sima", "mdpo", "mmedpo"]


@dataclass(frozen=True, kw_only=True)
class RunOptions(TrainOptions, DryRunOptions):
    """The main job: annotated images in, a measured better model and a report out. The defaults are the demo."""

    passing: ClassVar = {"compare", "full", "compare_limit", "expert", "resamples", "answer_batch"}  # stages' own
    groups: ClassVar = {
        "split": ("resplit", "shares", "withhold", "train_share"),
        "training": (
            *("method", "train_tower", "epochs", "batch_size", "accumulate", "learning_rate", "precision"),
            *("checkpoint_every", "workers", "memory", "gradient_checkpointing"),
            *("offload_activations", "optimizer", "max_length", "lora_rank", "lora_alpha", "allow_benchmark_test"),
        ),
        "model_details": ("revision", "box_format"),
        "questions": ("max_findings", "report_sections", "earlier"),
        "answers": ("answer_batch", "max_new_tokens", "resamples"),
        "comparison": ("compare", "full", "compare_limit", "expert"),
    }
    seldom: ClassVar[tuple[str, ...]] = (
        *("shares", "max_findings", "earlier", "withhold", "train_share", "max_new_tokens", "resamples"),
        *("compare_limit", "checkpoint_every"),
    )
    data: Input | None = None
    """Folder of your annotated images, a zip of it, or one annotation file in it; none draws synthetic images."""
    format: Format = "auto"
    """How they are annotated; auto lets the files tell, and asks where they may be read in two ways. `unveil datasets`
    tells what each reads."""
    out: OutputFolder | None = None
    """Folder for everything that is made; by default runs/demo, and runs/NAME for a data folder NAME of yours, or
    runs/NAME-out where that is the data folder itself."""
    patients: int = 320
    """synthetic: how many patients are drawn, some three images each."""
    seed: int = 0
    """Seed of drawing, split, wordings, training and bootstrap."""
    resplit: Literal["if-needed", "always", "never"] = "if-needed"
    """Deal whole groups (patient, study, copies) anew to train, val, test; needed where splits are missing or leak, or
    have a benchmark's test images outside of test."""
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, val and test in a new split."""
    max_findings: int = 24
    """Images with more findings get no question whose answer would list them all."""
    report_sections: tuple[Part, ...] = ()
    """What of the images' reports the model is to learn to write, and is asked for: findings, impression, or report
    (both, else all of it); by default nothing."""
    earlier: Earlier = "keep"
    """Sentences of reports that speak of an earlier study, such as "unchanged": keep them, or drop them, since nobody
    can tell that from the image alone."""
    withhold: tuple[str, ...] = ()
    """Labels, modalities and data sets that training is to know nothing of: how does a model do on what it was never
    taught?"""
    train_share: float = 1.0
    """Share of the training patients who are learnt from."""
    epochs: float = 8.0
    """Passes over the training dialogues; the weights of the one after which validation was answered best are kept."""
    batch_size: Count = 32
    """Dialogues per forward pass; what is compared takes no larger ones and learns from as many rows per update."""
    answer_batch: Count = 64
    """Images whose test questions are answered at a time; where pairs are made, requests."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    resamples: int = 2000
    """Bootstrap resamples."""
    compare: tuple[Variant, ...] | None = None
    """What is trained after fine-tuning and measured beside it: rewards, preference methods, ablations; by default aar,
    dpo and mmedpo on synthetic images, none on yours."""
    full: bool = False
    """Compare these, MMedPO's four ablations too, and self-training from a tenth of the labels."""
    compare_limit: Count | None = None
    """compare: dialogues of training and validation that pairs are made of; by default 480 on synthetic images, so that
    the demo stays short, and all on yours."""
    expert: str = "rules"
    """compare: who is asked, rules or local:MODEL; other experts by `unveil prefer`."""
    restart: bool = False
    """Write over what was made with other settings or from other data; what is as it would be now is kept."""
    reading: Reading = field(default_factory=Options)
    """What the files themselves do not say."""


@dataclass(frozen=True, kw_only=True)
class PreferOptions(TrainOptions):
    """Train a model by preferences with a method of the literature: makes its pairs, weighs them, and trains."""

    passing: ClassVar = (  # of pairs; training has these among its own settings
        {"method", "epochs", "batch_size", "beta", "sft_weight", "learning_rate", "precision"}
        | {"accumulate", "answer_batch", "edited_spans", "train_tower", "lora_rank", "lora_alpha"}
        | {"gradient_checkpointing", "offload_activations", "optimizer", "memory", "max_length"}
    )
    seldom: ClassVar[tuple[str, ...]] = (
        *("sides", "weights", "agents", "noise", "edited_spans", "samples", "rounds", "sft_weight"),
        *("answer_batch", "checkpoint_every"),
    )
    name: Method
    """dpo: the truth against a plausible wrong answer. mmedpo: the same, and the truth without sight of the lesion,
    with clinical weights. mdpo: both on each pair, and an anchor. povid: wrong answers that the expert writes, then
    what the model says without seeing. self-rewarding: the model's answers by a judge's rubric. sima: its greedy answer
    against a drawn one."""
    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl; its training dialogues are used, and those of validation to watch."""
    out: OutputFolder
    """Folder for the pairs and the trained model."""
    model: str = TINY
    """Hub id or local folder of the model to start from: one that has been fine-tuned (train sft) knows the form of an
    answer, and its mistakes are worth learning from."""
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
    kinds: tuple[Kind, ...] = (
        *("diagnosis", "localisation", "recognition", "grounding", "report", "closed", "choice", "open"),
    )
    """Kinds of dialogues."""
    limit: Count | None = None
    """Only the first so many dialogues of training and validation."""
    samples: Count | None = None
    """Answers sampled per question; by default as the method has it."""
    rounds: Count = 1
    """self-rewarding: times that pairs are made and learnt from, each time with the model of the time before."""
    epochs: float = 1.0
    """Passes over the pairs."""
    batch_size: Count = 16
    """Pairs per forward pass."""
    beta: float = 0.1
    """How strongly the policy is held to the reference."""
    sft_weight: float = 0.0
    """Weight of the better answers' negative log-likelihood per token, added to the loss."""
    answer_batch: Count = 64
    """Questions that the model answers at a time."""
    restart: bool = False
    """Write over what was made with other settings or from other data; what is as it would be now is kept."""
    seed: int = 0
    """Seed of all draws."""
    asked: ExpertGroup = field(default_factory=ExpertOptions)
    """Who is asked."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(ModelChoice):
    """Measure a model by a benchmark of the field: its data set to questions, answers, scores and a page."""

    passing: ClassVar = {"batch_size", "allow_benchmark_test"}
    groups: ClassVar = {"answers": ("batch_size", "max_new_tokens", "precision", "resamples", "limit")}
    seldom: ClassVar[tuple[str, ...]] = ("box_format", "frame", "resamples", "max_new_tokens", "precision")
    name: Positional[str] = ""
    """Which benchmark; none lists all."""
    all: bool = False
    """Measure by every benchmark whose data set is in a folder below --data, and write one page."""
    data: Input | None = None
    """Folder of the data set as it was downloaded, a zip of it, or records.jsonl that `unveil ingest` has made of it;
    where a benchmark is made of several sets, and for --all, the folder that holds theirs."""
    model: str = ""
    """Hub id or local folder of a vision-language model of transformers, or of an adapter; "tiny" is the base model
    that comes along. Without one the questions alone are written."""
    called: str | None = None
    """How the model is called on the page; by default what --model says, or the name of the file of --predictions."""
    predictions: InputFile | None = None
    """Answers to the questions that were made elsewhere, in place of --model: predictions.jsonl, or a file of
    MedEvalKit, lmms-eval, VLMEvalKit, LLaVA-Med or FLARE, whose boxes are written as --box-format says."""
    frame: str | None = None
    """What boxes in pixels refer to in such a file: image, or the WIDTHxHEIGHT that every image was resized to."""
    out: OutputFolder | None = None
    """Folder for everything that is made; by default runs/benchmark-NAME, and runs/benchmarks for --all."""
    limit: Count | None = None
    """Only so many questions of a benchmark, in turn of every kind and every group of it; the page says so."""
    batch_size: Count = 64
    """Images whose questions are answered at a time."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    precision: Precision = "auto"
    """What the model computes in; auto takes bf16 where the device computes in it, else float32."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap, and of splits where a set publishes none."""
    allow_benchmark_test: bool = False
    """Measure a model that has learnt from images of this benchmark's test split all the same; the page says so."""
    dry_run: bool = False
    """Say which commands would be run; nothing is read but the names of files, nothing is written."""
    restart: bool = False
    """Write over what was made with other settings or from other data; what is as it would be now is kept."""


@dataclass(frozen=True, kw_only=True)
class CheckModelOptions(ModelChoice):
    """Look at a model before anything is done with it: whether the engine computes what the model itself does, how its
    chat and its images look to it, which box dialect it answers in, what training takes, and what it cannot do here."""

    passing: ClassVar = {"json"}
    seldom: ClassVar[tuple[str, ...]] = ("seed", "max_new_tokens")
    model: Positional[str] = TINY
    """Hub id or local folder of a vision-language model of transformers, or of an adapter; "tiny" is the base model
    that comes along."""
    precisions: tuple[Literal["float32", "bf16"], ...] = ("float32", "bf16")
    """What the engine is compared with the model's own forward pass in; float32 takes four bytes a weight."""
    images: CountOrNone = 8
    """Synthetic images on which it is asked for a box in each box dialect; 0 does not ask. Fewer than 6 give an
    interval only where all are alike."""
    max_new_tokens: Count = 96
    """Longest of these answers in tokens."""
    batch_size: CountOrNone = 4
    """Rows of a forward pass that memory is told for: questions of sft, pairs of dpo, questions of grpo with all
    answers to them. 0 does not tell it."""
    image_size: tuple[Count, Count] = (512, 512)
    """Width and height of the images that memory is told for."""
    seed: int = 0
    """Seed of the synthetic images."""
    json: OutputFile | None = None
    """Write what was found here too."""
    restart: bool = False
    """Write over what another run has left in the place of --json."""
