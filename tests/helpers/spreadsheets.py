"""A small spreadsheet, written by hand: shared texts in its first column of texts, inline ones in the others."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OF = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def spreadsheet(rows: Sequence[Sequence[object]]) -> bytes:
    """The bytes of a workbook with one sheet; an empty cell is left out."""
    shared: list[str] = []
    lines = []
    for r, row in enumerate(rows, 1):
        cells = []
        for c, value in enumerate(row):
            at = f'r="{_letters(c + 1)}{r}"'
            if isinstance(value, int):
                cells.append(f"<c {at}><v>{value}</v></c>")
            elif value is not None and c % 2:
                shared.append(str(value))
                cells.append(f'<c {at} t="s"><v>{len(shared) - 1}</v></c>')
            elif value is not None:
                cells.append(f'<c {at} t="inlineStr"><is><t>{escape(str(value))}</t></is></c>')
        lines.append(f'<row r="{r}">{"".join(cells)}</row>')
    texts = "".join(f"<si><r><t>{escape(text)}</t></r></si>" for text in shared)
    sheet = f'<sheet name="Sheet1" sheetId="1" r:id="rId1" xmlns:r="{OF}"/>'
    target = f'<Relationship Id="rId1" Type="{OF}/worksheet" Target="worksheets/sheet1.xml"/>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}"><sheets>{sheet}</sheets></workbook>')
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{RELATIONS}">{target}</Relationships>')
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{texts}</sst>')
        data = f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
        archive.writestr("xl/worksheets/sheet1.xml", data)
    return out.getvalue()


def _letters(column: int) -> str:
    """What the column of that number, from 1, is called."""
    before, last = divmod(column - 1, 26)
    return (_letters(before) if before else "") + chr(ord("A") + last)
