"""A GRPO step, ours against TRL's ``GRPOTrainer``: same weights, prompts, pictures, reward, adapters, KL, optimiser.

python -m bench.grpo --preset small

Some answers are sampled for each question, one update is made from them. Rollout on the one hand, scoring and update on
the other, are timed apart. The loss and gradients that are compared are those of one and the same set of answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from bench import race, sides
from bench.dpo import stir
from bench.models import PRESETS
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Finding, Record
from unveil.core.sampling import Sampling
from unveil.rl import experience, grpo, policy
from unveil.rl.advantages import group_relative
from unveil.rl.experience import Experience, Rewarded
from unveil.rl.policy import Learnt
from unveil.train import loop
from unveil.train.dataloader import Stream
from unveil.vlm.generate import drawn_from, rollout
from unveil.vlm.scorer import Distribution, Scores

KL = 0.04


@dataclass(frozen=True)
class Config(sides.Config):
    """Race GRPO steps against TRL's."""

    answers: int = 8
    """Answers that are sampled for each question."""
    tokens: int = 48
    """Tokens of an answer; a random model does not end one by itself."""

    @property
    def images(self) -> int:
        return PRESETS[self.preset].pairs * self.warmup


def worth(ids: Sequence[int]) -> float:
    """A reward that both sides can compute, whatever their texts leave out: the share of even ids."""
    return sum(i % 2 == 0 for i in ids) / len(ids)


class Ours(sides.Ours):
    """Our recipe's own parts in its own order."""

    def __init__(self, config: Config, folder: Path):
        dialogues = list(read_jsonl(folder / "dialogues.jsonl", Dialogue))
        size = PRESETS[config.preset].picture
        write_jsonl(
            folder / "records.jsonl",
            [Record(d.record, d.image, size, size, split="train", findings=(Finding("cyst"),)) for d in dialogues],
        )
        self.config = grpo.Config(
            records=folder / "records.jsonl",
            dialogues=folder / "dialogues.jsonl",
            **config.options(
                folder,
                batch_size=PRESETS[config.preset].pairs,
                kinds=("open",),
                answers=config.answers,
                max_new_tokens=config.tokens,
                kl=KL,
                mean_over="sequence",
            ),
        )
        self.load(config, self.config)
        self.scorer.entropy = True
        self.drawing = drawn_from(self.scorer, Sampling(self.config.temperature))
        self.scorer.distribution = Distribution()  # TRL scores as if every token could be drawn
        self.asked = experience.questions(self.config)
        self.how = self.config.answers, self.config.max_new_tokens
        self.stream = Stream(self.scorer, self.config.dialogues, self.config)
        self.held = policy.reference(self.model, self.chat, self.config.cache_mb) if config.method == "full" else None
        stir(self.model)
        self.model.train()
        self.order = loop.parts(self.asked.train, self.config.batch_size)
        self.rewind()

    def rows(self, batches: Iterator[Any]) -> Iterator[Any]:
        return self.stream(batches)

    def loss(self, step: int) -> torch.Tensor:
        batch, rows = next(self.batches)
        began = race.clock()
        self.scorer.distribution = self.drawing
        drawn = experience.collect(self.scorer, self.asked, batch, rows, *self.how, seed=step)
        self.scorer.distribution = Distribution()
        self.rollout_s = race.clock() - began
        return self.update(drawn)

    def watched(self, drawn: Experience) -> dict[int, list[int]]:
        """The tokens whose attention is read."""
        return {}

    def earned(self, drawn: Experience, scores: Scores) -> Rewarded:
        """What the answers are worth by their ids; all are cut at the limit, which the recipe would not reward."""
        shape = len(drawn.dialogues), drawn.answers
        values_QG = np.array([worth(d.ids) for d in drawn.rollouts]).reshape(shape)
        earned = {"worth": torch.from_numpy(values_QG).float()}
        return Rewarded([], {"worth": values_QG}, np.ones(shape, bool), earned)

    def update(self, drawn: Experience) -> torch.Tensor:
        """The loss of answers that have been drawn."""
        scores = self.scorer(drawn.rows, self.watched(drawn))
        worth = self.earned(drawn, scores)
        relative_R = group_relative(worth.totals_QG).flatten().to(scores.logps_S.device)
        return self.policy(drawn, scores, worth, advantages_S=relative_R[scores.rows_S[scores.order_S]])[0]

    def policy(self, drawn: Experience, scores: Scores, worth: Rewarded, **more: Any) -> tuple[Any, Learnt]:
        """The policy's loss with the KL term, and what it was made of."""
        with torch.no_grad():
            if self.held is not None:
                reference_S = self.held(drawn.rows).in_order()
            else:
                with self.model.disable_adapter():
                    reference_S = self.scorer(drawn.rows).in_order()
        old_S = scores.in_order().detach()
        ones_S = torch.ones_like(old_S)
        held = Learnt(worth, old_S=old_S, weights_S=ones_S, reference_S=reference_S, figures={}, **more)
        return policy.policy_loss(scores, held, kl=KL, over="sequence")[0], held


class Theirs(sides.Theirs):
    """TRL's trainer: its generation, its reference, its loss."""

    def __init__(self, config: Config, folder: Path):
        from trl import GRPOConfig, GRPOTrainer

        rows = [
            {"prompt": [{"role": "user", "content": d.question}], "images": [d.image]}
            for d in read_jsonl(folder / "dialogues.jsonl", Dialogue)
        ]
        self.data = sides.pictures(rows, folder)
        self.size, self.answers = PRESETS[config.preset].pairs, config.answers
        model, processor, lora = self.load(config, folder)
        options = self.arguments(config, folder)
        del options["max_length"]
        options["per_device_train_batch_size"] = self.size * config.answers

        def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
            return [worth(ids) for ids in completion_ids]

        self.trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=GRPOConfig(
                **options,
                num_generations=config.answers,
                max_completion_length=config.tokens,
                beta=KL,
                loss_type="grpo",
                scale_rewards="none",
                temperature=1.0,
                generation_kwargs={"suppress_tokens": [model.config.image_token_id]},  # one that is drawn stops it
            ),
            processing_class=processor,
            train_dataset=self.data,
            peft_config=lora,
        )
        self.trainer.current_gradient_accumulation_steps = 1  # its training loop would set this
        self.reference = self.trainer.ref_model
        self._timed()
        self.begin()
        stir(self.model)

    def _timed(self) -> None:
        """Takes the time of its generation."""
        real = self.trainer._generate

        def generate(*args: Any) -> Any:
            began = race.clock()
            found = real(*args)
            self.rollout_s = race.clock() - began
            return found

        self.trainer._generate = generate

    def _batches(self) -> Iterator[Any]:
        for first in itertools.cycle(range(0, len(self.data), self.size)):
            asked = [self.data[i] for i in range(first, min(first + self.size, len(self.data)))]
            yield [row for row in asked for _ in range(self.answers)]

    def loss(self, step: int) -> torch.Tensor:
        inputs = self.trainer._generate_and_score_completions(next(self.batches))
        return self.trainer.compute_loss(self.model, inputs)


def same_answers(ours: Ours, theirs: Theirs, config: Config) -> None:
    """Lets both sides' first step learn from one set of answers, so that loss and gradients can be compared."""
    batch, rows = next(ours.batches)
    drawn = rollout(ours.scorer, rows, config.answers, config.tokens, ours.drawing, 0)
    real_ours, real_theirs = ours.loss, theirs.trainer._generate_single_turn

    def again(step: int) -> torch.Tensor:
        kept = experience.rollout
        experience.rollout = lambda *_: drawn
        try:
            return ours.update(experience.collect(ours.scorer, ours.asked, batch, rows, *ours.how, 0))
        finally:
            experience.rollout = kept
            ours.loss = real_ours  # type: ignore[method-assign]

    def given(*_: Any, **__: Any) -> Any:
        theirs.trainer._generate_single_turn = real_theirs
        return [d.ids for d in drawn], None

    ours.loss = again  # type: ignore[method-assign]
    theirs.trainer._generate_single_turn = given


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    size = PRESETS[config.preset].pairs
    title = f"GRPO, {size} questions a step, {config.answers} answers of {config.tokens} tokens"
    return sides.run(config, Ours, Theirs, title, before=same_answers, questions_a_step=size, answers=config.answers)


if __name__ == "__main__":
    main(tyro.cli(Config))
