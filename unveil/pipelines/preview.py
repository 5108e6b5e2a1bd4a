"""``unveil run --dry-run``: what the main job would do and take, before a download or a file that is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from unveil.core import console, files, provenance, records, splits
from unveil.core.records import Dialogue, Record, select
from unveil.curate import mau
from unveil.curate.holdout import of_share, withheld
from unveil.ingest import runner
from unveil.pipelines import run, variants
from unveil.synthetic.dataset import synthetic_records

if TYPE_CHECKING:
    from unveil.train import sft
    from unveil.train.outlook import Foretold


DRAWN = 24
"""Synthetic patients that are drawn to tell what all of them would be."""


@dataclass(frozen=True)
class Preview:
    """The data of a run, and the questions that would be asked about them."""

    records: list[Record]
    dialogues: list[Dialogue]
    dealt: bool
    """Whether the splits would be dealt here."""
    times: float = 1.0
    """How many times as much there would be: of synthetic images few are drawn."""


def rehearse(config: run.Config) -> NoReturn:
    """Says what a run would do and take; raises ``DryRun``, and as the run itself for what cannot be."""
    from unveil.train import outlook

    out = run.folder_of(config)
    files.writable(out)
    further = run.variants_of(config)
    data = preview(config)
    outlook.show([*counts(data), *lines(config, data)])
    if further:
        console.say(f"not counted: {', '.join(further)}, which are trained and answer the test questions after it")
    raise provenance.DryRun(outlook.DONE)


def preview(config: run.Config) -> Preview:
    """Reads what annotations say, without looking at images; images are drawn where there are none, and thrown away.

    Copies of an image in two splits, for which a run may deal anew, are not looked for.
    """
    with TemporaryDirectory() as made:
        found = _read(config, Path(made))
        dealt = config.resplit == "always" or (config.resplit == "if-needed" and any(r.split is None for r in found))
        if dealt:
            found = splits.assign_splits(found, config.shares, config.seed)
        records.write_jsonl(Path(made) / "records.jsonl", found)
        run.refuse_empty(Path(made) / "records.jsonl", dealt)
    rules = mau.MauOptions(max_findings=config.max_findings)
    asked = withheld(list(mau.mau(found, rules, config.seed)), found, config.withhold)
    kept = of_share(asked, found, config.train_share, config.seed)
    return Preview(found, kept, dealt, 1.0 if config.data else config.patients / _drawn(config))


def _drawn(config: run.Config) -> int:
    return min(DRAWN, config.patients)


def _read(config: run.Config, folder: Path) -> list[Record]:
    """The records of the data, or of drawn images."""
    if config.data is None:
        drawn = synthetic_records(folder, _drawn(config), config.seed, workers=1)
        return splits.assign_splits(list(drawn), seed=config.seed)
    reading = replace(config.reading, decode=False)
    return list(records.read_jsonl(runner.ingest(config.data, config.format, folder, reading).records_file, Record))


def counts(data: Preview) -> list[Foretold]:
    """Lines about images and questions."""
    from unveil.train import outlook

    how = "measured: the annotations" + ("; splits computed" if data.dealt else "")
    if data.times > 1:
        how = f"computed: {len({record.patient for record in data.records})} patients, drawn"
    return [
        outlook.counted("images", [record.split for record in data.records], how, data.times),
        outlook.counted("questions", [dialogue.split for dialogue in data.dialogues], how, data.times),
    ]


def lines(config: run.Config, data: Preview) -> list[Foretold]:
    """Lines about fine-tuning, and about the answers of the model before and after it."""
    from unveil.train import outlook
    from unveil.train.lengths import Asked

    learning = replace(run.learning_of(config, run.folder_of(config)), device_type=config.device_type)
    sizes = {record.id: record.size for record in data.records}
    asked = [Asked(d, sizes[d.record], (d.answer,)) for d in select(data.dialogues, "train")]
    work = outlook.Work(_answers(learning, data), _at_once(config, data))
    return outlook.lines(learning, asked, work, data.times)


def _answers(learning: sft.Config, data: Preview) -> int:
    """Answers on validation after each epoch, and twice to all test questions."""
    kinds = variants.asked_kinds(data.dialogues)
    watched = round(data.times * sum(d.kind in kinds for d in select(data.dialogues, "val")))
    tested = round(data.times * len(select(data.dialogues, "test")))
    return min(learning.validation_rows, watched) * math.ceil(learning.epochs) + 2 * tested


def _at_once(config: run.Config, data: Preview) -> int:
    """Test questions that are answered together."""
    asked: Sequence[Dialogue] = select(data.dialogues, "test")
    return max(1, config.answer_batch * len(asked) // max(1, len({d.record for d in asked})))


def refuse_published(config: run.Config, file: Path) -> None:
    """Refuses published splits that leave nothing to learn from or to measure, before any image is looked at."""
    published = {record.split for record in records.read_jsonl(file, records.Record)}
    if config.resplit != "always" and None not in published and not {"train", "test"} <= published:
        run.refuse_empty(file, dealt=False)
