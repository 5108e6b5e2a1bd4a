"""Whether what is computed here is what the model computes by itself: asked once, before anything is learnt.

Token trees, a head that is run apart from its model, features of images from memory: each is checked by tests for the
families that are known, and may be wrong for another, or for a known one that was changed. Some models scale their
logits behind the head, some take more than pixels, some have their projector elsewhere. So real rows are scored here
and by the model's own forward pass. Where the two differ the own forward pass is used for everything, and a model that
even then does not do what training takes for granted is refused: that no token sees a later one, that what stands
beside a row in a batch does not change it, that answers are sampled from the distribution under which they are scored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unveil.core import console, faults
from unveil.core.sampling import Sampling
from unveil.vlm.families import ModelError
from unveil.vlm.generate import drawn_from, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.processes import processes
from unveil.vlm.scorer import Scorer, whole

LOG = logging.getLogger(__name__)
#: How far log-probabilities may lie apart, over what they are, by what is computed in: rounding alone stays below.
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}
WRITTEN = 4
"""Tokens that are drawn to see whether they are drawn as they are scored."""


@torch.no_grad()
def settle(scorer: Scorer, rows: Sequence[EncodedExample], draws: bool) -> None:
    """Leaves ``scorer`` in the fastest way that is right for its model, by one row or two with different images.

    ``draws`` looks at answers that the policy draws too. Called under the autocast of training, so that what is looked
    at is computed in what training computes in. Raises ``ModelError`` with what differs if no way is right.
    """
    kind, modes = whole(scorer.model).config.model_type, [(m, m.training) for m in scorer.modules()]
    scorer.eval()
    row = rows[0]
    other = replace(row, answer=[row.answer[0], *reversed(row.answer[1:]), row.answer[0]])  # begins alike, is longer
    rows = [row, other, *rows[1:]]
    try:
        with console.progress("forward check", None, show=processes().is_main_process):
            _settle(scorer, rows, draws, kind)
    finally:
        for module, training in modes:  # each its own: a reference's model stays as it is in a scorer that is new
            module.training = training


def _settle(scorer: Scorer, rows: Sequence[EncodedExample], draws: bool, kind: str) -> None:
    with scorer.undivided():
        own = [own_logps(scorer, one) for one in rows]
    if distance(own[0][:1], own[1][:1]) > tolerance(scorer):
        raise ModelError(f"{kind} models see what they are to write next, so they cannot be trained on answers")
    scorer.apart = True  # a model of an unknown family is tried too
    if why := _differs(scorer, rows, torch.cat(own), draws):
        scorer.keep_undivided()
        LOG.warning("%s: %s; the model is run as a whole, which is right but slower", kind, why)
        if why := _differs(scorer, rows, torch.cat(own), draws):
            raise ModelError(f"{kind} models cannot be trained: {why}")


@torch.no_grad()
def settle_answers(scorer: Scorer, rows: Sequence[EncodedExample]) -> None:
    """The same for a model that answers and is not trained: where anything differs, it writes by transformers alone."""
    if scorer.architecture is None:
        return
    kind, training = whole(scorer.model).config.model_type, scorer.training
    scorer.eval()
    try:
        with scorer.undivided():
            own = [own_logps(scorer, row) for row in rows]
        if why := _differs(scorer, rows, torch.cat(own), draws=True):
            scorer.keep_undivided()
            LOG.warning("%s: %s; its answers are written by transformers alone, which is slower", kind, why)
    finally:
        scorer.train(training)


def own_logps(scorer: Scorer, row: EncodedExample) -> Tensor:
    """Log-probabilities of a row's answer by the model's own forward pass, without which there is no other."""
    own_S: Tensor = scorer([row]).in_order()
    if not own_S.isfinite().all():
        raise ModelError(f"the model's own log-probabilities of {row.id} are not finite: its weights or precision fail")
    return own_S


def _differs(scorer: Scorer, rows: Sequence[EncodedExample], own_S: Tensor, draws: bool) -> str | None:
    """What of the rows, scored together, is other than the model's own, None if nothing is."""
    try:
        if not (apart := distance(scorer(rows).in_order(), own_S)) <= tolerance(scorer):
            return f"log-probabilities differ from its own by {apart:.1%}"
        if draws and not (apart := drawn_distance(scorer, rows)) <= tolerance(scorer):
            return f"answers are sampled with log-probabilities {apart:.1%} apart from those that they are scored with"
    except Exception as error:  # another's code, of which nothing is known; what it says is shown
        if faults.out_of_memory(error):
            raise
        return str(error) if faults.ours(error) else f"{type(error).__name__}: {error}"
    return None


def drawn_distance(scorer: Scorer, rows: Sequence[EncodedExample]) -> float:
    """How far apart the log-probabilities of short answers are when they are drawn and when they are scored.

    The prompts have different lengths: the second one ends with the answer's first token.
    """
    prompts = [replace(row, answer=[]) for row in rows]
    prompts[1] = replace(prompts[1], prompt=[*rows[1].prompt, rows[1].answer[0]])
    before, scorer.distribution = scorer.distribution, drawn_from(scorer, Sampling(1.0))
    try:
        drawn = rollout(scorer, prompts, 1, WRITTEN, scorer.distribution, seed=0)
        scored_S = scorer([replace(prompts[d.question], answer=d.ids) for d in drawn]).in_order()
        return distance(torch.tensor([p for d in drawn for p in d.logps]), scored_S)
    finally:
        scorer.distribution = before


def distance(one_S: Tensor, other_S: Tensor) -> float:
    """How far log-probabilities lie apart, over what they are; sure tokens count for 1."""
    one_S, other_S = one_S.double().cpu(), other_S.double().cpu()
    return float((one_S - other_S).abs().sum() / (1 + other_S.abs()).sum())


def tolerance(scorer: Scorer) -> float:
    """By the coarsest of what is computed in: the weights' precision, and that of autocast."""
    base, kind = whole(scorer.model), next(scorer.parameters()).device.type
    used = {base.dtype, torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else base.dtype}
    return max(TOLERANCE.get(dtype, TOLERANCE[torch.float32]) for dtype in used)
