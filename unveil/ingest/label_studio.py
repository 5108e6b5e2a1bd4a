"""Label Studio's JSON and JSON-MIN: rectangles, ellipses and polygons in percent of the image, strokes of a brush.

A rectangle is turned clockwise about its upper left corner; where it is turned, the finding is the box around it with
the rectangle itself as its mask. All parts of a region (its shape, its labels, choices and texts about it) have one id.
A choice about the whole image is a finding without a place. Who has annotated is a reader of the image, several people
are several readers (``--readers``); cancelled annotations and predictions are none. A task that nobody has annotated is
rejected, one whose annotation is empty is free of findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.label_studio import cancelled, in_pixels, person, regions
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest import brush, outlines
from unveil.ingest.consensus import KEEP, RULES, has_read, rule_of
from unveil.ingest.folder import IMAGE_SUFFIXES, Folder
from unveil.ingest.outlines import Shape
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, list_of, number

LOOKED_FOR = "Label Studio's JSON"
#: Bytes at the beginning of a file that hold its first task.
LOOKED_AT = 2**16
#: Keys of JSON-MIN that are no control tag's.
OF_TASK = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})

_KEY = re.compile(r'"(\w+)"\s*:')


@dataclass(frozen=True)
class _Annotated:
    """What one person has made of an image."""

    row: int
    """The task's, from 1."""
    reader: str | None
    results: Sequence[Any]
    split: Split | None = None
    """The one that the data of the task name, as `unveil export records` writes it."""
    lost: bool = False
    """Whether there is more that cannot be told."""


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_looks_like_tasks, ".json")


def _looks_like_tasks(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(LOOKED_AT).replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    keys = set(_KEY.findall(start))
    return start.startswith("[") and ("original_width" in keys or {"data", "annotations", "result"} <= keys)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that somebody has annotated."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        content = folder.json(path)
        if not isinstance(content, list):
            raise IngestError(f"{folder.relative(path)}: a list of tasks is needed")
        yield from _records(folder, path, content, seen)
    yield from folder.unlisted(seen)


def _records(folder: Folder, path: Path, tasks: list[Any], seen: set[Path]) -> Iterator[Record | Rejected | Incomplete]:
    of_image: dict[Path, list[_Annotated]] = {}
    for row, task in enumerate(tasks, 1):
        try:
            place, annotated = _task(folder, path, row, task)
        except AnnotationError as error:
            yield Rejected(folder.relative(path), row, str(error))
            continue
        seen.add(place)
        if annotated:
            of_image.setdefault(place, []).extend(annotated)
        else:
            yield Rejected(folder.relative(path), row, "nobody has annotated this task", rows=0)
    rule = _rule(folder, path, list(of_image.values()))
    for place, annotated in of_image.items():
        if not has_read(rule, [one.reader or "" for one in annotated]):
            continue
        try:
            yield from _record(folder, path, place, annotated, rule)
        except (AnnotationError, pixels.ImageError) as error:
            results = sum(len(one.results) for one in annotated)
            yield Rejected(folder.relative(path), annotated[0].row, str(error), max(1, results))
            yield Incomplete(folder.relative(place))


def _rule(folder: Folder, path: Path, images: list[list[_Annotated]]) -> str:
    """What is done with several readers; raises ``IngestError`` where there are such and nobody has said it."""
    of_image = [{one.reader for one in annotated if one.reader} for annotated in images]
    names = set[str]().union(*of_image)
    several = sum(len(readers) > 1 for readers in of_image)
    if several and folder.options.readers is None:
        raise IngestError(
            f"{folder.relative(path)}: {several} of {len(of_image)} images were annotated by several people "
            f"({listed(sorted(names), 60)}), so one lesion may stand there several times: say --readers "
            f"{' or '.join((KEEP, *RULES))}, or the number of one"
        )
    return rule_of(folder.options.readers, names)


def _task(folder: Folder, path: Path, row: int, task: Any) -> tuple[Path, list[_Annotated]]:
    """The image of a task and who has annotated it, cancelled annotations left out."""
    if not isinstance(task, dict):
        raise AnnotationError(f"a task is an object, not {quoted(task)}")
    whole = isinstance(task.get("data"), dict)
    data = task["data"] if whole else task
    place = folder.find(_image(data), path.parent / "images", path.parent)
    split = SPLIT_NAMES.get(str(data.get("split")).lower()) if folder.options.splits != "none" else None
    if not whole:
        lost = _said(task)
        if lost:
            said = "a choice in JSON-MIN cannot be told from a text: its image is not complete; export as JSON"
            folder.note(said, f"{folder.relative(path)}, task {row}: {lost[0]}")
        return place, [_Annotated(row, person(task.get("annotator")), _of_min(task), split, bool(lost))]
    annotated = []
    for entry in list_of(task.get("annotations") or task.get("completions"), "annotations"):
        if not isinstance(entry, dict) or not isinstance(entry.get("result"), list):
            raise AnnotationError(f"an annotation with a result is needed, not {quoted(entry)}")
        if not cancelled(entry):
            annotated.append(_Annotated(row, person(entry.get("completed_by")), entry["result"], split))
    results = (result for one in annotated for result in one.results)
    shown = {str(result.get("to_name")) for result in results if _size_of(result)}
    if len(shown) > 1:
        raise AnnotationError(f"marks on several images of one task ({listed(sorted(shown))}): which is which?")
    return place, annotated


def _image(data: Mapping[str, Any]) -> str:
    """What a task calls its image: the value of ``image``, or the only one that looks like the name of one."""
    if isinstance(data.get("image"), str):
        return str(data["image"])
    texts = [value for value in data.values() if isinstance(value, str)]
    named = [text for text in texts if PurePosixPath(text.split("&")[0]).suffix.lower() in IMAGE_SUFFIXES]
    if len(named) != 1:
        raise AnnotationError(f"which of {listed(data) or 'nothing'} is the image cannot be told")
    return named[0]


def _of_min(task: Mapping[str, Any]) -> list[Any]:
    """The regions and choices of JSON-MIN, which stand under the names of their control tags, as those of JSON."""
    results: list[Any] = []
    for name, value in task.items():
        if name in OF_TASK:
            continue
        if isinstance(value, list) and all(isinstance(region, dict) for region in value):
            results += [{"from_name": name, "value": region, **_size_of(region)} for region in value]
        elif isinstance(value, dict) and "choices" in value:
            results.append({"from_name": name, "value": value})
    return results


def _said(task: Mapping[str, Any]) -> list[str]:
    """The control tags of JSON-MIN whose only value is a text: a single choice is written so. They stand behind the
    task's id, its data before it."""
    names = list(task)
    behind = names[names.index("id") + 1 :] if "id" in names else []
    return [name for name in behind if name not in OF_TASK and isinstance(task[name], str)]


def _size_of(region: Any) -> dict[str, Any]:
    names = ("original_width", "original_height") if isinstance(region, dict) else ()
    return {name: region[name] for name in names if name in region}


def _record(
    folder: Folder, path: Path, place: Path, annotated: Sequence[_Annotated], rule: str
) -> Iterator[Record | Rejected]:
    sizes = [size for one in annotated for result in one.results if (size := _stated(result))]
    image = folder.open(place, sizes[0] if sizes else None, "original_width")
    shapes: list[tuple[int, Shape]] = []
    file, bad = folder.relative(path), []
    for one in annotated:
        for region in regions(one.results):
            try:
                marked = list(_shapes(region, one.reader))
            except AnnotationError as error:
                bad.append(Rejected(file, one.row, str(error)))
                continue
            shapes += [(one.row, shape) for shape in marked]
            if not marked:
                folder.note("texts, ratings and the like about a whole image are left out", f"{file}, task {one.row}")
    yield from bad
    readers = tuple(dict.fromkeys(one.reader for one in annotated if one.reader))
    split = annotated[0].split or folder.split(place, path)
    lost = bool(bad) or any(one.lost for one in annotated)
    yield from outlines.record(folder, file, image, shapes, lost, readers, rule, split=split)


def _stated(result: Any) -> tuple[float, float] | None:
    size = _size_of(result)
    return (number(size["original_width"]), number(size["original_height"])) if len(size) == 2 else None


def _shapes(region: Sequence[dict[str, Any]], reader: str | None) -> Iterator[Shape]:
    """A region by each of its labels."""
    drawn, labels, words = None, [], {}
    for part in region:
        value = part["value"]
        drawn = drawn or _drawn(value, part)
        for key, named in value.items():
            if key.endswith("labels") and isinstance(named, list):
                labels += [str(name) for name in named]
            elif key in ("choices", "text") and named:
                texts = [str(text) for text in (named if isinstance(named, list) else [named])]
                words[str(part.get("from_name") or key)] = ", ".join(texts)
    if drawn is None and (labels or any("taxonomy" in part["value"] for part in region)):
        raise AnnotationError(f"marks of this kind are not read: {listed(region[0]['value'])}")
    if drawn is None:
        labels = [str(name) for part in region for name in list_of(part["value"].get("choices"), "choices")]
        words = {}
    elif not labels and len(words) == 1:  # choices that stand in place of labels
        labels, words = [next(iter(words.values()))], {}
    for label in labels or ([""] if drawn else []):
        yield Shape(label, drawn, words, reader)


def _drawn(value: Mapping[str, Any], part: Mapping[str, Any]) -> Callable[[Image], Finding] | None:
    """What a part of a region marks, if it is a shape."""
    if number(part.get("image_rotation") or 0):
        raise AnnotationError("it was drawn on the image turned: turn the image itself and annotate it anew")
    if "rle" in value:
        return lambda image: outlines.placed(brush.decoded(value["rle"], image.width, image.height), 0, 0)(image)
    if "radiusX" in value:
        return lambda image: _ellipse(value, image)
    if "points" in value:
        corners = outlines.points(value["points"], 3)
        return lambda image: outlines.polygons([in_pixels(corners, image.width, image.height)])(image)
    if {"x", "y", "width", "height"} <= value.keys() and not any(key.startswith("keypoint") for key in value):
        return lambda image: _rectangle(value, image)
    if "x" in value or "sequence" in value:
        raise AnnotationError("key points and videos are not read")
    return None


def _rectangle(value: Mapping[str, Any], image: Image) -> Finding:
    corner = [number(value.get(name), name) for name in ("x", "y")]
    extent = [number(value.get(name), name) for name in ("width", "height")]
    (x, y), (w, h) = (in_pixels(pair, image.width, image.height) for pair in (corner, extent))
    degrees = number(value.get("rotation") or 0, "rotation")
    return outlines.turned(geometry.from_xywh(x, y, w, h), degrees, (x, y))(image)


def _ellipse(value: Mapping[str, Any], image: Image) -> Finding:
    numbers = [number(value.get(name), name) for name in ("x", "y", "radiusX", "radiusY")]
    cx, cy, rx, ry = in_pixels(numbers, image.width, image.height)
    return outlines.ellipse(cx, cy, rx, ry, number(value.get("rotation") or 0, "rotation"))(image)
