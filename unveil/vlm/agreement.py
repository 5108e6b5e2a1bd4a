"""How far what is computed here lies from what a model computes by itself, part by part, with figures.

``forward_check`` asks the same before training and settles it; here nothing is settled, and each part is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from unveil.core import faults
from unveil.vlm import attention
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError, family_of
from unveil.vlm.features import Features
from unveil.vlm.forward_check import distance, drawn_distance, own_logps, tolerance
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.masks import refusal
from unveil.vlm.model_parts import language_model
from unveil.vlm.scorer import Scorer, whole

What = Literal["log-probabilities", "shared prefix", "image features", "sampling"]
ROOM_MB = 512


@dataclass(frozen=True)
class EnginePart:
    """One part of the engine beside the model's own forward pass, in one precision."""

    what: What
    precision: str
    apart: float | None
    """The relative distance of the two; None where the part is not used for this model."""
    within: float
    """The largest that rounding explains (``forward_check.TOLERANCE``)."""
    why: str | None = None
    """Why the part is not used, or could not be computed; of one that agrees, in which way it is used."""

    @property
    def agrees(self) -> bool | None:
        """Whether the two agree; None where the part is not used."""
        return self.apart <= self.within if self.apart is not None else None if self.why else False


@dataclass(frozen=True)
class Agreement:
    """All comparisons in one precision, and the scorer that answers may be drawn from as the engine draws them."""

    comparisons: list[EnginePart]
    scorer: Scorer


@torch.no_grad()
def compared(model: Any, chat: Chat, rows: Sequence[EncodedExample], precision: str) -> Agreement:
    """Compares the parts of the engine with the model as it is, in the precision of its weights.

    ``rows`` hold true answers; some share an image, the first two too, and there are two images at the least.
    """
    base = whole(model)
    attention.restore(base)
    seeing = Features(base, chat.processor.image_processor, ROOM_MB, trained=(), together=True)
    plain = Scorer(model, chat, seeing, tree=False).eval()
    with plain.undivided():
        own_S = torch.cat([own_logps(plain, row) for row in rows])
    within, known = tolerance(plain), family_of(base.config).shares != "rows"

    def told(what: What, far: float | str, used: bool = True) -> EnginePart:
        """``far`` is the distance, or the error in the place of one; ``used``: whether the engine needs this part."""
        if isinstance(far, str):
            return EnginePart(what, precision, None if not used else float("inf"), within, far)
        return EnginePart(what, precision, far, within)

    plain.apart = True
    found = [told("log-probabilities", _tried(lambda: distance(plain(rows).in_order(), own_S)))]
    if not known and not found[0].agrees:
        plain.keep_undivided()
        seeing.forget()
        apart = found[0]
        lies = apart.why or f"log-probabilities computed apart lie {apart.apart:.1%} from its own"
        whole_why = f"the model is run as a whole: {lies}"
        found = [
            replace(told("log-probabilities", _tried(lambda: distance(plain(rows).in_order(), own_S))), why=whole_why)
        ]
    why = refusal(base)
    scorer = plain if why else Scorer(model, chat, seeing).eval()
    if why:
        found.append(EnginePart("shared prefix", precision, None, within, why))
    else:
        found.append(told("shared prefix", _tried(lambda: distance(scorer(rows).in_order(), own_S))))
    if plain.apart:
        found.append(told("image features", _tried(lambda: _features_apart(plain, seeing, rows)), known))
    else:
        found.append(EnginePart("image features", precision, None, within, "the model is run as a whole"))
    found.append(told("sampling", _tried(lambda: drawn_distance(scorer, rows))))
    return Agreement(found, scorer)


def _tried(measure: Callable[[], float]) -> float | str:
    """A distance, or what went wrong in another's code, of which nothing is known here."""
    try:
        far = measure()
        return far if far == far else "not a number"
    except Exception as error:
        if faults.out_of_memory(error):
            raise
        return str(error) if faults.ours(error) else f"{type(error).__name__}: {error}"


def _features_apart(scorer: Scorer, seeing: Features, rows: Sequence[EncodedExample]) -> float:
    """How far what is kept of images lies from what the model itself hands to its language model in their places."""
    base, found = whole(scorer.model), []
    crossed = family_of(base.config).crossed
    name = "cross_attention_states" if crossed else "inputs_embeds"
    given: list[Tensor] = []
    hook = language_model(base).register_forward_pre_hook(
        lambda module, args, kwargs: given.append(kwargs[name]), with_kwargs=True
    )
    try:
        for row in {row.seen.digest: row for row in rows}.values():
            with scorer.undivided():
                scorer([row])
            inside = torch.tensor([i == base.config.image_token_id for i in (*row.prompt, *row.answer)])
            kept = seeing([row.seen]).pooler_output
            kept_ND = torch.cat([part.flatten(0, -2) for part in ([kept] if isinstance(kept, Tensor) else kept)])
            own_BND = given.pop()
            own_ND = own_BND.flatten(0, -2) if crossed else own_BND[0][inside.to(kept_ND.device)]
            if own_ND.shape != kept_ND.shape:
                raise ModelError(f"an image has {len(kept_ND)} features, and its row {len(own_ND)} places for them")
            found.append(float((own_ND.float() - kept_ND.float()).norm() / own_ND.float().norm()))
    finally:
        hook.remove()
    return max(found)
