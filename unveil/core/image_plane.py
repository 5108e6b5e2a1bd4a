"""From pixels of a slice to millimetres in the patient and back, as ``records.ImagePlane`` says.

Points in the patient are millimetres towards the left, the back and the head (LPS). The equation is that of DICOM
PS3.3 C.7.6.2.1.1, moved by half a pixel: DICOM counts from the middle of the first pixel, boxes count from its edge.
"""

from __future__ import annotations

import math

from unveil.core.geometry import Box
from unveil.core.records import ImagePlane

#: Millimetres towards left, back and head.
Point = tuple[float, float, float]


class PlaneError(ValueError):
    """A plane of which too little is known, or whose directions are none; the message says what."""


def in_patient(plane: ImagePlane, x: float, y: float) -> Point:
    """The point (x, y) of the image in millimetres: ``origin + (x - 0.5) dx across + (y - 0.5) dy down``.

    Raises ``PlaneError`` where the plane does not say where it lies.
    """
    (dy, dx), origin, across, down = _known(plane)
    u, v = (x - 0.5) * dx, (y - 0.5) * dy
    a, b, c = (o + u * p + v * q for o, p, q in zip(origin, across, down, strict=True))
    return a, b, c


def in_image(plane: ImagePlane, point: Point) -> tuple[float, float, float]:
    """Where a point of the patient lies: x and y in pixels, and millimetres from the plane, along ``across x down``.

    The inverse of ``in_patient`` for points in the plane.
    """
    (dy, dx), origin, across, down = _known(plane)
    from_origin = tuple(p - o for p, o in zip(point, origin, strict=True))
    normal = (
        across[1] * down[2] - across[2] * down[1],
        across[2] * down[0] - across[0] * down[2],
        across[0] * down[1] - across[1] * down[0],
    )
    return _dot(from_origin, across) / dx + 0.5, _dot(from_origin, down) / dy + 0.5, _dot(from_origin, normal)


def corners(plane: ImagePlane, box: Box) -> tuple[Point, Point, Point, Point]:
    """The corners of a box in millimetres: left top, right top, right bottom, left bottom, as the image shows them."""
    x1, y1, x2, y2 = box
    return in_patient(plane, x1, y1), in_patient(plane, x2, y1), in_patient(plane, x2, y2), in_patient(plane, x1, y2)


def _known(plane: ImagePlane) -> tuple[tuple[float, float], Point, Point, Point]:
    if plane.spacing is None or plane.origin is None or plane.across is None or plane.down is None:
        lacking = [name for name in ("spacing", "origin", "across", "down") if getattr(plane, name) is None]
        raise PlaneError(f"where the image lies in the patient is not known: no {', no '.join(lacking)}")
    if not all(math.isfinite(v) and v > 0 for v in plane.spacing):
        raise PlaneError(f"the spacing {plane.spacing} is not two lengths")
    lengths = [_dot(vector, vector) for vector in (plane.across, plane.down)]
    if not (all(abs(n - 1) < 1e-2 for n in lengths) and abs(_dot(plane.across, plane.down)) < 1e-2):
        raise PlaneError(f"{plane.across} and {plane.down} are not two unit vectors at right angles")
    return plane.spacing, plane.origin, plane.across, plane.down


def _dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))
