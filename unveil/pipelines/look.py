"""What the main job will work on, shown to a person before it begins: in words, and as a page of images with boxes.

Only the images that are shown are decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from unveil.core import records
from unveil.core.files import write_text
from unveil.core.geometry import Box
from unveil.core.records import Record
from unveil.core.untrusted import shortened
from unveil.evaluate import report_pictures
from unveil.pipelines.preview import Preview

if TYPE_CHECKING:
    pass

SHOWN = 6
#: Findings of one image, and labels of a data set, that are listed.
LISTED = 8


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


def told(seen: Preview) -> list[str]:
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
        lines += [
            (*head, _plain(f"{f.label}: {f.phrase}" if f.phrase else f.label), box_text(f.box)) for f in findings
        ] or [(*head, nothing(record), "")]
        if more := len(record.findings) - len(findings):
            lines.append((*head, f"and {more} more", ""))
    return lines


def box_text(box: Box | None) -> str:
    """A box's corners in whole pixels."""
    return "no box" if box is None else ", ".join(f"{value:.0f}" for value in box)


def nothing(record: Record) -> str:
    """What it means that an image has no finding."""
    return "no finding" if record.completeness == "exhaustive" else "nothing annotated"


def _plain(text: str) -> str:
    """A user's text for a terminal: short, and without what controls it."""
    return shortened("".join(c if c.isprintable() else "\ufffd" for c in text))


# ------------------------------------------------------------------------------------------------------------ the page


def write_page(seen: Preview, title: str, path: Path) -> Path:
    """The images that are shown with their boxes, as one page that loads nothing."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("unveil.pipelines").joinpath("look.html.j2").read_text("utf-8"))
    cards = [(record, _picture(record, seen.file), nothing(record)) for record in some(seen.records)]
    return write_text(path, template.render(title=title, cards=cards, box_text=box_text))


def _picture(record: Record, file: Path) -> report_pictures.Picture:
    boxes = [(f.label, f.box) for f in record.boxed if f.box]
    return report_pictures.picture(record, records.image_path(record, file), boxes, longest=640)
