"""Radiographs of the chest, plain and with what surgeons and wards leave in it."""

from dataclasses import dataclass

import cv2
import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Points,
    Shape,
    at,
    blob,
    blur,
    bone,
    clouds,
    collimate,
    counts,
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    jpegged,
    ribbon,
    sharpen,
    size,
    stroke,
    tree,
    vessels,
)

_BODY = [
    (0.41, -0.05),
    (0.40, 0.06),
    (0.28, 0.11),
    (0.10, 0.16),
    (-0.03, 0.30),
    (-0.05, 0.60),
    (-0.03, 0.85),
    (-0.04, 1.3),
]
_RIGHT_LUNG = [(0.37, 0.13), (0.28, 0.16), (0.19, 0.31), (0.14, 0.52), (0.115, 0.80), (0.20, 0.745), (0.30, 0.725)]
_RIGHT_LUNG += [(0.40, 0.775), (0.435, 0.70), (0.425, 0.52), (0.445, 0.36), (0.435, 0.20)]
_LEFT_LUNG = [(0.63, 0.13), (0.72, 0.16), (0.81, 0.31), (0.86, 0.52), (0.885, 0.82), (0.80, 0.77), (0.72, 0.77)]
_LEFT_LUNG += [(0.695, 0.75), (0.68, 0.65), (0.61, 0.53), (0.575, 0.40), (0.575, 0.28), (0.565, 0.20)]


def _mirrored(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points + [(1 - x, y) for x, y in reversed(points)]


@dataclass(frozen=True)
class _Chest:
    field: Field
    lungs: Field


def _ribs(rng: np.random.Generator, shape: Shape, tilt: float) -> Field:
    """Twelve pairs of ribs: the hind part bright, the front part faint and running the other way."""
    height = shape[0]
    total = np.zeros(shape, np.float32)
    for index in range(10):
        top = 0.125 + 0.064 * index + rng.normal(0, 0.003)
        reach = 0.20 + 0.17 * np.sqrt(min(index, 6) / 6)
        for side in (-1, 1):
            hind = [(0.04, 0), (0.45 * reach, -0.025), (0.8 * reach, 0.0 + tilt), (reach, 0.055 + tilt)]
            hind += [(1.03 * reach, 0.1 + tilt)]
            line = curve(at(shape, [(0.5 + side * x, top + y) for x, y in hind]))
            half = height * 0.0105 * np.linspace(0.8, 1.1, len(line))
            total += 0.9 * bone(fill(shape, ribbon(line, half), 0.8), height * 0.003, 0.55)
            if index < 7:
                front = [(1.02 * reach, 0.1 + tilt), (0.93 * reach, 0.17 + tilt), (0.62 * reach, 0.235 + tilt)]
                line = curve(at(shape, [(0.5 + side * x, top + y) for x, y in front]))
                total += 0.5 * bone(fill(shape, ribbon(line, height * 0.0125), 1.0), height * 0.003, 0.5)
    return total


def _column(rng: np.random.Generator, shape: Shape) -> Field:
    """The spine seen through the middle of the chest: end plates, pedicles, spinous processes."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for index in range(14):
        y = (0.03 + 0.07 * index) * height
        half = width * (0.033 + 0.0008 * index)
        middle = width * 0.5 + rng.normal(0, width * 0.001)
        box = [(-1, -0.026), (0, -0.022), (1, -0.026), (0.9, 0), (1, 0.026), (0, 0.022), (-1, 0.026), (-0.9, 0)]
        points = np.array([(middle + x * half, y + dy * height) for x, dy in box])
        total += bone(fill(shape, curve(points, closed=True), 1.0), height * 0.003, 0.4)
        for side in (-0.6, 0.6):
            oval = ellipse(shape, (middle + side * half, y - 0.006 * height), (0.2 * half, 0.011 * height))
            total += 0.5 * np.exp(-(((oval - 1) / 0.35) ** 2))
        total += 0.5 * inside(ellipse(shape, (middle, y + 0.02 * height), (0.16 * half, 0.013 * height)), 0.4)
    return total


def _chest(rng: np.random.Generator, shape: Shape) -> _Chest:
    height, width = shape
    x, y = grid(shape)
    scale = height / 100
    body = fill(shape, curve(at(shape, jitter(rng, _mirrored(_BODY), 0.006)), True), scale)
    lungs = np.zeros(shape, np.float32)
    for points in (_RIGHT_LUNG, _LEFT_LUNG):
        lungs = np.maximum(lungs, fill(shape, curve(at(shape, jitter(rng, points, 0.007)), True), scale * 0.35))
    field = 14 + body * (150 + 25 * y - 40 * np.abs(x - 0.5) * 2)
    heart = fill(shape, blob(rng, at(shape, (0.55, 0.63)), (width * 0.15, height * 0.14), 0.08, 35), scale * 0.8)
    middle = np.exp(-(((x - 0.5) / 0.10) ** 2)) * body
    field += 32 * middle + 22 * inside(y * 0 + np.abs((y - 1.02) / 0.26), 0.25) * body
    aeration = rng.uniform(85, 112)
    field -= lungs * aeration * (0.85 + 0.15 * (1 - y)) * (1 - 0.25 * middle)
    field += heart * 16 + 26 * heart * lungs
    hila: list[tuple[Points, float, float]] = []
    for side in (-1, 1):
        root = at(shape, (0.5 + side * 0.075, 0.44))
        for _ in range(9):
            heading = rng.uniform(-1.25, 1.35)
            heading = heading if side > 0 else np.pi - heading
            start = root + rng.normal(0, scale, 2)
            hila += tree(
                rng, start, heading, height * rng.uniform(0.07, 0.11), scale * rng.uniform(0.6, 1.2), 3, 0.3, 0.4
            )
        field += 24 * np.exp(-(ellipse(shape, root, (0.05 * width, 0.07 * height)) ** 2))
    reach = np.exp(-((np.abs(x - 0.5) / 0.27) ** 2))
    field += 27 * vessels(shape, hila, scale * 0.2) * (0.1 + 0.9 * lungs) * (0.25 + 0.75 * reach)
    field += _ribs(rng, shape, rng.uniform(-0.01, 0.02)) * (15 * lungs + 9 * body * (y < 0.9))
    field += 12 * _column(rng, shape) * body
    for side in (-1, 1):
        collar = [(0.035, 0.19), (0.12, 0.165), (0.24, 0.135), (0.36, 0.14), (0.43, 0.12)]
        line = curve(at(shape, jitter(rng, [(0.5 + side * cx, cy) for cx, cy in collar], 0.003)))
        half = height * 0.012 * (1.2 - 0.5 * np.sin(np.linspace(0, np.pi, len(line))))
        field += 26 * bone(fill(shape, ribbon(line, half), 0.8), height * 0.003, 0.5)
        blade = [(0.36, 0.17), (0.45, 0.16), (0.43, 0.30), (0.37, 0.44), (0.345, 0.30)]
        outline = curve(at(shape, jitter(rng, [(0.5 + side * bx, by) for bx, by in blade], 0.006)), True)
        field += 13 * bone(fill(shape, outline, 1.2), height * 0.004, 0.35)
        head = at(shape, (0.5 + side * 0.475, 0.19))
        field += 24 * bone(inside(ellipse(shape, head, (0.05 * width, 0.05 * height)), 0.05), height * 0.005)
    wind = np.exp(-(((x - 0.5 - 0.006 * np.sin(9 * y)) / 0.022) ** 2)) * inside(y / 0.36, 0.2)
    field -= 30 * wind
    if rng.random() < 0.6:
        bubble = ellipse(shape, at(shape, (0.72, 0.86)), (0.08 * width, 0.035 * height), -10)
        field -= 55 * inside(bubble, 0.2)
    field += 3.5 * fractal(rng, shape, height / 25) * body
    return _Chest(field.astype(np.float32), lungs)


def _exposed(rng: np.random.Generator, field: Field) -> Picture:
    field = sharpen(field, field.shape[0] / 90, rng.uniform(0.2, 0.9))
    field = (field - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-12, 12)
    picture = finish(counts(rng, field, rng.uniform(2, 9)))
    return jpegged(picture, int(rng.integers(35, 80))) if rng.random() < 0.35 else picture


def _nodule(rng: np.random.Generator, chest: _Chest) -> Field:
    rows, columns = np.nonzero(chest.lungs > 0.95)
    pick = int(rng.integers(len(rows)))
    radius = chest.field.shape[0] * rng.uniform(0.012, 0.05)
    outline = blob(rng, (columns[pick], rows[pick]), (radius, radius), 0.25)
    return fill((chest.field.shape[0], chest.field.shape[1]), outline, radius * 0.25)


def chest_radiograph(rng: np.random.Generator) -> Picture:
    """A frontal chest, or one side of it close up with its ribs; some with a nodule, shutters or JPEG blocks."""
    chest = _chest(rng, size(rng, 480, 1000, (0.88, 1.08)))
    field = chest.field
    if rng.random() < 0.5:
        field = field + 40 * _nodule(rng, chest)
    if rng.random() < 0.3:
        height, width = field.shape
        left = int(rng.choice([0.05, 0.47]) * width)
        cut = field[int(0.1 * height) : int(0.7 * height), left : left + int(0.48 * width)]
        enlarge = rng.uniform(1.0, 1.5)
        field = cv2.resize(cut, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    elif rng.random() < 0.4:
        field = collimate(rng, field)
    if rng.random() < 0.3:
        field = field[:, ::-1]
    return _exposed(rng, np.ascontiguousarray(field))


def _pacemaker(rng: np.random.Generator, field: Field) -> Field:
    shape = (field.shape[0], field.shape[1])
    height = shape[0]
    middle = at(shape, jitter(rng, (0.77, 0.25), 0.015))
    radius = height * rng.uniform(0.045, 0.06)
    case = fill(shape, blob(rng, middle, (radius, radius * 0.9), 0.06, 20), 0.8)
    field = field + 70 * case * (0.9 + 0.1 * clouds(rng, shape, 3))
    inner = fill(shape, blob(rng, middle + (0, radius * 0.2), (radius * 0.6, radius * 0.45), 0.1), 1.0)
    field = field + 35 * inner
    top = fill(shape, middle + np.array([(-0.7, -1.15), (0.5, -1.2), (0.6, -0.75), (-0.8, -0.7)]) * radius, 1.0)
    field = field + 30 * top
    for tip in ((0.60, 0.71), (0.47, 0.62))[: int(rng.integers(1, 3))]:
        way = [(0.76, 0.20), (0.82, 0.31), (0.72, 0.17), (0.60, 0.175), (0.50, 0.24), (0.475, 0.40), tip]
        lead = curve(at(shape, jitter(rng, way, 0.006)), count=300)
        field = field + 95 * stroke(shape, lead, max(1.5, height / 300), 0.5)
        field = field + 80 * stroke(shape, lead[-16:], max(2.0, height / 190), 0.5)
        field = field + 80 * stroke(shape, lead[-40:-32], max(2.0, height / 190), 0.5)
    return field


def _sternal_wires(rng: np.random.Generator, field: Field) -> Field:
    shape = (field.shape[0], field.shape[1])
    height = shape[0]
    for index in range(int(rng.integers(4, 7))):
        middle = at(shape, (0.5 + rng.normal(0, 0.004), 0.24 + 0.075 * index + rng.normal(0, 0.006)))
        radius = height * rng.uniform(0.012, 0.022)
        loop = blob(rng, middle, (radius, radius * rng.uniform(0.3, 0.8)), 0.2, rng.uniform(-30, 30))
        field = field + 85 * stroke(shape, loop, max(1.2, height / 420), 0.5, closed=True)
        twist = middle + np.cumsum(rng.normal(0, radius * 0.25, (6, 2)), 0)
        field = field + 90 * stroke(shape, curve(twist), max(1.5, height / 320), 0.5)
    return field


def _clips(rng: np.random.Generator, field: Field) -> Field:
    shape = (field.shape[0], field.shape[1])
    height = shape[0]
    base = at(shape, (rng.uniform(0.3, 0.65), rng.uniform(0.35, 0.6)))
    for _ in range(int(rng.integers(5, 14))):
        middle = base + rng.normal(0, height * 0.06, 2)
        angle = rng.uniform(0, np.pi)
        half = height * 0.007 * np.array([np.cos(angle), np.sin(angle)])
        field = field + 110 * stroke(shape, [middle - half, middle + half], max(1.5, height / 330), 0.5)
    return field


def _tubes(rng: np.random.Generator, field: Field) -> Field:
    shape = (field.shape[0], field.shape[1])
    height = shape[0]
    wind = curve(at(shape, jitter(rng, [(0.5, -0.02), (0.505, 0.1), (0.5, 0.2), (0.497, 0.3)], 0.003)))
    for edge in (-1, 1):
        field = field + 30 * stroke(shape, wind + (edge * height * 0.008, 0), 1.2, 0.5)
    field = field + 45 * stroke(shape, wind + (height * 0.004, 0), 1.2, 0.5)
    line = curve(at(shape, jitter(rng, [(0.2, 0.05), (0.33, 0.15), (0.43, 0.2), (0.465, 0.3), (0.47, 0.42)], 0.006)))
    field = field + 50 * stroke(shape, line, max(1.5, height / 350), 0.5)
    for _ in range(int(rng.integers(2, 5))):
        pad = at(shape, (rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.8)))
        field = field + 35 * inside(ellipse(shape, pad, (height * 0.013, height * 0.013)), 0.1)
        field = field + 45 * inside(ellipse(shape, pad, (height * 0.005, height * 0.005)), 0.1)
        wire = np.cumsum(np.concatenate([[pad], rng.normal((0.0, 0.05), 0.04, (6, 2)) * height]), 0)
        field = field + 40 * stroke(shape, curve(wire), 1.5, 0.4)
    return field


def _stent(rng: np.random.Generator, field: Field) -> Field:
    """A mesh of crossing wires from the end of the aortic arch downwards, and a valve's ring."""
    shape = (field.shape[0], field.shape[1])
    height = shape[0]
    way = [(0.53, 0.325), (0.57, 0.32), (0.592, 0.39), (0.59, 0.5), (0.575, 0.63)]
    line = curve(at(shape, jitter(rng, way, 0.005)), count=150)
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    turn = np.linspace(0, 2 * np.pi * 11, len(line))
    mesh = np.zeros(shape, np.float32)
    for phase in np.linspace(0, 2 * np.pi, 6, endpoint=False):
        for sign in (-1, 1):
            wire = line + across * (np.sin(sign * turn + phase) * height * 0.019)[:, None]
            mesh = np.maximum(mesh, stroke(shape, wire, 1.0, 0.45))
    ring = stroke(shape, blob(rng, at(shape, (0.55, 0.6)), (height * 0.022, height * 0.011), 0.03, 40), 2, 0.5, True)
    stented: Field = field + 75 * mesh + 90 * ring
    return stented


def chest_devices(rng: np.random.Generator) -> Picture:
    """A chest with sternal wires, a pacemaker and its leads, clips, tubes with electrodes, or a stent."""
    field = _chest(rng, size(rng, 520, 1000, (0.9, 1.05))).field
    parts = [_pacemaker, _sternal_wires, _clips, _tubes, _stent]
    for index in rng.permutation(len(parts))[: int(rng.integers(1, 4))]:
        field = parts[index](rng, field)
    return _exposed(rng, blur(field.astype(np.float32), 0.4))
