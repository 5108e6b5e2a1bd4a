"""The rows of a spreadsheet (Office Open XML, ECMA-376) without a library for them: its first sheet, as text.

What the archive announces is compared with its own size before anything is unpacked, and its XML is read by a parser
that expands no entities.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from unveil.core.records import RecordError

#: How many times its size a file may unpack to, and bytes that any may.
MOST_TIMES, ALLOWED = 200, 2**28
#: How many columns a table may have: cells before one that stands far to the right are made up.
MOST_COLUMNS = 1000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def rows(path: Path) -> list[list[str]]:
    """All rows of the first sheet, an empty text for an empty cell. Raises ``RecordError``."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > max(ALLOWED, MOST_TIMES * path.stat().st_size):
                raise RecordError(f"{path}: it would unpack to far more than a table holds")
            names = set(archive.namelist())
            shared = "xl/sharedStrings.xml"
            texts = [_text(one) for one in _tree(archive, shared)] if shared in names else []
            sheet = _tree(archive, _first(archive))
            return [_row(row, texts) for row in sheet.iter(f"{_MAIN}row")]
    except (zipfile.BadZipFile, ParseError, DefusedXmlException, KeyError, IndexError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: no spreadsheet that can be read ({error}); save it as TSV") from error


def _tree(archive: zipfile.ZipFile, name: str) -> Element:
    tree: Element = fromstring(archive.read(name))
    return tree


def _first(archive: zipfile.ZipFile) -> str:
    """The file of the first sheet."""
    sheet = next(_tree(archive, "xl/workbook.xml").iter(f"{_MAIN}sheet"))
    for relation in _tree(archive, "xl/_rels/workbook.xml.rels"):
        if relation.get("Id") == sheet.get(_RELATION):
            target = relation.get("Target", "")
            return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError("its first sheet")


def _text(element: Element) -> str:
    """The text of a cell or a shared string, without how it is to be pronounced."""
    parts = (part.text or "" for part in _runs(element))
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), "".join(parts))


def _runs(element: Element) -> Iterator[Element]:
    for child in element:
        if child.tag == f"{_MAIN}t":
            yield child
        elif child.tag in (f"{_MAIN}r", f"{_MAIN}is"):
            yield from _runs(child)


def _row(row: Element, shared: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        at = _column(cell.get("r", ""), len(cells))
        cells += [""] * (at - len(cells))
        cells.append(_value(cell, shared))
    return cells


def _column(reference: str, otherwise: int) -> int:
    """The column of a cell such as AB3, from 0."""
    letters = re.match("[A-Z]{1,3}", reference)
    if letters is None:
        return otherwise
    at = 0
    for letter in letters[0]:
        at = 26 * at + ord(letter) - ord("A") + 1
    if at > MOST_COLUMNS:
        raise ValueError(f"column {letters[0]}, where tables have {MOST_COLUMNS} at the most")
    return at - 1


def _value(cell: Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_MAIN}v") or ""
    if not value and (formula := cell.findtext(f"{_MAIN}f")):
        return f"={formula}"  # an answer that begins so, which the writer took for a formula
    return shared[int(value)] if cell.get("t") == "s" and value else value
