"""Log-probabilities of answers, on the token tree where the architecture can take it, else on plain rows.

Everything that trains or scores goes through ``Scorer``: rows in, one log-probability per answer token out, with
gradients where the model is trained; beside it, where asked for, entropy, a value, and what tokens look at. A frozen
tower is run outside of the graph and once per image (``features``); the head runs on the scored tokens only, in chunks.
A model of a family that is not known here is not taken apart so: its own forward pass gives the logits, unless
``forward_check`` finds that it may be.

Shapes: B rows of a forest, T their length, S scored tokens, D width, V vocabulary, L leaves (rows of the caller).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from inspect import signature
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import TopKLogitsWarper, TopPLogitsWarper

from unveil.core import faults
from unveil.vlm import attention, crossed, patch_grid, states
from unveil.vlm.chat import IGNORED, Chat
from unveil.vlm.families import Family, ModelError, family_of
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample, ImageInput
from unveil.vlm.masks import masks, positions, refusal
from unveil.vlm.model_parts import language_model
from unveil.vlm.token_tree import Forest, grow, plant

LOG = logging.getLogger(__name__)
CHUNK = 2**22  # logits that are held at a time
NEVER = -1e9  # a logit; finite, so that its gradient and entropy are 0 and not NaN

Watched = Mapping[int, Sequence[int]]
NOTHING: Watched = MappingProxyType({})


@dataclass(frozen=True)
class Distribution:
    """From which tokens are drawn, and under which they are scored. At temperature 0 the likeliest is taken."""

    temperature: float = 1.0
    banned: tuple[int, ...] = ()
    """Ids that are never drawn: those that stand for an image, padding."""
    top_k: int = 0
    """How many of the likeliest tokens may be drawn; 0 leaves all."""
    top_p: float = 1.0
    """The probability that the likeliest tokens which may be drawn have together; 1 leaves all."""

    def __call__(self, logits_SV: Tensor) -> Tensor:
        """The logits of this distribution, in float32."""
        logits_SV = logits_SV.float()
        if self.temperature not in (0, 1):
            logits_SV = logits_SV / self.temperature
        if self.banned:
            logits_SV = logits_SV.index_fill(1, torch.tensor(self.banned, device=logits_SV.device), NEVER)
        if self.top_k:
            logits_SV = TopKLogitsWarper(self.top_k, filter_value=NEVER)(None, logits_SV)
        if self.top_p < 1:
            logits_SV = TopPLogitsWarper(self.top_p, filter_value=NEVER)(None, logits_SV)
        return logits_SV


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of the scored tokens (S,), and which of the caller's rows each belongs to (S,)."""

    logps_S: Tensor
    rows_S: Tensor
    count: int
    entropies_S: Tensor | None = None
    """Of the distribution that each token was drawn from, in nats; where asked for."""
    values_S: Tensor | None = None
    """V(s_t) of the state before each token, where there is a critic."""
    weights: dict[int, Tensor] = field(default_factory=dict)
    """By row, the attention of its watched tokens to the patches of the image, (tokens, patches)."""

    def in_order(self) -> Tensor:
        """The log-probabilities row after row, in the caller's order of rows."""
        return self.logps_S[self.order_S]

    @cached_property
    def order_S(self) -> Tensor:
        """Puts what is per scored token into the caller's order of rows."""
        return torch.argsort(self.rows_S, stable=True)

    def summed(self) -> Tensor:
        """Of each row's answer, (L,)."""
        return self.logps_S.new_zeros(self.count).index_add(0, self.rows_S, self.logps_S)


class Scorer(nn.Module):
    """A model that gives the log-probabilities of answers. Its parameters are those of the model, and the critic's.

    ``budget`` is the number of tokens that trees are packed to; by default the longest tree's. ``distribution`` is what
    answers are scored under; ``entropy`` asks for its entropy too. ``critic`` gives a value for each hidden state.
    ``attention_gradients`` lets gradients go through the attention that is read.
    """

    def __init__(
        self,
        model: nn.Module,
        chat: Chat,
        features: Features,
        *,
        tree: bool = True,
        budget: int | None = None,
        distribution: Distribution = Distribution(),
        entropy: bool = False,
        critic: nn.Module | None = None,
        attention_gradients: bool = False,
    ):
        super().__init__()
        self.model = model
        self.chat = chat
        self.features = features
        self.budget = budget
        self.distribution = distribution
        self.entropy = entropy
        self.critic = critic
        self.attention_gradients = attention_gradients
        self._places: dict[bytes, NDArray[np.float64]] = {}
        self.counts = {"lm_tokens": 0}
        base = whole(model)
        self.apart = family_of(base.config).shares != "rows"
        """Whether hidden states and head, and features of images, may be computed apart; else the model is one."""
        why = refusal(base) if tree else None
        self.architecture = family_of(base.config) if tree and not why else None
        if why:
            LOG.warning("%s; each answer runs as a row of its own, which is right but slower", why)
        if self.architecture and self.architecture.both_ways == "none" and attention.of(base) == "sdpa":
            base.set_attn_implementation({"text_config": attention.FOREST})
        if self.architecture and self.architecture.shares == "fork":
            states.fork(language_model(base))

    def forward(self, rows: Sequence[EncodedExample], watched: Watched = NOTHING) -> Scores:
        """The log-probability of each token of each row's answer.

        ``watched`` names tokens of answers, by row, whose attention to the image is read on the way.
        """
        if self.architecture is None:
            if watched:
                raise ModelError("attention is read on token trees only, and this model runs on plain rows")
            with self._reported(rows):
                return self._plain(rows) if self.apart else self._whole(rows)
        forest = self.forest(rows)
        self.counts["lm_tokens"] += forest.tokens
        base = whole(self.model)
        queries = [forest.queries(row, tokens, base.config.image_token_id) for row, tokens in watched.items()]
        if self.architecture.crossed:
            queries = [crossed.beside_row(base, forest, *one) for one in zip(watched, queries, strict=True)]
        probe = attention.Probe(queries, self.attention_gradients)
        with self._probed(probe):
            hidden_BTD = self.hidden(forest)
        weights = dict(zip(watched, probe.weights, strict=True))
        hidden_SD = hidden_BTD.flatten(0, 1)[forest.before_S]
        return self._scores(hidden_SD, forest.targets_S, forest.leaves_S, rows, weights)

    def forest(self, rows: Sequence[EncodedExample]) -> Forest:
        """The rows' token trees."""
        share = self.architecture is not None and self.architecture.both_ways != "prompt"
        pad = self.chat.tokenizer.pad_token_id or 0
        return plant(grow(rows, share_image=share), self.budget, pad, next(self.model.parameters()).device)

    def hidden(self, forest: Forest, stretches: states.Stretches | None = None) -> Tensor:
        """The language model's last hidden states of a forest, (B, T, D); ``stretches`` as ``masks`` takes them."""
        base = whole(self.model)
        found = self.features([tree.seen for tree in forest.trees])
        reads, images = base.model, dict[str, Any](mm_encoder_outputs={"image": found})
        if self.known.crossed:
            reads, images = language_model(base), crossed.beside(base, forest, found.pooler_output)
        hidden_BTD: Tensor = reads(
            input_ids=forest.ids_BT,
            attention_mask=masks(base, forest, self.known, stretches),
            position_ids=positions(base, forest, self.known),
            **images,
            use_cache=False,
        ).last_hidden_state
        return hidden_BTD

    @property
    def known(self) -> Family:
        """The family of a model that takes trees."""
        if self.architecture is None:
            raise ModelError("this model runs on plain rows")
        return self.architecture

    @property
    def blind(self) -> str | None:
        """Why it cannot be told where the model looks, None if it can."""
        base = whole(self.model)
        if self.architecture is None:
            return "it runs on plain rows, on which attention is not read"
        if attention.of(base) in ("eager", "flex_attention"):
            return f"--attention {attention.of(base)} does not show it; sdpa does"
        if family_of(base.config).patch_grid is None:
            return f"{base.config.model_type} models have no patch grid that is known here"
        return None

    def places(self, seen: ImageInput) -> NDArray[np.float64]:
        """Where the patches of an image lie (``patch_grid.patches``), worked out once for each image."""
        if seen.digest not in self._places:
            self._places[seen.digest] = patch_grid.patches(self.chat, whole(self.model).config, seen)
        return self._places[seen.digest]

    def _probed(self, probe: attention.Probe) -> AbstractContextManager[object]:
        """Lets the probe look at the middle third of the layers, if it looks for anything."""
        if not probe.queries:
            return nullcontext()
        base, stack = whole(self.model), ExitStack()
        speaker = language_model(base)
        layers = [*(crossed.modules(speaker) or attention.modules(speaker)).values()]  # those that see images
        stack.enter_context(attention.through(base))
        stack.enter_context(attention.hooked({layers[i]: probe for i in attention.middle_third(len(layers))}))
        return stack

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """Lets the model's own forward pass give the logits for a while, with transformers' attention and no memory."""
        before = self.architecture, self.apart
        self.architecture, self.apart = None, False
        try:
            with attention.stock(whole(self.model)), self.features.unremembered():
                yield
        finally:
            self.architecture, self.apart = before

    def keep_undivided(self) -> None:
        """The same for good; features that were computed apart are forgotten."""
        self.architecture, self.apart = None, False
        attention.restore(whole(self.model))
        self.features.forget()

    def _scores(
        self,
        hidden_SD: Tensor,
        targets_S: Tensor,
        rows_S: Tensor,
        rows: Sequence[EncodedExample],
        weights: dict[int, Tensor],
    ) -> Scores:
        """What is computed from the hidden state before each scored token."""
        logps_S, entropies_S = head(whole(self.model), hidden_SD, targets_S, self.distribution, self.entropy)
        values_S = self.critic(hidden_SD).squeeze(-1) if self.critic is not None else None
        return Scores(logps_S, rows_S, len(rows), entropies_S, values_S, weights)

    @contextmanager
    def _reported(self, rows: Sequence[EncodedExample]) -> Iterator[None]:
        """Names the rows that a model fails on: any model runs on plain rows, also such as nothing is known of."""
        try:
            yield
        except Exception as error:
            if faults.goes_through(error):
                raise
            about = f"{whole(self.model).config.model_type} models cannot be run on {', '.join(row.id for row in rows)}"
            raise ModelError(f"{about}: {type(error).__name__}: {error}") from error

    def _plain(self, rows: Sequence[EncodedExample]) -> Scores:
        """Padded rows, each with its own image, through the language model and then its head."""
        device = next(self.model.parameters()).device
        base = whole(self.model)
        takes, beside = signature(base.model.forward).parameters, family_of(base.config).crossed
        known = self.features.keeps == "features" and (beside or "mm_encoder_outputs" in takes)
        shown = [replace(row, seen=row.seen.light()) for row in rows] if known else rows
        batch: dict[str, Any] = {**self.chat.batch(shown, device, dtype=base.dtype)}
        if known:
            found = self.features([row.seen for row in rows])
            batch |= (
                {"cross_attention_states": found.pooler_output} if beside else {"mm_encoder_outputs": {"image": found}}
            )
        labels_BT = batch.pop("labels")
        self.counts["lm_tokens"] += sum(map(len, rows))
        hidden_BTD = base.model(**batch, use_cache=False).last_hidden_state
        row, column = (labels_BT != IGNORED).nonzero(as_tuple=True)
        return self._scores(hidden_BTD[row, column - 1], labels_BT[row, column], row, rows, {})

    def _whole(self, rows: Sequence[EncodedExample]) -> Scores:
        """Padded rows through the model's own forward pass, as it makes logits of them itself."""
        base = whole(self.model)
        batch: dict[str, Any] = {**self.chat.batch(rows, next(self.model.parameters()).device, dtype=base.dtype)}
        labels_BT = batch.pop("labels")
        self.counts["lm_tokens"] += sum(map(len, rows))
        row_S, column_S = (labels_BT != IGNORED).nonzero(as_tuple=True)
        kept_K, at_S = (column_S - 1).unique(return_inverse=True)
        if "logits_to_keep" in signature(base.forward).parameters:
            batch["logits_to_keep"] = kept_K
        if self.critic is not None:
            batch["output_hidden_states"] = True
        out = base(**batch, use_cache=False)
        length = out.logits.shape[1]
        if length not in (len(kept_K), labels_BT.shape[1]):
            kind = base.config.model_type
            raise ModelError(
                f"{kind}: {labels_BT.shape[1]} tokens of a row and {length} logits: which belong together?"
            )
        logits_SV = out.logits[row_S, at_S if length == len(kept_K) else column_S - 1]
        targets_S = labels_BT[row_S, column_S]
        logps_S, entropies_S = scored(nn.Identity(), logits_SV, targets_S, self.distribution, self.entropy)
        values_S = None
        if self.critic is not None:
            values_S = self.critic(_last(base, out)[row_S, column_S - 1]).squeeze(-1)
        return Scores(logps_S, row_S, len(rows), entropies_S, values_S)


def _last(base: Any, out: Any) -> Tensor:
    """The last hidden states, (B, T, D), of what a whole model gives out."""
    if not getattr(out, "hidden_states", None):
        raise ModelError(f"{base.config.model_type} models give no hidden states, which PPO's critic needs: use GRPO")
    last: Tensor = out.hidden_states[-1]
    return last


def whole(model: Any) -> Any:
    """The model of transformers inside of adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


# ------------------------------------------------------------------------------------------------------------- head


def head(
    base: Any,
    hidden_SD: Tensor,
    targets_S: Tensor,
    distribution: Distribution = Distribution(),
    entropy: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of the targets, and entropies if asked for, (S,) each, from the states before them."""
    return scored(partial(logits, base), hidden_SD, targets_S, distribution, entropy, len(base.lm_head.weight))


def scored(
    logits_of: Callable[[Tensor], Tensor],
    given_SX: Tensor,
    targets_S: Tensor,
    distribution: Distribution,
    entropy: bool,
    vocabulary: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of the targets, and entropies if asked for, (S,) each, from what ``logits_of`` makes logits of.

    It works in chunks, whose logits are not kept for the backward pass.
    """

    def part(given: Tensor, targets: Tensor) -> Tensor:
        drawn = distribution(logits_of(given))
        found = [token_logps(drawn, targets)]
        if entropy:
            logps = drawn.log_softmax(-1)
            found.append(-(logps.exp() * logps).sum(-1))
        return torch.stack(found)

    size = max(1, CHUNK // (vocabulary or given_SX.shape[1]))
    if len(targets_S) <= size:
        found = part(given_SX, targets_S)
    else:
        chunks = zip(given_SX.split(size), targets_S.split(size), strict=True)
        found = torch.cat([checkpoint(part, g, t, use_reentrant=False) for g, t in chunks], 1)
    return found[0], found[1] if entropy else None


def logits(base: Any, hidden_SD: Tensor) -> Tensor:
    """The head's logits, (S, V)."""
    found: Tensor = base.lm_head(hidden_SD)
    cap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)
    return cap * torch.tanh(found / cap) if cap else found


def token_logps(logits_SV: Tensor, targets_S: Tensor) -> Tensor:
    """log p(y_t | y_<t, x, q) of each target token, (S,), in float32 whatever the logits' type."""
    return -torch.nn.functional.cross_entropy(logits_SV.float(), targets_S, reduction="none")
