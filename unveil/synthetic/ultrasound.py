"""Synthetic ultrasound fans of the liver, gallbladder and kidney, with up to four kinds of abnormality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from unveil.synthetic.canvas import (
    FAR,
    Abnormality,
    Array,
    Frame,
    Lesion,
    Outline,
    Path,
    Point,
    SyntheticImage,
    arrange,
    bump,
    check,
    cover,
    curve,
    field,
    fractal,
    grid,
    largest,
    mix,
    noise,
    outline,
    picture,
    posed,
    spot,
    strokes,
    tree,
)

MODALITY = "ultrasound"
ABNORMALITIES: tuple[str, ...] = ("gallstone", "cyst", "tumour", "haemangioma")
STRUCTURES: tuple[str, ...] = (
    "liver",
    "gallbladder",
    "portal vein",
    "hepatic vein",
    "kidney",
    "diaphragm",
    "bowel gas",
)
DARK, LIVER = 0.03, 0.4


@dataclass(frozen=True)
class Fan:
    """The field of view: the point from which the beams seem to come, their reach and their spread."""

    top: float
    near: float
    far: float
    spread: float


FANS = (Fan(-1.22, 0.36, 2.14, 0.47), Fan(-1.35, 0.48, 2.28, 0.43), Fan(-1.1, 0.26, 2.02, 0.52))


@dataclass(frozen=True)
class OrganAnatomy:
    """What the ultrasound images of one patient share."""

    fan: Fan
    bag: tuple[Point, Point, float, Outline]
    kidney: tuple[Point, Point, float, Outline]
    portal: tuple[Path, ...]
    veins: tuple[Path, ...]
    dome: Array
    wall: float
    layers: Array
    fatness: float
    warp: Array


def draw_anatomy(rng: np.random.Generator) -> OrganAnatomy:
    """Draw a patient's liver and what lies around it, and choose the probe."""
    bag = (rng.uniform(0.08, 0.2), rng.uniform(-0.08, 0.08))
    kidney = (rng.uniform(0.5, 0.62), rng.uniform(0.38, 0.5))
    low = rng.uniform(0.62, 0.74)
    dome = curve([(-1.0, -0.05), (-0.62, low + 0.1), (-0.1, low + 0.12), (0.45, low + 0.1)], 14)
    portal = tree(rng, (-0.02, 0.24), np.pi + rng.uniform(0.0, 0.5), rng.uniform(0.2, 0.28), 0.03, 1, 0.5)
    meeting = (rng.uniform(-0.3, -0.1), low - 0.02)
    veins = [path for turn in (-2.6, -2.0) for path in tree(rng, meeting, turn, rng.uniform(0.2, 0.3), 0.026, 1, 0.3)]
    return OrganAnatomy(
        fan=FANS[int(rng.integers(len(FANS)))],
        bag=(bag, (rng.uniform(0.13, 0.17), rng.uniform(0.26, 0.34)), rng.uniform(0.2, 0.6), outline(rng, 0.06, 3)),
        kidney=(kidney, (rng.uniform(0.28, 0.33), rng.uniform(0.15, 0.18)), rng.uniform(0.1, 0.45), outline(rng, 0.03)),
        portal=tuple(portal),
        veins=tuple(veins),
        dome=dome,
        wall=rng.uniform(0.16, 0.26),
        layers=rng.uniform(0.15, 0.75, 7),
        fatness=rng.uniform(-0.04, 0.05),
        warp=rng.normal(0, 0.018, (2, 6, 6)),
    )


@dataclass(frozen=True)
class Scan:
    """The parts of one image on which both the painting and the placing of abnormalities rest."""

    fan: Fan
    frame: Frame
    view: Array
    bag: Array
    liver: Array


def draw(anatomy: OrganAnatomy, labels: Sequence[str], rng: np.random.Generator, size: int = 256) -> SyntheticImage:
    """Draw one ultrasound image of a patient with one abnormality for each label."""
    check(labels, ABNORMALITIES)
    makers = {"gallstone": _gallstone, "cyst": _cyst, "tumour": _tumour, "haemangioma": _haemangioma}
    shift = (rng.uniform(-0.12, 0.12), rng.uniform(-0.06, 0.06))
    frame = posed(size, shift, rng.uniform(0.92, 1.08), rng.uniform(-0.15, 0.15), anatomy.warp)
    scan, tissue, structures = _tissue(anatomy, frame, rng)
    lesions = arrange(labels, lambda label: makers[label](scan, rng), size)
    for lesion in lesions:
        tissue = lesion.over(tissue)
    image = _scanned(scan, tissue, rng)
    seen = scan.view < 0
    return picture(_console(anatomy.fan, image), lesions, {name: mask & seen for name, mask in structures.items()})


@lru_cache(maxsize=8)
def _beams(fan: Fan, size: int) -> tuple[Array, Array, Array, Array]:
    """Depth and angle of every pixel, the field of the fan, and the pixels' places in a table of beams."""
    x, y = grid(size)
    depth, angle = np.hypot(x, y - np.float32(fan.top)), np.arctan2(x, y - np.float32(fan.top))
    ends = np.maximum(np.float32(fan.near) - depth, depth - np.float32(fan.far))
    view = np.maximum(ends, (np.abs(angle) - np.float32(fan.spread)) * depth)
    row = np.clip((depth - fan.near) / (fan.far - fan.near), 0, 1) * (size - 1)
    column = np.clip(angle / (2 * fan.spread) + 0.5, 0, 1) * (size // 2 - 1)
    return depth, angle, view, np.stack([row, column])


def _tissue(anatomy: OrganAnatomy, frame: Frame, rng: np.random.Generator) -> tuple[Scan, Array, dict[str, Array]]:
    """How strongly every place echoes in the healthy patient, and the normal structures."""
    size = frame.size
    depth, _, view, _ = _beams(anatomy.fan, size)
    image = np.float32(LIVER + anatomy.fatness) * (1 + 0.06 * fractal(rng, size, 8, 3))
    veins = strokes(frame, anatomy.veins)
    image = mix(image, 0.85 * veins, DARK)
    portal = strokes(frame, anatomy.portal)
    wall = strokes(frame, [(points, widths + 0.022) for points, widths in anatomy.portal])
    image = mix(mix(image, 0.8 * wall, 0.66), portal, DARK)
    line = strokes(frame, [(anatomy.dome, np.full(15, 0.012))], 0.02)
    beyond = frame.y - np.interp(frame.x, anatomy.dome[:, 0], anatomy.dome[:, 1]).astype(np.float32)
    image = mix(image, cover(-beyond, 0.03), 0.2 + 0.05 * noise(rng, size, 10) - 0.12 * np.clip(beyond * 3, 0, 1))
    image = mix(image, line, 0.95)
    kidney, image = _kidney(anatomy, frame, image, rng)
    centre, radii, tilt, edge = anatomy.bag
    bag = field(frame, centre, radii, edge, tilt)
    image = mix(image, bump(bag - 0.008, 0.014), 0.72)
    image = image * (1 + 0.35 * _below(anatomy.fan, frame, centre, 0.8 * radii[0], 0.8 * radii[1]))
    image = mix(image, cover(bag, 0.02), DARK)
    skin = (depth - np.float32(anatomy.fan.near)) / np.float32(anatomy.wall)
    stripes = np.interp(skin + 0.03 * noise(rng, size, 6), np.linspace(0, 1, 7), anatomy.layers)
    image = mix(image, cover(skin - 1, 0.1), stripes.astype(np.float32))
    image = mix(image, bump(skin - 1, 0.05) + bump(skin - 0.45, 0.03), 0.8)
    image = mix(image, cover(skin - 0.08, 0.08), 0.9)
    structures = {
        "gallbladder": bag < 0,
        "portal vein": portal > 0.5,
        "hepatic vein": veins > 0.5,
        "kidney": kidney < 0,
        "diaphragm": largest((line > 0.5) & (view < 0)),
    }
    gas = np.zeros(view.shape, bool)
    if rng.random() < 0.4:
        image, gas = _gas(anatomy.fan, frame, image, rng)
    vessels = np.maximum(wall, veins)
    rim = np.maximum(np.maximum(beyond + 0.03, 0.02 - kidney), np.float32(1.15 * anatomy.wall) * (1.0 - skin))
    liver = np.maximum(np.maximum(np.maximum(rim, 0.03 - bag), view + 0.02), np.where(gas, FAR, -1.0))
    structures |= {"liver": (liver < 0) & (vessels < 0.5) & (frame.x < 0.45), "bowel gas": gas & (depth < 1.25)}
    return Scan(anatomy.fan, frame, view, bag, liver), image, structures


def _kidney(anatomy: OrganAnatomy, frame: Frame, image: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The kidney: a dark rind with darker pyramids round a bright core."""
    centre, radii, tilt, edge = anatomy.kidney
    kidney = field(frame, centre, radii, edge, tilt)
    image = mix(image, bump(kidney - 0.01, 0.014), 0.68)
    image = mix(image, cover(kidney, 0.03), 0.27)
    core = field(frame, centre, (radii[0] * 0.6, radii[1] * 0.38), edge, tilt) + 0.02 * noise(rng, frame.size, 22)
    return kidney, mix(image, cover(core, 0.06), 0.68)


def _below(fan: Fan, frame: Frame, centre: Point, half: float, behind: float = 0.0) -> Array:
    """The cover of what the beams meet only after they have passed an object of half-width `half`."""
    depth, angle, _, _ = _beams(fan, frame.size)
    column, row = frame.pixels(np.array(centre)) * 2 / frame.size - 1
    far, turn = float(np.hypot(column, row - fan.top)), float(np.arctan2(column, row - fan.top))
    wedge = cover(np.abs(angle - np.float32(turn)) - np.float32(half * frame.zoom / far), 0.03)
    below: Array = wedge * cover(np.float32(far + behind * frame.zoom) - depth, 0.03)
    return below


def _gas(fan: Fan, frame: Frame, image: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Gas in the bowel: a ragged bright line with a dirty shadow under it."""
    depth = _beams(fan, frame.size)[0]
    place, half = (rng.uniform(0.42, 0.6), rng.uniform(-0.25, 0.05)), rng.uniform(0.1, 0.18)
    line = field(frame, place, (half, 0.03), outline(rng, 0.15), rng.uniform(-0.3, 0.3))
    line = line + 0.01 * noise(rng, frame.size, 40)
    shadow = _below(fan, frame, place, half)
    image = image * (1 - 0.75 * shadow) + shadow * (0.04 + 0.03 * np.abs(np.sin(depth * np.float32(60))))
    return mix(image, cover(line, 0.03), 0.95), (line < 0) | (shadow > 0.5)


def _scanned(scan: Scan, tissue: Array, rng: np.random.Generator) -> Array:
    """What the probe makes of the tissue: speckle that widens with depth, fading, gain and the fan's edge."""
    size, fan = scan.frame.size, scan.fan
    depth, _, _, (row, column) = _beams(fan, size)
    waves = rng.standard_normal((2, size, size // 2), dtype=np.float32)
    waves = ndimage.gaussian_filter(waves, (0, 0.8, 0.75), truncate=2.5)
    speckle = np.hypot(waves[0], waves[1])
    speckle = _looked_up(speckle / speckle.mean(), row, column)
    reach = (depth - np.float32(fan.near)) / np.float32(fan.far - fan.near)
    focus = 0.12 * bump(reach - rng.uniform(0.3, 0.6), 0.15)
    gain = rng.uniform(0.95, 1.25) * (1.08 - rng.uniform(0.2, 0.42) * reach + focus)
    image = np.clip(tissue, 0, 1.1) * gain * (0.25 + 0.75 * speckle) + 0.012 * speckle
    scanned: Array = np.clip(image, 0, 1) ** np.float32(rng.uniform(0.8, 0.95)) * cover(scan.view, 0.01)
    return scanned


def _looked_up(table: Array, row: Array, column: Array) -> Array:
    """The table's values at fractional rows and columns, blended from the four cells around."""
    i = np.minimum(row.astype(np.int32), table.shape[0] - 2)
    j = np.minimum(column.astype(np.int32), table.shape[1] - 2)
    down, along = row - i.astype(np.float32), column - j.astype(np.float32)
    cell, flat = i * table.shape[1] + j, table.ravel()
    above = flat[cell] * (1 - along) + flat[cell + 1] * along
    cell = cell + table.shape[1]
    values: Array = above * (1 - down) + (flat[cell] * (1 - along) + flat[cell + 1] * along) * down
    return values


def _console(fan: Fan, image: Array) -> Array:
    """The marks of the console: a grey scale on the left and a ruler of depth on the right."""
    size = image.shape[0]
    x, y = grid(size)
    scale = (np.abs(x + 0.95) < 0.02) & (np.abs(y + 0.55) < 0.3)
    image = np.where(scale, (-0.25 - y) / 0.6, image)
    steps = (y - fan.top - fan.near) / 0.17
    near = np.abs(steps - np.rint(steps)) * 0.17 * size < 1.2
    ticks = near & (np.abs(x - 0.97) < 0.02) & (steps > -0.2) & (y < 0.92)
    return np.where(ticks, np.float32(0.7), image)


def _seen(label: str, mask: Array, part: str, words: tuple[str, str, str, str]) -> Abnormality:
    return Abnormality(label, mask, part, None, dict(zip(("shape", "edge", "density", "texture"), words, strict=True)))


def _gallstone(scan: Scan, rng: np.random.Generator) -> Lesion | None:
    """A bright arc on the floor of the gallbladder with a black shadow under it."""
    frame = scan.frame
    radius = rng.uniform(0.065, 0.115)
    floor = (scan.bag < -0.8 * radius) & (scan.bag > -1.2 * radius) & (scan.view < -0.1)
    floor &= frame.y > np.quantile(frame.y[floor], 0.6) if floor.any() else floor
    centre = spot(rng, floor, frame)
    if centre is None:
        return None
    stone = field(frame, centre, (radius, max(0.75 * radius, 0.056)), outline(rng, 0.05, 4))
    share = cover(stone, 0.016)
    rise = np.clip((frame.y - np.float32(centre[1])) / np.float32(radius) + 0.45, 0, 1)
    shadow = _below(scan.fan, frame, centre, 0.92 * radius) * (1 - share)
    dark = rng.uniform(0.82, 0.95)
    value = share * (1.05 - 0.6 * rise)
    words = ("rounded arc", "sharp", "hyperechoic", "bright surface with acoustic shadow")
    keep = (1 - share) * (1 - np.float32(dark) * shadow)
    return Lesion(_seen("gallstone", stone < 0, "gallbladder", words), keep, value, shadow > 0.5)


def _in_liver(scan: Scan, rng: np.random.Generator, radius: float) -> Point | None:
    """A place in the liver with room for a given radius."""
    return spot(rng, scan.liver < -0.9 * radius, scan.frame)


def _cyst(scan: Scan, rng: np.random.Generator) -> Lesion | None:
    """A black, round spot with a thin wall that brightens what lies behind it."""
    radius = rng.uniform(0.08, 0.2)
    centre = _in_liver(scan, rng, radius)
    if centre is None:
        return None
    shape = field(scan.frame, centre, (radius, radius * rng.uniform(0.85, 1)), outline(rng, 0.02, 3), rng.uniform(0, 3))
    share = cover(shape, 0.02)
    wall = bump(shape - 0.006, 0.01)
    boost = (
        0.6
        * _below(scan.fan, scan.frame, centre, 0.85 * radius, radius)
        * np.exp(-1.5 * np.clip(scan.frame.y - np.float32(centre[1] + radius), 0, 1))
    )
    words = ("round", "sharp thin wall", "anechoic", "homogeneous with posterior enhancement")
    return Lesion(_seen("cyst", shape < 0.006, "liver", words), (1 - share) * (1 + boost) - 0.3 * wall, 0.25 * wall)


def _tumour(scan: Scan, rng: np.random.Generator) -> Lesion | None:
    """A dark grey, irregular and uneven mass."""
    radius = rng.uniform(0.12, 0.24)
    centre, frame = _in_liver(scan, rng, radius), scan.frame
    if centre is None:
        return None
    radii = (radius, radius * rng.uniform(0.75, 1))
    shape = field(frame, centre, radii, outline(rng, 0.12, 8), rng.uniform(0, 3)) + 0.01 * noise(rng, frame.size, 28)
    share = cover(shape, 0.04)
    value = rng.uniform(0.14, 0.22) * np.clip(1 + 0.4 * fractal(rng, frame.size, 18, 2, 0.8), 0.3, 2)
    words = ("irregular", "ill defined", "hypoechoic", "heterogeneous")
    return Lesion(_seen("tumour", shape < 0.005, "liver", words), 1 - share, share * value)


def _haemangioma(scan: Scan, rng: np.random.Generator) -> Lesion | None:
    """A bright, round and even spot without a shadow."""
    radius = rng.uniform(0.07, 0.16)
    centre, frame = _in_liver(scan, rng, radius), scan.frame
    if centre is None:
        return None
    shape = field(frame, centre, (radius, radius * rng.uniform(0.85, 1)), outline(rng, 0.06, 6), rng.uniform(0, 3))
    share = cover(shape, 0.025)
    value = np.float32(rng.uniform(0.68, 0.9)) * (1 + 0.05 * noise(rng, frame.size, 30))
    words = ("round", "well defined", "hyperechoic", "homogeneous without a shadow")
    return Lesion(_seen("haemangioma", shape < 0, "liver", words), 1 - share, share * value)
