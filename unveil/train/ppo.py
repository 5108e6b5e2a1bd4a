"""Proximal policy optimisation (arXiv 1707.06347) on the token tree, with a value head on the language model.

A reward comes with the last token that it can depend on (``credit``). The critic's values spread it over the tokens by
generalised advantage estimation (arXiv 1506.02438):

    L = -mean_t min(rho_t A_t, clip(rho_t) A_t) + c_2 L_VF - c_3 S[pi] + beta KL(pi, ref)

UMed-LVLM's objective (arXiv 2501.01377) adds its rewards beside the ratio, where they have no gradient; here they enter
the return (docs/methods.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unveil.runs import Output
from unveil.train import credit, loop, losses, reinforce
from unveil.train.advantages import generalised, whitened
from unveil.train.engine import Scores
from unveil.train.experience import Experience, Judge, Options
from unveil.train.reinforce import Asked, Learnt, Run
from unveil.train.rollout import Generator


@dataclass(frozen=True, kw_only=True)
class PpoConfig(Options):
    """Train a model by rewards and a critic that learns what to expect (PPO)."""

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
    """Give the advantages of a pass mean 0 and spread 1."""


def main(
    config: PpoConfig, judge: Judge | None = None, asked: Asked | None = None, generator: Generator | None = None
) -> Path:
    """Trains and returns the folder of the trained model; ``asked`` is what run.json says was asked for.

    ``generator`` draws the answers that are learnt from in the place of the policy.
    """
    with reinforce.output(config, asked or Asked("train ppo", config)) as output:
        if output:
            train_on(config, output, judge, generator)
    return config.out


def train_on(config: PpoConfig, output: Output, judge: Judge | None, generator: Generator | None) -> None:
    """Trains, or goes on with it, and writes the model."""
    run = reinforce.begin(config, output, judge, config.value_through, config.value_rate, generator)
    config = run.config
    with run.progress() as advance:
        while run.step < run.total:
            run.set_rate()
            drawn = [run.collect(part) for part in range(config.accumulate)]
            ids = [d.id for part in drawn for d in part.dialogues]
            held: list[Learnt] = []
            for update in range(config.updates):
                found = []
                for i, part in enumerate(drawn):
                    with run.passing(last=i + 1 == len(drawn)):
                        scores = run.wrapped(part.rows, {} if update else run.reads(part))
                        if not update:
                            held.append(learnt(run, part, scores))
                        loss, figures = reinforce.policy_loss(scores, held[i], config, run.state.kl)
                        value, error = value_loss(scores, held[i], config)
                        loss = loss + config.value_weight * value
                        loop.finite(loss, ids)
                        run.accelerator.backward(loss / len(drawn))
                    found.append({**figures, **error})
                run.update(ids)
            found = [{**figures, **part.figures} for figures, part in zip(found, held, strict=True)]
            run.after(found, drawn[-1], held[-1].worth)
            advance(note=f"reward {found[-1]['reward']:.3f}")
    run.end()


def learnt(run: Run, drawn: Experience, scores: Scores) -> Learnt:
    """What the first pass over the answers tells: their rewards, the critic's values, advantages and returns."""
    worth = run.rewarded(drawn, scores)
    earned_S = credit.placed(worth, drawn, run.scorer.chat, run.config.credit == "parts")
    return run.learnt(drawn, scores, worth, **held_of(drawn, earned_S, scores, run.config))


def held_of(drawn: Experience, earned_S: Tensor, scores: Scores, config: PpoConfig) -> dict[str, Tensor]:
    """Advantages, values and returns of all tokens, row after row, by their names in ``Learnt``.

    ``earned_S`` are the rewards at the tokens with which they come.
    """
    assert scores.values_S is not None
    values_S = scores.values_S.detach()[scores.order_S]
    lengths_R = torch.tensor([len(d.ids) for d in drawn.drawn], device=values_S.device)
    inside_RT = torch.arange(int(lengths_R.max()), device=values_S.device) < lengths_R[:, None]
    advantages_RT, returns_RT = generalised(
        _padded(earned_S.to(values_S), inside_RT), _padded(values_S, inside_RT), lengths_R, config.gamma, config.lam
    )
    advantages_S = whitened(advantages_RT[inside_RT]) if config.whiten else advantages_RT[inside_RT]
    return {"advantages_S": advantages_S, "values_S": values_S, "returns_S": returns_RT[inside_RT]}


def _padded(values_S: Tensor, inside_RT: Tensor) -> Tensor:
    """Values of tokens, row after row, as one row for each answer, 0 behind its end."""
    return torch.zeros(inside_RT.shape, device=values_S.device).masked_scatter(inside_RT, values_S)


def value_loss(scores: Scores, held: Learnt, config: PpoConfig) -> tuple[Tensor, dict[str, float]]:
    """The critic's loss over all tokens, and the share of the returns' variance that it explains."""
    assert scores.values_S is not None and held.values_S is not None and held.returns_S is not None
    values_S = scores.values_S[scores.order_S]
    loss = losses.clipped_value(values_S, held.values_S, held.returns_S, config.value_clip).mean()
    left = (held.returns_S - values_S.detach()).var() / held.returns_S.var().clamp(min=1e-8)
    return loss, {"value_loss": float(loss.detach()), "value_explained": float(1 - left)}
