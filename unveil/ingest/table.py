"""CSV: a row per finding; what the columns hold is told by their names. The rows of an image are joined, of all tables.

A row with neither label nor box (or with a label such as "no finding") says that its image was looked at and has no
finding, if the table has a column for either. Patient, study, sex, age, modality and report belong to the image: rows
that disagree about them reject it. A row with a question and its answer adds them to the image, and says nothing about
findings unless it has a label or a box. An image whose rows stand in several splits becomes one record in each, so that
``check`` finds the leak instead of nobody. Of several readers the options say who counts; an image is free of findings
only if none of them marked any.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from unveil.core import pixels
from unveil.core.answers import yes_no
from unveil.core.geometry import BoxError
from unveil.core.records import Finding, Question, Record, Split
from unveil.core.report_sections import sections
from unveil.core.untrusted import listed, quoted
from unveil.ingest import cells, consensus
from unveil.ingest.asked import chosen, unlettered
from unveil.ingest.columns import Columns
from unveil.ingest.consensus import Mark
from unveil.ingest.conventions import declared, in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.joining import place
from unveil.ingest.labels import NO_BOX
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number
from unveil.ingest.sheet import Row, Sheet, head, sheets
from unveil.ingest.spilled import Spilled

LOOKED_FOR = "a table with a column for the image (see --columns)"

#: What belongs to the image, by the name of its field in a record.
OF_IMAGE = ("patient", "study", "sex", "age", "modality", "report")
#: What belongs to each of its findings.
OF_MARK = ("body_part", "side", "confidence")


def found(folder: Folder) -> list[Path]:
    """The tables that say something of images; a list of them, as of a split, says nothing."""
    return [path for path in folder.files(".csv", ".tsv") if _says_something(folder, path)]


def with_reports(folder: Folder) -> list[Path]:
    """The tables that hold reports on images, and nothing else of them."""
    columns = ((path, _columns(folder, path)) for path in folder.files(".csv", ".tsv"))
    return [path for path, of in columns if of and of.has("image") and of.reports]


def _says_something(folder: Folder, path: Path) -> bool:
    columns = _columns(folder, path)
    return columns is None or (columns.has("image") and columns.about)


def _columns(folder: Folder, path: Path) -> Columns | None:
    """What columns a table has; None where it has one for the image, and reading it tells what is wrong with others."""
    try:
        return Sheet(folder.relative(path), path, head(path), folder.options).columns
    except IngestError:
        return None


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a row names. Of the others nobody said that they were looked at."""
    images = _Images(sheets(folder))
    broken: set[Path] = set()
    for sheet in images.tables:
        folder.note(f"table was read as {sheet.columns}", sheet.file)
        for item in sheet.rows(folder, broken):
            if isinstance(item, Rejected):
                yield item
            else:
                images.add(*item)
    for path in broken:
        yield Incomplete(folder.relative(path))
    for other in folder.unlisted([*images.numbers, *broken]):
        folder.note("image that no row names, left out", other.file)
    _look_at_labels(folder, images)
    chosen = _readers(folder, images)
    if orphans := any(sheet.orphans for sheet in images.tables):
        folder.note("images without findings are no negatives, since a row with a finding names no image")
    for path, rows in images.rows():
        try:
            yield from _records(folder, path, rows, chosen, path in broken, orphans)
        except (AnnotationError, pixels.ImageError) as error:
            yield rows[0].rejected(f"image {quoted(folder.relative(path))}: {error}", len(rows))


class _Images:
    """The rows of each image, which need not stand together, on the disk, and what the labels of each table are."""

    def __init__(self, tables: Sequence[Sheet]) -> None:
        self.tables = tables
        self.numbers: dict[Path, int] = {}
        self.labels: dict[Sheet, set[str]] = {sheet: set() for sheet in tables}
        self._of_table = {sheet: str(n) for n, sheet in enumerate(tables)}
        self._roles = {sheet: [role for role in sheet.columns.at if role not in ("image", "box")] for sheet in tables}
        self._rows = Spilled()

    def add(self, path: Path, row: Row) -> None:
        owner = self.numbers.setdefault(path, len(self.numbers))
        said = map(row.cells.__getitem__, self._roles[row.sheet])
        # no text that is read holds a zero byte
        self._rows.put(owner, row.line, "\0".join([self._of_table[row.sheet], *said, *row.box]))
        self.labels[row.sheet].add(row.get("label"))

    def rows(self) -> Iterator[tuple[Path, list[Row]]]:
        """Each image with its rows, of which only what they say is kept."""
        for path, owner in self.numbers.items():
            yield path, [self._row(line, text.split("\0")) for line, text in self._rows.of(owner)]

    def _row(self, line: int, kept: list[str]) -> Row:
        sheet = self.tables[int(kept[0])]
        roles = self._roles[sheet]
        said = {role: text for role, text in zip(roles, kept[1:], strict=False) if text}
        return Row(sheet, line, said, kept[1 + len(roles) :])


def _look_at_labels(folder: Folder, images: _Images) -> None:
    """Tells each table's labels in one cell apart, from all of its cells, and what is odd about them."""
    for sheet, texts in images.labels.items():
        sheet.separator, remark = cells.separator(texts, folder.options)
        labels = {label for text in texts for label in cells.labels(text, sheet.separator)}
        try:
            for text in filter(None, (remark, cells.remarks(labels, folder.options))):
                folder.note(text, sheet.file)
        except IngestError as error:
            raise IngestError(f"{sheet.file}: {error}") from error


def _readers(folder: Folder, images: _Images) -> str:
    """What is done with several readers: a rule, or the name of the only one who counts."""
    named: set[str] = set()
    several = 0
    for _, rows in images.rows() if any(sheet.columns.has("reader") for sheet in images.tables) else ():
        readers = {row.get("reader") for row in rows} - {""}
        named |= readers
        several += len(readers) > 1
    names, rules, said = sorted(named), [consensus.KEEP, *consensus.RULES], folder.options.readers
    if said is None and several:
        raise IngestError(
            f"{several} of {len(images.numbers)} images were marked by several readers ({listed(names, 60)}), "
            f"so one lesion may stand there several times: say --readers {' or '.join(rules)}, or the name of one"
        )
    if said and not names:
        raise IngestError(f"--readers {said} needs a column for the reader: --columns reader=COLUMN")
    return consensus.rule_of(said, names)


def _by_split(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of an image by the split of each; those without one belong to every split that there is."""
    told = [_split(row) for row in rows]
    if not any(told):  # as in most tables
        return {"": list(rows)}
    splits: dict[str, list[Row]] = {split: [] for split in told if split}
    for row, own in zip(rows, told, strict=True):
        for split in [own] if own else splits:
            splits[split].append(row)
    return splits


def _split(row: Row) -> str:
    """The split in a row's cell, else the one that its table is called as."""
    if text := row.cells.get("split"):
        return SPLIT_NAMES.get(text.lower(), text.lower())
    turn, split = row.sheet.list_name or (0, "")
    return split if turn < 3 else ""  # train and val together: others tell which


def _records(
    folder: Folder, path: Path, rows: Sequence[Row], chosen: str, broken: bool, orphans: bool
) -> Iterator[Record | Rejected]:
    """The record of an image, or one for each split that its rows are in, and what of its rows is rejected.

    What any row says of the image counts for all splits: a finding in one denies that there is none in another.
    """
    told = {role for row in rows for role in row.cells}
    known: dict[str, Any] = {name: _agreed(name, rows) for name in OF_IMAGE if name in told}
    known |= {"sections": _sections(known.get("report"), rows), "language": _language(rows)}
    by_split = _by_split(rows) if folder.options.splits == "published" else {"": rows}
    published = {split: _published(folder, path, some[0], split) for split, some in by_split.items()}
    image = folder.open(path, _stated_size(rows) if "width" in told else None, rows[0].sheet.file)
    bad = _questions(rows)[1] if "question" in told else []
    about = [row for row in rows if row.sheet.columns.has("label", "box")]
    if "question" in told:
        about = [row for row in about if not _only_asks(row)]
    said: list[tuple[Row, Mark]] = []
    nothing: list[Row] = []
    for row in about:
        marks, wrong = _marks(folder, row, image)
        said += [(row, mark) for mark in marks]
        bad += wrong
        if not marks and not wrong:
            nothing.append(row)
    denied = {mark.reader for _, mark in said}
    denial = "says that there is no finding, which other rows of the image deny"
    bad += [row.rejected(denial) for row in nothing if row.get("reader") in denied]
    yield from bad
    for split, some in by_split.items():
        lines = set(map(id, some))
        readers = {row.get("reader") for row in about if id(row) in lines}
        if not consensus.has_read(chosen, readers):
            folder.note(f"image left out, since {quoted(chosen)} has not read it", folder.relative(path))
            continue
        here = [(row, mark) for row, mark in said if id(row) in lines]
        findings, dropped = consensus.counted(_placed(here), readers, chosen)
        elsewhere = len(here) < len(said) and _places(said) - _places(here)
        lost = bool(bad or elsewhere) or broken or dropped or (orphans and not findings)
        # Without any finding an image is only here because a row says so, which is a statement about all of it.
        free = not said and not lost and any(id(row) in lines for row in nothing)
        completeness = "exhaustive" if free else None
        asked = (tuple(_questions(some)[0]) or None) if "question" in told else None
        looked = tuple(sorted(readers - {""}))
        own = {"split": published[split], "questions": asked, "completeness": completeness, "readers": looked}
        record = folder.record(image, findings, "unknown", lost, **known, **own)
        yield replace(record, id=f"{record.id}@{split}") if len(by_split) > 1 and split else record


def _places(said: Sequence[tuple[Row, Mark]]) -> set[Hashable]:
    return {place(mark.finding) for _, mark in said}


def _marks(folder: Folder, row: Row, image: Image) -> tuple[list[Mark], list[Rejected]]:
    """What a row marks, and what of it cannot be used; neither, if it says that there is nothing."""
    options = folder.options
    labels = [row.sheet.names.get(label, label) for label in cells.labels(row.get("label"), row.sheet.separator)]
    boxes = cells.boxes(row.box)
    none = [label for label in labels if cells.negative(label, options)]
    reader = row.get("reader")
    try:
        if unread := next((label for label in labels if label[0] in "[{"), None):
            raise AnnotationError(f"a list of labels that is not understood: {quoted(unread)}")
        if none and len(none) < len(labels):
            raise AnnotationError(f"says {quoted(none[0])} and names a finding")
        if none and not all(_is_no_box(row, numbers) for numbers in boxes):
            raise AnnotationError(f"says {quoted(none[0])} and has a box")
        if none or not (labels or boxes or row.get("phrase")):
            return [], []
        labels = labels or [options.default_label] if options.default_label else labels
        if not labels:
            what = "box" if boxes else "phrase"
            raise AnnotationError(f"a {what} without a label; --default-label gives it one")
        pairs = cells.paired(labels, boxes)
        confidence = _confidence(row)
    except AnnotationError as error:
        return [], [row.rejected(error)]
    words: dict[str, str] = {name: row.cells[name] for name in OF_MARK if name in row.cells}
    good, bad = [], []
    for label, numbers in pairs:
        try:
            finding = _finding(label, numbers, row, folder, image, words)
            phrased = replace(finding, phrase=phrase) if (phrase := row.get("phrase")) else finding
            good.append(Mark(reader, phrased, confidence))
        except (AnnotationError, BoxError) as error:
            bad.append(row.rejected(error))
    return good, bad


def _finding(
    label: str, numbers: Sequence[str], row: Row, folder: Folder, image: Image, words: dict[str, str]
) -> Finding:
    if not numbers:
        return Finding(label, attributes=words)
    if len(numbers) != 4:
        raise AnnotationError(f"a box needs four numbers, not {len(numbers)}: {quoted(' '.join(numbers))}")
    values = [number(cells.decimal(text, row.sheet.delimiter), "the box") for text in numbers]
    order, units = declared("csv", folder.options, row.sheet.columns.order or cells.order(row.box))
    return boxed(label, in_pixels(values, image, order, units), image, **words)


def _is_no_box(row: Row, numbers: Sequence[str]) -> bool:
    """Whether a box that stands beside "no finding" only fills the columns."""
    try:
        return tuple(float(cells.decimal(text, row.sheet.delimiter)) for text in numbers) in NO_BOX
    except ValueError:
        return False


def _confidence(row: Row) -> float:
    """The weight of a mark; 1 where none is given."""
    value = (
        number(cells.decimal(row.get("confidence"), row.sheet.delimiter), "the confidence")
        if row.get("confidence")
        else 1.0
    )
    if value <= 0:
        raise AnnotationError(f"the confidence {value:g} is not above 0")
    return value


def _placed(said: Sequence[tuple[Row, Mark]]) -> list[Mark]:
    """The marks without bare names for which another table gives places: that is one finding in two tables."""
    placed = {(mark.finding.label, row.sheet.file) for row, mark in said if mark.finding.box}
    return [
        mark
        for row, mark in said
        if mark.finding.box or not any(label == mark.finding.label and file != row.sheet.file for label, file in placed)
    ]


def _only_asks(row: Row) -> bool:
    return bool(row.get("question")) and not cells.labels(row.get("label"), "") and not cells.boxes(row.box)


def _questions(rows: Sequence[Row]) -> tuple[list[Question], list[Rejected]]:
    """The questions of an image's rows; one without an answer, or whose answer is none of its choices, is rejected."""
    good, bad = [], []
    for row in rows:
        question, answer = row.get("question"), row.get("answer")
        if question and answer:
            try:
                good.append(_question(question, answer, row))
            except AnnotationError as error:
                bad.append(row.rejected(error))
        elif question:
            bad.append(row.rejected("a question without an answer"))
    return good, bad


def _question(question: str, answer: str, row: Row) -> Question:
    if choices := unlettered(cells.choices(row.get("choices"))):
        answer = chosen(answer, choices)
    said = row.get("answer_type") or ("closed" if choices or yes_no(answer) is not None else "")
    kind: Literal["closed", "open"] = "closed" if said.lower() == "closed" else "open"
    return Question(question, answer, kind, choices=choices, language=row.get("language").lower() or None)


def _agreed(name: str, rows: Sequence[Row]) -> str | None:
    """What the rows say of their image; they may leave it out."""
    said = {row.get(name) for row in rows} - {""}
    # beside empty cells, table programs write 7 as 7.0
    values = sorted({re.sub(r"^(\d+)\.0$", r"\1", text) for text in said})
    if len(values) > 1:
        raise AnnotationError(f"rows disagree on its {name}: {listed(values)}")
    return values[0] if values else None


def _sections(report: str | None, rows: Sequence[Row]) -> dict[str, str]:
    """The report by section: what has a column of its own, else what stands under a heading of the report."""
    own = {"findings": _agreed("report_findings", rows), "impression": _agreed("impression", rows)}
    return sections(report or "") | {name: text for name, text in own.items() if text}


def _language(rows: Sequence[Row]) -> str | None:
    """The language of all rows that say one; None where they differ, as questions may."""
    said = {row.get("language").lower() for row in rows} - {""}
    return said.pop() if len(said) == 1 else None


def _stated_size(rows: Sequence[Row]) -> tuple[float, float] | None:
    """The image's width and height by the rows; None where they do not say, or 0, or repeat what the corners say."""
    if all(map(_says_extent, rows)):
        return None
    width, height = (_agreed(name, rows) for name in ("width", "height"))
    size = number(width or 0, "the width"), number(height or 0, "the height")
    return size if all(size) else None


def _says_extent(row: Row) -> bool:
    """Whether width and height are those of the row's own box, as far as whole pixels tell."""
    try:
        said = [float(cells.decimal(t, row.sheet.delimiter)) for t in (*row.box, row.get("width"), row.get("height"))]
        x1, y1, x2, y2, width, height = said
    except ValueError:  # no box, no size, or no numbers, which is told elsewhere
        return False
    return row.sheet.columns.order == "xyxy" and abs(x2 - x1 - width) <= 1 and abs(y2 - y1 - height) <= 1


def _published(folder: Folder, path: Path, row: Row, text: str) -> Split | None:
    """The split of the rows, else by lists or the folders of table and image, else by the table's name."""
    if folder.options.splits == "none":
        return None
    if text:
        if text not in SPLIT_NAMES:
            raise AnnotationError(f"split {quoted(text)} is none of {', '.join(SPLIT_NAMES)}")
        return SPLIT_NAMES[text]
    by_name = row.sheet.list_name
    return folder.split(path, row.sheet.path.parent) or (by_name[1] if by_name else None)
