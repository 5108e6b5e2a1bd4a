"""What the policy is held to: log-probabilities of all answers under the model before training, computed once.

They are kept beside the pairs, one file per reference, so that runs with other settings, and resumed ones, find them.
A file is used only for the very model, processor, tokens and pairs that it was made with.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unveil.core import files
from unveil.train.loop import TrainingError
from unveil.vlm.inputs import EncodedExample

LOG = logging.getLogger(__name__)


class Reference:
    """Log-probabilities of answers' tokens by row id, each (answer tokens,)."""

    def __init__(self, known: dict[str, Tensor]):
        self.known = known

    def of(self, rows: Sequence[EncodedExample]) -> Tensor:
        """Those of the rows' tokens, behind one another in the rows' order: (S,)."""
        for row in rows:
            if row.id not in self.known:
                raise TrainingError(f"{row.id}: the reference has no log-probabilities of it")
            if len(self.known[row.id]) != len(row.answer):
                had = len(self.known[row.id])
                raise TrainingError(f"{row.id}: {len(row.answer)} tokens, {had} in the reference: another tokenizer")
        return torch.cat([self.known[row.id] for row in rows])


def reference(
    file: Path,
    made_with: dict[str, str],
    batches: Callable[[], Iterable[Sequence[EncodedExample]]],
    score: Callable[[Sequence[EncodedExample]], Tensor],
) -> Reference:
    """Reads the reference, or makes and keeps it.

    ``made_with`` says what the log-probabilities depend on; its hash is part of the file's name. ``score`` gives the
    log-probabilities of a batch's answer tokens, row after row.
    """
    digest = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:16]
    path = file.with_name(f"{file.name}.reference-{digest}.safetensors")
    if path.is_file():
        try:
            with safe_open(path, "pt") as kept:
                if kept.metadata() != made_with:
                    raise TrainingError(f"{path} is of another model or other pairs than its name says: remove it")
                return Reference({key: kept.get_tensor(key) for key in kept.keys()})  # noqa: SIM118
        except SafetensorError as error:
            raise TrainingError(f"{path} is damaged ({error}): remove it") from error
    known: dict[str, Tensor] = {}
    for rows in batches():
        parts = score(rows).float().cpu().split([len(row.answer) for row in rows])
        known.update({row.id: part.clone() for row, part in zip(rows, parts, strict=True)})
    try:
        with files.whole(path) as partial:  # several runs may use the same pairs
            save_file(known, partial, made_with)
    except files.WriteError as error:
        LOG.warning("%s; the reference lasts as long as this run", error)
    return Reference(known)
