"""Group relative policy optimisation (arXiv 2402.03300) on the token tree.

G answers are sampled for each question; what an answer earns beyond the mean of its group (`--advantage`) is the
advantage of its tokens, of each reward that of the tokens which it can depend on (``credit``):

    L = -mean_t min(rho_t A, clip(rho_t, 1 - low, 1 + high) A) + beta KL(pi, ref) - c S[pi],   rho_t = pi / pi_old

The mean is over all tokens of an update, those of all passes and processes. The first update of a rollout needs no pass
of its own for pi_old, nor for where the model looked: both come with the pass that has the gradients.
"""

from __future__ import annotations

from pathlib import Path

from unveil.core.provenance import Output
from unveil.rl import credit, engines, trial
from unveil.rl import run as rl
from unveil.rl.advantages import Advantage
from unveil.rl.experience import Experience, Judge, foreseen, rehearse
from unveil.rl.options import GrpoOptions
from unveil.rl.policy import Learnt, policy_loss
from unveil.rl.run import Invocation, Run
from unveil.train import loop
from unveil.train.resources import memory_explained
from unveil.vlm.generate import Generator
from unveil.vlm.scorer import Scores

Config = GrpoOptions


def main(
    config: Config, judge: Judge | None = None, asked: Invocation | None = None, generator: Generator | None = None
) -> Path:
    """Trains and returns the folder of the trained model; ``asked`` is what run.json says was asked for.

    ``judge`` scores relevance and ``generator`` samples the answers that are learnt from; by default those that the
    options name, or the rules and the policy.
    """
    if config.dry_run:
        rehearse(config)
    with rl.output(config, asked or Invocation("train grpo", config)) as output:
        if output:
            with engines.bound(config, judge, generator) as (scoring, drawing), memory_explained(config, foreseen):
                train_on(config, output, scoring, drawing)
    return config.out


def train_on(config: Config, output: Output, judge: Judge | None, generator: Generator | None) -> None:
    """Trains, or goes on with it, and writes the model."""
    advantage = trial.advantage(config.advantage, max(config.answers, 2), config.credit == "parts")
    run = rl.begin(config, output, judge, generator=generator)
    config = run.config
    with run.progress() as advance:
        while run.step < run.total:
            run.set_rate()
            drawn = [run.collect(part) for part in range(config.accumulate)]
            ids = [d.id for part in drawn for d in part.dialogues]
            weights = run.portions(drawn, config.mean_over)
            held: list[Learnt] = []
            for update in range(config.updates):
                found = []
                for i, part in enumerate(drawn):
                    with run.passing(last=i + 1 == len(drawn)):
                        scores = run.wrapped(part.rows, {} if update else run.reads(part))
                        if not update:
                            held.append(learnt(run, part, scores, advantage))
                        loss, figures = policy_loss(
                            scores,
                            held[i],
                            clip=(config.clip_low, config.clip_high),
                            kl=run.state.kl,
                            entropy=config.entropy,
                            over=config.mean_over,
                        )
                        loop.finite(loss, ids)
                        run.accelerator.backward(loss * weights[i])
                    found.append(figures)
                run.update(ids)
            found = [{**figures, **part.figures} for figures, part in zip(found, held, strict=True)]
            mean = run.averaged(found)
            run.after(mean, drawn[-1], held[-1].worth)
            advance(note=f"reward {mean['reward']:.3f}")
    run.end()


def learnt(run: Run, drawn: Experience, scores: Scores, advantage: Advantage) -> Learnt:
    """What the first pass over the answers tells: their rewards, and the advantage of each token."""
    worth = run.rewarded(drawn, scores)
    relative_S = credit.relative(worth, drawn, run.scorer.chat, advantage, run.config.credit == "parts")
    return run.learnt(drawn, scores, worth, relative_S.to(scores.logps_S.device))
