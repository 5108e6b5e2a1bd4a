"""Synthetic chest X-rays: a frontal projection of ribs, heart, vessels, lungs, and up to four kinds of abnormality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unveil.synthetic.canvas import (
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
    grain,
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

MODALITY = "X-ray"
ABNORMALITIES: tuple[str, ...] = ("nodule", "consolidation", "pleural effusion", "pneumothorax")
STRUCTURES: tuple[str, ...] = (
    "right lung",
    "left lung",
    "heart",
    "spine",
    "trachea",
    "aortic arch",
    "right clavicle",
    "left clavicle",
    "right diaphragm",
    "left diaphragm",
    "gastric bubble",
    "right breast shadow",
    "left breast shadow",
    "vessel end-on",
    "ECG electrode",
)
SIDES = (("right", -1), ("left", 1))
ABDOMEN = 0.8


@dataclass(frozen=True)
class ChestAnatomy:
    """What the chest X-rays of one patient share."""

    width: float
    heart: Point
    heart_edge: Outline
    domes: Point
    rib_gap: float
    rib_phase: float
    rib_slope: float
    breasts: float
    bubble: float
    vessels: tuple[Path, ...]
    warp: Array


def draw_anatomy(rng: np.random.Generator) -> ChestAnatomy:
    """Draw a patient's chest."""
    width = rng.uniform(0.92, 1.06)
    return ChestAnatomy(
        width=width,
        heart=(rng.uniform(0.27, 0.34), rng.uniform(0.25, 0.31)),
        heart_edge=outline(rng, 0.03, 4),
        domes=(rng.uniform(0.34, 0.44), rng.uniform(0.42, 0.52)),
        rib_gap=rng.uniform(0.15, 0.175),
        rib_phase=rng.random(),
        rib_slope=rng.uniform(0.5, 0.7),
        breasts=rng.uniform(0.04, 0.08) if rng.random() < 0.5 else 0.0,
        bubble=rng.uniform(0.08, 0.13) if rng.random() < 0.7 else 0.0,
        vessels=tuple(path for _, sign in SIDES for path in _hilum(rng, sign, width)),
        warp=rng.normal(0, 0.02, (2, 6, 6)),
    )


def _hilum(rng: np.random.Generator, sign: int, width: float) -> list[Path]:
    """The vessels of one lung: trees that leave the hilum fanwise."""
    paths = []
    for angle in np.linspace(-1.2, 1.25, 6) + rng.normal(0, 0.1, 6):
        heading = angle if sign > 0 else np.pi - angle
        root = (sign * width * 0.19 + 0.03 * np.cos(heading), 0.0 + 0.08 * np.sin(angle))
        paths += tree(rng, root, heading, rng.uniform(0.19, 0.25), rng.uniform(0.013, 0.02), 3, 0.45)
    return paths


@dataclass(frozen=True)
class Chest:
    """The parts of one image's chest on which both the painting and the placing of abnormalities rest."""

    frame: Frame
    width: float
    walls: dict[str, Array]
    domes: dict[str, Array]
    lungs: dict[str, Array]
    heart: Array
    middle: Array


def draw(anatomy: ChestAnatomy, labels: Sequence[str], rng: np.random.Generator, size: int = 256) -> SyntheticImage:
    """Draw one chest X-ray of a patient with one abnormality for each label."""
    check(labels, ABNORMALITIES)
    chest = _chest(anatomy, rng, size)
    makers = {
        "nodule": _nodule,
        "consolidation": _consolidation,
        "pleural effusion": _effusion,
        "pneumothorax": _pneumothorax,
    }
    lesions = arrange(labels, lambda label: makers[label](chest, rng), size)
    image, structures = _soft_tissue(anatomy, chest, rng)
    for lesion in lesions:
        image = lesion.over(image)
    image = _bones(anatomy, chest, image, structures)
    image = _overlay(anatomy, chest, image, structures, rng)
    return picture(_exposed(image, rng), lesions, structures)


def _chest(anatomy: ChestAnatomy, rng: np.random.Generator, size: int) -> Chest:
    """Pose the patient and lay out lungs, domes and heart; a deep breath lowers the domes."""
    shift, breath = rng.uniform(-0.05, 0.05, 2), rng.uniform(-0.05, 0.05)
    frame = posed(size, (shift[0], shift[1]), rng.uniform(0.94, 1.05), rng.uniform(-0.05, 0.05), anatomy.warp)
    x, y, width = frame.x, frame.y, anatomy.width
    heart = field(frame, (0.12 * width, 0.3), anatomy.heart, anatomy.heart_edge, 0.45)
    half = 0.13 + 0.10 * bump(y - 0.02, 0.16) + 0.05 * np.clip(y + 0.1, 0, 1)
    middle = np.minimum(np.abs(x - 0.015) - half * np.float32(width), heart)
    walls, domes, lungs = {}, {}, {}
    for (name, sign), top in zip(SIDES, anatomy.domes, strict=True):
        walls[name] = field(frame, (sign * 0.39 * width, 0.32), (0.41 * width, 1.1), tilt=sign * -0.05, margin=0.4)
        domes[name] = y - np.float32(top + breath) - 0.95 * (np.abs(x * sign - 0.33 * width)) ** 2.2
        lungs[name] = np.maximum(np.maximum(walls[name], domes[name]), -middle)
    return Chest(frame, width, walls, domes, lungs, heart, middle)


def _soft_tissue(anatomy: ChestAnatomy, chest: Chest, rng: np.random.Generator) -> tuple[Array, dict[str, Array]]:
    """Everything but bone: body, lungs with their vessels, mediastinum, abdomen."""
    frame = chest.frame
    x, y, size = frame.x, frame.y, frame.size
    structures = {f"{name} lung": chest.lungs[name] < 0 for name, _ in SIDES}
    shoulder = 0.28 + 0.72 * np.clip((y + 1.02) / 0.42, 0, 1) ** 0.6 - 0.1 * np.clip(y + 0.5, 0, 1)
    body = cover(np.abs(x) - shoulder * np.float32(chest.width), 0.06)
    image = body * (0.62 + 0.1 * np.clip(y + 0.2, 0, 1) + 0.012 * noise(rng, size, 5))
    air = np.zeros_like(image)
    for name, _ in SIDES:
        lung = cover(np.maximum(chest.walls[name], chest.domes[name]), 0.035)
        depth = np.clip(-chest.walls[name] / 0.35, 0, 1) ** 0.6
        image = mix(image, lung, 0.34 - 0.13 * depth + 0.06 * np.clip(y, -1, 1))
        image = mix(image, cover(-chest.domes[name], 0.03) * cover(chest.walls[name], 0.1), ABDOMEN)
        structures[f"{name} diaphragm"] = (
            (np.abs(chest.domes[name]) < 0.022) & (chest.walls[name] < 0.02) & (chest.middle > 0)
        )
        air = np.maximum(air, lung)
    vessels = strokes(frame, anatomy.vessels, 0.02)
    image = image + air * (0.13 * vessels + 0.016 * fractal(rng, size, 20, 3, 0.8))
    for sign in (-1, 1):
        image = image + 0.12 * air * cover(field(frame, (sign * 0.24 * chest.width, 0.02), (0.07, 0.13)), 0.16)
    image = mix(image, cover(chest.middle, 0.05), 0.66 + 0.1 * np.clip(y, -1, 1))
    image = mix(image, cover(chest.heart, 0.045), 0.72 + 0.06 * np.clip(y, -1, 1))
    arch = field(frame, (0.13 * chest.width, -0.28), (0.095, 0.105))
    image = mix(image, 0.8 * cover(arch, 0.04), 0.68)
    windpipe = np.maximum(np.abs(x - 0.01) - 0.045, y + 0.16)
    image = image - 0.15 * cover(windpipe, 0.04) * body
    bronchi = [(np.array([(0.01, -0.18), (sign * 0.17, 0.0)]), np.array([0.03, 0.02])) for sign in (-1, 1)]
    image = image - 0.09 * strokes(frame, bronchi, 0.03)
    structures |= {"heart": chest.heart < 0, "aortic arch": arch < 0, "trachea": windpipe < 0}
    if anatomy.bubble:
        place = (0.36 * chest.width, float(anatomy.domes[1]) + 0.14)
        gas = np.maximum(field(frame, place, (anatomy.bubble * 1.4, anatomy.bubble)), 0.03 - chest.domes["left"])
        image = image - 0.26 * cover(gas, 0.05)
        structures["gastric bubble"] = gas < 0
    return image, structures


def _bones(anatomy: ChestAnatomy, chest: Chest, image: Array, structures: dict[str, Array]) -> Array:
    """Lay spine, ribs, collar bones and shoulders over the soft tissue."""
    frame, width = chest.frame, chest.width
    x, y = frame.x, frame.y
    spine = np.abs(x) - (0.075 + 0.012 * np.cos(y * np.float32(2 * np.pi / 0.16)))
    discs = 0.5 + 0.5 * np.cos(y * np.float32(2 * np.pi / 0.16))
    image = image + cover(spine, 0.03) * (0.04 + 0.05 * discs)
    structures["spine"] = (np.abs(x) < 0.085) & (y > -0.9)
    out = np.abs(x) / np.float32(width)
    above = cover(np.maximum(chest.domes["right"] * (x < 0), chest.domes["left"] * (x > 0)) - 0.05, 0.15)
    cage = cover(np.minimum(chest.walls["right"], chest.walls["left"]) - 0.03, 0.03) * (0.35 + 0.65 * above)
    cage = cage * np.clip(1.5 - 1.3 * image, 0.2, 1)  # bone adds little where the film is all but white
    behind = y - anatomy.rib_slope * out**2 + 0.22 * out
    ahead = y - 0.95 * (0.82 - out) - 0.3 * out**2
    image = image + cage * _ribs(behind, anatomy.rib_gap, anatomy.rib_phase, 0.2) * (0.11 * cover(0.09 - out, 0.1))
    front = cover(0.3 - out, 0.12) * cover(-0.25 - y, 0.3) * cover(y - 0.55, 0.2)
    image = image + cage * _ribs(ahead, anatomy.rib_gap * 1.15, anatomy.rib_phase, 0.24) * (0.07 * front)
    for name, sign in SIDES:
        line = curve([(sign * 0.1, -0.52), (sign * 0.32, -0.5), (sign * 0.5, -0.78), (sign * 0.86, -0.72)], 10)
        line[:, 0] *= width
        bone = strokes(frame, [(line, np.full(11, 0.034))], 0.02)
        core = strokes(frame, [(line, np.full(11, 0.018))], 0.02)
        image = image + 0.17 * bone - 0.06 * core
        structures[f"{name} clavicle"] = bone > 0.5
        blade = [(sign * 0.66, -0.62), (sign * 0.68, -0.2), (sign * 0.84, 0.05), (sign * 0.92, -0.35)]
        plate = strokes(frame, [(curve(blade, 6) * (width, 1), np.full(7, 0.02))], 0.03)
        image = image + 0.06 * plate
        head = field(frame, (sign * 0.92 * width, -0.56), (0.1, 0.13))
        image = image + 0.14 * cover(head, 0.04) * (image > 0.3)
    return image


def _ribs(height: Array, gap: float, phase: float, half: float) -> Array:
    """Bands across a bent height, brighter along their edges as bone is."""
    place = np.abs((height / np.float32(gap) + np.float32(phase)) % 1 - np.float32(0.5))
    return cover(place - half, 0.12) * (0.55 + 0.45 * bump(place - (half - 0.06), 0.05))


def _overlay(
    anatomy: ChestAnatomy, chest: Chest, image: Array, structures: dict[str, Array], rng: np.random.Generator
) -> Array:
    """Breast shadows, a vessel seen end-on, an ECG lead and the side marker."""
    frame = chest.frame
    if anatomy.breasts:
        for name, sign in SIDES:
            breast = field(frame, (sign * 0.46 * chest.width, 0.3), (0.34, 0.3), tilt=sign * 0.2)
            image = image + anatomy.breasts * cover(breast, 0.12)
            structures[f"{name} breast shadow"] = breast < 0
    if rng.random() < 0.5:
        sign = int(rng.choice((-1, 1)))
        place = (sign * rng.uniform(0.27, 0.36) * chest.width, rng.uniform(-0.14, 0.16))
        image = image + 0.2 * cover(field(frame, place, (0.024, 0.024)), 0.02)
        structures["vessel end-on"] = field(frame, place, (0.03, 0.03)) < 0
    if rng.random() < 0.35:
        sign = int(rng.choice((-1, 1)))
        disc = (sign * rng.uniform(0.3, 0.6), rng.uniform(-0.5, 0.3))
        wire = curve([disc, (disc[0] + rng.normal(0, 0.2), disc[1] + 0.3), (sign * rng.uniform(0.2, 0.9), 1.1)], 14)
        image = image + 0.2 * strokes(frame, [(wire, np.full(15, 0.006))])
        pad = field(frame, disc, (0.04, 0.04))
        image = image + 0.16 * cover(pad, 0.012) + 0.2 * cover(pad + 0.025, 0.012)
        structures["ECG electrode"] = pad < 0
    letter = np.array([(0.84, -0.92), (0.84, -0.81), (0.9, -0.81)])
    plain = posed(frame.size)
    marked: Array = np.maximum(image, 0.97 * strokes(plain, [(letter, np.full(3, 0.011))]))
    return marked


def _exposed(image: Array, rng: np.random.Generator) -> Array:
    """The film: exposure, contrast and grain."""
    light = np.clip(image * rng.uniform(0.95, 1.08) + rng.uniform(-0.05, 0.02), 0, 1)
    return light ** np.float32(rng.uniform(0.9, 1.2)) + rng.uniform(0.006, 0.016) * grain(rng, image.shape[0], 0.7)


def _side(rng: np.random.Generator) -> tuple[str, int]:
    return SIDES[int(rng.integers(2))]


def _seen(label: str, mask: Array, side: str, part: str, words: tuple[str, str, str, str]) -> Abnormality:
    return Abnormality(label, mask, part, side, dict(zip(("shape", "edge", "density", "texture"), words, strict=True)))


def _nodule(chest: Chest, rng: np.random.Generator) -> Lesion | None:
    """A round, rather sharp, bright spot in a lung."""
    side, _ = _side(rng)
    radius = rng.uniform(0.055, 0.15)
    centre = spot(rng, chest.lungs[side] < -0.75 * radius, chest.frame)
    if centre is None:
        return None
    shape = field(chest.frame, centre, (radius, radius * rng.uniform(0.88, 1.0)), outline(rng, 0.03), rng.uniform(0, 3))
    share = cover(shape, 0.05) * (0.7 + 0.3 * np.clip(-shape / radius, 0, 1))
    add = rng.uniform(0.2, 0.36) * share
    mask = (shape < 0.004) & (chest.lungs[side] < 0.03)
    words = ("round", "well defined", "denser than lung", "homogeneous")
    return Lesion(_seen("nodule", mask, side, "lung", words), np.ones_like(add), add)


def _consolidation(chest: Chest, rng: np.random.Generator) -> Lesion | None:
    """A patchy, hazy bright area, crossed by the dark branches of bronchi that still hold air."""
    side, sign = _side(rng)
    radii = (rng.uniform(0.15, 0.26), rng.uniform(0.15, 0.32))
    lung, frame = chest.lungs[side], chest.frame
    centre = spot(rng, lung < -0.1, frame)
    if centre is None:
        return None
    shape = field(frame, centre, radii, outline(rng, 0.16), margin=0.3) + 0.035 * noise(rng, frame.size, 14)
    share = cover(shape, 0.16) * cover(lung, 0.03) * np.clip(0.86 + 0.16 * fractal(rng, frame.size, 16, 2), 0.4, 1)
    heading = rng.normal(0.2, 0.4)
    root = (centre[0] - sign * 0.8 * radii[0], centre[1] - 0.3 * radii[1])
    bronchi = tree(rng, root, heading if sign > 0 else np.pi - heading, radii[0] * 0.7, 0.013, 2, 0.5)
    share = share * (1 - 0.55 * strokes(frame, bronchi, 0.02))
    share = share * np.float32(rng.uniform(0.6, 0.88))
    mask = largest((shape < 0.02) & (lung < 0))
    words = ("patchy", "hazy and ill defined", "denser than lung", "uneven with dark air bronchograms")
    return Lesion(_seen("consolidation", mask, side, "lung", words), 1 - share, share * 0.68)


def _effusion(chest: Chest, rng: np.random.Generator) -> Lesion | None:
    """Fluid at the base of a lung: it blunts the angle, hides the dome and climbs along the wall."""
    side, sign = _side(rng)
    frame = chest.frame
    outward = np.clip((frame.x * sign / chest.width - 0.2) / 0.58, 0, 1)
    level, rise = rng.uniform(0.22, 0.5), rng.uniform(0.18, 0.4)
    surface = np.float32(level) - frame.y - np.float32(rise) * outward**2.5
    shape = np.maximum(surface, np.maximum(chest.walls[side], -chest.middle))
    share = cover(surface, 0.06) * cover(chest.walls[side], 0.03) * cover(-chest.middle, 0.04)
    mask = largest((shape < 0) & (chest.domes[side] < 0))
    words = ("basal meniscus", "concave upper edge", "as dense as soft tissue", "homogeneous")
    return Lesion(_seen("pleural effusion", mask, side, "pleura", words), 1 - share, share * ABDOMEN)


def _pneumothorax(chest: Chest, rng: np.random.Generator) -> Lesion | None:
    """Air round a lung that has come away from the wall: a dark crescent within a fine bright line."""
    side, sign = _side(rng)
    frame, width = chest.frame, chest.width
    angle, gap = rng.uniform(0.15, 1.1), rng.uniform(0.12, 0.24)
    centre = (sign * (0.39 * width - gap * np.cos(angle)), 0.32 + gap * np.sin(angle))
    lung = field(frame, centre, (0.41 * width * rng.uniform(0.96, 1.0), 1.1), tilt=sign * -0.05, margin=0.4)
    air = np.maximum(chest.lungs[side], frame.y - np.float32(rng.uniform(-0.35, 0.1)))
    share = cover(0.004 - lung, 0.02) * cover(chest.lungs[side], 0.02) * cover(air, 0.12)
    line = bump(lung, 0.007) * cover(chest.lungs[side] + 0.02, 0.03) * cover(air, 0.12)
    mask = largest((lung > -0.004) & (air < 0))
    words = ("crescent along the chest wall", "thin bright pleural line", "darker than lung", "no lung markings")
    add = share * np.float32(rng.uniform(0.08, 0.14)) + line * np.float32(rng.uniform(0.22, 0.34))
    return Lesion(_seen("pneumothorax", mask, side, "pleura", words), 1 - share, add)
