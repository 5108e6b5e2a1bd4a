"""What letters are drawn over, and what looks like letters and is none: pictures to learn the difference from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image

from unveil.gate.regions import planes, scales
from unveil.synthetic.dataset import MODALITIES

Rng: TypeAlias = np.random.Generator
SIDE = 256


def smooth(rng: Rng, sigma: float, side: int = SIDE) -> np.ndarray:
    """A random field from 0 to 1 whose bumps are about `sigma` pixels wide."""
    step = max(1, int(sigma / 3))
    small = rng.normal(size=(side // step + 8,) * 2).astype(np.float32)
    field = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.5))
    field = cv2.resize(field, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)[:side, :side]
    low, high = field.min(), field.max()
    bumps: np.ndarray = (field - low) / max(high - low, 1e-6)
    return bumps


def flat(rng: Rng) -> np.ndarray:
    return np.full((SIDE, SIDE), 0.0 if rng.random() < 0.5 else rng.uniform(0, 255), np.float32)


def anatomy(rng: Rng) -> np.ndarray:
    """A part of a synthetic image, of any kind and in any size."""
    module = list(MODALITIES.values())[int(rng.integers(len(MODALITIES)))]
    side, small = int(rng.choice([256, 320, 448, 640])), int(rng.choice([0, 0, 64, 110, 170]))
    labels = [str(rng.choice(module.ABNORMALITIES))]
    picture = module.draw(module.draw_anatomy(rng), labels, rng, side).pixels
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if small:  # as the coarse scales see it, among mirror images of itself
        grey = cv2.resize(grey, (small, small), interpolation=cv2.INTER_AREA)
        grey, side = np.pad(grey, (0, 320 - small), mode="symmetric"), 320
    x, y = (int(rng.integers(0, side - SIDE + 1)) for _ in range(2))
    cut: np.ndarray = grey[y : y + SIDE, x : x + SIDE]
    return np.rot90(cut, int(rng.integers(4))).astype(np.float32)


def slope(rng: Rng) -> np.ndarray:
    angle, (low, high) = rng.uniform(0, 6.3), np.sort(rng.uniform(0, 255, 2))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    ramp = np.cos(angle) * x + np.sin(angle) * y
    ground: np.ndarray = (low + (high - low) * (ramp - ramp.min()) / np.ptp(ramp)).astype(np.float32)
    return ground


def clouds(rng: Rng) -> np.ndarray:
    """Bumps of several widths, from vessels' to organs'."""
    field: np.ndarray = np.sum([rng.random() * w**0.7 * smooth(rng, w) for w in (1.5, 3, 6, 12, 24, 48)], axis=0)
    field = (field - field.min()) / np.ptp(field)
    return (field * rng.uniform(20, 255)).astype(np.float32)


def bands(rng: Rng) -> np.ndarray:
    """A mesh of bright beams, as in bone: where one random field, or two, are near their middle."""
    width = rng.uniform(1.5, 6)
    field = np.abs(smooth(rng, width) - 0.5)
    if rng.random() < 0.4:
        field = np.minimum(field, np.abs(smooth(rng, width * rng.uniform(1, 2)) - 0.5))
    beams = np.exp(-((field / rng.uniform(0.02, 0.1)) ** 2))
    return (rng.uniform(0, 120) + rng.uniform(20, 130) * beams * (0.5 + smooth(rng, 40))).astype(np.float32)


def speckle(rng: Rng) -> np.ndarray:
    """Grains of many contrasts and widths over soft bumps, with dark cysts; in a fan or not."""
    across, along = rng.uniform(0.3, 3), rng.uniform(0.3, 1.5)
    waves = [
        cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)).astype(np.float32), (0, 0), across, sigmaY=along) for _ in "ri"
    ]
    grains = np.hypot(*waves) ** rng.uniform(0.5, 2.5)
    grains /= grains.mean()
    picture: np.ndarray = smooth(rng, rng.uniform(10, 60)) ** rng.uniform(0.5, 2) * rng.uniform(40, 180)
    picture = picture * (1 + rng.uniform(0.1, 1) * (grains - 1)) if rng.random() < 0.5 else picture * grains
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        at, reach = rng.uniform(0, SIDE, 2), rng.uniform(8, 40)
        picture = picture * (1 - rng.uniform(0.5, 1) * (np.hypot(x - at[0], y - at[1]) < reach))
    if rng.random() < 0.5:  # seen from a point: grains grow wider with depth
        top, middle, opening = rng.uniform(-150, 60), rng.uniform(-60, SIDE + 60), rng.uniform(0.4, 1.2)
        depth, angle = np.hypot(x - middle, y - top), np.arctan2(x - middle, np.maximum(y - top, 1e-3))
        stretch = rng.uniform(60, 250)
        picture = cv2.remap(
            picture.astype(np.float32),
            angle * stretch + SIDE / 2,
            depth,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        picture *= (np.abs(angle) < opening) & (depth < rng.uniform(150, 500)) & (y > top)
    return picture.clip(0, 255)


def cells(rng: Rng) -> np.ndarray:
    """Many round things with or without a rim and a core, or blots of any form."""
    if rng.random() < 0.4:
        width, share = rng.uniform(2, 9), rng.uniform(0.55, 0.8)
        field, base = smooth(rng, width), rng.uniform(60, 250) + 30 * smooth(rng, 30)
        edge = rng.uniform(0.005, 0.05)
        blots = 1 / (1 + np.exp(-((field - np.quantile(field, share)) / edge).clip(-30, 30)))
        blotted: np.ndarray = (base + rng.uniform(-200, 100) * blots).clip(0, 255).astype(np.float32)
        return blotted
    picture = np.full((SIDE, SIDE), rng.uniform(100, 250), np.float32)
    size, tone = rng.uniform(4, 30), rng.uniform(20, 230)
    rim, core = rng.random() < 0.5, rng.random() < 0.5
    for _ in range(int(rng.uniform(0.1, 0.8) * SIDE**2 / size**2)):
        at = tuple(int(v) for v in rng.integers(0, SIDE, 2))
        axes = tuple(int(max(2, v)) for v in size * rng.uniform(0.5, 1.2, 2))
        angle = rng.uniform(0, 180)
        cv2.ellipse(picture, at, axes, angle, 0, 360, tone + rng.normal(0, 8), -1, cv2.LINE_AA)
        if rim:
            cv2.ellipse(picture, at, axes, angle, 0, 360, tone - 40, 1, cv2.LINE_AA)
        if core:
            cv2.circle(picture, at, max(1, axes[0] // 3), tone - 70, -1, cv2.LINE_AA)
    return picture.clip(0, 255)


def stripes(rng: Rng) -> np.ndarray:
    """Waves, one way or two, soft or hard: grids against scatter, meshes, weaves, chequers."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    total = np.zeros((SIDE, SIDE), np.float32)
    angle, ways = rng.choice([0.0, np.pi / 4, rng.uniform(0, 3.14)]), int(rng.integers(1, 3))
    period = rng.uniform(2.5, 24)
    for way in range(ways):
        turned = angle + way * np.pi / 2
        wave = np.sin(2 * np.pi * (np.cos(turned) * x + np.sin(turned) * y) / period + rng.uniform(0, 6))
        total += np.sign(wave) if rng.random() < 0.3 else np.sign(wave) * np.abs(wave) ** rng.choice([1, 1, 4])
    base = clouds(rng) if rng.random() < 0.5 else flat(rng)
    if rng.random() < 0.4:  # bent
        moved = [rng.uniform(5, 40) * (smooth(rng, rng.uniform(20, 60)) - 0.5) for _ in "xy"]
        total = cv2.remap(total, x + moved[0], y + moved[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    striped: np.ndarray = (base + total * rng.uniform(2, 60)).clip(0, 255)
    return striped


def pictures_of(folders: tuple[Path, ...]) -> list[np.ndarray]:
    """The pictures in these folders, (H, W) or (H, W, 3)."""
    files = sorted(f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in (".png", ".jpg", ".jpeg"))
    opened = (Image.open(file) for file in files)
    return [np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")) for image in opened]


def part(rng: Rng, picture: np.ndarray) -> np.ndarray:
    """A part of a picture as the search would see it: one of its planes, at one of its scales, turned or mirrored."""
    shades = planes(picture)
    grey = shades[int(rng.integers(len(shades)))]
    zoom = float(rng.choice(scales(*grey.shape))) * rng.uniform(0.8, 1.25)
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    grey = cv2.resize(grey, None, fx=zoom, fy=zoom, interpolation=way).astype(np.float32)
    if min(grey.shape) < SIDE:
        grey = np.pad(grey, [(0, max(0, SIDE - n)) for n in grey.shape], mode="symmetric")
    y, x = (int(rng.integers(0, n - SIDE + 1)) for n in grey.shape)
    grey = np.rot90(grey[y : y + SIDE, x : x + SIDE], int(rng.integers(4)))
    return (grey[:, ::-1] if rng.random() < 0.5 else grey).clip(0, 255)


GROUNDS: dict[Callable[[Rng], np.ndarray], float] = {
    flat: 5, anatomy: 5, slope: 1, clouds: 3, bands: 3, speckle: 5, cells: 2, stripes: 2,
}  # fmt: skip


def ground(rng: Rng, pictures: list[np.ndarray]) -> np.ndarray:
    """A ground with noise of its own, float32 from 0 to 255; each second one a part of a picture, if there are any."""
    if pictures and rng.random() < 0.5:
        picture, noisy = part(rng, pictures[int(rng.integers(len(pictures)))]), rng.random() < 0.2
    else:
        weights = np.array(list(GROUNDS.values()))
        draw = list(GROUNDS)[int(rng.choice(len(weights), p=weights / weights.sum()))]
        picture, noisy = draw(rng), rng.random() < 0.55
    if noisy:
        noise = rng.normal(0, 1, picture.shape).astype(np.float32)
        if rng.random() < 0.6:
            noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 2.2))
            noise /= noise.std()
        picture = picture + noise * 10 ** rng.uniform(-0.1, 1.4)
    return picture.clip(0, 255)


# Things that are drawn over a ground and are no letters


def _ink(rng: Rng, picture: np.ndarray) -> float:
    """A grey level that can be seen on the picture."""
    middle = float(picture.mean())
    return float(np.clip(middle + rng.choice([-1, 1]) * rng.uniform(15, 255), 0, 255))


def _point(rng: Rng, side: int) -> np.ndarray:
    return rng.uniform(-10, side + 10, 2)


def _line(picture: np.ndarray, points: np.ndarray, ink: float, width: int) -> None:
    cv2.polylines(picture, [np.round(points * 8).astype(np.int32)], False, ink, width, cv2.LINE_AA, 3)


def scale(rng: Rng, picture: np.ndarray) -> None:
    """A row of equal ticks at equal distances, each few of them longer; with or without the line."""
    side = len(picture)
    step, length, width = rng.uniform(3, 24), rng.uniform(2, 12), int(rng.integers(1, 3))
    angle = rng.choice([0, 0, np.pi / 2, np.pi / 2, rng.uniform(0, 3.14)])
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    start, ink, every = _point(rng, side) - along * rng.uniform(0, side), _ink(rng, picture), int(rng.integers(2, 11))
    centred = rng.random() < 0.5
    for i in range(int(rng.uniform(5, 2 * side / step))):
        reach = length * (rng.choice([1.6, 2]) if i % every == 0 else 1)
        base = start + along * step * i - (across * reach / 2 if centred else 0)
        _line(picture, np.stack([base, base + across * reach]), ink, width)
    if rng.random() < 0.5:
        _line(picture, np.stack([start, start + along * 2 * side]), ink, width)


def dots(rng: Rng, picture: np.ndarray) -> None:
    """A dotted or dashed line, beads, holes of a film, clips in a row."""
    start, end, ink = _point(rng, len(picture)), _point(rng, len(picture)), _ink(rng, picture)
    size, step = rng.uniform(0.5, 4), rng.uniform(3, 18)
    kind, turned = rng.choice(["circle", "square", "dash", "clip"]), rng.uniform(0, 3.14)
    way = (end - start) / max(np.hypot(*(end - start)), 1)
    if rng.random() < 0.6:
        way = np.array([[1, 0], [0, 1]][int(rng.integers(2))], float)
    for i in range(int(rng.uniform(4, 50))):
        at = start + way * max(step, 2.2 * size) * i
        x, y = (int(v) for v in at)
        if kind == "circle":
            cv2.circle(picture, (x, y), max(1, int(size)), ink, -1 if size < 3 else int(rng.choice([-1, 1])))
        elif kind == "square":
            cv2.rectangle(picture, (x, y), (int(x + 2 * size), int(y + 2 * size)), ink, -1)
        elif kind == "dash":
            _line(picture, np.stack([at, at + way * step / 2]), ink, max(1, int(size / 2)))
        else:
            reach = 2 * size * np.array([np.cos(turned), np.sin(turned)]) + rng.normal(0, 1, 2)
            _line(picture, np.stack([at - reach, at + reach]), ink, max(1, int(size / 2)))


def crosses(rng: Rng, picture: np.ndarray) -> None:
    """Callipers: two to six marks, with lines between them or without."""
    ink, reach, slanted = _ink(rng, picture), rng.uniform(2, 9), rng.random() < 0.4
    points = [_point(rng, len(picture)) for _ in range(int(rng.integers(2, 7)))]
    arms = [np.array(v) for v in (((1, 1), (1, -1)) if slanted else ((1, 0), (0, 1)))]
    for at in points:
        for arm in arms:
            _line(picture, np.stack([at - arm * reach, at + arm * reach]), ink, 1)
    kind = rng.random()
    if kind < 0.3:
        _line(picture, np.stack(points[:2]), ink, 1)
    elif kind < 0.6:  # dotted
        far = float(np.hypot(*(points[1] - points[0])))
        for t in np.arange(0, 1, rng.uniform(3, 9) / max(far, 1)):
            at = points[0] + t * (points[1] - points[0])
            cv2.circle(picture, (int(at[0]), int(at[1])), int(rng.integers(1, 3)) - 1, ink, -1)


def curve(rng: Rng, picture: np.ndarray) -> None:
    """A trace, a hair, a wire, an edge: a path of random bends."""
    side, n = len(picture), int(rng.integers(4, 60))
    turns = rng.normal(0, rng.uniform(0.05, 0.9), n).cumsum() + rng.uniform(0, 6.3)
    steps = rng.uniform(1, 16) * np.stack([np.cos(turns), np.sin(turns)], 1)
    _line(picture, _point(rng, side) + steps.cumsum(0), _ink(rng, picture), int(rng.choice([1, 1, 2, 3, 6])))


def trace(rng: Rng, picture: np.ndarray) -> None:
    """A heart's trace: the same spikes again and again."""
    side, ink = len(picture), _ink(rng, picture)
    period, height = rng.uniform(14, 90), rng.uniform(5, 50)
    x = np.arange(0, side, 0.5)
    phase = (x % period) / period
    y = -height * np.exp(-(((phase - 0.4) / 0.02) ** 2)) + height * 0.3 * np.exp(-(((phase - 0.45) / 0.02) ** 2))
    y = y - height * 0.2 * np.exp(-(((phase - 0.7) / 0.06) ** 2)) + rng.normal(0, rng.uniform(0, 1.2), len(x))
    points = np.stack([x, y + rng.uniform(0, side)], 1)
    _line(picture, points if rng.random() < 0.8 else points[:, ::-1], ink, 1)


def frame(rng: Rng, picture: np.ndarray) -> None:
    """A rectangle, a circle, a fan; filled or not. The edge of a film, a field of view, a box around a lesion."""
    ink, width = _ink(rng, picture), int(rng.choice([-1, 1, 1, 2, 3]))
    a, b = (tuple(int(v) for v in _point(rng, len(picture))) for _ in range(2))
    kind = rng.integers(3)
    if kind == 0:
        cv2.rectangle(picture, a, b, ink, width)
    elif kind == 1:
        for k in range(1 if rng.random() < 0.7 else 6):
            cv2.circle(picture, a, int(rng.uniform(3, 90)) + 6 * k, ink, max(width, 1), cv2.LINE_AA)
    else:
        axes = tuple(int(v) for v in rng.uniform(5, 120, 2))
        cv2.ellipse(picture, a, axes, rng.uniform(0, 360), 0, rng.uniform(60, 360), ink, width, cv2.LINE_AA)


def wedge(rng: Rng, picture: np.ndarray) -> None:
    """A bar of grey levels, smooth or in steps."""
    n, side = int(rng.choice([4, 8, 16, 64])), len(picture)
    levels = np.linspace(0, 255, n)[:: int(rng.choice([-1, 1]))]
    bar = np.repeat(levels, max(1, int(rng.uniform(60, 1.2 * side) / n)))[: side - 2]
    x, y, width = 1, int(rng.integers(0, side - 20)), int(rng.integers(4, 20))
    part = picture if rng.random() < 0.5 else picture.T
    part[y : y + width, x : x + len(bar)] = bar


def arrow(rng: Rng, picture: np.ndarray) -> None:
    start = _point(rng, len(picture))
    end = start + rng.uniform(8, 50) * np.array([np.cos(a := rng.uniform(0, 6.3)), np.sin(a)])
    first, last = (tuple(int(v) for v in p) for p in (start, end))
    width, head = int(rng.integers(1, 4)), rng.uniform(0.2, 0.6)
    cv2.arrowedLine(picture, first, last, _ink(rng, picture), width, cv2.LINE_AA, 0, head)


def strokes(rng: Rng, picture: np.ndarray) -> None:
    """Short strokes strewn about without rows: fibres, scratches, threads, twigs of vessels."""
    ink, width, spread = _ink(rng, picture), int(rng.choice([1, 1, 2])), rng.uniform(2, 14)
    for _ in range(int(rng.uniform(3, 60))):
        at, turn = _point(rng, len(picture)), rng.uniform(0, 6.3)
        points = [at]
        for _ in range(int(rng.integers(1, 5))):
            turn += rng.normal(0, 0.6)
            points.append(points[-1] + spread * np.array([np.cos(turn), np.sin(turn)]))
        _line(picture, np.stack(points), ink, width)


def branches(rng: Rng, picture: np.ndarray) -> None:
    """A tree of vessels."""
    ink = _ink(rng, picture)
    ends = [(_point(rng, len(picture)), rng.uniform(0, 6.3), rng.uniform(3, 8))]
    for _ in range(60):
        if not ends:
            return
        at, turn, width = ends.pop(0)
        points = [at]
        for _ in range(int(rng.integers(3, 12))):
            turn += rng.normal(0, 0.25)
            points.append(points[-1] + rng.uniform(3, 7) * np.array([np.cos(turn), np.sin(turn)]))
        _line(picture, np.stack(points), ink, max(1, int(width)))
        if width > 1:
            ends += [(points[-1], turn + s * rng.uniform(0.2, 0.9), width * rng.uniform(0.55, 0.9)) for s in (-1, 1)]


THINGS: dict[Callable[[Rng, np.ndarray], None], float] = {
    scale: 3, dots: 2, crosses: 1.5, curve: 3, trace: 1, frame: 2, wedge: 1, arrow: 0.7, strokes: 2, branches: 1.2,
}  # fmt: skip


def clutter(rng: Rng, picture: np.ndarray) -> None:
    """Draws up to four things that are no letters into the picture."""
    weights = np.array(list(THINGS.values()))
    for _ in range(int(rng.choice([0, 0, 1, 1, 2, 3, 4]))):
        layer = picture.copy()
        list(THINGS)[int(rng.choice(len(weights), p=weights / weights.sum()))](rng, layer)
        if rng.random() < 0.4:
            layer = cv2.GaussianBlur(layer - picture, (0, 0), rng.uniform(0.4, 1.5)) + picture
        picture[:] = layer.clip(0, 255)
