"""What stands behind the letters: pictures of no one, drawn by formula. float32, 0 to 255, (H, W) or (H, W, 3).

The corners of all grounds but `speckled` and `skin` are dark, as those of most scans are.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

Rng = np.random.Generator
Ground = Callable[[Rng, int, int], np.ndarray]


def clouds(rng: Rng, height: int, width: int, cells: float) -> np.ndarray:
    """Smooth noise of unit variance; about `cells` hills along the longer side."""
    step = max(height, width) / cells
    rows, columns = max(2, round(height / step)), max(2, round(width / step))
    small = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
    values = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    noise: np.ndarray = (values - values.mean()) / max(1e-3, float(values.std()))
    return noise


def frame(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x, from -1 to 1."""
    return (
        np.linspace(-1, 1, height, dtype=np.float32)[:, None],
        np.linspace(-1, 1, width, dtype=np.float32)[None, :],
    )


def blob(height: int, width: int, y: float, x: float, ry: float, rx: float, edge: float = 0.1) -> np.ndarray:
    """An ellipse of ones with a soft edge."""
    ys, xs = frame(height, width)
    return np.clip((1 - np.hypot((ys - y) / ry, (xs - x) / rx)) / edge + 0.5, 0, 1)


def noisy(rng: Rng, picture: np.ndarray, sigma: float) -> np.ndarray:
    noised: np.ndarray = np.clip(picture + sigma * rng.standard_normal(picture.shape, np.float32), 0, 255)
    return noised


def black(rng: Rng, height: int, width: int) -> np.ndarray:
    return np.full((height, width), float(rng.integers(0, 12)), np.float32)


def chest(rng: Rng, height: int, width: int) -> np.ndarray:
    ys, xs = frame(height, width)
    body = blob(height, width, 0.25, 0, 1.15, 0.86, 0.12)
    lungs = sum(
        blob(height, width, -0.05, side * rng.uniform(0.34, 0.4), 0.62, 0.27, 0.2) for side in (-1, 1)
    ) - 0.9 * blob(height, width, 0.3, 0.12, 0.36, 0.32, 0.3)
    ribs = np.sin((ys * 9 + 1.6 * xs**2 + rng.uniform(0, 6)) * 3.1) ** 8
    spine = np.exp(-((xs / 0.09) ** 2))
    picture = 10 + body * (132 + 28 * spine + 10 * clouds(rng, height, width, 6)) - 84 * np.clip(lungs, 0, 1)
    return noisy(rng, picture + 15 * ribs * body, rng.uniform(0.5, 3))


def head(rng: Rng, height: int, width: int) -> np.ndarray:
    tilt = rng.uniform(-0.05, 0.05)
    skull = blob(height, width, 0, tilt, 0.86, 0.7, 0.03)
    brain = blob(height, width, 0, tilt, 0.78, 0.62, 0.03)
    horns = sum(blob(height, width, -0.08, tilt + side * 0.11, 0.25, 0.06, 0.4) for side in (-1, 1))
    tissue = 96 + 9 * clouds(rng, height, width, 24) - 55 * np.clip(horns, 0, 1)
    return noisy(rng, 4 + (skull - brain) * 215 + brain * tissue, rng.uniform(0.5, 4))


def speckle(rng: Rng, height: int, width: int, grain: float = 1.0) -> np.ndarray:
    """Rayleigh noise of mean about one, longer across than along the beam."""
    parts = [gaussian_filter(rng.standard_normal((height, width), np.float32), (grain, 1.8 * grain)) for _ in range(2)]
    values = np.hypot(*parts)
    noise: np.ndarray = values / values.mean()
    return noise


def sector(rng: Rng, height: int, width: int) -> np.ndarray:
    ys, xs = frame(height, width)
    radius = np.hypot(ys + 1.05, xs)
    fan = (np.abs(np.arctan2(xs, ys + 1.05)) < rng.uniform(0.55, 0.7)) & (radius > 0.25) & (radius < 1.8)
    tissue = np.clip(60 + 26 * clouds(rng, height, width, 7), 8, 150)
    cyst = 1 - 0.9 * blob(height, width, rng.uniform(-0.2, 0.3), rng.uniform(-0.3, 0.3), 0.2, 0.16, 0.2)
    picture: np.ndarray = np.clip(fan * tissue * cyst * speckle(rng, height, width, rng.uniform(0.7, 1.2)), 0, 230) + 2
    return picture


def linear(rng: Rng, height: int, width: int) -> np.ndarray:
    ys, xs = frame(height, width)
    window = (np.abs(xs) < 0.72) & (np.abs(ys + 0.02) < 0.76)
    bend = ys + 0.05 * clouds(rng, height, width, 3)
    layers = 48 + 40 * np.sin(bend * rng.uniform(5, 8) + rng.uniform(0, 6)) + 60 * np.exp(-(((bend + 0.3) / 0.03) ** 2))
    picture: np.ndarray = np.clip(window * np.clip(layers, 10, 150) * speckle(rng, height, width, 0.9), 0, 235) + 3
    return picture


def speckled(rng: Rng, height: int, width: int) -> np.ndarray:
    """Speckle from edge to edge."""
    tissue = np.clip(62 + 22 * clouds(rng, height, width, 5), 25, 120)
    picture: np.ndarray = np.clip(tissue * speckle(rng, height, width, rng.uniform(0.6, 1.3)), 0, 210)
    return picture


def abdomen(rng: Rng, height: int, width: int) -> np.ndarray:
    body = blob(height, width, 0, 0, 0.66, 0.86, 0.03)
    inner = blob(height, width, 0, 0, 0.58, 0.77, 0.05)
    liver = blob(height, width, -0.1, -0.38, 0.36, 0.36, 0.12)
    bone = blob(height, width, 0.36, 0, 0.13, 0.11, 0.2)
    vessel = blob(height, width, 0.16, rng.uniform(-0.05, 0.1), 0.07, 0.06, 0.2)
    gas = blob(height, width, -0.3, rng.uniform(0.1, 0.4), 0.1, 0.16, 0.2)
    tissue = 98 + 12 * clouds(rng, height, width, 16) + 26 * liver + 80 * bone + 45 * vessel - 90 * gas
    ys, xs = frame(height, width)
    table = 60 * np.exp(-(((ys - 0.8 + 0.12 * xs**2) / 0.012) ** 2)) * (np.abs(xs) < 0.8)
    return noisy(rng, 3 + 55 * (body - inner) + inner * tissue + table, rng.uniform(0.5, 5))


def bone(rng: Rng, height: int, width: int) -> np.ndarray:
    ys, xs = frame(height, width)
    picture = 14 + 62 * np.clip((0.62 - np.abs(xs + 0.08 * ys)) * 6, 0, 1)
    for middle in (-0.2, 0.24):
        across = (xs - middle - rng.uniform(-0.05, 0.05) * ys) / (0.13 + 0.06 * ys**2)
        picture = picture + 66 * np.exp(-(across**4)) + 46 * np.exp(-(((np.abs(across) - 0.85) / 0.16) ** 2))
    return noisy(rng, picture + 4 * clouds(rng, height, width, 40), rng.uniform(0.5, 3))


def breast(rng: Rng, height: int, width: int) -> np.ndarray:
    shape = blob(height, width, 0.05, -1.05, 0.82, 1.35, 0.15)
    glands = np.clip(clouds(rng, height, width, 9) + clouds(rng, height, width, 28), 0, 3)
    return noisy(rng, 4 + shape * (70 + 34 * glands), rng.uniform(0.5, 2.5))


def knee(rng: Rng, height: int, width: int) -> np.ndarray:
    """Two bones and a joint, as on a sagittal MR."""
    limb = blob(height, width, 0, 0, 1.4, 0.6, 0.06)
    upper, lower = (blob(height, width, y, 0.04, 0.62, 0.34, 0.06) for y in (-0.68, 0.72))
    picture = 5 + limb * (66 + 9 * clouds(rng, height, width, 20)) + 74 * upper + 70 * lower
    return noisy(rng, picture, rng.uniform(1, 4))


def mucosa(rng: Rng, height: int, width: int) -> np.ndarray:
    """An endoscope's round view, in colour."""
    view = blob(height, width, 0, 0, 0.96, 0.96 * min(1, height / width), 0.03)
    folds = clouds(rng, height, width, 8)
    depth = 1 - 0.8 * blob(height, width, rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), 0.4, 0.35, 0.7)
    base = np.stack([178 + 20 * folds, 92 + 17 * folds, 80 + 14 * folds], axis=2)
    shine = np.clip(clouds(rng, height, width, 30) - 2.4, 0, 1)[:, :, None] * 150
    return noisy(rng, view[:, :, None] * (base * depth[:, :, None] + shine) + 2, 2)


def skin(rng: Rng, height: int, width: int) -> np.ndarray:
    """A photo of skin with a spot."""
    tone = np.array([(206, 160, 134), (158, 110, 84), (228, 188, 168)][int(rng.integers(3))], np.float32)
    spot = blob(height, width, rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), 0.24, 0.2, 0.6)
    light = 1 + 0.05 * clouds(rng, height, width, 3) + 0.02 * clouds(rng, height, width, 90)
    return noisy(rng, tone * light[:, :, None] - spot[:, :, None] * np.array([70, 66, 50], np.float32), 2)


MODALITY: dict[Ground, str | None] = {
    black: None,
    chest: "CR",
    head: "CT",
    sector: "US",
    linear: "US",
    speckled: "US",
    abdomen: "CT",
    bone: "CR",
    breast: "MG",
    knee: "MR",
    mucosa: "endoscopy",
    skin: None,
}
GREY: dict[str, tuple[Ground, ...]] = {"open": (chest, head, sector, knee), "held": (abdomen, bone, linear, breast)}
"""Grounds with dark corners, by half."""
COLOUR: dict[str, tuple[Ground, ...]] = {"open": (mucosa,), "held": (skin, mucosa)}
