"""What stands in a cell of a table (nothing, one or several labels, one or several boxes), and between the cells.

Exports write "nothing" in many words, and lists in brackets, as Python and JSON print them, or with a sign between.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache

from unveil.core.untrusted import listed, quoted
from unveil.ingest.columns import key, named_box
from unveil.ingest.conventions import Order
from unveil.ingest.reading import AnnotationError, IngestError, Options

#: Cells that hold no value, in any case of letters.
BLANK = frozenset({"", "none", "nan", "null", "nil", "na", "n/a", "#n/a", "<na>", "-", "--"})
LONGEST_BLANK = max(map(len, BLANK))

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}

#: What a list may begin with.
BRACKETS = ("[", "(", "{")

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
#: A list of text as Python, NumPy and JSON print it, or without quotation marks.
_LIST_OF_TEXT = re.compile(rf"[\[({{]\s*(?:(?:{_QUOTED})(?:\s*,\s*|\s+|(?=\s*[\])}}])))*[\])}}]")
#: A number with its name, as in {'x': 10, 'y': 20, 'width': 30, 'height': 40}.
_NAMED_NUMBER = re.compile(r"""['"]?(\w+)['"]?\s*[:=]\s*['"]?([^\s'",;{}\[\]]+)""")
_PLAIN_LIST = re.compile(r"\[([^\[\]{}'\"]*)\]")


def value(text: str) -> str:
    """The text of a cell, "" where it says in some word that there is none."""
    text = text.strip()
    return "" if len(text) <= LONGEST_BLANK and text.lower() in BLANK else text


def negative(label: str, options: Options) -> bool:
    """Whether a label says that there is nothing to find."""
    return _negative(label, options.negative_labels)


@lru_cache(2**12)
def _negative(label: str, negative_labels: tuple[str, ...]) -> bool:
    return key(label) in _keys(negative_labels)


@cache
def _keys(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(key, names))


def named(options: Options) -> dict[str, str]:
    """What labels stand for, by the user's word."""
    pairs = [text.partition("=") for text in options.label_names]
    if wrong := [code + equals for code, equals, name in pairs if not (code.strip() and name.strip())]:
        raise IngestError(f"label names: {quoted(wrong[0])} is no CODE=NAME, such as 1=pneumonia")
    codes = [code.strip() for code, _, _ in pairs]
    if twice := next((code for code in codes if codes.count(code) > 1), None):
        raise IngestError(f"label names: {quoted(twice)} is named twice")
    return {code.strip(): name.strip() for code, _, name in pairs}


def remarks(labels: Collection[str], options: Options) -> str | None:
    """What to say of a table's labels, if anything; raises ``IngestError`` where those without a name are numbers."""
    findings = sorted(label for label in labels if label not in named(options) and not negative(label, options))
    numbers = [label for label in findings if re.fullmatch(r"[+-]?\d+([.,]\d+)?", label)]
    if numbers and len(numbers) == len(findings):
        raise IngestError(
            f"the labels are numbers ({listed(numbers)}), which name nothing: choose the column of their names "
            f"(--columns label=COLUMN) or name them (--label-names {numbers[0]}=NAME)"
        )
    if boxes := [label for label in sorted(labels) if re.search(r"(\s-?\d+(\.\d+)?){4}", label)]:
        raise IngestError(
            f"labels such as {quoted(boxes[0])} hold the numbers of boxes: choose another column "
            "(--columns label=COLUMN), or none (--columns label= --default-label NAME)"
        )
    denials = [label for label in findings if re.match(r"(no|not|without|absence of)[\s_-]", label, re.IGNORECASE)]
    if denials:
        return f"labels such as {listed(denials)} are taken as findings; if they deny one, --negative-labels"
    return None


def delimiter(lines: Sequence[str], options: Options) -> str:
    """What stands between the fields of a table's first lines: what the user says, else the sign that cuts most of them
    into as many fields as the header, and of several such the one that cuts it into most."""
    if options.delimiter is not None:
        sign = DELIMITERS.get(options.delimiter.strip().lower(), options.delimiter)
        if len(sign) != 1 or sign in '"\r\n':
            raise IngestError(f"delimiter {options.delimiter!r} is neither one character nor {', '.join(DELIMITERS)}")
        return sign

    plain = [re.sub(r"\[[^][]*\]", "", line[:2000]) for line in lines]  # what stands in brackets is one cell

    def evenness(sign: str) -> tuple[bool, float, int]:
        widths = [len(row) for row in csv.reader(plain, delimiter=sign, skipinitialspace=True) if any(row)]
        first = widths[0] if widths else 0
        return first > 1, sum(width == first for width in widths) / max(1, len(widths)), first

    return max([",", ";", "\t", "|"], key=evenness)


def labels(text: str, separator: str) -> list[str]:
    """The labels of a cell: the items of a list in brackets, else what stands between the separators (if any)."""
    return list(_labels(text, separator))


@lru_cache(2**12)  # of a million rows, few have cells of their own
def _labels(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part for part in map(value, _items(text, separator)) if part)


def choices(text: str) -> tuple[str, ...]:
    """The options of a cell, likewise, with | between them: "none" may be one."""
    return tuple(part.strip() for part in _items(text, "|") if part.strip())


def _items(text: str, separator: str) -> list[str]:
    text = text.strip()
    if _LIST_OF_TEXT.fullmatch(text):
        return [re.sub(r"\\(.)", r"\1", part[1:-1]) for part in re.findall(_QUOTED, text)]
    if plain := _PLAIN_LIST.fullmatch(text):
        return plain[1].split(",")
    return text.split(separator) if separator else [text]


def separator(cells: Collection[str], options: Options) -> tuple[str, str | None]:
    """What stands between labels in the cells of a column, and a remark where that is not plain.

    A | is taken for it, since no name holds one. A name may hold a semicolon or a comma, so these are taken only where
    each part of each such cell is also a label by itself somewhere else in the column.
    """
    if options.label_separator is not None:
        return options.label_separator, None
    kinds = Counter(cell.strip() for cell in cells)
    for sign in "|;,":
        several = [
            [part.strip() for part in cell.split(sign)]
            for cell in kinds
            if sign in cell and not cell.startswith(BRACKETS)
        ]
        if not several:
            continue
        alone = {cell for cell in kinds if sign not in cell}
        shown = listed(repr(sign.join(parts)) for parts in several[:2])
        if sign == "|" or all(part in alone for parts in several for part in parts if part):
            return sign, f"labels such as {shown} are taken as lists, with {sign} between"
        return "", f"labels such as {shown} are taken as one label each; lists? --label-separator '{sign}'"
    return "", None


def boxes(cells: Sequence[str]) -> list[list[str]]:
    """The numbers of each box as text: of four cells with a number each, or of one cell with one box or several, each
    in brackets of its own or with ; or | between. Empty where there is no box. Numbers with names stand in the
    ``order`` of these."""
    cells = [value(cell) for cell in cells]
    if not any(cells):
        return []
    if len(cells) > 1:
        return [list(cells)]
    text = cells[0]
    inner = re.findall(r"\[([^\[\]{}]*)\]|\(([^()]*)\)|\{([^{}]*)\}", text)
    groups = ["".join(group) for group in inner] if len(inner) > 1 else re.split(r"[;|]", text)
    found = [_numbers(group) for group in groups]
    if sum(map(len, found)) < len(_numbers(text)) or [*map(len, found)] == [1] * 4:
        found = [_numbers(text)]  # something stands between the brackets, or each number of a box by itself
    return [numbers for numbers in found if any(map(value, numbers))]


def order(cells: Sequence[str]) -> Order | None:
    """The order of the numbers of a box in one cell, where their names stand beside them."""
    found = named_box(dict(_NAMED_NUMBER.findall(cells[0]))) if len(cells) == 1 else None
    return found and found[1]


def _numbers(text: str) -> list[str]:
    if named := named_box(dict(_NAMED_NUMBER.findall(text))):
        return named[0]
    return re.findall(r"[^\s,;|\[\]()]+", text)


def paired(labels: Sequence[str], boxes: Sequence[list[str]]) -> Iterable[tuple[str, list[str]]]:
    """Each label with its box: as many of the one as of the other, or one that holds for all of the other."""
    if not boxes:
        return [(label, []) for label in labels]
    if len(labels) == len(boxes):
        return list(zip(labels, boxes, strict=True))
    if len(labels) == 1 or len(boxes) == 1:
        return [(label, box) for label in labels for box in boxes]
    raise AnnotationError(f"{len(labels)} labels and {len(boxes)} boxes: which belong together?")


def decimal(text: str, delimiter: str) -> str:
    """A number as Python writes it. A comma in it is decimal, unless commas stand between the fields: then it may as
    well be one of thousands."""
    if "," not in text or delimiter == ",":
        return text
    return re.sub(r"^(-?\d*),(\d+)$", r"\1.\2", text.strip())
