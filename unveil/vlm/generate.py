"""Answers drawn from the policy: several to each question, with the prompt and its image run once.

The prompts pass the language model as a forest (``token_tree``), so that questions on one image share it too, and
features of a frozen tower come from memory. Every answer then goes on from the keys and values of its prompt, which
exist once (``attention.Branches``). Answers that have ended leave the batch. Ids that stand for an image are never
drawn, and the log-probability of each token under the distribution that it was drawn from is kept.

Shapes: Q questions, G answers to each, R = Q * G, P columns of a prompt, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import LogitsProcessor

from unveil.core.records import Dialogue
from unveil.vlm import attention
from unveil.vlm.attention import Branches, Recorder
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import Encoded
from unveil.vlm.masks import positions, windows
from unveil.vlm.model_parts import language_model
from unveil.vlm.models import banned, beyond_fp16, generate
from unveil.vlm.scorer import Distribution, Scorer, logits, whole
from unveil.vlm.token_tree import Forest

COMPACT = 0.75
"""Share of the places of a batch that still write, at or below which the others are cleared away."""


@dataclass(frozen=True)
class Drawn:
    """One answer: its ids with the end (unless it was cut), their log-probabilities, and whether it was cut.

    A log-probability is that of the distribution which the token was drawn from; NaN where it is not known.
    """

    question: int
    ids: list[int]
    logps: list[float]
    cut: bool
    refused: int = 0
    """Answers drawn in its place before it that could not be taken, since they held ids that are banned."""


Save = Callable[[Path, bool], None]
"""Writes the policy as it is now into a folder: a whole model (True), or its adapter alone."""


class Generator(Protocol):
    """Draws answers in the place of ``rollout``: a server that runs a large model faster than this process.

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
        questions: Sequence[Encoded],
        answers: int,
        max_new_tokens: int,
        distribution: Distribution,
        seed: int,
    ) -> list[Drawn]:
        """As ``rollout``: ``answers`` answers to each question, question after question."""


class GenerationError(RuntimeError):
    """Answers that cannot be had from where they are drawn, after all repetitions."""


def drawn_from(scorer: Scorer, temperature: float) -> Distribution:
    """What the policy's answers are drawn from."""
    return Distribution(temperature, tuple(banned(scorer.chat, whole(scorer.model).config)))


@torch.no_grad()
def rollout(
    scorer: Scorer,
    questions: Sequence[Encoded],
    answers: int,
    max_new_tokens: int,
    distribution: Distribution,
    seed: int,
) -> list[Drawn]:
    """``answers`` answers to each question, question after question, drawn from the policy as it is now.

    ``seed`` alone decides what is drawn. Temperature 0 takes the likeliest token. A model that cannot take a token tree
    writes each answer from a prompt of its own.
    """
    training = scorer.training
    scorer.eval()
    try:
        if scorer.architecture is None:
            return _plain(scorer, questions, answers, max_new_tokens, distribution, seed)
        with attention.through(whole(scorer.model)):
            return _Writing(scorer, questions, answers, max_new_tokens, distribution, seed).write()
    finally:
        scorer.train(training)


def draw(logits_RV: Tensor, distribution: Distribution, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A token for each row and its log-probability, (R,) each; ``TrainingError`` where a logit is not finite."""
    greedy = distribution.temperature == 0
    logps_RV = (replace(distribution, temperature=1.0) if greedy else distribution)(logits_RV).log_softmax(-1)
    if logps_RV[:, 0].isnan().any():  # one such logit leaves no number in its row
        raise ModelError(f"the model's logits are not finite{beyond_fp16(logits_RV.device)}")
    drawn_R1 = logps_RV.argmax(-1, True) if greedy else torch.multinomial(logps_RV.exp(), 1, generator=generator)
    ids_R = drawn_R1[:, 0]
    return ids_R, logps_RV.gather(1, ids_R[:, None])[:, 0]


class _Writing:
    """Answers under way. ``number_QG`` names each place's answer; places whose answer has ended write on unheard."""

    def __init__(
        self,
        scorer: Scorer,
        questions: Sequence[Encoded],
        answers: int,
        max_new_tokens: int,
        distribution: Distribution,
        seed: int,
    ):
        self.base, self.distribution, self.most = whole(scorer.model), distribution, max_new_tokens
        self.stops = torch.tensor(sorted(scorer.chat.stops))
        forest = scorer.forest([replace(row, answer=[0]) for row in questions])  # any token: only its place is used
        device = forest.ids_BT.device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.stops = self.stops.to(device)
        order = torch.argsort(forest.leaves_S)  # the questions in the caller's order
        layers = attention.modules(language_model(self.base))
        recorders = {i: Recorder() for i in layers}
        with attention.hooked({layers[i]: recorders[i] for i in layers}):
            hidden_BTD = scorer.hidden(forest)
        scorer.counts["lm_tokens"] += forest.tokens - len(questions)
        self.logits_RV = logits(self.base, hidden_BTD.flatten(0, 1)[forest.before_S[order]]).repeat_interleave(
            answers, 0
        )
        place = positions(self.base, forest, scorer.known)
        first_Q = place.flatten(-2)[..., forest.own_S[order]]
        self.position_QG = first_Q[..., None].expand(*first_Q.shape, answers).contiguous()
        self.number_QG = torch.arange(len(questions) * answers, device=device).view(-1, answers)
        self.open_QG = torch.ones_like(self.number_QG, dtype=torch.bool)
        self.layers = layers
        self.branches = _branches(forest, order, recorders, answers, max_new_tokens, windows(self.base))
        self.ids: list[list[int]] = [[] for _ in range(len(questions) * answers)]
        self.logps: list[list[float]] = [[] for _ in self.ids]
        self.answers, self.counts = answers, scorer.counts

    def write(self) -> list[Drawn]:
        """All answers to their ends."""
        speaker = language_model(self.base)
        with attention.hooked({self.layers[i]: self.branches[i] for i in self.layers}):
            for step in range(self.most):
                ids_R = self._next()
                if step + 1 == self.most or not self.open_QG.any():
                    break
                ids_R = self._cleared(ids_R)
                self.counts["lm_tokens"] += len(ids_R)
                hidden_R1D = speaker(
                    input_ids=ids_R[:, None],
                    position_ids=self.position_QG.flatten(-2)[..., None] + step,
                    use_cache=False,
                ).last_hidden_state
                self.logits_RV = logits(self.base, hidden_R1D[:, 0])
        stops = set(self.stops.tolist())
        return [
            Drawn(i // self.answers, ids, logps, ids[-1] not in stops)
            for i, (ids, logps) in enumerate(zip(self.ids, self.logps, strict=True))
        ]

    def _next(self) -> Tensor:
        """Draws a token for each place and notes it where the answer is open."""
        ids_R, logps_R = draw(self.logits_RV, self.distribution, self.generator)
        open_R = self.open_QG.flatten()
        numbers, ids, logps = (v[open_R].tolist() for v in (self.number_QG.flatten(), ids_R, logps_R))
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
        for branch in self.branches.values():
            branch.keep(questions, first)

        def kept(values_QG: Tensor) -> Tensor:
            return values_QG[..., questions[:, None], first]

        ids_R = kept(ids_R.view_as(self.number_QG)).flatten()
        self.position_QG = kept(self.position_QG)
        self.number_QG, self.open_QG = kept(self.number_QG), kept(self.open_QG)
        return ids_R


def _branches(
    forest: Forest,
    order: Tensor,
    recorders: dict[int, Recorder],
    answers: int,
    longest: int,
    windows: Sequence[int | None],
) -> dict[int, Branches]:
    """The state of each layer from which the answers go on: what each prompt's end sees, side by side."""
    length = forest.ids_BT.shape[1]
    ends = forest.before_S[order]
    row_Q, end_Q = ends // length, ends % length
    columns_T = torch.arange(length, device=ends.device)
    path_QT = (columns_T <= end_Q[:, None]) & (end_Q[:, None] < forest.until_BT[row_Q])
    width = int(path_QT.sum(1).max())
    at_QP = torch.argsort(path_QT.int(), dim=1, descending=True, stable=True)[:, :width]
    seen_QP = path_QT.gather(1, at_QP)
    offsets_QP = forest.offsets_BT[row_Q[:, None], at_QP]
    out = {}
    for layer, recorded in recorders.items():
        assert recorded.key_BKTD is not None and recorded.value_BKTD is not None
        key, value = (
            kept.transpose(1, 2)[row_Q[:, None], at_QP].transpose(1, 2).contiguous()
            for kept in (recorded.key_BKTD, recorded.value_BKTD)
        )
        own = key.new_empty(len(order), answers, key.shape[1], longest, key.shape[3])
        ends_Q = path_QT.sum(1)
        out[layer] = Branches(key, value, seen_QP, offsets_QP, ends_Q, windows[layer], own, torch.empty_like(own))
    return out


def _plain(
    scorer: Scorer,
    questions: Sequence[Encoded],
    answers: int,
    max_new_tokens: int,
    distribution: Distribution,
    seed: int,
) -> list[Drawn]:
    """Each answer from a prompt of its own, by transformers' generation: what any model can do."""
    chat = scorer.chat
    chosen = _Chosen(distribution, torch.Generator(next(scorer.parameters()).device).manual_seed(seed))
    prompts = [replace(row, answer=[]) for row in questions for _ in range(answers)]
    new_RT = generate(whole(scorer.model), chat, prompts, max_new_tokens, [chosen])
    scorer.counts["lm_tokens"] += len(prompts) * max(map(len, prompts)) + new_RT.numel()
    logps_RT = torch.stack(chosen.logps, 1).tolist()
    drawn = []
    for i, row in enumerate(new_RT.tolist()):
        end = next((t for t, token in enumerate(row) if token in chat.stops), len(row) - 1)
        drawn.append(Drawn(i // answers, row[: end + 1], logps_RT[i][: end + 1], row[end] not in chat.stops))
    return drawn


class _Chosen(LogitsProcessor):
    """Draws each token itself, notes its log-probability, and leaves generation no other."""

    def __init__(self, distribution: Distribution, generator: torch.Generator):
        self.distribution, self.generator = distribution, generator
        self.logps: list[Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        ids_R, logps_R = draw(scores, self.distribution, self.generator)
        self.logps.append(logps_R)
        return torch.full_like(scores, float("-inf")).scatter(1, ids_R[:, None], 0.0)
