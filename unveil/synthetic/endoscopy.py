"""Synthetic colonoscopy frames: a look along the folded colon, with up to four kinds of abnormality."""

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

MODALITY = "endoscopy"
ABNORMALITIES: tuple[str, ...] = ("polyp", "ulcer", "bleeding", "diverticulum")
STRUCTURES: tuple[str, ...] = ("lumen", "haustral fold", "bubbles", "stool residue", "specular highlight")
FOLDS = 5


def _colour(red: float, green: float, blue: float) -> Array:
    """A colour that spreads over the channels of an image (3, H, W)."""
    return np.array([red, green, blue], np.float32)[:, None, None]


WHITE = _colour(1.0, 0.98, 0.95)


@dataclass(frozen=True)
class ColonAnatomy:
    """What the colonoscopy frames of one patient share."""

    tone: Array
    folds: tuple[Outline, ...]
    sharpness: float
    vessels: tuple[Path, ...]
    vessel_depth: float
    window: tuple[float, float]
    clean: bool


def draw_anatomy(rng: np.random.Generator) -> ColonAnatomy:
    """Draw a patient's colon and the shape of the instrument's window."""
    vessels: list[Path] = []
    for _ in range(5):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.9)
        root = (far * np.cos(angle), far * np.sin(angle))
        vessels += tree(rng, root, rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.3), 0.009, 2, 0.6)
    return ColonAnatomy(
        tone=_colour(1.0, rng.uniform(0.52, 0.66), rng.uniform(0.38, 0.52)),
        folds=tuple(_fold(rng) for _ in range(FOLDS)),
        sharpness=rng.uniform(0.7, 1.2),
        vessels=tuple(vessels),
        vessel_depth=rng.uniform(0.06, 0.2),
        window=(rng.uniform(0.93, 0.98), rng.uniform(1.45, 1.7)),
        clean=bool(rng.random() < 0.5),
    )


def _fold(rng: np.random.Generator) -> Outline:
    """The outline of a fold's free edge: the colon's triangle, a little irregular."""
    turn = np.exp(1j * rng.normal(0, 0.35))
    return tuple(a + b for a, b in zip(outline(rng, 0.05, 4), (0, 0, 0.09 * turn, 0, 0), strict=True))


@dataclass(frozen=True)
class CameraView:
    """The parts of one image on which both the painting and the placing of abnormalities rest."""

    frame: Frame
    lumen: Point
    light: Array
    wall: Array
    tone: Array


def draw(anatomy: ColonAnatomy, labels: Sequence[str], rng: np.random.Generator, size: int = 256) -> SyntheticImage:
    """Draw one colonoscopy frame of a patient with one abnormality for each label."""
    check(labels, ABNORMALITIES)
    makers = {"polyp": _polyp, "ulcer": _ulcer, "bleeding": _bleeding, "diverticulum": _diverticulum}
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
    lumen = (far * float(np.cos(angle)), far * float(np.sin(angle)))
    frame = posed(size, tilt=rng.uniform(-3.1, 3.1), warp=rng.normal(0, 0.035, (2, 7, 7)))
    structures: dict[str, Array] = {}
    shade = _tube(anatomy, frame, lumen, structures, rng)
    plain = posed(size)
    wide, cut = anatomy.window
    window = np.maximum(np.maximum(np.abs(plain.x), np.abs(plain.y)) - wide, np.abs(plain.x) + np.abs(plain.y) - cut)
    away = np.hypot(frame.x - np.float32(lumen[0]), frame.y - np.float32(lumen[1]))
    view = CameraView(
        frame, lumen, np.clip(0.42 + 0.6 * away, 0, 1), np.maximum(window + 0.06, 0.36 - away), anatomy.tone
    )
    lesions = arrange(labels, lambda label: makers[label](view, rng), size)
    image = _coloured(anatomy, view, shade, rng)
    if not anatomy.clean:
        image = _residue(view, image, structures, rng)
    for lesion in lesions:
        image = lesion.over(image)
    image = _wet(view, image, shade, lesions, structures, rng)
    image = image * rng.uniform(0.88, 1.08) + rng.uniform(0.008, 0.02) * grain(rng, size, 0.6)
    structures = {name: mask & (window < 0) for name, mask in structures.items()}
    return picture(image * cover(window, 0.012), lesions, structures)


def _tube(
    anatomy: ColonAnatomy, frame: Frame, lumen: Point, structures: dict[str, Array], rng: np.random.Generator
) -> Array:
    """How bright the wall is: folds behind folds down to the dark lumen."""
    reach = rng.uniform(0.95, 1.1)
    shade = np.full((frame.size, frame.size), np.float32(0.9)) + 0.05 * noise(rng, frame.size, 4)
    folds = np.zeros(shade.shape, bool)
    partial = np.clip(0.75 + 0.4 * noise(rng, frame.size, 5), 0.25, 1)
    for k, edge in enumerate(anatomy.folds):
        radius = reach * 0.68**k * rng.uniform(0.93, 1.07)
        part = 1 - 0.6**k if k < FOLDS - 1 else 1.0
        rim = field(frame, (lumen[0] * part, lumen[1] * part), (radius, radius * 0.92), edge, margin=0.4)
        depth = np.clip(-rim / np.float32(0.34 * radius), 0, 1)
        level = 0.84 - 0.13 * k if k < FOLDS - 1 else 0.1
        share = cover(rim, 0.035 / anatomy.sharpness) * (partial if k < FOLDS - 1 else 1)
        shade = mix(shade, share, level * (0.58 + 0.42 * depth))
        shade = shade + 0.2 * level * bump(rim - 0.035, 0.03 + 0.02 * radius) * partial
        folds |= (np.abs(rim - 0.03) < 0.03) & (partial > 0.6)
        if k == FOLDS - 1:
            structures["lumen"] = rim < 0.02
    structures["haustral fold"] = folds & ~structures["lumen"]
    return shade


def _coloured(anatomy: ColonAnatomy, view: CameraView, shade: Array, rng: np.random.Generator) -> Array:
    """Mucosa of the patient's tone: redder where it is dark, with its vessels and its fine unevenness."""
    size = view.frame.size
    shade = np.clip(shade + 0.02 * fractal(rng, size, 14, 3, 0.7), 0.02, 1.1)
    red = shade**0.75
    patches = 1 + 0.07 * noise(rng, size, 6)
    image = np.stack([red * 0.95, shade**1.15 * patches, shade**1.3 * patches]) * view.tone
    vessels = strokes(view.frame, anatomy.vessels) * np.clip(shade * 1.4 - 0.5, 0, 1)
    coloured: Array = image * (1 - anatomy.vessel_depth * vessels * _colour(0.5, 1.3, 1.0))
    return coloured


def _residue(view: CameraView, image: Array, structures: dict[str, Array], rng: np.random.Generator) -> Array:
    """A few flecks of stool and a cluster of bubbles."""
    frame = view.frame
    stool = np.zeros(view.light.shape, np.float32)
    bubbles = np.zeros(view.light.shape, bool)
    centre = spot(rng, view.wall < -0.05, frame) or (0.0, 0.0)
    for _ in range(int(rng.integers(2, 6))):
        place = (centre[0] + rng.normal(0, 0.16), centre[1] + rng.normal(0, 0.16))
        radii = (rng.uniform(0.02, 0.08), rng.uniform(0.02, 0.05))
        fleck = field(frame, place, radii, outline(rng, 0.25), rng.uniform(0, 3))
        stool = np.maximum(stool, cover(fleck, 0.02))
    brown = _colour(0.62, 0.47, 0.16) * (view.light * (0.9 + 0.1 * noise(rng, frame.size, 40)))
    image = mix(image, 0.85 * stool, brown)
    centre = spot(rng, view.wall < -0.05, frame) or (0.0, 0.0)
    for _ in range(int(rng.integers(2, 7))):
        place = (centre[0] + rng.normal(0, 0.09), centre[1] + rng.normal(0, 0.09))
        radius = rng.uniform(0.018, 0.05)
        ball = field(frame, place, (radius, radius))
        image = mix(image, 0.4 * bump(ball, 0.012), WHITE)
        glint = field(frame, (place[0] - radius * 0.4, place[1] - radius * 0.4), (0.01, 0.01))
        image = mix(image, 0.9 * cover(glint), WHITE)
        bubbles |= ball < 0.01
    structures |= {"stool residue": stool > 0.5, "bubbles": bubbles}
    return image


def _wet(
    view: CameraView,
    image: Array,
    shade: Array,
    lesions: Sequence[Lesion],
    structures: dict[str, Array],
    rng: np.random.Generator,
) -> Array:
    """Reflections of the lamp on the wet wall, mostly on the crests of folds."""
    size = view.frame.size
    gloss = noise(rng, size, 26) + 0.5 * noise(rng, size, 60) + 6 * (shade - 0.98) * (shade > 0.6)
    gloss = gloss - 9 * np.clip(view.wall + 0.05, 0, 1)
    for lesion in lesions:
        gloss = np.where(lesion.abnormality.mask, -9, gloss)
    flash = cover(np.float32(rng.uniform(2.3, 2.9)) - gloss, 0.5)
    structures["specular highlight"] = flash > 0.5
    return mix(image, 0.9 * flash, WHITE)


def _place(view: CameraView, rng: np.random.Generator, radius: float) -> tuple[Point, float, float] | None:
    """A place on the wall for something of a given radius; with the direction away from the lumen and the light."""
    place = spot(rng, view.wall < -0.8 * radius, view.frame)
    if place is None:
        return None
    dx, dy = place[0] - view.lumen[0], place[1] - view.lumen[1]
    return place, float(np.arctan2(dy, dx)), float(np.clip(0.5 + 0.5 * np.hypot(dx, dy), 0, 1))


def _seen(label: str, mask: Array, words: tuple[str, str, str, str]) -> Abnormality:
    return Abnormality(
        label, mask, "colon", None, dict(zip(("shape", "edge", "density", "texture"), words, strict=True))
    )


def _lesion(abnormality: Abnormality, layers: Sequence[tuple[Array, Array]]) -> Lesion:
    """A lesion of covers and colours laid over one another, from the lowest to the topmost."""
    keep: Array = np.ones(abnormality.mask.shape, np.float32)
    add: Array = np.zeros((3, *abnormality.mask.shape), np.float32)
    for share, colour in layers:
        keep, add = keep * (1 - share), mix(add, share, colour)
    return Lesion(abnormality, keep, add)


def _polyp(view: CameraView, rng: np.random.Generator) -> Lesion | None:
    """A raised dome, lit from the lens, with a shadow behind it and a reflection on top."""
    radius = rng.uniform(0.1, 0.27)
    found = _place(view, rng, radius)
    if found is None:
        return None
    (cx, cy), away, light = found
    frame, edge, tilt = view.frame, outline(rng, 0.05, 4), rng.uniform(0, 3)
    radii = (radius, radius * rng.uniform(0.8, 1))
    dome = field(frame, (cx, cy), radii, edge, tilt)
    out = (float(np.cos(away)), float(np.sin(away)))
    cast = field(frame, (cx + 0.22 * radius * out[0], cy + 0.22 * radius * out[1]), radii, edge, tilt, margin=0.3)
    rho = np.clip(1 + dome / np.float32(np.sqrt(radii[0] * radii[1])), 0, 1)
    facing = np.sqrt(1 - rho * rho * np.float32(0.96))
    slope = ((frame.x - np.float32(cx)) * np.float32(out[0]) + (frame.y - np.float32(cy)) * np.float32(out[1])) / radius
    bright = light * (0.45 + 0.55 * facing - 0.2 * np.clip(slope, -1, 1)) + 0.03 * fractal(rng, frame.size, 36, 2, 0.8)
    bright = np.clip(bright, 0.05, 1.1)
    _, green, blue = view.tone.ravel().tolist()
    tone = _colour(1.0, green * rng.uniform(0.68, 0.95), blue * rng.uniform(0.72, 1.0))
    glint_at = (cx - 0.3 * radius * out[0] + rng.normal(0, 0.05) * radius, cy - 0.3 * radius * out[1])
    glint = field(frame, glint_at, (0.16 * radius, 0.1 * radius), outline(rng, 0.2), away + 1.57)
    layers: list[tuple[Array, Array]] = [
        (0.6 * cover(cast, 0.14), _colour(0.3, 0.06, 0.05)),
        (cover(dome, 0.016), bright ** _colour(0.75, 1.1, 1.2) * tone),
        (0.95 * cover(glint, 0.02), WHITE),
    ]
    words = ("raised dome", "well defined with a shadow", "pink-red like mucosa", "smooth with a bright reflection")
    return _lesion(_seen("polyp", dome < 0, words), layers)


def _ulcer(view: CameraView, rng: np.random.Generator) -> Lesion | None:
    """A flat defect with a pale yellow base and a red, irregular rim."""
    radius = rng.uniform(0.12, 0.28)
    found = _place(view, rng, radius)
    if found is None:
        return None
    centre, away, light = found
    frame = view.frame
    radii = (radius * rng.uniform(0.6, 0.9), radius)
    shape = field(frame, centre, radii, outline(rng, 0.12), away, margin=0.3) + 0.01 * noise(rng, frame.size, 30)
    rim = 0.26 * radius
    base = (0.86 + 0.12 * fractal(rng, frame.size, 24, 2, 0.8)) * light
    pale = _colour(rng.uniform(0.94, 1.02), rng.uniform(0.86, 0.95), rng.uniform(0.55, 0.72))
    red = _colour(0.78, 0.2, 0.16) * light * (1 + 0.12 * noise(rng, frame.size, 26))
    layers: list[tuple[Array, Array]] = [
        (0.85 * cover(shape, 0.05), red),
        (cover(shape + rim, 0.035), base * pale),
        (0.3 * bump(shape + rim + 0.02, 0.02), _colour(0.5, 0.2, 0.1)),
    ]
    words = ("irregular flat defect", "red irregular rim", "pale yellow base", "fibrin coated")
    return _lesion(_seen("ulcer", largest(shape < 0.004), words), layers)


def _bleeding(view: CameraView, rng: np.random.Generator) -> Lesion | None:
    """A dark red pool with a streak that runs down from it."""
    radius = rng.uniform(0.08, 0.2)
    found = _place(view, rng, radius * 1.5)
    if found is None:
        return None
    (cx, cy), _, light = found
    frame = view.frame
    down = np.array([-np.sin(frame.tilt), np.cos(frame.tilt)])
    aside = np.array([down[1], -down[0]])
    pool = field(frame, (cx, cy), (radius, radius * rng.uniform(0.55, 0.9)), outline(rng, 0.1, 4), rng.uniform(0, 3))
    start, length = np.array([cx, cy]), radius * rng.uniform(1.6, 2.6)
    steps = [start + length * t * down + aside * radius * rng.normal(0, 0.3) * t for t in (0, 0.35, 0.7, 1)]
    streak = strokes(frame, [(curve([(p[0], p[1]) for p in steps], 8), np.linspace(0.3, 0.14, 9) * radius)], 0.02)
    share = np.maximum(cover(pool + 0.008 * noise(rng, frame.size, 40), 0.03), streak)
    inside = cover(view.wall - 0.05, 0.02)
    blood = _colour(rng.uniform(0.45, 0.62), 0.03, 0.035) * (0.35 + 0.65 * light)
    thick = (0.9 + 0.18 * fractal(rng, frame.size, 20, 2)) * (1.12 - 0.4 * cover(pool + 0.4 * radius, 0.2))
    gloss = cover(np.float32(1.9) - noise(rng, frame.size, 28), 0.5) * cover(pool + 0.25 * radius, 0.02)
    mask = largest(share * inside > 0.5)
    words = ("irregular pool with a running streak", "irregular", "dark red", "liquid and glossy")
    layers = [(0.94 * share * inside, thick * blood), (0.75 * gloss, WHITE)]
    return _lesion(_seen("bleeding", mask, words), layers)


def _diverticulum(view: CameraView, rng: np.random.Generator) -> Lesion | None:
    """A dark round mouth in the wall with a soft pale rim."""
    radius = rng.uniform(0.07, 0.15)
    found = _place(view, rng, radius * 1.3)
    if found is None:
        return None
    centre, away, light = found
    frame = view.frame
    radii = (radius * rng.uniform(0.75, 0.95), radius)
    hole = field(frame, centre, radii, outline(rng, 0.04, 4), away, margin=0.3)
    depth = np.clip(-hole / np.float32(radius), 0, 1)
    dark = _colour(0.3, 0.075, 0.05) * light * (1.2 - 1.1 * depth)
    lip = view.tone * _colour(1.0, 1.05, 1.05) * (0.25 + 0.8 * light)
    layers = [(0.6 * bump(hole - 0.035, 0.025), lip), (cover(hole, 0.02), dark)]
    words = ("round hole", "sharp with a soft rim", "dark", "smooth opening")
    return _lesion(_seen("diverticulum", hole < 0.006, words), layers)
