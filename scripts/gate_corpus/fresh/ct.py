"""CT of head, chest and abdomen."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.brain import folded, ventricles
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
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    size,
    stroke,
    tree,
    vessels,
)


def windowed(hounsfield: Field, level: float, width: float) -> Field:
    """Hounsfield units as greys of a window."""
    return (hounsfield - level + width / 2) / width * 255


def _streaks(rng: np.random.Generator, shape: Shape, centre: Points, strength: float) -> Field:
    """Rays of light and dark out of metal or dense bone."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    angle = np.arctan2(y - centre[1], x - centre[0])
    away = np.hypot(y - centre[1], x - centre[0]) / shape[0]
    table = np.convolve(rng.normal(0, 1, 720), np.ones(5) / 5, "same")
    table = (table + np.roll(table, 360)) / 1.2
    rays = np.interp(angle.ravel(), np.linspace(-np.pi, np.pi, 720), table).reshape(shape)
    streaks: Field = (strength * rays * np.exp(-away * 5)).astype(np.float32)
    return streaks


def _tissue_noise(rng: np.random.Generator, field: Field, amount: float) -> Field:
    shape = (field.shape[0], field.shape[1])
    return field + amount * (clouds(rng, shape, 0.9) - 0.5 * clouds(rng, shape, 2.2))


def ct_head(rng: np.random.Generator, bone_window: float = 0.3) -> Picture:
    """A slice of a head in a brain or a bone window, in its head rest; some with blood, calcium or streaks."""
    height, width = shape = size(rng, 256, 720, (0.95, 1.05))
    unit = height / 100
    x, y = grid(shape)
    middle = at(shape, (0.5, 0.48)) + rng.normal(0, unit, 2)
    tilt = rng.uniform(-8, 8)
    rx, ry = rng.uniform(30, 34) * unit, rng.uniform(38, 42) * unit
    outer = ellipse(shape, middle, (rx, ry), tilt)
    outer = outer * (1 + 0.03 * clouds(rng, shape, 25 * unit))
    field = np.full(shape, -1000, np.float32)
    scalp = inside(outer / 1.09, 0.02)
    field += 985 * scalp + 14 * scalp * clouds(rng, shape, 2 * unit)
    skull = inside(outer, 0.015)
    field += skull * 1250 - 600 * np.exp(-(((outer - 0.955) / 0.016) ** 2)) * skull
    brain = inside(outer / 0.905, 0.02)
    rim = outer / 0.905
    white = inside((rim + 0.07 * clouds(rng, shape, 4 * unit)) / 0.83, 0.08)
    tissue = 38 - 9 * white + 2.0 * fractal(rng, shape, 8 * unit)
    tissue -= 24 * folded(rng, shape, middle, (0.9 * rx, 0.9 * ry), tilt, unit)
    low = rng.random() < 0.3
    if low:
        tissue -= 25 * inside(ellipse(shape, middle - (0, 3 * unit), (4 * unit, 5 * unit), 0), 0.5)
        field_add = np.zeros(shape, np.float32)
        for side in (-1, 1):
            ridge = [(2, 8), (10, 3), (24, 6), (27, 12), (18, 13), (9, 14)]
            outline = curve(middle + np.array([(side * px, py - 2) for px, py in jitter(rng, ridge, 0.7)]) * unit, True)
            petrous = fill(shape, outline, unit * 0.3)
            cells = np.clip(clouds(rng, shape, 0.7 * unit), 0, None)
            field_add += petrous * (900 - 700 * cells * (np.abs(x - middle[0] / width) > 0.15))
            tissue += _streaks(rng, shape, middle + (side * 16 * unit, 7 * unit), 12)
        sinus = fill(shape, blob(rng, middle + (0, -0.84 * ry), (8 * unit, 3 * unit), 0.15), unit * 0.2)
        field_add -= 1900 * sinus
        tissue += field_add
    else:
        tissue -= 30 * ventricles(rng, shape, middle + (0, -2 * unit), unit * 0.95, rng.uniform(0.7, 1.5))
        fold = stroke(shape, curve(middle + np.array([(0, -37), (0.4, -18), (0, 24), (0, 38)]) * unit * 0.93), 1.5, 0.8)
        gone = inside(ellipse(shape, middle, (5 * unit, 19 * unit)), 0.1)
        tissue += 28 * fold * (1 - gone)
        for spot in ((-6, 11), (6, 11), (0, 8)):
            if rng.random() < 0.6:
                tissue += 180 * inside(ellipse(shape, middle + np.array(spot) * unit, (0.9 * unit, 1.2 * unit)), 0.6)
    if rng.random() < 0.35:
        side = rng.choice([-1, 1])
        place = middle + (side * rng.uniform(10, 19) * unit, rng.uniform(-12, 12) * unit)
        clot = fill(shape, blob(rng, place, (6 * unit, 4.5 * unit), 0.2, rng.uniform(0, 180)), unit * 0.4)
        tissue += 32 * clot - 14 * np.clip(blur(clot, 2.5 * unit) * 2 - clot, 0, 1)
    field = field * (1 - brain) + brain * tissue
    rest = ellipse(shape, (middle[0], middle[1] - 2 * unit), (rx * 1.2, ry * 1.22))
    field += 500 * np.exp(-(((rest - 1) / 0.012) ** 2)) * (y * height > middle[1] + 0.45 * ry) * (1 - scalp)
    if rng.random() < bone_window:
        field = _tissue_noise(rng, field, 35)
        return finish(windowed(field, 500, 2200))
    field = _tissue_noise(rng, blur(field, 0.6), rng.uniform(2.5, 6))
    return finish(windowed(field, 38, rng.uniform(75, 120)))


def _vertebra(rng: np.random.Generator, shape: Shape, middle: Points, unit: float) -> Field:
    """A vertebra from above, as added Hounsfield units."""
    field: Field = 420 * bone(fill(shape, blob(rng, middle, (6 * unit, 4.6 * unit), 0.04), 0.8), unit * 0.8, 0.45)
    arch = stroke(shape, blob(rng, middle + (0, 6.5 * unit), (4 * unit, 3.2 * unit), 0.05), 1.7 * unit, 0.7, True)
    field += 480 * arch * (1 - inside(ellipse(shape, middle, (6 * unit, 4.6 * unit)), 0.05))
    for way in ([(0, 9), (0, 16)], [(-4, 7), (-10, 9)], [(4, 7), (10, 9)]):
        field += 420 * stroke(shape, curve(middle + jitter(rng, way, 0.4) * unit, count=8), 1.9 * unit, 0.8)
    return np.clip(field, 0, 700)


def _trunk(rng: np.random.Generator, shape: Shape) -> tuple[Field, Field, float]:
    """A body on its table: Hounsfield units with skin, fat and muscle; the muscle's distance; the unit of length."""
    height, width = shape
    unit = height / 100
    middle = at(shape, (0.5, 0.47))
    wobble = 0.02 * clouds(rng, shape, 30 * unit)
    skin = ellipse(shape, middle, (0.44 * width, rng.uniform(31, 36) * unit)) * (1 + wobble)
    fat = rng.uniform(0.84, 0.92)
    wall = ellipse(shape, middle, (0.44 * width * fat, 33 * unit * fat)) * (1 + wobble)
    field = np.full(shape, -1000, np.float32)
    body = inside(skin, 0.012)
    field += body * (895 + 12 * fractal(rng, shape, 5 * unit)) + 90 * np.exp(-(((skin - 0.99) / 0.008) ** 2))
    muscle = inside(wall, 0.03)
    field += muscle * (155 + 10 * clouds(rng, shape, 1.5 * unit))
    for index, drop in enumerate((36.5, 40)):
        board = curve(
            at(shape, [(0.06, 0.80), (0.5, 0.86 + 0.03 * index), (0.94, 0.80)]) + (0, (drop - 36) * unit * 0.3)
        )
        field += (1080 - 150 * index) * stroke(shape, board, max(1.2, 0.8 * unit), 0.6) * (1 - body)
    return field, wall, unit


def _rib_ring(rng: np.random.Generator, shape: Shape, unit: float, share: float) -> Field:
    width = shape[1]
    middle = at(shape, (0.5, 0.47))
    field = np.zeros(shape, np.float32)
    for angle in np.arange(0.25, 6.2, rng.uniform(0.38, 0.5)):
        if abs(np.sin(angle)) > 0.93:
            continue
        spot = middle + np.array([0.44 * width * share * np.cos(angle), 33 * unit * share * np.sin(angle)])
        lean = np.rad2deg(np.arctan2(33 * unit * np.cos(angle), -0.44 * width * np.sin(angle)))
        length = rng.uniform(2.5, 6) * unit
        field += 550 * bone(fill(shape, blob(rng, spot, (length, 1.3 * unit), 0.06, lean), 0.6), unit * 0.6, 0.35)
    return field


def _ct_chest(rng: np.random.Generator, shape: Shape) -> Field:
    """Hounsfield units of a chest."""
    field: Field
    field, _, unit = _trunk(rng, shape)
    width = shape[1]
    field += _rib_ring(rng, shape, unit, 0.85)
    lungs = np.zeros(shape, np.float32)
    heart_low = rng.random() < 0.6
    for side in (-1, 1):
        slim = 0.8 if heart_low and side > 0 else 1.0
        form = [(0.06, 0.27), (0.2, 0.235), (0.31, 0.33), (0.345, 0.48), (0.30, 0.63), (0.17, 0.70), (0.075, 0.64)]
        form += [(0.06 + 0.13 * (1 - slim) * 3, 0.5), (0.07 + 0.12 * (1 - slim) * 3, 0.38)]
        points = at(shape, jitter(rng, [(0.5 + side * px, py) for px, py in form], 0.006))
        lungs = np.maximum(lungs, fill(shape, curve(points, True), 0.7))
    branches = []
    for side in (-1, 1):
        root = at(shape, (0.5 + side * 0.1, 0.46))
        for _ in range(7):
            heading = rng.uniform(-1.5, 1.5) + (0 if side > 0 else np.pi)
            branches += tree(rng, root, heading, 9 * unit, rng.uniform(0.6, 1.5) * unit, 3, 0.4, 0.6)
    spots = np.zeros(shape, np.uint8)
    for _ in range(600):
        place = rng.uniform((0.1, 0.2), (0.9, 0.72)) * [width, shape[0]]
        cv2.circle(
            spots, (int(place[0] * 16), int(place[1] * 16)), int(rng.uniform(0.12, 0.5) * unit * 16), 255, -1, 16, 4
        )
    vessel = np.maximum(0.8 * vessels(shape, branches, 0.6), 0.85 * spots.astype(np.float32) / 255)
    air = -870 + 25 * fractal(rng, shape, 6 * unit) + 850 * vessel
    field = field * (1 - lungs) + lungs * air
    contrast = rng.choice([0, 130, 220])
    parts = [((0.53, 0.45), (10, 11))] if heart_low else [((0.47, 0.4), (3.8, 3.6)), ((0.52, 0.45), (7, 3.2))]
    for place, radii in [*parts, ((0.555, 0.60), (3, 3)), ((0.44, 0.38), (2.2, 2.4))]:
        chamber = fill(
            shape, blob(rng, at(shape, place), np.array(radii) * unit, 0.06, rng.uniform(-20, 20)), unit * 0.4
        )
        field = field * (1 - chamber) + chamber * (45 + contrast + 6 * clouds(rng, shape, 3 * unit))
    for side in (-1, 1) if not heart_low else ():
        tube = inside(ellipse(shape, at(shape, (0.5 + side * 0.035, 0.5)), (1.7 * unit, 2 * unit)), 0.2)
        field = field * (1 - tube) - 990 * tube
    field += 400 * bone(
        fill(shape, blob(rng, at(shape, (0.5, 0.215)), (4 * unit, 1.5 * unit), 0.08), 0.7), unit * 0.6, 0.4
    )
    field += _vertebra(rng, shape, at(shape, (0.5, 0.635)), unit)
    if rng.random() < 0.4:
        field += _streaks(rng, shape, at(shape, (rng.uniform(0.3, 0.7), 0.4)), rng.uniform(40, 160))
    return field


def _ct_abdomen(rng: np.random.Generator, shape: Shape) -> Field:
    field: Field
    field, wall, unit = _trunk(rng, shape)
    cavity = inside(wall / 0.86, 0.03)
    field = field * (1 - cavity) + cavity * (-95 + 12 * fractal(rng, shape, 4 * unit))
    boost = float(rng.choice([0, 60, 110]))

    def organ(
        place: tuple[float, float], radii: tuple[float, float], wobble: float, turn: float, value: float
    ) -> Field:
        nonlocal field
        spot = at(shape, place) + rng.normal(0, 0.6 * unit, 2)
        mask = fill(shape, blob(rng, spot, np.array(radii) * unit, wobble, turn), unit * 0.25) * inside(
            wall / 0.9, 0.02
        )
        field = field * (1 - mask) + mask * (value + 5 * clouds(rng, shape, 1.5 * unit))
        return mask

    liver = organ((0.30, 0.42), (20, 15), 0.14, 20, 55 + 0.5 * boost)
    twigs = [
        b for _ in range(4) for b in tree(rng, at(shape, (0.38, 0.45)), rng.uniform(2, 4), 9 * unit, 1.2 * unit, 2)
    ]
    field += liver * vessels(shape, twigs, 0.8) * (15 + 0.5 * boost)
    if rng.random() < 0.5:
        organ((rng.uniform(0.2, 0.34), rng.uniform(0.35, 0.5)), (3, 2.6), 0.15, 0, rng.choice([5, 25]))
    organ((0.76, 0.50), (7, 12), 0.12, 15, 48 + 0.7 * boost)
    stomach = organ((0.64, 0.33), (12, 6.5), 0.15, -15, 25)
    gas = stomach * (np.mgrid[0 : shape[0], 0 : shape[1]][0] < 0.31 * shape[0])
    field = field * (1 - gas) - 960 * gas
    for side in (-1, 1):
        whole = organ((0.5 + side * 0.165, 0.6), (6.5, 5), 0.08, 35 * side, 35 + 1.1 * boost)
        pelvis = fill(shape, blob(rng, at(shape, (0.5 + side * 0.14, 0.6)), (2.6 * unit, 2 * unit), 0.2), 1)
        field = field * (1 - pelvis * whole) + pelvis * whole * (10 - 70)
    organ((0.53, 0.52), (2.3, 2.3), 0.03, 0, 45 + 1.7 * boost)
    organ((0.44, 0.52), (2.7, 2.0), 0.06, 0, 45 + 0.9 * boost)
    organ((0.52, 0.45), (11, 2.6), 0.2, -15, 42 + 0.5 * boost)
    for _ in range(int(rng.integers(5, 11))):
        place = (rng.uniform(0.42, 0.8), rng.uniform(0.27, 0.42))
        radius = rng.uniform(2, 3.6)
        mask = organ(place, (radius, radius), 0.15, 0, 45 + 0.4 * boost)
        hollow = fill(shape, blob(rng, at(shape, place), (radius * unit * 0.65,) * 2, 0.2), 0.6) * mask
        field = field * (1 - hollow) + hollow * float(rng.choice([-900, 15, 15, 250]))
    for side in (-1, 1):
        organ((0.5 + side * 0.1, 0.63), (4, 4), 0.08, 0, 55)
        organ((0.5 + side * 0.12, 0.73), (9, 5), 0.08, -8 * side, 55)
    field += _rib_ring(rng, shape, unit, 0.83) + _vertebra(rng, shape, at(shape, (0.5, 0.625)), unit)
    if rng.random() < 0.35:
        clip = at(shape, rng.uniform((0.3, 0.4), (0.7, 0.6)))
        field += _streaks(rng, shape, clip, rng.uniform(25, 80)) + 2500 * inside(
            ellipse(shape, clip, (unit, 0.7 * unit)), 0.5
        )
    return field


def ct_body(rng: np.random.Generator, chest: float = 0.5) -> Picture:
    """A slice of chest or abdomen on its table, in a soft, lung or bone window, some with streaks."""
    shape = size(rng, 384, 800, (1.0, 1.25))
    if rng.random() < chest:
        field = _ct_chest(rng, shape)
        level, width = [(40, 400), (-600, 1500), (400, 1800)][int(rng.choice(3, p=[0.4, 0.45, 0.15]))]
    else:
        field = _ct_abdomen(rng, shape)
        level, width = [(50, 380), (400, 1800)][int(rng.choice(2, p=[0.8, 0.2]))]
    field = _tissue_noise(rng, blur(field.astype(np.float32), 0.5), rng.uniform(8, 22))
    if rng.random() < 0.4:
        away = np.hypot(grid(shape)[0] - 0.5, grid(shape)[1] - 0.5)
        field = np.where(away > 0.5, -1024, field)
    return finish(windowed(field, level, width))
