"""What the main job will work on, before it begins: what is in the folder, images with their boxes, the questions.

A look writes into a folder of its own. Only the images that are shown are decoded, and no copies are looked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from unveil.core import console, records, splits
from unveil.core.files import write_text
from unveil.core.geometry import Box
from unveil.core.records import Dialogue, Record, Split
from unveil.core.untrusted import shortened
from unveil.curate import mau
from unveil.evaluate import report_pictures
from unveil.ingest.runner import Summary, ingest
from unveil.pipelines import run
from unveil.synthetic.dataset import synthetic_records

if TYPE_CHECKING:
    from unveil.train.resources import Outlook

SHOWN = 6
#: Findings of one image, and labels of a data set, that are listed.
LISTED = 8
#: Patients that are drawn for a look at synthetic images; each has two images at least.
DRAWN = 3


@dataclass(frozen=True)
class Look:
    """What a data set holds. ``summary`` is None of synthetic images, of which only those that are shown are there."""

    file: Path
    """The records, in the splits that the main job will use, as far as can be told without a search for copies."""
    records: tuple[Record, ...]
    dialogues: tuple[Dialogue, ...]
    summary: Summary | None
    dealt: bool
    """Whether splits were dealt, since none were published."""

    @property
    def shown(self) -> list[Record]:
        return some(self.records)


def look(config: run.Config, folder: Path) -> Look:
    """Looks at the data of a run; writes into ``folder`` alone.

    Raises ``IngestError`` where they cannot be read, and ``RecordError`` where nothing can be learnt from them.
    """
    if config.data is None:
        with console.progress("draw", DRAWN):
            drawn = tuple(synthetic_records(folder, DRAWN, config.seed, workers=1))
        return Look(folder / "records.jsonl", drawn, (), None, True)
    summary = ingest(config.data, config.format, folder, replace(config.reading, decode=False))
    rows = list(records.read_jsonl(summary.records_file, Record))
    dealt = config.resplit == "always" or (config.resplit == "if-needed" and any(r.split is None for r in rows))
    if dealt:
        rows = splits.assign_splits(rows, config.shares, config.seed)
    file = folder / "split.jsonl"
    records.write_jsonl(file, rows)
    run.refuse_empty(file, dealt)
    with console.progress("questions", len(rows)) as advance:
        rules = mau.MauOptions(max_findings=config.max_findings)
        asked = tuple(mau.mau(rows, rules, config.seed, told=advance))
    if not asked:
        raise records.RecordError(
            "no image has a finding or is known to have none, so there is nothing to ask: if images without "
            "annotations are normal, --completeness exhaustive says so"
        )
    return Look(file, tuple(rows), asked, summary, dealt)


def first_look(config: run.Config) -> Outlook:
    """What is known of the model to start from.

    Raises ``ModelError`` where it cannot be had, ``NeedsError`` where disk or memory will not do.
    """
    from unveil.train import resources

    trainings = 1 + len(run.variants_of(config))
    return resources.first_look(run.learning_of(config, run.folder_of(config)), trainings)


def cost(config: run.Config, seen: Look, known: Outlook) -> list[str]:
    """What is known of what a run takes, in lines."""
    from unveil.pipelines import preview
    from unveil.train import outlook

    if seen.summary is None:
        return [known.line, f"{config.patients} patients with some three images each are drawn"]
    data = preview.Preview(list(seen.records), list(seen.dialogues), seen.dealt)
    return [*counts(seen), known.line, *outlook.written(preview.lines(config, data))]


def some(rows: Sequence[Record], most: int = SHOWN) -> list[Record]:
    """A few images from all over the data set: one without findings if there is one, else such with boxes first."""
    boxed = [record for record in rows if record.boxed]
    empty = [record for record in rows if not record.findings]
    others = [record for record in rows if record.findings and not record.boxed]
    normal = empty[len(empty) // 2 :][:1]
    chosen = [*_spread(boxed, most - len(normal)), *normal]
    chosen += _spread(others, most - len(chosen))
    return chosen + [record for record in empty if record not in normal][: most - len(chosen)]


def _spread(rows: Sequence[Record], most: int) -> list[Record]:
    """At most so many, evenly from first to last."""
    step = max(1.0, len(rows) / most) if most else 1.0
    return [rows[int(i * step)] for i in range(min(most, len(rows)))]


# ------------------------------------------------------------------------------------------------------------ in words


def told(seen: Look) -> list[str]:
    """What is in the folder, in lines."""
    if seen.summary is None:
        return ["synthetic images are drawn; the first of them:"]
    rows, found = seen.records, Counter(f.label for r in seen.records for f in r.findings)
    patients = {r.patient for r in rows if r.patient is not None}
    whose = f" of {len(patients)} patients" if patients else ", of unknown patients"
    labels = ", ".join(f"{n} {_plain(label)}" for label, n in found.most_common(LISTED))
    more = f", and {len(found) - LISTED} other names" if len(found) > LISTED else ""
    lines = [
        f"{len(rows)} images{whose}: {found.total()} findings ({labels or 'none'}{more}), "
        f"{sum(not r.findings for r in rows)} images without one"
    ]
    for reason in seen.summary.reasons:
        what = f"rejected {reason.rows} rows" if reason.rows else f"left out {reason.entries} files"
        lines.append(f"{what}: {reason}")
    lines += [f"note: {note}" for note in seen.summary.notes]
    return lines


def listing(rows: Sequence[Record]) -> list[tuple[str, ...]]:
    """Image, patient, label and box of each finding, a row each."""
    lines = list[tuple[str, ...]]()
    for record in rows:
        head = (_plain(record.source.file or record.id), _plain(record.patient or "unknown"))
        findings = record.findings[:LISTED]
        lines += [(*head, _plain(f.label), box_text(f.box)) for f in findings] or [(*head, nothing(record), "")]
        if more := len(record.findings) - len(findings):
            lines.append((*head, f"and {more} more", ""))
    return lines


def box_text(box: Box | None) -> str:
    """A box's corners in whole pixels."""
    return "no box" if box is None else ", ".join(f"{value:.0f}" for value in box)


def nothing(record: Record) -> str:
    """What it means that an image has no finding."""
    return "no finding" if record.completeness == "exhaustive" else "nothing annotated"


def counts(seen: Look) -> list[str]:
    """How many images and questions there are to learn from and to be tested with."""
    if seen.summary is None:
        return []
    images, asked = (Counter(row.split for row in rows) for rows in (seen.records, seen.dialogues))
    dealt = "none are published, so they are dealt; where the check finds copies, they change a little"
    how = dealt if seen.dealt else "as published"
    return [
        f"splits: {how}",
        *(f"  {use:<14} {images[split]:>7} images {asked[split]:>8} questions" for split, use in USES.items()),
    ]


USES: dict[Split, str] = {"train": "to learn from", "val": "to validate", "test": "to test"}


def _plain(text: str) -> str:
    """A user's text for a terminal: short, and without what controls it."""
    return shortened("".join(c if c.isprintable() else "\ufffd" for c in text))


# ------------------------------------------------------------------------------------------------------------ the page


def write_page(seen: Look, title: str, path: Path) -> Path:
    """The images that are shown with their boxes, as one page that loads nothing."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("unveil.pipelines").joinpath("look.html.j2").read_text("utf-8"))
    cards = [(record, _picture(record, seen.file), nothing(record)) for record in seen.shown]
    return write_text(path, template.render(title=title, cards=cards, box_text=box_text))


def _picture(record: Record, file: Path) -> report_pictures.Picture:
    boxes = [(f.label, f.box) for f in record.boxed if f.box]
    return report_pictures.picture(record, records.image_path(record, file), boxes, longest=640)
