"""A small table as lines of text that fit a width: as it is, else with words and intervals broken into lines, else each
row as a list. Nothing is cut: a figure that is half there says something else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

Row = Sequence[str]

GAP = "  "
#: Widths at which words are broken, the widest first.
WORDS = (28, 22, 18)
_FIGURE = re.compile(r"[-+−–]?\d|[-+−–]?$")


def lines(columns: Row, rows: Sequence[Row], width: int) -> list[str]:
    """The lines of a table, none of them wider than ``width`` unless a single word or figure is.

    The first column and those that mostly hold words stand on the left, figures on the right. A cell or a title may
    have several lines.
    """
    words = [i == 0 or _of_words([row[i] for row in rows]) for i in range(len(columns))]
    for most in (None, *WORDS):
        head, *body = ([_broken(cell, words[i], most) for i, cell in enumerate(row)] for row in (columns, *rows))
        if most:
            head = [_title(title, [row[i] for row in body]) for i, title in enumerate(head)]
        found = list(_grid(head, body, words))
        if max(map(cell_len, found), default=0) <= width:
            return found
    return list(_listed(columns, rows))


def _of_words(cells: Row) -> bool:
    told = [cell for cell in cells if cell]
    return sum(bool(_FIGURE.match(cell)) for cell in told) * 2 < len(told)


def _broken(cell: str, words: bool, most: int | None) -> str:
    """Words in lines of ``most`` characters, an interval below its value; as it is where ``most`` is None."""
    if most is None:
        return cell
    if words:
        return "\n".join(part for line in cell.split("\n") for part in textwrap.wrap(line, most) or [""])
    return cell.replace(" [", "\n[").replace(" (", "\n(")


def _title(title: str, cells: Row) -> str:
    """A title in lines as wide as what is below it, or as its longest word."""
    widest = max([_wide(cell) for cell in cells] + [cell_len(word) for word in title.split()], default=1)
    return "\n".join(part for line in title.split("\n") for part in textwrap.wrap(line, max(1, widest)) or [""])


def _wide(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _grid(head: Row, body: Sequence[Row], words: Sequence[bool]) -> Iterator[str]:
    wide = [max(map(_wide, column)) for column in zip(head, *body, strict=True)]
    yield from _row(head, wide, words, bottom=True)
    yield "─" * (sum(wide) + len(GAP) * (len(wide) - 1))
    for row in body:
        yield from _row(row, wide, words)


def _row(row: Row, wide: Sequence[int], words: Sequence[bool], bottom: bool = False) -> Iterator[str]:
    """The lines of a row: cells begin together, or (``bottom``) end together."""
    cells = [cell.split("\n") for cell in row]
    tall = max(map(len, cells))
    cells = [[""] * (tall - len(cell)) + cell if bottom else cell + [""] * (tall - len(cell)) for cell in cells]
    for parts in zip(*cells, strict=True):
        yield GAP.join(map(_placed, parts, wide, words)).rstrip()


def _placed(part: str, wide: int, words: bool) -> str:
    room = " " * (wide - cell_len(part))
    return part + room if words else room + part


def _listed(columns: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Each row as a list of titles and cells below its name."""
    titles = [" ".join(title.split("\n")) for title in columns]
    room = max(map(cell_len, titles), default=0)
    for name, *cells in rows:
        yield " ".join(name.split("\n"))
        for title, cell in zip(titles[1:], cells, strict=True):
            if cell:
                yield f"  {title}{' ' * (room - cell_len(title))}  {' '.join(cell.split())}"
