"""What the main job would do and take, before it begins: for ``unveil run --dry-run`` and for the guided start.

Annotations are read, not images, and no copies of an image in two splits are looked for, for which a run may deal anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from unveil.core import console, files, jsonl, provenance, records, splits
from unveil.core.records import Dialogue, Record, select
from unveil.curate import mau
from unveil.curate.holdout import of_share, withheld
from unveil.ingest import runner
from unveil.ingest.runner import Summary
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

    file: Path
    """The records, as they are in ``records``."""
    records: list[Record]
    """In the splits that a run will use."""
    dialogues: list[Dialogue]
    dealt: bool
    """Whether the splits would be dealt here."""
    summary: Summary | None = None
    """What reading gave; None of images that are drawn."""
    times: float = 1.0
    """How many times as much there would be: of synthetic images few are drawn."""


def rehearse(config: run.Config) -> NoReturn:
    """Says what a run would do and take; raises ``DryRun``, and as the run itself for what cannot be."""
    from unveil.train import outlook

    out = run.folder_of(config)
    files.writable(out)
    further = run.variants_of(config)
    with TemporaryDirectory() as made:
        data = preview(config, Path(made))
        outlook.show(foretold(config, data))
    if further:
        console.say(f"not counted: {', '.join(further)}, which are trained and answer the test questions after it")
    raise provenance.DryRun(outlook.DONE)


def preview(config: run.Config, folder: Path) -> Preview:
    """Reads what annotations say, without looking at images; images are drawn where there are none.

    Writes into ``folder`` alone. Raises ``IngestError`` where the data cannot be read, and ``RecordError`` where
    nothing can be learnt from them or measured.
    """
    found, summary = _read(config, folder)
    if dealt := run.deals(config, found):
        found = splits.assign_splits(found, config.shares, config.seed)
    file = folder / "split.jsonl"
    jsonl.write_jsonl(file, found)
    run.refuse_empty(file, dealt)
    if config.resplit == "never":  # else a run deals anew what it finds to leak
        run.refuse_benchmarks(config, file)
    with console.progress("questions", len(found)) as advance:
        rules = mau.MauOptions(**run.questions_of(config))
        made = list(mau.mau(found, rules, config.seed, told=advance))
    asked = of_share(withheld(made, found, config.withhold), found, config.train_share, config.seed)
    if not select(asked, "train"):
        raise records.RecordError(LEFT_OUT if select(made, "train") else _nothing_known(found, config))
    return Preview(file, found, asked, dealt, summary, 1.0 if config.data else config.patients / _drawn(config))


LEFT_OUT = "--withhold and --train-share leave no question to learn from: withhold less, or learn from more patients"
NOTHING_KNOWN = (
    "no image to learn from has a finding or is known to have none, so there is nothing to ask: if images without "
    "annotations are normal, --completeness exhaustive says so"
)
REPORTS = "; there are reports, which --report-sections report asks for"


def _nothing_known(found: Sequence[Record], config: run.Config) -> str:
    reports = not config.report_sections and any(record.report or record.sections for record in found)
    return NOTHING_KNOWN + (REPORTS if reports else "")


def _drawn(config: run.Config) -> int:
    return min(DRAWN, config.patients)


def _read(config: run.Config, folder: Path) -> tuple[list[Record], Summary | None]:
    """The records of the data, or of drawn images."""
    if config.data is None:
        with console.progress("draw", None):
            drawn = list(synthetic_records(folder, _drawn(config), config.seed, workers=1))
        return splits.assign_splits(drawn, seed=config.seed), None
    summary = runner.ingest(config.data, config.format, folder, replace(config.reading, decode=False))
    return list(jsonl.read_jsonl(summary.records_file, Record)), summary


def foretold(config: run.Config, data: Preview) -> list[Foretold]:
    """All lines."""
    return [*counts(data), *lines(config, data)]


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
    """Answers on validation after each epoch, and twice to all questions of test and of validation."""
    kinds = variants.asked_kinds(data.dialogues)
    watched = round(data.times * sum(d.kind in kinds for d in select(data.dialogues, "val")))
    asked = round(data.times * sum(len(select(data.dialogues, split)) for split in ("test", "val")))
    return min(learning.validation_rows, watched) * math.ceil(learning.epochs) + 2 * asked


def _at_once(config: run.Config, data: Preview) -> int:
    """Test questions that are answered together."""
    asked: Sequence[Dialogue] = select(data.dialogues, "test")
    return max(1, config.answer_batch * len(asked) // max(1, len({d.record for d in asked})))
