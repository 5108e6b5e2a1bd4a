"""What `unveil run` leaves, made without a training: a tiny model with its answers and scores, and where it began."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.conftest import write_both
from unveil.evaluate import predict
from unveil.evaluate.score import score
from unveil.testing.models import saved


def finished(folder: Path, family: str = "llava_siglip", images: int = 6) -> Path:
    """``folder`` with records, dialogues, the models ``base`` and ``sft``, which are the same, and their scores."""
    folder.mkdir(parents=True, exist_ok=True)
    write_both(folder, images)
    shutil.copy(folder / "records.jsonl", folder / "resplit.jsonl")
    model = saved(family, folder / "sft")
    asked = predict.Config(
        dialogues=folder / "dialogues.jsonl",
        out=model / "predictions.jsonl",
        model=str(model),
        name="sft",
        max_new_tokens=12,
    )
    predict.main(asked)
    (folder / "base").mkdir()
    shutil.copy(model / "predictions.jsonl", folder / "base" / "predictions.jsonl")
    told = {"model": "acme/base-2b", "kinds": ["diagnosis"], "records": str(folder / "resplit.jsonl")}
    about = {"command": "train sft", "config": told, "inputs": {}, "versions": {"unveil": "0.1.0"}}
    (model / "run.json").write_text(json.dumps(about | {"chosen": {"method": "full"}}))
    answers = {name: folder / name / "predictions.jsonl" for name in ("base", "sft")}
    score(folder / "resplit.jsonl", folder / "dialogues.jsonl", answers, folder, resamples=100)
    return folder
