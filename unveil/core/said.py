"""A true answer in a model's dialect: what it is to learn is written as it was taught to answer (``dialects``)."""

from __future__ import annotations

import json

from unveil.core.answers import Parsed, parse
from unveil.core.box_formats import MARKUP, View, render
from unveil.core.dialects import dialect_of
from unveil.core.geometry import Box
from unveil.core.records import WITH_BOXES, Kind
from unveil.core.wordings import asked_about


def said(kind: Kind, answer: str, target: str | None, view: View) -> str:
    """An answer in neutral markup to a question of this kind about ``target`` as the model writes it.

    Where a dialect lists boxes with their names, a diagnosis in three steps and an answer to where something is become
    such a list. What such a list would not say (a diagnosis in prose, no finding of what is abnormal) stays in words.
    """
    if not (dialect_of(view.box_format).final and kind in WITH_BOXES):
        return render(answer, view)
    read = parse(kind, answer, View(MARKUP, view.size, view.size), (), target)
    if read.status != "ok" or read.malformed or bool(read.abnormal) is not bool(read.findings):
        return render(answer, view)
    named = _named(answer, read, target if kind != "diagnosis" else None)
    if not all(name for name, _ in named):
        return render(answer, view)
    return f"Final Answer:\n```json\n[{', '.join(_object(box, name, view) for name, box in named)}]\n```"


def said_before(question: str, answer: str, view: View) -> str:
    """An answer of an earlier turn, whose kind its question shows."""
    for kind in WITH_BOXES:
        if (target := asked_about(kind, question)) is not None:
            return said(kind, answer, target, view)
    return render(answer, view)


def _named(answer: str, read: Parsed, target: str | None) -> list[tuple[str, Box | None]]:
    """Names and boxes, the names as they are written: what was asked about, else what the answer calls them; "" where
    it calls them nothing."""
    spans = (name for name, _ in read.findings_at)
    names = (target or (_plain(answer[span[0] : span[1]]) if span else "") for span in spans)
    return list(zip(names, (box for _, box in read.findings), strict=True))


def _plain(name: str) -> str:
    """A name as it stands in a text, or in a string of JSON."""
    try:
        return str(json.loads(f'"{name}"')) if "\\" in name else name.strip(" .;,\n")
    except ValueError:  # no JSON
        return name.strip(" .;,\n")


def _object(box: Box | None, name: str, view: View) -> str:
    """One object of the list."""
    label = f'"label": {json.dumps(name, ensure_ascii=False)}'
    return f"{{{view.write(box)[1:-1]}, {label}}}" if box else f"{{{label}}}"
