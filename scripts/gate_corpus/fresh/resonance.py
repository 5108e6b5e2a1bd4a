"""MRI of brain and knee, and PET."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.brain import folded, ventricles
from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Shape,
    at,
    blob,
    blur,
    clouds,
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    mix,
    posed,
    size,
    stroke,
)


def _rician(rng: np.random.Generator, signal: Field, noise: float) -> Field:
    first, second = (noise * clouds(rng, (signal.shape[0], signal.shape[1]), 0.55) for _ in range(2))
    return np.hypot(np.clip(signal, 0, None) + first, second)


def _mri_brain(rng: np.random.Generator, shape: Shape) -> Field:
    """A transverse slice of a brain as T1, T2 or FLAIR weigh it."""
    unit = shape[0] / 100
    middle = at(shape, (0.5, 0.5)) + rng.normal(0, unit, 2)
    radii, tilt = (rng.uniform(31, 35) * unit, rng.uniform(39, 43) * unit), rng.uniform(-6, 6)
    head = ellipse(shape, middle, radii, tilt)
    head = head * (1 + 0.025 * clouds(rng, shape, 25 * unit))
    fat, skull, water, grey, white = [(215, 25, 38, 95, 140), (150, 22, 235, 130, 85), (130, 20, 25, 125, 100)][
        int(rng.integers(3))
    ]
    field = 5 + fat * inside(head / 1.02, 0.02) * (0.8 + 0.1 * clouds(rng, shape, 2 * unit))
    field = mix(field, skull, inside(head / 0.955, 0.02))
    field = mix(field, water, inside(head / 0.91, 0.02))
    brain = inside((head + 0.012 * clouds(rng, shape, 3 * unit)) / 0.885, 0.02)
    rim = head / 0.885
    furrow = folded(rng, shape, middle, (0.88 * radii[0], 0.88 * radii[1]), tilt, unit)
    ribbon = np.clip(blur(furrow, 1.3 * unit) * 2.2, 0, 1)
    cortex = np.clip(ribbon + (1 - inside(rim / 0.93, 0.05)), 0, 1)
    tissue = mix(np.full(shape, white, np.float32) + 3 * fractal(rng, shape, 8 * unit), grey, cortex)
    tissue = mix(tissue, water, np.clip(furrow * 1.1, 0, 1))
    for side in (-1, 1):
        for place, radii in (((8.5, 3), (3, 5)), ((12.5, 0), (2.4, 6.5)), ((7, -9), (2.2, 4))):
            core = fill(
                shape,
                blob(rng, middle + np.array([side * place[0], place[1]]) * unit, np.array(radii) * unit, 0.1),
                unit * 0.4,
            )
            tissue = mix(tissue, grey, 0.85 * core)
    tissue = mix(tissue, water, ventricles(rng, shape, middle - (0, 2 * unit), unit, rng.uniform(0.7, 1.4)))
    midline = stroke(
        shape, curve(middle + np.array([(0, -38), (0.5, -19), (0, 20), (0, 38)]) * unit), 1.2 * unit, 0.5 * unit
    )
    tissue = mix(tissue, water, 0.7 * midline * (1 - inside(ellipse(shape, middle, (6 * unit, 18 * unit)), 0.1)))
    for _ in range(int(rng.integers(0, 7))):
        spot = middle + rng.normal(0, 12 * unit, 2)
        tissue = mix(
            tissue, 200, 0.7 * fill(shape, blob(rng, spot, (1.4 * unit, unit), 0.3, rng.uniform(0, 180)), unit * 0.3)
        )
    drawn: Field = mix(field, 0, brain) + brain * tissue
    return drawn


def _mri_knee(rng: np.random.Generator, shape: Shape) -> Field:
    """A knee from the side: fatty marrow bright, cortex, menisci and ligaments dark."""
    unit = shape[0] / 100
    marrow = rng.uniform(150, 190)
    field = np.full(shape, 6, np.float32)
    skin = [
        (0.25, -0.1),
        (0.2, 0.2),
        (0.13, 0.4),
        (0.2, 0.6),
        (0.3, 1.1),
        (0.85, 1.1),
        (0.93, 0.75),
        (0.88, 0.45),
        (0.9, -0.1),
    ]
    leg = fill(shape, curve(at(shape, jitter(rng, skin, 0.008)), True), 1)
    field = mix(field, 185, leg) + 8 * leg * fractal(rng, shape, 4 * unit)
    muscle = fill(
        shape,
        curve(
            at(
                shape,
                [
                    (0.6, -0.1),
                    (0.62, 0.3),
                    (0.68, 0.5),
                    (0.64, 0.7),
                    (0.66, 1.1),
                    (0.82, 1.1),
                    (0.86, 0.7),
                    (0.82, 0.4),
                    (0.84, -0.1),
                ],
            ),
            True,
        ),
        1.5,
    )
    field = mix(field, 62 + 8 * clouds(rng, shape, unit, 9 * unit), muscle)
    bones = [
        [
            (0.34, -0.1),
            (0.36, 0.18),
            (0.3, 0.33),
            (0.33, 0.47),
            (0.45, 0.53),
            (0.6, 0.52),
            (0.69, 0.42),
            (0.66, 0.31),
            (0.57, 0.22),
            (0.56, -0.1),
        ]
    ]
    bones += [
        [(0.31, 0.585), (0.45, 0.57), (0.66, 0.575), (0.67, 0.64), (0.56, 0.76), (0.53, 1.1), (0.34, 1.1), (0.35, 0.78)]
    ]
    bones += [[(0.2, 0.27), (0.26, 0.26), (0.27, 0.36), (0.235, 0.42), (0.195, 0.36)]]
    for points in bones:
        outline = curve(at(shape, jitter(rng, points, 0.004)), True, 200)
        field = mix(field, 120, stroke(shape, outline, 3.2 * unit, unit * 0.4, True))
        mask = fill(shape, outline, 0.8)
        field = mix(field, marrow + 6 * fractal(rng, shape, 3 * unit), mask)
        field = mix(field, 22, stroke(shape, outline, 1.1 * unit, unit * 0.25, True))
    for tip in (-1, 1):
        base = 0.48 + tip * 0.15
        wedge = [(base, 0.535), (base - tip * 0.085, 0.556), (base, 0.577)]
        field = mix(field, 18, fill(shape, at(shape, jitter(rng, wedge, 0.003)), unit * 0.25))
    for way in (
        [(0.22, 0.42), (0.27, 0.55), (0.34, 0.66)],
        [(0.27, 0.02), (0.24, 0.16), (0.22, 0.27)],
        [(0.61, 0.4), (0.53, 0.5), (0.43, 0.57)],
    ):
        field = mix(field, 20, stroke(shape, curve(at(shape, jitter(rng, way, 0.006))), 2.2 * unit, unit * 0.3))
    return field


def mri(rng: np.random.Generator, of_brain: float = 0.65) -> Picture:
    """A brain or a knee with the coil's uneven gain, ghosts along one axis and Rician noise."""
    shape = size(rng, 256, 768, (0.85, 1.05))
    x, y = grid(shape)
    brain = rng.random() < of_brain
    field = (_mri_brain if brain else _mri_knee)(rng, shape)
    field = posed(rng, field, 8, cv2.BORDER_CONSTANT) if brain else field
    gain = 1 + 0.35 * (
        rng.normal() * (x - 0.5) + rng.normal() * (y - 0.5) - rng.uniform(0, 2) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    )
    field = field * gain * np.exp(0.06 * clouds(rng, shape, shape[0] / 4))
    if rng.random() < 0.5:
        shift = int(shape[0] * rng.uniform(0.18, 0.4))
        strength = rng.uniform(0.03, 0.12)
        axis = int(rng.integers(2))
        field = field + strength * (np.roll(field, shift, axis) + np.roll(field, -shift, axis))
    return finish(_rician(rng, blur(field.astype(np.float32), 0.6), rng.uniform(3, 12)))


def pet(rng: np.random.Generator, whole_body: float = 0.65) -> Picture:
    """Tracer in the whole body from the front, dark on light, or a slice in a hot colour scale."""
    whole = rng.random() < whole_body
    shape = size(rng, 500, 1000, (0.4, 0.55)) if whole else size(rng, 256, 600, (1.0, 1.2))
    unit = shape[0] / 100
    uptake: Field = np.zeros(shape, np.float32)
    wide = shape[1] / 44
    if whole:
        body = [
            (0.46, 0.02),
            (0.38, 0.08),
            (0.44, 0.15),
            (0.24, 0.19),
            (0.14, 0.35),
            (0.10, 0.55),
            (0.16, 0.55),
            (0.25, 0.33),
            (0.27, 0.55),
            (0.25, 0.75),
            (0.3, 1.1),
            (0.47, 1.1),
            (0.49, 0.68),
        ]
        outline = body + [(1 - px, py) for px, py in reversed(body)]
        uptake += 22 * fill(shape, at(shape, outline), 1.2 * unit) * (1 + 0.15 * clouds(rng, shape, 2 * unit))
        spots = [((0.5, 0.055), (4.5, 4.2), 260), ((0.41, 0.42), (6, 4.5), 60), ((0.57, 0.33), (3.2, 2.8), 150)]
        spots += [((0.41, 0.48), (1.4, 2.6), 130), ((0.59, 0.48), (1.4, 2.6), 130), ((0.5, 0.665), (2.4, 2.2), 280)]
        spots += [((0.62, 0.44), (2.2, 3), 45), ((0.5, 0.42), (1.2, 20), 22)]
    else:
        skin = ellipse(shape, at(shape, (0.5, 0.5)), (0.42 * shape[1], 0.33 * shape[0]))
        uptake += 30 * inside(skin, 0.05) * (1 + 0.2 * clouds(rng, shape, 2 * unit))
        spots = [
            ((0.33, 0.45), (14, 11), 60),
            ((0.62, 0.5), (5, 5), 190),
            ((0.4, 0.62), (4, 4), 120),
            ((0.5, 0.66), (4, 3), 40),
        ]
        wide = unit
    for place, radii, heat in spots:
        spot = at(shape, place) + rng.normal(0, 0.5 * unit, 2)
        uptake += (
            heat
            * rng.uniform(0.5, 1.2)
            * fill(shape, blob(rng, spot, (radii[0] * wide, radii[1] * unit), 0.1), 0.9 * unit)
        )
    for _ in range(int(rng.integers(2, 12))):
        spot = at(shape, rng.uniform((0.32, 0.2), (0.68, 0.6)))
        radius = rng.uniform(0.5, 1.4) * unit
        uptake += rng.uniform(60, 220) * fill(shape, blob(rng, spot, (radius, radius), 0.2), 0.6 * unit)
    uptake = blur(uptake, 0.5 * unit) * (1 + rng.uniform(0.05, 0.16) * clouds(rng, shape, 0.6 * unit))
    level = np.clip(uptake, 0, 255)
    if whole and rng.random() < 0.75:
        return finish(255 - level)
    if rng.random() < 0.6:
        hot: Picture = cv2.applyColorMap(finish(level), int(rng.choice([cv2.COLORMAP_HOT, cv2.COLORMAP_INFERNO])))
        return hot[..., ::-1].copy()
    return finish(level)
