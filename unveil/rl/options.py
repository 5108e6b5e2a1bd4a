"""What learning from rewards can be told, and who samples the answers that are learnt from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from unveil.core.number_types import Count
from unveil.core.options import Suggestions
from unveil.core.path_types import InputFile
from unveil.core.records import Kind
from unveil.experts.options import ExpertOptions, ServerOptions
from unveil.rl.advantages import ADVANTAGES
from unveil.rl.rewards import REWARDS, Combination
from unveil.train.options import RecipeOptions

Rewards = Annotated[tuple[str, ...], Suggestions(lambda: (*REWARDS, "hits@0.5"))]
Part = Literal["vrr", "alr", "relevance"]
AdvantageName = Annotated[str, Suggestions(lambda: ADVANTAGES)]


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(ServerOptions):
    """Who samples the answers that are learnt from."""

    server: str | None = None
    """Address of an OpenAI-compatible server that draws them, such as http://127.0.0.1:8000/v1; by default this process
    draws them."""
    kind: Literal["vllm", "transformers"] = "vllm"
    """What the server is told beyond OpenAI's own fields: vllm's (log-probabilities and ids of what was drawn; others
    that know them too), or those of `transformers serve`, which has no log-probabilities."""
    weights: Literal["folder", "vllm-lora", "never"] | None = None
    """How new weights reach it, needed with a server. folder: it is asked for OUT/served/step-N, a whole model, by its
    path; vllm-lora: it loads the adapter from there; never: it keeps the weights that it has."""
    every: int = 1
    """Updates between renewals of its weights."""
    model: str | None = None
    """Name of the model there, with --generate.weights never; with vllm-lora what adapters' names begin with."""
    logprobs: Literal["given", "none"] = "given"
    """given: the server tells log-probabilities, by which learning is corrected. none: it does not, and learning takes
    its answers as if this process had drawn them."""
    concurrency: int = 32
    """Requests under way at a time."""
    timeout: float = 600.0
    """Seconds for one reply, which holds all answers to a question."""


@dataclass(frozen=True, kw_only=True)
class RlOptions(RecipeOptions):
    """What both ways to learn from rewards can be told."""

    groups: ClassVar = {
        "policy": ("updates", "credit", "combination", "tighten", "clip_low", "clip_high", "entropy", "mean_over"),
        "divergence": ("kl", "kl_every", "kl_target"),
        "collapse": ("least_entropy", "most_growth", "most_unusable"),
        "watching": ("samples_every", "keep_best"),
    }
    seldom: ClassVar[tuple[str, ...]] = (
        *("limit", "together", "collapse", "judge", "generate", "samples_every", "keep_best"),
        *("combination", "tighten", "clip_low", "clip_high", "mean_over", "kl_every", "kl_target"),
    )

    copies: ClassVar[int] = 1  # the reference

    @property
    def reads_attention(self) -> bool:
        return True  # by what rewards there are, which are not known yet

    records: InputFile
    """Records, which hold the truth: records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """Questions on them; those of the training split are answered, those of validation watched."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "grounding", "report")
    """Kinds of questions to learn from."""
    limit: Count | None = None
    """Questions of the training split that are used, a fixed sample; by default all."""
    rewards: Rewards = ("relevance", "localisation", "vision")
    """Rewards that are added up, by name, or your own as FILE.py:FUNCTION; NAME=0.5 gives a weight, 0 only watches
    it."""
    credit: Literal["parts", "answer"] = "parts"
    """parts: what the places of a diagnosis earn is credited to the tokens that they can depend on, and what names earn
    likewise; answer: all tokens of an answer are credited with all that it earned, as first published; noisier."""
    combination: Combination = "max"
    """max: each reward over the largest of its group, relevance as it is (UMed-LVLM); z: over its spread; sum: as is"""
    tighten: bool = False
    """Let the localisation reward count hits only, above a threshold that rises with the running mean (MedLoc-R1)."""
    batch_size: Count = 16
    """Questions per forward pass and process."""
    answers: Count = 8
    """Answers sampled for each question."""
    temperature: float = 1.0
    """Temperature at which they are drawn."""
    max_new_tokens: Count = 384
    """Longest answer in tokens; one that is cut there counts as unusable."""
    updates: Count = 1
    """Updates made from the same answers."""
    epochs: float = 1.0
    """Passes over the questions."""
    together: Count = 1
    """Questions on one image that stand in one pass, at the most."""
    clip_low: float = 0.2
    """How far the ratio of probabilities may fall below 1 before its gradient is cut."""
    clip_high: float = 0.2
    """How far it may rise above 1."""
    kl: float = 0.0
    """Coefficient of the KL term to the model before training; KL is logged in any case."""
    kl_every: int = 10
    """Updates between looks at how far the policy has moved (KL), where no term needs it; a pass of the reference."""
    kl_target: float | None = None
    """Let the coefficient of the KL term adapt so that KL per token comes to this."""
    entropy: float | None = None
    """Coefficient of the entropy bonus; by default the algorithm's: 0 of GRPO, 0.01 of PPO."""
    mean_over: Literal["token", "sequence"] = "token"
    """Average the loss over tokens (DAPO), or first over each answer's tokens (GRPO as first published)."""
    keep_best: bool = True
    """Keep the weights with the best greedy answers on validation, else the last ones."""
    samples_every: int = 50
    """Updates between samples: answers with their rewards, and their boxes on the picture; 0 never."""
    least_entropy: float = 0.1
    """Stop when entropy falls below this share of what it was at first."""
    most_growth: float = 3.0
    """Stop when answers grow longer than this many times what they were at first."""
    most_unusable: float = 0.5
    """Stop when more than this share of the answers is empty, unreadable or cut."""
    validate_every: int = 25
    """Updates between greedy validations; 0 never."""
    validation_rows: int = 128
    """Validation questions answered each time, at the most."""
    checkpoint_every: int = 50
    """Updates between checkpoints; 0 never."""
    log_every: int = 1
    """Updates between lines of metrics.jsonl."""
    judge: ExpertOptions = field(default_factory=ExpertOptions)
    """Who scores relevance."""
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    """Who samples the answers."""

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of functions, which may be FILE.py:FUNCTION."""
        return self.rewards


@dataclass(frozen=True, kw_only=True)
class GroupOptions(RlOptions):
    """What can be told besides where answers are compared with others to the same question (GRPO)."""

    groups: ClassVar = {"policy": ("advantage",)}

    advantage: AdvantageName = "dr-grpo"
    """How much better an answer is than the others of its group: dr-grpo takes its reward over their mean, grpo divides
    that by their spread, as first published, rloo takes the mean of the others; or your own as FILE.py:FUNCTION."""

    @property
    def functions(self) -> tuple[str, ...]:
        return (*self.rewards, self.advantage)


@dataclass(frozen=True, kw_only=True)
class GrpoOptions(GroupOptions):
    """Train a model by rewards relative to those of other answers to the same question (GRPO)."""

    entropy: float = 0.0
    """Coefficient of the entropy bonus."""


@dataclass(frozen=True, kw_only=True)
class AarOptions(GroupOptions):
    """Abnormal-aware rewarding, stage 2 of UMed-LVLM: rewards for relevance, for the place, and for attention to it."""

    algorithm: Literal["grpo", "ppo"] = "grpo"
    """How to learn from the rewards; `unveil train grpo` and `unveil train ppo` have all their options."""
    without: tuple[Part, ...] = ()
    """Leave out: vrr (attention to the lesion), alr (its place), relevance. What is left out is still watched."""


@dataclass(frozen=True, kw_only=True)
class PpoOptions(RlOptions):
    """Train a model by rewards and a critic that learns what to expect (PPO)."""

    groups: ClassVar = {
        "critic": ("gamma", "lam", "value_weight", "value_clip", "value_through", "value_rate", "whiten"),
    }
    seldom: ClassVar[tuple[str, ...]] = ("value_clip", "value_through", "whiten")
    lacks: ClassVar = {"advantage": "PPO's advantages are a critic's (--lam, --whiten); `unveil train grpo` has it"}

    entropy: float = 0.01
    """Coefficient of the entropy bonus."""
    gamma: float = 1.0
    """Discount of later rewards per token."""
    lam: float = 0.95
    """Lambda of generalised advantage estimation: 1 trusts the reward, 0 the critic."""
    value_weight: float = 0.5
    """Coefficient of the critic's loss."""
    value_clip: float | None = 0.2
    """How far a value may move in the updates from the same answers."""
    value_through: bool = False
    """Let the critic's error reach the language model too."""
    value_rate: float = 100.0
    """The critic's learning rate over the policy's."""
    whiten: bool = True
    """Give the advantages of an update mean 0 and spread 1, over all its passes and processes."""
