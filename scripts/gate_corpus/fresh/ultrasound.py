"""Ultrasound: sectors of curved and phased probes, and what a linear probe shows, without any letters."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.drawing import (
    Field,
    Picture,
    Points,
    Shape,
    at,
    blob,
    blur,
    clouds,
    course,
    curve,
    fill,
    finish,
    fractal,
    grid,
    jitter,
    mix,
    ribbon,
    size,
    stroke,
)

_SCALES = (((0, 0, 0), (255, 255, 255)), ((20, 0, 0), (255, 220, 150)), ((0, 0, 20), (190, 225, 255)))


def speckled(rng: np.random.Generator, echo: Field, wide: Field | float, tall: float) -> Field:
    """Echoes in decibels-like greys with speckle grains longer across the beam than along it."""
    shape = (echo.shape[0], echo.shape[1])
    real, imaginary = (clouds(rng, shape, float(np.mean(wide)), tall) for _ in range(2))
    envelope = np.hypot(real, imaginary)
    grains: Field = np.clip(echo + 26 * np.log(envelope + 0.05), 0, 255).astype(np.float32)
    return grains


def _tissue(rng: np.random.Generator, shape: Shape) -> Field:
    """Echoes in the frame of the beams (columns are beams): layers, an organ, cysts, vessels, bright borders."""
    height, width = shape
    x, y = grid(shape)
    drift = 0.03 * clouds(rng, shape, width / 3, height / 6)
    depth = y + drift
    echo = 88 + 14 * fractal(rng, shape, height / 8) - 25 * depth
    echo += 60 * np.exp(-((y / 0.02) ** 2))
    for level in np.cumsum(rng.uniform(0.02, 0.07, 4)):
        echo += rng.uniform(25, 60) * np.exp(-(((depth - level) / 0.006) ** 2))
    organ = fill(
        shape, blob(rng, at(shape, rng.uniform((0.3, 0.4), (0.7, 0.6))), (0.33 * width, 0.26 * height), 0.12), 2
    )
    echo += rng.uniform(-28, 22) * organ + 50 * np.exp(-(((blur(organ, 3) - 0.5) / 0.25) ** 2))
    for _ in range(int(rng.integers(1, 5))):
        place = at(shape, rng.uniform((0.15, 0.2), (0.85, 0.75)))
        radii = rng.uniform((0.03, 0.02), (0.12, 0.1)) * [width, height]
        hole = fill(shape, blob(rng, place, radii, 0.12, rng.uniform(-30, 30)), 1.5)
        behind = np.exp(-(((x * width - place[0]) / (0.8 * radii[0])) ** 2)) * (y * height > place[1])
        echo += 22 * behind * np.exp(-(y - place[1] / height) * 4)
        echo = mix(echo, 4, hole) + 55 * np.exp(-(((blur(hole, 2) - 0.5) / 0.25) ** 2)) * (rng.random() < 0.7)
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform((0.1, 0.3), (0.9, 0.9))
        tube = course(rng, at(shape, start), rng.uniform(0.2, 0.45) * width)
        caliber = rng.uniform(0.01, 0.025) * height
        echo = mix(echo, 8, fill(shape, ribbon(tube, caliber), 1.2)) + 35 * stroke(
            shape, tube + (0, caliber * 1.2), 2, 1.2
        )
    if rng.random() < 0.5:
        place = at(shape, rng.uniform((0.25, 0.35), (0.75, 0.7)))
        stone = blob(rng, place, (0.035 * width, 0.012 * height), 0.15)
        echo += 130 * fill(shape, stone, 1.5)
        shadow = np.exp(-(((x * width - place[0]) / (0.032 * width)) ** 6)) * (y * height > place[1] + 4)
        echo = echo * (1 - 0.85 * shadow)
    if rng.random() < 0.5:
        arc = curve(at(shape, jitter(rng, [(-0.05, 0.86), (0.3, 0.78), (0.7, 0.8), (1.05, 0.9)], 0.02)))
        echo += 110 * stroke(shape, arc, 4, 2.5)
    gain = 1 + 0.12 * clouds(rng, shape, width / 25, height * 2)
    return (echo * gain - 30 * np.clip(depth - 0.75, 0, None)).astype(np.float32)


def _heart(rng: np.random.Generator, shape: Shape) -> Field:
    """A heart from its tip: chambers black, walls bright, valves as thin flaps."""
    height, width = shape
    echo = 50 + 10 * fractal(rng, shape, height / 7)
    wall = fill(shape, blob(rng, at(shape, (0.5, 0.55)), (0.36 * width, 0.42 * height), 0.06), 4)
    echo += 70 * wall
    for place, radii in (
        ((0.63, 0.43), (0.13, 0.2)),
        ((0.37, 0.46), (0.1, 0.17)),
        ((0.63, 0.79), (0.12, 0.11)),
        ((0.36, 0.78), (0.11, 0.11)),
    ):
        chamber = blob(rng, at(shape, jitter(rng, place, 0.01)), np.array(radii) * [width, height], 0.1)
        echo = mix(echo, 3, fill(shape, chamber, 3))
    for way in (
        [(0.52, 0.615), (0.56, 0.62), (0.6, 0.64)],
        [(0.76, 0.61), (0.72, 0.615), (0.67, 0.63)],
        [(0.46, 0.62), (0.42, 0.625), (0.38, 0.64)],
    ):
        echo += 140 * stroke(shape, curve(at(shape, jitter(rng, way, 0.012))), 3, 1.2)
    return echo.astype(np.float32)


def _bar(rng: np.random.Generator, picture: Field, left: int) -> Field:
    """The scale of greys or of flow, as a wedge from bottom to top."""
    height = picture.shape[0]
    top, tall, wide = int(height * rng.uniform(0.04, 0.1)), int(height * rng.uniform(0.2, 0.4)), max(6, height // 60)
    ramp = np.linspace(1, 0, tall)[:, None, None]
    dark, bright = (np.array(colour) for colour in _SCALES[int(rng.integers(len(_SCALES)))])
    picture[top : top + tall, left : left + wide] = dark + (bright - dark) * ramp
    if rng.random() < 0.4:
        low = top + tall + int(0.06 * height)
        flow = np.linspace(-1, 1, tall)[:, None, None]
        red, blue = np.clip(-flow, 0, 1), np.clip(flow, 0, 1)
        colours = np.concatenate([255 * red, 200 * np.maximum(red, blue) ** 3, 255 * blue], 2)
        picture[low : low + tall, left : left + wide] = colours
    return picture


def _ticks(rng: np.random.Generator, picture: Field, at_x: int, top: int, bottom: int) -> Field:
    colour = [(210, 210, 210), (230, 200, 90), (120, 200, 230)][int(rng.integers(3))]
    step = (bottom - top) / int(rng.integers(10, 26))
    for index, y in enumerate(np.arange(top, bottom, step)):
        long = 8 if index % 5 == 0 else 4
        cv2.line(picture, (at_x, int(y)), (at_x + long, int(y)), colour, 1)
    return picture


def _callipers(rng: np.random.Generator, picture: Field, ends: Points) -> Field:
    """One or two pairs of crosses with a dotted line between."""
    colour = [(255, 255, 255), (255, 235, 60), (70, 255, 120), (90, 220, 255)][int(rng.integers(4))]
    arm = int(rng.integers(3, 7))
    for first, last in ends:
        for x, y in (first, last):
            cv2.line(picture, (int(x) - arm, int(y)), (int(x) + arm, int(y)), colour, 1)
            cv2.line(picture, (int(x), int(y) - arm), (int(x), int(y) + arm), colour, 1)
        count = int(np.hypot(*(last - first)) / rng.uniform(4, 8))
        for x, y in np.linspace(first, last, max(count, 2))[1:-1]:
            cv2.circle(picture, (int(x), int(y)), 0, colour, -1)
    return picture


def _measure(rng: np.random.Generator, shape: Shape) -> Points:
    middle = at(shape, rng.uniform((0.4, 0.4), (0.6, 0.6)))
    angle = rng.uniform(0, np.pi)
    ends = []
    for turn, share in ((0.0, 1.0), (np.pi / 2, 0.7))[: int(rng.integers(1, 3))]:
        half = 0.09 * shape[0] * share * np.array([np.cos(angle + turn), np.sin(angle + turn)])
        ends.append([middle - half, middle + half])
    return np.array(ends)


def _flow(rng: np.random.Generator, picture: Field, box: Points) -> Field:
    """A box of colour flow: red and blue inside the vessels that it covers, and its frame."""
    shape = (picture.shape[0], picture.shape[1])
    within = fill(shape, box)
    centre = box.mean(0)
    reach = np.hypot(*(box[2] - box[0])) / 2
    for _ in range(int(rng.integers(2, 5))):
        way = course(rng, centre + rng.normal(0, reach * 0.35, 2), reach * rng.uniform(0.5, 1.2))
        lumen = fill(shape, ribbon(way, reach * rng.uniform(0.05, 0.12)), 1.2) * within
        lumen *= clouds(rng, shape, 1.5) > -1.6
        speed = np.clip(0.6 + 0.3 * clouds(rng, shape, 5), 0.2, 1)[..., None]
        colour = np.array([255, 90, 10] if rng.random() < 0.5 else [20, 110, 255]) * speed
        picture = picture * (1 - lumen[..., None]) + colour * lumen[..., None]
    frame = stroke(shape, box, 1, 0, closed=True)
    return mix(picture, (200, 220, 90), frame)


def _dressed(rng: np.random.Generator, grey: Field, frame: Points, ends: Points) -> Picture:
    """The console's marks around the echoes: bars, ticks, callipers, a focus mark, a trace."""
    height, width = grey.shape
    tint = np.array([(1, 1, 1), (1.0, 0.93, 0.8), (0.88, 0.95, 1.0)][int(rng.integers(3))])
    picture = np.clip(grey[..., None] * tint, 0, 255).astype(np.float32)
    if rng.random() < 0.3:
        picture = _flow(rng, np.ascontiguousarray(picture, np.float32), frame)
    picture = np.ascontiguousarray(picture, np.float32)
    if rng.random() < 0.75:
        picture = _bar(rng, picture, int(rng.choice([0.015, 0.96]) * width))
    if rng.random() < 0.75:
        side = int(width * rng.choice([0.02, 0.93]))
        picture = _ticks(rng, picture, side, int(height * 0.06), int(height * 0.94))
    if rng.random() < 0.55:
        picture = _callipers(rng, picture, ends)
    if rng.random() < 0.5:
        spot = (int(0.95 * width), int(rng.uniform(0.3, 0.8) * height))
        corner = np.array([spot, (spot[0] + 9, spot[1] - 6), (spot[0] + 9, spot[1] + 6)], np.int32)
        cv2.fillPoly(picture, [corner], (220, 190, 60))
    if rng.random() < 0.3:
        steps = np.arange(0, width * 0.8)
        beat = np.exp(-((((steps % (width / 6)) - width / 12) / 2.5) ** 2))
        wave = height * 0.965 - height * 0.035 * beat + rng.normal(0, 0.5, len(steps))
        trace = np.stack([steps + 0.1 * width, wave], 1)
        cv2.polylines(picture, [np.rint(trace).astype(np.int32)], False, (90, 255, 120), 1, cv2.LINE_AA)
    if rng.random() < 0.3:
        return finish(picture.mean(2))
    return finish(picture)


def ultrasound_sector(rng: np.random.Generator, of_heart: float = 0.3) -> Picture:
    """A fan of a curved or a phased probe: organs or a heart, with bars, ticks and callipers around it."""
    height, width = shape = size(rng, 420, 800, (1.1, 1.4))
    heart = rng.random() < of_heart
    beams = (int(rng.integers(360, 520)), int(rng.integers(300, 420)))
    echo = (_heart if heart else _tissue)(rng, beams)
    sounded = speckled(rng, echo, rng.uniform(1.6, 3.0), rng.uniform(0.8, 1.3))
    half = np.deg2rad(rng.uniform(30, 42))
    near = 0.02 * height if heart else rng.uniform(0.12, 0.3) * height
    top = np.array([width * rng.uniform(0.46, 0.54), 0.04 * height - near * np.cos(half)])
    far = 0.93 * height + near * np.cos(half)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away, angle = np.hypot(x - top[0], y - top[1]), np.arctan2(x - top[0], y - top[1])
    along = ((away - near) / (far - near) * (beams[0] - 1)).astype(np.float32)
    across = ((angle / half + 1) / 2 * (beams[1] - 1)).astype(np.float32)
    grey = cv2.remap(sounded, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    grey = np.clip(blur(grey, 0.5) * rng.uniform(0.9, 1.25), 0, 255) + rng.choice([0, 0, 14])
    corners = [(r * far, a * half) for r, a in ((0.4, -0.5), (0.4, 0.5), (0.75, 0.5), (0.75, -0.5))]
    frame = np.array([top + r * np.array([np.sin(a), np.cos(a)]) for r, a in corners])
    return _dressed(rng, grey.astype(np.float32), frame, _measure(rng, shape))


def _shallow(rng: np.random.Generator, shape: Shape) -> Field:
    """Skin, fat with septa, striped muscle, a vessel or a node, bone with its shadow."""
    height, width = shape
    x, y = grid(shape)
    bend = 0.025 * clouds(rng, shape, width / 3, height)
    depth = y + bend
    fat_end, muscle_end = rng.uniform(0.15, 0.28), rng.uniform(0.5, 0.75)
    echo = np.where(depth < fat_end, 62, np.where(depth < muscle_end, 80, 95)).astype(np.float32)
    echo += 90 * (depth < 0.035)
    septa = np.exp(-((clouds(rng, shape, width / 14, height / 45) / 0.13) ** 2))
    echo += 75 * septa * (depth < fat_end) * (depth > 0.035)
    stripes = clouds(rng, shape, width / 9, height / 170)
    echo += 30 * stripes * (depth > fat_end) * (depth < muscle_end) + 12 * fractal(rng, shape, height / 10)
    for level in (fat_end, muscle_end, 0.5 * (fat_end + muscle_end)):
        echo += 85 * np.exp(-(((depth - level) / 0.007) ** 2))
    place = at(shape, rng.uniform((0.25, 0.38), (0.75, 0.6)))
    radii = rng.uniform((0.07, 0.06), (0.16, 0.13)) * [width, height]
    pick = rng.random()
    if pick < 0.4:
        lumen = fill(shape, blob(rng, place, radii, 0.06), 1.5)
        rim = np.exp(-(((blur(lumen, 3) - 0.5) / 0.25) ** 2))
        behind = np.exp(-(((x * width - place[0]) / (0.8 * radii[0])) ** 4)) * (y * height > place[1])
        echo = mix(echo + 35 * behind, 3, lumen) + 70 * rim
    elif pick < 0.7:
        tube = curve(at(shape, jitter(rng, [(-0.1, 0.5), (0.3, 0.47), (0.7, 0.52), (1.1, 0.46)], 0.02)))
        wide = rng.uniform(0.04, 0.08) * height
        echo = mix(echo, 4, fill(shape, ribbon(tube, wide), 1.5))
        for side in (-1, 1):
            echo += 95 * stroke(shape, tube + (0, side * wide * 1.05), 3, 1.2)
            echo += 50 * stroke(shape, tube + (0, side * wide * 1.3), 2, 1.2)
    else:
        node = fill(shape, blob(rng, place, radii, 0.15), 2)
        core = fill(shape, blob(rng, place, radii * 0.4, 0.15), 3)
        echo = mix(echo, 38, node) + 70 * core
    if rng.random() < 0.45:
        edge = curve(at(shape, jitter(rng, [(-0.1, 0.83), (0.3, 0.76), (0.6, 0.8), (1.1, 0.78)], 0.02)))
        below = fill(shape, np.concatenate([edge, at(shape, [(1.1, 1.2), (-0.1, 1.2)])]), 2)
        echo = mix(echo, 10, below * 0.92) + 150 * stroke(shape, edge, 4, 1.5)
        for index in range(1, 3):
            echo += 40 / index * stroke(shape, edge + (0, index * 0.07 * height), 3, 2)
    faded: Field = (echo - 30 * y).astype(np.float32)
    return faded


def ultrasound_linear(rng: np.random.Generator) -> Picture:
    """A linear probe's rectangle or trapezium: layers under the skin, with bars, ticks and callipers around it."""
    height, width = shape = size(rng, 380, 760, (0.95, 1.35))
    inner = (int(height * rng.uniform(0.75, 0.9)), int(width * rng.uniform(0.65, 0.86)))
    sounded = speckled(rng, _shallow(rng, inner), rng.uniform(1.3, 2.4), rng.uniform(0.7, 1.2))
    left, top = (width - inner[1]) // 2, int(height * 0.05)
    grey = np.zeros(shape, np.float32)
    grey[top : top + inner[0], left : left + inner[1]] = sounded * rng.uniform(0.9, 1.2)
    if rng.random() < 0.3:
        slant = 0.12 * inner[1]
        corners = np.array(
            [
                (left + slant, top),
                (left + inner[1] - slant, top),
                (left + inner[1], top + inner[0]),
                (left, top + inner[0]),
            ]
        )
        grey *= fill(shape, corners, 0.6)
    elif rng.random() < 0.3:
        strip = int(height * rng.uniform(0.25, 0.33))
        grey[-strip:] = _spectrum(rng, (strip, width))
    frame = at(shape, [(0.33, 0.3), (0.65, 0.3), (0.6, 0.7), (0.28, 0.7)])
    return _dressed(rng, np.clip(blur(grey, 0.4), 0, 255), frame, _measure(rng, shape))


def _spectrum(rng: np.random.Generator, shape: Shape) -> Field:
    """The strip of a Doppler's speeds over time: one hump a beat above a base line."""
    height = shape[0]
    x, y = grid(shape)
    beats = rng.uniform(3, 7)
    phase = (x * beats) % 1
    crest = 0.2 + 0.55 * np.exp(-(((phase - 0.2) / 0.09) ** 2)) + 0.15 * np.exp(-(((phase - 0.5) / 0.12) ** 2))
    base = 0.82
    above = (base - y) / 0.85
    speed = np.clip(1 - np.abs(above / crest - 0.75) * 1.6, 0, 1) * (above > 0.02) * (above < crest)
    field = 210 * speed * np.clip(0.7 + 0.35 * clouds(rng, shape, 0.8, 1.2), 0, 1.4)
    field[int(base * height)] = 150
    field[:2] = 60
    return field.astype(np.float32)
