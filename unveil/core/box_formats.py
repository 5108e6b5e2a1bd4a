"""How models write boxes, and which picture their numbers refer to.

Texts between the stages hold boxes in a neutral markup, ``<box 10.0 20.0 30.0 40.0>``: absolute pixels of the record's
image. Only at the model's door is it turned into the model's own box format, which is declared with the model and never
guessed: a pixel box read as 0-1000 is a wrong box. ``View`` knows which picture the model's numbers refer to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unveil.core.box_patterns import (
    CLOSED,
    CORNERS,
    KEY,
    LIST,
    LISTS,
    NAMED,
    NUMBER,
    SIDE,
    integers,
    json_object,
    numbers_alone,
    thousandths,
    tokens,
)
from unveil.core.geometry import Box, area, clip, scale, shift
from unveil.core.late_patterns import late
from unveil.core.plugins import PluginError, short
from unveil.core.registry import Registry, files, load


@dataclass(frozen=True, eq=False)
class BoxFormat:
    """How one model family writes a box. ``write`` and ``pattern`` are inverse to each other up to rounding.

    ``pattern`` finds where a model writes one box or several, ``part`` the numbers of each of them. Both also find what
    cannot be a box (three numbers, a cut answer), so that it is counted. ``grid`` is the number range of a coordinate,
    or None for absolute pixels of the frame; ``order`` maps the written numbers to x1, y1, x2, y2; ``square`` tells
    that the picture is padded to a square, centred, before it is seen.
    """

    name: str
    write: Callable[[Sequence[float]], str]
    pattern: re.Pattern[str]
    part: re.Pattern[str]
    grid: float | None
    order: tuple[int, int, int, int] = (0, 1, 2, 3)
    square: bool = False
    token_bins: bool = False
    foreign_key: str | None = None
    """The JSON key under which other models write their boxes in another order: what stands there is malformed."""

    @property
    def step(self) -> float:
        """The smallest difference between two numbers that it can write."""
        return 0.001 if self.grid == 1 else 1.0

    def __reduce__(self) -> tuple[Any, tuple[str, list[Path]]]:
        """Travels between processes by its name, and by the plugins that may declare it if it is none of ours."""
        return _named, (self.name, [] if self.name in _ROWS else files())


def _named(name: str, plugins: list[Path]) -> BoxFormat:
    load(plugins)
    return BOX_FORMATS[name]


class Written(NamedTuple):
    """What stands in a text for a box: from where to where, and its four numbers; None if it cannot be one."""

    start: int
    end: int
    numbers: tuple[float, float, float, float] | None


def written(text: str, box_format: BoxFormat, end: int | None = None) -> list[list[Written]]:
    """The boxes of a text, as the model wrote them: those that it wrote in one place (one pair of tags) together."""
    places = box_format.pattern.finditer(text, 0, len(text) if end is None else end)
    return [_in_place(text, place.span(), box_format) for place in places]


def _in_place(text: str, place: tuple[int, int], box_format: BoxFormat) -> list[Written]:
    """The first box begins, and the last one ends, where their common brackets or tags do."""
    parts = list(box_format.part.finditer(text, *place))
    if len(parts) == 1:
        return [Written(*place, _numbers(text, parts[0], box_format))]
    starts = [place[0], *(part.start() for part in parts[1:])]
    ends = [*(part.end() for part in parts[:-1]), place[1]]
    numbers = [_numbers(text, part, box_format) for part in parts] or [None]
    return [Written(*one) for one in zip(starts, ends, numbers, strict=True)]


def _numbers(text: str, part: re.Match[str], box_format: BoxFormat) -> tuple[float, float, float, float] | None:
    """Four numbers; None if there are not four, if the answer was cut within them, or if their order is not known."""
    own = part[0]
    if named := SIDE.findall(own) if ":" in own or "=" in own else []:
        said = _corners(named) if box_format.order == (0, 1, 2, 3) else []
    else:
        said = NUMBER.findall(own)
    if len(said) != 4 or CLOSED.get(own[0], own[-1]) != own[-1]:
        return None
    if (key := box_format.foreign_key) and key in text.lower() and _key(text, part.start()) == key:
        return None
    grid = box_format.grid
    return _value(said[0], grid), _value(said[1], grid), _value(said[2], grid), _value(said[3], grid)


def _corners(named: Sequence[tuple[str, str]]) -> list[str]:
    """The numbers of two corners that are given by name, in any order; none where they name something else."""
    found = {name.lower().replace("_", ""): number for name, number in named}
    inside = [names for names in NAMED if found.keys() == set(names)]
    return [found[name] for name in inside[0]] if inside and len(named) == 4 else []


def _key(text: str, at: int) -> str | None:
    """The JSON key under which a list stands, which may hold others before it; None if there is none."""
    colon = text.rfind(":", max(0, at - 1000), at)
    key = KEY.search(text, max(0, colon - 40), colon + 1)
    return key[1].lower() if key and LISTS.fullmatch(text, colon + 1, at) else None


def _value(number: str, grid: float | None) -> float:
    """A share of 1 may be written in per cent; what is no number ("null") is NaN."""
    if number.isdecimal():  # as most are
        return float(number)
    if number.endswith("%"):
        return float(number[:-1]) / 100 if grid == 1 else math.nan
    return math.nan if number.lower() in ("null", "none") else float(number)


@dataclass(frozen=True)
class View:
    """The picture that a model's numbers refer to.

    ``size`` is the image's width and height; ``frame`` those of the picture after the processor's resizing (they matter
    for box formats in absolute pixels only).
    """

    box_format: BoxFormat
    size: tuple[int, int]
    frame: tuple[int, int]

    @property
    def canvas(self) -> tuple[int, int]:
        """The image's size after padding, before resizing."""
        return (max(self.size),) * 2 if self.box_format.square else self.size

    @property
    def offset(self) -> tuple[float, float]:
        return (self.canvas[0] - self.size[0]) // 2, (self.canvas[1] - self.size[1]) // 2

    @property
    def _range(self) -> tuple[float, float]:
        grid = self.box_format.grid
        return self.frame if grid is None else (grid, grid)

    def write(self, box: Box) -> str:
        """A box of the image (absolute pixels) as the model writes it; a tiny one grows to what can be written."""
        step, (width, height) = self.box_format.step, self._range
        x1, y1, x2, y2 = (v / step for v in scale(shift(box, *self.offset), self.canvas, self._range))
        (x1, x2), (y1, y2) = self._ends(x1, x2, round(width / step)), self._ends(y1, y2, round(height / step))
        return self.box_format.write([(x1, y1, x2, y2)[i] * step for i in self.box_format.order])

    def _ends(self, low: float, high: float, steps: int) -> tuple[int, int]:
        """The two ends of a side in whole steps: the nearest ones, or outwards where these would be one number."""
        bins = self.box_format.token_bins
        first, last = (math.floor(low), math.floor(high)) if bins else (round(low), round(high))
        if first >= last:
            half = 0.5 if bins else 0.0  # a bin stands for its middle
            first, last = math.floor(low - half), math.ceil(high - half)
        top = steps - 1 if bins else steps
        first = max(0, min(first, top - 1))
        return first, max(first + 1, min(last, top))

    def read(self, text: str) -> tuple[list[Box], int]:
        """All boxes of a text, in absolute pixels of the image, in order, and the number of malformed ones.

        Malformed: inverted, without area inside the image, or with a number outside the box format's range.
        """
        found = self.read_all(text)
        boxes = [box for box in found if box is not None]
        return boxes, len(found) - len(boxes)

    def read_all(self, text: str) -> list[Box | None]:
        """As ``read``, with None in the place of a malformed box, so that names given in the same order keep theirs."""
        return [self.box(one) for place in written(text, self.box_format) for one in place]

    def box(self, one: Written) -> Box | None:
        """What a model wrote, in absolute pixels of the image; None if it is malformed."""
        if one.numbers is None:
            return None
        box_format, numbers, order = self.box_format, one.numbers, self.box_format.order
        x1, y1, x2, y2 = numbers if order == (0, 1, 2, 3) else (numbers[order.index(i)] for i in range(4))
        width, height = self._range
        over = box_format.step  # models round up at the edge
        if box_format.token_bins:  # a bin exists or not, and stands for its middle
            x1, y1, x2, y2, over = x1 + 0.5, y1 + 0.5, x2 + 0.5, y2 + 0.5, 0.0
        if not (0 <= x1 < x2 <= width + over and 0 <= y1 < y2 <= height + over):
            return None
        box = scale((x1, y1, x2, y2), self._range, self.canvas)
        box = clip(shift(box, -self.offset[0], -self.offset[1]), *self.size)
        return box if area(box) > 0 else None


def _row(name: str, row: Any) -> BoxFormat:
    """A row that a plugin declares; raises ``PluginError`` where it does not read what it writes."""
    if not isinstance(row, BoxFormat):
        raise PluginError(f"a BoxFormat is needed, not {short(row)}")
    if row.name != name:
        raise PluginError(f"its own name is {row.name!r}")
    for what, pattern in (("pattern", row.pattern), ("part", row.part)):
        if not hasattr(pattern, "finditer"):
            raise PluginError(f"{what}: a pattern of re.compile is needed, not {short(pattern)}")
    view, box = View(row, (1000, 1000), (1000, 1000)), (100.0, 200.0, 700.0, 900.0)
    text = view.write(box)
    read, _ = view.read(text)
    if len(read) != 1 or max(abs(a - b) for a, b in zip(read[0], box, strict=True)) > 20:
        raise PluginError(f"the box {box} of an image of 1000 x 1000 is written {text!r}, which is read as {read}")
    return row


_MEDGEMMA: dict[str, Any] = {
    **json_object("box_2d"),
    "grid": 1000.0,
    "order": (1, 0, 3, 2),
    "square": True,
    "foreign_key": "bbox_2d",
}
_ROWS = {
    s.name: s
    for s in (
        # Qwen2.5-VL: JSON, absolute pixels of the resized image
        BoxFormat("json-pixels", **json_object("bbox_2d"), grid=None, foreign_key="box_2d"),
        # Qwen3-VL: the same JSON, 0-1000 of the image
        BoxFormat("json-1000", **json_object("bbox_2d"), grid=1000.0, foreign_key="box_2d"),
        # Gemini and models taught by its answers: 0-1000 of the image, y before x
        BoxFormat("json-yx-1000", **json_object("box_2d"), grid=1000.0, order=(1, 0, 3, 2), foreign_key="bbox_2d"),
        # MedGemma 1.5: the same of the image padded to a square (``dialects``), which may think before it answers
        BoxFormat("medgemma-1.5", **_MEDGEMMA),
        BoxFormat("medgemma-1.5-thinking", **_MEDGEMMA),
        # Qwen2-VL: box tokens, 0-1000; the tokens are special and may be gone after decoding
        BoxFormat(
            "qwen2-vl",
            integers("<|box_start|>({},{}),({},{})<|box_end|>"),
            late(rf"<\|box_start\|>[^<]{{0,200}}+(?:<\|box_end\|>|\Z)|{CORNERS}(?:<\|box_end\|>)?"),
            late(CORNERS),
            1000.0,
        ),
        # InternVL: 0-1000; several boxes of one name stand in one tag
        BoxFormat(
            "internvl",
            integers("<box>[[{}, {}, {}, {}]]</box>"),
            late(
                rf"(?:<box>\s*+)?\[\s*+{LIST}(?>(?:\s*+,\s*+{LIST})*)\s*+,?\s*+(?:\]|\Z)(?:\s*+</box>)?"
                rf"|<box>[^<]{{0,200}}+(?:</box>|\Z)|{LIST}"
            ),
            late(LIST),
            1000.0,
        ),
        # GLM-4.1V and its successors: 0-1000; the same tokens stand around what else is the answer, which is no box
        BoxFormat(
            "glm",
            integers("<|begin_of_box|>[[{}, {}, {}, {}]]<|end_of_box|>"),
            late(
                rf"(?:<\|begin_of_box\|>\s*+)?\[\s*+{LIST}(?>(?:\s*+,\s*+{LIST})*)\s*+,?\s*+(?:\]|\Z)"
                rf"(?:\s*+<\|end_of_box\|>)?"
                rf"|<\|begin_of_box\|>\s*+\[(?=[^<\d]{{0,200}}+\d)[^<]{{0,200}}+(?:<\|end_of_box\|>|\Z)|{LIST}"
            ),
            late(LIST),
            1000.0,
        ),
        # LLaVA-1.5 family: floats 0-1 of the image padded to a square
        BoxFormat("unit-square", thousandths, **numbers_alone(), grid=1.0, square=True),
        # floats 0-1 of the image as it is
        BoxFormat("unit", thousandths, **numbers_alone(), grid=1.0),
        # PaliGemma: location tokens, 1024 bins, y before x
        BoxFormat(
            "loc-1024",
            integers("<loc{:04d}><loc{:04d}><loc{:04d}><loc{:04d}>", 1024),
            **tokens(r"<loc\d++>"),
            grid=1024.0,
            order=(1, 0, 3, 2),
            token_bins=True,
        ),
        # the tiny base model of this project: one token per coordinate, 64 bins
        BoxFormat(
            "bins-64",
            integers("<b{}><b{}><b{}><b{}>", 64),
            **tokens(r"<b\d++>"),
            grid=64.0,
            token_bins=True,
        ),
    )
}
BOX_FORMATS: Registry[BoxFormat] = Registry("BOX_FORMATS", _ROWS, _row)

_MARKUP = re.compile(f"<box {' '.join([r'(-?[0-9]+(?:[.][0-9]+)?)'] * 4)}>")


def mark(box: Box) -> str:
    """A box in neutral markup."""
    return "<box {:.2f} {:.2f} {:.2f} {:.2f}>".format(*box)


def unmark(text: str) -> list[Box]:
    """All boxes of a text in neutral markup."""
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in _MARKUP.findall(text)]


_UNDER_KEY = re.compile(rf'(?P<key>"b?box_2d"\s*:\s*)?(?P<box>{_MARKUP.pattern})')


def render(text: str, view: View) -> str:
    """Neutral markup turned into the model's own box format; what stands under a box's key in JSON stays under one."""

    def written_out(found: re.Match[str]) -> str:
        box = view.write(unmark(found["box"])[0])
        if not found["key"]:
            return box
        return box[1:-1] if box.startswith("{") else f'"bbox_2d": {box}'

    return _UNDER_KEY.sub(written_out, text)


def boxes_in(text: str, box_format: BoxFormat, end: int | None = None) -> list[tuple[int, int]]:
    """From where to where boxes stand in a text of a model, malformed ones too."""
    return [(one.start, one.end) for place in written(text, box_format, end) for one in place]


def numbers_in(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """From where to where the four numbers of a box stand, which stands there itself; a key may hold others."""
    own = text[start:end]
    named = [one.span(2) for one in SIDE.finditer(text, start, end)] if ":" in own or "=" in own else []
    return named or [one.span() for one in NUMBER.finditer(text, start, end)][-4:]


def rewritten(text: str, box_format: BoxFormat, say: Callable[[Written], str | None]) -> str:
    """A text with its boxes as ``say`` gives them, separated by commas within one place; None: as it was written."""
    parts, at = [], 0
    for place in written(text, box_format):
        said = [say(one) for one in place]
        if any(new is not None for new in said):
            both = zip(place, said, strict=True)
            kept = [text[one.start : one.end] if new is None else new for one, new in both]
            parts += [text[at : place[0].start], ", ".join(kept)]
            at = place[-1].end
    return "".join([*parts, text[at:]])


def neutral(text: str, view: View) -> str:
    """A model's own boxes turned into neutral markup; a malformed one stays as the model wrote it."""
    return rewritten(text, view.box_format, lambda one: mark(box) if (box := view.box(one)) else None)


def neutral_json(text: str, view: View) -> str:
    """As ``neutral``, only in the strings of JSON: elsewhere in it, four numbers are a list."""

    def marked(found: re.Match[str]) -> str:
        try:
            said = json.loads(found[0], strict=False)
        except ValueError:  # no JSON after all
            return found[0]
        made = neutral(said, view)
        return found[0] if made == said else json.dumps(made, ensure_ascii=False)

    return _STRING.sub(marked, text)


_STRING = re.compile(r'"(?>(?:[^"\\]|\\.)*)"?+')  # an open one is searched once, not from each of its quotes

#: How neutral markup is read as an answer. No model is declared to write it.
MARKUP = BoxFormat("markup", lambda v: mark((v[0], v[1], v[2], v[3])), _MARKUP, _MARKUP, None)

#: How boxes are written to a model behind an address, of which nothing is known: pixels of the picture that is sent.
PIXELS = BoxFormat("pixels", integers("[{}, {}, {}, {}]"), **numbers_alone(), grid=None, foreign_key="box_2d")
