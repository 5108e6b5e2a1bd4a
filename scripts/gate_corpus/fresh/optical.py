"""Pictures taken with light: endoscopy, dermoscopy, the eye, cells under a microscope."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Branch,
    Field,
    Picture,
    Shape,
    at,
    blob,
    blur,
    canvas,
    clouds,
    curve,
    ellipse,
    fill,
    finish,
    fractal,
    grid,
    inside,
    jitter,
    jpegged,
    mix,
    ridges,
    size,
    stroke,
    tree,
    vessels,
)


def endoscopy(rng: np.random.Generator) -> Picture:
    """The inside of a bowel: a dark lumen, folds, vessels under the mucosa, wet highlights, perhaps a polyp."""
    height, width = shape = size(rng, 360, 800, (1.0, 1.25))
    x, y = grid(shape)
    ratio = width / height
    lumen = np.array(rng.uniform((0.3, 0.3), (0.7, 0.7)))
    away = np.hypot((x - lumen[0]) * ratio, y - lumen[1])
    angle = np.arctan2(y - lumen[1], (x - lumen[0]) * ratio)
    warp = 0.05 * clouds(rng, shape, height / 7) + 0.03 * np.cos(3 * angle + rng.uniform(0, 6))
    ring = np.log(away + 0.06) * rng.uniform(8, 13) + warp * 12
    fold = np.clip(np.sin(ring + 0.9 * np.sin(ring)) * 1.5 - 0.2, -1, 1) * inside(
        np.abs(np.sin(angle * 1.5 + ring / 6)) / 1.2, 0.6
    )
    light = np.clip(0.30 + 1.25 * away**0.55 - 0.85 * away**2, 0.06, 1.1) + rng.uniform(0.1, 0.3) * fold * np.clip(
        away * 3, 0, 1
    )
    light *= 1 - 0.9 * np.exp(-((away / 0.085) ** 2))
    red = np.array([(205, 110, 92), (214, 128, 104), (190, 88, 74), (220, 140, 110)][int(rng.integers(4))])
    picture = light[..., None] * red * (1 + 0.05 * fractal(rng, shape, height / 14)[..., None])
    twigs: list[Branch] = []
    for _ in range(int(rng.integers(2, 8))):
        twigs += tree(rng, at(shape, rng.random(2)), rng.uniform(0, 6.3), height * 0.13, height / 150, 3, 0.6, 0.7)
    veins = vessels(shape, twigs, 1.2)
    picture *= 1 - np.array([0.12, 0.34, 0.28]) * veins[..., None]
    if rng.random() < 0.45:
        place = at(shape, rng.uniform((0.25, 0.3), (0.75, 0.7)))
        radius = rng.uniform(0.06, 0.14) * height
        body = fill(shape, blob(rng, place, (radius, radius * 0.85), 0.1), 1.5)
        dome = ellipse(shape, place - 0.25 * radius, (radius, radius))
        pits = 1 + 0.1 * clouds(rng, shape, height / 110)
        shade = (1.0 - 0.42 * dome**2) * pits
        shadow = blur(np.roll(body, int(radius * 0.15), (0, 1)).astype(np.float32), radius * 0.15)
        picture *= (1 - 0.45 * shadow)[..., None]
        picture = mix(picture, shade[..., None] * red * (1.12, 0.95, 0.92), body)
    shine = clouds(rng, shape, height / 75, height / 130) + 0.9 * fold + 0.5 * clouds(rng, shape, height / 12)
    glint = np.clip((shine - rng.uniform(2.6, 3.2)) * 2.5, 0, 1) * (away > 0.14)
    picture = mix(picture, (255, 250, 244), blur(glint.astype(np.float32), 0.8))
    for _ in range(int(rng.integers(0, 6))):
        bubble = ellipse(shape, at(shape, rng.random(2)), (radius_of := rng.uniform(3, 11), radius_of))
        picture = mix(picture, (250, 235, 225), 0.3 * np.exp(-(((bubble - 1) / 0.15) ** 2)))
    pick = rng.random()
    square = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) / 0.47
    corner = (np.abs(x - 0.5) + np.abs(y - 0.5)) / 0.78
    disc = np.hypot((x - 0.5) * ratio, y - 0.5) / 0.49
    mask = inside(np.maximum(square, corner) if pick < 0.5 else disc if pick < 0.8 else square * 0.9, 0.01)
    return jpegged(finish(picture * mask[..., None] + _noise(rng, shape, 2.0)), int(rng.integers(60, 92)))


def _noise(rng: np.random.Generator, shape: Shape, amount: float) -> Field:
    return np.stack([amount * clouds(rng, shape, 0.6) for _ in range(3)], 2)


def _hairs(rng: np.random.Generator, picture: Field, count: int) -> Field:
    shape = (picture.shape[0], picture.shape[1])
    for _ in range(count):
        start = at(shape, rng.random(2))
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.16, 6))
        steps = np.stack([np.cos(heading), np.sin(heading)], 1) * shape[0] * rng.uniform(0.06, 0.14)
        line = curve(np.concatenate([[start], start + np.cumsum(steps, 0)]))
        colour = np.array([(38, 26, 22), (70, 48, 36), (25, 20, 20)][int(rng.integers(3))])
        picture = mix(picture, colour, 0.85 * stroke(shape, line, rng.uniform(1, 3), 0.5))
    return picture


def dermoscopy(rng: np.random.Generator) -> Picture:
    """A mole under a lens: pigment net, dots, hairs, bubbles, some with a ruler's ticks (no digits)."""
    height, width = shape = size(rng, 380, 800, (1.1, 1.4))
    x, y = grid(shape)
    skin = np.array([(224, 178, 158), (232, 192, 172), (205, 156, 128), (236, 200, 190)][int(rng.integers(4))])
    picture = (
        canvas(shape, skin) * (1 + 0.03 * fractal(rng, shape, height / 10) + 0.025 * clouds(rng, shape, 2))[..., None]
    )
    creases = ridges(rng, shape, height / 40, 0.12)
    picture *= (1 - 0.04 * creases)[..., None]
    middle = at(shape, (0.5, 0.5)) + rng.normal(0, height * 0.03, 2)
    outline = blob(rng, middle, rng.uniform(0.2, 0.34, 2) * height, 0.22, rng.uniform(0, 180))
    lesion = fill(shape, outline, height * rng.uniform(0.006, 0.025))
    lesion = np.clip(lesion + 0.2 * lesion * fractal(rng, shape, height / 18), 0, 1)
    brown = np.array([(120, 72, 48), (92, 54, 40), (140, 88, 60)][int(rng.integers(3))])
    picture = mix(picture, brown + 0 * picture, lesion * 0.85)
    net = ridges(rng, shape, height / rng.uniform(70, 110), 0.35) * np.clip(
        0.6 + 0.5 * clouds(rng, shape, height / 8), 0, 1
    )
    picture = mix(picture, brown * 0.5, 0.55 * net * lesion)
    for _ in range(int(rng.integers(0, 35))):
        spot = middle + rng.normal(0, 0.13 * height, 2)
        dot = fill(shape, blob(rng, spot, (radius := rng.uniform(1.5, height / 70), radius), 0.15), 0.8)
        picture = mix(picture, (45, 30, 32), 0.8 * dot * lesion)
    if rng.random() < 0.4:
        veil = fill(
            shape,
            blob(rng, middle + rng.normal(0, 0.06 * height, 2), (0.09 * height, 0.07 * height), 0.3),
            0.02 * height,
        )
        picture = mix(picture, (110, 118, 150), 0.6 * veil)
    picture = _hairs(rng, picture, int(rng.choice([0, 4, 10, 20])))
    for _ in range(int(rng.integers(0, 8))):
        radius = rng.uniform(4, 16)
        bubble = ellipse(shape, at(shape, rng.random(2)), (radius, radius))
        picture = mix(picture, (250, 245, 240), 0.3 * np.exp(-(((bubble - 1) / 0.12) ** 2)))
    if rng.random() < 0.45:
        base = int(height * rng.uniform(0.88, 0.95))
        step = width / rng.uniform(30, 60)
        for index, place in enumerate(np.arange(step, width - 2, step)):
            long = height * (0.05 if index % 10 == 0 else 0.035 if index % 5 == 0 else 0.022)
            picture = mix(picture, (25, 25, 30), 0.9 * stroke(shape, [(place, base), (place, base - long)], 1.2))
    disc = np.hypot((x - 0.5) * width / height, y - 0.5)
    picture *= (1.06 - 0.35 * disc**2)[..., None]
    if rng.random() < 0.5:
        picture *= inside(disc / rng.uniform(0.5, 0.66), 0.03)[..., None]
    return finish(picture + _noise(rng, shape, 3))


def _fundus(rng: np.random.Generator) -> Picture:
    """A retina: the disc, the macula, arching arteries and veins, some with bleeds and deposits."""
    shape = size(rng, 420, 900, (1.0, 1.2))
    height = shape[0]
    unit = height / 100
    middle = at(shape, (0.5, 0.5))
    side = rng.choice([-1, 1])
    disc = middle + np.array([side * 24, rng.normal(0, 1.5)]) * unit
    macula = middle - np.array([side * 7, -2]) * unit
    base = np.array([(196, 92, 40), (214, 112, 58), (170, 72, 34), (205, 90, 60)][int(rng.integers(4))])
    glow = 1.05 - 0.5 * (ellipse(shape, middle, (50 * unit, 50 * unit)) ** 2)
    picture = canvas(shape, base) * (glow + 0.035 * fractal(rng, shape, 10 * unit))[..., None]
    deep = ridges(rng, shape, 3 * unit, 0.35)
    picture *= 1 + np.array([0.05, 0.07, 0.05]) * deep[..., None]
    pit = np.exp(-(ellipse(shape, macula, (8 * unit, 8 * unit)) ** 2))
    picture *= 1 - np.array([0.32, 0.42, 0.4]) * pit[..., None]
    head = fill(shape, blob(rng, disc, (6.4 * unit, 7.2 * unit), 0.03), 0.6 * unit)
    picture = mix(picture, (248, 205, 130), 0.85 * head)
    cup = fill(shape, blob(rng, disc - (side * unit, 0), (2.6 * unit, 3 * unit), 0.05), unit)
    picture = mix(picture, (255, 236, 190), 0.8 * cup)
    veins: list[Branch] = []
    arteries: list[Branch] = []
    for up in (-1, 1):
        for kind, wide in ((veins, 1.25), (arteries, 0.85)):
            bow = [(0, 0), (-side * 3, up * 11), (-side * 16, up * 24), (-side * 36, up * 27), (-side * 55, up * 18)]
            line = curve(disc + jitter(rng, bow, 1.6) * unit)
            kind.append((line, wide * unit, 0.4 * wide * unit))
            for index in np.sort(rng.integers(14, 110, 9)):
                along = line[min(index + 3, 119)] - line[index]
                turn = np.arctan2(along[1], along[0]) + rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
                thin = wide * unit * (1 - index / 160) * 0.5
                kind += tree(rng, line[index], turn, 10 * unit, thin, 2, 0.35, 0.5)
            away = np.arctan2(up * 1.1, side) + rng.normal(0, 0.3)
            kind += tree(rng, disc, away, 13 * unit, wide * unit * 0.6, 3, 0.3, 0.5)
    keep = 1 - 0.75 * np.exp(-(ellipse(shape, macula, (6 * unit, 6 * unit)) ** 4))
    picture *= 1 - np.array([0.42, 0.62, 0.5]) * (vessels(shape, veins, 0.15 * unit) * keep)[..., None]
    picture *= 1 - np.array([0.24, 0.5, 0.45]) * (vessels(shape, arteries, 0.15 * unit) * keep)[..., None]
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(5, 40))):
            spot = macula + rng.normal(0, 13 * unit, 2)
            radii = rng.uniform(0.3, 1.3, 2) * unit
            mark = fill(shape, blob(rng, spot, radii, 0.3), 0.2 * unit)
            picture = mix(picture, (245, 225, 130) if rng.random() < 0.5 else (110, 22, 14), 0.8 * mark)
    field_edge = ellipse(shape, middle, (49 * unit, 49 * unit))
    cut = np.clip(np.abs(grid(shape)[1] - 0.5) / 0.45, 0, None) if rng.random() < 0.4 else field_edge
    picture *= inside(np.maximum(field_edge, cut), 0.012)[..., None]
    return finish(blur(picture.astype(np.float32), 0.5) + _noise(rng, shape, 2.5))


def _step(distance: Field) -> Field:
    """0 far below a border, 1 far above it."""
    height: Field = 1 / (1 + np.exp(-np.clip(distance, -40, 40)))
    return height


def _oct(rng: np.random.Generator) -> Picture:
    """The retina's layers in section with the fovea's pit, speckle, vessel shadows, perhaps fluid."""
    height, width = shape = size(rng, 300, 600, (1.3, 2.0))
    x, y = grid(shape)
    pit_at = rng.uniform(0.4, 0.6)
    pit = np.exp(-(((x - pit_at) / 0.09) ** 2))
    tilt = rng.normal(0, 0.08) * (x - 0.5) + 0.12 * (x - 0.5) ** 2
    wave = 0.008 * clouds(rng, (1, width), width / 14)
    floor = 0.62 - tilt + wave
    thick = 0.24 - 0.13 * pit + 0.04 * np.exp(-(((np.abs(x - pit_at) - 0.17) / 0.1) ** 2))
    if rng.random() < 0.4:
        floor = floor - 0.07 * np.exp(-(((x - rng.uniform(0.2, 0.8)) / 0.07) ** 2))
    place = (floor - y) / thick
    echo: Field = 12.0 + 6 * (y < 0.6)
    edges = [
        (1.0, 0.80, 150),
        (0.80, 0.66, 95),
        (0.66, 0.55, 60),
        (0.55, 0.45, 105),
        (0.45, 0.20, 45),
        (0.20, 0.165, 150),
        (0.165, 0.09, 60),
        (0.09, 0.0, 215),
    ]
    for high, low, value in edges:
        echo = echo + value * _step((place - low) * 55) * _step((high - place) * 55)
    below = np.clip(-place, 0, None)
    echo = echo + 120 * np.exp(-below * 1.8) * (place < 0) * (1 + 0.35 * clouds(rng, shape, 7, 4))
    if rng.random() < 0.45:
        for _ in range(int(rng.integers(1, 6))):
            spot = (width * (pit_at + rng.normal(0, 0.1)), height * (float(floor.mean()) - rng.uniform(0.06, 0.14)))
            fluid = fill(shape, blob(rng, spot, rng.uniform((8, 5), (28, 16)), 0.15), 1.2)
            echo = mix(np.asarray(echo, np.float32), 14, fluid)
    for _ in range(int(rng.integers(1, 6))):
        column = np.exp(-(((x - rng.random()) / rng.uniform(0.004, 0.012)) ** 2))
        echo = echo * (1 - 0.6 * column * (place < 0.85))
    speckle = np.hypot(clouds(rng, shape, 1.3, 0.8), clouds(rng, shape, 1.3, 0.8))
    picture = finish(echo * (0.35 + 0.5 * speckle) + 8 * np.abs(clouds(rng, shape, 0.7)))
    return 255 - picture if rng.random() < 0.2 else picture


def eye(rng: np.random.Generator, fundus: float = 0.55) -> Picture:
    """A fundus with its vessel trees, or the retina's layers in optical coherence tomography."""
    return (_fundus if rng.random() < fundus else _oct)(rng)


def _histology(rng: np.random.Generator) -> Picture:
    """Haematoxylin and eosin: pink fibres, purple nuclei, glands around white lumens."""
    shape = size(rng, 400, 800, (0.9, 1.3))
    unit = shape[0] / 100 * rng.uniform(0.7, 1.4)
    pink = np.array([(232, 170, 196), (238, 180, 190), (226, 150, 190)][int(rng.integers(3))])
    fibre = clouds(rng, shape, 5 * unit, 0.6 * unit) + 0.6 * fractal(rng, shape, 6 * unit)
    picture = (
        canvas(shape, pink) * (1 + 0.06 * fibre)[..., None]
        - np.array([4, 16, 6]) * clouds(rng, shape, 3 * unit)[..., None]
    )
    gaps = np.clip((clouds(rng, shape, 5 * unit, 1.4 * unit) - 1.3) * 3, 0, 1)
    picture = mix(picture, (246, 240, 246), gaps)
    nuclei: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(int(rng.integers(3, 9))):
        place, radius = at(shape, rng.random(2)), rng.uniform(7, 15) * unit
        ring = blob(rng, place, (radius, radius * rng.uniform(0.6, 1)), 0.1, rng.uniform(0, 180))
        picture = mix(picture, (212, 140, 188), 0.8 * fill(shape, ring, unit * 0.5))
        picture = mix(
            picture, (248, 244, 248), fill(shape, place + (ring - place) * rng.uniform(0.25, 0.5), unit * 0.4)
        )
        for index in range(0, 90, 4):
            outward = ring[index] - place
            lean = np.rad2deg(np.arctan2(outward[1], outward[0]))
            nuclei.append((place + outward * rng.uniform(0.78, 0.92), np.array([1.7, 1.0]), lean))
    for _ in range(int(rng.integers(150, 380))):
        spot = at(shape, rng.random(2))
        slim = rng.random() < 0.5
        nuclei.append((spot, np.array([1.9, 0.55]) if slim else np.array([1.1, 1.0]), rng.normal(0, 25)))
    depth = np.zeros(shape, np.float32)
    for spot, radii, lean in nuclei:
        outline = blob(rng, spot, radii * unit * rng.uniform(0.8, 1.25), 0.1, lean)
        patch = np.zeros(shape, np.uint8)
        cv2.fillPoly(patch, [np.rint(outline * 16).astype(np.int32)], int(rng.uniform(150, 255)), cv2.LINE_AA, 4)
        depth = np.maximum(depth, patch)
    depth = blur(depth / 255, 0.8) * np.clip(0.85 + 0.2 * clouds(rng, shape, 0.35 * unit), 0, 1)
    picture = mix(picture, (84, 48, 128), np.clip(depth, 0, 1))
    return finish(picture + _noise(rng, shape, 3))


def _smear(rng: np.random.Generator) -> Picture:
    """Blood: red cells with a pale centre, some white cells with lobed nuclei, platelets."""
    shape = size(rng, 400, 800, (1.0, 1.35))
    radius = shape[0] * rng.uniform(0.025, 0.045)
    picture = canvas(shape, (238, 232, 226)) * (1 + 0.012 * clouds(rng, shape, shape[0] / 5))[..., None]
    red = np.array([(206, 128, 118), (214, 146, 132), (196, 120, 128)][int(rng.integers(3))])
    placed: list[np.ndarray] = []
    for _ in range(900):
        spot = rng.uniform((0, 0), (shape[1], shape[0]))
        if len(placed) > 150 or any(np.hypot(*(spot - other)) < 1.75 * radius for other in placed):
            continue
        placed.append(spot)
    cells, pale = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for spot in placed:
        own = radius * rng.uniform(0.85, 1.12)
        cells = np.maximum(
            cells, fill(shape, blob(rng, spot, (own, own * rng.uniform(0.88, 1)), 0.04, rng.uniform(0, 180)))
        )
        pale += np.exp(-(ellipse(shape, spot, (own * 0.5, own * 0.5)) ** 2)) * rng.uniform(0.3, 0.9)
    picture = mix(picture, red, blur(cells, 1.0) * (1 - 0.6 * np.clip(pale, 0, 1)))
    for _ in range(int(rng.integers(1, 5))):
        spot = at(shape, rng.uniform((0.1, 0.1), (0.9, 0.9)))
        own = radius * rng.uniform(1.5, 2.1)
        picture = mix(picture, (216, 196, 222), fill(shape, blob(rng, spot, (own, own), 0.05), 1))
        for _ in range(int(rng.integers(1, 5))):
            lobe = blob(rng, spot + rng.normal(0, own * 0.3, 2), (own * 0.42, own * 0.33), 0.12, rng.uniform(0, 180))
            picture = mix(picture, (92, 52, 140), 0.92 * fill(shape, lobe, 1))
    for _ in range(int(rng.integers(2, 14))):
        own = radius * rng.uniform(0.2, 0.32)
        picture = mix(
            picture, (140, 90, 160), 0.8 * fill(shape, blob(rng, at(shape, rng.random(2)), (own, own), 0.3), 0.8)
        )
    return finish(picture + _noise(rng, shape, 2.5))


def microscopy(rng: np.random.Generator, tissue: float = 0.5) -> Picture:
    """Stained tissue with glands and nuclei, or cells of a blood smear."""
    return (_histology if rng.random() < tissue else _smear)(rng)
