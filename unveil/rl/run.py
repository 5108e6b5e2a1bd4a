"""What GRPO and PPO have in common around their loops: the start of a run, its watching, its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from unveil.core import console, digests, plugins, provenance
from unveil.core.console import keeping, progress
from unveil.core.records import Dialogue
from unveil.core.sampling import Sampling, seed_of
from unveil.rl import experience, losses, monitor, policy
from unveil.rl.experience import Experience, Judge, Progress, Rewarded
from unveil.rl.options import RlOptions
from unveil.rl.policy import Critic, Learnt
from unveil.rl.rewards import Reward, spread
from unveil.train import adapters, averages, benchmarks, budget, checkpoints, loop, optimizers, validation
from unveil.train.averages import Ratio
from unveil.train.checkpoints import Checkpoints
from unveil.train.dataloader import Stream
from unveil.train.questions import Questions
from unveil.train.validation import Best
from unveil.vlm import forward_check, generate
from unveil.vlm.families import ModelError
from unveil.vlm.features import Features
from unveil.vlm.generate import GenerationError, Generator
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Distribution, Scorer, Scores, whole

LOG = logging.getLogger(__name__)
Found = TypeVar("Found")
ROUNDING = 0.01
"""Mean difference of log-probabilities that arithmetic alone may make."""


@dataclass(frozen=True)
class Invocation:
    """A command and its options as they were given, which repeat the run."""

    command: str
    config: Any


def output(config: RlOptions, asked: Invocation) -> AbstractContextManager[provenance.Output | None]:
    """The making of a run's model; see ``provenance.output``."""
    files = [config.records, config.dialogues, *plugins.files(config.functions)]
    inputs = [*files, *digests.of_model(config.model)]
    return provenance.output(config.out, asked.command, asked.config, inputs, adapters.MODEL)


@dataclass
class Run:
    """A run under way. ``wrapped`` is the policy as accelerate trains it, ``scorer`` the same without its wrapping."""

    output: provenance.Output
    config: Any
    accelerator: Accelerator
    wrapped: nn.Module
    scorer: Scorer
    reference: Scorer | None
    optimizer: Any
    asked: Questions
    rewards: list[Reward]
    judge: Judge | None
    stream: Stream
    batches: Iterator[tuple[Sequence[Dialogue], list[EncodedExample]]]
    log: loop.MetricsLog
    state: Progress
    best: Best
    kept: Checkpoints
    total: int
    step: int
    generator: Generator | None = None
    compared: bool = False
    """Whether the generator's log-probabilities were found to be those at the temperature of drawing."""

    @property
    def rate(self) -> float:
        return (self.config.learning_rate or 0.0) * loop.cosine(self.step, self.total, self.config.warmup)

    # ------------------------------------------------------------------------------------------------------ a rollout

    def collect(self, part: int) -> Experience:
        """Answers to the next questions. A judge or a server that is down stops the run, at a checkpoint."""
        batch, rows = next(self.batches)
        seed = seed_of(self.config.seed, self.step, part, self.accelerator.process_index)
        if self.generator and part == 0:
            self.renew(self.generator)
        how = self.config.answers, self.config.max_new_tokens, seed, self.judge, self.generator
        asked = self.scorer, self.asked, batch, rows, *how, self.accelerator.autocast
        return self.together(lambda: experience.collect(*asked))

    def renew(self, generator: Generator) -> None:
        """Offers the policy as it is now to the generator; other processes wait until the first has done so."""
        save = partial(adapters.hand_over, self.scorer.model, self.scorer.chat, self.config)
        first = self.accelerator.is_main_process
        self.together(lambda: generator.renew(self.step, save) if first else None)
        self.together(lambda: None if first else generator.renew(self.step, None))

    def together(self, work: Callable[[], Found]) -> Found:
        """Does what may fail in one process alone, such as a request; then all of them stop, at a checkpoint."""
        found, failure = None, None
        try:
            found = work()
        except (JudgeError, GenerationError, ModelError, loop.TrainingError) as error:
            failure = error
        failures = torch.tensor(int(failure is not None), device=self.accelerator.device)
        if int(self.accelerator.reduce(failures, "sum")):
            kept = self.kept.save(self.step)
            why = failure or "another process failed, and says why"
            raise loop.TrainingError(f"{why}; {checkpoints.SAME} goes on from {kept.name}") from failure
        return cast(Found, found)

    def rewarded(self, drawn: Experience, scores: Scores) -> Rewarded:
        """What the answers are worth."""
        how = self.config.combination, self.config.tighten
        return experience.rewarded(drawn, self.scorer, scores, self.rewards, self.state, *how)

    def reads(self, drawn: Experience) -> dict[int, list[int]]:
        """The tokens whose attention a reward asks for."""
        return drawn.watched if experience.reads_attention(self.rewards) else {}

    @property
    def needs_kl(self) -> bool:
        """Whether this step needs the reference: for its loss, or because it is time to look."""
        used = self.config.kl > 0 or self.config.kl_target is not None
        return used or (self.step + 1) % self.config.kl_every == 0 or self.step in (0, self.total - 1)

    @property
    def _logs(self) -> bool:
        return (self.step + 1) % self.config.log_every == 0 or self.step + 1 == self.total

    @torch.no_grad()
    def reference_S(self, drawn: Experience) -> Tensor:
        """Log-probabilities of all answers' tokens under the model before training, row after row."""
        if self.reference is not None:
            logps_S: Tensor = self.reference(drawn.rows).in_order()
        else:
            with self.scorer.model.disable_adapter():  # type: ignore[operator]
                logps_S = self.scorer(drawn.rows).in_order()
        return logps_S

    def learnt(self, drawn: Experience, scores: Scores, worth: Rewarded, advantages_S: Tensor, **more: Any) -> Learnt:
        """What the loss needs besides a pass, and what is logged of answers and rewards."""
        old_S = scores.in_order().detach()
        sampled_S = drawn.sampled_S.to(old_S.device)
        about = experience.figures(drawn, worth)
        about["mismatch"] = averages.times(losses.mismatch(old_S, sampled_S), int((~sampled_S.isnan()).sum()))
        if self.generator:
            about |= experience.served(drawn, old_S, sampled_S)
            self._check_temperature(drawn, old_S, sampled_S)
        held_S = self.reference_S(drawn) if self.needs_kl else None
        return Learnt(worth, old_S, advantages_S, losses.importance(old_S, sampled_S), held_S, about, **more)

    @torch.no_grad()
    def _check_temperature(self, drawn: Experience, old_S: Tensor, sampled_S: Tensor) -> None:
        """Raises ``TrainingError`` where a server's log-probabilities are not those at the temperature of drawing.

        Told by the first answers of a start: they are then nearer to what this policy gives them at temperature 1.
        """
        own = self.scorer.distribution
        if self.compared or own.temperature == 1:
            return
        self.compared, known_S = True, ~sampled_S.isnan()
        self.scorer.distribution = Distribution()
        try:
            plain_S = self.scorer(drawn.rows).in_order()
        finally:
            self.scorer.distribution = own
        apart = [averages.summed((logps_S - sampled_S)[known_S].abs()) for logps_S in (old_S, plain_S)]
        found = averages.averaged([dict(zip(("drawn", "plain"), apart, strict=True))], self.accelerator)
        if found and found["drawn"] > max(ROUNDING, found["plain"]):
            raise loop.TrainingError(
                f"the server's log-probabilities are not those at --temperature {own.temperature}: they differ from "
                f"this policy's by {found['drawn']:.3f} there and by {found['plain']:.3f} at temperature 1; start vLLM "
                "with --logprobs-mode processed_logprobs, or take --temperature 1"
            )

    # ------------------------------------------------------------------------------------------------------ an update

    def set_rate(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group.get("factor", 1.0)

    def passing(self, last: bool) -> AbstractContextManager[Any]:
        """Around a pass with gradients, which are exchanged between processes with the last one of an update."""
        return _both(self.accelerator.autocast(), loop.synchronised(self.accelerator, self.wrapped, last))

    def portions(self, drawn: Sequence[Experience], over: str) -> list[float]:
        """What the mean over each pass, of its tokens or its sequences, weighs (``averages.portions``)."""
        return averages.portions([len(d.rows) if over == "sequence" else d.tokens for d in drawn], self.accelerator)

    def update(self, ids: Sequence[str]) -> None:
        loop.step(self.accelerator, self.wrapped, self.optimizer, self.config.clip_norm, ids)

    def averaged(self, found: Sequence[dict[str, Ratio]]) -> dict[str, float]:
        """The figures of a step over all its passes and all processes."""
        return spread(averages.averaged(found, self.accelerator))

    def after(self, mean: dict[str, float], drawn: Experience, worth: Rewarded) -> None:
        """Logging, watching, validation and checkpoints after a step of these figures; stops a run that collapses."""
        config, rate = self.config, self.rate
        if (iou := mean.get("iou")) is not None:
            self.state.iou = iou if self.state.iou is None else 0.95 * self.state.iou + 0.05 * iou
        if config.kl_target is not None:
            self.state.kl = losses.adapted(self.state.kl, mean["kl"], config.kl_target)
        logs = self._logs
        self.step += 1
        if logs:
            self.log.write(self.step, lr=rate, **mean)
        self._watch(mean)
        if config.samples_every and self.step % config.samples_every == 0 and self.accelerator.is_main_process:
            monitor.sample(drawn, worth, config.dialogues, config.out, self.step)
        bounds = config.least_entropy, config.most_growth, config.most_unusable
        if why := monitor.collapsed(mean, self.state, *bounds):
            kept = self.kept.save(self.step)
            raise loop.TrainingError(f"stopped at update {self.step}, the policy collapses: {why}; {kept} holds it")
        due = config.validate_every and self.step % config.validate_every == 0
        if self.asked.val and config.validate_every and (due or self.step == self.total):
            self.validate()
        if config.checkpoint_every and self.step % config.checkpoint_every == 0 and self.step < self.total:
            self.kept.save(self.step)
        if self.step < self.total:
            self.kept.heed(self.step)

    def _watch(self, mean: dict[str, float]) -> None:
        """Counts the updates in which rewards told answers apart, and says after some which never did."""
        monitor.count(mean, [reward.name for reward in self.rewards if reward.weight], self.state)
        if self.step == monitor.SOON < self.total and self.accelerator.is_main_process:
            for words in monitor.alike(self.state, self.step):
                console.say(words)

    def validate(self) -> None:
        """Greedy answers on validation; keeps the weights that do best."""
        config = self.config
        answering = 2 * config.batch_size, config.max_new_tokens
        with self.accelerator.autocast():
            found = validation.validate(self.scorer, self.asked, self.stream, *answering)
        self.log.write(self.step, **found)
        if config.keep_best:
            first = self.accelerator.is_main_process
            self.best.offer(found.get("val_score"), self.step, self.scorer.model, first)

    @contextmanager
    def progress(self) -> Iterator[Any]:
        shown = self.accelerator.is_main_process
        with (
            progress(self.output.command, self.total, self.step, shown) as advance,
            keeping(self.kept.stopped, self.total),
        ):
            yield advance

    def end(self) -> None:
        """Writes the trained model."""
        self.kept.deliver(self.total, self._write)
        self.kept.drop(self.config.keep_checkpoints)
        if self.accelerator.is_main_process:
            for words in monitor.alike(self.state, self.total, ended=True):
                console.say(words)
        loop.finish(self.accelerator)

    def _write(self) -> None:
        config = self.config
        self.best.bring_back(self.scorer.model)
        adapters.save(self.scorer.model, self.scorer.chat, config)
        choice = {
            "method": config.method,
            "learning_rate": config.learning_rate,
            "updates": self.total * config.updates,
            "kept": self.total if self.best.score is None else self.best.step,
            "precision": config.precision,
            **budget.chosen(config),
        }
        told = {"temperature": config.temperature, "max_new_tokens": config.max_new_tokens}
        decoding = generate.decoding(self.scorer.chat, whole(self.scorer.model).config, **told)
        informative = {"of": self.total, **self.state.differed}
        learnt = benchmarks.learnt([*self.asked.train, *self.asked.val], config.model, self.asked.benchmarks)
        self.output.write(chosen=choice, informative_updates=informative, decoding=decoding, **learnt)


class JudgeError(RuntimeError):
    """A judge that cannot be asked, after all repetitions."""


@contextmanager
def _both(first: AbstractContextManager[Any], second: AbstractContextManager[Any]) -> Iterator[None]:
    with first, second:
        yield


def begin(
    config: RlOptions,
    output: provenance.Output,
    judge: Judge | None,
    critic: bool | None = None,
    critic_factor: float = 1.0,
    generator: Generator | None = None,
) -> Run:
    """Loads everything and takes up the run where it was left. ``generator`` samples answers, by default the policy.

    ``critic`` asks for one: does its error go through to the language model? It learns ``critic_factor`` times faster.
    """
    accelerator = loop.accelerator(config.out, config.trackers, config.precision)
    say = console.say if accelerator.is_main_process else lambda words: None
    named, asked = experience.tried(config, judge is not None, say)
    if config.lora_dropout:
        say("note: --lora-dropout does nothing here: what samples answers and what is taught by them is one policy")
    small = 1e-4 if critic is None else 2e-5  # PPO's advantages are whitened, which makes its steps longer
    config = adapters.resolved(config, accelerator, lora=1e-5, full=1e-6, small=small)
    config = budget.fitted(config, accelerator, experience.foreseen)
    set_seed(config.seed)
    loaded = adapters.load(config, accelerator.device)
    folder = config.out / "checkpoints"
    hashes = {"dialogues": digests.sha256(config.dialogues), "records": digests.sha256(config.records)}
    checkpoints.claim(folder, config, {"model": loaded.fingerprint, **hashes}, accelerator)
    adapted = config.method != "full"
    reference = None if adapted else policy.reference(loaded.model, loaded.chat, config.cache_mb)
    model = policy.recomputing(adapters.prepare(loaded.model, config))
    eyes = loaded.chat.processor.image_processor
    width = whole(model).config.get_text_config().hidden_size
    scorer = Scorer(
        model,
        loaded.chat,
        Features(whole(model), eyes, config.cache_mb, config.features),
        entropy=True,
        critic=None if critic is None else Critic(width, critic).to(loaded.device),
    )
    scorer.distribution = generate.drawn_from(scorer, Sampling(config.temperature))
    stream = Stream(scorer, config.dialogues, config)
    with accelerator.autocast():
        forward_check.settle(scorer, stream.first(asked.train), draws=True)
        if reference is not None:
            forward_check.settle(reference, stream.first(asked.train), draws=False)
    if reference is not None:
        reference.distribution = scorer.distribution
        if scorer.features.keeps == "features":  # tower and projector are the same, so one look serves both
            reference.features = scorer.features
    kept, why = experience.without_attention(named, scorer)
    if why:
        LOG.warning(why)
    groups = loop.parameter_groups(model, config.weight_decay)
    if scorer.critic is not None:
        groups.append({"params": list(scorer.critic.parameters()), "weight_decay": 0.0, "factor": critic_factor})
    optimizer = optimizers.made(config.optimizer, groups, 0.0, accelerator.device)
    total = loop.updates(len(asked.train), config.batch_size, config.epochs, config.accumulate, accelerator)
    wrapped, optimizer = adapters.spread(accelerator, scorer, optimizer, config.train_tower)
    state = Progress(kl=config.kl or (0.05 if config.kl_target is not None else 0.0))
    best = Best(folder)
    held = Checkpoints(folder, accelerator, scorer, optimizer, (state, best))
    step = held.load() if config.resume else 0
    if accelerator.is_main_process:
        adapters.reserve(model, config)
    log = loop.MetricsLog(config.out / "metrics.jsonl", accelerator, step)
    if accelerator.is_main_process:
        loop.rewind(config.out / monitor.SAMPLES, step)
    accelerator.init_trackers(output.command.replace("train ", "unveil-"), config=provenance.plain(config))
    wrapped.eval()  # as when it draws: with dropout the policy that is taught would be another one
    images = [d.image for d in asked.train]
    order = loop.endless(images, config.batch_size, config.together, config.seed, accelerator)
    todo = ([asked.train[i] for i in batch] for batch in loop.after(order, step * config.accumulate))
    run = Run(
        output, config, accelerator, wrapped, scorer, reference, optimizer, asked, kept, judge,
        stream, iter(stream(todo)), log, state, best, held, total, step, generator,
    )  # fmt: skip
    if step == 0 and asked.val and config.validate_every and not config.generate.dry_run:
        run.validate()
    return run
