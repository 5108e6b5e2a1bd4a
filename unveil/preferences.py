"""Preference pairs in the form that TRL reads and writes: ``prompt``, ``chosen``, ``rejected``, ``images``.

The two further columns of a pair, ``weight`` and ``rejected_images`` (the name that ms-swift gives it), are written
only where they say something, since trainers that do not know them drop them without a word.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from unveil.records import Pair, RecordError, Split, from_json

IMAGE = "<image>"


def read_pairs(path: Path, split: Split | None = "train") -> list[Pair]:
    """Pairs of one JSONL file, ours or TRL's (a line with ``prompt``), checked; those of other splits left out.

    Raises ``RecordError`` with file, line and id for a pair without one of its sides, with sides that are equal under
    one image, with a weight that is not a finite number >= 0, and for an id that occurs twice.
    """
    pairs = list(_pairs(path))
    if not pairs:
        raise RecordError(f"{path}: there are no pairs")
    if twice := [name for name, n in Counter(p.id for p in pairs).items() if n > 1]:
        raise RecordError(f"{path}: {twice[0]} occurs more than once; ids must be unique")
    return [p for p in pairs if split is None or p.split in (split, None)]


def _pairs(path: Path) -> Iterator[Pair]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                pair = from_trl(row, f"{path.stem}-{number}") if "prompt" in row else from_json(Pair, row)
                yield checked(pair)
            except (ValueError, TypeError) as error:
                raise RecordError(f"{path}:{number}: {error}") from error


def checked(pair: Pair) -> Pair:
    """The pair, if something can be learnt from it."""
    if not pair.chosen.strip() or not pair.rejected.strip():
        raise RecordError(f"{pair.id}: the {'rejected' if pair.chosen.strip() else 'chosen'} answer is empty")
    if pair.chosen == pair.rejected and pair.rejected_image in (None, pair.image):
        raise RecordError(f"{pair.id}: chosen and rejected are equal, and so are their images")
    if not (math.isfinite(pair.weight) and pair.weight >= 0):
        raise RecordError(f"{pair.id}: the weight {pair.weight} is not a finite number of at least 0")
    return pair


def from_trl(row: dict[str, Any], name: str) -> Pair:
    """A pair from a row of TRL's; texts are taken as they are. One turn and one image only."""
    if missing := [k for k in ("prompt", "chosen", "rejected", "images") if not row.get(k)]:
        raise RecordError(f"{row.get('id', name)}: no {' and no '.join(missing)}")
    images, others = row["images"], row.get("rejected_images")
    if len(images) != 1 or (others is not None and len(others) != 1):
        raise RecordError(f"{row.get('id', name)}: one image on each side is supported, not {len(images)}")
    return Pair(
        id=str(row.get("id", name)),
        record=str(row.get("record", row.get("id", name))),
        image=_file(images[0]),
        split=row.get("split"),
        kind=row.get("kind", "open"),
        question=_text(row["prompt"], "user"),
        chosen=_text(row["chosen"], "assistant"),
        rejected=_text(row["rejected"], "assistant"),
        rejected_image=_file(others[0]) if others else None,
        weight=float(row.get("weight", 1.0)),
        writer=str(row.get("writer", "trl")),
    )


def _file(image: Any) -> str:
    """An image's path: a string, or the dictionary with a ``path`` that ``datasets`` writes."""
    path = image.get("path") if isinstance(image, dict) else image
    if not isinstance(path, str) or not path:
        raise RecordError("an image must be given by its path")
    return path


def _text(turns: Any, role: str) -> str:
    """The text of one turn, given as a string or as a list of messages."""
    if isinstance(turns, str):
        return turns.replace(IMAGE, "").strip()
    if len(turns) != 1 or turns[0].get("role") != role:
        raise RecordError(f"one {role} turn is supported, not {[t.get('role') for t in turns]}")
    content = turns[0]["content"]
    parts = [content] if isinstance(content, str) else [c["text"] for c in content if c["type"] == "text"]
    return "".join(parts).replace(IMAGE, "").strip()


def to_trl(pair: Pair, write: Callable[[str], str] = str) -> dict[str, Any]:
    """A row of TRL's conversational form; ``write`` puts boxes into the words of a model."""

    def turn(role: str, text: str, *before: dict[str, str]) -> list[dict[str, Any]]:
        return [{"role": role, "content": [*before, {"type": "text", "text": write(text)}]}]

    row: dict[str, Any] = {
        "id": pair.id,
        "prompt": turn("user", pair.question, {"type": "image"}),
        "chosen": turn("assistant", pair.chosen),
        "rejected": turn("assistant", pair.rejected),
        "images": [pair.image],
    }
    if pair.rejected_image is not None:
        row["rejected_images"] = [pair.rejected_image]
    if pair.weight != 1.0:
        row["weight"] = pair.weight
    return row


def write_trl(path: Path, pairs: Sequence[Pair], write: Callable[[str], str] = str) -> int:
    """Writes pairs for TRL, one JSON object per line; returns their number."""
    lines = [json.dumps(to_trl(pair, write), ensure_ascii=False) + "\n" for pair in pairs]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)
