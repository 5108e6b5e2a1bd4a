"""What is known of Label Studio's JSON by all who write or read it: names of its tags, people, regions and per cents.

Boxes are per cent of the image's width and height. All parts of a region (its shape, its labels, choices and texts
about it) have one id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Names of the tags in the labelling configuration that we write: boxes, and findings of the image as a whole.
BOXES, WHOLE, IMAGE = "label", "finding", "image"
#: Keys of a task's data that tell which row it shows: the record's id, and the hash of its line.
RECORD, SHA256 = "record", "sha256"


def person(told: Any) -> str | None:
    """An annotator by number, not by the address that some exports hold."""
    told = told.get("id") if isinstance(told, dict) else told
    return str(told) if isinstance(told, (int, str)) and told != "" else None


def cancelled(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotator has skipped the task."""
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def regions(results: Sequence[Any]) -> list[list[dict[str, Any]]]:
    """The parts of each region; relations, which have no value, are none."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for n, result in enumerate(results):
        if isinstance(result, dict) and isinstance(result.get("value"), dict):
            name = result.get("id")
            found.setdefault(name if isinstance(name, str) and name else n, []).append(result)
    return list(found.values())


def in_pixels(percent: Sequence[float], width: int, height: int) -> list[float]:
    """x, y, x, y, … of an image in pixels."""
    return [v * (height if i % 2 else width) / 100 for i, v in enumerate(percent)]


def percent(pixels: Sequence[float], width: int, height: int) -> list[float]:
    """The inverse of ``in_pixels``."""
    return [100 * v / (height if i % 2 else width) for i, v in enumerate(pixels)]
