"""What learns from rewards, beside the model itself: its critic, the model before training, recomputed activations,
and the loss by which it learns.

Shapes: S tokens of all answers, row after row; D channels.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from unveil.rl import losses
from unveil.rl.experience import Rewarded
from unveil.train import averages
from unveil.train.averages import Ratio
from unveil.train.losses import kl_terms
from unveil.vlm.chat import Chat
from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer, Scores, whole


class Critic(nn.Module):
    """A value for each state: a line through the language model's last hidden state, 0 at first.

    ``through`` lets its error reach the language model too, as in PPO's shared networks.
    """

    def __init__(self, width: int, through: bool):
        super().__init__()
        self.line = nn.Linear(width, 1)
        self.through = through
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, hidden_SD: Tensor) -> Tensor:
        with torch.autocast(hidden_SD.device.type, enabled=False):  # rewards are learnt in float32
            values: Tensor = self.line((hidden_SD if self.through else hidden_SD.detach()).float())
            return values


def recomputing(model: Any) -> Any:
    """The model with layers that recompute their activations, where that was asked for, although it never trains.

    transformers lets them do so in training mode only. A layer that is put into it has to drop nothing out by itself;
    the modules within stay as they are.
    """

    def as_in_training(layer: nn.Module, given: Any) -> None:
        layer.training = True

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing:
            layer.register_forward_pre_hook(as_in_training)
            for name, value in vars(layer).items():
                if isinstance(value, float) and "drop" in name:
                    setattr(layer, name, 0.0)
    return model


def reference(model: Any, chat: Chat, cache_mb: int) -> Scorer:
    """The model before training: a copy, for where all weights are trained; adapters are simply switched off."""
    held = copy.deepcopy(model).requires_grad_(False).eval()
    return Scorer(held, chat, Features(whole(held), chat.processor.image_processor, cache_mb))


@dataclass(frozen=True)
class Learnt:
    """What is known of some answers after the first pass over them; S tokens, row after row."""

    worth: Rewarded
    old_S: Tensor
    """Log-probabilities under the policy that the answers were sampled from."""
    advantages_S: Tensor
    weights_S: Tensor
    """Importance of tokens that another engine drew; 1 to rounding where this one did."""
    reference_S: Tensor | None
    """Log-probabilities under the model before training, where they are needed."""
    figures: dict[str, Ratio]
    values_S: Tensor | None = None
    returns_S: Tensor | None = None


def policy_loss(
    scores: Scores,
    held: Learnt,
    *,
    clip: tuple[float, float] = (0.2, 0.2),
    kl: float = 0.0,
    entropy: float = 0.0,
    over: str = "token",
) -> tuple[Tensor, dict[str, Ratio]]:
    """Policy loss, clipped (low, high), + ``kl`` * KL to the reference - ``entropy`` * entropy, and what is logged.

    ``over`` is what each term is a mean over (``losses.averaged``).
    The terms of KL stand under the ratio pi / pi_old: at pi = pi_old their value is the same, and their gradient is
    that of KL itself, (log pi - log ref) d log pi, which that of the bare estimator is not (arXiv 2512.02556).
    """
    logps_S, rows_S = scores.in_order(), scores.rows_S[scores.order_S]
    count = scores.count if over == "sequence" else len(logps_S)

    def mean(terms_S: Tensor) -> Tensor:
        return losses.averaged(terms_S, rows_S, scores.count, over)

    assert scores.entropies_S is not None
    spread = mean(scores.entropies_S[scores.order_S])
    loss = mean(held.weights_S * losses.clipped_policy(logps_S, held.old_S, held.advantages_S, *clip))
    figures = {
        "policy_loss": averages.times(loss, count),
        "entropy": averages.times(spread, count),
        "clip_share": averages.times(losses.clip_share(logps_S, held.old_S, held.advantages_S, *clip), len(logps_S)),
    }
    if held.reference_S is not None:
        away = mean(kl_terms(logps_S, held.reference_S) * (logps_S - held.old_S).exp())
        figures["kl"] = averages.times(away, count)
        loss = loss + kl * away if kl else loss
    if entropy:
        loss = loss - entropy * spread
    return loss, figures
