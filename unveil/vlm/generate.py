"""A model's answers: the only way in which they are written here, whoever asks for them.

Predictions, greedy answers on validation, rollouts, and experts that are checkpoints on this machine all come from
``rollout``, by one rule (``Distribution``): ids that stand for an image are never drawn, nothing that a checkpoint's
generation configuration says bends what is drawn, and what is drawn depends on a question and its seed alone, not on
the questions beside it.

The prompts pass the language model as a forest (``token_tree``), so that all questions on one image share it, and
features of a frozen vision encoder come from memory. Every answer then goes on from keys and values that exist once
(``branches``). Answers that have ended leave the batch. A model that cannot take a token tree writes by transformers'
``generate``, by the same rule.

Shapes: Q questions, G answers to each, R = Q * G, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from unveil.core import faults
from unveil.core.records import Dialogue
from unveil.core.sampling import Sampling, seed_of
from unveil.vlm import attention, crossed, states
from unveil.vlm.branches import COMPACT, Recorder
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.listening import tell, uniforms
from unveil.vlm.masks import going_on, positions
from unveil.vlm.model_parts import language_model
from unveil.vlm.models import beyond_fp16
from unveil.vlm.scorer import Distribution, Scorer, head, logits, whole
from unveil.vlm.token_tree import Forest

SHARED = 8
"""Questions on one image that make a batch as large as one more image would."""
TOGETHER = 64
"""Questions on one image that share it at the most: each sees all others' places in the mask of the prompts."""


@dataclass(frozen=True)
class Rollout:
    """One answer: its ids with the end (unless it was cut), their log-probabilities, and whether it was cut.

    A log-probability is that of the distribution which the token was drawn from; NaN where it is not known.
    """

    question: int
    ids: list[int]
    logps: list[float]
    cut: bool
    refused: int = 0
    """Answers sampled in its place before it that could not be taken, since they held ids that are banned."""


Save = Callable[[Path, bool], None]
"""Writes the policy as it is now into a folder: a whole model (True), or its adapter alone."""


class Generator(Protocol):
    """Samples answers in the place of ``rollout``: a server that runs a large model faster than this process.

    Raises ``GenerationError`` where it cannot be asked or its answers cannot be used.
    """

    def renew(self, step: int, save: Save | None) -> None:
        """Called before answers for update ``step`` (from 0) are drawn: brings it new weights if it is time to.

        Every process calls it, the first one before the others and it alone with ``save``.
        """

    def __call__(
        self,
        chat: Chat,
        dialogues: Sequence[Dialogue],
        questions: Sequence[EncodedExample],
        answers: int,
        max_new_tokens: int,
        distribution: Distribution,
        seed: int,
    ) -> list[Rollout]:
        """As ``rollout``: ``answers`` answers to each question, question after question."""


class GenerationError(RuntimeError):
    """Answers that cannot be had from where they are drawn, after all repetitions."""


# --------------------------------------------------------------------------------------------------------- the rule


_ID = re.compile(r"(.*_)?(image|img|vision|visual|video|audio|[be]o[iav])_(.*_)?token_(ids?|index)")
_WORD = re.compile(r"(.*_)?(image|img|vision|visual|video|audio|[be]o[iav])_(.*_)?(token|tag)")


def banned(chat: Chat, config: Any) -> list[int]:
    """Ids that no answer may hold: those that stand for an image, a video or a sound, padding, a row's beginning.

    Configurations and processors name them alike: ``image_token_id``, ``visual_indicator_token_ids``, ``eoi_token``.
    """
    tokens = chat.tokenizer
    own = [value for name, value in vars(config).items() if _ID.fullmatch(name)]
    words = [value for name, value in vars(chat.processor).items() if _WORD.fullmatch(name)]
    ids = {i for value in own for i in (value if isinstance(value, list | tuple) else [value])}
    ids |= set(tokens.convert_tokens_to_ids([str(word) for word in words if isinstance(word, str)]))
    ids |= {tokens.pad_token_id, tokens.bos_token_id}
    known = range(config.get_text_config().vocab_size)  # what a small model leaves out has its family's usual ids
    return sorted(i for i in ids - set(chat.stops) if isinstance(i, int) and i in known)


def drawn_from(scorer: Scorer, sampling: Sampling = Sampling()) -> Distribution:
    """What the model's answers are sampled from."""
    never = tuple(banned(scorer.chat, whole(scorer.model).config))
    return Distribution(sampling.temperature, never, sampling.top_k, sampling.top_p)


def decoding(chat: Chat, config: Any, **told: float) -> dict[str, Any]:
    """How answers are sampled, for run.json: what was ``told``, and which ids end an answer and which none may hold."""
    return {**told, "stop_ids": sorted(chat.stops), "banned_ids": banned(chat, config)}


def draw(logits_RV: Tensor, distribution: Distribution, uniform_R: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row and its log-probability, (R,) each; ``ModelError`` where a logit is not finite.

    The token is that at which the distribution function, over the vocabulary in its order, passes ``uniform_R``.
    """
    logps_RV = distribution(logits_RV).log_softmax(-1)
    if logps_RV[:, 0].isnan().any():  # one such logit leaves no number in its row
        raise ModelError(f"the model's logits are not finite{beyond_fp16(logits_RV.device)}")
    if distribution.temperature == 0:
        ids_R = logps_RV.argmax(-1)
    else:
        fine = torch.float32 if logits_RV.device.type == "mps" else torch.float64  # which MPS does not have
        upto_RV = logps_RV.to(fine).exp().cumsum(-1)
        passed_R1 = uniform_R.to(fine)[:, None] * upto_RV[:, -1:]
        ids_R = torch.searchsorted(upto_RV, passed_R1, right=True)[:, 0].clamp_max(upto_RV.shape[1] - 1)
    tell(ids_R)
    return ids_R, logps_RV.gather(1, ids_R[:, None])[:, 0]


# ------------------------------------------------------------------------------------------------------- the answers


def batches(asked: Sequence[Dialogue], images: int) -> Iterator[list[Dialogue]]:
    """Questions in batches, all of one image together: of so many images, or of ``SHARED`` times as many questions.

    More than ``TOGETHER`` questions on one image count as several images.
    """
    together: dict[object, list[Dialogue]] = {}
    for dialogue in asked:
        together.setdefault((dialogue.image, repr(dialogue.noise)), []).append(dialogue)
    batch: list[Dialogue] = []
    held = 0
    for group in together.values():
        most = min(TOGETHER, SHARED * images)
        for i in range(0, len(group), most):
            part = group[i : i + most]
            if batch and (held == images or len(batch) + len(part) > SHARED * images):
                yield batch
                batch, held = [], 0
            batch, held = [*batch, *part], held + 1
    if batch:
        yield batch


@torch.no_grad()
def rollout(
    scorer: Scorer,
    questions: Sequence[EncodedExample],
    answers: int,
    max_new_tokens: int,
    distribution: Distribution,
    seed: int | Sequence[int] = 0,
) -> list[Rollout]:
    """``answers`` answers to each question, question after question, drawn from the model as it is now.

    ``seed`` alone, or one for each question, decides with the question what is drawn; temperature 0 takes the likeliest
    token. A model that cannot take a token tree, and a question without an image, run by transformers' ``generate``.
    """
    return rollout_beside(scorer, questions, (), answers, max_new_tokens, distribution, seed)[0]


@torch.no_grad()
def rollout_beside(
    scorer: Scorer,
    questions: Sequence[EncodedExample],
    beside: Sequence[EncodedExample],
    answers: int,
    max_new_tokens: int,
    distribution: Distribution,
    seed: int | Sequence[int] = 0,
) -> tuple[list[Rollout], list[float]]:
    """As ``rollout``, and how likely some given answers are: of each row ``beside`` the log-probability of its answer.

    Where these rows ask one of the questions they are branches of its prompt, which is run once for them and for what
    is drawn. A model that cannot take a token tree scores them as rows of their own.
    """
    if not questions:
        raise ValueError("there is no question to answer")
    seeds = [seed_of(seed, row.id) for row in questions] if isinstance(seed, int) else seed
    uniform_RT = uniforms(seeds, answers, max_new_tokens)
    training = scorer.training
    scorer.eval()
    try:
        if scorer.architecture is None or not all(row.seen.block for row in questions):
            drawn = _by_transformers(scorer, questions, answers, distribution, uniform_RT)
            return drawn, _alone(scorer, beside, distribution, len(questions))
        with attention.through(whole(scorer.model)):
            writing = _Writing(scorer, questions, answers, distribution, uniform_RT, beside)
            return writing.write(), writing.beside
    finally:
        scorer.train(training)


def _alone(scorer: Scorer, rows: Sequence[EncodedExample], distribution: Distribution, together: int) -> list[float]:
    """The log-probability of each row's answer by plain rows, so many ``together``."""
    before, scorer.distribution = scorer.distribution, distribution
    try:
        with nullcontext() if scorer.architecture is None else scorer.undivided():
            return [v for i in range(0, len(rows), together) for v in scorer(rows[i : i + together]).summed().tolist()]
    finally:
        scorer.distribution = before


class _Writing:
    """Answers under way. ``number_QG`` names each place's answer; what an ended place writes is dropped."""

    def __init__(
        self,
        scorer: Scorer,
        questions: Sequence[EncodedExample],
        answers: int,
        distribution: Distribution,
        uniform_RT: Tensor,
        beside: Sequence[EncodedExample] = (),
    ):
        self.base, self.family, self.distribution = whole(scorer.model), scorer.known, distribution
        asked = [replace(row, answer=[0]) for row in questions]  # any token: only its place is used
        forest = scorer.forest([*asked, *beside])
        device = forest.ids_BT.device
        self.uniform_RT, self.most, self.answers = uniform_RT.to(device), uniform_RT.shape[1], answers
        self.stops = torch.tensor(sorted(scorer.chat.stops), device=device)
        order = torch.argsort(forest.leaves_S, stable=True)  # the questions in the caller's order, then what is beside
        order, beside_S = order[: len(questions)], order[len(questions) :]
        self.layers = attention.modules(language_model(self.base)) | crossed.modules(language_model(self.base))
        recorders, stretches = {i: Recorder() for i in self.layers}, states.stretches(forest, range(len(questions)))
        with attention.hooked({self.layers[i]: recorders[i] for i in self.layers}):
            hidden_BTD = scorer.hidden(forest, stretches)
        scorer.counts["lm_tokens"] += forest.tokens - len(questions)
        last_QD = hidden_BTD.flatten(0, 1)[forest.before_S[order]]
        self.beside = self._scored(forest, hidden_BTD, beside_S, len(beside))
        self.logits_RV = logits(self.base, last_QD).repeat_interleave(answers, 0)
        place = positions(self.base, forest, self.family)
        first_Q = place.flatten(-2)[..., forest.own_S[order]]
        self.position_QG = first_Q[..., None].expand(*first_Q.shape, answers).contiguous()
        self.number_QG = torch.arange(len(questions) * answers, device=device).view(-1, answers)
        self.open_QG = torch.ones_like(self.number_QG, dtype=torch.bool)
        self.prompts, self.branches = crossed.branch(self.base, forest, order, recorders, answers)
        self.carried = states.Carried.of(stretches, answers)
        self.ids: list[list[int]] = [[] for _ in range(len(questions) * answers)]
        self.logps: list[list[float]] = [[] for _ in self.ids]
        self.counts = scorer.counts

    def _scored(self, forest: Forest, hidden_BTD: Tensor, tokens_S: Tensor, rows: int) -> list[float]:
        """The log-probabilities of the answers beside, of all of whose tokens the numbers in the forest are given."""
        if not rows:
            return []
        hidden_SD = hidden_BTD.flatten(0, 1)[forest.before_S[tokens_S]]
        logps_S, _ = head(self.base, hidden_SD, forest.targets_S[tokens_S], self.distribution)
        row_S = forest.leaves_S[tokens_S] - len(self.uniform_RT) // self.answers
        found: list[float] = logps_S.new_zeros(rows).index_add(0, row_S, logps_S).tolist()
        return found

    def write(self) -> list[Rollout]:
        """All answers to their ends."""
        speaker = language_model(self.base)
        with attention.hooked({self.layers[i]: self.branches[i] for i in self.layers}):
            for step in range(self.most):
                ids_R = self._next(step)
                if step + 1 == self.most or not self.open_QG.any():
                    break
                ids_R = self._cleared(ids_R)
                self.counts["lm_tokens"] += len(ids_R)
                hidden_R1D = speaker(
                    input_ids=ids_R[:, None],
                    position_ids=self.position_QG.flatten(-2)[..., None] + step,
                    **going_on(self.base, self.family, self.carried, len(ids_R)),
                    use_cache=False,
                ).last_hidden_state
                self.logits_RV = logits(self.base, hidden_R1D[:, 0])
        stops = set(self.stops.tolist())
        return [
            Rollout(i // self.answers, ids, logps, ids[-1] not in stops)
            for i, (ids, logps) in enumerate(zip(self.ids, self.logps, strict=True))
        ]

    def _next(self, step: int) -> Tensor:
        """Draws a token for each place and notes it where the answer is open."""
        numbers_R = self.number_QG.flatten()
        ids_R, logps_R = draw(self.logits_RV, self.distribution, self.uniform_RT[numbers_R, step])
        open_R = self.open_QG.flatten()
        numbers, ids, logps = (v[open_R].tolist() for v in (numbers_R, ids_R, logps_R))
        for number, token, logp in zip(numbers, ids, logps, strict=True):
            self.ids[number].append(token)
            self.logps[number].append(logp)
        self.open_QG &= ~torch.isin(ids_R, self.stops).view_as(self.open_QG)
        return ids_R

    def _cleared(self, ids_R: Tensor) -> Tensor:
        """Lets ended answers leave once enough have: questions that are done, places beyond the most that write."""
        counts_Q = self.open_QG.sum(1)
        questions = counts_Q.nonzero()[:, 0]
        width = int(counts_Q.max())
        if len(questions) * width > COMPACT * self.open_QG.numel():
            return ids_R
        first = torch.argsort(self.open_QG[questions].int(), dim=1, descending=True, stable=True)[:, :width]
        images = self.prompts.keep(questions)
        for one in self.branches.values():
            one.keep(questions, first, images)

        def kept(values_QG: Tensor) -> Tensor:
            return values_QG[..., questions[:, None], first]

        self.carried.keep(kept(torch.arange(len(ids_R), device=ids_R.device).view_as(self.number_QG)).flatten())
        ids_R = kept(ids_R.view_as(self.number_QG)).flatten()
        self.position_QG = kept(self.position_QG)
        self.number_QG, self.open_QG = kept(self.number_QG), kept(self.open_QG)
        return ids_R


# -------------------------------------------------------------------------------------------------- by transformers


def _by_transformers(
    scorer: Scorer, questions: Sequence[EncodedExample], answers: int, distribution: Distribution, uniform_RT: Tensor
) -> list[Rollout]:
    """Each answer from a prompt of its own, by transformers' generation: what any model can do.

    Of the generation configuration that a checkpoint brings along (repetition penalties, banned words, least lengths)
    only what its cache needs is kept, so that what is drawn is what is scored.
    """
    chat, model = scorer.chat, whole(scorer.model)
    prompts = [replace(row, answer=[]) for row in questions for _ in range(answers)]
    batch = chat.batch(prompts, model.device, left=True, dtype=model.dtype)
    del batch["labels"]
    chosen = _Chosen(distribution, uniform_RT.to(model.device))
    pad = chat.tokenizer.pad_token_id
    rule = GenerationConfig(
        max_new_tokens=uniform_RT.shape[1],
        do_sample=False,
        num_beams=1,
        eos_token_id=sorted(chat.stops),
        pad_token_id=pad if pad is not None else chat.end[0],
        cache_implementation=model.generation_config.cache_implementation,
    )
    own, model.generation_config = model.generation_config, GenerationConfig()  # it fills whatever a rule leaves open
    try:
        out_RT = model.generate(**batch, generation_config=rule, logits_processor=LogitsProcessorList([chosen]))
    except Exception as error:  # another's code, of which nothing is known
        if faults.goes_through(error):
            raise
        about = f"{model.config.model_type} models cannot answer {questions[0].id}"
        raise ModelError(f"{about}: {type(error).__name__}: {error}") from error
    finally:
        model.generation_config = own
    new_RT = out_RT[:, batch["input_ids"].shape[1] :]
    scorer.counts["lm_tokens"] += len(prompts) * max(map(len, prompts)) + new_RT.numel()
    logps_RT = torch.stack(chosen.logps, 1).tolist()
    drawn = []
    for i, row in enumerate(new_RT.tolist()):
        end = next((t for t, token in enumerate(row) if token in chat.stops), len(row) - 1)
        drawn.append(Rollout(i // answers, row[: end + 1], logps_RT[i][: end + 1], row[end] not in chat.stops))
    return drawn


class _Chosen(LogitsProcessor):  # type: ignore[misc]  # transformers has no types here
    """Draws each token itself, notes its log-probability, and leaves generation no other."""

    def __init__(self, distribution: Distribution, uniform_RT: Tensor):
        self.distribution, self.uniform_RT = distribution, uniform_RT
        self.logps: list[Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        ids_R, logps_R = draw(scores, self.distribution, self.uniform_RT[:, len(self.logps)])
        self.logps.append(logps_R)
        return torch.full_like(scores, float("-inf")).scatter(1, ids_R[:, None], 0.0)
