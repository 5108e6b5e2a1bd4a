"""Proximal policy optimisation (arXiv 1707.06347) on the token tree, with a value head on the language model.

A reward comes with the last token that it can depend on (``credit``). The critic's values spread it over the tokens by
generalised advantage estimation (arXiv 1506.02438):

    L = -mean_t min(rho_t A_t, clip(rho_t) A_t) + c_2 L_VF - c_3 S[pi] + beta KL(pi, ref)

Means are over all tokens of an update, those of all passes and processes.

UMed-LVLM's objective (arXiv 2501.01377) adds its rewards beside the ratio, where they have no gradient; here they enter
the return (docs/explanation/methods.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from unveil.core.provenance import Output
from unveil.rl import credit, engines, losses
from unveil.rl import run as rl
from unveil.rl.advantages import generalised, whitened
from unveil.rl.experience import Experience, Judge, foreseen, rehearse
from unveil.rl.options import PpoOptions
from unveil.rl.policy import Learnt, policy_loss
from unveil.rl.run import Invocation, Run
from unveil.train import averages, loop
from unveil.train.averages import Ratio
from unveil.train.resources import memory_explained
from unveil.vlm.generate import Generator
from unveil.vlm.scorer import Scores

Config = PpoOptions


def main(
    config: Config, judge: Judge | None = None, asked: Invocation | None = None, generator: Generator | None = None
) -> Path:
    """Trains and returns the folder of the trained model; ``asked`` is what run.json says was asked for.

    ``judge`` scores relevance and ``generator`` samples the answers that are learnt from; by default those that the
    options name, or the rules and the policy.
    """
    if config.dry_run:
        rehearse(config)
    with rl.output(config, asked or Invocation("train ppo", config)) as output:
        if output:
            with engines.bound(config, judge, generator) as (scoring, drawing), memory_explained(config, foreseen):
                train_on(config, output, scoring, drawing)
    return config.out


def train_on(config: Config, output: Output, judge: Judge | None, generator: Generator | None) -> None:
    """Trains, or goes on with it, and writes the model."""
    run = rl.begin(config, output, judge, config.value_through, config.value_rate, generator)
    config = run.config
    with run.progress() as advance:
        while run.step < run.total:
            run.set_rate()
            drawn = [run.collect(part) for part in range(config.accumulate)]
            ids = [d.id for part in drawn for d in part.dialogues]
            weights, of_tokens = run.portions(drawn, config.mean_over), run.portions(drawn, "token")
            held = beforehand(run, drawn) if config.whiten and len(drawn) > 1 else []
            for _ in range(config.updates):
                found = []
                for i, part in enumerate(drawn):
                    first = len(held) == i
                    with run.passing(last=i + 1 == len(drawn)):
                        scores = run.wrapped(part.rows, run.reads(part) if first else {})
                        if first:
                            held += evened(run, [learnt(run, part, scores)])
                        loss, figures = policy_loss(
                            scores,
                            held[i],
                            clip=(config.clip_low, config.clip_high),
                            kl=run.state.kl,
                            entropy=config.entropy,
                            over=config.mean_over,
                        )
                        value, error = value_loss(scores, held[i], config.value_clip)
                        loss = weights[i] * loss + of_tokens[i] * config.value_weight * value
                        loop.finite(loss, ids)
                        run.accelerator.backward(loss)
                    found.append({**figures, **error})
                run.update(ids)
            found = [{**figures, **part.figures} for figures, part in zip(found, held, strict=True)]
            mean = explained(run.averaged(found))
            run.after(mean, drawn[-1], held[-1].worth)
            advance(note=f"reward {mean['reward']:.3f}")
    run.end()


@torch.no_grad()
def beforehand(run: Run, drawn: Sequence[Experience]) -> list[Learnt]:
    """What all passes of an update tell, from a look without gradients: whitening goes over all of them at once."""
    with run.accelerator.autocast():
        return evened(run, [learnt(run, part, run.scorer(part.rows, run.reads(part))) for part in drawn])


def evened(run: Run, parts: Sequence[Learnt]) -> list[Learnt]:
    """The passes with their advantages whitened over all of them, and over all processes, if that is asked for."""
    if not run.config.whiten:
        return list(parts)
    whole_S = torch.cat([part.advantages_S for part in parts])
    white_S = whitened(whole_S, partial(averages.over_processes, accelerator=run.accelerator))
    split = white_S.split([len(part.advantages_S) for part in parts])
    return [replace(part, advantages_S=own_S) for part, own_S in zip(parts, split, strict=True)]


def learnt(run: Run, drawn: Experience, scores: Scores) -> Learnt:
    """What a pass over the answers tells: their rewards, the critic's values, advantages and returns."""
    worth = run.rewarded(drawn, scores)
    earned_S = credit.placed(worth, drawn, run.scorer.chat, run.config.credit == "parts")
    return run.learnt(drawn, scores, worth, **held_of(drawn, earned_S, scores, run.config.gamma, run.config.lam))


def held_of(
    drawn: Experience, earned_S: Tensor, scores: Scores, gamma: float = 1.0, lam: float = 0.95
) -> dict[str, Tensor]:
    """Advantages, values and returns of all tokens, row after row, by their names in ``Learnt``.

    ``earned_S`` are the rewards at the tokens with which they come.
    """
    assert scores.values_S is not None
    values_S = scores.values_S.detach()[scores.order_S].float().cpu()  # a step for each token: nothing for a GPU
    lengths_R = torch.tensor([len(d.ids) for d in drawn.rollouts])
    inside_RT = torch.arange(int(lengths_R.max())) < lengths_R[:, None]
    padded = (_padded(earned_S.to(values_S), inside_RT), _padded(values_S, inside_RT))
    advantages_RT, returns_RT = generalised(*padded, lengths_R, gamma, lam)
    found = {"advantages_S": advantages_RT[inside_RT], "values_S": values_S, "returns_S": returns_RT[inside_RT]}
    return {name: found_S.to(scores.logps_S.device) for name, found_S in found.items()}


def _padded(values_S: Tensor, inside_RT: Tensor) -> Tensor:
    """Values of tokens, row after row, as one row for each answer, 0 behind its end."""
    return torch.zeros(inside_RT.shape).masked_scatter(inside_RT, values_S)


def value_loss(scores: Scores, held: Learnt, clip: float | None = 0.2) -> tuple[Tensor, dict[str, Ratio]]:
    """The critic's loss, a mean over all tokens, and the figures that ``explained`` needs."""
    assert scores.values_S is not None and held.values_S is not None and held.returns_S is not None
    values_S, returns_S = scores.values_S[scores.order_S], held.returns_S
    loss = losses.clipped_value(values_S, held.values_S, returns_S, clip).mean()
    error_S = returns_S - values_S.detach()
    moments = {"error": error_S, "error_squared": error_S**2, "return": returns_S, "return_squared": returns_S**2}
    return loss, {
        "value_loss": averages.times(loss, len(values_S)),
        **{f"critic_{name}": averages.summed(moment_S) for name, moment_S in moments.items()},
    }


def explained(mean: dict[str, float]) -> dict[str, float]:
    """The figures with the share of the returns' variance that the critic explains, in the place of its own."""
    names = ("critic_error", "critic_return", "critic_error_spread", "critic_return_spread")
    _, _, left, spread = (mean.pop(name) for name in names)
    return {**mean, "value_explained": 1 - left**2 / max(spread**2, 1e-8)}
