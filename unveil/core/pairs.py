"""Preference pairs in the form that TRL reads and writes: ``prompt``, ``chosen``, ``rejected``, ``images``.

Further columns of a pair, such as ``weight`` and ``rejected_images`` (the name that ms-swift gives it), are written
only where they say something, since trainers that do not know them drop them without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil.core.box_formats import View, render
from unveil.core.jsonl import each_line, from_json, write_jsonl
from unveil.core.records import Pair, RecordError
from unveil.core.said import said, said_before
from unveil.core.untrusted import quoted, shortened

IMAGE = "<image>"


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of one JSONL file, ours or TRL's (a line with ``prompt``), checked.

    Raises ``RecordError`` with file, line and id for a pair without one of its sides, with sides that are equal under
    one image, with a weight that is not a finite number >= 0, and for an id that occurs twice.
    """
    pairs: dict[str, Pair] = {}
    for number, pair in each_line(path, lambda row, number: _checked(row, f"{path.stem}-{number}")):
        if pair.id in pairs:
            raise RecordError(f"{path}:{number}: {shortened(pair.id)} occurs more than once; ids must be unique")
        pairs[pair.id] = pair
    if not pairs:
        raise RecordError(f"{path}: there are no pairs")
    return list(pairs.values())


def _checked(row: Any, name: str) -> Pair:
    pair = parsed(row, name)
    try:
        return checked(pair)
    except RecordError as error:
        raise RecordError(f"{shortened(pair.id)}: {error}") from error


def parsed(row: Any, name: str) -> Pair:
    """The pair of one line in either form, whatever it says; what is wrong with the form is told with its id."""
    if not isinstance(row, dict):
        raise RecordError(f"an object is needed, not {quoted(row)}")
    try:
        ours = not {"prompt", "images"} & row.keys() and not isinstance(row.get("chosen"), list)
        return from_json(Pair, row) if ours else from_trl(row, name)
    except RecordError as error:
        raise RecordError(f"{shortened(str(row.get('id', name)))}: {error}") from error


def checked(pair: Pair) -> Pair:
    """The pair, if something can be learnt from it."""
    if not pair.chosen.strip() or not pair.rejected.strip():
        raise RecordError(f"the {'rejected' if pair.chosen.strip() else 'chosen'} answer is empty")
    if pair.chosen == pair.rejected and not pair.other:
        raise RecordError("chosen and rejected are equal, and so are their images")
    if not (math.isfinite(pair.weight) and pair.weight >= 0):
        raise RecordError(f"the weight {pair.weight} is not a finite number of at least 0")
    return pair


def from_trl(row: dict[str, Any], name: str) -> Pair:
    """A pair from a row of TRL's; texts are taken as they are, turns before the last question as its history. One
    image only."""
    row = _explicit(row)
    if missing := [k for k in ("prompt", "chosen", "rejected", "images") if not row.get(k)]:
        raise RecordError(f"no {' and no '.join(missing)}")
    others = row.get("rejected_images")
    history, prompt = _said_before(row["prompt"])
    fields = {
        "id": _text_id(row.get("id", name)),
        "record": _text_id(row.get("record", row.get("id", name))),
        "image": _file(row["images"], "images"),
        "split": row.get("split"),
        "kind": row.get("kind", "open"),
        "question": _text(prompt, "prompt", "user"),
        "history": history,
        "chosen": _text(row["chosen"], "chosen", "assistant"),
        "rejected": _text(row["rejected"], "rejected", "assistant"),
        "rejected_image": _file(others, "rejected_images") if others else None,
        "weight": row.get("weight", 1.0),
        "writer": row.get("writer", "trl"),
    }
    if row.get("rejected_image") and others:
        raise RecordError("rejected_image and rejected_images name the worse side's image both; give one of them")
    further = ("rejected_image", "rejected_noise", "target", "choices", "benchmark")
    fields |= {name: row[name] for name in further if row.get(name)}
    return from_json(Pair, fields)


def _explicit(row: dict[str, Any]) -> dict[str, Any]:
    """The row with a prompt: where TRL's is implicit, it is the messages with which both answers begin."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if "prompt" in row or not (
        isinstance(chosen, list) and isinstance(rejected, list) and chosen[:-1] == rejected[:-1]
    ):
        return row
    return row | {"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]}


def _said_before(prompt: Any) -> tuple[list[list[str]], Any]:
    """The turns of a prompt before its last question as questions with their answers, and the rest of the prompt."""
    if not isinstance(prompt, list) or len(prompt) < 3 or len(prompt) % 2 == 0:
        return [], prompt
    said = [_text([turn], "prompt", ("user", "assistant")[i % 2]) for i, turn in enumerate(prompt[:-1])]
    return [list(turn) for turn in zip(said[::2], said[1::2], strict=True)], prompt[-1:]


def _text_id(value: Any) -> Any:
    """An id as text where it is a number."""
    return str(value) if type(value) is int else value


def _file(images: Any, column: str) -> str:
    """An image's path: a string, or the dictionary with a ``path`` that ``datasets`` writes, alone or in a list."""
    if isinstance(images, list) and len(images) != 1:
        raise RecordError(f"one image on each side is supported, and {column} has {len(images)}")
    image = images[0] if isinstance(images, list) else images
    path = image.get("path") if isinstance(image, dict) else image
    if not isinstance(path, str) or not path:
        raise RecordError(f"{column}: an image must be given by its path, not as {quoted(image)}")
    return path


def _text(turns: Any, column: str, role: str) -> str:
    """The text of one turn, given as a string or as a list of messages."""
    if isinstance(turns, str):
        return turns.replace(IMAGE, "").strip()
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise RecordError(f"{column} needs a text or a list of messages, not {quoted(turns)}")
    if [turn.get("role") for turn in turns] != [role]:
        raise RecordError(f"{column}: one {role} turn is supported, not {quoted([t.get('role') for t in turns])}")
    content = turns[0].get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) and "type" in part for part in parts):
        raise RecordError(f"{column}: a message's content is a text or a list of typed parts, not {quoted(content)}")
    texts = [part.get("text") for part in parts if part["type"] == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise RecordError(f"{column}: a part of the type text has no text")
    return "".join(texts).replace(IMAGE, "").strip()


def to_trl(pair: Pair, views: tuple[View, View] | None = None) -> dict[str, Any]:
    """A row of TRL's conversational form. With ``views`` of the two sides' images boxes stand in a model's own words.

    TRL asks both sides the same question; its boxes are those of the better side's image. Raises ``RecordError`` for a
    pair with noise, for which TRL has no place.
    """
    if pair.rejected_noise:
        raise RecordError(f"{pair.id}: the worse side's image is noised, and TRL has no place for that")

    def turn(role: str, text: str) -> list[dict[str, Any]]:
        return [{"role": role, "content": [{"type": "text", "text": text}]}]

    def asked(text: str) -> list[dict[str, Any]]:
        return turn("user", render(text, views[0]) if views else text)

    def answered(text: str, side: int) -> list[dict[str, Any]]:
        return turn("assistant", said(pair.kind, text, pair.target, views[side]) if views else text)

    prompt = list[dict[str, Any]]()
    for question, answer in pair.history:
        answer = said_before(question, answer, views[0]) if views else answer
        prompt += [*asked(question), *turn("assistant", answer)]
    prompt += asked(pair.question)
    prompt[0]["content"].insert(0, {"type": "image"})
    row: dict[str, Any] = {
        "id": pair.id,
        "prompt": prompt,
        "chosen": answered(pair.chosen, 0),
        "rejected": answered(pair.rejected, 1),
        "images": [pair.image],
    }
    if pair.rejected_image is not None:
        row["rejected_images"] = [pair.rejected_image]
    # as ``from_trl`` has it
    usual: dict[str, Any] = {
        "weight": 1.0,
        "split": None,
        "kind": "open",
        "record": pair.id,
        "writer": "trl",
        "target": None,
    }
    usual |= {"choices": (), "benchmark": None}
    return row | {name: getattr(pair, name) for name, value in usual.items() if getattr(pair, name) != value}


def write_trl(path: Path, pairs: Sequence[Pair], views: Mapping[str, tuple[View, View]]) -> int:
    """Writes pairs for TRL, one JSON object per line, with the views of their images by pair id; returns their number.

    A pair without views keeps its boxes in neutral markup.
    """
    return write_jsonl(path, (to_trl(pair, views.get(pair.id)) for pair in pairs))
