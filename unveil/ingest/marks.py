"""Many marks in one cell of a table: shapes as object-CXR writes them, and predictions as Kaggle's competitions do."""

from __future__ import annotations

from collections.abc import Sequence

from unveil.core.geometry import from_centre
from unveil.core.records import Finding
from unveil.core.untrusted import quoted
from unveil.ingest.reading import AnnotationError, Image, boxed, number, outlined

#: What a shape's first number means.
RECTANGLE, ELLIPSE, POLYGON = "0", "1", "2"
#: Corners by which an ellipse is drawn.
CORNERS = 64


def shapes(cell: str) -> list[list[str]]:
    """The numbers of each shape: ``0 x1 y1 x2 y2;1 x1 y1 x2 y2;2 x y x y …``; none in an empty cell."""
    return [parts for text in cell.split(";") if (parts := text.split())]


def shaped(label: str, numbers: Sequence[str], image: Image) -> Finding:
    """A finding of a rectangle, of an ellipse by the rectangle around it, or of a polygon.

    Raises ``AnnotationError`` for what is none of them.
    """
    kind, *values = numbers
    at = [number(value, "a shape") for value in values]
    if kind == POLYGON:
        return outlined(label, [at], image)
    if kind not in (RECTANGLE, ELLIPSE) or len(at) != 4:
        raise AnnotationError(f"a shape is 0 or 1 with two corners, or 2 with a polygon, not {quoted(' '.join(numbers))}")
    found = boxed(label, at, image)
    return found if kind == RECTANGLE else outlined(label, [_ellipse(at)], image)


def predicted(cell: str) -> list[tuple[str, float, list[str]]]:
    """Label, confidence and the four numbers of each box of ``label confidence x1 y1 x2 y2 …``; none in an empty cell.

    Raises ``AnnotationError`` where the cell does not come in sixes.
    """
    parts = cell.split()
    if len(parts) % 6:
        raise AnnotationError(f"label, confidence and four numbers are needed for each box, not {quoted(cell)}")
    sixes = [parts[i : i + 6] for i in range(0, len(parts), 6)]
    return [(label, number(confidence, "the confidence"), box) for label, confidence, *box in sixes]


def _ellipse(corners: Sequence[float]) -> list[float]:
    """The polygon of an ellipse in the rectangle of two corners."""
    from math import cos, pi, sin

    x1, y1, x2, y2 = corners
    angles = [2 * pi * n / CORNERS for n in range(CORNERS)]
    middle_x, middle_y, half_x, half_y = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    return [v for a in angles for v in (middle_x + half_x * cos(a), middle_y + half_y * sin(a))]
