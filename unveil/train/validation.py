"""Greedy answers on validation, and the weights that gave the best: neither the loss nor sampled answers tell which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from unveil.core import files
from unveil.core.answered import Answered
from unveil.core.console import progress
from unveil.core.grading import score
from unveil.train import loop
from unveil.train.dataloader import Stream
from unveil.train.questions import Questions
from unveil.vlm.generate import batches, drawn_from, rollout
from unveil.vlm.processes import processes
from unveil.vlm.scorer import Scorer

#: What is told of greedy answers.
METRICS = {
    "accuracy",
    "iou",
    "diagnosis_specificity",
    "localisation_iou",
    "localisation_refusal",
    "grounding_iou",
    "recognition",
    "report_rougeL",
    "report_found",
    "closed",
    "choice",
    "open_f1",
}


@torch.no_grad()
def validate(
    scorer: Scorer, asked: Questions, stream: Stream, batch_size: int, max_new_tokens: int
) -> dict[str, float]:
    """Greedy answers to the validation questions, those of ``batch_size`` images at a time.

    ``val_score`` is the mean score of all answers; the others are the metrics of `unveil score`, named ``val_...``.
    """
    sums: dict[str, list[float]] = {}
    scores, unusable = [], 0
    greedy = drawn_from(scorer)
    with progress("validation", len(asked.val), show=processes().is_main_process) as advance:
        for batch, encoded in stream(batches(asked.val, batch_size)):
            drawn = rollout(scorer, encoded, 1, max_new_tokens, greedy)
            for d, row, answer in zip(batch, encoded, drawn, strict=True):
                answered = Answered(asked.case(d, row, scorer.chat.text(answer.ids), answer.cut))
                unusable += not answered.usable
                if (worth := score(answered.outcome)) is not None:
                    scores.append(worth)
                for name in METRICS & answered.outcome.sums.keys():
                    part, of = answered.outcome.sums[name]
                    total = sums.setdefault(name, [0.0, 0.0])
                    total[0], total[1] = total[0] + part, total[1] + of
            advance(len(batch))
    out = {f"val_{name}": part / of for name, (part, of) in sorted(sums.items()) if of}
    out["val_unusable"] = unusable / len(asked.val)
    return out | ({"val_score": float(np.mean(scores))} if scores else {})


class Best:
    """The trained weights whose answers did best so far, in a file; which they are is kept in checkpoints.

    The file that the last checkpoint names stays until the next one, since a run may be taken up there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.score: float | None = None
        self.step = 0
        self.named: int | None = None
        """Which one the last checkpoint names."""

    def _file(self, step: int) -> Path:
        return self.folder / f"best-{step:07d}.safetensors"

    def offer(self, score: float | None, step: int, model: nn.Module, first: bool) -> None:
        """Keeps the weights if they did better than all before; only the ``first`` process writes.

        The file is written all or nothing; raises ``TrainingError`` where it cannot be.
        """
        if score is None or (self.score is not None and score <= self.score):
            return
        self.score, self.step = score, step
        if first:
            self._write(model)

    def _write(self, model: nn.Module) -> None:
        file = self._file(self.step)
        trained = {n: p.detach().cpu().contiguous() for n, p in model.named_parameters() if p.requires_grad}
        try:
            with files.whole(file) as partial:
                save_file(trained, partial)
        except files.WriteError as error:
            raise loop.TrainingError(f"the best weights so far could not be written: {error}") from error
        for old in self.folder.glob("best-*.safetensors"):
            if old not in (file, self._file(self.step if self.named is None else self.named)):
                old.unlink()

    @torch.no_grad()
    def bring_back(self, model: nn.Module) -> None:
        """Gives the model those weights, if any were kept; raises ``TrainingError`` where they are lost."""
        if self.score is None:
            return
        try:
            found = load_file(self._file(self.step))
        except (OSError, SafetensorError) as error:
            raise loop.TrainingError(f"{self._file(self.step)} is gone or damaged ({error}): use --restart") from error
        for name, p in model.named_parameters():
            if name in found:
                p.copy_(found[name])

    def state_dict(self) -> dict[str, object]:
        self.named = self.step
        return {"score": self.score, "step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.score = None if state["score"] is None else float(state["score"])
        self.step = int(state["step"])
        self.named = self.step
