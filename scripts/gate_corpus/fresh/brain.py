"""What CT and MRI of a brain share: its furrows and its ventricles."""

import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Field,
    Points,
    Shape,
    curve,
    fill,
    jitter,
    stroke,
    tree,
    vessels,
)


def folded(
    rng: np.random.Generator, shape: Shape, middle: Points, radii: tuple[float, float], tilt: float, unit: float
) -> Field:
    """The furrows between gyri: crooked lines that run in from the brain's edge, some forked."""
    total = np.zeros(shape, np.float32)
    wide = rng.uniform(0.5, 1.2) * unit
    for angle in np.arange(0, 2 * np.pi, rng.uniform(0.15, 0.2)):
        angle += rng.normal(0, 0.04)
        along, across = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
        lean = np.deg2rad(tilt)
        start = middle + np.array(
            [np.cos(lean) * along - np.sin(lean) * across, np.sin(lean) * along + np.cos(lean) * across]
        )
        heading = angle + lean + np.pi + rng.normal(0, 0.35)
        furrow = tree(rng, start, heading, rng.uniform(3.5, 9) * unit, wide, int(rng.integers(0, 2)), 0.3, 0.6)
        total = np.maximum(total, vessels(shape, furrow, 0.45 * unit))
    return total


def ventricles(rng: np.random.Generator, shape: Shape, middle: Points, unit: float, wide: float) -> Field:
    """The two horns and the third chamber around a middle; `wide` above 1 is those of old age."""
    mask = np.zeros(shape, np.float32)
    for side in (-1, 1):
        horn = [(0.6, -11), (3.2, -15), (5.0, -16), (4.6, -12), (2.6, -6), (2.8, 0), (6.5, 7), (9.5, 13), (7.5, 14)]
        horn += [(4.2, 8), (1.2, 1), (0.6, -5)]
        points = [(side * px * wide, py) for px, py in jitter(rng, horn, 0.35)]
        mask = np.maximum(mask, fill(shape, curve(middle + np.array(points) * unit, True), unit * 0.3))
    third = [middle + (0, 3 * unit), middle + (0, 11 * unit)]
    return np.maximum(mask, 0.8 * stroke(shape, third, unit * 1.2 * wide, unit * 0.3))
