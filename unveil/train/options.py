"""How a model is trained: the options that longer jobs hand on, and all that every training command has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.records import Kind
from unveil.vlm.choice import ModelChoice, Precision

Optimizer = Literal["adamw", "adamw-8bit", "paged-adamw-8bit"]


class PassesError(ValueError):
    """So many passes over the training rows cannot be made."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(ModelChoice):
    """What commands can be told that train, and those that let others train."""

    seldom: ClassVar[tuple[str, ...]] = (
        *("workers", "lora_alpha", "max_length", "allow_benchmark_test", "optimizer", "offload_activations"),
    )

    method: Literal["auto", "lora", "qlora", "full"] = "auto"
    """Train adapters on the linear layers of the language model, or all of its weights; auto takes all weights of
    models under 50 million and adapters of larger ones. qlora keeps the frozen weights under adapters in 4 bits, on a
    GPU."""
    train_tower: bool = False
    """Train the vision tower too."""
    lora_rank: int = 64
    """Rank of the adapters."""
    lora_alpha: float = 128.0
    """Scale of the adapters."""
    epochs: float = 3.0
    """Passes over the training rows."""
    batch_size: Count = 8
    """Rows per forward pass and process."""
    accumulate: Count = 1
    """Forward passes per update."""
    optimizer: Optimizer = "adamw"
    """adamw-8bit keeps the moments in 8 bits, a quarter of the memory; paged- lets them leave a GPU that is full."""
    gradient_checkpointing: bool = False
    """Recompute activations of the language model in the backward pass to save memory."""
    offload_activations: bool = False
    """Keep what the language model needs for its backward pass in the host's memory, not in the GPU's; in place of
    gradient checkpointing, which it leaves little to spare."""
    memory: str | None = None
    """Memory that training may take on its device, such as 24GB: batch size, accumulation and checkpointing are chosen
    to fit, for updates of as many rows as --batch-size times --accumulate asks for."""
    max_length: Count | None = None
    """Longest row in tokens; a longer one stops the run by its id, nothing is cut. By default the model's context."""
    learning_rate: float | None = None
    """Peak learning rate, cosine to 0; by default one that fits the method and the size of the model."""
    precision: Precision = "auto"
    """What is computed in, and what frozen weights are kept in; trained weights are float32 always. auto takes bf16
    where the device computes in it, else float32; fp16 is for GPUs that do not (V100, T4) and for models that never
    leave its range."""
    checkpoint_every: int = 200
    """Updates between checkpoints; 0 never."""
    workers: int | None = None
    """Processes that decode and process images ahead of need; by default 4 where a GPU trains, else none, since
    training itself has all cores."""

    allow_benchmark_test: bool = False
    """Learn from images of a benchmark's test split too, which is refused otherwise; report and run.json then say that
    figures on that benchmark are worth nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.epochs < math.inf:
            raise PassesError(f"--epochs {self.epochs:g}: it must be above 0, such as 0.5 or 3")


Term = Literal["text", "visual", "anchor"]
DeviceType = Literal["h200", "h100", "a100", "l40s", "a6000", "rtx4090"]


@dataclass(frozen=True, kw_only=True)
class DryRunOptions:
    """What commands can be told that say beforehand what training takes."""

    dry_run: bool = False
    """Say how many images, questions, tokens and updates there are, and what memory, disk and time they take; nothing
    is downloaded but a model's configuration, nothing is trained or written."""
    device_type: DeviceType | None = None
    """dry run: the GPU that time and memory are told for; by default this machine's device, whose speed is tried."""


@dataclass(frozen=True, kw_only=True)
class RecipeOptions(TrainOptions, DryRunOptions):
    """What every training command can be told."""

    groups: ClassVar = {
        "model_details": ("revision", "box_format"),
        "adapters": ("train_tower", "train_projector", "lora_rank", "lora_alpha", "lora_dropout"),
        "optimiser": ("optimizer", "accumulate", "together", "warmup", "weight_decay", "clip_norm", "max_length"),
        "watching": ("validate_every", "validation_rows", "log_every", "trackers"),
        "checkpoints": ("checkpoint_every", "keep_checkpoints"),
        "machine": ("precision", "attention", "compile", "workers", "cache_mb", "features"),
        "memory_use": ("gradient_checkpointing", "offload_activations"),
    }
    seldom: ClassVar[tuple[str, ...]] = (
        *("lora_dropout", "train_projector", "together", "warmup", "weight_decay", "clip_norm", "attention"),
        *("compile",),
        *("validation_rows", "log_every", "keep_checkpoints", "cache_mb", "features"),
    )

    @property
    def recomputes(self) -> bool:
        """Whether layers may compute again in the backward pass what they have not kept."""
        return True

    @property
    def reads_attention(self) -> bool:
        """Whether it learns from where the model looks, or may."""
        return False

    former: ClassVar[dict[str, Any]] = {"attention": "sdpa"}
    copies: ClassVar[int] = 0
    """Models beside the one in training that are held where all weights are trained."""
    out: OutputFolder
    """Folder for the trained model, its checkpoints and metrics.jsonl."""
    lora_dropout: float = 0.0
    """Dropout before the adapters."""
    train_projector: bool | None = None
    """Train the projector between tower and language model too; by default with all weights, not with adapters."""
    together: Count = 4
    """Rows on one image that stand in one batch and share the image, at the most."""
    warmup: float = 0.03
    """Share of all updates over which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    clip_norm: float = 1.0
    """Largest gradient norm."""
    attention: Literal["auto", "sdpa", "flex_attention", "eager"] = "auto"
    """How the language model computes attention; flex_attention skips what a token tree hides, on a GPU only and for
    families that transformers has it for. auto takes it there for rows of more than 8,192 tokens, whose pairs fill the
    memory of the others, and sdpa else."""
    compile: bool = False
    """Compile the layers of the language model: half a minute, after which updates take a tenth less time."""
    validate_every: int = 100
    """Updates between validations; 0 never."""
    validation_rows: int = 256
    """Validation rows used each time, at the most."""
    blind: bool = False
    """Show a grey image in place of every one, in training and validation: a control that learns from texts alone. What
    it answers right is no proof of sight."""
    keep_checkpoints: bool = False
    """Keep the last checkpoints when the run has ended; else they are removed then."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Where else to log. Only figures are sent, never an image or a text."""
    cache_mb: int = 2048
    """Memory for processed images, and as much for the features of a frozen tower, per process."""
    features: OutputFolder | None = None
    """Folder that keeps the features of a frozen tower for other runs; by default they last as long as this run."""
    seed: int = 0
    """Seed of data order, adapters and dropout."""
    resume: bool = False
    """Go on from the newest checkpoint in `out`, if there is one."""
    restart: bool = False
    """Begin anew, over a model or checkpoints that are in `out`; with --resume only where they are of another run."""


@dataclass(frozen=True, kw_only=True)
class SftOptions(RecipeOptions):
    """Fine-tune a vision-language model on the true answers of dialogues.jsonl (training split)."""

    former: ClassVar = RecipeOptions.former | {"kinds": ("diagnosis", "localisation", "grounding")}
    dialogues: InputFile
    """Dialogues, as `unveil curate mau` writes them, or `unveil curate questions`."""
    records: InputFile | None = None
    """Records, which hold the truth: with them validation questions are also answered, greedily, at the end of each
    epoch (whatever --validate-every says), and the weights that answer best are kept, which the loss does not tell."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "grounding", "report")
    """records: kinds of questions that are answered."""
    max_new_tokens: Count = 384
    """records: longest answer in tokens."""
    self_questions: float = 0.5
    """Share of the questions to be put (`unveil curate questions`) that are learnt; dialogues without any have none."""
    attention_loss: float = 0.0
    """Weight of a loss that draws the attention of tokens which write a box to what the answer points at (UMed-LVLM's
    vision relevance, with its own gradient); 0.1 is one to begin with. See docs/how-to/rewards.md for what it did."""

    @property
    def recomputes(self) -> bool:
        """Not where attention is read on the way, which would be read twice."""
        return not self.attention_loss

    @property
    def reads_attention(self) -> bool:
        return self.attention_loss > 0


@dataclass(frozen=True, kw_only=True)
class DpoOptions(RecipeOptions):
    """Train a vision-language model on preference pairs (pairs.jsonl, or TRL's prompt, chosen, rejected, images)."""

    pairs: InputFile
    """Pairs, ours or TRL's; those of the training split, and those without a split."""
    batch_size: Count = 4
    """Pairs per forward pass and process."""
    beta: float = 0.1
    """How strongly the policy is held to the reference."""
    loss: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    """Form of the preference loss."""
    smoothing: float = 0.0
    """Share of pairs taken to be the wrong way round (sigmoid only)."""
    terms: tuple[Term, ...] = ("text",)
    """text: the better against the worse answer; visual: the better answer under the image against the same under the
    pair's other image; anchor: the better answer is not to become less likely. All three are mDPO."""
    sft_weight: float = 0.0
    """Weight of the better answers' negative log-likelihood per token, added to the loss."""
    per_token: bool = False
    """Divide log-probabilities by the answer's length."""
    spans: Literal["all", "edited"] = "all"
    """edited: of answers that differ only the tokens in which they do count (minimal edits, FiRe-MPO)."""
    weighted: bool = True
    """Multiply each pair's loss by its weight."""
