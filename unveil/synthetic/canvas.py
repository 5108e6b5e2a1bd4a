"""Primitives of the synthetic images: posed coordinates, outlines, noise, strokes and the placing of abnormalities.

Everything is a function of its arguments. Lengths are in units of half the image's width, so that a drawing does not
depend on the number of pixels; x grows to the right of the image and y downwards, both from -1 to 1. A *field* is
negative inside a shape and positive outside it and measures, roughly, the distance to its outline; a *cover* is the
share of a pixel that a shape fills, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

Array = np.ndarray
Point = tuple[float, float]
Outline = tuple[complex, ...]
Path = tuple[Array, Array]  # points (n, 2) as x and y, and the half-width at each point

FAR = np.float32(1.0)
ROUND: Outline = ()
ROUNDS, TRIES = 12, 24


@dataclass(frozen=True)
class Abnormality:
    """One abnormality as it was drawn: its name, its visible extent and what is true of it."""

    label: str
    mask: Array
    body_part: str
    side: str | None
    attributes: dict[str, str]


@dataclass(frozen=True)
class SyntheticImage:
    """A synthetic image with the abnormalities in it and the normal structures around them."""

    pixels: Array
    findings: tuple[Abnormality, ...]
    structures: dict[str, Array]


@dataclass(frozen=True)
class Lesion:
    """An abnormality ready to be painted: the image becomes ``image * keep + add``.

    `hides` marks where it leaves nothing to be seen of what lies there, such as a shadow.
    """

    abnormality: Abnormality
    keep: Array
    add: Array
    hides: Array | None = None

    def over(self, image: Array) -> Array:
        painted: Array = image * self.keep + self.add
        return painted


@dataclass(frozen=True)
class Frame:
    """Where every pixel lies in the body: the patient's pose and a smooth deformation of the whole."""

    size: int
    x: Array
    y: Array
    shift: Point
    zoom: float
    tilt: float
    slack: float

    def pixels(self, points: Array) -> Array:
        """Columns and rows of points of the body, leaving the deformation out."""
        turned = np.asarray(points, float) @ _rotation(-self.tilt).T * self.zoom + self.shift
        places: Array = (turned + 1) * self.size / 2 - 0.5
        return places

    def patch(self, centre: Point, reach: float) -> tuple[slice, slice]:
        """Rows and columns of a square that surely holds the disc of radius `reach` round `centre`."""
        column, row = self.pixels(np.array(centre))
        half = (reach + self.slack) * self.zoom * self.size / 2 + 2
        return _span(row, half, self.size), _span(column, half, self.size)


def _span(middle: float, half: float, size: int) -> slice:
    return slice(int(np.clip(middle - half, 0, size)), int(np.clip(middle + half + 1, 0, size)))


def _rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@lru_cache(maxsize=8)
def grid(size: int) -> tuple[Array, Array]:
    """The x and y of every pixel's centre, shared and therefore read-only."""
    axis = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    x, y = np.broadcast_to(axis, (size, size)).copy(), np.broadcast_to(axis[:, None], (size, size)).copy()
    x.flags.writeable = y.flags.writeable = False
    return x, y


def posed(size: int, shift: Point = (0, 0), zoom: float = 1, tilt: float = 0, warp: Array | None = None) -> Frame:
    """A frame moved by `shift`, enlarged by `zoom`, turned by `tilt` and bent by coarse offsets `warp` (2, n, n)."""
    x, y = grid(size)
    (a, b), (c, d) = (_rotation(tilt) / zoom).astype(np.float32)
    u, v = x - np.float32(shift[0]), y - np.float32(shift[1])
    x, y = a * u + b * v, c * u + d * v
    if warp is not None:
        x, y = x + upsampled(warp[0], size), y + upsampled(warp[1], size)
    return Frame(size, x, y, shift, zoom, tilt, 0.0 if warp is None else float(np.abs(warp).max()))


@lru_cache(maxsize=64)
def _spline(size: int, knots: int) -> tuple[Array, Array]:
    """The uniform cubic B-spline that turns knots into a smooth row of pixels: for each pixel its four knots (4, size)
    and their weights (4, size)."""
    place = (np.arange(size) + 0.5) / size * (knots - 3) + 1
    first = np.clip(np.floor(place).astype(np.intp) - 1, 0, knots - 4)
    index = first + np.arange(4)[:, None]
    gap = np.abs(place - index)
    near, far = 2 / 3 - gap**2 + gap**3 / 2, np.clip(2 - gap, 0, None) ** 3 / 6
    return index, np.where(gap < 1, near, far)


def upsampled(knots: Array, size: int) -> Array:
    """A coarse square array (n, n), drawn out smoothly to (size, size).

    Sums over four knots instead of a matrix product: no BLAS, whose threads differ between machines and get in the way
    of processes that draw side by side.
    """
    index, weights = _spline(size, knots.shape[0])
    rows = sum(w[:, None] * knots[i] for i, w in zip(index, weights, strict=True))
    return np.asarray(sum(w * rows[:, i] for i, w in zip(index, weights, strict=True)), np.float32)


def noise(rng: np.random.Generator, size: int, cells: int) -> Array:
    """Smooth noise of mean 0 and spread 1 with about `cells` bumps across the image."""
    return upsampled(rng.standard_normal((cells + 3, cells + 3)) * 2.09, size)


def fractal(rng: np.random.Generator, size: int, cells: int, octaves: int = 3, gain: float = 0.55) -> Array:
    """Noise of spread 1 summed over octaves, each twice as fine as the one before and `gain` times as strong."""
    total = noise(rng, size, cells)
    for k in range(1, octaves):
        total = total + gain**k * noise(rng, size, cells * 2**k)
    return total / np.float32(np.sqrt(sum(gain ** (2 * k) for k in range(octaves))))


def grain(rng: np.random.Generator, size: int, blur: float) -> Array:
    """Fine noise of spread 1, correlated over about `blur` pixels."""
    fine = ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), blur, truncate=2.5)
    even: Array = fine / fine.std()
    return even


def outline(rng: np.random.Generator, roughness: float, orders: int = 6) -> Outline:
    """Harmonics of an irregular outline; `roughness` is the usual deviation as a share of the radius."""
    order = np.arange(2, orders + 2)
    phase = np.exp(2j * np.pi * rng.random(orders))
    strength = rng.uniform(0.5, 1.5, orders) / order**0.8
    return (0j, *(roughness * strength / np.sqrt((strength**2).sum() / 2) * phase))


def field(
    frame: Frame, centre: Point, radii: Point, edge: Outline = ROUND, tilt: float = 0, margin: float = 0.15
) -> Array:
    """The field of an ellipse whose outline is bent by harmonics; exact only up to `margin` outside it."""
    out: Array = np.full((frame.size, frame.size), FAR)
    where = frame.patch(centre, max(radii) * (1 + 1.5 * sum(map(abs, edge))) + margin)
    u: Array = frame.x[where] - np.float32(centre[0])
    v: Array = frame.y[where] - np.float32(centre[1])
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    u, v = (cos * u + sin * v) / np.float32(radii[0]), (cos * v - sin * u) / np.float32(radii[1])
    rho = np.sqrt(u * u + v * v)
    out[where] = (rho / _edge(u, v, rho, edge) - 1) * np.float32(np.sqrt(radii[0] * radii[1]))
    return out


def _edge(u: Array, v: Array, rho: Array, edge: Outline) -> Array | float:
    """The outline's radius in the direction of each point, as a share of the plain ellipse's."""
    if not edge:
        return 1.0
    turn = (u + 1j * v) / (rho + np.float32(1e-6))
    total = np.zeros_like(turn)
    for weight in reversed(edge):
        total = (total + np.complex64(weight)) * turn
    return np.maximum(1 + total.real, np.float32(0.2))


def cover(field: Array, softness: float = 0.012) -> Array:
    """How far each pixel is inside a field: 1 within, 0 without, with a step of width `softness` between.

    A wide step is rounded off at both ends; in one of a few pixels nobody would see it.
    """
    step = field * np.float32(-1 / softness)
    step += np.float32(0.5)
    np.clip(step, 0, 1, out=step)
    if softness <= 0.03:
        return step
    rest = step * np.float32(-2)
    rest += np.float32(3)
    step *= step
    step *= rest
    return step


def bump(distance: Array, width: float) -> Array:
    """A bell of height 1 at distance 0 that falls to nothing at twice the width."""
    step = np.clip(1 - (distance / np.float32(2 * width)) ** 2, 0, 1)
    return step * step


def mix(image: Array, share: Array, value: Array | float) -> Array:
    """The image with `value` laid over it where `share` is 1; grey (H, W) or of three channels (3, H, W)."""
    return image + share * (value - image)


def strokes(frame: Frame, paths: Sequence[Path], softness: float = 0.012) -> Array:
    """The cover of thick lines along paths of the body; a width may change along its path."""
    soft = max(softness * frame.zoom * frame.size / 2, 1.2)
    head, tail = _pieces(frame, paths)
    step = tail - head
    reach = int(np.abs(step[:, :2]).max() / 2 + head[:, 2].max() + soft / 2) + 1
    middle = np.rint((head + tail)[:, :2] / 2)
    around = np.arange(-reach, reach + 1, dtype=np.float32)
    u, v = middle[:, :1] + around, middle[:, 1:] + around
    du, dv = (u - head[:, :1])[:, None, :], (v - head[:, 1:2])[:, :, None]
    dx, dy, dw = (step[:, k, None, None] for k in range(3))
    along = np.clip((du * dx + dv * dy) / (dx * dx + dy * dy + np.float32(1e-6)), 0, 1)
    gap = np.sqrt((du - along * dx) ** 2 + (dv - along * dy) ** 2)
    share: Array = np.clip(0.5 + (head[:, 2, None, None] + dw * along - gap) / np.float32(soft), 0, 1)
    edge = frame.size + 2  # a rim of one pixel takes what falls outside the image
    row, column = ((np.clip(axis, -1, frame.size) + 1).astype(np.int32) for axis in (v, u))
    places = row[:, :, None] * edge + column[:, None, :]
    out = np.zeros(edge * edge, np.float32)
    hit = np.flatnonzero(share)
    np.maximum.at(out, places.ravel()[hit], share.ravel()[hit])
    return np.ascontiguousarray(out.reshape(edge, edge)[1:-1, 1:-1])


def _pieces(frame: Frame, paths: Sequence[Path], longest: float = 4.0) -> tuple[Array, Array]:
    """Heads and tails, as column, row and half-width in pixels, of the short straight pieces that make up paths."""
    widths = np.concatenate([halves for _, halves in paths]) * (frame.zoom * frame.size / 2)
    line = np.column_stack([frame.pixels(np.concatenate([points for points, _ in paths])), widths])
    joined = np.ones(len(line) - 1, bool)
    joined[np.cumsum([len(points) for points, _ in paths])[:-1] - 1] = False
    head, step = line[:-1][joined], np.diff(line, axis=0)[joined]
    counts = (np.hypot(step[:, 0], step[:, 1]) / longest).astype(int) + 1
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    head, step = np.repeat(head, counts, axis=0), np.repeat(step / counts[:, None], counts, axis=0)
    head = head + nth[:, None] * step
    return head.astype(np.float32), (head + step).astype(np.float32)


def curve(points: Sequence[Point], steps: int = 8) -> Array:
    """A smooth line through a few control points: the Bezier curve they define, at `steps` + 1 places."""
    line = np.asarray(points, float)[:, None, :]
    t = np.linspace(0, 1, steps + 1)[:, None]
    while len(line) > 1:
        line = line[:-1] * (1 - t) + line[1:] * t
    smooth: Array = line[0]
    return smooth


def tree(
    rng: np.random.Generator, root: Point, heading: float, length: float, width: float, forks: int, spread: float = 0.5
) -> list[Path]:
    """The paths of a branching vessel; each fork sends on two shorter, thinner and turned branches."""
    turn = rng.normal(0, 0.25)
    end, half = root, []
    for k in range(3):
        angle = heading + turn * k / 2
        half.append(end)
        end = (end[0] + length / 3 * np.cos(angle), end[1] + length / 3 * np.sin(angle))
    paths = [(np.array([*half, end]), np.linspace(width, width * 0.75, 4))]
    if forks:
        for sign, shrink in ((-1, rng.uniform(0.65, 0.9)), (1, rng.uniform(0.65, 0.9))):
            branch = heading + turn + sign * spread * rng.uniform(0.4, 1.1)
            paths += tree(rng, end, branch, length * shrink, width * 0.72, forks - 1, spread)
    return paths


def largest(mask: Array) -> Array:
    """The largest connected part of a mask."""
    parts, count = ndimage.label(mask)
    return mask if count < 2 else parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])


def box(mask: Array) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a mask that is not empty; right and bottom lie just outside it."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def spot(rng: np.random.Generator, room: Array, frame: Frame) -> Point | None:
    """The place in the body of a pixel drawn evenly from `room`, or None if there is none."""
    free = np.flatnonzero(room)
    if not free.size:
        return None
    pick = free[rng.integers(free.size)]
    return float(frame.x.flat[pick]), float(frame.y.flat[pick])


def arrange(labels: Sequence[str], propose: Callable[[str], Lesion | None], size: int) -> tuple[Lesion, ...]:
    """One lesion for each label, clear of one another; starts afresh when it has painted itself into a corner."""
    least = 12 * size // 256
    for _ in range(ROUNDS):
        placed: list[Lesion] = []
        for label in labels:
            lesion = next((one for one in _offers(label, propose, least) if _clear(one, placed)), None)
            if lesion is None:
                break
            placed.append(lesion)
        else:
            return tuple(placed)
    raise RuntimeError(f"no room for {', '.join(labels)} in one image")


def _offers(label: str, propose: Callable[[str], Lesion | None], least: int) -> Iterable[Lesion]:
    """A bounded run of proposals, less those that came to nothing or are too small to be seen."""
    for _ in range(TRIES):
        lesion = propose(label)
        if lesion is not None and lesion.abnormality.mask.any():
            left, top, right, bottom = box(lesion.abnormality.mask)
            if min(right - left, bottom - top) >= least:
                yield lesion


def _clear(lesion: Lesion, placed: Sequence[Lesion]) -> bool:
    """Whether a lesion keeps its distance: boxes that hardly touch, and masks that do not."""
    left, top, right, bottom = box(lesion.abnormality.mask)
    area = (right - left) * (bottom - top)
    for other in placed:
        a, b, c, d = box(other.abnormality.mask)
        shared = max(min(right, c) - max(left, a), 0) * max(min(bottom, d) - max(top, b), 0)
        rest = (c - a) * (d - b)
        if shared > 0.15 * min(area, rest) or shared >= 0.05 * (area + rest - shared):
            return False
        if (lesion.abnormality.mask & other.abnormality.mask).any() or _hidden(lesion, other) or _hidden(other, lesion):
            return False
    return True


def _hidden(lesion: Lesion, other: Lesion) -> bool:
    """Whether another lesion takes more than a quarter of a lesion out of sight."""
    if other.hides is None:
        return False
    mask = lesion.abnormality.mask
    return bool(np.count_nonzero(mask & other.hides) > 0.25 * np.count_nonzero(mask))


def picture(image: Array, lesions: Sequence[Lesion], structures: Mapping[str, Array]) -> SyntheticImage:
    """The finished picture of an image of 0 to 1, (H, W) or (3, H, W); structures too small to be seen are left out."""
    levels = (np.clip(image, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    pixels = np.stack(tuple(levels) if levels.ndim == 3 else (levels,) * 3, axis=-1)
    least = levels.shape[-1] ** 2 // 2000
    seen = {name: mask for name, mask in structures.items() if np.count_nonzero(mask) > least}
    return SyntheticImage(pixels, tuple(lesion.abnormality for lesion in lesions), seen)


def check(labels: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError for a label that this kind of image does not have."""
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise ValueError(f"unknown abnormality {unknown[0]!r}; known are {', '.join(known)}")
