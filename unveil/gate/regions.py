"""Regions of an image that look written: what the network of `letters` sees at several scales, put together.

Boxes are float xyxy in pixels of the image, half-open. Angles are in radians, anticlockwise as seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from unveil.gate import letters

Box = tuple[float, float, float, float]

_LEVELS = (0.5, 0.9, 0.98)  # how likely a cell is for `Region.size`, `.likely` and `.sure`
_EXPLAINED = 0.9  # a cell this likely must be explained by what is read
_SHOWN = 0.6  # a cell this likely, and what is near it, is shown to OCR
_REACH = 0.4  # a region goes as far as cells are this likely
_SMALLEST = 96  # pixels of the longer side below which no scale is looked at: letters would be as large as the image
_STROKE = 17  # pixels: no stroke of letters of 30 pixels is wider
_NEAR = 16  # pixels of a piece: half a letter
_LETTER = 10  # pixels, at a region's scale
_LEVEL = np.radians(3.5)  # rows that are turned by less are taken for level
_SMALL = 200  # pixels of the longer side below which an image is enlarged: its letters are small, too


@dataclass(frozen=True)
class Region:
    """Something that looks written, at the scale that sees it best."""

    centre: tuple[float, float]
    half: tuple[float, float]  # along the rows of letters and across them
    angle: float
    size: int  # cells that are rather of letters than not
    likely: int  # cells of which there is little doubt
    sure: int  # cells of which there is none
    scale: float  # of the image, when letters are 6 to 17 pixels high
    cells: np.ndarray  # (n, 2): middles of the cells that are likely of letters, x and y
    doubtless: np.ndarray  # (n,): which of them must be explained by what is read
    plane: int = 0  # which of `planes` shows it

    @property
    def around(self) -> Box:
        """The box of the region and of a letter more at both ends of its rows, where letters may be too faint."""
        half = np.array(self.half) + np.array([_LETTER, _LETTER / 5]) / self.scale
        along = np.array([np.cos(self.angle), -np.sin(self.angle)]) * half[0]
        across = np.array([np.sin(self.angle), np.cos(self.angle)]) * half[1]
        reach = np.abs(along) + np.abs(across)
        (x1, y1), (x2, y2) = self.centre - reach, self.centre + reach
        return float(x1), float(y1), float(x2), float(y2)


def written(picture: np.ndarray, go_on: Callable[[], object] = lambda: None) -> list[Region]:
    """Regions of an image, (H, W) or (H, W, 3), the likeliest first; `go_on` is called between steps and may raise."""
    found: list[Region] = []
    for i, plane in enumerate(planes(picture)):
        found += [replace(region, plane=i) for region in _of_plane(plane, go_on)]
    return sorted(found, key=lambda region: (-region.sure, -region.likely))


def planes(picture: np.ndarray) -> list[np.ndarray]:
    """The grey levels of an image; of a coloured one also how far its colours are from grey."""
    if picture.ndim == 2:
        return [picture]
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    colour = picture.max(2) - picture.min(2)
    return [grey, colour] if np.ptp(colour) > 12 else [grey]


def scales(height: int, width: int) -> list[float]:
    """2 for small images, 1, 1/2, 1/4 …"""
    side = max(height, width)
    return [2.0] * (side < _SMALL) + [0.5**i for i in range(12) if i == 0 or side * 0.5**i >= _SMALLEST]


def _of_plane(grey: np.ndarray, go_on: Callable[[], object]) -> list[Region]:
    import cv2

    height, width = grey.shape
    looks = []
    for scale in scales(height, width):
        go_on()
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        sized = grey if size == (width, height) else cv2.resize(grey, size, interpolation=way)
        looks.append((scale, *letters.seen(sized)))
    rows, columns = (-(-n // letters.STRIDE) for n in (height, width))
    likely = np.max([cv2.resize(p, (columns, rows), interpolation=cv2.INTER_LINEAR) for _, p, _ in looks], axis=0)
    count, labels = cv2.connectedComponents((likely >= _REACH).astype(np.uint8), connectivity=8)
    sizes, ways = np.zeros((len(looks), 3, count), int), np.zeros((len(looks), count), complex)
    for i, (_, p, angle) in enumerate(looks):
        own = cv2.resize(labels.astype(np.float32), p.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(int).ravel()
        for j, level in enumerate(_LEVELS):
            sizes[i, j] = np.bincount(own, p.ravel() >= level, count)
        turned = (p * (p >= _LEVELS[0]) * np.exp(2j * angle)).ravel()
        ways[i] = np.bincount(own, turned.real, count) + 1j * np.bincount(own, turned.imag, count)
    best = np.argmax(sizes[:, 2] + sizes[:, 1] * 1e-4 + sizes[:, 0] * 1e-8, axis=0)
    found = []
    for k in range(1, count):
        if sizes[best[k], 1, k]:
            y, x = np.nonzero(labels == k)
            middles = (np.stack([x, y], 1) + 0.5) * letters.STRIDE
            found.append(_region(middles, likely[y, x], ways[best[k], k], sizes[best[k], :, k], looks[best[k]][0]))
    return found


def _region(cells: np.ndarray, likely: np.ndarray, way: complex, sizes: np.ndarray, scale: float) -> Region:
    """The smallest rectangle along the rows that holds the cells."""
    angle = float(np.angle(way)) / 2 if abs(way) > 0.2 * sizes[0] else 0.0
    level = round(angle / (np.pi / 2)) * np.pi / 2
    if abs(angle - level) < _LEVEL:
        angle = level
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = cells.T
    along, across = x * cos - y * sin, x * sin + y * cos
    (left, right), (top, bottom) = ((v.min() - 2 / scale, v.max() + 2 / scale) for v in (along, across))
    u, v = (left + right) / 2, (top + bottom) / 2
    centre = (u * cos + v * sin, v * cos - u * sin)
    half = ((right - left) / 2, (bottom - top) / 2)
    kept = likely >= _SHOWN
    size, rather, sure = (int(n) for n in sizes)
    return Region(centre, half, angle, size, rather, sure, scale, cells[kept], likely[kept] >= _EXPLAINED)


@dataclass(frozen=True)
class Piece:
    """A region cut out, its rows level, its letters some 30 pixels high, dark on white."""

    pixels: np.ndarray
    cells: np.ndarray  # (n, 2): where the region's cells are in it that must be explained

    def one_sign(self) -> bool:
        """Whether there is a single letter or digit, which is a mark and no name."""
        import cv2

        _, _, boxes, _ = cv2.connectedComponentsWithStats((self.pixels < 128).astype(np.uint8), connectivity=8)
        shapes = boxes[1:][np.argsort(-boxes[1:, 4])]
        if not len(shapes):
            return False
        left, top, width, height, ink = shapes[0]
        inside = left > 0 and top > 0 and left + width < self.pixels.shape[1] and top + height < self.pixels.shape[0]
        thin, reach = min(width, height), max(width, height)
        fits = 14 <= reach <= 80 and (reach <= 2.2 * thin or thin <= 10)
        return bool(inside and fits and shapes[1:, 4].max(initial=0) < 0.12 * ink)

    def holds(self, box: tuple[int, int, int, int]) -> bool:
        """Whether any of the region's cells lies in this box."""
        x, y = self.cells.T
        return bool(((x > box[0] - 4) & (x < box[2] + 4) & (y > box[1] - 4) & (y < box[3] + 4)).any())

    def covered(self, boxes: Iterable[tuple[int, int, int, int]]) -> float:
        """The share of the region's cells that lie within these boxes or half a letter from them."""
        x, y = self.cells.T
        inside = np.zeros(len(x), bool)
        for left, top, right, bottom in boxes:
            inside |= (x > left - _NEAR) & (x < right + _NEAR) & (y > top - _NEAR) & (y < bottom + _NEAR)
        return float(inside.mean()) if len(inside) else 0.0


def upright(grey: np.ndarray, region: Region, turned: int = 0, larger: float = 1, inverted: bool = False) -> Piece:
    """The region cut out along its rows, `turned` by quarters on top, `inverted` from what its ink seems to be."""
    import cv2

    zoom = float(np.clip(3 * larger * region.scale, 0.2, 8))
    angle = region.angle + turned * np.pi / 2
    half = np.array(region.half if turned % 2 == 0 else region.half[::-1]) + 3 / region.scale
    size = tuple(int(max(16, min(4000, round(2 * h * zoom)))) for h in half)
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    turn = np.array([[cos, -sin, 0], [sin, cos, 0]])
    turn[:, 2] = np.array(size) / 2 - turn[:, :2] @ np.array(region.centre)
    way = cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA
    if region.scale < 1:  # as the network saw it: what is finer than these letters is noise
        grey = cv2.GaussianBlur(grey, (0, 0), 0.45 / region.scale)
    crop = cv2.warpAffine(grey, turn, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
    piece = _dark_on_white(crop, inverted)
    cells = region.cells @ turn[:, :2].T + turn[:, 2]
    shown = np.zeros(piece.shape, np.uint8)
    reach = round(letters.STRIDE / 2 * zoom) + _NEAR
    for x, y in cells.astype(int):
        shown[max(0, y - reach) : max(0, y + reach), max(0, x - reach) : max(0, x + reach)] = 1
    piece[shown == 0] = 255
    return Piece(piece, cells[region.doubtless])


def _dark_on_white(crop: np.ndarray, inverted: bool) -> np.ndarray:
    """Strokes are thin and fewer than what is around them, which tells light ones from dark.

    What is thicker than a stroke is taken for ground (top-hat transform). Where the ground is as bright as the letters
    these are fainter; so each is compared with those around it, down to an eighth of the strongest.
    """
    import cv2

    crop = cv2.GaussianBlur(crop, (0, 0), 0.8).astype(np.float32)
    apart = crop - cv2.GaussianBlur(crop, (0, 0), 25)
    light = ((apart**3).mean() > 0) != inverted
    kind = cv2.MORPH_TOPHAT if light else cv2.MORPH_BLACKHAT
    strokes = cv2.morphologyEx(crop, kind, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_STROKE, _STROKE)))
    around = cv2.GaussianBlur(cv2.dilate(strokes, np.ones((45, 45))), (0, 0), 12)
    around = np.maximum(around, max(1.0, 0.12 * float(around.max()), 5 * float(np.median(strokes))))
    dark: np.ndarray = (255 - 255 * (1.3 * strokes / around - 0.15).clip(0, 1)).astype(np.uint8)
    return dark
