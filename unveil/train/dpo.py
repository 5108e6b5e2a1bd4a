"""Preference optimisation: DPO and what MMedPO and mDPO make of it, on the token tree.

    L = mean_P w * f(beta * [a(y_w | x) - a(y_l | x*)]),   a(y | x) = log pi(y | x) - log ref(y | x)

DPO (arXiv 2305.18290) with f = -log sigmoid and x* = x; MMedPO (arXiv 2412.06141, eq. 3) with a clinical weight w per
pair and, for lesion neglect, y_l = y_w under an image x* whose lesion is noised. mDPO (arXiv 2406.11839) adds the terms
``visual``, f(beta * [a(y_w | x) - a(y_w | x*)]), and ``anchor``, -log sigmoid(beta * a(y_w | x)).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from unveil.core import digests, provenance
from unveil.core.console import keeping, progress
from unveil.core.pairs import read_pairs
from unveil.core.records import Dialogue, Pair, image_path, select
from unveil.train import (
    adapters,
    averages,
    benchmarks,
    budget,
    checkpoints,
    lengths,
    loop,
    losses,
    optimizers,
    outlook,
    resources,
)
from unveil.train.averages import Ratio
from unveil.train.checkpoints import Checkpoints
from unveil.train.dataloader import Stream
from unveil.train.lengths import Asked
from unveil.train.options import DpoOptions, Term
from unveil.train.reference import Reference, reference
from unveil.vlm import forward_check
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, whole

Config = DpoOptions


def main(config: Config) -> Path:
    """Trains and returns the folder of the trained model."""
    inputs = [config.pairs, *digests.of_model(config.model)]
    if config.dry_run:
        rehearse(config)
    with provenance.output(config.out, "train dpo", config, inputs, adapters.MODEL) as output:
        if output:
            with resources.memory_explained(config, foreseen):
                train_on(config, output)
    return config.out


def rehearse(config: Config) -> NoReturn:
    """Says what training would take; raises ``DryRun``."""
    train, val = data(config)
    outlook.rehearse(config, "pairs", [*train, *val], foreseen(config), outlook.Work(passes=1))  # of the reference


def foreseen(config: Config) -> list[Asked]:
    """What is learnt from, with the sizes of the images."""
    train, _ = data(config)
    rows = [dialogues(pair, config.terms) for pair in train]
    sizes = lengths.sizes([better for better, *_ in rows], config.pairs)
    return [
        Asked(sides[0], size, tuple(side.answer for side in sides), pair.other)
        for pair, sides, size in zip(train, rows, sizes, strict=True)
    ]


def train_on(config: Config, output: provenance.Output) -> None:
    """Trains, or goes on with it, and writes the model."""
    accelerator = loop.accelerator(config.out, config.trackers, config.precision)
    pairs, val = data(config)
    learnt = benchmarks.learnt([*pairs, *val], config.model)
    config = adapters.resolved(config, accelerator, lora=5e-6, full=5e-7, small=3e-5)
    config = budget.fitted(config, accelerator, foreseen)
    set_seed(config.seed)
    loaded = adapters.load(config, accelerator.device)
    chat, folder = loaded.chat, config.out / "checkpoints"
    made_of = {"weights": loaded.fingerprint, "data": digests.sha256(config.pairs)}
    checkpoints.claim(folder, config, made_of, accelerator)
    model = adapters.prepare(loaded.model, config)
    rate = config.learning_rate or 0.0
    total = loop.updates(len(pairs), config.batch_size, config.epochs, config.accumulate, accelerator)
    groups = loop.parameter_groups(model, config.weight_decay)
    optimizer = optimizers.made(config.optimizer, groups, rate, accelerator.device)
    scorer = Scorer(
        model, chat, Features(whole(model), chat.processor.image_processor, config.cache_mb, config.features)
    )
    stream = Stream(scorer, config.pairs, config)
    with accelerator.autocast():
        forward_check.settle(scorer, stream.first([pair.sides()[0] for pair in pairs]), draws=False)
    made_of |= {"processor": chat.fingerprint, "terms": " ".join(config.terms), "precision": config.precision}
    with accelerator.main_process_first():
        held = before_training(config, accelerator, scorer, stream, [*pairs, *val], made_of)
    loss_of = losing(config, held)
    scorer, optimizer = adapters.spread(accelerator, scorer, optimizer, config.train_tower)
    kept = Checkpoints(folder, accelerator, accelerator.unwrap_model(scorer), optimizer)
    step = kept.load() if config.resume else 0
    if accelerator.is_main_process:
        adapters.reserve(model, config)
    log = loop.MetricsLog(config.out / "metrics.jsonl", accelerator, step)
    accelerator.init_trackers("unveil-dpo", config=provenance.plain(config))

    scorer.train()
    images = [pair.image for pair in pairs]
    order = loop.endless(images, config.batch_size, config.together, config.seed, accelerator)
    todo = ([pairs[i] for i in batch] for batch in loop.after(order, step * config.accumulate))
    asked, of_val = partial(asked_of, terms=config.terms), loop.parts(val, config.batch_size)
    batches = stream(todo, asked)
    with progress("train dpo", total, step, accelerator.is_main_process) as advance, keeping(kept.stopped, total):
        while step < total:
            factor = loop.cosine(step, total, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            found = update(
                scorer,
                optimizer,
                [next(batches) for _ in range(config.accumulate)],
                loss_of,
                accelerator,
                config.clip_norm,
            )
            step += 1
            advance(note=f"loss {found['loss']:.3f}")
            if step % config.log_every == 0 or step == total:
                log.write(step, lr=rate * factor, **found)
            if val and config.validate_every and (step % config.validate_every == 0 or step == total):
                log.write(step, **validate(scorer, loss_of, stream(of_val, asked), accelerator))
            if config.checkpoint_every and step % config.checkpoint_every == 0 and step < total:
                kept.save(step)
            if step < total:
                kept.heed(step)

    def write() -> None:
        adapters.save(model, chat, config)
        choice = {"method": config.method, "learning_rate": rate, "updates": total, "precision": config.precision}
        output.write(chosen=choice | budget.chosen(config), **learnt)

    kept.deliver(total, write)
    kept.drop(config.keep_checkpoints)
    loop.finish(accelerator)


# ------------------------------------------------------------------------------------------------------------- rows


def data(config: Config) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs; the latter a fixed sample. Pairs that say no split are for training."""
    rows = read_pairs(config.pairs)
    train, val = [*select(rows, "train"), *(p for p in rows if p.split is None)], select(rows, "val")
    benchmarks.refuse([*train, *val], config.allow_benchmark_test, config.pairs)
    if not train:
        raise loop.TrainingError(f"{config.pairs}: no pair has the split 'train'")
    if not {"text", "visual"} & set(config.terms):
        raise loop.TrainingError("--terms needs text or visual: an anchor alone compares nothing")
    if config.spans == "edited" and config.terms != ("text",):
        raise loop.TrainingError("--spans edited compares two answers: it goes with --terms text only")
    lacking = [p.id for p in [*train, *val] if not p.other]
    if "visual" in config.terms and lacking:
        raise loop.TrainingError(
            f"{lacking[0]}: the visual term needs a rejected_image or rejected_noise ({len(lacking)} lack one)"
        )
    return train, loop.sample(val, config.validation_rows, config.seed)


def dialogues(pair: Pair, terms: Sequence[Term]) -> list[Dialogue]:
    """The rows that a pair's terms need: the better answer, the worse one, the better one under the other image.

    With a visual term the other image belongs to that, and the worse answer stands under the pair's own.
    """
    better, worse = pair.sides()
    visual = "visual" in terms
    rows = [better]
    if "text" in terms:
        rows.append(replace(worse, image=pair.image, noise=None) if visual else worse)
    if visual:
        rows.append(replace(better, id=f"{pair.id} (chosen, other image)", image=worse.image, noise=worse.noise))
    return rows


def asked_of(batch: Sequence[Pair], terms: Sequence[Term]) -> list[Dialogue]:
    """The rows of all pairs of a batch, pair after pair."""
    return [d for pair in batch for d in dialogues(pair, terms)]


def before_training(
    config: Config,
    accelerator: Accelerator,
    scorer: Scorer,
    stream: Stream,
    pairs: Sequence[Pair],
    made_of: dict[str, str],
) -> Reference:
    """The reference's log-probabilities of all rows; new adapters change nothing yet, so the model is the reference."""
    in_order = sorted(pairs, key=lambda pair: pair.image)
    parts = loop.parts(in_order, config.batch_size)
    about = hashlib.sha256("\n".join(pair.id for pair in in_order).encode())  # validation is a sample
    paths = sorted({image_path(side, config.pairs) for pair in pairs for side in pair.sides()})
    with ThreadPoolExecutor() as threads, progress("hash images", None, show=accelerator.is_main_process):
        for digest in threads.map(_bytes_of, paths):
            about.update(digest.encode())

    def all_rows() -> Iterator[list[EncodedExample]]:
        with progress("reference", len(parts), 0, accelerator.is_main_process) as advance:
            for _, rows in stream(parts, partial(asked_of, terms=config.terms)):
                yield rows
                advance()

    def score(rows: Sequence[EncodedExample]) -> Tensor:
        scorer.eval()
        with torch.no_grad(), accelerator.autocast():
            logps_S: Tensor = scorer(rows).in_order()
            return logps_S

    return reference(config.pairs, {**made_of, "rows": about.hexdigest()[:16]}, all_rows, score)


def _bytes_of(path: Path) -> str:
    """A hash of the file; that it is gone is said when it is read, with the pair that needs it."""
    return digests.sha256(path) if path.is_file() else "gone"


# ------------------------------------------------------------------------------------------------------------- loss


Batch = tuple[Sequence[Pair], Sequence[EncodedExample]]
Loss = Callable[[torch.nn.Module, Sequence[Pair], Sequence[EncodedExample]], tuple[Tensor, dict[str, Ratio]]]


def losing(config: Config, held: Reference) -> Loss:
    """``pair_loss`` with the options of a run."""
    return partial(
        pair_loss,
        held=held,
        beta=config.beta,
        form=config.loss,
        smoothing=config.smoothing,
        anchored="anchor" in config.terms,
        sft_weight=config.sft_weight,
        per_token=config.per_token,
        spans=config.spans,
        weighted=config.weighted,
    )


def update(
    scorer: torch.nn.Module,
    optimizer: Any,
    batches: Sequence[Batch],
    loss_of: Loss,
    accelerator: Accelerator,
    clip_norm: float,
) -> dict[str, float]:
    """One optimiser update; returns its figures over all pairs of all processes, each of which counts alike."""
    parts, ids = [], [pair.id for batch, _ in batches for pair in batch]
    weights = averages.portions([len(batch) for batch, _ in batches], accelerator)
    for i, (batch, rows) in enumerate(batches):
        with accelerator.autocast(), loop.synchronised(accelerator, scorer, i == len(batches) - 1):
            loss, figures = loss_of(scorer, batch, rows)
            loop.finite(loss, [pair.id for pair in batch])
            accelerator.backward(loss * weights[i])
        parts.append(figures)
    loop.step(accelerator, scorer, optimizer, clip_norm, ids)
    return averages.averaged(parts, accelerator)


def pair_loss(
    scorer: torch.nn.Module,
    batch: Sequence[Pair],
    rows: Sequence[EncodedExample],
    held: Reference,
    *,
    beta: float = 0.1,
    form: str = "sigmoid",
    smoothing: float = 0.0,
    anchored: bool = False,
    sft_weight: float = 0.0,
    per_token: bool = False,
    spans: Literal["all", "edited"] = "all",
    weighted: bool = True,
) -> tuple[Tensor, dict[str, Ratio]]:
    """The mean loss of a batch of P pairs, and what is logged of it. R rows per pair, as ``dialogues`` orders them.

    Each row behind the better answer's is compared with that one; ``anchored`` adds mDPO's third term.
    ``kl`` is on the better answers: the worse ones' probability falls by orders of magnitude, and the estimate on them
    would tell nothing else.
    """
    policy_S = scorer(rows).in_order()
    reference_S = held.of(rows).to(policy_S.device)
    lengths_PR = torch.tensor([len(row.answer) for row in rows], device=policy_S.device).view(len(batch), -1)
    counted_S = counted(rows, len(batch), spans).to(policy_S.device)
    logps_PR, gains_PR = (_sums(v, lengths_PR) for v in (policy_S, counted_S * (policy_S - reference_S)))
    gains_PR = beta * (gains_PR / _sums(counted_S, lengths_PR).clamp(min=1) if per_token else gains_PR)
    better, others = gains_PR[:, 0], gains_PR[:, 1:].unbind(1)
    losses_P = sum(losses.preference(better - other, form, smoothing) for other in others)
    if anchored:
        losses_P = losses_P + losses.anchor(better)
    weights_P = torch.tensor([pair.weight if weighted else 1.0 for pair in batch], device=policy_S.device)
    loss = (weights_P * losses_P).mean()
    if sft_weight:
        loss = loss - sft_weight * (logps_PR[:, 0] / lengths_PR[:, 0]).mean()
    with torch.no_grad():
        chosen_S = torch.zeros_like(lengths_PR).index_fill(1, lengths_PR.new_zeros(1), 1).bool().flatten()
        chosen_S = chosen_S.repeat_interleave(lengths_PR.flatten())
        figures = {
            "loss": averages.times(loss, len(batch)),
            "reward_accuracy": averages.summed(torch.stack([better > other for other in others])),
            "margin": averages.summed(torch.stack([better - other for other in others])),
            "logps_chosen": averages.summed(logps_PR[:, 0]),
            "logps_rejected": averages.summed(logps_PR[:, 1]),
            "length_chosen": averages.summed(lengths_PR[:, 0]),
            "length_rejected": averages.summed(lengths_PR[:, 1]),
            "kl": averages.summed(losses.kl_terms(policy_S[chosen_S], reference_S[chosen_S])),
        }
    return loss, figures


def counted(rows: Sequence[EncodedExample], pairs: int, spans: Literal["all", "edited"]) -> Tensor:
    """1 for each answer token that counts, 0 for the others, (S,): all, or those that a pair's answers do not share."""
    out: list[float] = []
    for at in range(0, len(rows), len(rows) // pairs):
        better, *others = (row.answer for row in rows[at : at + len(rows) // pairs])
        worse = others[0]
        if spans == "all" or better == worse:
            out += [1.0] * sum(map(len, (better, *others)))
            continue
        own, other = [1.0] * len(better), [1.0] * len(worse)
        for block in SequenceMatcher(None, better, worse, autojunk=False).get_matching_blocks():
            own[block.a : block.a + block.size] = [0.0] * block.size
            other[block.b : block.b + block.size] = [0.0] * block.size
        out += own + other
    return torch.tensor(out)


def _sums(values_S: Tensor, lengths_PR: Tensor) -> Tensor:
    """Sums over each row's tokens, (P, R)."""
    parts = values_S.split(lengths_PR.flatten().tolist())
    return torch.stack([part.sum() for part in parts]).view(lengths_PR.shape)


@torch.no_grad()
def validate(
    scorer: torch.nn.Module, loss_of: Loss, batches: Iterable[Batch], accelerator: Accelerator
) -> dict[str, float]:
    """Mean figures of the validation pairs, named ``val_...``; every process looks at all of them."""
    scorer.eval()
    parts = []
    with progress("validation", None, show=accelerator.is_main_process):
        for batch, rows in batches:
            with accelerator.autocast():
                parts.append(loss_of(scorer, batch, rows)[1])
    scorer.train()
    return {f"val_{name}": value for name, value in averages.averaged(parts, accelerator).items()}
