"""How boxes are found in a text: the patterns of JSON, of numbers in brackets or by name, and of tokens.

They also find what cannot be a box, so that it is counted (``box_formats.BoxFormat``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from unveil.core.late_patterns import late


def integers(form: str, grid: int | None = None) -> Callable[[Sequence[float]], str]:
    def write(numbers: Sequence[float]) -> str:
        return form.format(*(round(v) if grid is None else min(int(v), grid - 1) for v in numbers))

    return write


def thousandths(numbers: Sequence[float]) -> str:
    return "[{:.3f}, {:.3f}, {:.3f}, {:.3f}]".format(*numbers)


# Possessive quantifiers (++, ?+) keep the search linear in whatever a model writes.
NUMBER = re.compile(r"[-+]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:e[-+]?\d++)?%?|nan|inf(?:inity)?)|null|none", re.I)
_N = rf"[\"']?+(?:{NUMBER.pattern})[\"']?+"
_NEXT = rf"(?:\s*+,\s*+|\s++){_N}"
# Three numbers or more, since two are a point; a list that the end of the answer cuts is one that was to be.
_SQUARE = rf"\[\s*+{_N}(?:(?>(?:{_NEXT}){{2,}})\s*+,?\s*+[\])]|(?=\s*+,|\s++[-+.\d])(?>(?:{_NEXT})*)\s*+,?\s*+-?\Z)"
# Round brackets hold much else: four numbers, or three at the end of the answer.
_ROUND = rf"\(\s*+{_N}(?:(?:{_NEXT}){{3}}\s*+,?\s*+\)|(?:{_NEXT}){{2,3}}\s*+,?\s*+-?\Z)"
LIST = rf"(?:{_SQUARE}|{_ROUND})"
CLOSED = {"[": "]", "(": ")"}
_POINT = rf"\(\s*+{_N}\s*+,\s*+{_N}\s*+\)"
CORNERS = rf"{_POINT}\s*+,\s*+{_POINT}"
# Two points are no list: whose corners they are, and in what range, is another box format's.
_POINTS = rf"{CORNERS}|\[\s*+\[\s*+{_N}{_NEXT}\s*+\]\s*+,\s*+\[\s*+{_N}{_NEXT}\s*+\]\s*+\]"
# Corners by name, four or what is there of them; position and size are none, but were to be a box.
NAMED = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
)
_END = r"[xy]_?(?:[0-2]|min|max)"
_ANY = rf"(?:{_END}|c?[xy]|[xy]_?cent(?:er|re)|w|h|width|height|left|top|right|bottom)"
_IS = rf"[\"']?+\s*+[:=]\s*+[\"']?+(?:{NUMBER.pattern})[\"']?+"
_BY_NAME = (
    rf"(?<!\w)[\"']?+(?:{_END}{_IS}(?>(?:\s*+,\s*+[\"']?+{_END}{_IS})*)"
    rf"|{_ANY}{_IS}(?:\s*+,\s*+[\"']?+{_ANY}{_IS}){{3}})"
)
SIDE = late(rf"({_ANY})[\"']?+\s*+[:=]\s*+[\"']?+({NUMBER.pattern})")
_BOX = rf"(?:{LIST}|{_BY_NAME})"
KEY = re.compile(r"[\"'](\w+)[\"']\s*+:\Z")
LISTS = re.compile(r"[^{}:]*+\{?\s*+")


def json_object(key: str) -> dict[str, Any]:
    """JSON of its own, or the numbers alone, wherever they stand: fenced, in a larger object, or in prose.

    What stands under a box's key and is none ("null", two points) is one that was to be.
    """
    inside = r"(?:\s*+[\"'\[{]){0,2}?\s*+"
    other = rf"[\"'](?:bbox|bbox_2d|box_2d|box|bounding_box|top_?left)[\"']\s*+:(?!{inside}{_BOX})[^\"'{{}}]{{0,200}}+"
    return {
        "write": integers(f'{{{{"{key}": [{{}}, {{}}, {{}}, {{}}]}}}}'),
        "pattern": late(rf'\{{\s*+(?:"{key}"\s*+:\s*+{LIST}|{_BY_NAME})\s*+\}}|{_BOX}|{other}|{_POINTS}'),
        "part": late(_BOX),
    }


def numbers_alone() -> dict[str, Any]:
    """Four numbers in brackets or by name."""
    return {"pattern": late(rf"{_BOX}|{_POINTS}"), "part": late(_BOX)}


def tokens(token: str) -> dict[str, Any]:
    """One token for each coordinate, four for a box."""
    return {
        "pattern": late(rf"{token}(?>(?:\s*+{token})*)"),
        "part": late(rf"{token}(?>(?:\s*+{token}){{0,3}})"),
    }
