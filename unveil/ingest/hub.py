"""A row of a set as the Hugging Face Hub and many others lay it out: which of its values means what.

A row has an image and any of: a question with its answer (and choices), objects with boxes and categories, a label, a
report. What the columns are called is told by the usual names, in any case of letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unveil.core.geometry import BoxError
from unveil.core.records import Finding, Question, Split
from unveil.core.untrusted import quoted
from unveil.ingest import cells
from unveil.ingest.asked import AskedRow, Marked, called, question, spelled, text
from unveil.ingest.columns import ROLES
from unveil.ingest.conventions import declared, in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Rejected, boxed, misfit, number

#: Usual names of what only such rows have; those of tables are ``columns.ROLES``.
QUESTION, ANSWER = ("question", "prompt", "query", "instruction"), ("answer", "answers", "response", "output")
CHOICES = ("choices", "options")
OBJECTS, BOXES = ("objects", "annotations"), ("bbox", "bboxes", "box", "boxes")
CATEGORIES = ("category", "categories", "label", "labels", "category_id", "class", "name")
#: Names of labels; as ``findings`` a list of labels is called so, and a text is a part of the report.
LABELS = tuple(name for name in ROLES["label"] if name != "findings")
SECTIONS = ("findings", "impression")
ID, LANGUAGE = ("qid", "question_id", "id"), ("language", "lang", "q_lang")

#: How ``datasets`` writes the class of a row whose label is not published.
WITHHELD = -1

#: Names of numbered classes by the path of their column, such as ("objects", "category").
Classes = Mapping[tuple[str, ...], Sequence[str]]


@dataclass(frozen=True)
class MarkedObject:
    """What a row marks: a name, and the four numbers of its place if it has one."""

    label: str
    numbers: tuple[float, ...] | None = None


@dataclass(frozen=True)
class MarkedObjects:
    """All that a row marks; ``complete`` if it says that there is no more."""

    marks: tuple[MarkedObject, ...] = ()
    wrong: tuple[str, ...] = ()
    complete: bool = False


def says_something(names: Sequence[str]) -> bool:
    """Whether a table with these columns says anything of its images."""
    return any(called(tuple(names), kind) for kind in (QUESTION, OBJECTS, LABELS, SECTIONS, ROLES["report"]))


def asked(
    folder: Folder, file: str, row: int, item: Mapping[str, Any], split: Split | None, classes: Classes
) -> AskedRow:
    """What a row says of its image; raises ``AnnotationError`` where it asks and does not answer, or says nothing."""
    words, own = spelled(item, *QUESTION), text(spelled(item, *ROLES["split"])).lower()
    if own and own not in SPLIT_NAMES:
        raise AnnotationError(f"split {quoted(own)} is none of {', '.join(SPLIT_NAMES)}")
    known: dict[str, Any] = {n: text(spelled(item, *ROLES[n])) for n in ("patient", "study", "modality", "report")}
    if sections := {name: said for name in SECTIONS if isinstance(said := spelled(item, name), str) and said.strip()}:
        known |= {"sections": sections, "report": known["report"] or "\n".join(sections.values())}
    return AskedRow(
        file,
        row,
        None if words is None else _question(folder, file, words, item),
        SPLIT_NAMES[own] if own else split,
        {name: said for name, said in known.items() if said},
        _marks(folder, item, classes),
    )


def _question(folder: Folder, file: str, words: Any, item: Mapping[str, Any]) -> Question:
    choices = spelled(item, *CHOICES)
    if isinstance(choices, Mapping):  # a letter and its text
        choices = [f"{letter}: {said}" for letter, said in choices.items() if said is not None]  # a column for each
    if choices is not None and not isinstance(choices, list):
        raise AnnotationError(f"choices are a list, not {quoted(choices)}")
    options = [text(choice) for choice in choices or ()]
    answer = spelled(item, *ANSWER)
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if options and isinstance(answer, int) and not isinstance(answer, bool) and text(answer) not in options:
        if not 0 <= answer < len(options):
            raise AnnotationError(f"the answer is choice {answer}, of {len(options)} counted from 0")
        answer = options[answer]
    kind, language = spelled(item, *ROLES["answer_type"]), text(spelled(item, *LANGUAGE)).lower() or None
    return question(folder, file, words, answer, kind, spelled(item, *ID), options, language)


def _marks(folder: Folder, item: Mapping[str, Any], classes: Classes) -> MarkedObjects:
    """The objects of a row, else its label."""
    columns = tuple(item)
    entries = [(name, item[name]) for name in called(columns, OBJECTS)]
    if entries and entries[0][1] is not None:
        return _objects(*entries[0], classes)
    labels = [name for name in called(columns, LABELS) if item[name] is not None]
    labels += [name for name in called(columns, SECTIONS[:1]) if isinstance(item[name], list)]
    if not labels:
        return MarkedObjects()
    value = item[labels[0]]
    numbered = classes.get((labels[0],))
    values = [one for one in (value if isinstance(value, list) else [value]) if not (numbered and one == WITHHELD)]
    names = [_name(one, numbered) for one in values]
    none = [name for name in names if cells.negative(name, folder.options)]
    if none and len(none) < len(names):
        return MarkedObjects(wrong=(f"says {quoted(none[0])} and names a finding",))
    return (
        MarkedObjects()
        if not names
        else MarkedObjects(() if none else tuple(map(MarkedObject, names)), complete=bool(none))
    )


def _objects(column: str, value: Any, classes: Classes) -> MarkedObjects:
    """Objects with a list of boxes and one of their categories, or one object with both for each box."""
    if isinstance(value, Mapping):
        boxes, names = spelled(value, *BOXES) or [], spelled(value, *CATEGORIES)
        inner = next(iter(called(tuple(value), CATEGORIES)), "")
        if names is None:
            names = [None] * len(boxes)
        if not isinstance(boxes, list) or not isinstance(names, list) or len(names) != len(boxes):
            return MarkedObjects(wrong=(f"objects have not as many categories as boxes: {quoted(value)}",))
        pairs = list(zip(boxes, names, strict=True))
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        pairs = [(spelled(one, *BOXES), spelled(one, *CATEGORIES)) for one in value]
        inner = next((name for one in value for name in called(tuple(one), CATEGORIES)), "")
    else:
        return MarkedObjects(wrong=(f"objects are boxes with categories, not {quoted(value)}",))
    marks, wrong = [], []
    for numbers, name in pairs:
        try:
            if not isinstance(numbers, list) or len(numbers) != 4:
                raise AnnotationError(f"a box needs four numbers, not {quoted(numbers)}")
            four = tuple(number(one, "the box") for one in numbers)
            marks.append(MarkedObject(_name(name, classes.get((column, inner))) if name is not None else "", four))
        except AnnotationError as error:
            wrong.append(str(error))
    return MarkedObjects(tuple(marks), tuple(wrong), complete=True)


def _name(value: Any, names: Sequence[str] | None) -> str:
    """A class by its name, or by its number among the names."""
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise AnnotationError(f"class {value} is not among the {len(names)} names")
        return names[value]
    if not (said := text(value)):
        raise AnnotationError(f"a name is needed, not {quoted(value)}")
    return said


def marked(folder: Folder, image: Image, rows: Sequence[AskedRow]) -> Marked:
    """The findings of an image's rows."""
    told = Marked(list(rows))
    order, units = declared("coco", folder.options)
    for row in rows:
        wrong: list[AnnotationError | BoxError] = [AnnotationError(reason) for reason in row.marks.wrong]
        for mark in row.marks.marks:
            try:
                label = mark.label or folder.options.default_label
                if not label:
                    raise AnnotationError("a box without a category; --default-label gives it one")
                if mark.numbers is None:
                    told.findings.append(Finding(label))
                else:
                    told.findings.append(boxed(label, in_pixels(mark.numbers, image, order, units), image))
            except (AnnotationError, BoxError) as error:
                wrong.append(error)
        told.rejected += [Rejected(row.file, row.row, str(error), misfit=misfit(error)) for error in wrong]
    told.complete = any(row.marks.complete for row in rows)
    denied = any(row.marks.complete and not row.marks.marks and not row.marks.wrong for row in rows)
    told.lost = bool(told.findings) and denied  # of two rows one says that there is nothing
    return told
