"""Synthetic axial CT slices of the upper abdomen in a soft-tissue window, with up to four kinds of abnormality."""

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
    field,
    fractal,
    grain,
    mix,
    noise,
    outline,
    picture,
    posed,
    spot,
    strokes,
    tree,
)

MODALITY = "CT"
ABNORMALITIES: tuple[str, ...] = ("cyst", "tumour", "abscess", "calculus")
STRUCTURES: tuple[str, ...] = (
    "liver",
    "spleen",
    "right kidney",
    "left kidney",
    "stomach",
    "aorta",
    "inferior vena cava",
    "spine",
    "gallbladder",
    "pancreas",
    "bowel with contrast",
    "colon with gas",
)
FAT, WATER, MUSCLE, LIVER, SPLEEN, BONE = 0.16, 0.40, 0.53, 0.64, 0.68, 0.97


@dataclass(frozen=True)
class Loop:
    """One loop of bowel: its place, its size and the grey level of what it holds."""

    centre: Point
    radii: Point
    edge: Outline
    content: float


@dataclass(frozen=True)
class AbdomenAnatomy:
    """What the CT slices of one patient share."""

    body: Point
    fat: float
    liver: tuple[Point, Outline, Outline]
    vessels: tuple[Path, ...]
    kidneys: tuple[Point, Point]
    kidney_size: float
    kidney_edge: Outline
    spleen: float
    stomach: Outline
    loops: tuple[Loop, ...]
    gallbladder: bool
    enhancement: float
    warp: Array


def draw_anatomy(rng: np.random.Generator) -> AbdomenAnatomy:
    """Draw a patient's upper abdomen."""
    wide, deep = rng.uniform(0.87, 0.94), rng.uniform(0.68, 0.78)
    contents = [rng.choice([0.93, 0.95, 0.5]) for _ in range(5)]
    places = [(0.1, -0.08), (0.33, 0.02), (0.2, -0.3), (0.52, -0.12), (0.28, 0.2)]
    return AbdomenAnatomy(
        body=(wide, deep),
        fat=rng.uniform(0.05, 0.13),
        liver=((rng.uniform(0.36, 0.42), rng.uniform(0.56, 0.66)), outline(rng, 0.05, 4), outline(rng, 0.05, 4)),
        vessels=tuple(_portal_tree(rng, wide, deep)),
        kidneys=((-rng.uniform(0.40, 0.46), rng.uniform(0.36, 0.46)), (rng.uniform(0.38, 0.45), rng.uniform(0.3, 0.4))),
        kidney_size=rng.uniform(0.13, 0.15),
        kidney_edge=outline(rng, 0.03, 5),
        spleen=rng.uniform(0.9, 1.1),
        stomach=outline(rng, 0.08, 4),
        loops=tuple(
            Loop(
                ((u + rng.normal(0, 0.03)) * wide, (v + rng.normal(0, 0.04)) * deep),
                (rng.uniform(0.06, 0.095), rng.uniform(0.055, 0.085)),
                outline(rng, 0.08, 5),
                float(content),
            )
            for (u, v), content in zip(places, contents, strict=True)
        ),
        gallbladder=bool(rng.random() < 0.5),
        enhancement=rng.uniform(0.6, 1.2),
        warp=rng.normal(0, 0.018, (2, 6, 6)),
    )


def _portal_tree(rng: np.random.Generator, wide: float, deep: float) -> list[Path]:
    """The vessels of the liver: the portal trunk's tree and two veins that drain backwards."""
    root = (-0.16 * wide, 0.02 * deep)
    paths: list[Path] = []
    for heading in (np.pi - 0.55, np.pi + 0.15, np.pi + 0.8):
        paths += tree(rng, root, heading + rng.normal(0, 0.1), rng.uniform(0.2, 0.27), rng.uniform(0.02, 0.028), 2, 0.5)
    return paths


@dataclass(frozen=True)
class Slice:
    """The parts of one image on which both the painting and the placing of abnormalities rest."""

    frame: Frame
    body: Array
    liver: Array
    kidneys: dict[str, Array]
    grey: dict[str, float]


def draw(anatomy: AbdomenAnatomy, labels: Sequence[str], rng: np.random.Generator, size: int = 256) -> SyntheticImage:
    """Draw one CT slice of a patient with one abnormality for each label."""
    check(labels, ABNORMALITIES)
    makers = {"cyst": _cyst, "tumour": _tumour, "abscess": _abscess, "calculus": _calculus}
    shift = rng.uniform(-0.04, 0.04, 2)
    frame = posed(size, (shift[0], shift[1]), rng.uniform(0.94, 1.06), rng.uniform(-0.07, 0.07), anatomy.warp)
    part = _slice(anatomy, frame, rng)
    lesions = arrange(labels, lambda label: makers[label](part, rng), size)
    structures: dict[str, Array] = {}
    image = _trunk(anatomy, part)
    image = _organs(anatomy, part, image, structures, rng)
    image = _bowel(anatomy, part, image, structures, rng)
    image = _skeleton(anatomy, part, image, structures)
    for lesion in lesions:
        image = lesion.over(image)
    image = np.maximum(image, _table(size, shift[1]))
    inside = cover(part.body - 0.02)
    image = image * rng.uniform(0.94, 1.06) + rng.uniform(-0.03, 0.03) * inside
    image = image + rng.uniform(0.018, 0.04) * grain(rng, size, 0.75) * inside
    return picture(image, lesions, structures)


def _slice(anatomy: AbdomenAnatomy, frame: Frame, rng: np.random.Generator) -> Slice:
    """Lay out body wall, liver and kidneys; the level of the slice changes their size a little."""
    wide, deep = anatomy.body
    level = rng.uniform(0.92, 1.06)
    body = field(frame, (0, 0), anatomy.body, margin=0.8)
    radii, right, left = anatomy.liver
    large = (radii[0] * wide * level, radii[1] * deep * 1.1 * level)
    lobe = field(frame, (-0.5 * wide, -0.06 * deep), large, right, 0.15)
    small = field(frame, (-0.1 * wide, -0.46 * deep), (0.36 * wide * level, 0.27 * deep), left, -0.12, margin=0.3)
    small = np.where(frame.x > -0.7 * wide, small, 1)
    inner = body + np.float32(anatomy.fat + 0.06)
    kidneys = {}
    for (u, v), name, sign in zip(anatomy.kidneys, ("right kidney", "left kidney"), (-1, 1), strict=True):
        bean = (anatomy.kidney_size * level, anatomy.kidney_size * 1.3 * level)
        whole = field(frame, (u * wide, v * deep), bean, anatomy.kidney_edge, sign * -0.35)
        hilum = field(frame, ((u - sign * 0.17) * wide, (v - 0.03) * deep), (0.055, 0.06), tilt=0.2)
        kidneys[name] = np.maximum(whole, -hilum)
    near = np.minimum(kidneys["right kidney"], 1) - 0.025
    liver = np.maximum(np.maximum(np.minimum(lobe, small), inner), -near)
    return Slice(frame, body, liver, kidneys, {"liver": LIVER, "kidney": 0.66 + 0.12 * anatomy.enhancement})


def _trunk(anatomy: AbdomenAnatomy, part: Slice) -> Array:
    """Skin, fat under the skin, the muscles of the wall and the fat within."""
    wall = part.body + np.float32(anatomy.fat)
    image = mix(np.zeros_like(part.body), cover(part.body), FAT)
    image = mix(image, bump(part.body + 0.012, 0.008), 0.5)
    image = mix(image, cover(wall, 0.02), MUSCLE)
    return mix(image, cover(wall + 0.055, 0.02), FAT + 0.02)


def _organs(
    anatomy: AbdomenAnatomy, part: Slice, image: Array, structures: dict[str, Array], rng: np.random.Generator
) -> Array:
    """The solid organs and the great vessels."""
    frame, (wide, deep) = part.frame, anatomy.body
    for sign in (-1, 1):
        for place, radii, tilt in (((0.25, 0.66), (0.21, 0.15), 0.3), ((0.19, 0.42), (0.085, 0.1), 0.0)):
            muscle = field(frame, (sign * place[0] * wide, place[1] * deep), radii, tilt=-sign * tilt)
            image = mix(image, cover(muscle, 0.02), MUSCLE + 0.01)
    texture = 0.012 * fractal(rng, frame.size, 24, 2)
    image = mix(image, cover(part.liver, 0.016), LIVER + texture)
    vessels = strokes(frame, anatomy.vessels, 0.02) * cover(part.liver + 0.03, 0.03)
    image = image + (0.05 + 0.05 * anatomy.enhancement) * vessels
    radii = (0.14 * anatomy.spleen, 0.27 * anatomy.spleen)
    spleen = field(frame, (0.68 * wide, 0.2 * deep), radii, anatomy.kidney_edge, -0.45)
    spleen = np.maximum(spleen, part.body + np.float32(anatomy.fat + 0.065))
    image = mix(image, cover(spleen, 0.016), SPLEEN + 0.05 * (anatomy.enhancement - 0.8) + texture)
    for name, kidney in part.kidneys.items():
        sign = -1 if name == "right kidney" else 1
        u, v = anatomy.kidneys[0 if sign < 0 else 1]
        image = mix(image, cover(kidney), part.grey["kidney"])
        inner = (kidney + 0.05) + 0.018 * noise(rng, frame.size, 26)
        image = mix(image, cover(inner, 0.02), part.grey["kidney"] - 0.1 * anatomy.enhancement)
        sinus = field(frame, ((u - sign * 0.08) * wide, v * deep), (0.06, 0.055), anatomy.stomach)
        image = mix(image, cover(sinus, 0.03), FAT + 0.08)
        stalk = (np.array([((u - sign * 0.09) * wide, v * deep), (sign * 0.1, 0.24 * deep)]), np.array([0.016, 0.016]))
        image = mix(image, strokes(frame, [stalk]) * cover(-kidney, 0.02), 0.68)
        structures[name] = kidney < 0
    gland = field(frame, (0.12 * wide, -0.02 * deep), (0.26, 0.055), anatomy.stomach, -0.35)
    image = mix(image, cover(gland + 0.012 * noise(rng, frame.size, 30), 0.02), 0.57)
    aorta = field(frame, (0.06 * wide, 0.2 * deep), (0.058, 0.058))
    cava = field(frame, (-0.12 * wide, 0.2 * deep), (0.068, 0.05), tilt=0.3)
    image = mix(image, cover(aorta), 0.72 + 0.15 * anatomy.enhancement)
    image = mix(image, cover(cava), 0.66 + 0.05 * anatomy.enhancement)
    structures |= {
        "liver": part.liver < 0,
        "spleen": spleen < 0,
        "pancreas": gland < 0,
        "aorta": aorta < 0,
        "inferior vena cava": cava < 0,
    }
    return image


def _bowel(
    anatomy: AbdomenAnatomy, part: Slice, image: Array, structures: dict[str, Array], rng: np.random.Generator
) -> Array:
    """The stomach with its level of fluid, loops bright with contrast, the colon and the gallbladder."""
    frame, (wide, deep) = part.frame, anatomy.body
    bright = np.zeros(part.body.shape, bool)
    for loop in anatomy.loops:
        shape = field(frame, loop.centre, loop.radii, loop.edge)
        image = mix(image, cover(shape), 0.56)
        image = mix(image, cover(shape + 0.018 + 0.008 * noise(rng, frame.size, 40), 0.016), loop.content)
        if loop.content > 0.6:
            bright |= shape < -0.01
    inner = part.body + np.float32(anatomy.fat + 0.065)
    stomach = field(frame, (0.42 * wide, -0.47 * deep), (0.33 * wide, 0.28 * deep), anatomy.stomach, 0.3)
    stomach = np.maximum(stomach, inner)
    image = mix(image, cover(stomach), 0.6)
    content = cover(stomach + 0.025, 0.015)
    image = mix(image, content, 0.46 + 0.03 * fractal(rng, frame.size, 20, 2))
    level = frame.y - np.float32((-0.47 + rng.uniform(-0.12, 0.06)) * deep)
    image = mix(image, content * cover(level, 0.012), 0.0)
    colon = np.maximum(field(frame, (0.73 * wide, -0.2 * deep), (0.085, 0.1), anatomy.loops[0].edge), inner)
    image = mix(image, cover(colon), 0.54)
    image = mix(image, cover(colon + 0.02 + 0.01 * noise(rng, frame.size, 24), 0.015), 0.02)
    structures |= {"stomach": stomach < 0, "bowel with contrast": bright, "colon with gas": colon < 0}
    if anatomy.gallbladder:
        bag = field(frame, (-0.24 * wide, -0.24 * deep), (0.075, 0.13), anatomy.kidney_edge, 0.5)
        image = mix(image, cover(bag), 0.58)
        image = mix(image, cover(bag + 0.012), WATER + 0.01)
        structures["gallbladder"] = bag < 0
    return image


def _skeleton(anatomy: AbdomenAnatomy, part: Slice, image: Array, structures: dict[str, Array]) -> Array:
    """The vertebra with its canal and processes, and the ribs cut across in the wall."""
    frame, (wide, deep) = part.frame, anatomy.body
    body = field(frame, (0, 0.45 * deep), (0.135, 0.115))
    body = np.maximum(body, -field(frame, (0, 0.67 * deep), (0.08, 0.06), margin=0.3))
    back = 0.69 * deep
    arch = [
        (np.array([(-0.085, 0.56 * deep), (-0.075, back), (0, back + 0.055)]), np.array([0.025, 0.022, 0.02])),
        (np.array([(0.085, 0.56 * deep), (0.075, back), (0, back + 0.055)]), np.array([0.025, 0.022, 0.02])),
        (np.array([(0, back + 0.05), (0, 0.86 * deep)]), np.array([0.02, 0.026])),
        (np.array([(-0.09, back - 0.02), (-0.2, back - 0.005)]), np.array([0.022, 0.015])),
        (np.array([(0.09, back - 0.02), (0.2, back - 0.005)]), np.array([0.022, 0.015])),
    ]
    bone = strokes(frame, arch)
    canal = field(frame, (0, 0.66 * deep), (0.062, 0.05))
    image = mix(image, cover(canal), 0.47)
    image = mix(image, cover(body), 0.82)
    image = mix(image, bump(body + 0.012, 0.01), BONE)
    image = mix(image, bone, BONE - 0.04)
    depth = 1 - (anatomy.fat + 0.03) / float(np.sqrt(wide * deep))
    for angle in (-0.45, -0.05, 0.38, 0.8, 2.35, 2.75, 3.2, 3.6):
        place = (depth * wide * float(np.cos(angle)), depth * deep * float(np.sin(angle)))
        tangent = float(np.arctan2(deep * np.cos(angle), -wide * np.sin(angle)))
        rib = field(frame, place, (0.062, 0.021), tilt=tangent)
        image = mix(image, cover(rib), BONE)
        image = mix(image, cover(rib + 0.014), 0.78)
    structures["spine"] = (body < 0) | (bone > 0.5) | (canal < 0)
    return image


def _table(size: int, lift: float) -> Array:
    """The table's curved top below the patient."""
    plain = posed(size)
    line = plain.y - np.float32(0.88 + lift) + 0.13 * plain.x**2
    table: Array = 0.3 * bump(line, 0.008) * cover(np.abs(plain.x) - 0.8, 0.05) + 0.12 * bump(line - 0.06, 0.008)
    return table


def _home(part: Slice, rng: np.random.Generator, kidney_share: float) -> tuple[str, str, Array, float]:
    """An organ to hold an abnormality: its name, its side, its field and its grey level."""
    if rng.random() >= kidney_share:
        return "liver", "right", part.liver, part.grey["liver"]
    name = ("right kidney", "left kidney")[int(rng.integers(2))]
    return "kidney", name.split()[0], part.kidneys[name], part.grey["kidney"]


def _seen(label: str, mask: Array, organ: str, side: str, words: tuple[str, str, str, str]) -> Abnormality:
    return Abnormality(label, mask, organ, side, dict(zip(("shape", "edge", "density", "texture"), words, strict=True)))


def _cyst(part: Slice, rng: np.random.Generator) -> Lesion | None:
    """A dark, round, sharp and even spot; on a kidney it bulges beyond the outline."""
    organ, side, room, _ = _home(part, rng, 0.4)
    liver = organ == "liver"
    radius = rng.uniform(0.07, 0.19) if liver else rng.uniform(0.065, 0.12)
    inside = room < -0.8 * radius if liver else np.abs(room + 0.01) < 0.02
    centre = spot(rng, inside & (part.body < -0.25), part.frame)
    if centre is None:
        return None
    shape = field(part.frame, centre, (radius, radius * rng.uniform(0.9, 1)), outline(rng, 0.015, 3), rng.uniform(0, 3))
    share = cover(shape, 0.014)
    words = ("round", "sharp", "low density like water", "homogeneous")
    abnormality = _seen("cyst", shape < 0, organ, side, words)
    return Lesion(abnormality, 1 - share, share * np.float32(WATER + rng.uniform(-0.04, 0.03)))


def _tumour(part: Slice, rng: np.random.Generator) -> Lesion | None:
    """An irregular, ill-defined and uneven mass, a little darker than the organ."""
    organ, side, room, grey = _home(part, rng, 0.35)
    liver = organ == "liver"
    radius = rng.uniform(0.11, 0.24) if liver else rng.uniform(0.1, 0.15)
    centre = spot(rng, (room < (-0.7 * radius if liver else -0.02)) & (part.body < -0.2), part.frame)
    if centre is None:
        return None
    radii = (radius, radius * rng.uniform(0.75, 1))
    shape = field(part.frame, centre, radii, outline(rng, 0.13, 8), rng.uniform(0, 3))
    shape = shape + 0.012 * noise(rng, part.frame.size, 30)
    share = cover(shape, 0.055) * (cover(room, 0.02) if liver else 1)
    drop = rng.uniform(0.1, 0.19) + (0 if liver else 0.08)
    core = cover(shape + 0.55 * radius, 0.06)
    value = grey - drop + 0.045 * fractal(rng, part.frame.size, 22, 2, 0.8) - 0.08 * core
    words = ("irregular", "ill defined", "slightly low density", "heterogeneous")
    mask = (shape < 0.005) & (room < 0.005) if liver else shape < 0.005
    return Lesion(_seen("tumour", mask, organ, side, words), 1 - share, share * value)


def _abscess(part: Slice, rng: np.random.Generator) -> Lesion | None:
    """A dark pool within a bright rim, sometimes with specks of gas."""
    radius = rng.uniform(0.1, 0.2)
    room, frame = part.liver, part.frame
    centre = spot(rng, room < -0.85 * radius, frame)
    if centre is None:
        return None
    shape = field(frame, centre, (radius, radius * rng.uniform(0.8, 1)), outline(rng, 0.07, 5), rng.uniform(0, 3))
    share = cover(shape, 0.02)
    rim = rng.uniform(0.022, 0.032)
    value = np.float32(WATER + rng.uniform(0.0, 0.05)) + 0.015 * noise(rng, frame.size, 30)
    value = mix(value, cover(-shape - rim, 0.02), 0.82 + rng.uniform(-0.02, 0.08))
    if rng.random() < 0.45:
        for _ in range(int(rng.integers(2, 5))):
            speck = (centre[0] + rng.normal(0, 0.25) * radius, centre[1] + rng.uniform(-0.6, 0) * radius)
            value = mix(value, cover(field(frame, speck, (0.018, 0.014)), 0.016), 0.0)
    halo = cover(shape - 0.03, 0.06) - share
    words = ("rounded", "bright enhancing rim", "low density centre", "fluid centre within a rim")
    keep = 1 - share - 0.12 * np.clip(halo, 0, 1)
    return Lesion(_seen("abscess", shape < 0, "liver", "right", words), keep, share * value)


def _calculus(part: Slice, rng: np.random.Generator) -> Lesion | None:
    """A small, very bright and sharp stone in a kidney."""
    name = ("right kidney", "left kidney")[int(rng.integers(2))]
    centre = spot(rng, part.kidneys[name] < -0.035, part.frame)
    if centre is None:
        return None
    radius = rng.uniform(0.052, 0.075)
    shape = field(part.frame, centre, (radius, radius * rng.uniform(0.92, 1)), outline(rng, 0.08, 5), rng.uniform(0, 3))
    share = cover(shape, 0.01)
    words = ("small and rounded", "very sharp", "very high density", "homogeneous")
    return Lesion(_seen("calculus", shape < 0, "kidney", name.split()[0], words), 1 - share, share)
