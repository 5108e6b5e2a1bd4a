"""Boxes, masks and matching. Boxes are float xyxy in absolute pixels, origin at the top left, half-open.

Half-open: the box (0, 0, 1, 1) is exactly the first pixel, its area is 1. Shapes: N predicted, M true, H rows, W
columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from unveil.core.untrusted import quoted

Box = tuple[float, float, float, float]


#: Pixels of a mask: a little above what an image may have (``pixels.Limits``).
MAX_MASK = 2**26


class BoxError(ValueError):
    """A box that cannot be one: not finite, without area, or outside its image."""


class OutsideError(BoxError):
    """A box that leads outside its image."""


class MaskError(ValueError):
    """A run-length code that cannot be one: of another size, or with run lengths that do not fill it."""


def area(box: Box) -> float:
    """Area in square pixels; 0 for an inverted box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def clip(box: Box, width: float, height: float) -> Box:
    """The part of the box that lies inside the image (possibly without area)."""
    x1, y1, x2, y2 = box
    return min(max(x1, 0.0), width), min(max(y1, 0.0), height), min(max(x2, 0.0), width), min(max(y2, 0.0), height)


def checked(box: Sequence[float], width: float, height: float, tolerance: float = 1.0) -> Box:
    """A box as annotated, clipped to the image; raises ``BoxError`` where it is not usable.

    Annotation tools round outwards, so up to ``tolerance`` pixels over the edge are clipped without a word. More than
    that, no area, or a number that is not finite is an error of the annotation.
    """
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise BoxError(f"a box needs four finite numbers, not {list(box)}")
    x1, y1, x2, y2 = map(float, box)
    if 0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height and (x2 - x1) * (y2 - y1) > 0:  # as almost all are
        return x1, y1, x2, y2
    if x2 <= x1 or y2 <= y1:
        raise BoxError(f"zero-area or inverted box [{x1:g}, {y1:g}, {x2:g}, {y2:g}]")
    if x1 < -tolerance or y1 < -tolerance or x2 > width + tolerance or y2 > height + tolerance:
        raise OutsideError(f"box [{x1:g}, {y1:g}, {x2:g}, {y2:g}] leads outside the image of {width:g} x {height:g}")
    inside = clip((x1, y1, x2, y2), width, height)
    if area(inside) == 0:
        raise BoxError(f"box [{x1:g}, {y1:g}, {x2:g}, {y2:g}] has no area inside the image of {width:g} x {height:g}")
    return inside


def from_xywh(x: float, y: float, w: float, h: float) -> Box:
    """From the top left corner and the extent."""
    return x, y, x + w, y + h


def from_centre(cx: float, cy: float, w: float, h: float) -> Box:
    """From the centre and the extent."""
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def scale(box: Box, from_size: tuple[float, float], to_size: tuple[float, float]) -> Box:
    """The box in another frame: sizes are (width, height) of the same picture, stretched."""
    fx, fy = to_size[0] / from_size[0], to_size[1] / from_size[1]
    return box[0] * fx, box[1] * fy, box[2] * fx, box[3] * fy


def mirror(box: Box, width: float) -> Box:
    """The box after the picture was flipped left to right."""
    return width - box[2], box[1], width - box[0], box[3]


def upright(box: Box, orientation: int, width: float, height: float) -> Box:
    """A box of a stored picture of this size in the picture as it is shown, turned by its EXIF orientation (1 to 8).

    A point (x, y) is shown at (width - x, y) for 2, (width - x, height - y) for 3, (x, height - y) for 4, (y, x) for 5,
    (height - y, x) for 6, (height - y, width - x) for 7, (y, width - x) for 8.
    """
    x1, y1, x2, y2 = box
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (x1, y1, x2, y2) if orientation < 5 else (y1, x1, y2, x2)


def shift(box: Box, dx: float, dy: float) -> Box:
    """The box moved by (dx, dy), as after padding on the left and on top."""
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def turned(box: Box, degrees: float, about: tuple[float, float]) -> list[float]:
    """The corners (x, y, x, y, …) of a box that was turned clockwise, as one sees it, about a point."""
    x1, y1, x2, y2 = box
    return _turned([x1, y1, x2, y1, x2, y2, x1, y2], degrees, about)


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0, points: int = 72) -> list[float]:
    """An ellipse as a polygon (x, y, x, y, …) of ``points`` corners on it, turned clockwise about its centre.

    Of 72 corners, the polygon's area is 0.13 % below the ellipse's.
    """
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    rim = np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)
    return _turned([float(value) for value in rim.ravel()], degrees, (cx, cy))


def _turned(polygon: Sequence[float], degrees: float, about: tuple[float, float]) -> list[float]:
    """A point at (dx, dy) from the centre goes to (dx cos - dy sin, dx sin + dy cos): clockwise, as y counts down."""
    if degrees % 360 == 0:
        return list(polygon)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - about[0], y - about[1]) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
    moved = [(about[0] + dx * cos - dy * sin, about[1] + dx * sin + dy * cos) for dx, dy in corners]
    return [value for corner in moved for value in corner]


def ious(predicted: Sequence[Box], true: Sequence[Box]) -> NDArray[np.float64]:
    """Intersection over union of every pair, shape (N, M), each in [0, 1]. Inverted boxes have no area and score 0."""
    return np.array(_ious(predicted, true), np.float64).reshape(len(predicted), len(true))


def _ious(predicted: Sequence[Box], true: Sequence[Box]) -> list[list[float]]:
    if len(predicted) * len(true) <= FEW:  # numpy's calls would cost more than their work
        return [[iou(p, t) for t in true] for p in predicted]
    every: list[list[float]] = overlaps(*_every(predicted, true)).tolist()
    return every


def gious(predicted: Sequence[Box], true: Sequence[Box]) -> NDArray[np.float64]:
    """Generalised IoU of every pair, shape (N, M), each in [-1, 1]: below 0 it tells how far boxes are apart."""
    return generalised(*_every(predicted, true))


def _every(predicted: Sequence[Box], true: Sequence[Box]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(predicted, np.float64).reshape(-1, 1, 4), np.asarray(true, np.float64).reshape(1, -1, 4)


def overlaps(p: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (..., 4) with boxes (..., 4), by numpy's broadcasting."""
    inter, union = _areas(p, t)
    ratios: NDArray[np.float64] = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return ratios


def generalised(p: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU - (H - union) / H, where H is the area of the smallest box around both (Rezatofighi et al. 2019, arXiv
    1902.09630, algorithm 1), as ``overlaps``. Boxes without area count as infinitely far: -1."""
    _, union = _areas(p, t)
    hull = (np.maximum(p[..., 2:], t[..., 2:]) - np.minimum(p[..., :2], t[..., :2])).clip(0).prod(-1)
    filled: NDArray[np.float64] = np.divide(union, hull, out=np.zeros_like(hull), where=hull > 0)
    return overlaps(p, t) - (1 - filled)


def _areas(p: NDArray[np.float64], t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The areas of intersection and union."""
    sides = np.minimum(p[..., 2:], t[..., 2:]) - np.maximum(p[..., :2], t[..., :2])
    inter = np.clip(sides, 0, None).prod(-1)
    areas_p, areas_t = (np.clip(b[..., 2:] - b[..., :2], 0, None).prod(-1) for b in (p, t))
    return inter, areas_p + areas_t - inter


#: Pairs of boxes that are compared one by one.
FEW = 16


def iou(p: Box, t: Box) -> float:
    """Intersection over union of one pair, by the operations of ``overlaps`` in the same order."""
    wide, high = min(p[2], t[2]) - max(p[0], t[0]), min(p[3], t[3]) - max(p[1], t[1])
    if wide <= 0 or high <= 0:
        return 0.0
    inter = wide * high
    union = area(p) + area(t) - inter
    return inter / union if union > 0 else 0.0


def match(
    predicted: Sequence[Box], true: Sequence[Box], agree: Sequence[Sequence[bool]] | None = None
) -> list[tuple[int, int, float]]:
    """One-to-one pairs (i, j, IoU) that maximise the summed IoU (Hungarian matching), without those that do not touch.

    Several findings may share one box. ``agree`` (N, M) tells which pairs have the same name, and decides between
    matchings whose IoU is equal to within 1e-6.
    """
    if not len(predicted) or not len(true):
        return []
    if len(predicted) == 1 or len(true) == 1:
        return _match_one(predicted, true, agree)
    rows = _ious(predicted, true)
    touching = [(i, j, value) for i, row in enumerate(rows) for j, value in enumerate(row) if value]
    alone = len({i for i, _, _ in touching}) == len({j for _, j, _ in touching}) == len(touching)
    if alone and all(value > 1e-6 * min(len(predicted), len(true)) for _, _, value in touching):
        return touching  # none has a choice, as in most answers
    values = np.array(rows, np.float64)
    tie = 0.0 if agree is None else 1e-6 * np.asarray(agree, np.float64).reshape(values.shape)
    from scipy.optimize import linear_sum_assignment  # late: half a second, which no start of a command should wait for

    assigned = zip(*linear_sum_assignment(values + tie, maximize=True), strict=True)
    return [(int(i), int(j), float(values[i, j])) for i, j in assigned if values[i, j] > 0]


def _match_one(
    predicted: Sequence[Box], true: Sequence[Box], agree: Sequence[Sequence[bool]] | None
) -> list[tuple[int, int, float]]:
    """As ``match`` where one side has one box, as most have: the first of its largest values."""
    pairs = [(i, j, iou(p, t)) for i, p in enumerate(predicted) for j, t in enumerate(true)]
    best = max(pairs, key=lambda one: one[2] + (1e-6 * agree[one[0]][one[1]] if agree is not None else 0.0))
    return [best] if best[2] > 0 else []


def mean_iou(predicted: Sequence[Box], true: Sequence[Box]) -> float:
    """Summed IoU of the matched pairs over max(N, M): a surplus and a missing box both cost. 1 if there are none.

    The abnormal localisation reward of UMed-LVLM (arXiv 2501.01377) for several boxes; metric and reward share it.
    """
    most = max(len(predicted), len(true))
    return sum(v for _, _, v in match(predicted, true)) / most if most else 1.0


def mean_giou(predicted: Sequence[Box], true: Sequence[Box]) -> float:
    """As ``mean_iou``, of (1 + GIoU) / 2, from 0 to 1: boxes that do not touch gain as they come nearer."""
    from scipy.optimize import linear_sum_assignment  # late, as in ``match``

    most = max(len(predicted), len(true))
    values = (1 + gious(predicted, true)) / 2
    return float(values[linear_sum_assignment(values, maximize=True)].sum()) / most if most else 1.0


def even_odd(polygons: Sequence[NDArray[np.float64]], width: int, height: int) -> NDArray[np.bool_]:
    """The pixels whose centres lie in an odd number of the polygons (each (N, 2) of x, y in pixels), (height, width).

    So an outline within another is a hole, and so is one that a narrow channel joins to it. What lies outside the image
    is cut off. Each edge is crossed by the rows from its upper end to before its lower one: a corner counts once.
    """
    toggles = np.zeros((height, width + 1), np.bool_)
    for polygon in polygons:
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
            if y1 > y2:
                x1, y1, x2, y2 = x2, y2, x1, y1
            # rows whose centres, at + 0.5, lie from y1 to before y2
            first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (y1, y2))
            if first < last:
                rows = np.arange(first, last)
                x = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
                toggles[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= True
    inside: NDArray[np.bool_] = np.logical_xor.accumulate(toggles, axis=1)[:, :width]
    return inside


def mask_from_polygons(polygons: Sequence[Sequence[float]], width: int, height: int) -> dict[str, Any]:
    """The union of polygons (flat x, y, x, y, … in pixels) as a run-length code."""
    codes = coco_mask.frPyObjects([list(map(float, p)) for p in polygons], height, width)
    return _plain(coco_mask.merge(codes))


def encode_mask(mask_HW: NDArray[np.bool_]) -> dict[str, Any]:
    """A boolean mask as a COCO run-length code ``{"size": [height, width], "counts": str}``."""
    return _plain(coco_mask.encode(np.asfortranarray(mask_HW, dtype=np.uint8)))


def decode_mask(code: dict[str, Any]) -> NDArray[np.bool_]:
    """The mask of a run-length code, compressed (``counts`` a string) or not (a list), as booleans (H, W).

    Raises ``MaskError`` where the code is not exactly that.
    """
    mask: NDArray[np.bool_] = coco_mask.decode(compress_mask(code)).astype(bool)
    return mask


def checked_mask(code: Any, width: int, height: int) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """A run-length code out of a file as a mask (H, W) and in its compressed form; ``MaskError`` if it is of another
    size than the image or not a code at all."""
    if not isinstance(code, dict) or code.get("size") != [height, width]:
        raise MaskError(f"the mask needs size [{height}, {width}] and counts")
    compressed = compress_mask({"size": [height, width], "counts": code.get("counts")})
    return coco_mask.decode(compressed).astype(bool), compressed


def compress_mask(code: dict[str, Any]) -> dict[str, Any]:
    """A COCO run-length code in its compressed form; lists of counts, as annotation files hold them, are accepted.

    Raises ``MaskError`` unless the run lengths fill the size: pycocotools takes those that end too soon, and leaves the
    rest of the mask to whatever the memory held.
    """
    size, counts = code.get("size"), code.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise MaskError(f"a mask needs a size of [height, width], not {quoted(size)}")
    height, width = size
    if height * width > MAX_MASK:
        raise MaskError(f"a mask of {height} x {width} is larger than any image may be")
    lengths = run_lengths(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or not all(type(n) is int and 0 <= n <= height * width for n in lengths):
        raise MaskError(f"the mask's run lengths are not whole numbers from 0 to {height * width}")
    if sum(lengths) != height * width:
        raise MaskError(f"the mask's run lengths add up to {sum(lengths)}, not {width * height}")
    if isinstance(counts, list):
        return _plain(coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width))
    return {"size": [height, width], "counts": counts}


def run_lengths(text: str) -> list[int]:
    """COCO's compressed counts as numbers: characters from "0" hold 5 bits each, low ones first, and a sixth that tells
    that more follow; the highest bit is the sign. From the fourth on, a number is a difference to the last but one."""
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise MaskError(f"the mask's run lengths hold the character {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if shift > 60:  # a number without an end would cost the square of its length
            raise MaskError("one of the mask's run lengths is longer than any image")
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value = shift = 0
    if shift:
        raise MaskError("the mask's run lengths end in the middle of a number")
    return numbers


def _plain(code: dict[str, Any]) -> dict[str, Any]:
    return {"size": [int(v) for v in code["size"]], "counts": code["counts"].decode("ascii")}


def box_of_mask(mask_HW: NDArray[np.bool_]) -> Box:
    """The smallest box around the mask's pixels; raises ``BoxError`` for an empty mask."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    if not len(rows):
        raise BoxError("an empty mask has no box")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def coverage(box: Box, rows: int, columns: int, width: float, height: float) -> NDArray[np.float64]:
    """The share of each cell of a (rows, columns) grid over the image that the box covers, shape (rows, columns)."""

    def overlap(low: float, high: float, cells: int, extent: float) -> NDArray[np.float64]:
        edges = np.linspace(0, extent, cells + 1)
        lengths: NDArray[np.float64] = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
        return lengths.clip(0) / (extent / cells)

    return np.outer(overlap(box[1], box[3], rows, height), overlap(box[0], box[2], columns, width))


def covered(places: NDArray[np.float64], boxes: Sequence[Box]) -> NDArray[np.float64]:
    """The share of each place (P, 4) that the union of the boxes covers, (P,), each in [0, 1]."""
    b = np.asarray(boxes, np.float64).reshape(-1, 4)
    x, y = np.unique(b[:, [0, 2]]), np.unique(b[:, [1, 3]])  # between these lines a cell is covered whole or not at all
    if len(x) < 2 or len(y) < 2:
        return np.zeros(len(places))
    inside_XY = (
        (b[:, 0, None, None] <= x[:-1, None])
        & (b[:, 2, None, None] >= x[1:, None])
        & (b[:, 1, None, None] <= y[:-1])
        & (b[:, 3, None, None] >= y[1:])
    ).any(0)

    def overlap(low: NDArray[np.float64], high: NDArray[np.float64], lines: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths: NDArray[np.float64] = np.minimum(high[:, None], lines[1:]) - np.maximum(low[:, None], lines[:-1])
        return lengths.clip(0)

    inter = np.einsum(
        "px,xy,py->p", overlap(places[:, 0], places[:, 2], x), inside_XY, overlap(places[:, 1], places[:, 3], y)
    )
    shares: NDArray[np.float64] = inter / np.prod(places[:, 2:] - places[:, :2], axis=1)
    return shares


def attended(
    shares_P: NDArray[np.float64], places_P4: NDArray[np.float64], boxes: Sequence[Box]
) -> tuple[float, float]:
    """The share of the attention to patches that lies in the boxes, and that share were it spread evenly.

    A patch counts by the part of it that the boxes cover (UMed-LVLM's vision relevance reward). Their ratio is 1 where
    the model looks no more at the boxes than anywhere else.
    """
    there = ~np.isnan(places_P4[:, 0])
    parts = covered(places_P4[there], boxes)
    return float((shares_P[there] * parts).sum()), float(parts.mean())
