"""Mammograms, fluoroscopy and angiography."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Shape,
    at,
    blob,
    blur,
    bone,
    clouds,
    counts,
    course,
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    ribbon,
    ridges,
    size,
    stroke,
    tree,
    vessels,
)


def mammogram(rng: np.random.Generator) -> Picture:
    """A breast at the picture's edge with its gland, muscle and calcifications in a cluster or along a vessel."""
    height, width = shape = size(rng, 520, 1024, (0.62, 0.85))
    slanted = rng.random() < 0.6
    form = [
        (-0.05, -0.1),
        (0.55, -0.1),
        (0.5, 0.1),
        (0.62, 0.3),
        (0.78, 0.5),
        (0.8, 0.62),
        (0.66, 0.8),
        (0.3, 0.92),
        (-0.05, 0.97),
    ]
    if not slanted:
        form = [
            (-0.05, 0.08),
            (0.2, 0.1),
            (0.5, 0.22),
            (0.7, 0.4),
            (0.74, 0.52),
            (0.68, 0.66),
            (0.45, 0.83),
            (-0.05, 0.94),
        ]
    breast = fill(shape, curve(at(shape, jitter(rng, form, 0.01)), True, 300), 1.5)
    deep = np.clip(blur(breast, 0.03 * height) * 2 - 1, 0, 1)
    field = 4 + breast * 26 + 52 * deep
    density = rng.uniform(0.5, 1.3)
    gland = fill(shape, blob(rng, at(shape, (0.36, 0.52)), (0.3 * width, 0.22 * height), 0.2, 10), 0.05 * height)
    texture = np.clip(fractal(rng, shape, height / 14, 6, 0.65) * 0.35 + 0.55, 0, 1.5)
    strands = ridges(rng, shape, height / 55, 0.22) + 0.6 * ridges(rng, shape, height / 110, 0.25)
    field += deep * (
        gland * density * (75 * texture + 18 * strands) + 10 * strands + 4 * fractal(rng, shape, height / 30)
    )
    if slanted:
        muscle = fill(
            shape,
            at(shape, jitter(rng, [(-0.05, -0.05), (0.36, -0.05), (0.2, 0.3), (-0.05, 0.6)], 0.02)),
            0.008 * height,
        )
        field += 72 * muscle * (1 + 0.06 * clouds(rng, shape, height / 60, height / 15))
    ducts = [
        branch
        for _ in range(6)
        for branch in tree(rng, at(shape, (0.74, 0.56)), np.pi + rng.uniform(-0.6, 0.6), height * 0.09, height / 260, 2)
    ]
    field += 16 * deep * vessels(shape, ducts, 1.2)
    if rng.random() < 0.5:
        place = at(shape, rng.uniform((0.2, 0.35), (0.55, 0.7)))
        radius = height * rng.uniform(0.02, 0.05)
        mass = fill(shape, blob(rng, place, (radius, radius), 0.2), radius * 0.2)
        spikes = np.zeros(shape, np.float32)
        for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(0, 18))):
            tip = place + radius * rng.uniform(1.4, 2.4) * np.array([np.cos(angle), np.sin(angle)])
            spikes = np.maximum(spikes, stroke(shape, [place, tip], 1.5, 1))
        field += 55 * mass + 25 * spikes
    for _ in range(int(rng.integers(1, 4))):
        place = at(shape, rng.uniform((0.15, 0.3), (0.55, 0.75)))
        for _ in range(int(rng.integers(4, 30))):
            spot = place + rng.normal(0, height * 0.018, 2)
            grit = blob(rng, spot, rng.uniform(0.8, height / 330, 2), 0.3, rng.uniform(0, 180))
            field += deep * rng.uniform(60, 130) * fill(shape, grit, 0.5)
    if rng.random() < 0.4:
        way = course(rng, at(shape, rng.uniform((0.15, 0.3), (0.5, 0.6))), rng.uniform(0.12, 0.3) * height, 0.25)
        for side in (-1, 1):
            broken = clouds(rng, shape, 4) > 0.1
            field += 75 * deep * broken * stroke(shape, way + (0, side * height / 260), 1.5, 0.5)
    if rng.random() < 0.3:
        field += 150 * inside(ellipse(shape, at(shape, (0.77, 0.57)), (height / 150, height / 150)), 0.2)
    field = counts(rng, field.astype(np.float32), rng.uniform(2, 5))
    return finish(np.ascontiguousarray(field[:, ::-1]) if rng.random() < 0.5 else field)


def _ghost_spine(rng: np.random.Generator, shape: Shape, place: float) -> Field:
    height, width = shape
    total = np.zeros(shape, np.float32)
    pitch = rng.uniform(0.17, 0.24)
    for index in range(-1, 7):
        middle = at(shape, (place + 0.01 * np.sin(index), pitch * index))
        box = np.array([(-1, -0.88), (0, -0.78), (1, -0.88), (0.85, 0), (1, 0.88), (0, 0.78), (-1, 0.88), (-0.85, 0)])
        body = fill(shape, curve(middle + box * [0.085 * width, pitch * 0.45 * height], True), 2)
        total += bone(body, height * 0.008, 0.5)
        for side in (-0.55, 0.55):
            spot = middle + np.array([side * 0.085 * width, -0.1 * pitch * height])
            total += 0.5 * np.exp(
                -(((ellipse(shape, spot, (0.018 * width, 0.05 * height * pitch / 0.2)) - 1) / 0.3) ** 2)
            )
    return blur(total, 1.5)


def _catheter(rng: np.random.Generator, shape: Shape) -> Field:
    """A thin dark tube with a thicker tip and a few rings, as values to take away."""
    way = [
        (rng.uniform(0.2, 0.8), 1.05),
        (0.5, 0.75),
        (0.48, 0.5),
        (rng.uniform(0.4, 0.6), 0.25),
        (rng.uniform(0.2, 0.8), 0.3),
    ]
    line = curve(at(shape, jitter(rng, way, 0.03)), count=300)
    width = max(2, shape[0] / 220)
    dark = 60 * stroke(shape, line, width, 0.7)
    dark += 60 * stroke(shape, line[-24:], width * 1.3, 0.6)
    for index in rng.integers(150, 290, int(rng.integers(0, 5))):
        dark += 60 * stroke(shape, line[index : index + 4], width * 2, 0.6)
    tube: Field = dark + 45 * stroke(shape, course(rng, line[-1], shape[0] * 0.08), 1.2, 0.5)
    return tube


def _bowel(rng: np.random.Generator, shape: Shape) -> Field:
    """Contrast in loops of bowel: dense, with the folds cut out of its edges."""
    height = shape[0]
    start = at(shape, rng.uniform((0.25, 0.2), (0.45, 0.4)))
    turns = course(rng, start, 0.9 * height, 0.8)[::20]
    turns = np.clip(turns, [0.12 * shape[1], 0.12 * height], [0.88 * shape[1], 0.88 * height])
    line = curve(turns, count=400)
    mask = np.zeros(shape, np.uint8)
    for index, (px, py) in enumerate(line):
        radius = height * (0.034 + 0.014 * abs(np.sin(index / 7)) + 0.008 * np.sin(index / 40))
        cv2.circle(mask, (int(px * 16), int(py * 16)), int(radius * 16), 255, -1, cv2.LINE_AA, 4)
    lumen = blur(mask.astype(np.float32) / 255, 1.5)
    return lumen * np.clip(0.75 + 0.12 * fractal(rng, shape, height / 20), 0, 1)


def _shutter(rng: np.random.Generator, field: Field) -> Field:
    shape = (field.shape[0], field.shape[1])
    pick = rng.random()
    if pick < 0.4:
        radius = 0.49 * min(shape)
        mask = inside(ellipse(shape, at(shape, (0.5, 0.5)), (radius, radius)), 0.01)
        return field * mask
    if pick < 0.7:
        mask = np.minimum(1, inside(np.maximum(*np.abs(np.stack(grid(shape)) - 0.5)) / 0.47, 0.01))
        corner = inside(ellipse(shape, at(shape, (0.5, 0.5)), (0.6 * shape[1], 0.6 * shape[0])), 0.01)
        return field * mask * corner
    return field


def fluoroscopy(rng: np.random.Generator, subtracted: float = 0.4) -> Picture:
    """A live X-ray with catheter and dark contrast in vessels, ducts or bowel, or a subtracted angiogram."""
    shape = size(rng, 400, 900, (0.95, 1.1))
    height = shape[0]
    if rng.random() < subtracted:
        return _angiogram(rng, shape)
    x, y = grid(shape)
    field = 150 + 25 * fractal(rng, shape, height / 5, 4) * 0.7 - 45 * _ghost_spine(rng, shape, rng.uniform(0.35, 0.65))
    if rng.random() < 0.5:
        for index in range(7):
            edge = curve(
                at(
                    shape,
                    jitter(rng, [(0.5, 0.13 * index), (0.8, 0.1 + 0.13 * index), (1.05, 0.3 + 0.13 * index)], 0.01),
                )
            )
            field -= 22 * bone(fill(shape, ribbon(edge, height * 0.025), 2), height * 0.008, 0.4)
    pick = rng.random()
    if pick < 0.35:
        field -= 95 * _bowel(rng, shape)
    elif pick < 0.8:
        root = at(shape, rng.uniform((0.35, 0.2), (0.65, 0.4)))
        twigs = tree(rng, root, rng.uniform(0.2, 2.8), height * 0.17, height / 55, 4, 0.5, 0.6)
        field -= 85 * np.clip(vessels(shape, twigs, 1.0), 0, 1)
    field -= _catheter(rng, shape)
    if rng.random() < 0.4:
        for place in rng.uniform((0.25, 0.25), (0.75, 0.75), (6, 2)):
            half = height * 0.011 * np.array([np.cos(place[0] * 40), np.sin(place[0] * 40)])
            spot = at(shape, place)
            field -= 80 * stroke(shape, [spot - half, spot + half], 2.5, 0.6)
    vignette = 1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    return finish(_shutter(rng, counts(rng, (blur(field.astype(np.float32), 0.8)) * vignette, rng.uniform(6, 16))))


def _angiogram(rng: np.random.Generator, shape: Shape) -> Picture:
    """Vessels alone on an even grey, with thin edges left where the patient moved."""
    height = shape[0]
    field = np.full(shape, rng.uniform(150, 195), np.float32)
    mask = blur(_ghost_spine(rng, shape, 0.5), 0.7)
    move = int(rng.integers(1, 3))
    field += 30 * (mask - np.roll(mask, (move, -move), (0, 1))) + 4 * fractal(rng, shape, height / 8)
    twigs = []
    for _ in range(int(rng.integers(2, 5))):
        start = at(shape, rng.uniform((0.35, 0.75), (0.65, 1.0)))
        twigs += tree(
            rng, start, -np.pi / 2 + rng.normal(0, 0.3), height * 0.22, height / rng.uniform(38, 80), 5, 0.45, 0.55
        )
    field -= 100 * vessels(shape, twigs, 0.9) * (0.85 + 0.1 * clouds(rng, shape, height / 12))
    thin = [
        branch
        for _ in range(8)
        for branch in tree(rng, at(shape, rng.random(2)), rng.uniform(0, 6.3), height * 0.1, 1.5, 3)
    ]
    field -= 32 * vessels(shape, thin, 1.0)
    field = counts(rng, field, rng.uniform(4, 10))
    if rng.random() < 0.2:
        field = 255 - field
    return finish(_shutter(rng, field))
