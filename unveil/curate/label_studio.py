"""What annotators have made of exported tasks in Label Studio, as decisions about the records that the tasks show.

A finding keeps the number of its region, which `unveil export records` gives it; whoever leaves all regions as they are
accepts the record, who changes one has edited it, and a cancelled annotation is a skipped item. An annotation that
nobody has signed, or that was imported and never opened, is nobody's decision.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil.core import geometry
from unveil.core.decisions import Annotation, Decision
from unveil.core.label_studio import RECORD, SHA256, cancelled, in_pixels, person, regions
from unveil.core.lesion_region import place
from unveil.core.records import Finding, Record, RecordError
from unveil.core.untrusted import quoted, read_json

#: Pixels by which an edge may differ through per cents and what a browser makes of them.
ROUNDING = 0.5


class _Unread(ValueError):
    """An annotation that cannot be told as a decision; the message says why."""


def tasks(path: Path) -> list[dict[str, Any]]:
    """The tasks of an export as JSON (not JSON-MIN); raises ``RecordError``."""
    try:
        content = read_json(path, lenient=True)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise RecordError(f"{path}: a list of tasks is needed, as Label Studio exports it as JSON")
    for number, task in enumerate(content, 1):
        data = task.get("data")
        if not isinstance(data, dict) or not {RECORD, SHA256} <= data.keys() or "annotations" not in task:
            raise RecordError(
                f"{path}, task {number}: it does not tell which record it shows ({quoted(data)}): only tasks "
                "of `unveil export records` come back as corrections; `unveil ingest` reads others as data"
            )
    return content


def shown(content: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids of the records that tasks show."""
    return {str(task["data"][RECORD]) for task in content}


def decisions(
    content: Sequence[Mapping[str, Any]], records: Mapping[str, Record], unread: Counter[str]
) -> Iterator[Decision]:
    """What was decided about records, by id; what cannot be read is counted by its reason."""
    for task in content:
        record = records.get(str(task["data"][RECORD]))
        if record is None:
            unread["its record is not among the records"] += 1
            continue
        revisions = Counter[str]()
        for annotation in sorted(_annotations(task), key=_time):
            try:
                made = _decision(task, annotation, record, revisions)
            except _Unread as error:
                unread[str(error)] += 1
                continue
            if made:
                yield made


def _annotations(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = task["annotations"] or []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _time(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _decision(
    task: Mapping[str, Any], annotation: Mapping[str, Any], record: Record, revisions: Counter[str]
) -> Decision | None:
    """One person's; None where it is nobody's."""
    reviewer = person(annotation.get("completed_by"))
    if reviewer is None:
        return None
    lead_time = annotation.get("lead_time")
    timed = isinstance(lead_time, (int, float)) and math.isfinite(lead_time)
    before = tuple(Annotation(f.label, f.box, finding=n) for n, f in enumerate(record.findings))
    results = annotation.get("result")
    after = None if cancelled(annotation) else tuple(_marks(results if isinstance(results, list) else [], record))
    same = after is not None and sorted(after, key=_order) == sorted(before, key=_order)
    if same and not timed:
        return None
    revisions[reviewer] += 1
    return Decision(
        item=record.id,
        subject="record",
        record=record.id,
        reviewer=reviewer,
        verdict="skip" if after is None else "accept" if same else "edit",
        revision=revisions[reviewer],
        sha256=str(task["data"][SHA256]),
        time=_time(annotation),
        lead_time=float(lead_time) if timed and lead_time else 0.0,
        width=record.width,
        height=record.height,
        before=before,
        after=None if same else after,
        why="Label Studio",
    )


def _order(mark: Annotation) -> tuple[int, str]:
    return (-1 if mark.finding is None else mark.finding, repr(mark))


def _marks(results: Sequence[Any], record: Record) -> Iterator[Annotation]:
    """The marks of an annotation; of a finding that stands where it stood exactly its own box."""
    free = dict(enumerate(record.findings))
    for region in regions(results):
        labels, outline = _labels(region), _outline(region, record)
        if outline is None:
            for label in labels:
                number = next((n for n, f in free.items() if place(f) is None and f.label == label), None)
                free.pop(number, None) if number is not None else None
                yield Annotation(label, finding=number)
            continue
        if not labels:
            raise _Unread("a region without a label")
        number = _number(region)
        was = free.pop(number, None) if number is not None else None
        for n, label in enumerate(labels):
            kept, known = (number, was) if was is not None and n == 0 else (None, None)
            yield _mark(label, outline, kept, known)


def _mark(label: str, outline: _Outline, number: int | None, was: Finding | None) -> Annotation:
    """A place under a name."""
    corners, is_box = outline
    across, down = corners[::2], corners[1::2]
    box = (min(across), min(down), max(across), max(down))
    stood = place(was) if was else None
    if was and stood and is_box and all(abs(a - b) <= ROUNDING for a, b in zip(stood, box, strict=True)):
        return Annotation(label, was.box, finding=number)
    polygon = () if is_box else tuple(zip(across, down, strict=True))
    return Annotation(label, box, polygon, number)


def _number(region: Sequence[Mapping[str, Any]]) -> int | None:
    """Which finding a region is of, counted from 0, if it is one that was exported."""
    name = str(region[0].get("id") or "")
    return int(name) - 1 if name.isascii() and name.isdigit() and len(name) < 9 else None


def _labels(region: Sequence[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for part in region:
        for key, named in part["value"].items():
            if (key.endswith("labels") or key == "choices") and isinstance(named, list):
                found += [str(name).strip() for name in named if str(name).strip()]
    return found


#: Corners x, y, x, y, … in pixels, and whether they are those of an upright box.
_Outline = tuple[list[float], bool]


def _outline(region: Sequence[Mapping[str, Any]], record: Record) -> _Outline | None:
    """Where a region is, cut at the edge of the image; None of one about the whole image. Raises ``_Unread``."""
    for part in region:
        value = part["value"]
        if not {"x", "points", "rle", "sequence"} & value.keys():
            continue
        if part.get("image_rotation"):
            raise _Unread("a region that was drawn on the image turned")
        stated = (part.get("original_width"), part.get("original_height"))
        if stated != record.size:
            raise _Unread(f"a region on an image of another size than {record.width} x {record.height}")
        corners, is_box = _corners(value, record)
        return [min(max(v, 0.0), float(record.size[i % 2])) for i, v in enumerate(corners)], is_box
    return None


def _corners(value: Mapping[str, Any], record: Record) -> _Outline:
    width, height = record.size
    if "points" in value:
        points = value["points"]
        whole = isinstance(points, list) and all(isinstance(point, list) and len(point) == 2 for point in points)
        if not whole or len(points) < 3:
            raise _Unread("an outline of fewer than three corners")
        return in_pixels([_finite(v) for point in points for v in point], width, height), False
    names = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    if not set(names) <= value.keys() or any(key.startswith("keypoint") for key in value):
        raise _Unread("strokes of a brush, key points and videos do not come back as corrections")
    x, y, across, down = in_pixels([_finite(value[name]) for name in names], width, height)
    degrees = _finite(value.get("rotation") or 0)
    if "radiusX" in value:
        return geometry.ellipse(x, y, across, down, degrees), False
    box = (x, y, x + across, y + down)
    return geometry.turned(box, degrees, (x, y)), degrees % 360 == 0


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Unread(f"a number is needed, not {quoted(value)}")
    return float(value)
