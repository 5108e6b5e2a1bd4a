"""Attention maps along true diagnoses: where a model looks when it names what is there on test images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unveil.core import digests, provenance
from unveil.core.geometry import attended
from unveil.core.grading import grade
from unveil.core.joined import vocabulary
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Record, RecordError, image_path, select
from unveil.evaluate import unfinished
from unveil.evaluate.attention_lift import AttentionRow
from unveil.evaluate.options import AttentionOptions
from unveil.vlm import attention_maps, models
from unveil.vlm.chat import Chat
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.patch_grid import Boxes
from unveil.vlm.processes import device, processes

BATCH = 16
"""Images whose attention is read at a time."""
GRID = 24
"""Cells along the longer side of a map that is kept."""


Config = AttentionOptions


def main(config: Config) -> Path:
    """Writes ``config.out``; raises ``ModelError`` for a model of which it is not known where its patches lie."""
    inputs = [config.records, config.dialogues, *digests.of_model(config.model)]
    with provenance.output(config.out, "attention", config, inputs) as output:
        if output:
            output.write(model=_write_all(config))
    return config.out


def _write_all(config: Config) -> str:
    """Writes all maps; returns the fingerprint of the model."""
    records = {r.id: r for r in read_jsonl(config.records, Record)}
    asked = [d for d in select(read_jsonl(config.dialogues, Dialogue), "test") if d.kind == "diagnosis"]
    if missing := [d.id for d in asked if d.record not in records]:
        raise RecordError(f"{missing[0]}: its record is not in {config.records} ({len(missing)} are missing)")
    asked = [d for d in asked if records[d.record].boxed][: config.images]
    if not asked:
        raise RecordError(f"{config.dialogues}: no diagnosis of an abnormal test image with boxes")
    dtype = models.DTYPES.get(config.precision)
    names = vocabulary(records.values())
    loaded = models.load(config.model, **config.how, device=device(), dtype=dtype)
    engine = Engine(loaded)
    unfinished.complete(
        config.out,
        AttentionRow,
        _identity(config, loaded),
        config.restart,
        "attention",
        asked,
        _batches,
        lambda batch: [loaded.chat.encode(d, image_path(d, config.dialogues), with_answer=True) for d in batch],
        lambda batch, rows: attention_rows(engine, batch, rows, records, names, config),
    )
    return loaded.fingerprint


def _batches(asked: Sequence[Dialogue]) -> list[Sequence[Dialogue]]:
    """Images that are read together: few enough that processes have about as many each."""
    size = max(1, min(BATCH, math.ceil(len(asked) / processes().num_processes)))
    return [asked[i : i + size] for i in range(0, len(asked), size)]


def _identity(config: Config, loaded: models.Loaded) -> dict[str, str]:
    """What must be the same for maps of two runs to belong together."""
    return {
        "model": loaded.fingerprint,
        "chat": loaded.chat.fingerprint,
        "dialogues": digests.sha256(config.dialogues),
        "records": digests.sha256(config.records),
        "name": config.name or config.model,
    }


def attention_rows(
    engine: Engine,
    batch: Sequence[Dialogue],
    rows: Sequence[EncodedExample],
    records: Mapping[str, Record],
    names: Sequence[str],
    config: Config,
) -> list[AttentionRow]:
    """Where the words that name the findings look on some images; ``names`` is the vocabulary of the data set."""
    chat, known = engine.loaded.chat, [records[d.record] for d in batch]
    words = [named(chat, d, row, record, names) for d, row, record in zip(batch, rows, known, strict=True)]
    found = attention_maps.over_patches(engine, rows, words)
    return [
        _attention_row(d, record, *seen, config.name or config.model)
        for d, record, seen in zip(batch, known, found, strict=True)
    ]


def named(chat: Chat, dialogue: Dialogue, row: EncodedExample, record: Record, names: Sequence[str]) -> list[int]:
    """The tokens of a true diagnosis that name its findings."""
    case = grade(dialogue, record, chat.text(row.answer), row.seen.view, names)
    labels = {case.name(f.label) for f in record.boxed}
    words = sorted({t for label in labels for t in attention_maps.tokens_of(chat, row.answer, case.parsed, label)})
    if not words:
        raise ModelError(f"{dialogue.id}: its true answer names none of {', '.join(sorted(labels))}")
    return words


def _attention_row(
    dialogue: Dialogue, record: Record, shares: NDArray[np.float64], places: Boxes, model: str
) -> AttentionRow:
    share, even = attended(shares, places, [f.box for f in record.boxed if f.box])
    return AttentionRow(
        id=dialogue.id,
        record=record.id,
        cluster=record.cluster,
        model=model,
        share=round(share, 5),
        even=round(even, 5),
        map=grid(attention_maps.picture(shares, places, record.size)),
    )


def grid(dense: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """A picture of attention as at most ``GRID`` cells along its longer side: the mean and below 0, the largest 1."""
    cells_long = min(GRID, max(dense.shape))
    rows, columns = (max(1, round(cells_long * side / max(dense.shape))) for side in dense.shape)
    y, x = np.linspace(0, dense.shape[0], rows + 1).astype(int), np.linspace(0, dense.shape[1], columns + 1).astype(int)
    cells = [[float(dense[y[r] : y[r + 1], x[c] : x[c + 1]].mean()) for c in range(columns)] for r in range(rows)]
    even = float(np.mean(cells))
    most = max(map(max, cells)) - even or 1.0
    return tuple(tuple(round(max(0.0, v - even) / most, 3) for v in row) for row in cells)
