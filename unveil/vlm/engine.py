"""A loaded model that answers: what predictions, single questions and experts on this machine ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from unveil.core.sampling import Sampling
from unveil.vlm import forward_check, models
from unveil.vlm.chat import IGNORED
from unveil.vlm.choice import TINY, Precision
from unveil.vlm.features import Features
from unveil.vlm.generate import Rollout, drawn_from, rollout, rollout_beside
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.resolution import Resolution
from unveil.vlm.scorer import Scorer, whole


def load(
    model: str | Path = TINY,
    *,
    revision: str | None = None,
    box_format: str | None = None,
    limits: Resolution = Resolution(),
    device: str | torch.device | None = None,
    precision: Precision = "auto",
) -> Engine:
    """Loads a model that answers.

    ``model`` is a hub id, a local folder (of an adapter too), or "tiny", the base model that comes along; from
    safetensors only, without remote code. ``box_format`` is needed where a model does not declare how it writes boxes,
    ``limits`` bounds what an image may cost. By default it goes to the GPU if there is one, and computes in bf16 where
    that is computed in. Raises ``ModelError`` where there is no such model, or it is none that looks at images.
    """
    dtype = models.DTYPES.get(precision)
    loaded = models.load(model, revision=revision, box_format=box_format, limits=limits, device=device, dtype=dtype)
    return Engine(loaded)


class Engine:
    """Answers questions with a model whose weights stay as they are.

    Before its first answer it compares the shared prefix with the model's own forward pass, and leaves it if they
    differ (``forward_check``). ``memory_mb`` bounds the image features that are remembered from one call to the next;
    those of one call are computed once in any case.
    """

    def __init__(self, loaded: Loaded, memory_mb: int = 0):
        self.loaded = loaded
        eyes = loaded.chat.processor.image_processor
        seeing = Features(loaded.model, eyes, memory_mb, trained=(), together=True)
        self.scorer = Scorer(loaded.model, loaded.chat, seeing)
        self._settled = False

    def answer(
        self,
        rows: Sequence[EncodedExample],
        max_new_tokens: int,
        sampling: Sampling = Sampling(),
        seeds: Sequence[int] | int = 0,
    ) -> list[tuple[str, bool]]:
        """The text of each row's answer, and whether it was cut at the length limit.

        Greedy, or drawn as ``sampling`` says, with a seed for each row.
        """
        self.settle(rows)
        drawn = rollout(self.scorer, rows, 1, max_new_tokens, drawn_from(self.scorer, sampling), seeds)
        return [(self.loaded.chat.text(one.ids), one.cut) for one in drawn]

    def answer_beside(
        self, rows: Sequence[EncodedExample], max_new_tokens: int, beside: Sequence[EncodedExample]
    ) -> tuple[list[Rollout], list[float]]:
        """Each row's greedy answer, and of each row ``beside`` the log-probability of the answer that it holds."""
        self.settle(rows)
        return rollout_beside(self.scorer, rows, beside, 1, max_new_tokens, drawn_from(self.scorer, Sampling()))

    @torch.no_grad()
    def led(self, rows: Sequence[EncodedExample]) -> list[str]:
        """What the model would have said at each token of the rows' answers, had it been led along them so far."""
        model = whole(self.scorer.model)
        batch = self.loaded.chat.batch(rows, model.device, dtype=model.dtype)
        labels_BT = batch.pop("labels")
        inside_BT = labels_BT[:, 1:] != IGNORED
        logits_SV = model(**batch, use_cache=False).logits[:, :-1][inside_BT]
        best = drawn_from(self.scorer)(logits_SV).argmax(-1).split(inside_BT.sum(1).tolist())
        return [self.loaded.chat.text(ids.tolist()) for ids in best]

    def settle(self, rows: Sequence[EncodedExample]) -> None:
        """Compares, once, how answers are written here with the model's own forward pass."""
        if self._settled or not all(row.seen.block for row in rows):
            return
        self._settled = True
        others = (row for row in rows[1:] if row.seen.digest != rows[0].seen.digest)
        said = self.loaded.chat.tokenizer("Yes.", add_special_tokens=False)["input_ids"]
        tried = [replace(row, answer=[*said, *self.loaded.chat.end]) for row in (rows[0], *[next(others, rows[0])])]
        forward_check.settle_answers(self.scorer, tried)
