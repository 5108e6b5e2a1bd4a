"""Radiographs of bones in rows: the spine from the side, all teeth on one picture."""

import numpy as np

from scripts.gate_corpus.fresh.bones import exposed, screw, sponge
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
    curve,
    fill,
    fractal,
    grid,
    jitter,
    posed,
    size,
    stroke,
)


def spine_lateral(rng: np.random.Generator, of_neck: float = 0.4) -> Picture:
    """The spine of loins or neck from the side: vertebrae in a row, their arches, some with calcium or screws."""
    shape = size(rng, 500, 1000, (0.5, 0.8))
    height, width = shape
    x, _ = grid(shape)
    neck = rng.random() < of_neck
    count = 7
    bend = rng.uniform(0.03, 0.09)
    middle = 0.42 + bend * np.sin(np.linspace(0.2, 3.0, count)) * (1 if neck else -1) + np.linspace(0, 0.12, count)
    tops = np.linspace(0.1, 0.88, count)
    path = at(shape, np.stack([middle, tops], 1))
    field = 75 + 55 * np.exp(-(((x - 0.5) / 0.3) ** 2)) - 35 * (x > 0.9) + 8 * fractal(rng, shape, height / 10)
    if neck:
        field = np.full(shape, 12, np.float32)
        outline = [
            (0.12, -0.1),
            (0.2, 0.3),
            (0.18, 0.6),
            (0.02, 1.2),
            (1.05, 1.2),
            (0.92, 0.7),
            (0.86, 0.3),
            (0.95, -0.1),
        ]
        field += 80 * fill(shape, curve(at(shape, jitter(rng, outline, 0.01)), True), 6)
        airway = curve(at(shape, [(0.27, -0.1), (0.29, 0.3), (0.27, 0.65), (0.2, 1.1)]))
        field -= 50 * stroke(shape, airway, width * 0.06, width * 0.012)
    heading = np.gradient(path, axis=0)
    gap = height * 0.78 / (count - 1)
    texture = sponge(rng, shape, max(0.7, height / 700))
    for index in range(count):
        down = heading[index] / np.hypot(*heading[index])
        back = np.array([down[1], -down[0]])
        grow = 1 if neck else 0.85 + 0.05 * index
        half, deep = gap * 0.39, gap * (0.56 if neck else 0.64) * grow
        box = [(-1, -0.96), (0, -0.86), (1, -0.96), (0.93, 0), (1, 0.96), (0, 0.86), (-1, 0.96), (-0.9, 0)]
        corners = np.array([path[index] + back * deep * a + down * half * b for a, b in box])
        mask = fill(shape, curve(corners, True), 1)
        field += 78 * bone(mask, height * 0.004, 0.6) + 4 * mask * texture
        root = path[index] + back * deep * 1.02
        process = [
            (0, -0.2),
            (0.45, -0.5),
            (0.75, -0.1),
            (1.5, 0.15),
            (1.9, 0.5),
            (1.75, 0.8),
            (1.1, 0.6),
            (0.6, 0.7),
            (0.35, 0.3),
        ]
        arch = np.array([root + back * deep * a + down * half * 1.5 * b for a, b in process])
        field += 48 * bone(fill(shape, curve(jitter(rng, arch, height * 0.003), True), 1.2), height * 0.004, 0.5)
    if not neck and rng.random() < 0.6:
        for wall in (0.0, 0.09):
            line = curve(path - (width * (0.28 + wall), 0))
            broken = clouds(rng, shape, 9) > 0.2
            field += 45 * stroke(shape, line, 2, 0.6) * broken
    if rng.random() < 0.35:
        first = int(rng.integers(0, 3))
        for index in range(first, first + 5):
            head = path[index] + (gap * 1.15, gap * 0.05)
            field = np.maximum(field, 235 * screw(shape, head, np.pi + rng.normal(0, 0.05), gap * 1.4, gap * 0.12))
        rod = curve(path[first : first + 5] + (gap * 1.2, gap * 0.05))
        field = np.maximum(field, 240 * stroke(shape, rod, max(3, gap * 0.1), 0.5))
    field = posed(rng, field, 9)
    if rng.random() < 0.4:
        field = collimate(rng, field)
    return exposed(rng, field, (3, 9))


def _tooth(
    rng: np.random.Generator, shape: Shape, neck: Points, up: Points, tall: float, wide: float
) -> tuple[Field, Field]:
    """A tooth from its neck: the whole of it and its pulp. `up` points to the root."""
    across = np.array([-up[1], up[0]])
    roots = 2 if wide > tall * 0.36 else 1
    form = [(-0.5, 0), (-0.55, -0.22), (-0.46, -0.45), (0, -0.40), (0.46, -0.45), (0.55, -0.22), (0.5, 0)]
    form += [(0.36, 0.5), (0.24, 0.95), (0.08, 0.6)] if roots == 2 else [(0.32, 0.5), (0.1, 1.0)]
    form += [(0, 0.42), (-0.08, 0.6), (-0.24, 0.95), (-0.36, 0.5)] if roots == 2 else [(-0.1, 1.0), (-0.32, 0.5)]
    points = np.array([neck + across * wide * a + up * tall * b for a, b in form])
    body = fill(shape, curve(jitter(rng, points, wide * 0.02), True), 0.8)
    pulp_form = [(-0.16, -0.1), (0.16, -0.1), (0.1, 0.3), (0.03, 0.8), (-0.03, 0.8), (-0.1, 0.3)]
    pulp = fill(shape, np.array([neck + across * wide * a + up * tall * b for a, b in pulp_form]), 1)
    return body, pulp


def dental_panoramic(rng: np.random.Generator) -> Picture:
    """All teeth on one long picture: two arches, jaw, fillings, crowns, some with braces and their wire."""
    height = int(rng.integers(360, 540))
    shape = (height, min(1024, round(height * rng.uniform(1.75, 2.0))))
    width = shape[1]
    x, _ = grid(shape)
    field = 62 + 22 * np.exp(-(((x - 0.5) / 0.08) ** 2)) + 9 * fractal(rng, shape, height / 8)
    jaw = [(0.12, 0.18), (0.10, 0.45), (0.16, 0.72), (0.3, 0.88), (0.5, 0.93), (0.7, 0.88), (0.84, 0.72), (0.90, 0.45)]
    inner = [
        (0.88, 0.18),
        (0.82, 0.30),
        (0.79, 0.50),
        (0.66, 0.60),
        (0.5, 0.66),
        (0.34, 0.60),
        (0.21, 0.50),
        (0.18, 0.30),
    ]
    mask = fill(shape, curve(at(shape, jitter(rng, jaw + inner, 0.004)), True), 1.5)
    field += 62 * bone(mask, height * 0.012, 0.62) + 5 * mask * sponge(rng, shape, height / 420)
    upper = fill(
        shape,
        curve(at(shape, [(0.22, 0.12), (0.5, 0.2), (0.78, 0.12), (0.78, 0.42), (0.5, 0.5), (0.22, 0.42)]), True),
        8,
    )
    field += 34 * upper
    for side in (-1, 1):
        sinus = fill(shape, blob(rng, at(shape, (0.5 + side * 0.16, 0.17)), (width * 0.09, height * 0.1), 0.08), 2)
        field -= 30 * bone(sinus, 3, 1.0) - 14 * (bone(sinus, 3, 0))
        canal = curve(
            at(shape, [(0.5 + side * cx, cy) for cx, cy in [(0.36, 0.45), (0.3, 0.68), (0.18, 0.79), (0.12, 0.79)]])
        )
        field -= 20 * stroke(shape, canal, height * 0.016, 1.5)
        head = fill(
            shape,
            blob(rng, at(shape, (0.5 + side * 0.355, 0.14)), (width * 0.025, height * 0.06), 0.08, 15 * side),
            1.5,
        )
        field += 40 * bone(head, height * 0.01, 0.6)
    wide_of = np.array([0.036, 0.042, 0.05, 0.05, 0.052, 0.074, 0.072, 0.066]) / 2 * 1.05
    braces = rng.random() < 0.3
    for upward, level in ((-1, 0.475), (1, 0.545)):
        wire = []
        for side in (-1, 1):
            place = 0.0
            for index, share in enumerate(wide_of):
                place += share / 2
                bow = 0.07 * (place / 0.27) ** 2
                neck = at(shape, (0.5 + side * place, level + upward * 0.045 - bow))
                up = np.array([-side * 0.35 * place / 0.27 * (1 if upward < 0 else -1), upward])
                up = up / np.hypot(*up)
                body, pulp = _tooth(
                    rng, shape, neck, up, height * (0.135 if index < 5 else 0.115), share * width * 0.94
                )
                place += share / 2
                wire.append(neck - up * height * 0.03)
                if rng.random() < 0.07:
                    continue
                field = field + body * 68 - pulp * 34
                if index > 2 and rng.random() < 0.28:
                    middle = neck - up * height * 0.035
                    patch = fill(shape, blob(rng, middle, (share * width * 0.24, height * 0.016), 0.25), 0.7)
                    field = field * (1 - patch) + 246 * patch
                elif rng.random() < 0.05:
                    post = [neck - up * height * 0.01, neck + up * height * 0.10]
                    field = np.maximum(field, 235 * stroke(shape, post, 3, 0.7))
                if braces and index < 6:
                    box = neck - up * height * 0.03 + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * height * 0.010
                    field = np.maximum(field, 240 * fill(shape, box, 0.6))
        if braces:
            ordered = np.array(sorted(wire, key=lambda point: point[0]))[2:-2]
            field = np.maximum(field, 235 * stroke(shape, curve(ordered), 1.6, 0.4))
    return exposed(rng, blur(field.astype(np.float32), 0.7), (3, 8))
