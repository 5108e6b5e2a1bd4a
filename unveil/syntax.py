"""How models write boxes, and which picture their numbers refer to.

Texts between the stages hold boxes in a neutral markup, ``<box 10.0 20.0 30.0 40.0>``: absolute pixels of the record's
image. Only at the model's door is it turned into the model's own syntax, which is declared with the model and never
guessed: a pixel box read as 0-1000 is a wrong box. ``View`` knows which picture the model's numbers refer to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from unveil.geometry import Box, area, clip, scale, shift


@dataclass(frozen=True)
class BoxSyntax:
    """How one model family writes a box. ``write`` and ``pattern`` are inverse to each other up to rounding.

    ``grid`` is the number range of a coordinate, or None for absolute pixels of the frame; ``order`` maps the written
    numbers to x1, y1, x2, y2; ``square`` tells that the picture is padded to a square, centred, before it is seen.
    """

    name: str
    write: Callable[[Sequence[float]], str]
    pattern: re.Pattern[str]
    grid: float | None
    order: tuple[int, int, int, int] = (0, 1, 2, 3)
    square: bool = False
    token_bins: bool = False

    whole: re.Pattern[str] | None = None
    """What ``write`` writes, where that is more than ``pattern`` reads; groups as in ``pattern``."""

    @property
    def step(self) -> float:
        """The smallest difference between two numbers that it can write."""
        return 0.001 if self.grid == 1 else 1.0

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Travels between processes by its name."""
        return _named, (self.name,)


def _named(name: str) -> BoxSyntax:
    return SYNTAXES[name]


@dataclass(frozen=True)
class View:
    """The picture that a model's numbers refer to.

    ``size`` is the image's width and height; ``frame`` those of the picture after the processor's resizing (they matter
    for syntaxes in absolute pixels only).
    """

    syntax: BoxSyntax
    size: tuple[int, int]
    frame: tuple[int, int]

    @property
    def canvas(self) -> tuple[int, int]:
        """The image's size after padding, before resizing."""
        return (max(self.size),) * 2 if self.syntax.square else self.size

    @property
    def offset(self) -> tuple[float, float]:
        return (self.canvas[0] - self.size[0]) // 2, (self.canvas[1] - self.size[1]) // 2

    @property
    def _range(self) -> tuple[float, float]:
        grid = self.syntax.grid
        return self.frame if grid is None else (grid, grid)

    def write(self, box: Box) -> str:
        """A box of the image (absolute pixels) in the model's syntax; a very small one grows to what can be written."""
        step, (width, height) = self.syntax.step, self._range
        x1, y1, x2, y2 = (v / step for v in scale(shift(box, *self.offset), self.canvas, self._range))
        (x1, x2), (y1, y2) = self._ends(x1, x2, round(width / step)), self._ends(y1, y2, round(height / step))
        return self.syntax.write([(x1, y1, x2, y2)[i] * step for i in self.syntax.order])

    def _ends(self, low: float, high: float, steps: int) -> tuple[int, int]:
        """The two ends of a side in whole steps: the nearest ones, or outwards where these would be one number."""
        bins = self.syntax.token_bins
        first, last = (math.floor(low), math.floor(high)) if bins else (round(low), round(high))
        if first >= last:
            half = 0.5 if bins else 0.0  # a bin stands for its middle
            first, last = math.floor(low - half), math.ceil(high - half)
        top = steps - 1 if bins else steps
        first = max(0, min(first, top - 1))
        return first, max(first + 1, min(last, top))

    def read(self, text: str) -> tuple[list[Box], int]:
        """All boxes of a text, in absolute pixels of the image, in order, and the number of malformed ones.

        Malformed: inverted, without area inside the image, or with a number outside the syntax's range.
        """
        found = self.read_all(text)
        boxes = [box for box in found if box is not None]
        return boxes, len(found) - len(boxes)

    def read_all(self, text: str) -> list[Box | None]:
        """As ``read``, with None in the place of a malformed box, so that names given in the same order keep theirs."""
        return [self._box([float(v) for v in m.groups()]) for m in self.syntax.pattern.finditer(text)]

    def _box(self, written: list[float]) -> Box | None:
        numbers = [0.0] * 4
        for value, i in zip(written, self.syntax.order, strict=True):
            numbers[i] = value
        if self.syntax.token_bins:  # a bin stands for its middle
            numbers = [v + 0.5 for v in numbers]
        x1, y1, x2, y2 = numbers
        width, height = self._range
        over = 0.0 if self.syntax.token_bins else self.syntax.step  # models round up at the edge; a bin exists or not
        if not (x1 < x2 <= width + over and y1 < y2 <= height + over):
            return None
        box = scale((x1, y1, x2, y2), self._range, self.canvas)
        box = clip(shift(box, -self.offset[0], -self.offset[1]), *self.size)
        return box if area(box) > 0 else None


def _ints(form: str, grid: int | None = None) -> Callable[[Sequence[float]], str]:
    def write(numbers: Sequence[float]) -> str:
        return form.format(*(round(v) if grid is None else min(int(v), grid - 1) for v in numbers))

    return write


_LIST = r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]"
_CORNERS = r"\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*,\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)"
_JSON = '{{"bbox_2d": [{}, {}, {}, {}]}}'
_JSON_WHOLE = re.compile(r'\{\s*"bbox_2d"\s*:\s*' + _LIST + r"\s*\}")
_UNIT = r"\[\s*([01]?\.\d+|[01])\s*,\s*([01]?\.\d+|[01])\s*,\s*([01]?\.\d+|[01])\s*,\s*([01]?\.\d+|[01])\s*\]"

SYNTAXES: dict[str, BoxSyntax] = {
    s.name: s
    for s in (
        # Qwen2.5-VL: JSON, absolute pixels of the resized image
        BoxSyntax("json-pixels", _ints(_JSON), re.compile(_LIST), None, whole=_JSON_WHOLE),
        # Qwen3-VL: the same JSON, 0-1000 of the image
        BoxSyntax("json-1000", _ints(_JSON), re.compile(_LIST), 1000.0, whole=_JSON_WHOLE),
        # Qwen2-VL: box tokens, 0-1000; the tokens are special and may be gone after decoding
        BoxSyntax(
            "qwen2-vl",
            _ints("<|box_start|>({},{}),({},{})<|box_end|>"),
            re.compile(_CORNERS),
            1000.0,
            whole=re.compile(r"(?:<\|box_start\|>)?" + _CORNERS + r"(?:<\|box_end\|>)?"),
        ),
        # InternVL: 0-1000
        BoxSyntax(
            "internvl",
            _ints("<box>[[{}, {}, {}, {}]]</box>"),
            re.compile(r"\[" + _LIST + r"\]"),
            1000.0,
            whole=re.compile(r"(?:<box>)?\[" + _LIST + r"\](?:</box>)?"),
        ),
        # LLaVA-1.5 family: floats 0-1 of the image padded to a square
        BoxSyntax(
            "unit-square",
            lambda v: "[{:.3f}, {:.3f}, {:.3f}, {:.3f}]".format(*v),
            re.compile(_UNIT),
            1.0,
            square=True,
        ),
        # floats 0-1 of the image as it is
        BoxSyntax("unit", lambda v: "[{:.3f}, {:.3f}, {:.3f}, {:.3f}]".format(*v), re.compile(_UNIT), 1.0),
        # PaliGemma: location tokens, 1024 bins, y before x
        BoxSyntax(
            "loc-1024",
            _ints("<loc{:04d}><loc{:04d}><loc{:04d}><loc{:04d}>", 1024),
            re.compile(r"<loc(\d{4})>" * 4),
            1024.0,
            order=(1, 0, 3, 2),
            token_bins=True,
        ),
        # the tiny base model of this project: one token per coordinate, 64 bins
        BoxSyntax(
            "bins-64",
            _ints("<b{}><b{}><b{}><b{}>", 64),
            re.compile(r"<b(\d+)>\s*" * 3 + r"<b(\d+)>"),
            64.0,
            token_bins=True,
        ),
    )
}

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_MARKUP = re.compile(f"<box {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}>")


def mark(box: Box) -> str:
    """A box in neutral markup."""
    return "<box {:.2f} {:.2f} {:.2f} {:.2f}>".format(*box)


def unmark(text: str) -> list[Box]:
    """All boxes of a text in neutral markup."""
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in _MARKUP.findall(text)]


def render(text: str, view: View) -> str:
    """Neutral markup turned into the model's own syntax."""
    return _MARKUP.sub(lambda m: view.write(unmark(m[0])[0]), text)


def boxes_in(text: str, syntax: BoxSyntax, end: int | None = None) -> list[tuple[int, int]]:
    """From where to where boxes stand in a text of a model, as they are read and as they are written."""
    patterns = [pattern for pattern in (syntax.whole, syntax.pattern) if pattern]
    return [m.span() for pattern in patterns for m in pattern.finditer(text, 0, len(text) if end is None else end)]


def neutral(text: str, view: View) -> str:
    """A model's own boxes turned into neutral markup; a malformed one stays as the model wrote it."""

    def marked(found: re.Match[str]) -> str:
        boxes, _ = view.read(found[0])
        return mark(boxes[0]) if boxes else found[0]

    return (view.syntax.whole or view.syntax.pattern).sub(marked, text)


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


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

#: How neutral markup is read as an answer. No model is declared to write it.
MARKUP = BoxSyntax("markup", lambda v: "<box {:.2f} {:.2f} {:.2f} {:.2f}>".format(*v), _MARKUP, None)

#: How boxes are written to a model behind an address, of which nothing is known: pixels of the picture that is sent.
PIXELS = BoxSyntax("pixels", _ints("[{}, {}, {}, {}]"), re.compile(_LIST), None)
